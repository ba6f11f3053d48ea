//! A broker container: brokers come and go while others serve, and nothing is left behind.

use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use sansmq_core::wire::code::{request, response};
use sansmq_core::wire::{Command, Ext};
use sansmq_tests::{
    Client, Folder, Frontend, Pull, Server, bodies, eventually, ext, free_ports, on_both_frontends, send,
};

on_both_frontends!(
    brokers_come_and_go_while_others_serve,
    brokers_on_loops_of_their_own_come_and_go,
    all_brokers_of_a_killed_container_leave_at_once,
    a_master_and_its_slave_share_a_container,
    refusals_leave_nothing_behind,
    refusals_leave_no_loop_behind,
    one_broken_broker_does_not_stop_the_others,
    wrong_files_end_the_start,
    a_full_disk_concerns_one_broker,
    brokers_that_share_a_disk_have_a_quota_each,
    brokers_have_a_controller,
    thirty_two_brokers_are_light,
    thirty_two_loops_are_light,
    many_rounds_leak_nothing,
    many_loops_leak_nothing,
);

/// Lines of the container's file: all brokers on its loop, or each on one of its own.
const SHARED: &str = "";
const OWN: &str = "brokerOwnsLoop=true\n";

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

fn container(frontend: Frontend, namesrv: Option<&Server>, paths: &[String], more: &str) -> Server {
    let names = namesrv.map_or(String::new(), |namesrv| format!("namesrvAddr={}\n", namesrv.addr()));
    let paths =
        if paths.is_empty() { String::new() } else { format!("brokerConfigPaths={}\n", paths.join(":")) };
    Server::start(frontend, "container", &format!("bindAddress=127.0.0.1\n{names}{paths}{more}"), &[])
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
    come_and_go(frontend, SHARED);
}

fn brokers_on_loops_of_their_own_come_and_go(frontend: Frontend) {
    come_and_go(frontend, OWN);
}

fn come_and_go(frontend: Frontend, loops: &str) {
    let folder = Folder::new();
    let namesrv = Server::namesrv(frontend);
    let ((a, a_port), (b, b_port)) = (conf(&folder, "ba", ""), conf(&folder, "bb", ""));
    let mut server = container(frontend, Some(&namesrv), &[a], loops);
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
    drop(admin);
    assert!(server.stop().success());
    let whole = |name: &str| !folder.path().join(format!("store-{name}/abort")).exists();
    assert!(whole("ba") && whole("bb"), "the end of the process is a clean stop for all");
}

fn all_brokers_of_a_killed_container_leave_at_once(frontend: Frontend) {
    let folder = Folder::new();
    let namesrv = Server::namesrv(frontend);
    let paths: Vec<String> = (0..4).map(|n| conf(&folder, &format!("b{n}"), "").0).collect();
    let mut server = container(frontend, Some(&namesrv), &paths, SHARED);
    eventually(20, "all are registered", || {
        let text = cluster(&namesrv);
        (0..4).all(|n| text.contains(&format!("\"b{n}\"")))
    });
    server.kill();
    // They were registered over one connection, which is gone; the expiry would take two minutes.
    eventually(1, "none is left", || !cluster(&namesrv).contains("\"brokerAddrs\""));
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
    let mut server = container(frontend, Some(&namesrv), &[master, slave], SHARED);
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
    refusals(frontend, SHARED);
}

fn refusals_leave_no_loop_behind(frontend: Frontend) {
    refusals(frontend, OWN);
}

