//! Messages that come again: delay levels, send-back, dead letters.

use super::*;
use crate::wire::code::response;

#[test]
fn a_delayed_message_appears_when_its_time_has_come() {
    let mut bench = Bench::new();
    let reply = bench.put("Later", 2, "DELAY\u{1}2\u{2}TAGS\u{1}TagA\u{2}", "in five seconds");
    assert_eq!(reply.code, response::SUCCESS);
    bench.pass(4_900);
    assert_eq!(bench.pull("Later", 2, 0, "*").code, response::PULL_NOT_FOUND);
    bench.pass(300);
    let pulled = bench.pull("Later", 2, 0, "TagA");
    assert_eq!(bodies(&pulled), ["in five seconds"]);
    bench.pass(6_000);
    assert!(bench.saved.iter().any(|path| path.ends_with("delayOffset.json")));
    assert_eq!(bodies(&bench.pull("Later", 2, 0, "*")).len(), 1);
}

#[test]
fn levels_beyond_the_last_count_as_the_last() {
    let mut bench = Bench::new();
    bench.put("Later", 0, "DELAY\u{1}99\u{2}", "x");
    let bounds = bench.broker.bounds("SCHEDULE_TOPIC_XXXX", 17).unwrap_or_default();
    assert_eq!(bounds.max, 1);
}

fn send_back(bench: &mut Bench, offset: &str, level: &str, most: &str) -> Reply {
    let fields = [
        ("offset", offset),
        ("group", "cg"),
        ("delayLevel", level),
        ("originTopic", "T"),
        ("maxReconsumeTimes", most),
    ];
    bench.ask(request::CONSUMER_SEND_MSG_BACK, &fields, b"")
}

#[test]
fn a_message_sent_back_comes_again_and_ends_in_the_dead_letter_topic() {
    let mut bench = Bench::new();
    bench.put("T", 0, "UNIQ_KEY\u{1}K1\u{2}", "troublesome");
    assert_eq!(send_back(&mut bench, "0", "1", "1").code, response::SUCCESS);
    bench.pass(1_500);
    let again = bench.pull("%RETRY%cg", 0, 0, "*");
    let stored = bytes(&again);
    let record = records(&stored)[0];
    assert_eq!(record.reconsume_times, 1);
    assert_eq!(record.property("RETRY_TOPIC"), Some("T"));
    assert_eq!(record.property("ORIGIN_MESSAGE_ID"), Some("7F00000100002A9F0000000000000000"));
    let second = record.physical_offset.to_string();
    assert_eq!(send_back(&mut bench, &second, "0", "1").code, response::SUCCESS);
    let topic = bench.ask(request::GET_TOPIC_CONFIG, &[("topic", "%DLQ%cg")], b"");
    assert_eq!(topic.code, response::SUCCESS);
    let dead = bench.pull("%DLQ%cg", 0, 0, "*");
    assert_eq!(bodies(&dead), ["troublesome"]);
    let stored = bytes(&dead);
    let record = records(&stored)[0];
    assert_eq!((record.reconsume_times, record.property("RETRY_TOPIC")), (2, Some("T")));
    assert_eq!(record.property("ORIGIN_MESSAGE_ID"), Some("7F00000100002A9F0000000000000000"));
}

#[test]
fn what_cannot_be_sent_back_is_refused() {
    let mut bench = Bench::new();
    bench.put("T", 0, "", "x");
    let reply = send_back(&mut bench, "5", "0", "16");
    assert_eq!(
        (reply.code, remark(&reply)),
        (response::SYSTEM_ERROR, "look message by offset failed, 5".into())
    );
    let closed = BrokerConfig { auto_create_subscription_group: false, ..config() };
    let mut bench = Bench::with(closed, MessageStoreConfig::default());
    let reply = send_back(&mut bench, "0", "0", "16");
    assert_eq!(reply.code, response::SUBSCRIPTION_GROUP_NOT_EXIST);
    assert!(remark(&reply).starts_with("subscription group not exist, cg \nSee"));
}

#[test]
fn a_client_side_retry_beyond_the_limit_goes_to_the_dead_letters() {
    let mut bench = Bench::new();
    let fields = [
        ("b", "%RETRY%cg"),
        ("c", "TBW102"),
        ("d", "1"),
        ("e", "0"),
        ("g", "1"),
        ("j", "4"),
        ("l", "3"),
        ("i", ""),
    ];
    assert_eq!(bench.ask(request::SEND_MESSAGE_V2, &fields, b"x").code, response::SUCCESS);
    assert_eq!(bodies(&bench.pull("%DLQ%cg", 0, 0, "*")), ["x"]);
}
