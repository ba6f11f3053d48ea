//! Files, defaults, mistakes and changes at run time.

use super::*;
use quickcheck::quickcheck;

quickcheck! {
    fn any_text_is_some_properties(text: String) -> bool {
        let lines = text.lines().count();
        Properties::parse(&text).iter().all(|e| e.line > 0 && e.line <= lines)
    }

    fn any_pair_survives_any_setting(key: String, value: String) -> bool {
        let _ = BrokerConfig::default().assign(&key, &value);
        let _ = nearest(&key);
        true
    }
}

#[test]
fn the_rules_of_properties() {
    let text = "<!--\n  ~ License = none\n-->\n# c\n! c\n  a = 1  \nb:2\nc 3\n\nlong=x\\\n   y\\\n  z\nk\\=k=v\\u0041\\t.\na=7\nempty\n";
    let p = Properties::parse(text);
    let all: Vec<_> = p.iter().map(|e| (e.line, e.key.as_str(), e.value.as_str())).collect();
    assert_eq!(
        all,
        [
            (6, "a", "1"),
            (7, "b", "2"),
            (8, "c", "3"),
            (10, "long", "xyz"),
            (13, "k=k", "vA\t."),
            (14, "a", "7"),
            (15, "empty", ""),
        ]
    );
    assert_eq!(p.get("a"), Some("7"));
}

#[test]
fn one_file_for_several_classes() {
    let mut broker = BrokerConfig::default();
    let mut store = MessageStoreConfig::default();
    let mut netty = NettyServerConfig::default();
    let p = Properties::parse(
        "brokerName=b\nbrokerId=-1\nflushDiskType=SYNC_FLUSH\nlistenPort=10911\nauthenticationEnabled=true\n\
         dLegerGroup=g\nlogicalDiskSpaceCleanForciblyThreshold=0.9\n",
    );
    load(&mut [&mut broker, &mut store, &mut netty], &p, "b.conf", &[]).unwrap();
    assert_eq!((broker.broker_name.as_str(), broker.broker_id, broker.listen_port), ("b", -1, 10_911));
    assert_eq!((store.flush_disk_type, netty.listen_port), (FlushDiskType::SyncFlush, 10_911));
    assert_eq!(store.dleger_group.as_deref(), Some("g"));
}

#[test]
fn mistakes_are_named() {
    let p = Properties::parse(
        "brokerNmae=x\n\nlistenPort=abc\nslaveReadEnable=yes\nbrokerRole=MASTER\nzzzzzz=1\nmine=1\nhaTransferBatchSize=-1",
    );
    let mut broker = BrokerConfig::default();
    let mut store = MessageStoreConfig::default();
    let mut netty = NettyServerConfig::default();
    let errors = load(&mut [&mut broker, &mut store, &mut netty], &p, "conf/b.conf", &["mine"]).unwrap_err();
    let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "conf/b.conf:1: key \"brokerNmae\" is unknown; did you mean \"brokerName\"?",
            "conf/b.conf:3: key \"listenPort\": value \"abc\" is not a whole number",
            "conf/b.conf:4: key \"slaveReadEnable\": value \"yes\" is not true or false",
            "conf/b.conf:5: key \"brokerRole\": value \"MASTER\" is not ASYNC_MASTER, SYNC_MASTER or SLAVE",
            "conf/b.conf:6: key \"zzzzzz\" is unknown",
            "conf/b.conf:8: key \"haTransferBatchSize\": value \"-1\" is not within 1..",
        ]
    );
    assert_eq!(BrokerConfig::default().assign("transactionTimeOut", "-5"), Err("zero or more"));
    assert_eq!(BrokerConfig::default().assign("maxStatsIdleTimeInMinutes", "-1"), Ok(true));
    assert!(NamesrvConfig::default().assign("clusterTest", "true").is_err());
}

#[test]
fn changes_at_run_time() {
    let mut config = NamesrvConfig::default();
    let black_list = config.config_black_list.clone();
    let mut change =
        |text: &str| update(&mut [&mut config as &mut dyn Settings], &Properties::parse(text), &black_list);
    assert_eq!(change("waitSecondsForService=44\nnoSuchKey=1"), Ok(vec!["waitSecondsForService".to_owned()]));
    for key in
        ["kvConfigPath", "configStorePath", "rocketmqHome", "configBlackList", "clientRequestThreadPoolNums"]
    {
        assert_eq!(change(&format!("enableTopicList=false\n{key}=1")), Err(Refusal::Key(key.to_owned())));
    }
    assert!(matches!(change("authenticationEnabled=false"), Err(Refusal::Key(_))));
    assert!(matches!(change("enableTopicList=false\nwaitSecondsForService=-1"), Err(Refusal::Value { .. })));
    assert_eq!(Refusal::Key(String::new()).to_string(), BLACK_LISTED);
    assert_eq!((config.wait_seconds_for_service, config.enable_topic_list), (44, true));
}

#[test]
fn no_path_address_or_secret_is_live() {
    let live = |keys: &'static [KeyInfo]| keys.iter().filter(|info| info.live).map(|info| info.key);
    let all = live(BrokerConfig::KEYS)
        .chain(live(MessageStoreConfig::KEYS))
        .chain(live(NamesrvConfig::KEYS))
        .chain(live(ControllerConfig::KEYS));
    for key in all {
        let lower = key.to_ascii_lowercase();
        for part in
            ["path", "home", "port", "blacklist", "password", "credential", "authen", "authori", "plugin"]
        {
            assert!(!lower.replace("support", "").contains(part), "{key}");
        }
        assert!(!lower.ends_with("addr") && !lower.contains("threadpool"), "{key}");
    }
    assert_eq!(live(AuthConfig::KEYS).chain(live(NettyServerConfig::KEYS)).count(), 0);
}

#[test]
fn defaults_of_a_host() {
    let host = Surroundings {
        user_home: "/home/mq".into(),
        host_name: "box".into(),
        local_ip: "192.0.2.7".into(),
        cpus: 2,
        ..Surroundings::default()
    };
    assert_eq!(NamesrvConfig::for_host(&host).kv_config_path, "/home/mq/namesrv/kvConfig.json");
    let broker = BrokerConfig::for_host(&host);
    assert_eq!((broker.broker_name.as_str(), broker.broker_ip2.as_str()), ("box", "192.0.2.7"));
    assert_eq!((broker.query_message_thread_pool_nums, broker.end_transaction_thread_pool_nums), (10, 12));
    assert_eq!(MessageStoreConfig::for_host(&host).commit_log_path(), "/home/mq/store/commitlog");
}
