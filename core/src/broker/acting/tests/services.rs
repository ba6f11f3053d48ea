//! What an acting slave does for its dead master.

use super::world::World;
use crate::broker::testing::field;
use crate::wire::code::{request, response};

fn world() -> World {
    let mut world = World::new(|_, _| {});
    world.master().send("T", "UNIQ_KEY=first", "first");
    world.pass(100);
    assert!(world.is_online(0) && world.is_online(1));
    world
}

fn active(world: &mut World) -> bool {
    let reply = world.slave().call(request::GET_BROKER_RUNTIME_INFO, &[], b"").unwrap();
    let crate::wire::Body::One(body) = reply.body else { panic!("a body") };
    String::from_utf8(body.to_vec()).unwrap().contains(r#""brokerActive":"true""#)
}

#[test]
fn delays_of_a_dead_master_go_to_another_master_each_once() {
    let mut world = world();
    for (key, body) in [("a", "a"), ("b", "b"), ("c", "c")] {
        world.master().send("T", &format!("DELAY=2 UNIQ_KEY={key} WAIT=false TAGS=X"), body);
    }
    world.pass(500);
    assert!(!active(&mut world));
    world.kill(0);
    world.pass(2_000);
    assert!(world.given.is_empty(), "not before their time");
    assert!(active(&mut world));
    world.pass(4_000);
    assert_eq!(world.given(), ["a", "b", "c"]);
    let given = world.given[0].clone();
    assert_eq!(given.topic, "T");
    for (name, value) in [("UNIQ_KEY", Some("a")), ("TAGS", Some("X")), ("DELAY", None), ("WAIT", None)] {
        assert_eq!(given.property(name), value, "{name}");
    }
    world.pass(60_000);
    assert_eq!(world.given.len(), 3);
}

#[test]
fn timers_of_a_dead_master_go_to_another_master_each_once() {
    let mut world = world();
    for (key, seconds) in [("a", 3), ("b", 5), ("c", 5), ("d", 200)] {
        world.master().send("T", &format!("TIMER_DELAY_SEC={seconds} UNIQ_KEY={key}"), key);
    }
    world.pass(500);
    world.kill(0);
    world.pass(9_000);
    assert_eq!(world.given(), ["a", "b", "c"]);
    assert!(world.given[0].property("TIMER_OUT_MS").is_some());
    assert!(world.given[0].property("TIMER_DELAY_SEC").is_none(), "it is over");
}

#[test]
fn a_timer_message_that_is_far_away_waits_on_with_the_other_master() {
    let mut world = World::new(|_, store| store.timer_roll_window_slot = 10);
    world.master().send("T", "TIMER_DELAY_SEC=600 UNIQ_KEY=far", "far");
    world.pass(500);
    world.kill(0);
    world.pass(120_000);
    let topics: Vec<&str> = world.given.iter().map(|given| given.topic.as_str()).collect();
    assert_eq!(topics, [crate::broker::names::TIMER_TOPIC]);
    assert_eq!(world.given[0].property("TIMER_ROLL_TIMES"), Some("1"));
    assert!(world.given[0].property("REAL_TOPIC") == Some("T"));
}

#[test]
fn half_messages_of_a_dead_master_are_given_away_as_their_producers_sent_them() {
    let mut world = world();
    for key in ["open", "done"] {
        let text = format!("TRAN_MSG=true PGROUP=pg UNIQ_KEY={key} TAGS=X");
        assert_eq!(world.master().send("T", &text, key).code, 0);
    }
    let at = super::world::first_record(world.master(), "RMQ_SYS_TRANS_HALF_TOPIC").0;
    let entry = |world: &mut World| {
        let store = world.master();
        use crate::store::Store as _;
        store.broker.store().queue_entry("RMQ_SYS_TRANS_HALF_TOPIC", 0, 1).unwrap().offset.to_string()
    };
    let done = entry(&mut world);
    assert_ne!(done, at.to_string());
    let fields = [
        ("producerGroup", "pg"),
        ("tranStateTableOffset", "1"),
        ("commitLogOffset", done.as_str()),
        ("commitOrRollback", "8"),
        ("msgId", "done"),
    ];
    assert_eq!(world.master().call(request::END_TRANSACTION, &fields, b"").unwrap().code, 0);
    // The mark of the end is not written yet, the committed message is.
    world.pass(200);
    world.kill(0);
    world.pass(40_000);
    assert_eq!(world.given(), ["open"]);
    let given = world.given[0].clone();
    assert_eq!((given.topic.as_str(), given.property("TRAN_MSG")), ("T", Some("true")));
    assert_eq!((given.property("PGROUP"), given.property("REAL_TOPIC")), (Some("pg"), None));
    assert_eq!(given.sys_flag & 12, 4);
    world.pass(120_000);
    assert_eq!(world.given.len(), 1);
    let end = world.slave().call(request::END_TRANSACTION, &fields, b"").unwrap();
    assert_eq!(end.code, response::SLAVE_NOT_AVAILABLE);
}

#[test]
fn a_committed_message_with_a_delay_does_not_become_a_half_message_again() {
    let mut world = world();
    world.master().send("T", "TRAN_MSG=true PGROUP=pg UNIQ_KEY=k DELAY=2", "later");
    let (at, _) = super::world::first_record(world.master(), "RMQ_SYS_TRANS_HALF_TOPIC");
    let at = at.to_string();
    let fields = [
        ("producerGroup", "pg"),
        ("tranStateTableOffset", "0"),
        ("commitLogOffset", at.as_str()),
        ("commitOrRollback", "8"),
        ("msgId", "k"),
    ];
    assert_eq!(world.master().call(request::END_TRANSACTION, &fields, b"").unwrap().code, 0);
    world.pass(100);
    world.kill(0);
    world.pass(40_000);
    assert_eq!(world.given(), ["later"]);
    assert_eq!(world.given[0].property("TRAN_MSG"), None);
}

/// KF-26: all other masters are away for ten minutes.
#[test]
fn nothing_is_lost_while_no_other_master_lives() {
    let mut world = world();
    for n in 0..20 {
        world.master().send("T", &format!("DELAY=1 UNIQ_KEY=d{n}"), &format!("d{n}"));
        world.master().send("T", &format!("TIMER_DELAY_SEC=2 UNIQ_KEY=t{n}"), &format!("t{n}"));
        world.master().send("T", &format!("TRAN_MSG=true PGROUP=pg UNIQ_KEY=h{n}"), &format!("h{n}"));
    }
    world.pass(300);
    world.other_is_up = false;
    world.kill(0);
    world.pass(600_000);
    assert!(world.given.is_empty());
    world.other_is_up = true;
    world.pass(30_000);
    let mut wanted: Vec<String> =
        "dht".chars().flat_map(|k| (0..20).map(move |n| format!("{k}{n}"))).collect();
    wanted.sort_unstable();
    assert_eq!(world.given(), wanted);
}

#[test]
fn only_an_answer_that_is_lost_makes_a_copy() {
    let mut world = world();
    for n in 0..5 {
        world.master().send("T", &format!("DELAY=1 UNIQ_KEY=d{n}"), &format!("d{n}"));
    }
    world.pass(100);
    world.lost_answers = 1;
    world.kill(0);
    world.pass(20_000);
    assert_eq!(world.given(), ["d0", "d0", "d1", "d2", "d3", "d4"]);
}

#[test]
fn a_topic_no_other_master_has_waits_for_its_own() {
    let mut world = world();
    world.master().send("T", "DELAY=1 UNIQ_KEY=a", "a");
    world.pass(100);
    world.has_topic = false;
    world.kill(0);
    world.pass(60_000);
    assert!(world.given.is_empty());
    world.start(0);
    world.pass(20_000);
    assert_eq!(world.stored("T"), ["a", "first"]);
    assert!(world.given.is_empty());
}

#[test]
fn what_the_master_delivered_before_it_died_is_not_delivered_again() {
    let mut world = world();
    // The slave's tables are some seconds old when the master dies.
    world.pass(10_500);
    for n in 0..3 {
        world.master().send("T", &format!("DELAY=1 UNIQ_KEY=d{n}"), &format!("d{n}"));
        world.master().send("T", &format!("TIMER_DELAY_MS=1000 UNIQ_KEY=t{n}"), &format!("t{n}"));
    }
    world.pass(2_500);
    assert_eq!(world.stored("T").len(), 7);
    world.master().send("T", "DELAY=1 UNIQ_KEY=late", "late");
    world.pass(100);
    world.kill(0);
    world.pass(30_000);
    assert_eq!(world.given(), ["late"]);
}

#[test]
fn a_master_that_is_heard_of_is_not_stood_in_for() {
    let mut world = world();
    world.master().send("T", "DELAY=3 UNIQ_KEY=a", "a");
    world.pass(100);
    // A NameServer that has just started knows the slave only.
    world.slave().call(request::NOTIFY_MIN_BROKER_ID_CHANGE, &[("minBrokerId", "1")], b"").unwrap();
    world.pass(900);
    assert!(!world.slave().broker.runs_services());
    world.pass(15_000);
    assert!(world.given.is_empty());
    assert_eq!(world.stored("T"), ["a", "first"]);
}

#[test]
fn clients_are_told_what_a_slave_cannot_do() {
    let mut world = world();
    let sent = world.slave().send("T", "UNIQ_KEY=x", "x");
    assert_eq!(sent.code, response::SERVICE_NOT_AVAILABLE);
    let back = world.slave().call(request::CONSUMER_SEND_MSG_BACK, &[("offset", "0"), ("group", "CG")], b"");
    let back = back.unwrap();
    let remark = back.remark.as_deref().map(str::to_owned);
    assert_eq!((back.code, remark), (1, Some("no master available along with 10.0.0.2".to_owned())));
    let recall = world.slave().call(request::RECALL_MESSAGE, &[("topic", "T"), ("recallHandle", "x")], b"");
    assert_eq!(recall.unwrap().code, response::SLAVE_NOT_AVAILABLE);
    assert_eq!(field(&sent, "queueOffset"), "");
}
