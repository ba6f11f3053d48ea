//! What a group has to do, one case at a time.

use super::sim::{CALM, Sim};
use crate::raft::{NodeId, RaftConfig};

fn small_log() -> RaftConfig {
    RaftConfig { snapshot_every: 20, keep_records: 5, ..RaftConfig::default() }
}

#[test]
fn groups_of_every_size_elect_and_commit() {
    for members in [1, 2, 3, 5] {
        let mut sim = Sim::new(members, members, RaftConfig::default(), CALM);
        let leader = sim.await_leader(3_000);
        assert_eq!(sim.node(leader).leader(), Some(leader));
        sim.commit(50);
        sim.heal();
    }
}

#[test]
fn a_dead_leader_is_replaced_within_a_second() {
    let mut took = Vec::new();
    for seed in 0..20 {
        let mut sim = Sim::new(seed, 3, RaftConfig::default(), CALM);
        sim.commit(10);
        let old = sim.await_leader(1_000);
        sim.crash(old);
        took.push(sim.run_until(1_000, "another leader", |sim| sim.leader().is_some_and(|id| id != old)));
        sim.commit(10);
        sim.heal();
    }
    took.sort_unstable();
    assert!(took[10] <= 800, "median of replacements: {took:?}");
}

#[test]
fn a_leader_without_followers_says_that_it_leads_no_more() {
    let mut sim = Sim::new(3, 3, RaftConfig::default(), CALM);
    let old = sim.await_leader(3_000);
    sim.cut_off(old);
    sim.run_until(500, "doubt", |sim| !sim.node(old).is_leader());
    // it takes proposals, which must not be acknowledged
    sim.propose(old);
    sim.run_ms(2_000);
    assert_eq!(sim.acked.len(), 0);
    assert!(sim.leader().is_some_and(|id| id != old));
    sim.heal();
    assert_eq!(sim.refused, 1, "the proposal's fate is told");
}

#[test]
fn a_minority_elects_nobody() {
    let mut sim = Sim::new(4, 3, RaftConfig::default(), CALM);
    sim.commit(5);
    let leader = sim.await_leader(100);
    for id in sim.ids().into_iter().filter(|id| *id != leader) {
        sim.crash(id);
    }
    sim.run_ms(5_000);
    assert_eq!(sim.leader(), None);
    let term = sim.node(leader).term();
    sim.heal();
    assert!(sim.node(NodeId(0)).term() <= term + 2, "the lonely member inflated its term");
}

#[test]
fn a_follower_far_behind_gets_a_snapshot() {
    let mut sim = Sim::new(5, 3, small_log(), CALM);
    sim.commit(5);
    let leader = sim.await_leader(100);
    let behind = sim.ids().into_iter().find(|id| *id != leader).expect("three members");
    sim.crash(behind);
    sim.commit(200);
    sim.run_ms(500);
    assert!(sim.slots[&leader].disk.log.len() < 60, "the log is not purged");
    sim.heal();
    assert!(sim.slots[&behind].disk.snapshot.is_some());
    // all go down and come back from their disks
    for id in sim.ids() {
        sim.crash(id);
    }
    sim.heal();
    assert!(sim.node(behind).state().0.len() > 200);
}

#[test]
fn a_member_that_lost_its_disk_is_filled_up_and_does_not_vote_before() {
    let mut sim = Sim::new(6, 3, small_log(), CALM);
    sim.commit(100);
    let leader = sim.await_leader(100);
    let others: Vec<NodeId> = sim.ids().into_iter().filter(|id| *id != leader).collect();
    // one member misses an entry that the other two hold
    sim.cut_off(others[0]);
    sim.commit(1);
    // one of those two forgets it, the other is away
    sim.wipe(others[1]);
    sim.crash(leader);
    sim.cut.clear();
    sim.boot(others[1]);
    sim.run_ms(5_000);
    assert_eq!(sim.leader(), None, "a leader without an acknowledged entry was elected");
    sim.boot(leader);
    sim.heal();
}

#[test]
fn all_disks_but_one_lost_is_not_taken_for_a_new_group() {
    let mut sim = Sim::new(7, 3, RaftConfig::default(), CALM);
    sim.commit(10);
    sim.run_ms(300);
    sim.wipe(NodeId(0));
    sim.wipe(NodeId(1));
    sim.crash(NodeId(2));
    for id in sim.ids() {
        sim.boot(id);
    }
    sim.run_ms(5_000);
    assert_eq!(sim.leader(), None);
    assert!(!sim.node(NodeId(0)).is_voter() && !sim.node(NodeId(1)).is_voter());
}

/// An empty command asks whether this member leads; brokers ask it every second.
#[test]
fn proof_of_leadership_costs_no_write_and_a_leader_without_followers_has_none() {
    let mut sim = Sim::new(9, 3, RaftConfig::default(), CALM);
    sim.commit(3);
    sim.run_ms(1_000);
    let leader = sim.leader().unwrap();
    let disks: Vec<_> = sim.slots.values().map(|slot| slot.disk.clone()).collect();
    for _ in 0..20 {
        sim.ask(leader);
        sim.run_ms(50);
    }
    assert_eq!((sim.proved, sim.refused), (20, 0));
    let later: Vec<_> = sim.slots.values().map(|slot| slot.disk.clone()).collect();
    assert_eq!(disks, later, "a proof writes");
    // Cut off before the question is asked: whatever it believes of itself, it gets no proof.
    sim.cut_off(leader);
    sim.ask(leader);
    sim.run_ms(3_000);
    assert_eq!(sim.proved, 20);
    sim.heal();
    let mut alone = Sim::new(10, 1, RaftConfig::default(), CALM);
    let leader = alone.await_leader(3_000);
    alone.ask(leader);
    alone.run_ms(100);
    assert_eq!(alone.proved, 1);
}

#[test]
fn an_idle_group_is_quiet() {
    let mut sim = Sim::new(8, 3, RaftConfig::default(), CALM);
    sim.commit(1);
    sim.run_ms(1_000);
    let disks: Vec<_> = sim.slots.values().map(|slot| slot.disk.clone()).collect();
    let term = sim.node(NodeId(0)).term();
    sim.run_ms(20_000);
    let later: Vec<_> = sim.slots.values().map(|slot| slot.disk.clone()).collect();
    assert_eq!(disks, later, "an idle group writes");
    assert_eq!(sim.node(NodeId(0)).term(), term);
}
