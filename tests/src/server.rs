//! One server process.

use std::fs::File;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::{Client, Folder, Frontend, eventually};

/// Small files, so that a store costs next to nothing; flushed often, so that tests need not wait.
const BROKER: &str = "brokerName=broker-a\nbrokerIP1=127.0.0.1\nbindAddress=127.0.0.1\n\
    mappedFileSizeCommitLog=16777216\nmappedFileSizeConsumeQueue=20000\nmaxHashSlotNum=1000\n\
    maxIndexNum=4000\nflushIntervalCommitLog=100\nflushCommitLogThoroughInterval=200\n\
    maxTransferBytesOnMessageInMemory=16777216\nmaxTransferBytesOnMessageInDisk=16777216\n";

/// A port that nobody uses, with the one two below it (a broker's fast port) and the one above (its replication
/// port). Never given twice, and below those the kernel hands out to clients, so that nobody takes it before the
/// server does.
#[must_use]
pub fn free_ports() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const FIRST: u32 = 10_000;
    const GROUPS: u32 = 5_000;
    loop {
        let group =
            std::process::id().wrapping_mul(97).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % GROUPS;
        let port = u16::try_from(FIRST + group * 4 + 2).expect("ports end at 30,000");
        if [port - 2, port, port + 1].iter().all(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()) {
            return port;
        }
    }
}

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct Server {
    pub folder: Folder,
    pub port: u16,
    frontend: Frontend,
    args: Vec<String>,
    env: Vec<(String, String)>,
    child: Child,
}

impl Server {
    /// A NameServer.
    #[must_use]
    pub fn namesrv(frontend: Frontend) -> Self {
        Server::start(frontend, "namesrv", "bindAddress=127.0.0.1\n", &[])
    }

    /// A broker without NameServer, with further lines of configuration.
    #[must_use]
    pub fn broker(frontend: Frontend, config: &str) -> Self {
        Server::start(frontend, "broker", &format!("{BROKER}{config}"), &[])
    }

