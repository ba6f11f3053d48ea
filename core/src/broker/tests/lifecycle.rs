//! A broker's life: registering, losing NameServers, stopping.

use super::*;
use crate::broker::persist::File;
use crate::store::Store as _;
use crate::wire::{CallError, ReplyTo, code::response};

fn with_name_servers() -> Bench {
    let config = BrokerConfig { namesrv_addr: Some("127.0.0.1:1;127.0.0.1:2".into()), ..config() };
    Bench::with(config, MessageStoreConfig::default())
}

fn answer(bench: &mut Bench, token: u64, code: i32) {
    bench.handle(ServerIn::Answer { token, result: Ok(Command::response(code, 0)) });
}

#[test]
fn it_registers_everywhere_again_and_again_and_when_topics_change() {
    let mut bench = with_name_servers();
    let calls = bench.calls();
    assert_eq!(
        calls.iter().map(|(addr, ..)| addr.as_str()).collect::<Vec<_>>(),
        ["127.0.0.1:1", "127.0.0.1:2"]
    );
    let command = &calls[0].2;
    assert_eq!(command.code, request::REGISTER_BROKER);
    assert_eq!(command.ext_text("brokerAddr").as_deref(), Some("127.0.0.1:10911"));
    assert_eq!(command.ext_text("haServerAddr").as_deref(), Some("127.0.0.1:10912"));
    let crc = (crc32fast::hash(&command.body) & 0x7FFF_FFFF).to_string();
    assert_eq!(command.ext_text("bodyCrc32"), Some(crc));
    for (_, token, _) in calls {
        answer(&mut bench, token, response::SUCCESS);
    }
    bench.pass(1_000);
    assert!(bench.calls().is_empty());
    bench.put("New", 0, "", "x");
    bench.pass(100);
    let calls = bench.calls();
    assert_eq!(calls.len(), 2);
    assert!(String::from_utf8_lossy(&calls[0].2.body).contains("\"topicName\":\"New\""));
    for (_, token, _) in calls {
        answer(&mut bench, token, response::SUCCESS);
    }
    bench.pass(31_000);
    assert_eq!(bench.calls().len(), 2);
}

#[test]
fn a_name_server_that_fails_or_is_lost_is_tried_again_within_a_second() {
    let mut bench = with_name_servers();
    let calls = bench.calls();
    let error = CallError::Connect("127.0.0.1:1".into());
    bench.handle(ServerIn::Answer { token: calls[0].1, result: Err(error) });
    answer(&mut bench, calls[1].1, response::SUCCESS);
    bench.pass(1_100);
    let again = bench.calls();
    assert_eq!(again.iter().map(|(addr, ..)| addr.as_str()).collect::<Vec<_>>(), ["127.0.0.1:1"]);
    answer(&mut bench, again[0].1, response::SUCCESS);
    bench.handle(ServerIn::Lost("127.0.0.1:2".into()));
    bench.pass(1_100);
    assert_eq!(bench.calls().iter().map(|(addr, ..)| addr.as_str()).collect::<Vec<_>>(), ["127.0.0.1:2"]);
}

