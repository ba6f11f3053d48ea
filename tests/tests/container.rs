//! A broker container: brokers come and go while others serve, and nothing is left behind.

use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use sansmq_core::wire::code::{request, response};
use sansmq_core::wire::{Command, Ext};
use sansmq_tests::{
    Client, Folder, Frontend, Pull, Server, bodies, eventually, free_ports, on_both_frontends, send,
};

on_both_frontends!(
    brokers_come_and_go_while_others_serve,
    all_brokers_of_a_killed_container_leave_at_once,
    a_master_and_its_slave_share_a_container,
    refusals_leave_nothing_behind,
    one_broken_broker_does_not_stop_the_others,
    wrong_files_end_the_start,
    thirty_two_brokers_are_light,
    many_rounds_leak_nothing,
);

/// A broker's file in a folder, and its port.
fn conf(folder: &Folder, name: &str, more: &str) -> (String, u16) {
    let port = free_ports();
    let root = folder.join(&format!("store-{name}"));
    let text = format!(
        "brokerName={name}\nbrokerIP1=127.0.0.1\nbrokerIP2=127.0.0.1\nlistenPort={port}\n\
         storePathRootDir={root}\nmappedFileSizeCommitLog=1048576\nmappedFileSizeConsumeQueue=20000\n\
         maxHashSlotNum=1000\nmaxIndexNum=4000\n{more}\n"
    );
    (folder.write(&format!("{name}.conf"), &text), port)
}

fn container(frontend: Frontend, namesrv: Option<&Server>, paths: &[String]) -> Server {
    let names = namesrv.map_or(String::new(), |namesrv| format!("namesrvAddr={}\n", namesrv.addr()));
    let paths =
        if paths.is_empty() { String::new() } else { format!("brokerConfigPaths={}\n", paths.join(":")) };
    Server::start(frontend, "container", &format!("bindAddress=127.0.0.1\n{names}{paths}"), &[])
}

fn add(admin: &mut Client, path: &str) -> Command {
    admin.call(&Command::request(request::ADD_BROKER, Ext::new().with("configPath", path.to_owned())))
}

fn remove(admin: &mut Client, name: &str) -> Command {
    let ext = Ext::new()
        .with("brokerClusterName", "DefaultCluster")
        .with("brokerName", name.to_owned())
        .with("brokerId", 0);
    admin.call(&Command::request(request::REMOVE_BROKER, ext))
}

fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

fn client(port: u16) -> Client {
    eventually(20, "the broker listens", || listens(port));
    Client::connect(&format!("127.0.0.1:{port}"))
}

/// The cluster as the NameServer tells it.
fn cluster(namesrv: &Server) -> String {
    let answer = namesrv.client().must(&Command::request(request::GET_BROKER_CLUSTER_INFO, Ext::new()));
    String::from_utf8_lossy(&answer.body).into_owned()
}

fn brokers_come_and_go_while_others_serve(frontend: Frontend) {
    let folder = Folder::new();
    let namesrv = Server::namesrv(frontend);
    let ((a, a_port), (b, b_port)) = (conf(&folder, "ba", ""), conf(&folder, "bb", ""));
    let server = container(frontend, Some(&namesrv), &[a]);
    let mut admin = server.client();
    let mut first = client(a_port);
    first.must(&send("T", "one"));
    assert_eq!(add(&mut admin, &b).code, 0);
    eventually(5, "both are registered", || {
        let text = cluster(&namesrv);
        text.contains("\"ba\"") && text.contains("\"bb\"")
    });
    let mut second = client(b_port);
    second.must(&send("T", "two"));
    assert_eq!(remove(&mut admin, "bb").code, 0);
    assert!(!cluster(&namesrv).contains("\"bb\""), "it unregisters first");
    assert!(second.is_closed() && !listens(b_port) && !listens(b_port - 2) && !listens(b_port + 1));
    assert!(!folder.path().join("store-bb/abort").exists(), "a removal is a clean stop");
    first.must(&send("T", "three"));
    assert_eq!(add(&mut admin, &b).code, 0);
    let answer = client(b_port).must(&Pull::from("T", 0).command());
    assert_eq!(bodies(&answer), [b"two".to_vec()]);
    let log = std::fs::read_dir(server.folder.path().join("data/logs/DefaultCluster_bb_0"));
    assert!(log.is_ok_and(|mut files| files.next().is_some()), "every broker has its own log");
}

