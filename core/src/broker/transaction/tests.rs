use std::collections::{HashMap, HashSet};

use super::metrics::TransactionMetrics;
use super::ops::OpBuffer;
use crate::broker::names;
use crate::broker::testing::{Rig, field};
use crate::message::{record, sysflag};
use crate::wire::code::request;
use crate::wire::{Command, Reply};

const COMMIT: &str = "8";
const ROLLBACK: &str = "12";

/// Where a half message is, as its producer knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    log: String,
    queue: String,
}

fn half(rig: &mut Rig, key: &str, more: &str) -> Place {
    let reply = rig.send("T", &format!("TRAN_MSG=true PGROUP=pg UNIQ_KEY={key} TAGS=TagA {more}"), key);
    assert_eq!(
        (reply.code, field(&reply, "queueId"), field(&reply, "transactionId")),
        (0, "0".into(), key.into())
    );
    let offset = u64::from_str_radix(&field(&reply, "msgId")[16..], 16).unwrap();
    Place { log: offset.to_string(), queue: field(&reply, "queueOffset") }
}

fn end_as(rig: &mut Rig, group: &str, place: &Place, kind: &str, from_check: bool) -> Option<Reply> {
    let check = from_check.to_string();
    let ext = [
        ("producerGroup", group),
        ("commitLogOffset", place.log.as_str()),
        ("tranStateTableOffset", place.queue.as_str()),
        ("commitOrRollback", kind),
        ("fromTransactionCheck", check.as_str()),
    ];
    rig.call(request::END_TRANSACTION, &ext, b"")
}

fn end(rig: &mut Rig, place: &Place, kind: &str) -> Option<(i32, Option<String>)> {
    end_as(rig, "pg", place, kind, false).map(|r| (r.code, r.remark.map(|text| text.into_owned())))
}

fn checked(command: &Command) -> (Place, String, String) {
    let text = |key: &str| command.ext_text(key).unwrap_or_default();
    let found = record::decode(&command.body).unwrap();
    let times = found.property("TRANSACTION_CHECK_TIMES").unwrap_or("").to_owned();
    (
        Place { log: text("commitLogOffset"), queue: text("tranStateTableOffset") },
        text("transactionId"),
        times,
    )
}

#[test]
fn a_half_message_is_invisible_until_it_is_committed() {
    let mut rig = Rig::new(|_, _| {});
    let place = half(&mut rig, "K1", "KEYS=k");
    assert_eq!((rig.max("T", 0), rig.max(names::HALF_TOPIC, 0)), (0, 1));
    rig.each(names::HALF_TOPIC, 0, |found| {
        assert_eq!((found.property("REAL_TOPIC"), found.property("REAL_QID")), (Some("T"), Some("0")));
        assert_eq!((found.property("__transactionId__"), found.sys_flag), (Some("K1"), 0));
    });
    assert_eq!(end(&mut rig, &place, COMMIT), Some((0, None)));
    rig.each("T", 0, |found| {
        assert_eq!(found.sys_flag, sysflag::TRANSACTION_COMMIT);
        assert_eq!(found.prepared_transaction_offset.to_string(), place.log);
        assert_eq!((found.property("TRAN_MSG"), found.property("REAL_TOPIC")), (Some("true"), Some("T")));
        assert_eq!((found.property("PGROUP"), found.body), (Some("pg"), &b"K1"[..]));
    });
    assert_eq!((rig.max("T", 0), rig.max(names::OP_TOPIC, 0)), (1, 0));
    rig.pass(3_000);
    rig.each(names::OP_TOPIC, 0, |found| {
        assert_eq!((found.body, found.property("TAGS")), (&b"0,"[..], Some("d")));
    });
    assert_eq!(rig.max(names::OP_TOPIC, 0), 1);
    assert_eq!(end(&mut rig, &place, COMMIT), Some((0, None)), "once is enough");
    assert_eq!(rig.max("T", 0), 1);
}

