//! Sending: where messages go, what is refused, what the flush mode promises.

use super::*;
use crate::wire::code::response;

#[test]
fn a_message_is_stored_and_its_topic_created() {
    let mut bench = Bench::new();
    let reply = bench.put("TopicTest", 3, "TAGS\u{1}TagA\u{2}UNIQ_KEY\u{1}ABC\u{2}", "hello");
    assert_eq!(reply.code, response::SUCCESS);
    assert_eq!(text(&reply, "queueId"), "3");
    assert_eq!(text(&reply, "queueOffset"), "0");
    assert_eq!(text(&reply, "transactionId"), "ABC");
    assert_eq!(text(&reply, "MSG_REGION"), "DefaultRegion");
    assert_eq!(text(&reply, "TRACE_ON"), "true");
    assert_eq!(text(&reply, "msgId"), "7F00000100002A9F0000000000000000");
    assert!(bench.saved.iter().any(|path| path.ends_with("/config/topics.json")));
    let pulled = bench.pull("TopicTest", 3, 0, "*");
    let stored = bytes(&pulled);
    let record = records(&stored)[0];
    assert_eq!(record.body, b"hello");
    assert_eq!(record.property("CLUSTER"), Some("DefaultCluster"));
    assert_eq!(record.property("TAGS"), Some("TagA"));
}

#[test]
fn the_reply_of_a_first_send_waits_for_the_topic_table() {
    let mut bench = Bench::new();
    let command = send_command("New", 0, "", "x");
    let mut raw = Command { opaque: 5, ..command }.encode(Encoding::Json).to_vec();
    let mut head = frame::Head::default();
    let frame = frame::decode(&mut raw, &mut head).expect("a whole frame");
    let peer = Peer { conn: ConnId(1), addr: ([127, 0, 0, 1], 4_000).into(), fast_port: false };
    bench.broker.handle(bench.now, ServerIn::Request { peer, frame });
    let first = bench.broker.poll();
    let Some(ServerOut::Save { token, .. }) = first else {
        panic!("the save comes before any reply: {first:?}");
    };
    assert!(bench.broker.poll().is_none());
    bench.broker.handle(bench.now, ServerIn::Saved { token, result: Ok(()) });
    bench.drain();
    assert_eq!(bench.reply_to(5).map(|reply| reply.code), Some(response::SUCCESS));
}

/// Whoever sends to a topic that somebody else's message has just created must not be told that his is safe while a crash
/// would leave the topic unknown.
#[test]
fn every_reply_waits_for_a_new_topic_to_be_in_the_table() {
    let mut bench = Bench::new();
    let send = |bench: &mut Bench, opaque: i32, topic: &str| {
        let command = send_command(topic, 0, "", "x");
        let mut raw = Command { opaque, ..command }.encode(Encoding::Json).to_vec();
        let mut head = frame::Head::default();
        let frame = frame::decode(&mut raw, &mut head).expect("a whole frame");
        let peer = Peer { conn: ConnId(1), addr: ([127, 0, 0, 1], 4_000).into(), fast_port: false };
        bench.broker.handle(bench.now, ServerIn::Request { peer, frame });
        bench.broker.poll()
    };
    bench.put("Old", 0, "", "x");
    let Some(ServerOut::Save { token, .. }) = send(&mut bench, 5, "New") else {
        panic!("a save comes first")
    };
    assert!(send(&mut bench, 6, "New").is_none(), "the topic is not in the table yet");
    assert!(matches!(send(&mut bench, 7, "Old"), Some(ServerOut::Reply { .. })), "another topic is");
    bench.broker.handle(bench.now, ServerIn::Saved { token, result: Err("disk is full".into()) });
    bench.drain();
    let code = |bench: &mut Bench, opaque| bench.reply_to(opaque).map(|reply| reply.code);
    assert_eq!([5, 6].map(|opaque| code(&mut bench, opaque)), [Some(response::SYSTEM_ERROR); 2]);
    // The next one is not told either before the table is written after all.
    let Some(ServerOut::Save { token, .. }) = send(&mut bench, 8, "New") else { panic!("it is tried again") };
    bench.broker.handle(bench.now, ServerIn::Saved { token, result: Ok(()) });
    bench.drain();
    assert_eq!(code(&mut bench, 8), Some(response::SUCCESS));
    assert!(matches!(send(&mut bench, 9, "New"), Some(ServerOut::Reply { .. })), "from now on nobody waits");
}

