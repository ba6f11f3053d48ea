//! Commands about controllers and replication, replayed from captures.

use sansmq_core::wire::code::request;

use super::fake::{Script, answer, any, run};
use super::golden::{capture, words};
use super::replay::{check, script};

#[test]
fn whole_runs() {
    for name in [
        "haStatus",
        "haStatus-cluster",
        "haStatus-controller",
        "2m2s-haStatus",
        "2m2s-haStatus-slave",
        "dledger-haStatus",
        "getSyncStateSet",
        "getSyncStateSet-cluster",
        "getSyncStateSet-unknown",
        "getSyncStateSet-after-elect",
        "getSyncStateSet-after-master-kill",
        "getSyncStateSet-after-clean",
        "getBrokerEpoch",
        "getControllerMetaData",
        "getControllerMetaData-after-leader-kill",
        "embedded-getControllerMetaData",
        "updateControllerConfig",
    ] {
        check(name, &script(name), false);
    }
}

/// Without the times of the captures.
#[test]
fn changes_at_the_leader() {
    for name in [
        "electMaster",
        "electMaster-unknown",
        "cleanBrokerMetadata",
        "cleanBrokerMetadata-all",
        "cleanBrokerMetadata-alive",
    ] {
        let fields = [
            "clusterName",
            "brokerName",
            "brokerId",
            "designateElect",
            "brokerControllerIdsToClean",
            "isCleanLivingBroker",
        ];
        check(name, &script(name).only_fields(&fields), false);
    }
}

#[test]
fn settings_of_controllers() {
    let name = "getControllerConfig";
    let golden = capture(name);
    let lines = golden.stdout.lines().filter_map(|line| line.split_once("=  "));
    let body: Vec<String> = lines.map(|(key, value)| format!("{}={value}\n", key.trim())).collect();
    check(name, &script(name).with_body(request::GET_CONTROLLER_CONFIG, body.concat()), false);
}

#[test]
fn brokers_to_forget_are_named_with_care() {
    let golden = capture("cleanBrokerMetadata-no-cluster");
    let ours = run(&golden.words, &Script::default());
    let cause = golden.stderr.split_once("Exception: ").unwrap().1;
    assert_eq!((ours.status, ours.stdout.as_str()), (1, ""));
    assert_eq!(ours.stderr, format!("mqadmin: cleanBrokerMetadata: {cause}"));
    let line = "cleanBrokerMetadata -a 127.0.0.1:1 -bn broker-k -c C -b 1;x";
    let ours = run(&words(line), &Script::default());
    assert_eq!(
        ours.stderr,
        "mqadmin: cleanBrokerMetadata: -b 1;x: \"x\" is no broker id, expected numbers like 1;2;3\n"
    );
}

#[test]
fn every_controller_of_a_list_is_told() {
    const UPDATE: i32 = request::UPDATE_CONTROLLER_CONFIG;
    let script = Script::new(vec![
        any("a:1", UPDATE, answer(0, None, &[], b"")),
        any("b:2", UPDATE, answer(0, None, &[], b"")),
        any("c:3", UPDATE, answer(16, Some("not this"), &[], b"")),
    ]);
    let update = |list: &str| run(&words(&format!("updateControllerConfig -a {list} -k x -v y")), &script);
    assert_eq!(update("a:1;b:2").stdout, "update controller config success![a:1, b:2]\nx : y\n");
    for (list, said) in [
        ("c:3", "CODE: 16  DESC: not this"),
        ("a:1;c:3", "c:3: CODE: 16  DESC: not this"),
        (";", "-a \";\": expected host:port[;host:port...]"),
    ] {
        let ours = update(list);
        assert_eq!((ours.status, ours.stdout.as_str()), (1, ""));
        assert_eq!(ours.stderr, format!("mqadmin: updateControllerConfig: {said}\n"));
    }
}

fn leader(address: &str) -> Vec<(String, String)> {
    vec![("controllerLeaderAddress".to_owned(), address.to_owned())]
}