#[test]
fn every_refusal_has_its_words() {
    let mut rig = Rig::new(|_, _| {});
    let place = half(&mut rig, "K1", "CHECK_IMMUNITY_TIME_IN_SECONDS=10");
    let refused = |text: &str| Some((1, Some(text.to_owned())));
    assert_eq!(end(&mut rig, &place, "0"), None);
    let wrong = end(&mut rig, &place, "9").and_then(|(_, remark)| remark);
    assert!(wrong.is_some_and(|text| text.ends_with("commitOrRollback field wrong")));
    let nowhere = Place { log: "7".into(), ..place.clone() };
    assert_eq!(end(&mut rig, &nowhere, COMMIT), refused("Find prepared transaction message failed"));
    let shifted = Place { queue: "5".into(), ..place.clone() };
    assert_eq!(end(&mut rig, &shifted, COMMIT), refused("The transaction state table offset wrong"));
    let other = end_as(&mut rig, "other", &place, COMMIT, false).unwrap();
    assert_eq!((other.code, other.remark.as_deref()), (1, Some("The producer group wrong")));
    rig.pass(10_001);
    let late = end(&mut rig, &place, COMMIT);
    assert_eq!(late, Some((604, Some("not set any response code".into()))));
    assert_eq!(end_as(&mut rig, "pg", &place, COMMIT, true).map(|r| r.code), Some(0));
    let mut rejecting = Rig::new(|broker, _| broker.reject_transaction_message = true);
    let reply = rejecting.send("T", "TRAN_MSG=true PGROUP=pg", "x");
    assert_eq!(reply.code, 16);
    assert!(reply.remark.unwrap().ends_with("sending transaction message is forbidden"));
}

#[test]
fn an_open_half_message_is_asked_about_so_many_times_and_then_given_up() {
    let mut rig = Rig::new(|broker, _| broker.transaction_check_max = 3);
    half(&mut rig, "K1", "");
    rig.pass(40_000);
    assert_eq!(rig.oneways.len(), 0, "nobody to ask: not counted");
    rig.heartbeat(5, "pg");
    rig.pass(170_000);
    let asked: Vec<_> = rig.oneways.iter().map(|(conn, command)| (conn.0, checked(command).2)).collect();
    assert_eq!(asked, [(5, "1".into()), (5, "2".into()), (5, "3".into())]);
    let (_, command) = &rig.oneways[0];
    assert_eq!((command.code, command.flag), (39, 2));
    let found = record::decode(&command.body).unwrap();
    assert_eq!((found.topic, found.queue_id, found.queue_offset), (&b"T"[..], 0, 1));
    assert_eq!(rig.bodies(names::TRANS_CHECK_MAX_TIME_TOPIC), ["K1"]);
    let mut at = 0;
    rig.each(names::TRANS_CHECK_MAX_TIME_TOPIC, 0, |found| at = found.physical_offset);
    let id = format!("7F00000100002A9F{at:016X}");
    rig.heartbeat(5, "pg");
    let resumed = rig.call(request::RESUME_CHECK_HALF_MESSAGE, &[("msgId", &id)], b"").unwrap();
    assert_eq!((resumed.code, resumed.remark), (0, None));
    rig.pass(31_000);
    let (place, ..) = checked(&rig.oneways[3].1);
    assert_eq!(end_as(&mut rig, "pg", &place, COMMIT, true).map(|r| r.code), Some(0));
    assert_eq!(rig.bodies("T"), ["K1"]);
    let gone = rig.call(request::RESUME_CHECK_HALF_MESSAGE, &[("msgId", "zz")], b"").unwrap();
    assert_eq!(gone.remark.as_deref(), Some("Put message back to RMQ_SYS_TRANS_HALF_TOPIC failed."));
}

#[test]
fn immunity_and_absence_hold_up_nobody_and_count_for_nothing() {
    let mut rig = Rig::new(|broker, _| broker.transaction_check_max = 1);
    rig.heartbeat(1, "pg");
    half(&mut rig, "patient", "CHECK_IMMUNITY_TIME_IN_SECONDS=600");
    let lonely = rig.send("T", "TRAN_MSG=true PGROUP=away UNIQ_KEY=lonely", "lonely");
    assert_eq!(lonely.code, 0);
    half(&mut rig, "due", "");
    rig.pass(61_000);
    let asked = |rig: &Rig| rig.oneways.iter().map(|(_, c)| checked(c).1).collect::<Vec<_>>();
    assert_eq!(asked(&rig), ["due"]);
    assert_eq!(rig.bodies(names::TRANS_CHECK_MAX_TIME_TOPIC), ["due"]);
    assert_eq!(rig.max(names::HALF_TOPIC, 0), 4, "those that wait are not stored again");
    rig = rig.restart(true);
    rig.heartbeat(1, "pg");
    rig.heartbeat(2, "away");
    for _ in 0..10 {
        rig.heartbeat(1, "pg");
        rig.pass(60_000);
    }
    assert_eq!(asked(&rig), ["lonely", "patient"]);
}

