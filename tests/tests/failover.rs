//! Controllers, brokers and faults as processes: what the failover program checks, elections outside the set, and what
//! does not belong together.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command as Program;
use std::time::Duration;

use sansmq_core::wire::Command;
use sansmq_core::wire::code::{request, response};
use sansmq_tests::{
    Client, Folder, Frontend, Got, Server, eventually, ext, free_ports, on_both_frontends, send,
};

on_both_frontends!(
    sending_and_electing_go_on_as_far_as_the_controllers_allow,
    an_outsider_is_elected_only_where_that_is_allowed,
    stores_and_ids_of_others_are_refused,
);

/// A hand-over, a minority of controllers down, a majority, all of them: the program that does it checks every promise.
fn sending_and_electing_go_on_as_far_as_the_controllers_allow(frontend: Frontend) {
    let name = if frontend == Frontend::Mio { "mio" } else { "async" };
    let binary = frontend.binary();
    let mut program = Program::new(env!("CARGO_BIN_EXE_failover"));
    program.args(["--rounds", "1", "--fault", "designate,minority,majority,controllers", "--frontend", name]);
    program.arg("--bin-dir").arg(binary.parent().expect("it lies in a folder"));
    let out = program.output().expect("the program runs");
    let said = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    println!("{said}");
    assert!(out.status.success(), "{said}");
}

/// For servers that may be away.
const SOON: Duration = Duration::from_secs(1);

fn try_ask(addr: &str, command: &Command) -> Option<Command> {
    let mut client = Client::try_connect(addr, SOON).ok()?;
    client.send(command);
    match client.wait(SOON) {
        Got::Frame(answer) => Some(*answer),
        _ => None,
    }
}

fn controller(frontend: Frontend) -> (Server, String) {
    let addr = format!("127.0.0.1:{}", free_ports());
    let config = format!(
        "controllerDLegerGroup=group1\ncontrollerDLegerPeers=n0-{addr}\ncontrollerDLegerSelfId=n0\nbindAddress=127.0.0.1\n\
         scanInactiveMasterInterval=300\n"
    );
    let server = Server::start(frontend, "controller", &config, &[]);
    (server, addr)
}

fn broker(frontend: Frontend, controller: &str) -> Server {
    let config = format!(
        "brokerIP2=127.0.0.1\nbrokerId=-1\nenableControllerMode=true\ncontrollerAddr={controller}\n\
         haSendHeartbeatInterval=500\n"
    );
    Server::broker(frontend, &config)
}

/// Master, if any, and in-sync set as the controller has them: the text of GET_SYNC_STATE_DATA.
fn replicas(controller: &str) -> serde_json::Value {
    let body = &b"[\"broker-a\"]"[..];
    let command = Command::request(request::CONTROLLER_GET_SYNC_STATE_DATA, ext("")).with_body(body);
    let answer = try_ask(controller, &command).map(|answer| answer.body).unwrap_or_default();
    let mut tree: serde_json::Value = serde_json::from_slice(&answer).unwrap_or_default();
    tree["replicasInfoTable"]["broker-a"].take()
}

fn master(controller: &str) -> Option<String> {
    Some(replicas(controller)["masterAddress"].as_str()?.to_owned())
}

fn in_sync(controller: &str) -> usize {
    replicas(controller)["inSyncReplicas"].as_array().map_or(0, Vec::len)
}

fn an_outsider_is_elected_only_where_that_is_allowed(frontend: Frontend) {
    let (keeper, controller) = controller(frontend);
    let mut first = broker(frontend, &controller);
    eventually(20, "the first broker is master", || master(&controller) == Some(first.addr()));
    let mut second = broker(frontend, &controller);
    eventually(20, "both are in sync", || in_sync(&controller) == 2);
    first.client().must(&send("T", "both have this"));
    strangers_at_the_replication_port(&first);
    second.kill();
    eventually(20, "the set has shrunk", || in_sync(&controller) == 1);
    first.client().must(&send("T", "only the first one has this"));
    let before = first.commit_log();
    first.kill();

    // The second one is not in the set: it has to wait.
    second.restart();
    eventually(20, "there is no master", || master(&controller).is_none() && in_sync(&controller) == 1);
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(master(&controller), None);
    let refused = second.client().call(&send("T", "too early"));
    assert!(refused.code != response::SUCCESS, "{refused:?}");
    let fields = "clusterName=DefaultCluster brokerName=broker-a brokerId=2 designateElect=true";
    let by_hand = Command::request(request::CONTROLLER_ELECT_MASTER, ext(fields));
    let answer = try_ask(&controller, &by_hand).map(|answer| answer.code);
    assert_eq!(answer, Some(response::CONTROLLER_ELECT_MASTER_FAILED), "an operator may not either");

    // Now somebody decides to do without what the first one has.
    let allow = Command::request(request::UPDATE_CONTROLLER_CONFIG, ext(""));
    let allowed = try_ask(&controller, &allow.with_body(&b"enableElectUncleanMaster=true\n"[..]));
    assert_eq!(allowed.map(|answer| answer.code), Some(response::SUCCESS));
    eventually(20, "the second broker is master", || master(&controller) == Some(second.addr()));
    let sent = || second.client().call(&send("T", "the second one goes on")).code == response::SUCCESS;
    eventually(20, "it takes messages", sent);

    // The first one gives up what nobody else has, and follows.
    first.restart();
    eventually(20, "both are in sync again", || in_sync(&controller) == 2);
    eventually(20, "the logs are one", || first.commit_log() == second.commit_log());
    let now = first.commit_log();
    let has = |log: &[u8], text: &[u8]| log.windows(text.len()).any(|part| part == text);
    assert!(has(&before, b"only the first one has this") && !has(&now, b"only the first one has this"));
    assert!(has(&now, b"both have this") && has(&now, b"the second one goes on"));
    assert!(first.log().contains("the log was cut"), "it is said");
    drop(keeper);
}