#[test]
fn topics_a_name_server_orders_become_ordered() {
    let mut bench = with_name_servers();
    bench.put("T", 0, "", "x");
    let token = bench.calls()[0].1;
    let table = Command::response(0, 0).with_body(r#"{"table":{"T":"broker-a:4"}}"#);
    bench.handle(ServerIn::Answer { token, result: Ok(table) });
    assert!(bench.broker.topics.get("T").is_some_and(|topic| topic.order));
}

#[test]
fn an_orderly_stop_unregisters_answers_who_waits_and_writes_everything() {
    let mut bench = with_name_servers();
    for (_, token, _) in bench.calls() {
        answer(&mut bench, token, response::SUCCESS);
    }
    bench.put("T", 0, "", "x");
    bench.calls();
    let fields = pull_fields("T", 0, 1, "*", 4 | 2, 15_000);
    let fields: Vec<(&'static str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let waiting = bench.send_from(1, command(request::PULL_MESSAGE, &fields, b""), false);
    bench.saved.clear();
    bench.broker.shutdown(bench.now);
    bench.drain();
    assert_eq!(bench.reply_to(waiting).map(|reply| reply.code), Some(response::PULL_NOT_FOUND));
    let calls = bench.calls();
    assert!(calls.iter().all(|(_, _, command)| command.code == request::UNREGISTER_BROKER));
    assert!(!bench.broker.is_stopped());
    answer(&mut bench, calls[0].1, response::SUCCESS);
    let error = CallError::Closed(calls[1].0.clone());
    bench.handle(ServerIn::Answer { token: calls[1].1, result: Err(error) });
    assert!(bench.broker.is_stopped());
    assert!(bench.saved.iter().any(|path| path.ends_with("topics.json")));
}

#[test]
fn a_stop_does_not_wait_for_a_name_server_that_hangs() {
    let mut bench = with_name_servers();
    for (_, token, _) in bench.calls() {
        answer(&mut bench, token, response::SUCCESS);
    }
    bench.broker.shutdown(bench.now);
    bench.drain();
    bench.pass(3_100);
    assert!(bench.broker.is_stopped());
}

#[test]
fn a_table_that_cannot_be_written_is_told_to_whoever_asked() {
    let mut bench = Bench::new();
    let mut raw = command(request::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, &[], br#"{"groupName":"g"}"#)
        .encode(Encoding::Json)
        .to_vec();
    let mut head = frame::Head::default();
    let frame = frame::decode(&mut raw, &mut head).expect("a whole frame");
    let peer = Peer { conn: ConnId(1), addr: ([127, 0, 0, 1], 4_000).into(), fast_port: false };
    bench.broker.handle(bench.now, ServerIn::Request { peer, frame });
    let Some(ServerOut::Save { token, .. }) = bench.broker.poll() else {
        panic!("a save comes first");
    };
    bench.broker.handle(bench.now, ServerIn::Saved { token, result: Err("disk is full".into()) });
    bench.drain();
    let reply = bench.reply_to(0).expect("an answer");
    assert_eq!(reply.code, response::SYSTEM_ERROR);
    assert!(remark(&reply).contains("disk is full"));
}

/// Progress in the log must not be on disk before the log: after a power failure what lies between would be passed over.
#[test]
fn with_synchronous_flush_progress_is_written_when_the_log_is_durable_that_far() {
    let mut bench = Bench::with_sync_flush();
    let is_offsets = |path: &String| path.ends_with("consumerOffset.json");
    bench.put_later("T", 0, "", "x");
    let end = bench.broker.store.log_bounds().max;
    bench.broker.offsets.commit(0, "g", "T", 0, 1);
    bench.pass(6_000);
    assert!(bench.broker.store.log_bounds().durable < end && !bench.saved.iter().any(is_offsets));
    bench.broker.store.sync();
    bench.broker.release_durable(bench.now);
    bench.drain();
    assert!(bench.saved.iter().any(is_offsets));
}

/// A log that failed, or whose disk is full: its progress is not written, and who waits for that is told.
#[test]
fn progress_behind_a_log_that_will_not_be_durable_counts_as_not_written() {
    let mut bench = Bench::with_sync_flush();
    bench.put_later("T", 0, "", "x");
    bench.broker.offsets.commit(0, "g", "T", 0, 1);
    bench.broker.store.close(bench.now);
    let token = bench.broker.persist.mark(File::Offsets);
    let to = ReplyTo { conn: ConnId(1), opaque: 99, oneway: false };
    bench.broker.waiting.until_saved(token, to, Reply::success());
    bench.broker.start_saves(bench.now);
    bench.drain();
    let reply = bench.reply_to(99).expect("an answer");
    assert_eq!(reply.code, response::SYSTEM_ERROR);
    assert!(remark(&reply).contains("the log before it cannot be made durable"), "{}", remark(&reply));
    assert!(bench.broker.offsets.is_dirty(), "the next period tries again");
    assert!(!bench.saved.iter().any(|path| path.ends_with("consumerOffset.json")));
}
