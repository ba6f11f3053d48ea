//! Pulling: statuses, filters, and waiting for what is not there yet.

use super::*;
use crate::wire::code::response;

#[test]
fn statuses_and_next_offsets_follow_the_reference() {
    let mut bench = Bench::new();
    for text in ["a", "b", "c"] {
        bench.put("T", 0, "TAGS\u{1}TagA\u{2}", text);
    }
    let cases = [
        (0, "*", response::SUCCESS, "3", "FOUND"),
        (3, "*", response::PULL_NOT_FOUND, "3", "OFFSET_OVERFLOW_ONE"),
        (9, "*", response::PULL_OFFSET_MOVED, "3", "OFFSET_OVERFLOW_BADLY"),
        (-1, "*", response::PULL_OFFSET_MOVED, "0", "OFFSET_TOO_SMALL"),
        (0, "TagB", response::PULL_RETRY_IMMEDIATELY, "3", "NO_MATCHED_MESSAGE"),
    ];
    for (offset, tags, code, next, status) in cases {
        let reply = bench.pull("T", 0, offset, tags);
        assert_eq!((reply.code, remark(&reply)), (code, status.to_owned()), "offset {offset}");
        assert_eq!(text(&reply, "nextBeginOffset"), next, "offset {offset}");
        assert_eq!((text(&reply, "minOffset"), text(&reply, "maxOffset")), ("0".into(), "3".into()));
    }
    assert_eq!(bench.pull("T", 1, 0, "*").code, response::PULL_NOT_FOUND);
    assert_eq!(bench.pull("T", 1, 5, "*").code, response::PULL_OFFSET_MOVED);
    assert_eq!(bench.pull("T", 4, 0, "*").code, response::INVALID_PARAMETER);
    assert_eq!(bench.pull("Unknown", 0, 0, "*").code, response::TOPIC_NOT_EXIST);
}

fn wait_for(bench: &mut Bench, conn: u64, offset: i64, tags: &str, ms: i64) -> i32 {
    let fields = pull_fields("T", 0, offset, tags, 4 | 2, ms);
    let fields: Vec<(&'static str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
    bench.send_from(conn, command(request::PULL_MESSAGE, &fields, b""), false)
}

#[test]
fn a_waiting_pull_is_answered_by_the_message_it_waits_for() {
    let mut bench = Bench::new();
    bench.put("T", 0, "", "first");
    let waiting = wait_for(&mut bench, 2, 1, "TagA || TagB", 15_000);
    assert!(bench.reply_to(waiting).is_none());
    bench.put("T", 0, "TAGS\u{1}TagC\u{2}", "not wanted");
    bench.put("T", 1, "TAGS\u{1}TagA\u{2}", "another queue");
    assert!(bench.reply_to(waiting).is_none());
    bench.put("T", 0, "TAGS\u{1}TagB\u{2}", "wanted");
    let reply = bench.reply_to(waiting).expect("woken");
    assert_eq!(bodies(&reply), ["wanted"]);
    assert_eq!(text(&reply, "nextBeginOffset"), "3");
    assert!(bench.broker.held.is_empty());
}

#[test]
fn a_waiting_pull_gives_up_in_time_and_ends_with_its_connection() {
    let mut bench = Bench::new();
    bench.put("T", 0, "", "first");
    let waiting = wait_for(&mut bench, 2, 1, "*", 1_000);
    bench.pass(900);
    assert!(bench.reply_to(waiting).is_none());
    bench.pass(400);
    assert_eq!(bench.reply_to(waiting).map(|reply| reply.code), Some(response::PULL_NOT_FOUND));
    wait_for(&mut bench, 3, 1, "*", 15_000);
    assert_eq!(bench.broker.held.len(), 1);
    bench.handle(ServerIn::Closed(ConnId(3)));
    assert_eq!(bench.broker.held.len(), 0);
}

#[test]
fn with_synchronous_flush_a_waiting_pull_wakes_when_the_message_is_durable() {
    let mut bench = Bench::with_sync_flush();
    bench.put("T", 0, "WAIT\u{1}false\u{2}", "first");
    bench.broker.store.sync();
    bench.broker.release_durable(bench.now);
    let waiting = wait_for(&mut bench, 2, 1, "*", 15_000);
    bench.put_later("T", 0, "", "second");
    assert!(bench.reply_to(waiting).is_none());
    bench.broker.store.sync();
    bench.broker.release_durable(bench.now);
    bench.drain();
    assert_eq!(bodies(&bench.reply_to(waiting).expect("woken")), ["second"]);
}

#[test]
fn the_fast_port_does_not_pull() {
    let mut bench = Bench::new();
    let opaque = bench.send_from(1, command(request::PULL_MESSAGE, &[], b""), true);
    let reply = bench.reply_to(opaque).expect("an answer");
    assert_eq!(reply.code, response::REQUEST_CODE_NOT_SUPPORTED);
    assert_eq!(remark(&reply), " request type 11 not supported");
}

#[test]
fn consumers_without_an_inline_filter_need_a_registered_subscription() {
    let mut bench = Bench::new();
    bench.put("T", 0, "", "x");
    let fields = pull_fields("T", 0, 0, "", 0, 0);
    let fields: Vec<(&'static str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let reply = bench.ask(request::PULL_MESSAGE, &fields, b"");
    assert_eq!(reply.code, response::SUBSCRIPTION_NOT_EXIST);
    assert!(remark(&reply).starts_with("the consumer's group info not exist\nSee"));
}

#[test]
fn a_pull_commits_the_offset_it_carries_and_learns_of_resets() {
    let mut bench = Bench::new();
    for _ in 0..5 {
        bench.put("T", 0, "", "x");
    }
    let mut fields = pull_fields("T", 0, 3, "*", 4 | 1, 0);
    fields.iter_mut().filter(|(k, _)| *k == "commitOffset").for_each(|field| field.1 = "3".into());
    let fields: Vec<(&'static str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
    bench.ask(request::PULL_MESSAGE, &fields, b"");
    let query = [("consumerGroup", "cg"), ("topic", "T"), ("queueId", "0")];
    assert_eq!(text(&bench.ask(request::QUERY_CONSUMER_OFFSET, &query, b""), "offset"), "3");
    let reset = [("group", "cg"), ("topic", "T"), ("queueId", "0"), ("offset", "1"), ("timestamp", "0")];
    let reply = bench.ask(request::INVOKE_BROKER_TO_RESET_OFFSET, &reset, b"");
    assert_eq!(
        String::from_utf8_lossy(&bytes(&reply)),
        r#"{"offsetTable":{{"brokerName":"broker-a","queueId":0,"topic":"T"}:1}}"#
    );
    let moved = bench.pull("T", 0, 4, "*");
    assert_eq!((moved.code, text(&moved, "nextBeginOffset")), (response::PULL_OFFSET_MOVED, "1".into()));
    assert_eq!(bodies(&bench.pull("T", 0, 1, "*")).len(), 4);
}
