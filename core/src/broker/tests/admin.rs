//! Operators: topics, groups, configuration, statistics.

use super::*;
use crate::json::{self, Json};
use crate::wire::code::response;

fn create(bench: &mut Bench, topic: &str, attributes: &str) -> Reply {
    let fields = [
        ("topic", topic),
        ("defaultTopic", "TBW102"),
        ("readQueueNums", "2"),
        ("writeQueueNums", "2"),
        ("perm", "6"),
        ("topicFilterType", "SINGLE_TAG"),
        ("attributes", attributes),
    ];
    bench.ask(request::UPDATE_AND_CREATE_TOPIC, &fields, b"")
}

#[test]
fn topics_are_created_changed_and_deleted() {
    let mut bench = Bench::new();
    let reply = create(&mut bench, "TATTR", "+message.type=FIFO");
    assert_eq!((reply.code, remark(&reply)), (response::SUCCESS, "not set any response code".into()));
    let found = bench.ask(request::GET_TOPIC_CONFIG, &[("topic", "TATTR")], b"");
    assert_eq!(
        String::from_utf8_lossy(&bytes(&found)),
        r#"{"attributes":{"message.type":"FIFO"},"order":false,"perm":6,"readQueueNums":2,"topicFilterType":"SINGLE_TAG","topicName":"TATTR","topicSysFlag":0,"writeQueueNums":2}"#
    );
    bench.put("TATTR", 0, "", "x");
    assert_eq!(
        bench.ask(request::DELETE_TOPIC_IN_BROKER, &[("topic", "TATTR")], b"").code,
        response::SUCCESS
    );
    let gone = bench.ask(request::GET_TOPIC_CONFIG, &[("topic", "TATTR")], b"");
    assert_eq!(
        (gone.code, remark(&gone)),
        (response::TOPIC_NOT_EXIST, "No topic in this broker. topic: TATTR".into())
    );
    assert!(bench.broker.bounds("TATTR", 0).is_none());
}

#[test]
fn bad_topics_and_attributes_are_named() {
    let mut bench = Bench::new();
    let cases = [
        ("TBW102", "", response::INVALID_PARAMETER, "The topic[TBW102] is conflict with system topic."),
        (
            "bad.name",
            "",
            response::INVALID_PARAMETER,
            "The specified topic contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$",
        ),
        ("T", "+no.such=1", response::SYSTEM_ERROR, "unsupported key: no.such"),
        ("T", "+queue.type=Fancy", response::SYSTEM_ERROR, "value is not in set: [BatchCQ, SimpleCQ]"),
        ("T", "+message.type=MIXED", response::INVALID_PARAMETER, "MIXED message type is not supported."),
    ];
    for (topic, attributes, code, words) in cases {
        let reply = create(&mut bench, topic, attributes);
        assert_eq!((reply.code, remark(&reply)), (code, words.to_owned()));
    }
    assert!(bench.broker.topics.get("T").is_none());
}

#[test]
fn groups_are_created_read_and_deleted() {
    let mut bench = Bench::new();
    let body = br#"{"groupName":"g1","retryMaxTimes":3}"#;
    assert_eq!(bench.ask(request::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, &[], body).code, response::SUCCESS);
    let found = bench.ask(request::GET_SUBSCRIPTIONGROUP_CONFIG, &[("group", "g1")], b"");
    let config = json::parse(&bytes(&found)).expect("JSON");
    assert_eq!(config.get("retryMaxTimes").and_then(Json::as_i64), Some(3));
    bench.ask(request::DELETE_SUBSCRIPTIONGROUP, &[("groupName", "g1"), ("cleanOffset", "true")], b"");
    let gone = bench.ask(request::GET_SUBSCRIPTIONGROUP_CONFIG, &[("group", "g1")], b"");
    assert_eq!(remark(&gone), "No group in this broker");
}

#[test]
fn configuration_changes_within_what_is_allowed() {
    let mut bench = Bench::new();
    let change =
        |bench: &mut Bench, text: &str| bench.ask(request::UPDATE_BROKER_CONFIG, &[], text.as_bytes());
    assert_eq!(change(&mut bench, "autoCreateTopicEnable=false\n").code, response::SUCCESS);
    assert_eq!(bench.put("Nope", 0, "", "x").code, response::TOPIC_NOT_EXIST);
    let listed = change(&mut bench, "storePathRootDir=/elsewhere\n");
    assert_eq!(
        (listed.code, remark(&listed)),
        (response::NO_PERMISSION, "Can not update config in black list.".into())
    );
    let bad = change(&mut bench, "brokerPermission=many\n");
    assert!(bad.code != response::SUCCESS && remark(&bad).contains("brokerPermission"), "{}", remark(&bad));
    let shown =
        String::from_utf8_lossy(&bytes(&bench.ask(request::GET_BROKER_CONFIG, &[], b""))).into_owned();
    assert!(shown.contains("autoCreateTopicEnable=false\n") && shown.contains("brokerName=broker-a\n"));
    assert!(!shown.contains("Credentials"));
}