fn all_brokers_of_a_killed_container_leave_at_once(frontend: Frontend) {
    let folder = Folder::new();
    let namesrv = Server::namesrv(frontend);
    let paths: Vec<String> = (0..4).map(|n| conf(&folder, &format!("b{n}"), "").0).collect();
    let mut server = container(frontend, Some(&namesrv), &paths);
    eventually(20, "all are registered", || {
        let text = cluster(&namesrv);
        (0..4).all(|n| text.contains(&format!("\"b{n}\"")))
    });
    server.kill();
    // They were registered over one connection, which is gone; the expiry would take two minutes.
    eventually(3, "none is left", || !cluster(&namesrv).contains("\"brokerAddrs\""));
}

fn a_master_and_its_slave_share_a_container(frontend: Frontend) {
    let folder = Folder::new();
    let namesrv = Server::namesrv(frontend);
    let (master, master_port) = conf(&folder, "ba", "");
    let root = folder.join("store-slave");
    let more = format!(
        "brokerName=ba\nbrokerId=1\nbrokerRole=SLAVE\nslaveReadEnable=true\nregisterNameServerPeriod=10000\nstorePathRootDir={root}"
    );
    let (slave, slave_port) = conf(&folder, "slave", &more);
    let mut server = container(frontend, Some(&namesrv), &[master, slave]);
    let mut writer = client(master_port);
    writer.must(&send("T", "copied"));
    let end = |client: &mut Client| {
        let answer = client.must(&Command::request(request::GET_BROKER_RUNTIME_INFO, Ext::new()));
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let (_, rest) = text.split_once("\"commitLogMaxOffset\":\"").expect("a figure of every broker");
        rest.split('"').next().and_then(|number| number.parse::<u64>().ok())
    };
    let wanted = end(&mut writer);
    assert!(wanted > Some(0));
    let mut reader = client(slave_port);
    eventually(20, "the slave has the message", || end(&mut reader) == wanted);
    eventually(20, "the slave knows the topic and is read from", || {
        let answer = reader.call(&Pull::from("T", 0).command());
        answer.code == 0 && bodies(&answer) == [b"copied".to_vec()]
    });
    assert_eq!(remove(&mut server.client(), "ba").code, 0, "the master goes, its slave stays");
    assert_eq!(end(&mut reader), wanted);
    assert!(server.stop().success());
}

fn refusals_leave_nothing_behind(frontend: Frontend) {
    let folder = Folder::new();
    let (a, a_port) = conf(&folder, "ba", "");
    let server = container(frontend, None, std::slice::from_ref(&a));
    drop(client(a_port));
    let mut admin = server.client();
    let mut refused = |path: &str, words: &str| {
        let answer = add(&mut admin, path);
        let remark = answer.remark.unwrap_or_default();
        assert!(answer.code == response::SYSTEM_ERROR && remark.starts_with(words), "{path}: {remark}");
    };
    refused(&a, "DefaultCluster_ba_0 has already been added to current broker container");
    refused("/nonexistent.conf", "addBroker properties empty");
    let same_store = format!("storePathRootDir={}", folder.join("store-ba"));
    refused(&conf(&folder, "bs", &same_store).0, "start broker failed, Lock failed,MQ already started");
    let (b, b_port) = conf(&folder, "bb", "");
    let taken = TcpListener::bind(("127.0.0.1", b_port - 2)).expect("it was free");
    refused(&b, &format!("start broker failed, cannot listen on 127.0.0.1:{}", b_port - 2));
    assert!(!listens(b_port) && !listens(b_port + 1));
    drop(taken);
    let answer = admin.call(&Command::request(request::ADD_BROKER, Ext::new().with("configPath", b)));
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(remove(&mut admin, "nobody").code, response::BROKER_NOT_EXIST);
    let answer = admin.call(&Command::request(request::GET_BROKER_RUNTIME_INFO, Ext::new()));
    assert_eq!(answer.code, response::REQUEST_CODE_NOT_SUPPORTED);
}

