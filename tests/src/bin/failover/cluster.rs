//! Three NameServers with the controller inside and three brokers of one name, as processes.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sansmq_tests::Folder;

use crate::net::{Net, address};

/// What a server is run with.
#[derive(Clone, Debug)]
pub enum Make {
    /// Ours, with this program.
    Ours(PathBuf),
    /// The reference, with its jars in this folder.
    Java(PathBuf),
}

impl Make {
    /// As options call it.
    pub fn kind(&self) -> &'static str {
        match self {
            Make::Ours(_) => "ours",
            Make::Java(_) => "java",
        }
    }
}

/// One server process.
pub struct Process {
    name: String,
    /// `ours` or `java`.
    pub kind: &'static str,
    line: Vec<String>,
    home: PathBuf,
    child: Option<Child>,
    boot_line: &'static str,
    starts: u32,
}

/// Where the servers of a cluster are.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    pub namesrvs: Vec<String>,
    pub controllers: Vec<String>,
    pub brokers: Vec<String>,
}

pub struct Cluster {
    pub addresses: Addresses,
    pub controllers: Vec<Process>,
    pub brokers: Vec<Process>,
    /// Last, so that it goes after the processes that write into it.
    pub folder: Folder,
}

/// Above the first of the ports a cluster takes.
pub const PORTS: u16 = 130;
pub const BROKER_NAME: &str = "broker-a";

impl Cluster {
    /// Lays out the folder; starts nothing. With a net, controllers are on hosts 1 to 3, brokers on 4 to 6.
    pub fn new(
        controllers: &Make,
        brokers: &[Make; 3],
        base_port: u16,
        extra: &str,
        net: Option<&Net>,
    ) -> Self {
        let folder = Folder::new();
        let ip = |host: usize| net.map_or("127.0.0.1".to_owned(), |_| address(host));
        let step = |n: u16| if net.is_some() { 0 } else { n * 10 };
        let at = |host: usize, port: u16| format!("{}:{port}", ip(host));
        let numbers = [0_u16, 1, 2];
        let place = |first: usize, port: u16| -> Vec<String> {
            numbers.iter().map(|n| at(first + usize::from(*n), port + step(*n))).collect()
        };
        let addresses = Addresses {
            namesrvs: place(1, base_port),
            controllers: place(1, base_port + 50),
            brokers: place(4, base_port + 100),
        };
        let peers: Vec<String> =
            numbers.iter().map(|n| format!("n{n}-{}", addresses.controllers[usize::from(*n)])).collect();
        let mut cluster = Cluster { folder, addresses, controllers: Vec::new(), brokers: Vec::new() };
        for n in numbers {
            let host = 1 + usize::from(n);
            let port = base_port + step(n);
            let store = cluster.folder.join(&format!("controller-{n}/store"));
            let config = format!(
                "listenPort={port}\nbindAddress=0.0.0.0\nenableControllerInNamesrv=true\ncontrollerDLegerGroup=group1\n\
                 controllerDLegerPeers={}\ncontrollerDLegerSelfId=n{n}\ncontrollerStorePath={store}\n",
                peers.join(";"),
            );
            let name = format!("controller-{n}");
            let process = cluster.lay_out(controllers, "namesrv", &name, &config, net, host);
            cluster.controllers.push(process);
        }
        for n in numbers {
            let host = 4 + usize::from(n);
            let port = base_port + 100 + step(n);
            let store = cluster.folder.join(&format!("broker-{n}/store"));
            let config = format!(
                "brokerClusterName=DefaultCluster\nbrokerName={BROKER_NAME}\nbrokerId=-1\nbrokerRole=SLAVE\n\
                 listenPort={port}\nhaListenPort={}\nbrokerIP1={}\nbrokerIP2={}\nstorePathRootDir={store}\n\
                 storePathCommitLog={store}/commitlog\nnamesrvAddr={}\nenableControllerMode=true\ncontrollerAddr={}\n\
                 mappedFileSizeCommitLog=16777216\nmappedFileSizeConsumeQueue=60000\nmaxHashSlotNum=1000\n\
                 maxIndexNum=5000\n{extra}",
                port + 1,
                ip(host),
                ip(host),
                cluster.addresses.namesrvs.join(";"),
                cluster.addresses.controllers.join(";"),
            );
            let name = format!("broker-{n}");
            let process = cluster.lay_out(&brokers[usize::from(n)], "broker", &name, &config, net, host);
            cluster.brokers.push(process);
        }
        cluster
    }

