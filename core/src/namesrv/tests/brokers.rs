//! What brokers do: register, beat, leave, fall silent.

use super::*;

fn acting() -> Bench {
    Bench::new(NamesrvConfig {
        support_acting_master: true,
        notify_min_broker_id_changed: true,
        ..NamesrvConfig::default()
    })
}

fn route(bench: &mut Bench, topic: &str) -> Reply {
    bench.ask(105, &[("topic", topic)], b"")
}

#[test]
fn master_and_slave() {
    let mut bench = Bench::new(NamesrvConfig::default());
    let reply = MASTER.register(&mut bench);
    assert_eq!((reply.code, reply.ext.as_ref().map(Ext::len), text(&reply).as_str()), (0, Some(0), ""));
    let reply = SLAVE.register(&mut bench);
    assert_eq!(field(&reply, "masterAddr").as_deref(), Some("10.0.0.1:10911"));
    assert_eq!(field(&reply, "haServerAddr").as_deref(), Some("ha-10.0.0.1:10911"));
    assert_eq!(
        text(&route(&mut bench, "T1")),
        "{\"brokerDatas\":[{\"brokerAddrs\":{\"0\":\"10.0.0.1:10911\",\"1\":\"10.0.0.2:10911\"},\
         \"brokerName\":\"broker-a\",\"cluster\":\"C\",\"enableActingMaster\":false}],\"filterServerTable\":{},\
         \"queueDatas\":[{\"brokerName\":\"broker-a\",\"perm\":6,\"readQueueNums\":4,\"topicSysFlag\":0,\
         \"writeQueueNums\":4}]}"
    );
    bench.version = 300;
    assert!(text(&route(&mut bench, "T1")).contains("{0:\"10.0.0.1:10911\",1:"));
    let standard = bench.ask(105, &[("topic", "T1"), ("acceptStandardJsonOnly", "true")], b"");
    assert!(text(&standard).contains("{\"0\":"));
    assert!(text(&bench.ask(106, &[], b"")).contains("{0:\"10.0.0.1:10911\""));
}

#[test]
fn a_changed_checksum_a_lone_topic_a_bad_id() {
    let mut bench = Bench::new(NamesrvConfig::default());
    let ext = [
        ("brokerName", "b"),
        ("brokerAddr", "a:1"),
        ("clusterName", "C"),
        ("brokerId", "0"),
        ("bodyCrc32", "7"),
    ];
    assert_eq!(remark(&bench.ask(103, &ext, b"{}")), (1, "crc32 not match"));
    let lone = B { topics: &["T1"], ..MASTER };
    assert_eq!(remark(&lone.register(&mut bench)), (1, "register broker failed"));
    assert_eq!(bench.ns.tables(), &Tables::default());
    assert_eq!(bench.ask(103, &[("brokerName", "b"), ("brokerId", "x")], b"").code, 1);
    let bare = [("brokerName", "b"), ("brokerAddr", "a:1"), ("clusterName", "C"), ("brokerId", "0")];
    assert_eq!(bench.ask(103, &bare, b"").code, 0, "a registration without body is legal");
    bench.version = -1;
    let refused = bench.ask(103, &bare, b"");
    let why = "java.lang.ArrayIndexOutOfBoundsException";
    assert!(refused.code == 1 && remark(&refused).1.starts_with(why), "{refused:?}");
}