fn one_broken_broker_does_not_stop_the_others(frontend: Frontend) {
    let folder = Folder::new();
    let confs: Vec<(String, u16)> = (0..4).map(|n| conf(&folder, &format!("b{n}"), "")).collect();
    std::fs::create_dir_all(folder.join("store-b1/config")).expect("the folder is writable");
    for name in ["topics.json", "topics.json.bak"] {
        folder.write(&format!("store-b1/config/{name}"), "{\"topicConfigTable\":{\"T\"");
    }
    let paths: Vec<String> = confs.iter().map(|(path, _)| path.clone()).collect();
    let mut server = container(frontend, None, &paths);
    for (_, port) in [&confs[0], &confs[2], &confs[3]] {
        client(*port).must(&send("T", "x"));
    }
    assert!(!listens(confs[1].1));
    let answer = add(&mut server.client(), &paths[1]);
    assert!(answer.remark.is_some_and(|why| why.starts_with("Failed to initialize master broker")));
    assert!(server.stop().success());
}

fn wrong_files_end_the_start(frontend: Frontend) {
    let folder = Folder::new();
    let replicas = conf(&folder, "br", "totalReplicas=1\ninSyncReplicas=2").0;
    let start = |paths: &str| {
        let port = free_ports();
        let text = format!("bindAddress=127.0.0.1\nlistenPort={port}\nbrokerConfigPaths={paths}\n");
        let file = folder.write("container.conf", &text);
        let out = Server::run(frontend, &["container", "-c", &file, "--data", &folder.join("data")]);
        (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let (status, said) = start(&replicas);
    assert!(status == Some(253) && said.contains("invalid replicas number"), "{status:?} {said}");
    let (status, said) = start(&folder.join("none.conf"));
    assert!(status == Some(255) && said.contains("none.conf"), "{status:?} {said}");
    let out = Server::run(frontend, &["container"]);
    assert_eq!(out.status.code(), Some(255));
    let out = Server::run(frontend, &["container", "-h"]);
    assert!(
        String::from_utf8_lossy(&out.stdout).starts_with("usage: mqbrokercontainer [-b <arg>] [-c <arg>]")
    );
}

fn thirty_two_brokers_are_light(frontend: Frontend) {
    let folder = Folder::new();
    let confs: Vec<(String, u16)> = (0..32).map(|n| conf(&folder, &format!("b{n}"), "")).collect();
    let paths: Vec<String> = confs.iter().map(|(path, _)| path.clone()).collect();
    let begin = Instant::now();
    let server = container(frontend, None, &paths);
    eventually(20, "the last one listens", || listens(confs[31].1));
    let took = begin.elapsed();
    // Much more than the two seconds it takes on an idle machine in release: tests share theirs.
    assert!(took < Duration::from_secs(15), "{took:?}");
    for (_, port) in &confs {
        client(*port).must(&send("T", "x"));
    }
    let mib = server.rss_mib();
    eprintln!("32 brokers: {took:?}, {mib} MiB, {} threads", server.threads());
    assert!(mib < 150, "{mib} MiB");
}

fn many_rounds_leak_nothing(frontend: Frontend) {
    let folder = Folder::new();
    let (path, port) = conf(&folder, "ba", "");
    let server = container(frontend, None, &[]);
    let mut admin = server.client();
    let mut round = || {
        assert_eq!(add(&mut admin, &path).code, 0);
        client(port).must(&send("T", "x"));
        assert_eq!(remove(&mut admin, "ba").code, 0);
    };
    (0..20).for_each(|_| round());
    let before = (server.open_files(), server.threads(), server.rss_mib());
    (0..180).for_each(|_| round());
    eventually(5, "nothing is left", || {
        (server.open_files(), server.threads()) <= (before.0 + 2, before.1 + 1)
    });
    let after = server.rss_mib();
    assert!(after <= before.2 + 8, "{} MiB became {after} MiB", before.2);
}
