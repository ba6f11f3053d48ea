//! The container by itself: what it refuses and in which words, whose turn it is, what it remembers.

use quickcheck::quickcheck;

use super::members::plain_path;
use super::*;
use crate::body::DataVersion;
use crate::config::{BrokerContainerConfig, NettyClientConfig, NettyServerConfig, Properties};
use crate::wire::{Command, ConnId, Encoding, Ext, Head, frame};

const PORT: i32 = 10_811;

struct Bench {
    container: Container,
    /// Replies by opaque: code and remark.
    replies: Vec<(i32, i32, String)>,
    work: Vec<Work>,
    saves: Vec<(u64, String, String)>,
    opaque: i32,
}

fn settings() -> ContainerSettings {
    ContainerSettings {
        container: BrokerContainerConfig {
            namesrv_addr: Some("ns:9876".into()),
            ..BrokerContainerConfig::default()
        },
        server: NettyServerConfig { listen_port: PORT, ..NettyServerConfig::default() },
        client: NettyClientConfig::default(),
        file: Properties::parse("listenPort=10811\nnobodysKey=kept\n"),
        extensions: Default::default(),
        path: Some("container.conf".into()),
        serialize_type: "JSON".into(),
        version: DataVersion::default(),
    }
}

impl Bench {
    fn new(paths: &[&str]) -> Self {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let host =
            Surroundings { user_home: "/home/u".into(), local_ip: "10.0.0.1".into(), ..Default::default() };
        let container = Container::new(settings(), host, paths);
        let (replies, work, saves) = Default::default();
        let mut bench = Bench { container, replies, work, saves, opaque: 0 };
        if bench.container.deadline().is_some() {
            bench.container.handle(Now::default(), ServerIn::Tick);
        }
        bench.drain();
        bench
    }

    fn drain(&mut self) {
        while let Some(out) = self.container.poll() {
            match out {
                ServerOut::Reply { to, reply } => {
                    self.replies.push((to.opaque, reply.code, reply.remark.unwrap_or_default().into_owned()));
                }
                ServerOut::Save { token, path, data } => {
                    self.saves.push((token, path, String::from_utf8(data.to_vec()).unwrap()));
                }
                other => panic!("a container does not do this: {other:?}"),
            }
        }
        self.work.extend(std::iter::from_fn(|| self.container.poll_work()));
    }

    fn send(&mut self, code: i32, ext: Ext, body: &str) -> i32 {
        self.opaque += 1;
        let command = Command { opaque: self.opaque, ..Command::request(code, ext) };
        let mut bytes = command.with_body(body.as_bytes().to_vec()).encode(Encoding::Json).to_vec();
        let mut head = Head::default();
        let frame = frame::decode(&mut bytes, &mut head).unwrap();
        let peer = Peer { conn: ConnId(1), addr: "10.0.0.9:4000".parse().unwrap(), fast_port: false };
        self.container.handle(Now::default(), ServerIn::Request { peer, frame });
        self.drain();
        self.opaque
    }

    fn add(&mut self, path: &str) -> i32 {
        self.send(code::ADD_BROKER, Ext::new().with("configPath", path.to_owned()), "")
    }

    fn remove(&mut self, identity: &str) -> i32 {
        let parts: Vec<&str> = identity.split(':').collect();
        let ext = Ext::new()
            .with("brokerClusterName", parts[0].to_owned())
            .with("brokerName", parts[1].to_owned())
            .with("brokerId", parts[2].to_owned());
        self.send(code::REMOVE_BROKER, ext, "")
    }

    fn read(&mut self, text: &str) {
        self.container.file_read(Ok(text.to_owned()));
        self.drain();
    }

    /// Adds a broker with this file and has it come up as this role.
    fn runs(&mut self, text: &str, role: usize) -> BrokerFile {
        self.work.clear();
        self.add("x.conf");
        self.read(text);
        let Some(Work::Start { file, .. }) = self.work.pop() else {
            panic!("not started: {:?}", self.replies.last());
        };
        self.container.started(Ok(Place::Role(role)));
        self.drain();
        assert_eq!(self.replies.last().map(|reply| reply.1), Some(0));
        *file
    }

    /// What the container says to a broker with this file.
    fn refusal(&mut self, text: &str) -> String {
        self.work.clear();
        let opaque = self.add("x.conf");
        self.read(text);
        let Some((at, code, remark)) = self.replies.last().cloned() else {
            panic!("no answer; {:?}", self.work);
        };
        assert_eq!((at, code), (opaque, response::SYSTEM_ERROR), "{remark}");
        remark
    }

    fn names(&self) -> Vec<String> {
        self.container.brokers().map(|(identity, kind)| format!("{kind} {identity}")).collect()
    }
}

fn broker(name: &str, port: i32, more: &str) -> String {
    format!("brokerName={name}\nlistenPort={port}\nstorePathRootDir=/s/{name}\n{more}\n")
}