    /// A broker whose store folder is a file system of its own with this many MiB, or `None` where that is not
    /// permitted. What is in `folder/before` is copied into it; `ballast` then takes the room that is left.
    #[must_use]
    pub fn broker_on_small_disk(
        frontend: Frontend,
        config: &str,
        mib: u32,
        folder: Folder,
        ballast: bool,
    ) -> Option<Self> {
        let store = folder.join("data/store");
        for dir in ["data/store", "before"] {
            std::fs::create_dir_all(folder.join(dir)).expect("the temporary folder is writable");
        }
        let mount = format!("mount -t tmpfs -o size={mib}m tmpfs \"$1\"");
        let mut trial = namespace(&format!("{mount} && true"), &store);
        if !trial.stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
            return None;
        }
        // dd ends with an error when the disk is full, as it is meant to be
        let fill = if ballast { "dd if=/dev/zero of=\"$1/ballast\" bs=4k 2>&1; " } else { "" };
        let script = format!("{mount} && cp -r \"$2/.\" \"$1\" && {{ {fill}shift 2; exec \"$@\"; }}");
        let mut wrapper = namespace(&script, &store);
        wrapper.arg(folder.join("before")).arg(frontend.binary());
        Some(Server::start_in(folder, frontend, "broker", &format!("{BROKER}{config}"), &[], Some(&wrapper)))
    }

    /// Any server that has, beside its own folder, one that is a file system of its own with this many MiB, or `None`
    /// where that is not permitted.
    #[must_use]
    pub fn on_small_disk(
        frontend: Frontend,
        command: &str,
        config: &str,
        folder: &str,
        mib: u32,
    ) -> Option<Self> {
        std::fs::create_dir_all(folder).expect("the temporary folder is writable");
        let mount = format!("mount -t tmpfs -o size={mib}m tmpfs \"$1\"");
        let mut trial = namespace(&format!("{mount} && true"), folder);
        if !trial.stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
            return None;
        }
        let mut wrapper = namespace(&format!("{mount} && shift && exec \"$@\""), folder);
        wrapper.arg(frontend.binary());
        Some(Server::start_in(Folder::new(), frontend, command, config, &[], Some(&wrapper)))
    }

    /// A broker in a folder that may hold what another one has left.
    #[must_use]
    pub fn broker_in(folder: Folder, frontend: Frontend) -> Self {
        Server::start_in(folder, frontend, "broker", BROKER, &[], None)
    }

    /// Leaves the folder where it is, for inspection.
    pub fn keep_folder(&mut self) {
        self.folder.keep();
    }

    /// The folder of a server that has ended.
    #[must_use]
    pub fn take_folder(&mut self) -> Folder {
        std::mem::take(&mut self.folder)
    }

    /// A file of the store as the process sees it, be it on a disk of its own.
    #[must_use]
    pub fn store_file(&self, name: &str) -> PathBuf {
        let store = self.folder.path().join("data/store").join(name);
        let within = store.strip_prefix("/").expect("the temporary folder is an absolute path");
        Path::new(&format!("/proc/{}/root", self.child.id())).join(within)
    }

    /// Starts a server and waits until it says that it is up.
    #[must_use]
    pub fn start(frontend: Frontend, command: &str, config: &str, env: &[(&str, &str)]) -> Self {
        Server::start_in(Folder::new(), frontend, command, config, env, None)
    }

    fn start_in(
        folder: Folder,
        frontend: Frontend,
        command: &str,
        config: &str,
        env: &[(&str, &str)],
        wrapper: Option<&Command>,
    ) -> Self {
        // Somebody else may take the port before the server does.
        for _ in 0..5 {
            let port = free_ports();
            let config = folder.write("server.conf", &format!("{config}listenPort={port}\n"));
            let data = folder.join("data");
            let args = [command, "-c", &config, "--data", &data].map(str::to_owned).to_vec();
            let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
            let env: Vec<(String, String)> = env.iter().map(pair).collect();
            let mut child = match wrapper {
                None => spawn(Command::new(frontend.binary()), &args, &env, &folder),
                Some(wrapper) => spawn(again(wrapper), &args, &env, &folder),
            };
            if is_up(&mut child, &folder) {
                return Server { folder, port, frontend, args, env, child };
            }
        }
        panic!("the server does not start: {}", said(&folder));
    }

    /// Starts a server that is expected to give up; returns what it said and how it ended.
    #[must_use]
    pub fn run(frontend: Frontend, args: &[&str]) -> Output {
        let mut command = Command::new(frontend.binary());
        command.args(args);
        Self::run_to_its_end(command)
    }

    /// The same without the rights that let the superuser ignore the modes of files, should the test have them.
    #[must_use]
    pub fn run_subject_to_modes(frontend: Frontend, args: &[&str]) -> Output {
        let mut command = Command::new(frontend.binary());
        command.args(args);
        give_up_override(&mut command);
        Self::run_to_its_end(command)
    }

    fn run_to_its_end(mut command: Command) -> Output {
        command.env_remove("NAMESRV_ADDR").env_remove("ROCKETMQ_SERIALIZE_TYPE");
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("the binary can be run");
        let end = Instant::now() + Duration::from_secs(10);
        while matches!(child.try_wait(), Ok(None)) {
            if Instant::now() > end {
                // It runs though it should not; the caller sees that in its status.
                let _ = child.kill();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        child.wait_with_output().expect("a child can be waited for")
    }

    #[must_use]
    pub fn addr(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The first file of the broker's commit log, without the zeros behind its end.
    #[must_use]
    pub fn commit_log(&self) -> Vec<u8> {
        let path = self.folder.join("data/store/commitlog/00000000000000000000");
        let mut bytes = std::fs::read(path).unwrap_or_default();
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        bytes.truncate(end);
        bytes
    }

    #[must_use]
    pub fn client(&self) -> Client {
        Client::connect(&self.addr())
    }

    /// Ends the process with a signal and waits until it is gone.
    pub fn end(&mut self, signal: i32) -> ExitStatus {
        let pid = i32::try_from(self.child.id()).expect("process ids are positive");
        // SAFETY: sends a signal to a child that has not been waited for yet.
        unsafe { libc::kill(pid, signal) };
        eventually(10, "the server ends", || matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)));
        self.child.wait().expect("a child can be waited for")
    }

    /// SIGTERM.
    pub fn stop(&mut self) -> ExitStatus {
        self.end(libc::SIGTERM)
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.end(libc::SIGKILL);
    }

    /// Starts it again on its port and data, also if it still runs.
    pub fn restart(&mut self) {
        // It fails for a process that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.child = spawn(Command::new(self.frontend.binary()), &self.args, &self.env, &self.folder);
        assert!(is_up(&mut self.child, &self.folder), "no restart: {}", said(&self.folder));
    }

    /// Resident memory in MiB.
    #[must_use]
    pub fn rss_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|rest| rest.trim_end_matches("kB").trim().parse::<u64>().ok());
        kib.expect("the server runs") / 1024
    }

    /// The time processors have spent on it.
    #[must_use]
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let (_, after) = stat.rsplit_once(") ").expect("the server runs");
        // Its own time in user mode and in the kernel, in hundredths of a second.
        let ticks: u64 = after.split(' ').skip(11).take(2).filter_map(|text| text.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 10)
    }

    /// How many descriptors it has open.
    #[must_use]
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).map_or(0, Iterator::count)
    }

    /// How many threads it has.
    #[must_use]
    pub fn threads(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/task", self.child.id())).map_or(0, Iterator::count)
    }

    /// Everything in its log files.
    #[must_use]
    pub fn log(&self) -> String {
        let files = std::fs::read_dir(self.folder.path().join("data/logs")).into_iter().flatten();
        let texts = files.filter_map(|file| std::fs::read_to_string(file.ok()?.path()).ok());
        texts.collect()
    }

    /// Whether a file exists below its store folder.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.folder.path().join("data/store").join(name).exists()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It fails for a process that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a shell script with `$1` in a mount namespace of its own.