/// Nonsense, and a replica that claims to have more than there is: closed, said, and nothing happens to the set.
fn strangers_at_the_replication_port(master: &Server) {
    let hello = [&[0, 0, 0, 1, 0, 0, 0, 0][..], &2_i64.to_be_bytes()].concat();
    let beyond = [&hello[..], &[0, 0, 0, 2], &(1_i64 << 40).to_be_bytes()].concat();
    for (bytes, word) in [
        (&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], "closing the connection of a replica"),
        (&beyond, "the replica says its log ends at byte 1099511627776"),
    ] {
        let mut stranger = TcpStream::connect(("127.0.0.1", master.port + 1)).expect("it listens");
        stranger.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket takes this");
        stranger.write_all(bytes).expect("it is read");
        let mut rest = Vec::new();
        // Closed, orderly or not; a handshake is answered before.
        let _ = stranger.read_to_end(&mut rest);
        eventually(5, word, || master.log().contains(word));
    }
    master.client().must(&send("T", "nobody minds"));
}

fn stores_and_ids_of_others_are_refused(frontend: Frontend) {
    let (_keeper, controller) = controller(frontend);
    let folder = Folder::new();
    let config = format!(
        "brokerName=broker-a\nbrokerIP1=127.0.0.1\nbrokerId=-1\nenableControllerMode=true\nlistenPort={}\n\
         controllerAddr={controller}\nmappedFileSizeCommitLog=1048576\n",
        free_ports()
    );
    let file = folder.write("broker.conf", &config);
    std::fs::create_dir_all(folder.join("data/store")).expect("the temporary folder is writable");
    for (name, content, words) in [
        ("brokerIdentity", "DefaultCluster#broker-b#3", &["brokerIdentity", "broker-b", "broker-a"][..]),
        ("brokerIdentity", "DefaultCluster#broker-a#none", &["brokerIdentity", "none", "id of 1 or more"]),
        ("epochFileCheckpoint", "1\n99\n1-0\n", &["epochFileCheckpoint", "checksum", "99"]),
        ("epochFileCheckpoint", "2\n0\n3-0\n1-50\n", &["epochFileCheckpoint", "epoch 1 comes after epoch 3"]),
    ] {
        let path = folder.write(&format!("data/store/{name}"), content);
        let out = Server::run(frontend, &["broker", "-c", &file, "--data", &folder.join("data")]);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(!out.status.success() && words.iter().all(|word| said.contains(word)), "{content:?}: {said}");
        assert_eq!(std::fs::read_to_string(&path).ok().as_deref(), Some(content), "left as it was");
        std::fs::remove_file(path).expect("it is there");
    }

    // An id is one replica's: neither another application nor a living replica's address can be taken from it.
    let first = broker(frontend, &controller);
    eventually(20, "the first broker is master", || master(&controller) == Some(first.addr()));
    let fields = "clusterName=DefaultCluster brokerName=broker-a";
    let apply = format!("{fields} appliedBrokerId=1 registerCheckCode=10.0.0.9:10911;7");
    let register = format!("{fields} brokerId=1 brokerAddress=10.0.0.9:10911");
    for (code, fields, word) in [
        (request::CONTROLLER_APPLY_BROKER_ID, apply, "brokerId: 1"),
        (request::CONTROLLER_REGISTER_BROKER, register, &first.addr()),
    ] {
        let answer = try_ask(&controller, &Command::request(code, ext(&fields))).expect("it answers");
        let remark = answer.remark.clone().unwrap_or_default();
        assert!(answer.code == response::CONTROLLER_BROKER_ID_INVALID && remark.contains(word), "{answer:?}");
    }
    assert_eq!(master(&controller), Some(first.addr()));
    let takes = || first.client().call(&send("T", "as before")).code == response::SUCCESS;
    eventually(20, "it takes messages as before", takes);
}