#[test]
fn statistics_add_up() {
    let mut bench = Bench::new();
    for queue in [0, 0, 1] {
        bench.put("T", queue, "", "x");
        bench.pass(1_000);
    }
    bench.pull("T", 0, 0, "*");
    let commit = [("consumerGroup", "cg"), ("topic", "T"), ("queueId", "0"), ("commitOffset", "1")];
    bench.ask(request::UPDATE_CONSUMER_OFFSET, &commit, b"");
    let stats = bench.ask(request::GET_CONSUME_STATS, &[("consumerGroup", "cg"), ("topic", "T")], b"");
    let body = String::from_utf8_lossy(&bytes(&stats)).into_owned();
    let row = r#"{"brokerName":"broker-a","queueId":0,"topic":"T"}:{"brokerOffset":2,"consumerOffset":1,"lastTimestamp":"#;
    assert!(body.contains(row) && body.contains("\"pullOffset\":2"), "{body}");
    let topic =
        String::from_utf8_lossy(&bytes(&bench.ask(request::GET_TOPIC_STATS_INFO, &[("topic", "T")], b"")))
            .into_owned();
    assert!(topic.contains("\"maxOffset\":2,\"minOffset\":0"), "{topic}");
    let runtime = bench.ask(request::GET_BROKER_RUNTIME_INFO, &[], b"");
    let table = json::parse(&bytes(&runtime)).expect("JSON");
    let value =
        |key: &str| table.get("table").and_then(|t| t.get(key)).and_then(Json::as_str).map(str::to_owned);
    assert_eq!(value("putMessageTimesTotal").as_deref(), Some("3"));
    assert_eq!(value("msgGetTotalTodayNow").as_deref(), Some("2"));
    assert_eq!(value("putTps").map(|text| text.split(' ').count()), Some(3));
    for key in ["brokerVersionDesc", "sendThreadPoolQueueSize", "earliestMessageTimeStamp", "timerReadBehind"]
    {
        assert!(value(key).is_some(), "{key}");
    }
}

#[test]
fn what_is_not_served_says_so() {
    let mut bench = Bench::new();
    for code in [request::POP_MESSAGE, request::ACK_MESSAGE, request::UPDATE_AND_CREATE_STATIC_TOPIC, 9999] {
        let reply = bench.ask(code, &[], b"");
        assert_eq!(reply.code, response::REQUEST_CODE_NOT_SUPPORTED);
        assert_eq!(remark(&reply), format!(" request type {code} not supported"));
    }
}

#[test]
fn messages_are_found_by_key_and_offset() {
    let mut bench = Bench::new();
    bench.put("T", 0, "KEYS\u{1}order-7 order-8\u{2}UNIQ_KEY\u{1}U1\u{2}", "found");
    for (key, unique) in [("order-7", "false"), ("order-8", "false"), ("U1", "true")] {
        let fields = [
            ("topic", "T"),
            ("key", key),
            ("maxNum", "10"),
            ("beginTimestamp", "0"),
            ("endTimestamp", "9999999999999"),
            ("_UNIQUE_KEY_QUERY", unique),
        ];
        assert_eq!(bodies(&bench.ask(request::QUERY_MESSAGE, &fields, b"")), ["found"], "{key}");
    }
    let none = bench.ask(request::QUERY_MESSAGE, &[("topic", "T"), ("key", "nope"), ("maxNum", "1")], b"");
    assert_eq!(none.code, response::QUERY_NOT_FOUND);
    assert_eq!(bodies(&bench.ask(request::VIEW_MESSAGE_BY_ID, &[("offset", "0")], b"")), ["found"]);
    let bad = bench.ask(request::VIEW_MESSAGE_BY_ID, &[("offset", "12")], b"");
    assert_eq!(remark(&bad), "can not find message by the offset, 12");
}

#[test]
fn operators_ask_for_a_clean_up_of_the_log_or_of_the_queues() {
    let mut bench = Bench::new();
    assert_eq!(bench.broker.store.cleanings(), (0, 0));
    for (code, cleanings) in [(306, (0, 1)), (329, (1, 1))] {
        let reply = bench.ask(code, &[], b"");
        assert_eq!((reply.code, remark(&reply)), (response::SUCCESS, String::new()), "code {code}");
        assert!(reply.ext.is_none() && bytes(&reply).is_empty(), "code {code}");
        assert_eq!(bench.broker.store.cleanings(), cleanings, "code {code}");
    }
}