fn refusals(frontend: Frontend, loops: &str) {
    let folder = Folder::new();
    let (a, a_port) = conf(&folder, "ba", "");
    let server = container(frontend, None, std::slice::from_ref(&a), loops);
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
    std::fs::create_dir_all(folder.join("store-bd/config")).expect("the folder is writable");
    for name in ["topics.json", "topics.json.bak"] {
        folder.write(&format!("store-bd/config/{name}"), "{\"topicConfigTable\":{\"T\"");
    }
    let (damaged, damaged_port) = conf(&folder, "bd", "");
    refused(&damaged, "Failed to initialize master broker DefaultCluster_bd_0, ");
    assert!(!listens(damaged_port));
    let unreadable = folder.write("unreadable.conf", "brokerName=x\nlistenPort=many\n");
    refused(&unreadable, &format!("addBroker properties wrong, {unreadable}:2: "));
    std::fs::write(&unreadable, [b'a', b'=', 0xFF, b'\n']).expect("the folder is writable");
    refused(&unreadable, "addBroker properties empty, ");
    refused(&folder.join(""), "addBroker properties empty, ");
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
    let mut server = container(frontend, None, &paths, SHARED);
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
    let paths = conf(&folder, "bn", "").0;
    let (status, said) = start(&format!("{paths}\nfetchNamesrvAddrByAddressServer=true"));
    assert!(status == Some(253) && said.contains("fetchNamesrvAddrByAddressServer"), "{status:?} {said}");
    let (status, said) = start(&format!("{paths}\nbrokerOwnLoop=true"));
    assert!(
        status == Some(255) && said.contains("brokerOwnsLoop"),
        "the key that was meant: {status:?} {said}"
    );
    let (status, said) = start(&folder.join(""));
    assert!(
        status == Some(255) && said.contains("addBroker properties empty"),
        "a folder: {status:?} {said}"
    );
    let out = Server::run(frontend, &["container"]);
    assert_eq!(out.status.code(), Some(255));
    let out = Server::run(frontend, &["container", "-h"]);
    assert!(
        String::from_utf8_lossy(&out.stdout).starts_with("usage: mqbrokercontainer [-b <arg>] [-c <arg>]")
    );
}

fn a_full_disk_concerns_one_broker(frontend: Frontend) {
    let folder = Folder::new();
    let last_byte =
        "diskSpaceWarningLevelRatio=100\ndiskSpaceCleanForciblyRatio=100\ncleanFileForciblyEnable=false";
    let (full, full_port) = conf(&folder, "bf", last_byte);
    let (other, other_port) = conf(&folder, "bo", "");
    let store = folder.join("store-bf");
    let text = format!("bindAddress=127.0.0.1\nbrokerConfigPaths={full}:{other}\n");
    let Some(mut server) = Server::on_small_disk(frontend, "container", &text, &store, 12) else {
        eprintln!("not run: no mount namespace can be had");
        return;
    };
    let (mut filler, mut writer) = (client(full_port), client(other_port));
    let mut refused = None;
    for _ in 0..100 {
        let answer = filler.call(&send("T", vec![b'x'; 256 * 1024]));
        if answer.code != response::SUCCESS {
            refused = Some(answer);
            break;
        }
        writer.must(&send("T", "x"));
    }
    let refused = refused.expect("the disk never fills up");
    assert_eq!(refused.code, response::SERVICE_NOT_AVAILABLE, "{refused:?}");
    let begin = Instant::now();
    (0..200).for_each(|_| drop(writer.must(&send("T", vec![b'x'; 4 * 1024]))));
    assert!(begin.elapsed() < Duration::from_secs(5), "the other one is slow: {:?}", begin.elapsed());
    assert_eq!(filler.must(&Pull { max: 1, ..Pull::from("T", 0) }.command()).code, 0, "reading goes on");
    assert_eq!(remove(&mut server.client(), "bf").code, 0);
    writer.must(&send("T", "still there"));
    assert!(server.stop().success());
}