#[test]
fn what_cannot_be_sent_is_refused_in_the_references_words() {
    let mut bench = Bench::new();
    bench.put("T", 0, "", "x");
    let cases = [
        ("a.b", 0, response::INVALID_PARAMETER, "The specified topic contains illegal characters"),
        (
            "SCHEDULE_TOPIC_XXXX",
            0,
            response::NO_PERMISSION,
            "Sending message to topic[SCHEDULE_TOPIC_XXXX] is forbidden.",
        ),
        (
            "T",
            9,
            response::INVALID_PARAMETER,
            "request queueId[9] is illegal, TopicConfig [topicName=T, readQueueNums=4",
        ),
    ];
    for (topic, queue, code, words) in cases {
        let reply = bench.put(topic, queue, "", "x");
        assert_eq!(reply.code, code, "{topic}");
        assert!(remark(&reply).starts_with(words), "{}", remark(&reply));
        assert_eq!(text(&reply, "TRACE_ON"), "true", "{topic}");
    }
    let long = "x".repeat(128);
    assert_eq!(remark(&bench.put(&long, 0, "", "x")), "The specified topic is longer than topic max length.");
}

#[test]
fn an_unknown_topic_is_refused_when_creation_is_off() {
    let mut bench = Bench::with(
        BrokerConfig { auto_create_topic_enable: false, ..config() },
        MessageStoreConfig::default(),
    );
    let reply = bench.put("Nope", 0, "", "x");
    assert_eq!(reply.code, response::TOPIC_NOT_EXIST);
    assert!(remark(&reply).starts_with("topic[Nope] not exist, apply first please!\nSee "));
}

#[test]
fn a_batch_gets_one_id_per_message_and_consecutive_offsets() {
    use crate::message::batch::{BatchItem, push_item};
    let mut bench = Bench::new();
    bench.put("B", 0, "", "first");
    let mut body = Vec::new();
    for text in ["one", "two", "three"] {
        push_item(&mut body, &BatchItem { flag: 0, body: text.as_bytes(), properties: b"TAGS\x01t\x02" });
    }
    let fields = [("b", "B"), ("c", "TBW102"), ("d", "4"), ("e", "0"), ("g", "1"), ("m", "true"), ("i", "")];
    let reply = bench.ask(request::SEND_BATCH_MESSAGE, &fields, &body);
    assert_eq!(reply.code, response::SUCCESS);
    assert_eq!(text(&reply, "msgId").split(',').count(), 3);
    assert_eq!(text(&reply, "queueOffset"), "1");
    assert_eq!(text(&reply, "transactionId"), "");
    assert_eq!(bodies(&bench.pull("B", 0, 0, "*")), ["first", "one", "two", "three"]);
    let broken = bench.ask(request::SEND_BATCH_MESSAGE, &fields, &body[..body.len() - 1]);
    assert_ne!(broken.code, response::SUCCESS);
    assert_eq!(
        text(&bench.ask(request::GET_MAX_OFFSET, &[("topic", "B"), ("queueId", "0")], b""), "offset"),
        "4"
    );
}