fn namespace(script: &str, first: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", first]);
    command
}

/// A command with the same program and arguments.
fn again(command: &Command) -> Command {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args());
    copy
}

/// Takes the capabilities to ignore modes from a command, also when it runs as root.
fn give_up_override(command: &mut Command) {
    const CAP_DAC_OVERRIDE: libc::c_ulong = 1;
    const CAP_DAC_READ_SEARCH: libc::c_ulong = 2;
    // SAFETY: between fork and exec only prctl is called. It fails for those who have nothing to give up.
    unsafe {
        command.pre_exec(|| {
            for capability in [CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH] {
                libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0);
            }
            Ok(())
        });
    }
}

fn spawn(mut command: Command, args: &[String], env: &[(String, String)], folder: &Folder) -> Child {
    let file = |name: &str| File::create(folder.path().join(name)).expect("the temporary folder is writable");
    command.args(args).env_remove("NAMESRV_ADDR").env_remove("ROCKETMQ_SERIALIZE_TYPE");
    command.envs(env.iter().cloned()).stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr"));
    command.spawn().expect("the binary can be run")
}

fn said(folder: &Folder) -> String {
    let mut text = String::new();
    for name in ["stdout", "stderr"] {
        if let Ok(mut file) = File::open(folder.path().join(name)) {
            // What cannot be read is not shown.
            let _ = file.read_to_string(&mut text);
        }
    }
    text
}

/// Waits for the boot line; false when the process ends instead.
fn is_up(child: &mut Child, folder: &Folder) -> bool {
    let end = Instant::now() + Duration::from_secs(20);
    while Instant::now() < end {
        if said(folder).contains("boot success") {
            return true;
        }
        if !matches!(child.try_wait(), Ok(None)) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    // It neither runs nor ends.
    let _ = child.kill();
    false
}