#[test]
fn refusals_in_the_references_words() {
    let mut bench = Bench::new(&[]);
    let empty = bench.add("");
    assert_eq!(bench.replies, [(empty, 1, "addBroker config path is empty".to_owned())]);
    let starts = [
        ("# nothing\n", "addBroker properties empty"),
        ("brokerNam=x\n", "addBroker properties wrong, x.conf:1: "),
        ("brokerRole=SLAVE\nbrokerId=0\n", "slave broker id must be > 0"),
        ("totalReplicas=1\ninSyncReplicas=2\n", "invalid replicas number"),
        ("totalReplicas=2\nminInSyncReplicas=3\n", "invalid replicas number"),
        ("totalReplicas=3\ninSyncReplicas=1\nminInSyncReplicas=2\n", "invalid replicas number"),
        (
            "duplicationEnable=true\n",
            "Can not add broker to container when duplicationEnable is true currently",
        ),
        ("enableControllerMode=true\nbrokerRole=SLAVE\nbrokerId=0\n", "add broker return null"),
        ("enableControllerMode=true\nbrokerId=3\n", "add broker return null"),
        ("enableDLegerCommitLog=true\ndLegerSelfId=n\n", "dLegerSelfId \"n\" is not"),
        (
            "listenPort=10811\n",
            "Failed to initialize master broker DefaultCluster__0, the port 10811 already in use",
        ),
        (
            "listenPort=10813\n",
            "Failed to initialize master broker DefaultCluster__0, the port 10811 already",
        ),
        (
            "listenPort=10808\n",
            "Failed to initialize master broker DefaultCluster__0, the port 10809 already",
        ),
        (
            "listenPort=2\n",
            "Failed to initialize master broker DefaultCluster__0, listenPort 2 leaves no room",
        ),
        (
            "listenPort=65535\n",
            "Failed to initialize master broker DefaultCluster__0, listenPort 65535 leaves",
        ),
    ];
    for (text, words) in starts {
        let said = bench.refusal(text);
        assert!(said.starts_with(words), "{text:?}: {said}");
    }
    bench.add("gone.conf");
    bench.container.file_read(Err("gone.conf: No such file".into()));
    bench.drain();
    assert!(bench.replies.last().unwrap().2.starts_with("addBroker properties empty, gone.conf: No such"));
    assert!(bench.names().is_empty());
}

#[test]
fn what_is_there_already_is_not_taken_twice() {
    let mut bench = Bench::new(&[]);
    bench.runs(&broker("a", 20_000, "storePathCommitLog=/logs/a"), 1);
    let again = bench.refusal(&broker("a", 30_000, "storePathRootDir=/s/other"));
    assert_eq!(again, "DefaultCluster_a_0 has already been added to current broker container");
    for port in [20_000, 20_002, 19_998, 20_001, 19_999, 19_997, 20_003] {
        let said = bench.refusal(&broker("b", port, ""));
        assert!(said.contains("already in use by DefaultCluster_a_0"), "{port}: {said}");
    }
    for folder in ["storePathRootDir=/s/./x/../a/", "storePathCommitLog=/logs//a"] {
        let said = bench.refusal(&broker("b", 30_000, folder));
        assert!(said.starts_with("start broker failed, Lock failed,MQ already started: /"), "{said}");
    }
    // The same identity may be there once as a master and once as a slave of another group.
    bench.runs(&broker("a", 30_000, "storePathRootDir=/s/a1\nbrokerRole=SLAVE\nbrokerId=1"), 2);
    assert_eq!(bench.names(), ["master DefaultCluster_a_0", "slave DefaultCluster_a_1"]);
}

#[test]
fn the_container_decides_what_its_brokers_share() {
    let mut bench = Bench::new(&[]);
    let file = bench.runs(
        &broker("a", 20_000, "brokerId=7\nhaListenPort=5\nnamesrvAddr=other:1\nserverWorkerThreads=99"),
        1,
    );
    assert_eq!((file.broker.broker_id, file.store.ha_listen_port), (0, 20_001));
    assert_eq!(file.broker.namesrv_addr.as_deref(), Some("ns:9876"));
    assert!(file.broker.is_in_broker_container);
    assert_eq!(file.broker.broker_config_path.as_deref(), Some("x.conf"));
    assert_eq!((file.server.server_worker_threads, file.server.listen_port), (8, 20_000));
    assert_eq!(file.store.access_message_in_memory_max_ratio, 40);
    let slave = bench.runs(&broker("s", 30_000, "brokerRole=SLAVE\nbrokerId=2"), 2);
    assert_eq!((slave.broker.broker_id, slave.store.access_message_in_memory_max_ratio), (2, 30));
    let port = bench.runs("brokerName=p\nstorePathRootDir=/s/p\n", 3).broker.listen_port;
    assert_eq!(port, 6_888);
}

