//! Check points as brokers of the reference leave them, on a broker of ours.

use bytes::Bytes;

use super::names;
use crate::broker::testing::{BEGIN_MS, Rig};
use crate::store::Store as _;
use crate::wire::code::{request, response};
use crate::wire::{CallError, Command, Ext, ServerIn};

const REVIVE: &str = "rmq_sys_REVIVE_LOG_DefaultCluster";
const RETRY: &str = "%RETRY%g_T";
const NAMES: &str = "10.0.0.7:9876";

/// A broker with three messages and a group.
fn rig() -> Rig {
    let mut rig = Rig::new(|broker, _| broker.namesrv_addr = Some(NAMES.into()));
    for n in 0..3 {
        rig.send("T", &format!("UNIQ_KEY=k{n}"), &format!("m{n}"));
    }
    create_group(&mut rig);
    rig.calls.clear();
    rig
}

fn create_group(rig: &mut Rig) {
    let reply = rig.call(request::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, &[], br#"{"groupName":"g"}"#);
    assert_eq!(reply.map(|reply| reply.code), Some(0));
}

fn hand_out(rig: &mut Rig, topic: &str, broker: &str, start: i64, count: i32) {
    let body = format!(
        r#"{{"bm":0,"bn":"{broker}","c":"g","it":10000,"n":{count},"pt":{BEGIN_MS},"q":0,"ro":0,"so":{start},"t":"{topic}"}}"#
    );
    let due = BEGIN_MS + 9_000;
    assert_eq!(
        rig.send(REVIVE, &format!("TAGS=ck UNIQ_KEY=ck{start} TIMER_DELIVER_MS={due}"), &body).code,
        0
    );
}

fn acknowledge(rig: &mut Rig, start: i64, offset: i64) {
    let body =
        format!(r#"{{"ao":{offset},"bn":"broker-a","c":"g","pt":{BEGIN_MS},"q":0,"so":{start},"t":"T"}}"#);
    let due = BEGIN_MS + 10_000;
    assert_eq!(
        rig.send(REVIVE, &format!("TAGS=ack UNIQ_KEY=ack{offset} TIMER_DELIVER_MS={due}"), &body).code,
        0
    );
}

fn progress(rig: &Rig) -> Option<i64> {
    rig.broker.offsets.get(names::REVIVE_GROUP, REVIVE, 0)
}

#[test]
fn what_is_not_acknowledged_in_time_comes_again_once() {
    let mut rig = rig();
    hand_out(&mut rig, "T", "broker-a", 0, 2);
    hand_out(&mut rig, "T", "broker-a", 2, 1);
    acknowledge(&mut rig, 0, 0);
    acknowledge(&mut rig, 2, 2);
    rig.pass(11_000);
    assert_eq!((rig.max(REVIVE, 0), rig.max(RETRY, 0)), (4, 0), "acknowledgements may still come");
    rig.pass(6_000);
    assert_eq!(rig.bodies(RETRY), ["m1"]);
    rig.each(RETRY, 0, |found| {
        assert_eq!((found.reconsume_times, found.property("UNIQ_KEY")), (1, Some("k1")));
        assert_eq!(found.property("1ST_POP_TIME"), Some(BEGIN_MS.to_string().as_str()));
    });
    assert_eq!(rig.broker.offsets.get("g", RETRY, 0), Some(0), "consumers begin with it");
    assert_eq!(progress(&rig), Some(3));
    let mut rig = rig.restart(true);
    rig.pass(60_000);
    assert_eq!((rig.bodies(RETRY).len(), progress(&rig)), (1, Some(3)));
}

#[test]
fn a_crash_repeats_and_never_skips() {
    let mut rig = rig();
    hand_out(&mut rig, "T", "broker-a", 0, 3);
    rig.pass(10_500);
    let mut rig = rig.restart(false);
    create_group(&mut rig); // the table of groups is not among the files of these tests
    rig.pass(20_000);
    assert_eq!(rig.bodies(RETRY), ["m0", "m1", "m2"]);
}

#[test]
fn nobody_gets_messages_of_a_topic_or_group_that_is_no_more() {
    let mut rig = rig();
    hand_out(&mut rig, "Unknown", "broker-a", 0, 2);
    rig.pass(30_000);
    assert_eq!((rig.max("%RETRY%g_Unknown", 0), progress(&rig)), (0, Some(0)));
}

#[test]
fn a_deleted_message_is_passed_over() {
    let mut rig = rig();
    hand_out(&mut rig, "T", "broker-a", 2, 2);
    rig.pass(30_000);
    assert_eq!((rig.bodies(RETRY), progress(&rig)), (vec!["m2".to_owned()], Some(0)));
}

/// The newest call to another server.
fn asked(rig: &mut Rig, code: i32) -> (String, u64, Command) {
    let at = rig.calls.iter().position(|(_, _, command)| command.code == code);
    rig.calls.remove(at.expect("it asks"))
}

fn answer(rig: &mut Rig, token: u64, result: Result<Command, CallError>) {
    rig.handle(ServerIn::Answer { token, result });
}

fn route() -> Command {
    let body = r#"{"brokerDatas":[{"brokerAddrs":{1:"10.0.0.3:10911"},"brokerName":"broker-b","cluster":"DefaultCluster"}],"queueDatas":[]}"#;
    Command::response(response::SUCCESS, 0).with_body(Bytes::from_static(body.as_bytes()))
}

/// A record as another broker has it: one of this broker's own does as well.
fn record(rig: &Rig, offset: i64) -> Bytes {
    let entry = rig.broker.store().queue_entry("T", 0, offset).expect("it is there");
    rig.broker.store().record_at(entry.offset).expect("it is there")
}

#[test]
fn a_message_of_another_broker_is_fetched_from_there() {
    let mut rig = rig();
    hand_out(&mut rig, "T", "broker-b", 1, 1);
    rig.pass(16_000);
    let (addr, token, question) = asked(&mut rig, request::GET_ROUTEINFO_BY_TOPIC);
    assert_eq!((addr.as_str(), question.ext_text("topic").as_deref()), (NAMES, Some("T")));
    answer(&mut rig, token, Ok(route()));
    let (addr, token, pull) = asked(&mut rig, request::PULL_MESSAGE);
    assert_eq!((addr.as_str(), pull.ext_text("queueOffset").as_deref()), ("10.0.0.3:10911", Some("1")));
    let found = Command::response(response::SUCCESS, 0).with_body(record(&rig, 1));
    answer(&mut rig, token, Ok(found));
    assert_eq!((rig.bodies(RETRY), progress(&rig)), (vec!["m1".to_owned()], Some(0)));
}

#[test]
fn a_message_that_cannot_be_had_is_asked_for_again_later() {
    let mut rig = rig();
    hand_out(&mut rig, "T", "broker-b", 1, 1);
    rig.pass(16_000);
    for wait in [10_000, 20_000] {
        let (addr, token, _) = asked(&mut rig, request::GET_ROUTEINFO_BY_TOPIC);
        answer(&mut rig, token, Err(CallError::Refused(addr)));
        rig.pass(wait);
        assert!(
            rig.calls.iter().all(|(_, _, command)| command.code != request::GET_ROUTEINFO_BY_TOPIC),
            "too early"
        );
        rig.pass(6_000);
    }
    assert_eq!((rig.max(REVIVE, 0), rig.max(RETRY, 0)), (3, 0));
    let (_, token, _) = asked(&mut rig, request::GET_ROUTEINFO_BY_TOPIC);
    answer(&mut rig, token, Ok(route()));
    let (_, token, _) = asked(&mut rig, request::PULL_MESSAGE);
    let found = Command::response(response::SUCCESS, 0).with_body(record(&rig, 1));
    answer(&mut rig, token, Ok(found));
    assert_eq!((rig.bodies(RETRY), progress(&rig)), (vec!["m1".to_owned()], Some(2)));
}

#[test]
fn a_message_its_broker_has_deleted_is_given_up() {
    let mut rig = rig();
    hand_out(&mut rig, "T", "broker-b", 1, 1);
    rig.pass(16_000);
    let (_, token, _) = asked(&mut rig, request::GET_ROUTEINFO_BY_TOPIC);
    answer(&mut rig, token, Ok(route()));
    let (_, token, _) = asked(&mut rig, request::PULL_MESSAGE);
    answer(&mut rig, token, Ok(Command::request(response::PULL_OFFSET_MOVED, Ext::new())));
    rig.pass(60_000);
    assert_eq!((rig.max(REVIVE, 0), rig.max(RETRY, 0), progress(&rig)), (1, 0, Some(0)));
}
