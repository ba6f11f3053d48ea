use std::collections::BTreeMap;

use super::TimerMetrics;
use crate::broker::names;
use crate::broker::testing::{BEGIN_MS, Rig, field};
use crate::message::record;
use crate::store::{NewMessage, Store};
use crate::timer::{RecallHandle, TimerCheckpoint, TimerEntry};
use crate::wire::code::request;

/// Body -> store time of every delivered copy.
fn delivered(rig: &Rig, topic: &str) -> BTreeMap<String, Vec<i64>> {
    let mut all: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    rig.each(topic, 0, |found| {
        let body = String::from_utf8(found.body.to_vec()).unwrap();
        all.entry(body).or_default().push(found.store_timestamp);
    });
    all
}

#[test]
fn a_message_waits_for_its_time() {
    let mut rig = Rig::new(|_, _| {});
    let deliver = BEGIN_MS + 3_246;
    let reply = rig.send("T", &format!("TIMER_DELIVER_MS={deliver} UNIQ_KEY=K TAGS=A"), "x");
    assert_eq!(
        (reply.code, field(&reply, "queueId"), field(&reply, "queueOffset")),
        (0, "0".into(), "0".into())
    );
    let handle = RecallHandle::decode(&field(&reply, "recallHandle")).unwrap();
    assert_eq!((handle.topic.as_str(), handle.broker.as_str()), ("T", "broker-a"));
    assert_eq!((handle.time, handle.key.as_str()), (BEGIN_MS + 3_001, "K"));
    rig.pass(3_999);
    assert_eq!(rig.max("T", 0), 0);
    rig.pass(1);
    rig.each("T", 0, |found| {
        let is = |name: &str, value: i64| {
            assert_eq!(found.property(name), Some(value.to_string().as_str()), "{name}")
        };
        is("TIMER_OUT_MS", BEGIN_MS + 3_000);
        is("TIMER_ENQUEUE_MS", BEGIN_MS);
        is("TIMER_DEQUEUE_MS", BEGIN_MS + 4_000);
        is("TIMER_DELIVER_MS", deliver);
        assert_eq!((found.property("REAL_TOPIC"), found.property("TAGS")), (Some("T"), Some("A")));
    });
    assert_eq!(rig.max("T", 0), 1);
    let metrics = rig.call(request::GET_TIMER_METRICS, &[], b"").unwrap();
    let crate::wire::Body::One(body) = metrics.body else { panic!("a body") };
    assert!(String::from_utf8(body.to_vec()).unwrap().contains(r#""T":{"count":0,"#));
    let point = rig.call(request::GET_TIMER_CHECK_POINT, &[], b"").unwrap();
    assert_eq!(point.body.len(), 56);
}

#[test]
fn times_are_judged_as_the_reference_does() {
    let mut rig = Rig::new(|_, _| {});
    let code = |rig: &mut Rig, properties: &str| rig.send("T", properties, "x").code;
    assert_eq!(code(&mut rig, "TIMER_DELAY_SEC=abc"), 13);
    assert_eq!(code(&mut rig, "TIMER_DELAY_SEC=259201"), 13);
    assert_eq!(code(&mut rig, &format!("TIMER_DELIVER_MS={BEGIN_MS} TIMER_DEL_UNIQKEY=T+K")), 13);
    assert_eq!(rig.max("T", 0), 0);
    assert_eq!(code(&mut rig, &format!("TIMER_DELIVER_MS={BEGIN_MS}")), 0);
    assert_eq!((rig.max("T", 0), rig.max(names::TIMER_TOPIC, 0)), (1, 0), "stored at once");
    assert_eq!(code(&mut rig, "TIMER_DELAY_SEC=5 DELAY=1"), 0);
    assert_eq!(rig.max(names::TIMER_TOPIC, 0), 0, "levels win");
    rig.pass(1_000);
    assert_eq!(rig.max("T", 0), 2);
    rig.each("T", 0, |found| assert_eq!(found.property("TIMER_DELAY_SEC"), None));
    let mut off = Rig::new(|_, store| store.timer_wheel_enable = false);
    let refused = off.send("T", "TIMER_DELAY_MS=1500", "x");
    assert_eq!(refused.code, 1);
    let remark = "accurate timer message is not enabled, timerWheelEnable is false";
    assert_eq!(refused.remark.as_deref(), Some(remark));
}

#[test]
fn a_long_way_is_gone_in_steps() {
    let mut rig = Rig::new(|_, store| store.timer_roll_window_slot = 100);
    let reply = rig.send("T", "TIMER_DELAY_SEC=250 UNIQ_KEY=K", "far");
    let handle = field(&reply, "recallHandle");
    rig.send("T", "TIMER_DELAY_SEC=250 UNIQ_KEY=L", "other");
    rig.pass(120_000);
    assert!(rig.max(names::TIMER_TOPIC, 0) >= 4, "rolled");
    rig.broker.settings.broker.recall_message_enable = true;
    let recalled =
        rig.call(request::RECALL_MESSAGE, &[("topic", "T"), ("recallHandle", &handle)], b"").unwrap();
    assert_eq!((recalled.code, field(&recalled, "msgId")), (0, "K".into()));
    rig = rig.restart(true);
    rig.pass(131_000);
    let all = delivered(&rig, "T");
    assert_eq!(all.keys().collect::<Vec<_>>(), ["other"]);
    rig.each("T", 0, |found| assert_eq!(found.property("TIMER_ROLL_TIMES"), Some("2")));
    assert!((BEGIN_MS + 250_000..=BEGIN_MS + 251_000).contains(&all["other"][0]));
}

#[test]
fn recalls_are_refused_for_a_reason() {
    let mut rig = Rig::new(|_, _| {});
    let handle = field(&rig.send("T", "TIMER_DELAY_SEC=10 UNIQ_KEY=K", "x"), "recallHandle");
    rig.send("U", "", "x");
    let refusal = |rig: &mut Rig, topic: &str, handle: &str| {
        let ext = [("producerGroup", "pg"), ("topic", topic), ("recallHandle", handle)];
        let reply = rig.call(request::RECALL_MESSAGE, &ext, b"").unwrap();
        assert!(!field(&reply, "MSG_REGION").is_empty());
        (reply.code, reply.remark.unwrap().into_owned())
    };
    let said = |code: i32, text: &str| (code, text.to_owned());
    assert_eq!(refusal(&mut rig, "T", &handle), said(16, "recall failed, operation is forbidden"));
    rig.broker.settings.broker.recall_message_enable = true;
    assert_eq!(refusal(&mut rig, "N", &handle), said(17, "recall failed, the topic[N] not exist"));
    assert_eq!(refusal(&mut rig, "T", "junk"), said(604, "recall handle is invalid"));
    assert_eq!(refusal(&mut rig, "U", &handle), said(604, "recall failed, topic not match"));
    let mut other = RecallHandle::decode(&handle).unwrap();
    other.broker = "broker-b".into();
    let unavailable = said(604, "recall failed, broker service not available");
    assert_eq!(refusal(&mut rig, "T", &other.encode()), unavailable);
    assert_eq!(refusal(&mut rig, "T", &handle), said(0, "not set any response code"));
    rig.pass(20_000);
    assert_eq!(rig.max("T", 0), 0);
    assert_eq!(refusal(&mut rig, "T", &handle), said(604, "recall failed, timestamp invalid"));
}

#[test]
fn a_recall_is_in_time_though_the_broker_was_down() {
    // The broker ends after it has taken the recall and before it is in the timer log.
    let mut rig = Rig::new(|broker, _| broker.recall_message_enable = true);
    let handle = field(&rig.send("T", "TIMER_DELAY_SEC=10 UNIQ_KEY=K", "taken back"), "recallHandle");
    rig.send("T", "TIMER_DELAY_SEC=10 UNIQ_KEY=L", "kept");
    rig.pass(2_000);
    for n in 0..600 {
        rig.send("T", &format!("TIMER_DELAY_SEC=3600 UNIQ_KEY=F{n}"), "far");
    }
    let ext = [("topic", "T"), ("recallHandle", handle.as_str())];
    assert_eq!(rig.call(request::RECALL_MESSAGE, &ext, b"").map(|reply| reply.code), Some(0));
    assert!(rig.broker.timers.queue_offset < rig.max(names::TIMER_TOPIC, 0), "it is still queued");
    rig = rig.restart(false);
    rig.now.wall_ms += 60_000;
    rig.pass(2_000);
    assert_eq!(rig.bodies("T"), ["kept"]);
    assert_eq!(waiting(&mut rig), 600);
}

/// How many messages of `T` wait, as GET_TIMER_METRICS says.
fn waiting(rig: &mut Rig) -> i64 {
    let reply = rig.call(request::GET_TIMER_METRICS, &[], b"").unwrap();
    let crate::wire::Body::One(body) = reply.body else { panic!("a body") };
    let table: TimerMetrics = crate::json::from_slice(&body).unwrap();
    table.counts["T"].count
}

#[test]
fn what_waits_is_counted_again_at_start() {
    let mut rig = Rig::new(|_, _| {});
    for n in 0..5 {
        rig.send("T", &format!("TIMER_DELAY_SEC={} UNIQ_KEY=K{n}", 10 * (n + 1)), "x");
    }
    rig.pass(25_000);
    assert_eq!(waiting(&mut rig), 3);
    rig.files.remove("root/config/timermetrics");
    rig = rig.restart(false);
    assert_eq!(waiting(&mut rig), 3);
    rig.pass(60_000);
    assert_eq!(waiting(&mut rig), 0);
}

#[test]
fn rates_are_shown() {
    let mut rig = Rig::new(|_, _| {});
    for n in 0..40 {
        rig.send("T", &format!("TIMER_DELAY_MS=1500 UNIQ_KEY=K{n}"), "x");
        rig.pass(500);
    }
    let reply = rig.call(request::GET_BROKER_RUNTIME_INFO, &[], b"").unwrap();
    let crate::wire::Body::One(body) = reply.body else { panic!("a body") };
    let text = String::from_utf8(body.to_vec()).unwrap();
    for rate in ["timerEnqueueTps", "timerDequeueTps"] {
        let shown = text.split_once(&format!("\"{rate}\":\"")).unwrap().1.split_once('"').unwrap().0;
        assert!((1.5..2.5).contains(&shown.parse::<f32>().unwrap()), "{rate} {shown}");
    }
}

#[test]
fn a_clock_set_back_loses_nothing() {
    let mut rig = Rig::new(|_, _| {});
    rig.send("T", "TIMER_DELAY_SEC=2", "before");
    rig.pass(10_000);
    rig.now.wall_ms -= 3_600_000;
    rig.send("T", "TIMER_DELAY_SEC=2", "after");
    rig.pass(3_600_000 + 20_000);
    assert_eq!(rig.bodies("T"), ["before", "after"]);
}

#[test]
fn committed_messages_may_wait_too() {
    let mut rig = Rig::new(|_, _| {});
    let reply = rig.send("T", "TRAN_MSG=true PGROUP=pg UNIQ_KEY=K TIMER_DELAY_SEC=5", "x");
    let offset = u64::from_str_radix(&field(&reply, "msgId")[16..], 16).unwrap().to_string();
    let ext = [
        ("producerGroup", "pg"),
        ("commitLogOffset", offset.as_str()),
        ("tranStateTableOffset", "0"),
        ("commitOrRollback", "8"),
        ("fromTransactionCheck", "false"),
    ];
    rig.pass(2_000);
    assert_eq!(rig.call(request::END_TRANSACTION, &ext, b"").unwrap().code, 0);
    rig.pass(4_900);
    assert_eq!(rig.max("T", 0), 0, "the time counts from the commit");
    rig.pass(1_000);
    assert_eq!(rig.bodies("T"), ["x"]);
}

#[test]
fn a_checkpoint_ahead_of_a_cut_log_does_not_count() {
    let mut rig = Rig::new(|_, _| {});
    rig.send("T", "TIMER_DELAY_SEC=60", "one");
    rig.send("T", "TIMER_DELAY_SEC=61", "two");
    rig.pass(2_000);
    let file = rig.files["root/config/timercheck"].clone();
    assert_eq!(TimerCheckpoint::decode(&file).map(|p| (p.flushed, p.queue_offset)), Some((104, 2)));
    rig = rig.restart_with(|store| store.timer_cut(52).unwrap());
    rig.pass(70_000);
    assert_eq!(rig.bodies("T"), ["one", "two"]);
    // and without any checkpoint everything in the log waits
    rig.send("T", "TIMER_DELAY_SEC=5", "three");
    rig.pass(1_000);
    rig.files.remove("root/config/timercheck");
    rig = rig.restart(false);
    rig.pass(10_000);
    assert_eq!(rig.bodies("T").iter().filter(|body| *body == "three").count(), 1);
}

#[test]
fn a_torn_entry_hides_no_message() {
    for (offset, size) in [(0, 0), (0, 1), (300, 500)] {
        let mut rig = Rig::new(|_, _| {});
        rig.send("T", "TIMER_DELAY_SEC=60", "one");
        rig.pass(2_000);
        let file = rig.files["root/config/timercheck"].clone();
        rig.send("Other", "", "between");
        rig.send("T", "TIMER_DELAY_SEC=61", "two");
        rig.send("T", "TIMER_DELAY_SEC=62", "three");
        rig.pass(2_000);
        rig.files.insert("root/config/timercheck".into(), file);
        let now = rig.now;
        rig = rig.restart_with(|store| {
            let (_, second) = store.timer_entry(52).unwrap();
            store.timer_cut(52).unwrap();
            // names another record, or none
            let torn = TimerEntry { offset, size, ..second };
            store.timer_append(now, &torn, 0, |_| [0; crate::timer::SLOT_LEN]).unwrap();
        });
        rig.pass(70_000);
        assert_eq!(rig.bodies("T"), ["one", "two", "three"]);
    }
}

#[test]
fn what_was_delivered_at_once_is_not_forgotten_for_an_entry_behind_it() {
    let mut rig = Rig::new(|_, _| {});
    rig.send("T", "TIMER_DELAY_SEC=60", "one");
    rig.pass(2_000);
    let (now, late) = (rig.now, BEGIN_MS - 1_000);
    rig = rig.restart_with(|store| {
        // One that is due when it is taken in leaves no entry. The power failed when the entry of the message
        // behind it had reached the device, but not the copy that was delivered.
        let due = format!("TIMER_OUT_MS\x01{late}\x02REAL_TOPIC\x01T\x02REAL_QID\x010\x02");
        let parts: [&[u8]; 1] = [due.as_bytes()];
        let message = NewMessage { properties: &parts, ..NewMessage::plain(names::TIMER_TOPIC, 0, b"due") };
        store.append(now, &message).unwrap();
        let (_, first) = store.timer_entry(0).unwrap();
        let waits = format!("TIMER_OUT_MS\x01{}\x02REAL_TOPIC\x01T\x02REAL_QID\x010\x02", first.slot_time());
        let parts: [&[u8]; 1] = [waits.as_bytes()];
        let message = NewMessage { properties: &parts, ..NewMessage::plain(names::TIMER_TOPIC, 0, b"two") };
        let two = store.append(now, &message).unwrap();
        let (offset, size) = (i64::try_from(two.offset).unwrap(), i32::try_from(two.size).unwrap());
        let entry = TimerEntry { prev: 0, offset, size, ..first };
        store.timer_append(now, &entry, 0, |_| [0; crate::timer::SLOT_LEN]).unwrap();
    });
    rig.pass(70_000);
    assert_eq!(rig.bodies("T"), ["due", "one", "two"]);
}

#[test]
fn a_timer_log_without_its_first_files_is_read_again() {
    let mut rig = Rig::new(|_, _| {});
    for body in ["one", "two", "three", "four"] {
        rig.send("T", "TIMER_DELAY_SEC=60", body);
    }
    rig.pass(2_000);
    // never flushed as far as a checkpoint tells, and the later file reached the device before the first
    rig.files.remove("root/config/timercheck");
    rig = rig.restart_with(|store| store.lose_timer_front(2));
    rig.pass(70_000);
    assert_eq!(rig.bodies("T"), ["one", "two", "three", "four"]);
}

#[test]
fn the_checkpoint_is_no_more_than_an_interval_behind() {
    // A successor takes in again what the checkpoint does not speak of, so this bounds what comes twice.
    let mut rig = Rig::new(|_, _| {});
    rig.send("T", "TIMER_DELAY_SEC=60", "first");
    let offset =
        |rig: &Rig| TimerCheckpoint::decode(&rig.files["root/config/timercheck"]).unwrap().queue_offset;
    rig.pass(10);
    assert_eq!(offset(&rig), 1, "at once after a quiet time");
    let mut sent = vec![1_i64];
    for n in 1..60_usize {
        rig.send("T", "TIMER_DELAY_SEC=60", "more");
        rig.pass(100);
        sent.push(i64::try_from(n).unwrap() + 1);
        let old_enough = if n >= 11 { sent[n - 11] } else { 0 };
        assert!(offset(&rig) >= old_enough, "{} of {sent:?} after step {n}", offset(&rig));
    }
    rig.pass(1_000);
    assert_eq!(offset(&rig), 60);
}

/// Sends, waits and ends processes as the script says; what was sent and when it is due.
fn play(script: &[u8]) -> bool {
    let mut rig = Rig::new(|_, store| store.timer_roll_window_slot = 20);
    let mut due: BTreeMap<String, i64> = BTreeMap::new();
    let mut crashes = 0;
    for (n, step) in script.iter().enumerate() {
        match step % 8 {
            0..=3 => {
                let delay = i64::from(*step) * 331;
                let key = format!("K{n}");
                due.insert(key.clone(), rig.now.wall_ms + delay);
                rig.send("T", &format!("TIMER_DELAY_MS={delay} UNIQ_KEY={key}"), &key);
            }
            4 | 5 => rig.pass(u64::from(*step) * 97),
            6 => rig = rig.restart(true),
            _ => {
                crashes += 1;
                rig = rig.restart(false);
            }
        }
    }
    rig.pass(100_000);
    let all = delivered(&rig, "T");
    due.iter().all(|(key, due)| {
        let Some(times) = all.get(key) else { return false };
        let early = times.iter().any(|time| time < due);
        !early && times[0] <= due + 2_500 && times.len() <= 1 + crashes
    })
}

#[test]
fn a_record_of_the_timer_topic_says_where_it_goes() {
    let mut rig = Rig::new(|_, _| {});
    rig.send("T", "TIMER_DELAY_SEC=9", "x");
    let entry = rig.broker.store().queue_entry(names::TIMER_TOPIC, 0, 0).unwrap();
    let bytes = rig.broker.store().record_at(entry.offset).unwrap();
    let found = record::decode(&bytes).unwrap();
    assert_eq!((found.property("REAL_TOPIC"), found.property("REAL_QID")), (Some("T"), Some("0")));
    assert_eq!(found.property("TIMER_OUT_MS"), Some((BEGIN_MS + 8_000).to_string().as_str()));
}

quickcheck::quickcheck! {
    fn never_early_never_lost(script: Vec<u8>) -> bool {
        play(&script)
    }
}