#[test]
fn a_commit_delays_and_a_poisoned_half_message_is_passed() {
    let mut rig = Rig::new(|_, _| {});
    rig.heartbeat(1, "pg");
    // No room for the counter: it can never be stored again.
    let padding = format!("PAD={}", "x".repeat(32_767));
    let mut big = padding.clone();
    while rig.send("T", &format!("TRAN_MSG=true PGROUP=pg UNIQ_KEY=big {big}"), "big").code != 0 {
        big.truncate(big.len() - 1);
    }
    let place = half(&mut rig, "late", "DELAY=1");
    rig.pass(31_000);
    assert_eq!(rig.oneways.len(), 1, "only the other one is asked about");
    assert_eq!(rig.bodies(names::TRANS_CHECK_MAX_TIME_TOPIC), ["big"]);
    assert_eq!(end(&mut rig, &place, COMMIT), Some((0, None)), "the answer to the send comes late");
    assert_eq!(rig.max("T", 0), 0);
    rig.pass(1_100);
    assert_eq!(rig.bodies("T"), ["late"]);
    let (copy, ..) = checked(&rig.oneways[0].1);
    assert_eq!(end_as(&mut rig, "pg", &copy, COMMIT, true).map(|r| r.code), Some(0));
    assert_eq!(end_as(&mut rig, "pg", &copy, ROLLBACK, true).map(|r| r.code), Some(1));
    rig.pass(200_000);
    assert_eq!((rig.bodies("T").len(), rig.oneways.len()), (1, 1));
}

#[test]
fn a_crash_that_takes_the_marks_does_not_deliver_twice() {
    let mut rig = Rig::new(|_, _| {});
    let (now, later) = (half(&mut rig, "now", ""), half(&mut rig, "later", "DELAY=3"));
    assert_eq!(end(&mut rig, &now, COMMIT), Some((0, None)));
    assert_eq!(end(&mut rig, &later, COMMIT), Some((0, None)));
    assert_eq!(rig.max(names::OP_TOPIC, 0), 0);
    rig = rig.restart(false);
    rig.heartbeat(1, "pg");
    rig.pass(120_000);
    assert_eq!(rig.oneways.len(), 0);
    assert_eq!(rig.bodies("T"), ["now", "later"]);
}

#[test]
fn a_commit_that_comes_again_after_a_restart_delivers_once() {
    let mut rig = Rig::new(|_, _| {});
    let (plain, delayed) = (half(&mut rig, "plain", ""), half(&mut rig, "delayed", "DELAY=1"));
    let rolled_back = half(&mut rig, "rolled-back", "");
    assert_eq!(end(&mut rig, &plain, COMMIT), Some((0, None)));
    assert_eq!(end(&mut rig, &delayed, COMMIT), Some((0, None)));
    assert_eq!(end(&mut rig, &rolled_back, ROLLBACK), Some((0, None)));
    rig.pass(120_000);
    assert_eq!(rig.bodies("T"), ["plain", "delayed"]);
    for orderly in [true, false] {
        rig = rig.restart(orderly);
        assert_eq!(end(&mut rig, &plain, COMMIT), Some((0, None)));
        assert_eq!(end(&mut rig, &delayed, COMMIT), Some((0, None)));
        rig.pass(40_000);
        assert_eq!(rig.bodies("T"), ["plain", "delayed"]);
    }
}

#[test]
fn a_mark_lost_long_ago_is_no_reason_to_ask_again() {
    let mut rig = Rig::new(|_, _| {});
    let place = half(&mut rig, "K", "");
    assert_eq!(end(&mut rig, &place, COMMIT), Some((0, None)));
    // Another broker had the store since: what the commit left is not at the end any more.
    rig = rig.restart_with(|_| {});
    rig.broker.transactions.progress = None;
    rig.broker.transactions.ops = OpBuffer::default();
    rig.now.wall_ms += 60_000;
    rig.send("T", "", "later");
    rig.heartbeat(1, "pg");
    rig.pass(120_000);
    assert_eq!(rig.oneways.len(), 0);
    assert_eq!(rig.bodies("T").iter().filter(|body| *body == "K").count(), 1);
    assert_eq!(open_halves(&rig), [("T".to_owned(), 0)]);
}

/// What the file says of open half messages.
fn open_halves(rig: &Rig) -> Vec<(String, i64)> {
    let table: TransactionMetrics =
        crate::json::from_slice(&rig.files["root/config/transactionMetrics"]).unwrap();
    table.counts.into_iter().map(|(topic, metric)| (topic, metric.count)).collect()
}

