//! A master that comes back to a slave that acted for it.

use super::world::{World, commit};
use crate::wire::code::request;

fn world() -> World {
    let mut world = World::new(|_, _| {});
    for n in 0..10 {
        world.master().send("T", &format!("UNIQ_KEY=m{n}"), &format!("m{n}"));
    }
    let group = br#"{"groupName":"CG"}"#;
    let reply = world.master().call(request::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, &[], group).unwrap();
    assert_eq!(reply.code, 0);
    commit(world.master(), 2);
    // Longer than a slave needs for the tables.
    world.pass(11_000);
    world
}

fn offset(world: &mut World, id: usize) -> Option<i64> {
    world.rigs[id].as_ref().and_then(|rig| rig.broker.offsets.get("CG", "T", 0))
}

/// KF-22, with a version the reference's rule would take for older, too.
#[test]
fn offsets_do_not_go_back_to_where_the_master_was() {
    let mut world = world();
    assert_eq!(offset(&mut world, 1), Some(2));
    commit(world.master(), 4);
    world.pass(100);
    world.kill(0);
    world.pass(5_000);
    commit(world.slave(), 9);
    world.pass(300_000);
    world.start(0);
    world.pass(5_000);
    assert!(world.is_online(0));
    assert_eq!(offset(&mut world, 0), Some(9));
    world.pass(20_000);
    assert_eq!(offset(&mut world, 1), Some(9));
}

#[test]
fn nobody_hears_of_a_master_before_it_has_its_progress_back() {
    let mut world = world();
    world.kill(0);
    world.pass(5_000);
    commit(world.slave(), 7);
    world.start(0);
    assert!(!world.is_online(0));
    assert!(!world.master().broker.runs_services());
    let mut seen = None;
    for _ in 0..200 {
        world.pass(50);
        if world.is_online(0) {
            seen = offset(&mut world, 0);
            break;
        }
    }
    assert_eq!(seen, Some(7));
}

#[test]
fn delays_timers_and_half_messages_are_each_delivered_by_one_of_the_two() {
    let mut world = world();
    for n in 0..12 {
        let key = format!("{n:02}");
        world.master().send("D", &format!("DELAY={} UNIQ_KEY=d{key}", 1 + n % 4), &format!("d{key}"));
        world.master().send(
            "D",
            &format!("TIMER_DELAY_SEC={} UNIQ_KEY=t{key}", 1 + n * 2),
            &format!("t{key}"),
        );
        world.master().send("D", &format!("TRAN_MSG=true PGROUP=pg UNIQ_KEY=h{key}"), &format!("h{key}"));
    }
    world.pass(200);
    world.kill(0);
    world.pass(7_000);
    assert!(!world.given.is_empty());
    world.start(0);
    world.pass(120_000);
    let mut all: Vec<String> = world.given().iter().map(|body| (*body).to_owned()).collect();
    all.retain(|body| !body.starts_with('h'));
    all.extend(world.stored("D"));
    all.sort_unstable();
    let mut wanted: Vec<String> =
        "dt".chars().flat_map(|k| (0..12).map(move |n| format!("{k}{n:02}"))).collect();
    wanted.sort_unstable();
    assert_eq!(all, wanted, "none lost, none twice");
}

#[test]
fn a_master_is_told_of_everything_wherever_the_switch_falls() {
    for wait in (4_600..6_400).step_by(150) {
        let mut world = world();
        for n in 0..8 {
            world.master().send("D", &format!("DELAY=2 UNIQ_KEY=d{n}"), &format!("d{n}"));
            world.master().send("D", &format!("TIMER_DELAY_SEC=5 UNIQ_KEY=t{n}"), &format!("t{n}"));
        }
        world.pass(100);
        world.kill(0);
        world.pass(wait - 1_500);
        world.start(0);
        world.pass(40_000);
        let mut all: Vec<String> = world.given().iter().map(|body| (*body).to_owned()).collect();
        all.extend(world.stored("D"));
        all.sort_unstable();
        let wanted: Vec<String> = "dt".chars().flat_map(|k| (0..8).map(move |n| format!("{k}{n}"))).collect();
        assert_eq!(all, wanted, "after {wait} ms");
    }
}

/// With asynchronous replication the slave's timer has passed slots whose messages it never got.
#[test]
fn timers_the_slave_never_had_are_delivered_by_the_master_that_returns() {
    let mut world = world();
    world.kill(1);
    world.master().send("D", "TIMER_DELAY_SEC=3 UNIQ_KEY=only", "only");
    world.pass(1_500);
    world.kill(0);
    world.start(1);
    world.pass(10_000);
    assert!(world.given.is_empty() && world.slave().broker.runs_services());
    world.start(0);
    world.pass(10_000);
    assert_eq!(world.stored("D"), ["only"]);
    world.pass(30_000);
    assert_eq!(world.stored("D"), ["only"]);
}

#[test]
fn a_master_that_dies_again_on_its_way_back_is_acted_for_again() {
    let mut world = world();
    world.kill(0);
    world.pass(3_000);
    world.start(0);
    world.pass(50);
    world.kill(0);
    world.pass(20_000);
    assert!(world.slave().broker.runs_services());
    world.start(0);
    world.pass(5_000);
    assert!(world.is_online(0) && !world.slave().broker.runs_services());
}

#[test]
fn a_slave_goes_online_when_it_follows() {
    let mut world = world();
    world.kill(1);
    world.start(1);
    assert!(!world.is_online(1));
    world.pass(2_000);
    assert!(world.is_online(1));
    // Without a master it goes online alone.
    world.kill(1);
    world.kill(0);
    world.start(1);
    world.pass(2_000);
    assert!(world.is_online(1));
}