#[test]
fn the_first_controller_that_knows_a_leader_is_believed() {
    const METADATA: i32 = request::CONTROLLER_GET_METADATA_INFO;
    let exchanges = vec![
        any("a:1", METADATA, answer(1, Some("starting"), &[], b"")),
        any("b:2", METADATA, answer(0, None, &[], b"")),
        any("c:3", METADATA, answer(0, None, &leader("d:4"), b"")),
        any("d:4", request::CLEAN_BROKER_DATA, answer(0, None, &[], b"")),
    ];
    let script = Script::new(exchanges);
    let clean =
        |controllers: &str| run(&words(&format!("cleanBrokerMetadata -a {controllers} -bn k -l")), &script);
    let ours = clean("a:1;b:2;c:3");
    assert_eq!((ours.status, ours.stderr.as_str()), (0, ""));
    assert_eq!(ours.stdout, "clear broker k metadata from controller success! \n");
    for (controllers, said) in [
        ("a:1;b:2", "the controller b:2 knows no leader"),
        ("b:2;a:1", "CODE: 1  DESC: starting"),
        (";", "-a \";\": expected host:port[;host:port...]"),
    ] {
        let ours = clean(controllers);
        assert_eq!((ours.status, ours.stderr), (1, format!("mqadmin: cleanBrokerMetadata: {said}\n")));
    }
    let ours = run(&words("getControllerMetaData -a a:1;b:2"), &script);
    assert_eq!(
        ours.stdout,
        "\n#ControllerGroup\tnull\n#ControllerLeaderId\tnull\n#ControllerLeaderAddress\tnull\n"
    );
}

#[test]
fn a_target_is_needed() {
    for line in ["haStatus", "getBrokerEpoch", "getSyncStateSet -a 127.0.0.1:1"] {
        let ours = run(&words(line), &Script::default());
        let name = line.split(' ').next().unwrap();
        assert!(ours.stdout.starts_with(&format!("usage: mqadmin {name} ")), "{}", ours.stdout);
        assert_eq!(ours.stderr, format!("mqadmin: {name}: either -b or -c has to be given\n"));
        assert_eq!(ours.status, 1);
    }
    let ours = run(&words("getBrokerEpoch -n 127.0.0.1:21401 -b nobroker"), &script("getBrokerEpoch"));
    assert_eq!(
        (ours.status, ours.stderr.as_str()),
        (1, "mqadmin: getBrokerEpoch: the name server knows no broker named nobroker\n")
    );
}

/// A replica that is gone does not hide the others.
#[test]
fn the_brokers_that_answer_are_printed() {
    let name = "getBrokerEpoch";
    let golden = capture(name);
    let whole = script(name);
    let mut broken =
        vec![any("127.0.0.1:21435", request::GET_BROKER_EPOCH_CACHE, answer(1, Some("no epochs"), &[], b""))];
    broken.extend(whole.exchanges().into_iter().filter(|e| e.addr != "127.0.0.1:21435"));
    let ours = run(&golden.words, &Script::new(broken));
    let at = golden.stdout.rfind("\n#clusterName").unwrap();
    assert_eq!(ours.stdout, golden.stdout[at..]);
    assert_eq!(ours.status, 1);
    assert_eq!(
        ours.stderr,
        "mqadmin: getBrokerEpoch: 127.0.0.1:21435: CODE: 1  DESC: no epochs BROKER: 127.0.0.1:21435\n\
         mqadmin: getBrokerEpoch: 1 of the requests failed\n"
    );
}

#[test]
fn only_the_last_epoch_ends_with_the_log() {
    let body = r#"{"brokerId":0,"brokerName":"b","clusterName":"C","maxOffset":90,"epochList":[
        {"endOffset":50,"epoch":1,"startOffset":0},
        {"endOffset":9223372036854775807,"epoch":4,"startOffset":50}]}"#;
    let script = script("getBrokerEpoch").with_body(request::GET_BROKER_EPOCH_CACHE, body);
    let ours = run(&words("getBrokerEpoch -n 127.0.0.1:21401 -c CtlCluster"), &script);
    let epochs: Vec<&str> = ours.stdout.lines().filter(|line| line.starts_with("#Epoch")).collect();
    let printed = [
        "#Epoch: EpochEntry{epoch=1, startOffset=0, endOffset=50}",
        "#Epoch: EpochEntry{epoch=4, startOffset=50, endOffset=90}",
    ];
    assert_eq!(epochs, [printed, printed].concat(), "{}", ours.stderr);
}

#[test]
fn a_slave_that_falls_behind() {
    let body = r#"{"haConnectionInfo":[{"addr":"s:1","diff":4096,"inSync":false,"slaveAckOffset":10,
        "transferFromWhere":20,"transferredByteInSecond":1300}],"inSyncSlaveNums":0,"master":true,
        "masterCommitLogMaxOffset":4106}"#;
    let ours = run(
        &words("haStatus -b 127.0.0.1:21411"),
        &script("haStatus").with_body(request::GET_BROKER_HA_STATUS, body),
    );
    let row = ours.stdout.lines().last().unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(cells, ["s:1", "10", "4096", "1.27", "Fall", "Behind", "20"], "{}", ours.stderr);
}
