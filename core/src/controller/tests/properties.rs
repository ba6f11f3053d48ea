//! What holds whatever happens in whatever order.

use super::*;
use quickcheck::{Arbitrary, Gen, quickcheck};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
enum Act {
    Apply(i64),
    Beat(i64, i64, bool),
    Elect(i64, bool),
    Alter(i64, u8),
    Close(i64),
    Probed(bool),
    Lead(bool),
    Commit,
    Fail,
    Pass(u64),
}

impl Arbitrary for Act {
    fn arbitrary(g: &mut Gen) -> Self {
        let id = *g.choose(&[1, 2, 3]).unwrap();
        match u8::arbitrary(g) % 14 {
            0 => Act::Apply(id),
            1..=3 => Act::Beat(id, i64::from(u8::arbitrary(g)), bool::arbitrary(g)),
            4 => Act::Elect(id, bool::arbitrary(g)),
            5 | 6 => Act::Alter(id, u8::arbitrary(g)),
            7 => Act::Close(id),
            8 => Act::Probed(bool::arbitrary(g)),
            9 => Act::Lead(bool::arbitrary(g)),
            10 | 11 => Act::Commit,
            12 => Act::Fail,
            _ => Act::Pass(u64::from(u16::arbitrary(g)) % 4_000),
        }
    }
}

fn run(bench: &mut Bench, act: &Act) {
    match *act {
        Act::Apply(id) => {
            let ext = Ext::new()
                .with("brokerName", "bb")
                .with("clusterName", "C1")
                .with("appliedBrokerId", id)
                .with("registerCheckCode", format!("h{id}:1;7"));
            bench.send(99, Command::request(1013, ext));
        }
        Act::Beat(id, offset, oneway) => drop(bench.beat(id, offset, oneway)),
        Act::Elect(id, designated) => {
            let ext =
                Ext::new().with("brokerName", "bb").with("brokerId", id).with("designateElect", designated);
            bench.send(99, Command::request(1002, ext));
        }
        Act::Alter(id, mask) => {
            let sync = bench.state.get("bb").map(|set| set.sync.clone()).unwrap_or_default();
            let set: Vec<String> = (1..=3).filter(|n| mask >> n & 1 == 1).map(|n| n.to_string()).collect();
            let body =
                format!("{{\"syncStateSet\":[{}],\"syncStateSetEpoch\":{}}}", set.join(","), sync.set_epoch);
            let ext = Ext::new()
                .with("brokerName", "bb")
                .with("masterBrokerId", id)
                .with("masterEpoch", sync.master_epoch);
            bench.send(99, Command::request(1001, ext).with_body(body.into_bytes()));
        }
        Act::Close(id) => bench.close(id),
        Act::Probed(dead) => bench.probe_ends(if dead { CallError::Refused } else { CallError::Connect }),
        Act::Lead(ready) => bench.lead(ready),
        Act::Commit => bench.commit(),
        Act::Fail => bench.fail(),
        Act::Pass(ms) => bench.pass(ms),
    }
    bench.drain();
}

quickcheck! {
    fn epochs_grow_and_have_one_master_from_the_set(acts: Vec<Act>) -> bool {
        let mut bench = Bench::new(|_| {});
        bench.trio();
        bench.prompt = false;
        let mut masters: BTreeMap<i32, Option<i64>> = BTreeMap::new();
        let mut last = bench.state.get("bb").unwrap().sync.clone();
        acts.iter().all(|act| {
            run(&mut bench, act);
            let set = bench.state.get("bb").unwrap();
            let sync = &set.sync;
            let ids: BTreeSet<i64> = set.info.replicas.keys().copied().collect();
            let grew = sync.master_epoch >= last.master_epoch && sync.set_epoch >= last.set_epoch;
            let one = *masters.entry(sync.master_epoch).or_insert(sync.master) == sync.master;
            let inside = sync.master.is_none_or(|id| sync.set.contains(&id)) && sync.set.is_subset(&ids);
            // Each act applies at most one event, so the set before is what the election chose from.
            let clean = sync.master_epoch == last.master_epoch
                || sync.master.is_none_or(|id| last.set.contains(&id));
            last = sync.clone();
            grew && one && inside && clean
        })
    }

    fn a_set_with_a_living_member_gets_a_master(acts: Vec<Act>) -> bool {
        let mut bench = Bench::new(|_| {});
        bench.trio();
        bench.prompt = false;
        acts.iter().for_each(|act| run(&mut bench, act));
        bench.prompt = true;
        bench.lead(true);
        bench.drain();
        let members: Vec<i64> = bench.state.get("bb").unwrap().sync.set.iter().copied().collect();
        bench.pass_alive(6_000, &members);
        bench.probe_ends(CallError::Refused);
        bench.pass_alive(1_000, &members);
        bench.master().0.is_some()
    }

    fn the_order_of_candidates_is_total_and_uses_the_whole_width(a: (i32, u8, i32), b: (i32, u8, i32)) -> bool {
        const EDGES: [i64; 8] =
            [-1, 0, 1 << 31, (1 << 31) - 1, 1 << 32, (1 << 32) + 1, i64::MAX, i64::MAX - 1];
        let make = |id: i64, (epoch, edge, priority): (i32, u8, i32)| Candidate {
            id, epoch, max_offset: EDGES[usize::from(edge) % EDGES.len()], priority,
        };
        let (x, y) = (make(1, a), make(2, b));
        let wanted = if x.epoch != y.epoch {
            x.epoch > y.epoch
        } else if x.max_offset != y.max_offset {
            x.max_offset > y.max_offset
        } else if x.priority != y.priority {
            x.priority < y.priority
        } else {
            true
        };
        (x > y) == wanted && (y > x) != wanted
    }

    fn any_log_entry_is_answered(bytes: Vec<u8>) -> bool {
        let mut state = ControllerState::default();
        let before = state.clone();
        bytes.is_empty() || Outcome::decode(&state.apply(0, &bytes)).is_ok_and(|o| o.code != 0 && state == before)
    }
}