#[test]
fn open_half_messages_are_counted_and_counted_again() {
    let mut rig = Rig::new(|broker, _| broker.transaction_check_max = 1);
    let (one, two) = (half(&mut rig, "one", ""), half(&mut rig, "two", ""));
    half(&mut rig, "three", "CHECK_IMMUNITY_TIME_IN_SECONDS=3600");
    assert_eq!(end(&mut rig, &one, COMMIT), Some((0, None)));
    rig.pass(3_000);
    assert_eq!(open_halves(&rig), [("T".to_owned(), 2)]);
    let text = String::from_utf8(rig.files["root/config/transactionMetrics"].to_vec()).unwrap();
    assert!(text.starts_with(r#"{"dataVersion":{"counter":4,"#), "{text}");
    assert!(text.contains(r#""transactionCount":{"T":{"count":2,"timeStamp":"#), "{text}");
    assert_eq!(end(&mut rig, &two, ROLLBACK), Some((0, None)));
    rig.pass(4_000);
    // A crash that takes the file: the half messages are there to be counted.
    rig.files.remove("root/config/transactionMetrics");
    rig = rig.restart(false);
    rig.pass(4_000);
    assert_eq!(open_halves(&rig), [("T".to_owned(), 1)]);
}

/// What a producer has decided, and what it does about it.
#[derive(Debug)]
struct Plan {
    place: Place,
    commit: Option<bool>,
    /// The life of the broker it was ended in: ends do not come again after a restart.
    ended: Option<u32>,
}

fn play(script: &[u8]) -> bool {
    let mut rig = Rig::new(|broker, _| broker.transaction_check_max = 4);
    let mut plans: HashMap<String, Plan> = HashMap::new();
    let mut asked: HashMap<String, u32> = HashMap::new();
    let mut order: Vec<String> = Vec::new();
    let mut lives = 0;
    rig.heartbeat(1, "pg");
    for (n, step) in script.iter().enumerate() {
        match step % 8 {
            0..=2 => {
                let key = format!("K{n}");
                let place = half(
                    &mut rig,
                    &key,
                    ["", "CHECK_IMMUNITY_TIME_IN_SECONDS=40"][usize::from(step / 64 % 2)],
                );
                let commit = [Some(true), Some(false), None][usize::from(step / 8 % 3)];
                plans.insert(key.clone(), Plan { place, commit, ended: None });
                order.push(key);
            }
            3 | 4 => {
                // an end on time, late, or again
                let Some(key) = order.get(usize::from(step / 8) % order.len().max(1)) else { continue };
                let Some(plan) = plans.get_mut(key) else { continue };
                if let Some(commit) = plan.commit.filter(|_| plan.ended.is_none_or(|life| life == lives)) {
                    plan.ended = Some(lives);
                    end(&mut rig, &plan.place, if commit { COMMIT } else { ROLLBACK });
                }
            }
            5 => rig.pass(u64::from(*step) * 200),
            6 => answer(&mut rig, &mut plans, &mut asked, lives, step & 16 == 0),
            _ => {
                count(&rig, &mut asked);
                lives += 1;
                rig = rig.restart(step & 16 == 0);
                if step & 32 == 0 {
                    rig.heartbeat(1, "pg");
                }
            }
        }
    }
    rig.heartbeat(1, "pg");
    for _ in 0..12 {
        rig.heartbeat(1, "pg");
        rig.pass(30_000);
        answer(&mut rig, &mut plans, &mut asked, lives, true);
    }
    rig.pass(5_000);
    let visible = rig.bodies("T");
    let given_up: HashSet<String> = rig.bodies(names::TRANS_CHECK_MAX_TIME_TOPIC).into_iter().collect();
    plans.iter().all(|(key, plan)| {
        let times = visible.iter().filter(|body| *body == key).count();
        let checks = asked.get(key).copied().unwrap_or(0);
        checks <= 4
            && match plan.commit {
                Some(true) => times == 1 || times == 0 && given_up.contains(key),
                Some(false) => times == 0,
                None => times == 0 && given_up.contains(key) && checks == 4,
            }
    })
}

fn count(rig: &Rig, asked: &mut HashMap<String, u32>) {
    for (_, command) in &rig.oneways {
        *asked.entry(checked(command).1).or_default() += 1;
    }
}

/// Answers the checks that have come, or lets them go unanswered.
fn answer(
    rig: &mut Rig,
    plans: &mut HashMap<String, Plan>,
    asked: &mut HashMap<String, u32>,
    life: u32,
    really: bool,
) {
    count(rig, asked);
    for (_, command) in core::mem::take(&mut rig.oneways) {
        let (place, key, _) = checked(&command);
        let Some(plan) = plans.get_mut(&key) else { continue };
        if let Some(commit) = plan.commit.filter(|_| really) {
            plan.ended = Some(life);
            end_as(rig, "pg", &place, if commit { COMMIT } else { ROLLBACK }, true);
        }
    }
}

#[test]
fn scripts_that_once_failed() {
    // a copy is ended, the mark of the original is lost, and the copy's mark outlives another restart
    assert!(play(&[80, 0, 157, 6, 247, 77, 0, 239]));
}

quickcheck::quickcheck! {
    fn committed_once_rolled_back_never_asked_at_most_so_often(script: Vec<u8>) -> bool {
        play(&script)
    }
}
