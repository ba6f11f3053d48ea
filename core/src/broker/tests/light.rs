//! Light queues (LMQ): in reach without being created, woken like others, limited in number.

use super::*;
use crate::store::stamp::StampRules;
use crate::wire::code::response;

fn bench(max_light_queues: usize) -> Bench {
    let store = MessageStoreConfig { enable_lmq: true, enable_multi_dispatch: true, ..Default::default() };
    let mut bench = Bench::with(config(), store);
    let rules = StampRules { light_queues: true, max_light_queues, prop_crc: false };
    bench.broker.store = MemoryStore::default().with_stamps(rules);
    bench
}

#[test]
fn a_message_is_read_from_its_light_queues_too() {
    let mut bench = bench(10);
    let names = "INNER_MULTI_DISPATCH\u{1}%LMQ%a,%LMQ%b\u{2}";
    bench.put("T", 0, names, "one");
    bench.put("T", 1, names, "two");
    bench.put("T", 1, "INNER_MULTI_DISPATCH\u{1}%LMQ%b\u{2}", "three");
    assert_eq!(bodies(&bench.pull("%LMQ%a", 0, 0, "*")), ["one", "two"]);
    assert_eq!(bodies(&bench.pull("%LMQ%b", 0, 1, "*")), ["two", "three"]);
    let reply = bench.pull("%LMQ%b", 0, 3, "*");
    assert_eq!((reply.code, text(&reply, "maxOffset")), (response::PULL_NOT_FOUND, "3".into()));
    assert!(bench.broker.topics.iter().all(|topic| !topic.topic_name.starts_with("%LMQ%")));

    let fields = pull_fields("%LMQ%a", 0, 2, "*", 4 | 2, 15_000);
    let fields: Vec<(&'static str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let waiting = bench.send_from(2, command(request::PULL_MESSAGE, &fields, b""), false);
    bench.put("T", 0, "INNER_MULTI_DISPATCH\u{1}%LMQ%b\u{2}", "elsewhere");
    assert!(bench.reply_to(waiting).is_none());
    bench.put("T", 0, names, "four");
    assert_eq!(bodies(&bench.reply_to(waiting).expect("woken")), ["four"]);
}

#[test]
fn offsets_of_light_queues_are_kept_in_their_own_file() {
    let mut bench = bench(10);
    bench.put("T", 0, "INNER_MULTI_DISPATCH\u{1}%LMQ%a\u{2}", "one");
    bench.broker.offsets.commit(1, "%LMQ%a", "%LMQ%a", 0, 1);
    bench.pass(6_000);
    assert!(bench.saved.iter().any(|path| path.ends_with("/config/lmqConsumerOffset.json")));
    assert!(!bench.saved.iter().any(|path| path.ends_with("/config/consumerOffset.json")));
}

#[test]
fn too_many_light_queues_are_refused_in_the_reference_s_words() {
    let mut bench = bench(0);
    bench.put("T", 0, "INNER_MULTI_DISPATCH\u{1}%LMQ%a\u{2}", "one");
    let reply = bench.put("T", 0, "INNER_MULTI_DISPATCH\u{1}%LMQ%a\u{2}", "two");
    assert_eq!(reply.code, response::SYSTEM_ERROR);
    assert!(remark(&reply).starts_with("[LMQ_CONSUME_QUEUE_NUM_EXCEEDED]broker config enableLmq"));
}