    fn lay_out(
        &self,
        make: &Make,
        role: &str,
        name: &str,
        config: &str,
        net: Option<&Net>,
        host: usize,
    ) -> Process {
        let home = self.folder.path().join(name);
        std::fs::create_dir_all(&home).expect("the temporary folder is writable");
        let file = self.folder.write(&format!("{name}/server.conf"), config);
        let home_text = home.to_string_lossy().into_owned();
        let mut line = net.map(|net| net.enter(host)).unwrap_or_default();
        match make {
            Make::Ours(program) => {
                line.push(program.to_string_lossy().into_owned());
                line.extend([role, "-c", &file, "--data", &home_text].map(str::to_owned));
            }
            Make::Java(jars) => {
                let main = if role == "namesrv" { "namesrv.NamesrvStartup" } else { "broker.BrokerStartup" };
                line.extend(
                    ["java", "-Xms384m", "-Xmx384m", "-XX:MaxDirectMemorySize=1g"].map(str::to_owned),
                );
                line.push(format!("-Duser.home={home_text}"));
                line.push(format!("-Drocketmq.home.dir={home_text}"));
                line.push("-cp".to_owned());
                line.push(format!("{}/*", jars.display()));
                line.push(format!("org.apache.rocketmq.{main}"));
                line.extend(["-c", &file].map(str::to_owned));
            }
        }
        let boot_line = if role == "namesrv" { "The Name Server boot success" } else { "boot success" };
        Process { name: name.to_owned(), kind: make.kind(), line, home, child: None, boot_line, starts: 0 }
    }

    /// Byte `at` of which log, for comparing replicas: the files of a broker's commit log, joined.
    pub fn commit_log(&self, broker: usize) -> Vec<u8> {
        let folder = self.brokers[broker].home.join("store/commitlog");
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .filter_map(|file| Some(file.ok()?.path()))
            .collect();
        files.sort();
        files.iter().flat_map(|file| std::fs::read(file).unwrap_or_default()).collect()
    }
}

impl Process {
    pub fn start(&mut self) {
        self.starts += 1;
        let file = |kind: &str| {
            File::create(self.home.join(format!("{kind}-{}", self.starts))).expect("the folder is writable")
        };
        let mut command = Command::new(&self.line[0]);
        command.args(&self.line[1..]).env_remove("NAMESRV_ADDR").env_remove("ROCKETMQ_SERIALIZE_TYPE");
        command.current_dir(&self.home).stdin(Stdio::null());
        command.stdout(file("stdout")).stderr(file("stderr"));
        self.child = Some(command.spawn().expect("the server can be run"));
    }

    /// Whether it has said that it is up since its last start.
    pub fn is_up(&self) -> bool {
        let path = self.home.join(format!("stdout-{}", self.starts));
        std::fs::read(path).is_ok_and(|text| String::from_utf8_lossy(&text).contains(self.boot_line))
    }

    pub fn wait_up(&self, seconds: u64) {
        let end = Instant::now() + Duration::from_secs(seconds);
        while !self.is_up() {
            assert!(
                Instant::now() < end,
                "{} is not up after {seconds} s; see {}",
                self.name,
                self.home.display()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends a signal to the server.
    pub fn signal(&self, signal: i32) {
        let child = self.child.as_ref().expect("the server runs");
        let pid = i32::try_from(child.id()).expect("process ids are positive");
        // SAFETY: signals a child that has not been waited for.
        unsafe { libc::kill(pid, signal) };
    }

    /// kill -9, and waits until it is gone.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It fails for a process that is gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn runs(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