#[test]
fn a_broker_that_does_not_come_up_leaves_nothing() {
    let mut bench = Bench::new(&[]);
    for (error, words) in [
        (
            StartError::Open("disk gone".into()),
            "Failed to initialize master broker DefaultCluster_a_0, disk gone",
        ),
        (StartError::Listen("in use".into()), "start broker failed, in use"),
    ] {
        bench.add("x.conf");
        bench.read(&broker("a", 20_000, ""));
        bench.container.started(Err(error));
        bench.drain();
        assert_eq!(bench.replies.last().unwrap().2, words);
        assert!(bench.names().is_empty());
    }
    bench.runs(&broker("a", 20_000, ""), 1);
}

#[test]
fn brokers_come_and_go_one_at_a_time() {
    let mut bench = Bench::new(&[]);
    bench.runs(&broker("a", 20_000, ""), 4);
    bench.work.clear();
    let (leaving, coming) = (bench.remove("DefaultCluster:a:0"), bench.add("b.conf"));
    assert!(matches!(bench.work[..], [Work::Stop { place: Place::Role(4) }]), "{:?}", bench.work);
    bench.container.stopped();
    bench.drain();
    assert_eq!(bench.replies.last(), Some(&(leaving, 0, String::new())));
    assert!(matches!(&bench.work[1], Work::Read { path } if path == "b.conf"), "{:?}", bench.work);
    bench.read(&broker("a", 20_000, ""));
    bench.container.started(Ok(Place::Role(4)));
    bench.drain();
    assert_eq!(bench.replies.last().map(|r| (r.0, r.1)), Some((coming, 0)));
    for wrong in ["DefaultCluster:a:1", "Other:a:0", "DefaultCluster:b:0"] {
        bench.remove(wrong);
        let (_, code, remark) = bench.replies.last().unwrap();
        assert_eq!((*code, remark.as_str()), (response::BROKER_NOT_EXIST, "Broker not exist"), "{wrong}");
    }
    bench.send(code::REMOVE_BROKER, Ext::new().with("brokerName", "a"), "");
    assert_eq!(bench.replies.last().unwrap().2, "the custom field <brokerClusterName> is null");
    bench.remove("DefaultCluster:a:one");
    assert_eq!(bench.replies.last().unwrap().1, response::SYSTEM_ERROR);
}

#[test]
fn a_start_goes_through_all_files_in_order() {
    let mut bench = Bench::new(&["a.conf", "b.conf", "c.conf"]);
    bench.read(&broker("a", 20_000, ""));
    bench.container.started(Ok(Place::Role(1)));
    bench.drain();
    bench.read(&broker("b", 30_000, ""));
    bench.container.started(Err(StartError::Open("its disk is gone".into())));
    bench.drain();
    bench.read(&broker("c", 30_000, ""));
    bench.container.started(Ok(Place::Role(2)));
    bench.drain();
    let said: Vec<&str> = bench
        .work
        .iter()
        .filter_map(|work| match work {
            Work::Say(line) | Work::Complain(line) => Some(line.as_str()),
            Work::End { .. } => panic!("one broker's disk does not end the others"),
            _ => None,
        })
        .collect();
    assert_eq!(
        said,
        [
            "Start broker from config file path a.conf",
            "Broker [a-0] boot success. serializeType=JSON",
            "Start broker from config file path b.conf",
            "Failed to initialize master broker DefaultCluster_b_0, its disk is gone",
            "Add broker [b-0] failed.",
            "Start broker from config file path c.conf",
            "Broker [c-0] boot success. serializeType=JSON",
        ]
    );
}

#[test]
fn mistakes_of_the_operator_end_the_start() {
    let end = |bench: &Bench| {
        bench.work.iter().find_map(|work| match work {
            Work::End { status, why } => Some((*status, why.clone())),
            _ => None,
        })
    };
    for (text, status) in [
        (broker("b", 20_000, ""), -1),
        ("brokerRole=SLAVE\nbrokerId=0\n".to_owned(), -3),
        ("totalReplicas=1\ninSyncReplicas=2\n".to_owned(), -3),
    ] {
        let mut bench = Bench::new(&["a.conf", "b.conf", "c.conf"]);
        bench.read(&broker("a", 20_000, ""));
        bench.container.started(Ok(Place::Role(1)));
        bench.drain();
        assert_eq!(end(&bench), None);
        bench.read(&text);
        assert_eq!(end(&bench).map(|end| end.0), Some(status), "{text}");
        assert!(!bench.work.iter().any(|work| matches!(work, Work::Read { path } if path == "c.conf")));
    }
    let mut bench = Bench::new(&["a.conf"]);
    bench.read(&broker("a", 20_000, ""));
    bench.container.started(Err(StartError::Listen("taken".into())));
    bench.drain();
    assert_eq!(end(&bench).map(|end| end.0), Some(-1), "nothing is left to serve");
}

