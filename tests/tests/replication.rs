//! A master and its slave by configuration, as two processes: the slave's log is the master's, byte by byte.

use sansmq_core::wire::Command;
use sansmq_core::wire::code::{request, response};
use sansmq_tests::{Frontend, Pull, Server, bodies, eventually, ext, on_both_frontends, send};

on_both_frontends!(
    a_slave_follows_is_killed_and_catches_up,
    a_slave_has_the_masters_tables_and_is_read_from,
    a_slave_stands_in_for_its_master_as_far_as_reading_goes,
    strangers_on_the_port_do_no_harm,
);

fn a_slave_follows_is_killed_and_catches_up(frontend: Frontend) {
    let master = Server::broker(frontend, "brokerRole=SYNC_MASTER\ninSyncReplicas=2\nslaveTimeout=500\n");
    let follow = format!("brokerRole=SLAVE\nbrokerId=1\nhaMasterAddress=127.0.0.1:{}\n", master.port + 1);
    let mut slave = Server::broker(frontend, &follow);
    let mut client = master.client();
    eventually(20, "a message is acknowledged by both", || client.call(&send("T", "first")).code == 0);
    for number in 0..200 {
        // several files' worth of frames, each acknowledged by the slave
        client.must(&send("T", vec![b'x'; 1 + number * 300]));
    }
    assert!(master.commit_log().len() > 5_000_000);
    assert!(slave.commit_log() == master.commit_log(), "acknowledged by the slave is in the slave's log");
    let refused = slave.client().call(&send("T", "no"));
    assert_eq!(refused.code, response::SYSTEM_BUSY);

    slave.kill();
    let alone = client.call(&send("T", "alone"));
    assert_eq!(alone.code, response::FLUSH_SLAVE_TIMEOUT, "{alone:?}");
    slave.restart();
    eventually(20, "the slave has caught up", || slave.commit_log() == master.commit_log());
    client.must(&send("T", "both again"));
    assert!(slave.commit_log() == master.commit_log());
}

