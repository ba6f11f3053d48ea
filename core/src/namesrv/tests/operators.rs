//! What clients and operators do: key-value pairs, topics, settings.

use super::*;

fn registered() -> Bench {
    let mut bench = Bench::new(NamesrvConfig {
        kv_config_path: "kv.json".into(),
        config_store_path: "ns.conf".into(),
        ..NamesrvConfig::default()
    });
    MASTER.register(&mut bench);
    bench
}

fn saved(bench: &mut Bench) -> Vec<(String, String)> {
    let all = std::mem::take(&mut bench.other).into_iter();
    all.filter_map(|out| match out {
        ServerOut::Save { path, data, .. } => Some((path, String::from_utf8(data.to_vec()).expect("text"))),
        _ => None,
    })
    .collect()
}

#[test]
fn key_value_pairs() {
    let mut bench = registered();
    let at = [("namespace", "ORDER_TOPIC_CONFIG"), ("key", "T1")];
    let missing = bench.ask(101, &at, b"");
    assert_eq!(remark(&missing), (22, "No config item, Namespace: ORDER_TOPIC_CONFIG Key: T1"));
    assert_eq!(missing.ext, Some(Ext::new()));
    assert_eq!(remark(&bench.ask(219, &[("namespace", "N")], b"")), (22, "No config item, Namespace: N"));
    assert_eq!(remark(&bench.ask(100, &[("namespace", "N")], b"")), (1, "namespace or key is null"));

    let put = bench.ask(100, &[at[0], at[1], ("value", "broker-a:4")], b"");
    assert_eq!((put.code, put.ext.is_none()), (0, true));
    let file = "{\"configTable\":{\"ORDER_TOPIC_CONFIG\":{\"T1\":\"broker-a:4\"}}}";
    assert_eq!(saved(&mut bench), [("kv.json".to_owned(), file.to_owned())]);
    assert_eq!(KvConfig::load(file.as_bytes()).as_ref(), Ok(&bench.ns.kv));
    assert_eq!(field(&bench.ask(101, &at, b""), "value").as_deref(), Some("broker-a:4"));
    assert_eq!(text(&bench.ask(219, &at[..1], b"")), "{\"table\":{\"T1\":\"broker-a:4\"}}");
    assert_eq!(text(&MASTER.register(&mut bench)), "{\"table\":{\"T1\":\"broker-a:4\"}}");
    bench.ask(318, &[], b"orderMessageEnable=true\n");
    assert!(text(&bench.ask(105, &[("topic", "T1")], b"")).contains("\"orderTopicConf\":\"broker-a:4\""));

    assert_eq!(bench.ask(102, &at, b"").code, 0);
    assert_eq!(text(&bench.ask(219, &at[..1], b"")), "{\"table\":{}}");
}

#[test]
fn lists_of_topics() {
    let mut bench = registered();
    assert_eq!(text(&bench.ask(206, &[], b"")), "{\"topicList\":[\"T1\",\"T2\"]}");
    assert_eq!(text(&bench.ask(224, &[("cluster", "C")], b"")), "{\"topicList\":[\"T1\",\"T2\"]}");
    assert_eq!(text(&bench.ask(224, &[("cluster", "X")], b"")), "{\"topicList\":[]}");
    assert_eq!(
        text(&bench.ask(304, &[], b"")),
        "{\"brokerAddr\":\"10.0.0.1:10911\",\"topicList\":[\"C\",\"broker-a\"]}"
    );
    let queues = b"{\"queueDatas\":[{\"brokerName\":\"broker-a\",\"topicSysFlag\":2,\"perm\":6}]}";
    assert_eq!(bench.ask(217, &[("topic", "U")], queues).code, 0);
    assert_eq!(text(&bench.ask(311, &[], b"")), "{\"topicList\":[]}");
    assert_eq!(text(&bench.ask(312, &[], b"")), "{\"topicList\":[\"U\"]}");
    assert_eq!(text(&bench.ask(313, &[], b"")), "{\"topicList\":[\"U\"]}");
    bench.ask(318, &[], b"enableTopicList=false\nenableAllTopicList=false\n");
    for code in [206, 224, 311, 312, 313] {
        assert_eq!(remark(&bench.ask(code, &[("cluster", "C")], b"")), (1, "disable"));
    }
}

