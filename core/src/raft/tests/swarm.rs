//! Random histories: each seed switches whole classes of faults off first, then chooses rates for the rest.

use rand::RngExt;

use super::sim::{CALM, Faults, Sim};
use crate::raft::{NodeId, RaftConfig};

fn history(seed: u64) -> (u64, usize) {
    let members = if seed % 4 == 3 { 5 } else { 3 };
    let config = RaftConfig {
        snapshot_every: if seed.is_multiple_of(2) { 15 } else { 1_000 },
        keep_records: 5,
        ..RaftConfig::default()
    };
    let mut sim = Sim::new(seed, members, config, CALM);
    let [lossy, doubling, reordering, slow, cutting, crashing, wiping] =
        [0; 7].map(|_: u8| sim.rng.random_bool(0.5));
    let rate = |on: bool, value: u32| if on { value } else { 0 };
    sim.faults = Faults {
        loss_ppm: rate(lossy, 50_000),
        dup_ppm: rate(doubling, 50_000),
        net_us: if reordering { (100, 30_000) } else { CALM.net_us },
        disk_us: if slow { (5_000, 60_000) } else { CALM.disk_us },
    };
    let ids = sim.ids();
    for _ in 0..40 {
        let any: NodeId = ids[sim.rng.random_range(0..ids.len())];
        match sim.rng.random_range(0..12) {
            0 if cutting => sim.cut_off(any),
            1 | 2 if cutting => sim.cut.clear(),
            3 if crashing && sim.slots[&any].node.is_some() => sim.crash(any),
            // one lost disk at a time is what the group has to bear
            4 if wiping && sim.others_vote(any) => sim.wipe(any),
            5..=7 if sim.slots[&any].node.is_none() => sim.boot(any),
            _ => {}
        }
        for _ in 0..sim.rng.random_range(0..4) {
            let to = sim.leader().unwrap_or(any);
            sim.propose(to);
            sim.ask(to);
        }
        let pause = sim.rng.random_range(10..150);
        sim.run_ms(pause);
    }
    sim.heal();
    (sim.trace, sim.acked.len())
}

/// Few enough for every run; `SANSMQ_RAFT_SEEDS=n` runs as many as are wanted.
const SEEDS: u64 = 24;

#[expect(clippy::disallowed_methods, reason = "a test that is told how long to run")]
fn seeds() -> core::ops::Range<u64> {
    let more = std::env::var("SANSMQ_RAFT_SEEDS").ok();
    0..more.map_or(SEEDS, |text| text.parse().expect("SANSMQ_RAFT_SEEDS is a number"))
}

#[test]
fn nothing_acknowledged_is_lost_and_no_term_has_two_leaders() {
    let mut acked = 0;
    for seed in seeds() {
        let run = std::panic::catch_unwind(|| history(seed));
        let (trace, count) = run.unwrap_or_else(|_| panic!("seed {seed}"));
        acked += count;
        if seed % 8 == 0 {
            assert_eq!(history(seed).0, trace, "seed {seed} is not reproducible");
        }
    }
    let histories = usize::try_from(seeds().end).expect("small");
    assert!(acked > histories * 10, "hardly anything was acknowledged: {acked} in {histories} histories");
}
