//! Controllers as processes: one alone, three of a group, and inside NameServers.

use std::time::{Duration, Instant};

use sansmq_core::wire::code::{request, response};
use sansmq_core::wire::{Command, Ext};
use sansmq_tests::{Client, Folder, Frontend, Server, eventually, ext, free_ports, on_both_frontends};

on_both_frontends!(
    one_controller_leads_and_remembers,
    three_controllers_outlive_their_leader,
    controllers_live_in_name_servers,
    frames_of_strangers_are_refused,
    what_makes_no_group_is_refused,
);

/// For servers that may be away.
const SOON: Duration = Duration::from_secs(1);

/// Some controllers that know each other.
struct Group {
    addrs: Vec<String>,
    servers: Vec<Server>,
}

impl Group {
    fn start(frontend: Frontend, count: usize, command: &str, more: &str) -> Self {
        let addrs: Vec<String> = (0..count).map(|_| format!("127.0.0.1:{}", free_ports())).collect();
        let peers: Vec<String> = addrs.iter().enumerate().map(|(n, addr)| format!("n{n}-{addr}")).collect();
        let start = |n: usize| {
            let config = format!(
                "<!--\n  a comment of the shipped files\n  -->\ncontrollerDLegerGroup = group1\n\
                 controllerDLegerPeers = {}\ncontrollerDLegerSelfId = n{n}\nbindAddress=127.0.0.1\n{more}",
                peers.join(";")
            );
            Server::start(frontend, command, &config, &[])
        };
        let servers = (0..count).map(start).collect();
        Group { addrs, servers }
    }

    /// Waits for a leader that answers.
    fn leader(&self) -> usize {
        let mut found = None;
        eventually(20, "a controller leads", || {
            found = (0..self.addrs.len()).find(|n| leads(&self.addrs[*n]));
            found.is_some()
        });
        found.expect("it was found")
    }

    /// Waits until all have caught up so far that the group can do without any one of them.
    fn wait_for_voters(&self) {
        for server in &self.servers {
            eventually(20, "all may vote", || server.log().contains("this controller may vote"));
        }
    }

    fn call(&self, n: usize, command: &Command) -> Command {
        Client::connect(&self.addrs[n]).call(command)
    }
}

fn ask(addr: &str, command: &Command) -> Option<Command> {
    let mut client = Client::try_connect(addr, SOON).ok()?;
    client.send(command);
    match client.wait(SOON) {
        sansmq_tests::Got::Frame(answer) => Some(*answer),
        _ => None,
    }
}

/// Whether it leads and has caught up with what its predecessors decided.
fn leads(addr: &str) -> bool {
    let answer = ask(addr, &broker(request::CONTROLLER_GET_NEXT_BROKER_ID, ""));
    answer.is_some_and(|answer| answer.code == response::SUCCESS)
}

fn broker(code: i32, more: &str) -> Command {
    Command::request(code, ext(&format!("clusterName=C1 brokerName=broker-a {more}")))
}

fn text(answer: &Command, key: &str) -> String {
    answer.ext_text(key).unwrap_or_else(|| panic!("no {key}: {answer:?}"))
}

/// A broker takes its id, registers and becomes master, as in `spec/controller.md` section 7.
fn register(group: &Group, leader: usize) {
    let next = group.call(leader, &broker(request::CONTROLLER_GET_NEXT_BROKER_ID, ""));
    assert_eq!(text(&next, "nextBrokerId"), "1");
    let fields = "appliedBrokerId=1 registerCheckCode=127.0.0.1:30911;1";
    let applied = group.call(leader, &broker(request::CONTROLLER_APPLY_BROKER_ID, fields));
    assert_eq!(applied.code, response::SUCCESS, "{applied:?}");
    let fields = "brokerId=1 brokerAddress=127.0.0.1:30911";
    let registered = group.call(leader, &broker(request::CONTROLLER_REGISTER_BROKER, fields));
    assert_eq!(registered.code, response::SUCCESS, "{registered:?}");
    let elected = group.call(leader, &broker(request::CONTROLLER_ELECT_MASTER, "brokerId=1"));
    assert_eq!(elected.code, response::SUCCESS, "{elected:?}");
    assert_eq!(text(&elected, "masterBrokerId"), "1");
    assert_eq!(text(&elected, "masterEpoch"), "1");
}

/// What was agreed on is still known. That nothing runs where the master should, the controllers find out when
/// they come to it, so it is not looked at.
fn remembers(group: &Group, leader: usize) {
    let info = group.call(leader, &broker(request::CONTROLLER_GET_REPLICA_INFO, ""));
    assert_eq!(info.code, response::SUCCESS, "{info:?}");
    assert!(String::from_utf8_lossy(&info.body).contains("\"syncStateSet\":[1]"), "{info:?}");
    let next = group.call(leader, &broker(request::CONTROLLER_GET_NEXT_BROKER_ID, ""));
    assert_eq!(text(&next, "nextBrokerId"), "2");
}

