//! The settings against dumps of a running reference: every key it lists is known here under that name, and
//! holds the same value once the few keys that were configured there are set.
#![allow(clippy::disallowed_methods)] // golden data lies in files

use sansmq_core::config::{
    AuthConfig, BrokerConfig, ControllerConfig, MessageStoreConfig, NamesrvConfig, NettyClientConfig,
    NettyServerConfig, Properties, Settings, Surroundings, load,
};
use std::collections::BTreeMap;

fn dump(name: &str) -> Properties {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/config/");
    let text = std::fs::read_to_string(format!("{path}{name}.properties"));
    Properties::parse(&text.expect("golden data is part of the repository"))
}

/// Keys whose value in the dump is not what a fresh configuration has, sorted.
fn differing(dump: &Properties, classes: &[&dyn Settings]) -> Vec<String> {
    let ours: BTreeMap<_, _> = classes.iter().flat_map(|c| c.entries()).collect();
    let differs = |key: &str, value: &str| ours.get(key).map(String::as_str) != Some(value);
    dump.iter().filter(|p| differs(&p.key, &p.value)).map(|p| p.key.clone()).collect()
}

fn host() -> Surroundings {
    Surroundings { cpus: 2, ..Surroundings::default() }
}

#[test]
fn broker() {
    let dump = dump("broker");
    let (mut broker, mut store) = (BrokerConfig::for_host(&host()), MessageStoreConfig::for_host(&host()));
    let (mut server, mut client) = (NettyServerConfig::default(), NettyClientConfig::default());
    let mut auth = AuthConfig::default();
    let configured = differing(&dump, &[&broker, &store, &server, &client, &auth]);
    assert_eq!(
        configured,
        [
            "authConfigPath",
            "bitMapLengthConsumeQueueExt",
            "brokerIP1",
            "brokerIP2",
            "brokerName",
            "controllerHeartBeatTimeoutMills", // 3 s here, so that a hung master is replaced sooner
            "enablePropertyFilter",
            "fileReservedTime",
            "haListenPort",
            "listenPort",
            "mappedFileSizeCommitLog",
            "mappedFileSizeConsumeQueue",
            "mapperFileSizeBatchConsumeQueue",
            "maxHashSlotNum",
            "maxIndexNum",
            "namesrvAddr",
            "rocketmqHome",
            "storePathCommitLog",
            "storePathRootDir",
            "traceTopicEnable",
        ]
    );
    load(&mut [&mut broker, &mut store, &mut server, &mut client, &mut auth], &dump, "dump", &[]).unwrap();
    assert_eq!(differing(&dump, &[&broker, &store, &server, &client, &auth]), [""; 0]);
    assert_eq!(store.max_index_num, 5_000);
}

#[test]
fn namesrv() {
    let dump = dump("namesrv");
    let (mut namesrv, mut server) = (NamesrvConfig::for_host(&host()), NettyServerConfig::default());
    assert_eq!(
        differing(&dump, &[&namesrv, &server]),
        [
            "bindAddress",
            "configStorePath",
            "deleteTopicWithBrokerRegistration",
            "kvConfigPath",
            "listenPort",
            "rocketmqHome",
        ]
    );
    load(&mut [&mut namesrv, &mut server], &dump, "dump", &[]).unwrap();
    assert_eq!(differing(&dump, &[&namesrv, &server]), [""; 0]);
}

#[test]
fn controller() {
    let dump = dump("controller");
    let (mut controller, mut server) = (ControllerConfig::for_host(&host()), NettyServerConfig::default());
    load(&mut [&mut controller, &mut server], &dump, "dump", &[]).unwrap();
    assert_eq!(differing(&dump, &[&controller, &server]), [""; 0]);
}