/// `spec/container.md#6`: with n replicas on a partition, a broker that takes more than its share of an n-th deletes
/// its own oldest files, however new they are, and nobody else's.
fn brokers_that_share_a_disk_have_a_quota_each(frontend: Frontend) {
    let folder = Folder::new();
    let disk = folder.join("disk");
    let shared = |name: &str| {
        let root = format!("{disk}/{name}");
        let more = "replicasPerDiskPartition=2\nlogicalDiskSpaceCleanForciblyThreshold=0.6\n\
                    cleanResourceInterval=100\n\
                    deleteCommitLogFilesInterval=1\nflushConsumeQueueThoroughInterval=200";
        conf(&folder, name, &format!("storePathRootDir={root}\nstorePathCommitLog={root}/commitlog\n{more}"))
    };
    let ((greedy, greedy_port), (modest, modest_port)) = (shared("greedy"), shared("modest"));
    let text = format!("bindAddress=127.0.0.1\nbrokerConfigPaths={greedy}:{modest}\n");
    let Some(mut server) = Server::on_small_disk(frontend, "container", &text, &disk, 64) else {
        eprintln!("not run: no mount namespace can be had");
        return;
    };
    let (mut filler, mut writer) = (client(greedy_port), client(modest_port));
    let min_offset = |client: &mut Client| -> i64 {
        let ask = Command::request(request::GET_MIN_OFFSET, ext("topic=T queueId=0"));
        client.must(&ask).ext_text("offset").and_then(|offset| offset.parse().ok()).unwrap_or(-1)
    };
    // a share is 32 MiB, of which 0.6 may be used: half as much for the one, all of it for the other
    for _ in 0..40 {
        writer.must(&send("T", vec![b'm'; 256 * 1024]));
        filler.must(&send("T", vec![b'g'; 256 * 1024]));
    }
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!((min_offset(&mut filler), min_offset(&mut writer)), (0, 0), "both are below their quotas");
    for sent in 40..120u8 {
        filler.must(&send("T", vec![b'0' + sent % 10; 256 * 1024]));
        // not faster than files are deleted
        std::thread::sleep(Duration::from_millis(10));
    }
    eventually(20, "the greedy one deletes its oldest files", || min_offset(&mut filler) > 40);
    assert_eq!(min_offset(&mut writer), 0, "the other one keeps all it has");
    let newest = filler.must(&Pull { max: 1, ..Pull::from("T", 119) }.command());
    assert_eq!(bodies(&newest).len(), 1, "what is new stays");
    let mut offset = 0;
    while offset < 40 {
        let found = bodies(&writer.must(&Pull { max: 8, ..Pull::from("T", offset) }.command()));
        assert!(!found.is_empty() && found.iter().all(|body| body.len() == 256 * 1024), "at {offset}");
        offset += found.len() as i64;
    }
    assert!(server.stop().success());
}

fn brokers_have_a_controller(frontend: Frontend) {
    let folder = Folder::new();
    let controller_addr = format!("127.0.0.1:{}", free_ports());
    let config = format!(
        "controllerDLegerGroup=group1\ncontrollerDLegerPeers=n0-{controller_addr}\ncontrollerDLegerSelfId=n0\n\
         bindAddress=127.0.0.1\n"
    );
    let _controller = Server::start(frontend, "controller", &config, &[]);
    let namesrv = Server::namesrv(frontend);
    let more = format!(
        "brokerName=bc\nbrokerId=-1\nbrokerRole=SLAVE\nenableControllerMode=true\ncontrollerAddr={controller_addr}\n\
         allAckInSyncStateSet=true"
    );
    // One in each container: the reference's containers hold one broker of a name only, and so do ours.
    let (first, first_port) = conf(&folder, "bc1", &more);
    let (second, second_port) = conf(&folder, "bc2", &more);
    let mut one = container(frontend, Some(&namesrv), std::slice::from_ref(&first), SHARED);
    let mut writer = client(first_port);
    eventually(30, "it is elected and stores", || writer.call(&send("T", "one")).code == response::SUCCESS);
    let other = container(frontend, Some(&namesrv), &[second], OWN);
    drop(client(second_port));
    let registered = |id: i64, port: u16| cluster(&namesrv).contains(&format!("{id}:\"127.0.0.1:{port}\""));
    eventually(30, "both are registered", || registered(0, first_port) && registered(2, second_port));
    let again = add(&mut one.client(), &first).remark.unwrap_or_default();
    assert!(again.starts_with("DefaultCluster_bc_-1 has already been added"), "{again}");
    let in_sync = || {
        let ask = Command::request(request::CONTROLLER_GET_SYNC_STATE_DATA, Ext::new());
        let answer = Client::connect(&controller_addr).call(&ask.with_body(&b"[\"bc\"]"[..]));
        let tree: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let set = tree["replicasInfoTable"]["bc"]["inSyncReplicas"].as_array().cloned().unwrap_or_default();
        set.iter().filter(|one| one["alive"].as_bool() == Some(true)).count()
    };
    eventually(30, "both are in sync", || in_sync() == 2);
    writer.must(&send("T", "two"));
    one.kill();
    let mut writer = client(second_port);
    eventually(60, "the other one is elected", || writer.call(&send("T", "three")).code == response::SUCCESS);
    eventually(30, "it is the master now", || registered(0, second_port));
    one.restart();
    eventually(30, "the first one is back as a slave", || registered(1, first_port));
    let found = bodies(&writer.must(&Pull::from("T", 0).command()));
    assert_eq!(found.last().map(Vec::as_slice), Some(&b"three"[..]));
    assert!(found.contains(&b"two".to_vec()));
    // By the id it was given, which is what operators see.
    let remove_id = |server: &Server, id: i64| {
        let ext = Ext::new()
            .with("brokerClusterName", "DefaultCluster")
            .with("brokerName", "bc")
            .with("brokerId", id);
        server.client().call(&Command::request(request::REMOVE_BROKER, ext)).code
    };
    assert_eq!(remove_id(&one, 2), response::BROKER_NOT_EXIST);
    assert_eq!((remove_id(&one, 1), remove_id(&other, 0)), (0, 0));
}