fn one_controller_leads_and_remembers(frontend: Frontend) {
    let mut group = Group::start(frontend, 1, "controller", "");
    let leader = group.leader();
    let metadata = group.call(0, &Command::request(request::CONTROLLER_GET_METADATA_INFO, Ext::new()));
    assert_eq!(text(&metadata, "isLeader"), "true");
    assert_eq!(text(&metadata, "controllerLeaderId"), "n0");
    assert_eq!(text(&metadata, "controllerLeaderAddress"), group.addrs[0]);
    assert_eq!(text(&metadata, "peers"), format!("n0:{};", group.addrs[0]));
    register(&group, leader);
    remembers(&group, leader);
    group.servers[0].kill();
    group.servers[0].restart();
    remembers(&group, group.leader());
    assert!(group.servers[0].stop().success());
    group.servers[0].restart();
    remembers(&group, group.leader());
}

fn three_controllers_outlive_their_leader(frontend: Frontend) {
    let mut group = Group::start(frontend, 3, "controller", "");
    let first = group.leader();
    register(&group, first);
    group.wait_for_voters();
    let other = (first + 1) % 3;
    let refused = group.call(other, &broker(request::CONTROLLER_GET_REPLICA_INFO, ""));
    assert_eq!(refused.code, response::CONTROLLER_NOT_LEADER);

    let begin = Instant::now();
    group.servers[first].kill();
    let second = group.leader();
    remembers(&group, second);
    let time = begin.elapsed();
    println!("a new leader answers {} ms after the old one was killed", time.as_millis());
    // usually within a second; a busy machine may need several elections
    assert!(time < Duration::from_secs(10), "{time:?}");

    // the one that is left of three does not decide alone
    group.servers[second].kill();
    let last = 3 - first - second;
    eventually(10, "a minority says that it does not lead", || {
        let answer = group.call(last, &broker(request::CONTROLLER_GET_NEXT_BROKER_ID, ""));
        answer.code == response::CONTROLLER_NOT_LEADER
    });

    group.servers[last].kill();
    for server in &mut group.servers {
        server.restart();
    }
    remembers(&group, group.leader());
    // one more decision, so that all three are known to work together again
    let fields = "appliedBrokerId=2 registerCheckCode=127.0.0.1:30921;1";
    let applied = group.call(group.leader(), &broker(request::CONTROLLER_APPLY_BROKER_ID, fields));
    assert_eq!(applied.code, response::SUCCESS, "{applied:?}");
    for server in &mut group.servers {
        assert!(server.stop().success(), "an orderly stop");
    }
}

fn controllers_live_in_name_servers(frontend: Frontend) {
    let mut group = Group::start(frontend, 3, "namesrv", "enableControllerInNamesrv = true\n");
    let leader = group.leader();
    register(&group, leader);
    group.wait_for_voters();
    let name_server = &group.servers[leader];
    let routes = Command::request(request::GET_ALL_TOPIC_LIST_FROM_NAMESERVER, Ext::new());
    assert_eq!(name_server.client().call(&routes).code, response::SUCCESS);
    let asked = Command::request(request::CONTROLLER_GET_METADATA_INFO, Ext::new());
    let unknown = response::REQUEST_CODE_NOT_SUPPORTED;
    assert_eq!(name_server.client().call(&asked).code, unknown, "it has a port of its own");
    assert_eq!(group.call(leader, &routes).code, unknown);
    group.servers[leader].kill();
    remembers(&group, group.leader());
    group.servers[leader].restart();
    for server in &mut group.servers {
        assert!(server.stop().success(), "an orderly stop");
    }
}

fn frames_of_strangers_are_refused(frontend: Frontend) {
    let group = Group::start(frontend, 1, "controller", "");
    let leader = group.leader();
    for (fields, word) in [
        ("group=group1 from=n7 to=n0", "n7"),
        ("group=group1 from=n0 to=n0", "n0"),
        ("group=other from=n1 to=n0", "other"),
        ("group=group1 from=me to=n0", "\"me\""),
        ("", "from"),
    ] {
        let frame = Command::request(request::CONTROLLER_RAFT_MESSAGE, ext(fields)).with_body("x");
        let answer = group.call(leader, &frame);
        assert_eq!(answer.code, response::NO_PERMISSION, "{fields}");
        assert!(answer.remark.as_deref().is_some_and(|remark| remark.contains(word)), "{answer:?}");
    }
    assert!(leads(&group.addrs[leader]));
}

fn what_makes_no_group_is_refused(frontend: Frontend) {
    let folder = Folder::new();
    let peers = "controllerDLegerPeers=n0-127.0.0.1:9878\n";
    for (config, words) in [
        (String::new(), &["controllerDLegerPeers", "missing"][..]),
        (format!("{peers}controllerDLegerSelfId=n3\n"), &["controllerDLegerSelfId", "n3"]),
        ("controllerDLegerPeers=n0:a\ncontrollerDLegerSelfId=n0\n".to_owned(), &["n0:a"]),
        (format!("{peers}controllerDLegerSelfId=n0\ncontrollerType=jRaft\n"), &["controllerType", "DLedger"]),
    ] {
        let file = folder.write("controller.conf", &config);
        let out = Server::run(frontend, &["controller", "-c", &file, "--data", &folder.join("data")]);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(!out.status.success() && words.iter().all(|word| said.contains(word)), "{config:?}: {said}");
    }
    let file = folder.write("controller.conf", &format!("{peers}controllerDLegerSelfId=n0\n"));
    let out = Server::run(frontend, &["controller", "-c", &file, "-p"]);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success() && said.contains("controllerDLegerSelfId=n0"), "{said}");
}