#[test]
fn changes_to_topics() {
    let mut bench = registered();
    assert_eq!(field(&bench.ask(205, &[("brokerName", "x")], b""), "wipeTopicCount").as_deref(), Some("0"));
    assert_eq!(
        field(&bench.ask(327, &[("brokerName", "broker-a")], b""), "addTopicCount").as_deref(),
        Some("2")
    );
    assert_eq!(bench.ask(216, &[("topic", "T1"), ("clusterName", "X")], b"").code, 0);
    assert_eq!(bench.ask(105, &[("topic", "T1")], b"").code, 0);
    assert_eq!(bench.ask(216, &[("topic", "T1"), ("clusterName", "C")], b"").code, 0);
    assert_eq!(bench.ask(216, &[("topic", "T2")], b"").code, 0);
    assert_eq!(bench.ask(105, &[("topic", "T2")], b"").code, 17);
    let strange = b"{\"queueDatas\":[{\"brokerName\":\"broker-a\"},{\"brokerName\":\"nobody\"}]}";
    assert_eq!(bench.ask(217, &[("topic", "N")], strange).code, 0);
    assert_eq!(text(&bench.ask(206, &[], b"")), "{\"topicList\":[]}");
}

#[test]
fn member_groups() {
    let mut bench = registered();
    let reply = bench.ask(901, &[("clusterName", "C"), ("brokerName", "broker-a")], b"");
    assert_eq!(remark(&reply), (0, "not set any response code"));
    assert_eq!(
        text(&reply),
        "{\"brokerMemberGroup\":{\"brokerAddrs\":{0:\"10.0.0.1:10911\"},\"brokerName\":\"broker-a\",\"cluster\":\"C\"}}"
    );
    let unknown = bench.ask(901, &[("clusterName", "C"), ("brokerName", "x")], b"");
    assert!(text(&unknown).contains("\"brokerAddrs\":{}"));
}

#[test]
fn settings() {
    let mut bench = registered();
    bench.ns.settings.file = Properties::parse("mine=1\ninnerClientAuthenticationCredentials={x}\n");
    assert_eq!(bench.ask(318, &[], b"").code, 0);
    assert_eq!(bench.ask(318, &[], b"waitSecondsForService=44\nnoSuchKey=1\n").code, 0);
    let files = saved(&mut bench);
    assert_eq!(files[0].0, "ns.conf");
    assert!(files[0].1.contains("waitSecondsForService=44\n") && files[0].1.contains("Credentials={x}\n"));
    for key in ["kvConfigPath", "configStorePath", "rocketmqHome", "configBlackList", "listenPort"] {
        let reply = bench.ask(318, &[], format!("{key}=/etc/x\n").as_bytes());
        assert_eq!(remark(&reply), (16, "Can not update config in black list."));
    }
    assert_eq!(bench.ask(318, &[], b"clusterTest=true\n").code, 1);
    assert_eq!(bench.ask(318, &[], b"clusterTest=false\n").code, 0);
    let shown = text(&bench.ask(319, &[], b""));
    let keys: Vec<&str> = shown.lines().filter_map(|line| line.split('=').next()).collect();
    assert!(keys.is_sorted() && keys.contains(&"mine") && keys.contains(&"listenPort"));
    assert!(shown.contains("Credentials=******\n") && !shown.contains("{x}"));
}

#[test]
fn not_ready_and_not_supported() {
    let config = NamesrvConfig {
        need_wait_for_service: true,
        wait_seconds_for_service: 10,
        ..NamesrvConfig::default()
    };
    let mut bench = Bench::new(config);
    MASTER.register(&mut bench);
    assert_eq!(remark(&bench.ask(105, &[("topic", "T1")], b"")), (1, "name server not ready"));
    bench.pass(10_000);
    assert_eq!(bench.ask(105, &[("topic", "T1")], b"").code, 0);
    assert_eq!(remark(&bench.ask(9_999, &[], b"")), (3, " request type 9999 not supported"));
}