#[test]
fn settings_of_the_container() {
    let mut bench = Bench::new(&[]);
    for (change, words) in [
        ("brokerConfigPaths=/x", BLACK),
        ("rocketmqHome=/x", BLACK),
        ("configBlackList=", BLACK),
        ("namesrvAddr=a:1", BLACK),
        ("listenPort=1", BLACK),
        ("brokerOwnsLoop=true", BLACK),
    ] {
        bench.send(code::UPDATE_BROKER_CONFIG, Ext::new(), change);
        let (_, code, remark) = bench.replies.last().unwrap();
        assert_eq!((*code, remark.as_str()), (response::NO_PERMISSION, words), "{change}");
    }
    bench.send(code::UPDATE_BROKER_CONFIG, Ext::new(), "fetchNamesrvAddrInterval=soon");
    assert_eq!(bench.replies.last().unwrap().1, response::INVALID_PARAMETER);
    bench.send(code::UPDATE_BROKER_CONFIG, Ext::new(), "");
    assert_eq!(bench.replies.last().unwrap().1, 0);
    let before = bench.replies.len();
    let good = bench.send(code::UPDATE_BROKER_CONFIG, Ext::new(), "fetchNamesrvAddrInterval=20000");
    assert_eq!(bench.replies.len(), before, "not before it is on the disk");
    let (token, path, text) = bench.saves.pop().unwrap();
    assert_eq!(path, "container.conf");
    for line in ["fetchNamesrvAddrInterval=20000", "nobodysKey=kept", "listenPort=10811"] {
        assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
    }
    assert!(text.lines().is_sorted());
    assert!(
        !text.contains("brokerOwnsLoop"),
        "what the reference does not know is shown only where it is set"
    );
    bench.container.handle(Now::default(), ServerIn::Saved { token, result: Ok(()) });
    bench.drain();
    assert_eq!(bench.replies.last(), Some(&(good, 0, String::new())));
    bench.send(28, Ext::new(), "");
    assert_eq!(bench.replies.last().unwrap().1, response::REQUEST_CODE_NOT_SUPPORTED);
}

const BLACK: &str = "Can not update config in black list.";

#[test]
fn the_end_answers_what_waits() {
    let mut bench = Bench::new(&[]);
    bench.runs(&broker("a", 20_000, ""), 1);
    let (first, second) = (bench.add("b.conf"), bench.add("c.conf"));
    bench.container.shutdown();
    bench.drain();
    assert_eq!(bench.replies.last().map(|reply| reply.0), Some(second));
    assert!(!bench.container.is_stopped(), "a file is being read");
    bench.read(&broker("b", 30_000, ""));
    assert_eq!(bench.replies.last().map(|reply| reply.0), Some(first));
    assert!(bench.container.is_stopped());
}

quickcheck! {
    /// Whatever comes and goes, the container holds exactly what runs, and no port is given away twice.
    fn only_what_runs_is_held(steps: Vec<(u8, u8, u8)>) -> bool {
        let mut bench = Bench::new(&[]);
        let mut running: Vec<(u8, i32)> = Vec::new();
        for (name, port, outcome) in steps {
            let (name, port) = (name % 6, 20_000 + i32::from(port % 12));
            match outcome % 3 {
                0 => {
                    bench.remove(&format!("DefaultCluster:b{name}:0"));
                    if running.iter().any(|(known, _)| *known == name) {
                        bench.container.stopped();
                        bench.drain();
                        running.retain(|(known, _)| *known != name);
                    }
                }
                kind => {
                    bench.work.clear();
                    bench.add("x.conf");
                    bench.read(&broker(&format!("b{name}"), port, ""));
                    let started = bench.work.iter().any(|work| matches!(work, Work::Start { .. }));
                    let near = |other: i32| [0, 1, 2, 3].contains(&(other - port).abs());
                    let free = !running.iter().any(|(known, at)| *known == name || near(*at));
                    if started != free {
                        return false;
                    }
                    if started {
                        let result = if kind == 1 { Ok(Place::Role(1)) } else { Err(StartError::Open("no".into())) };
                        if result.is_ok() {
                            running.push((name, port));
                        }
                        bench.container.started(result);
                        bench.drain();
                    }
                }
            }
            let mut held: Vec<String> = bench.container.brokers().map(|(who, _)| who.name.clone()).collect();
            let mut wanted: Vec<String> = running.iter().map(|(name, _)| format!("b{name}")).collect();
            held.sort();
            wanted.sort();
            if held != wanted {
                return false;
            }
        }
        true
    }

    fn plain_paths_stay_plain(path: String) -> bool {
        plain_path(&plain_path(&path)) == plain_path(&path)
    }
}