fn a_slave_has_the_masters_tables_and_is_read_from(frontend: Frontend) {
    let namesrv = Server::namesrv(frontend);
    let names =
        format!("brokerIP2=127.0.0.1\nnamesrvAddr={}\nregisterNameServerPeriod=10000\n", namesrv.addr());
    let master = Server::broker(frontend, &names);
    let mut client = master.client();
    client.must(&send("T", "copied"));
    let group = Command::request(request::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, ext(""));
    client.must(&group.with_body(&br#"{"groupName":"CG","retryMaxTimes":3}"#[..]));
    let fields = "consumerGroup=CG topic=T queueId=0 commitOffset=1";
    client.must(&Command::request(request::UPDATE_CONSUMER_OFFSET, ext(fields)));
    let about = |server: &Server| {
        let answer = server.client().must(&Command::request(request::GET_BROKER_CLUSTER_INFO, ext("")));
        String::from_utf8_lossy(&answer.body).into_owned()
    };
    eventually(10, "the master is registered", || about(&namesrv).contains("brokerAddrs\":{0:"));
    let reads = "brokerRole=SLAVE\nbrokerId=1\nslaveReadEnable=true\naccessMessageInMemoryMaxRatio=0\n";
    let mut slave = Server::broker(frontend, &format!("{names}{reads}"));
    let has = |slave: &Server| {
        let answer = slave.client().call(&Pull::from("T", 0).command());
        answer.code == 0 && bodies(&answer) == [b"copied".to_vec()]
    };
    eventually(20, "the slave is read from", || has(&slave));
    let suggested = |answer: &Command| answer.ext_text("suggestWhichBrokerId");
    let answer = slave.client().must(&Pull::from("T", 0).command());
    assert_eq!(suggested(&answer).as_deref(), Some("1"), "memory reaches nothing, so it is the slave's");
    let answer = slave.client().call(&Pull::from("T", 1).command());
    assert_eq!((answer.code, suggested(&answer).as_deref()), (response::PULL_RETRY_IMMEDIATELY, Some("0")));

    let file = |name: &str| {
        let path = slave.folder.join(&format!("data/store/config/{name}"));
        std::fs::read_to_string(path).unwrap_or_default()
    };
    eventually(20, "the tables are on the slave's disk", || {
        file("topics.json").contains("\"T\"")
            && file("subscriptionGroup.json").contains("\"CG\"")
            && file("consumerOffset.json").contains("T@CG")
    });
    let status = slave.client().must(&Command::request(request::GET_BROKER_HA_STATUS, ext("")));
    let text = String::from_utf8_lossy(&status.body).into_owned();
    let ha = format!("\"masterAddr\":\"127.0.0.1:{}\"", master.port + 1);
    assert!(
        text.contains(&ha) && text.contains("\"master\":false") && !text.contains("lastReadTimestamp\":0")
    );

    // What was fetched outlives master and slave: nothing is emptied on the way.
    drop(master);
    slave.kill();
    slave.restart();
    assert!(has(&slave));
}

fn a_slave_stands_in_for_its_master_as_far_as_reading_goes(frontend: Frontend) {
    let namesrv = Server::start(
        frontend,
        "namesrv",
        "bindAddress=127.0.0.1\nsupportActingMaster=true\nnotifyMinBrokerIdChanged=true\n",
        &[],
    );
    let names = format!(
        "brokerIP2=127.0.0.1\nnamesrvAddr={}\nregisterNameServerPeriod=10000\nenableSlaveActingMaster=true\n\
         brokerNotActiveTimeoutMillis=4000\n",
        namesrv.addr()
    );
    let mut master = Server::broker(frontend, &names);
    master.client().must(&send("T", "kept"));
    let route = || {
        let ask = Command::request(request::GET_ROUTEINFO_BY_TOPIC, ext("topic=T"));
        String::from_utf8_lossy(&namesrv.client().call(&ask).body).into_owned()
    };
    let (writable, read_only) = ("\"perm\":6", "\"perm\":4");
    eventually(10, "the master is in the route", || route().contains(writable));
    let slave =
        Server::broker(frontend, &format!("{names}brokerRole=SLAVE\nbrokerId=1\nslaveReadEnable=true\n"));
    let pull = |offset| slave.client().call(&Pull::from("T", offset).command());
    eventually(20, "the slave is read from", || pull(0).code == 0);
    assert_eq!(pull(1).code, response::PULL_RETRY_IMMEDIATELY, "to the master, which lives");
    // Longer than the master and the slave may be silent: heartbeats keep both in the route.
    std::thread::sleep(std::time::Duration::from_secs(6));
    assert!(route().contains(&slave.addr()) && route().contains(&master.addr()), "{}", route());

    master.kill();
    eventually(20, "the slave is shown as master, and nothing can be written", || {
        let route = route();
        let shown = route.contains(&format!("\"0\":\"{}\"", slave.addr()))
            || route.contains(&format!("0:\"{}\"", slave.addr()));
        shown && route.contains(read_only) && !route.contains(writable)
    });
    eventually(10, "the slave waits for messages itself", || pull(1).code == response::PULL_NOT_FOUND);
    assert_eq!(pull(0).code, 0);
    let refused = slave.client().call(&send("T", "no"));
    assert_eq!(refused.code, response::SERVICE_NOT_AVAILABLE, "{refused:?}");

    master.restart();
    eventually(20, "the master is in the route again", || route().contains(writable));
    eventually(10, "consumers are sent back to it", || pull(1).code == response::PULL_RETRY_IMMEDIATELY);
    master.client().must(&send("T", "more"));
    eventually(20, "the slave follows again", || slave.commit_log() == master.commit_log());
}

fn strangers_on_the_port_do_no_harm(frontend: Frontend) {
    use std::io::{Read as _, Write as _};
    let master = Server::broker(frontend, "brokerRole=ASYNC_MASTER\n");
    for garbage in [&[0xFF; 64][..], b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", &[0x7F; 8]] {
        let mut stranger = std::net::TcpStream::connect(("127.0.0.1", master.port + 1)).expect("it listens");
        stranger.set_read_timeout(Some(std::time::Duration::from_secs(10))).expect("a socket takes this");
        stranger.write_all(garbage).expect("it is read");
        let mut rest = Vec::new();
        // closed, orderly or not, without a word
        let _ = stranger.read_to_end(&mut rest);
        assert!(rest.is_empty(), "{rest:?}");
    }
    master.client().must(&send("T", "still there"));
}