fn thirty_two_brokers_are_light(frontend: Frontend) {
    thirty_two(frontend, SHARED);
}

fn thirty_two_loops_are_light(frontend: Frontend) {
    thirty_two(frontend, OWN);
}

fn thirty_two(frontend: Frontend, loops: &str) {
    let folder = Folder::new();
    let confs: Vec<(String, u16)> = (0..32).map(|n| conf(&folder, &format!("b{n}"), "")).collect();
    let paths: Vec<String> = confs.iter().map(|(path, _)| path.clone()).collect();
    let begin = Instant::now();
    let server = container(frontend, None, &paths, loops);
    eventually(20, "the last one listens", || listens(confs[31].1));
    let took = begin.elapsed();
    // Much more than the two seconds it takes on an idle machine in release: tests share theirs.
    assert!(took < Duration::from_secs(15), "{took:?}");
    for (n, (_, port)) in confs.iter().enumerate() {
        client(*port).must(&send(&format!("T{n}"), format!("of {n}")));
    }
    for (n, (_, port)) in confs.iter().enumerate() {
        let mut client = client(*port);
        assert_eq!(
            bodies(&client.must(&Pull::from(&format!("T{n}"), 0).command())),
            [format!("of {n}").into_bytes()]
        );
        let stranger = client.call(&Pull::from(&format!("T{}", (n + 1) % 32), 0).command());
        assert_eq!(stranger.code, response::TOPIC_NOT_EXIST, "another broker's topic");
    }
    let mib = server.rss_mib();
    let (before, watched) = (server.cpu(), Duration::from_secs(2));
    std::thread::sleep(watched);
    let idle = server.cpu() - before;
    eprintln!(
        "32 brokers: {took:?}, {mib} MiB, {} threads, {idle:?} of CPU in {watched:?}",
        server.threads()
    );
    assert!(mib < 150, "{mib} MiB");
    assert!(idle < watched / 4, "busy with nothing: {idle:?} of CPU in {watched:?}");
}

fn many_rounds_leak_nothing(frontend: Frontend) {
    rounds(frontend, SHARED, 180);
}

fn many_loops_leak_nothing(frontend: Frontend) {
    rounds(frontend, OWN, 60);
}

fn rounds(frontend: Frontend, loops: &str, count: u32) {
    let folder = Folder::new();
    let (path, port) = conf(&folder, "ba", "");
    let server = container(frontend, None, &[], loops);
    let mut admin = server.client();
    let mut round = || {
        assert_eq!(add(&mut admin, &path).code, 0);
        client(port).must(&send("T", "x"));
        assert_eq!(remove(&mut admin, "ba").code, 0);
    };
    (0..20).for_each(|_| round());
    let before = (server.open_files(), server.threads(), server.rss_mib());
    (0..count).for_each(|_| round());
    eventually(5, "nothing is left", || {
        (server.open_files(), server.threads()) <= (before.0 + 2, before.1 + 1)
    });
    let after = server.rss_mib();
    assert!(after <= before.2 + 8, "{} MiB became {after} MiB", before.2);
}