#[test]
fn a_slave_acts_as_master_until_it_returns() {
    let mut bench = acting();
    let (master, slave) = (B { acting: Some(true), ..MASTER }, B { acting: Some(true), ..SLAVE });
    let both = B { topics: &["T1", "rmq_sys_SYNC_BROKER_MEMBER_broker-a"], ..slave };
    B { topics: both.topics, ..master }.register(&mut bench);
    both.register(&mut bench);
    assert!(bench.told().is_empty());
    master.unregister(&mut bench, 1);
    let gone: Vec<(String, String)> =
        [("minBrokerId", "1"), ("minBrokerAddr", "10.0.0.2:10911"), ("offlineBrokerAddr", "10.0.0.1:10911")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into();
    assert_eq!(bench.told(), [("10.0.0.2:10911".to_owned(), gone)]);
    let shown = text(&route(&mut bench, "T1"));
    assert!(shown.contains("{\"0\":\"10.0.0.2:10911\"}") && shown.contains("\"perm\":4"), "{shown}");
    assert!(text(&route(&mut bench, "rmq_sys_SYNC_BROKER_MEMBER_broker-a")).contains("{\"1\":"));

    B { topics: both.topics, ..master }.register(&mut bench);
    let back: Vec<(String, String)> =
        [("minBrokerId", "0"), ("minBrokerAddr", "10.0.0.1:10911"), ("haBrokerAddr", "ha-10.0.0.1:10911")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into();
    assert_eq!(bench.told(), [("10.0.0.2:10911".to_owned(), back)]);
    assert!(text(&route(&mut bench, "T1")).contains("\"perm\":6"));
}

#[test]
fn an_overtaken_unregistration_changes_nothing() {
    let mut bench = Bench::new(NamesrvConfig::default());
    MASTER.register(&mut bench);
    B { conn: 5, ..MASTER }.register(&mut bench);
    assert_eq!(MASTER.unregister(&mut bench, 1).code, 0);
    assert_eq!(route(&mut bench, "T1").code, 0, "registered over the newer connection 5");
    bench.handle(ServerIn::Closed(ConnId(1)));
    assert_eq!(route(&mut bench, "T1").code, 0, "the old connection closing late is no reason to leave");
    assert_eq!(MASTER.unregister(&mut bench, 5).code, 0);
    assert_eq!(
        remark(&route(&mut bench, "T1")),
        (
            17,
            "No topic route info in name server for the topic: T1\n\
             See https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details."
        )
    );
}

/// What a killed process had on the way may come when its successor is registered already.
#[test]
fn an_overtaken_registration_changes_nothing() {
    let mut bench = Bench::new(NamesrvConfig::default());
    MASTER.register(&mut bench);
    B { conn: 5, topics: &["T1", "T2"], ..MASTER }.register(&mut bench);
    assert_eq!(MASTER.register(&mut bench).code, 0);
    bench.handle(ServerIn::Closed(ConnId(1)));
    assert_eq!((route(&mut bench, "T1").code, route(&mut bench, "T2").code), (0, 0));
    bench.handle(ServerIn::Closed(ConnId(5)));
    assert_eq!(route(&mut bench, "T1").code, 17);
}

#[test]
fn all_brokers_of_a_connection_leave_with_it() {
    let mut bench = Bench::new(NamesrvConfig::default());
    MASTER.register(&mut bench);
    B { name: "broker-b", addr: "10.0.0.1:10921", ..MASTER }.register(&mut bench);
    bench.handle(ServerIn::Closed(ConnId(1)));
    assert_eq!(bench.ns.tables(), &Tables::default());
}

#[test]
fn silence() {
    let mut bench = Bench::new(NamesrvConfig::default());
    B { timeout_ms: Some(8_000), ..MASTER }.register(&mut bench);
    SLAVE.register(&mut bench);
    bench.pass(6_000);
    let ext = [("clusterName", "C"), ("brokerAddr", MASTER.addr), ("brokerName", "broker-a")];
    assert_eq!(bench.ask(904, &ext, b"").code, 0);
    bench.pass(7_000);
    assert!(text(&route(&mut bench, "T1")).contains("{\"0\":"));
    bench.pass(7_000);
    assert!(text(&route(&mut bench, "T1")).contains("\"brokerAddrs\":{\"1\":"));
    assert!(matches!(bench.other.as_slice(), [ServerOut::Close(ConnId(1))]));
    bench.pass(120_000);
    assert_eq!(bench.ns.tables(), &Tables::default());
    assert_eq!(bench.ask(904, &ext, b"").code, 0, "a beat of the unknown is fine, and creates nothing");
    assert_eq!(bench.ns.tables(), &Tables::default());
}

#[test]
fn the_connection_of_a_container_outlives_one_silent_broker() {
    let mut bench = Bench::new(NamesrvConfig::default());
    MASTER.register(&mut bench);
    B { name: "broker-b", addr: "10.0.0.1:10921", timeout_ms: Some(1_000), ..MASTER }.register(&mut bench);
    bench.pass(20_000);
    assert!(bench.other.is_empty());
    assert_eq!(route(&mut bench, "T1").code, 0);
}

#[test]
fn versions_of_topic_tables() {
    let mut bench = Bench::new(NamesrvConfig::default());
    MASTER.register(&mut bench);
    let ext =
        [("brokerName", "broker-a"), ("brokerAddr", MASTER.addr), ("clusterName", "C"), ("brokerId", "0")];
    let same = b"{\"counter\":1,\"stateVersion\":0,\"timestamp\":1}";
    let reply = bench.ask(322, &ext, same);
    assert_eq!((field(&reply, "changed").as_deref(), text(&reply).as_bytes()), (Some("false"), &same[..]));
    let reply = bench.ask(322, &ext, b"{\"counter\":2,\"stateVersion\":0,\"timestamp\":1}");
    assert_eq!(field(&reply, "changed").as_deref(), Some("true"));
    let unknown = [("brokerName", "x"), ("brokerAddr", "x:1"), ("clusterName", "C"), ("brokerId", "0")];
    let reply = bench.ask(322, &unknown, same);
    assert_eq!((field(&reply, "changed").as_deref(), text(&reply).as_str()), (Some("true"), ""));
}

#[test]
fn wiped_permissions_last_until_the_version_changes() {
    let mut bench = Bench::new(NamesrvConfig::default());
    MASTER.register(&mut bench);
    let reply = bench.ask(205, &[("brokerName", "broker-a")], b"");
    assert_eq!(field(&reply, "wipeTopicCount").as_deref(), Some("2"));
    MASTER.register(&mut bench);
    assert!(text(&route(&mut bench, "T1")).contains("\"perm\":4"));
    B { counter: 2, ..MASTER }.register(&mut bench);
    assert!(text(&route(&mut bench, "T1")).contains("\"perm\":6"));
}

#[test]
fn an_older_epoch_is_turned_away() {
    let mut bench = Bench::new(NamesrvConfig::default());
    B { epoch: 5, ..MASTER }.register(&mut bench);
    let old = B { addr: "10.0.0.9:10911", conn: 9, epoch: 4, ..MASTER };
    let reply = old.register(&mut bench);
    assert_eq!((reply.code, reply.ext.map(|e| e.len())), (0, Some(0)));
    assert!(text(&route(&mut bench, "T1")).contains(MASTER.addr));
    B { epoch: 6, ..old }.register(&mut bench);
    assert!(text(&route(&mut bench, "T1")).contains(old.addr));
}

#[test]
fn topics_a_registration_no_longer_has() {
    let config = NamesrvConfig { delete_topic_with_broker_registration: true, ..NamesrvConfig::default() };
    let mut bench = Bench::new(config);
    B { topics: &["T1", "T2", "T3"], ..MASTER }.register(&mut bench);
    MASTER.register(&mut bench);
    assert_eq!(route(&mut bench, "T3").code, 17);
    assert_eq!(route(&mut bench, "T2").code, 0);
}

#[test]
fn zones() {
    let mut bench = Bench::new(NamesrvConfig::default());
    B { zone: Some("z1"), ..MASTER }.register(&mut bench);
    B { zone: Some("z2"), name: "broker-b", addr: "10.0.0.5:1", conn: 5, ..MASTER }.register(&mut bench);
    let ext = [("topic", "T1"), ("__ZONE_MODE", "true"), ("__ZONE_NAME", "Z2")];
    let shown = text(&bench.ask(105, &ext, b""));
    assert!(shown.contains("broker-b") && !shown.contains("broker-a"), "{shown}");
    assert!(shown.contains("{0:\"10.0.0.5:1\"}") && shown.contains("\"zoneName\":\"z2\""), "{shown}");
}

#[test]
fn a_broker_that_changed_its_cluster_does_not_leave_with_its_old_connection() {
    let mut bench = Bench::new(NamesrvConfig::default());
    MASTER.register(&mut bench);
    B { cluster: "D", conn: 2, ..MASTER }.register(&mut bench);
    bench.handle(ServerIn::Closed(ConnId(1)));
    assert_eq!(route(&mut bench, "T1").code, 0);
    bench.handle(ServerIn::Closed(ConnId(2)));
    assert_eq!(bench.ns.tables(), &Tables::default());
}

#[test]
fn no_slave_acts_as_master_unless_it_may() {
    let mut bench = acting();
    SLAVE.register(&mut bench);
    bench.ask(205, &[("brokerName", "broker-a")], b"");
    assert!(text(&route(&mut bench, "T1")).contains("{\"1\":"), "acting is off for this broker");
    B { acting: Some(true), counter: 2, ..SLAVE }.register(&mut bench);
    assert!(text(&route(&mut bench, "T1")).contains("{\"0\":"), "read-only and allowed");
    bench.ask(327, &[("brokerName", "broker-a")], b"");
    assert!(text(&route(&mut bench, "T1")).contains("{\"1\":"), "writable: there is a master somewhere");
}

#[test]
fn a_broker_may_be_silent_for_exactly_its_timeout() {
    let config = NamesrvConfig { scan_not_active_broker_interval: 1_000, ..NamesrvConfig::default() };
    let mut bench = Bench::new(config);
    bench.pass(5);
    B { timeout_ms: Some(2_000), ..MASTER }.register(&mut bench);
    bench.pass(2_000);
    assert_eq!(route(&mut bench, "T1").code, 0);
    bench.pass(1_000);
    assert_eq!(route(&mut bench, "T1").code, 17);
}
