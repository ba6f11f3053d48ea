//! Messages handed out by POP whose master dies (`spec/broker-pop-txn-timer.md` D.4): the check points are in its log.

use super::world::World;
use crate::broker::testing::BEGIN_MS;
use crate::wire::code::request;

const REVIVE: &str = "rmq_sys_REVIVE_LOG_DefaultCluster";

fn check_point(world: &mut World, start: i64, invisible_ms: i64) {
    let due = BEGIN_MS + invisible_ms - 1_000;
    let body = format!(
        r#"{{"bm":0,"bn":"broker-a","c":"g","it":{invisible_ms},"n":1,"pt":{BEGIN_MS},"q":0,"ro":0,"so":{start},"t":"T"}}"#
    );
    let properties = format!("TAGS=ck UNIQ_KEY=ck{start} TIMER_DELIVER_MS={due}");
    assert_eq!(world.master().send(REVIVE, &properties, &body).code, 0);
}

#[test]
fn an_acting_slave_revives_what_is_due_and_gives_away_what_is_not() {
    let mut world = World::new(|_, _| {});
    for n in 0..2 {
        world.master().send("T", &format!("UNIQ_KEY=m{n}"), &format!("m{n}"));
    }
    let group = br#"{"groupName":"g"}"#;
    assert_eq!(
        world.master().call(request::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, &[], group).map(|r| r.code),
        Some(0)
    );
    // Longer than a slave needs for the tables.
    world.pass(11_000);
    check_point(&mut world, 0, 16_000);
    check_point(&mut world, 1, 90_000);
    // The first has come out of the timer, and waits for its acknowledgement.
    world.pass(3_000);
    world.kill(0);
    world.pass(20_000);
    assert_eq!(world.given(), ["m0"]);
    let given = &world.given[0];
    assert_eq!((given.topic.as_str(), given.queue, given.reconsume_times), ("%RETRY%g_T", 0, 1));
    assert_eq!(given.property("1ST_POP_TIME"), Some(BEGIN_MS.to_string().as_str()));
    world.pass(80_000);
    let late = &world.given[1];
    assert_eq!((late.topic.as_str(), late.property("TAGS")), (REVIVE, Some("ck")));
    assert!(late.body.contains(r#""so":1"#), "its check point goes on: {}", late.body);
    assert_eq!(late.property("TIMER_DELIVER_MS"), None, "the time is over");
    assert_eq!(world.given.len(), 2);
    // The master that comes back goes on where its slave stopped.
    world.start(0);
    world.pass(60_000);
    assert_eq!((world.master().max("%RETRY%g_T", 0), world.given.len()), (0, 2));
}