#[test]
fn a_batch_for_a_batch_topic_becomes_one_record_with_many_offsets() {
    use crate::message::batch::{BatchItem, push_item};
    let mut bench = Bench::new();
    let mut topic = crate::body::TopicConfig::new("Crates", 1, 6);
    topic.attributes.insert("queue.type".into(), "BatchCQ".into());
    bench.broker.topics.put(1, topic);
    let mut body = Vec::new();
    for text in ["one", "two", "three"] {
        push_item(&mut body, &BatchItem { flag: 0, body: text.as_bytes(), properties: b"" });
    }
    let properties = "UNIQ_KEY\u{1}7F000001\u{2}";
    let fields = [
        ("b", "Crates"),
        ("c", "TBW102"),
        ("d", "1"),
        ("e", "0"),
        ("g", "1"),
        ("m", "true"),
        ("i", properties),
    ];
    for first in ["0", "3"] {
        let reply = bench.ask(request::SEND_BATCH_MESSAGE, &fields, &body);
        assert_eq!((reply.code, remark(&reply)), (response::SUCCESS, String::new()));
        assert_eq!(text(&reply, "queueOffset"), first);
        assert_eq!(text(&reply, "batchUniqId"), "7F000001");
    }
    let reply = bench.pull("Crates", 0, 1, "*");
    assert_eq!((text(&reply, "nextBeginOffset"), text(&reply, "maxOffset")), ("6".into(), "6".into()));
    let all = bytes(&reply);
    let found = records(&all);
    assert_eq!(found.len(), 2);
    assert_eq!((found[1].property("INNER_BASE"), found[1].property("INNER_NUM")), (Some("3"), Some("3")));
    assert_eq!(found[1].body, body);
    assert_eq!(found[1].sys_flag & 0xC0, 0xC0);

    let lone = bench.put("Crates", 0, "", "alone");
    assert_eq!(lone.code, response::MESSAGE_ILLEGAL);
    assert!(remark(&lone).contains("take batches only"));
    assert_eq!(bench.put("T", 0, "INNER_NUM\u{1}3\u{2}", "x").code, response::MESSAGE_ILLEGAL);
}

#[test]
fn with_synchronous_flush_the_reply_and_the_reader_wait_for_the_disk() {
    let mut bench = Bench::with_sync_flush();
    let first = bench.put_later("S", 0, "", "x");
    assert!(bench.reply_to(first).is_none());
    assert_eq!(bench.pull("S", 0, 0, "*").code, response::PULL_NOT_FOUND);
    bench.broker.store.sync();
    bench.broker.release_durable(bench.now);
    bench.drain();
    assert_eq!(bench.reply_to(first).map(|reply| reply.code), Some(response::SUCCESS));
    assert_eq!(bodies(&bench.pull("S", 0, 0, "*")), ["x"]);
    let careless = bench.put("S", 0, "WAIT\u{1}false\u{2}", "y");
    assert_eq!(careless.code, response::SUCCESS);
}

#[test]
fn a_disk_that_is_too_slow_is_reported_with_the_messages_id() {
    let mut bench = Bench::with_sync_flush();
    let slow = bench.put_later("S", 0, "", "x");
    bench.pass(5_100);
    let reply = bench.reply_to(slow).expect("a late answer");
    assert_eq!(reply.code, response::FLUSH_DISK_TIMEOUT);
    assert_eq!(text(&reply, "queueOffset"), "0");
}

#[test]
fn unparsable_numbers_and_missing_fields_are_answered() {
    let mut bench = Bench::new();
    let bad = bench.ask(request::SEND_MESSAGE_V2, &[("b", "T"), ("e", "zero"), ("g", "1")], b"x");
    assert_eq!(bad.code, response::SYSTEM_ERROR);
    assert!(remark(&bad).contains("NumberFormatException"), "{}", remark(&bad));
    let missing = bench.ask(request::SEND_MESSAGE_V2, &[("b", "T")], b"x");
    assert_eq!(missing.code, response::SYSTEM_ERROR);
    let empty = bench.put("T", 0, "", "");
    assert_eq!(empty.code, response::SYSTEM_ERROR);
    let large = "x".repeat(4 * 1024 * 1024 + 1);
    let reply = bench.put("T", 0, "", &large);
    assert_eq!(reply.code, response::MESSAGE_ILLEGAL);
    assert!(remark(&reply).contains("msg body length limit 4194304B"), "{}", remark(&reply));
}
