//! A simulated cluster of three controllers and three brokers lives random histories, and one scenario for each known
//! failure of the reference. `SANSMQ_SIM_HISTORIES` and `SANSMQ_SIM_SEED` ask for more or others; the `sim` command
//! lives any number, and one again with all that happens in it.
//!
//! Each scenario says which line of the servers guards it: the one that asks for the planted bug of that name. With the bug
//! the line is without effect, and the scenario fails (`sim --planted NAME`).

use sansmq_tests::sim::{Plan, Scenario, Tally, run, run_many};

/// Random histories of a usual run.
const HISTORIES: u64 = 80;
/// Seeds of each scenario.
const SEEDS: u64 = 6;
/// Of those that take long, or differ little from seed to seed.
const FEW: u64 = 3;

fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn threads() -> u64 {
    std::thread::available_parallelism().map_or(1, |n| n.get() as u64)
}

#[test]
fn random_histories_keep_every_promise() {
    let seed = asked("SANSMQ_SIM_SEED").unwrap_or(1_000);
    let plan = Plan { seed, ..Plan::default() };
    let histories = asked("SANSMQ_SIM_HISTORIES").unwrap_or(HISTORIES);
    let tally = run_many(&plan, histories, threads(), &|_| {});
    assert!(tally.acknowledged > histories * 20, "the clients hardly got to send: {}", tally.acknowledged);
    assert_whole(&tally, "sim --replay SEED shows what happened");
}

fn scenario(scenario: Scenario) {
    scenario_of(scenario, SEEDS);
}

fn scenario_of(scenario: Scenario, seeds: u64) {
    let tally = run_many(&Plan { seed: 1, scenario, ..Plan::default() }, seeds, 1, &|_| {});
    assert!(tally.acknowledged > seeds * 10);
    assert_whole(&tally, &format!("{scenario:?}"));
}

fn assert_whole(tally: &Tally, context: &str) {
    let failed: Vec<_> = tally.failed.iter().map(|report| (report.seed, &report.broken)).collect();
    assert!(failed.is_empty(), "{context}: {failed:#?}");
}

/// Both ends of a connection were stopped when it was reset, and what the first to go on then wrote still came to the other:
/// bytes with a gap before them, which no TCP delivers, and which a replica appended.
#[test]
fn a_connection_that_is_gone_carries_nothing_to_a_process_that_was_stopped() {
    let tally = run_many(&Plan { seed: 430_007, ..Plan::default() }, 1, 1, &|_| {});
    assert_whole(&tally, "sim --replay 430007 shows what happened");
}

/// A replica that came back had all of the log, and not a topic created while it was away; it came into the set, was elected
/// when its master was removed, and the topic was gone.
#[test]
fn a_replica_that_lacks_a_topic_does_not_come_into_the_set() {
    let tally = run_many(&Plan { seed: 509_735, ..Plan::default() }, 1, 1, &|_| {});
    assert_whole(&tally, "sim --replay 509735 shows what happened");
}

/// Guard: `store/src/mapped.rs`, at `cut-in-memory`.
#[test]
fn kf_01_a_cut_log_stays_cut_whenever_the_power_fails() {
    scenario(Scenario::Kf01);
}

/// Guard: `core/src/ha/epoch.rs`, at `epoch-dropped`.
#[test]
fn kf_02_epochs_without_messages_count() {
    scenario(Scenario::Kf02);
}

/// Guard: `core/src/ha/sync_set.rs`, at `grown-set-late`.
#[test]
fn kf_04_a_set_that_grows_without_an_answer_loses_nothing() {
    scenario(Scenario::Kf04);
}

/// Guard: `core/src/ha/sync_set.rs`, at `unknown-member`.
#[test]
fn kf_05_nothing_is_shown_that_is_taken_back() {
    scenario(Scenario::Kf05);
}

/// Guard: `core/src/broker/replicas/mod.rs`, at `lease-unchecked`.
#[test]
fn kf_06_two_masters_never_both_acknowledge() {
    scenario(Scenario::Kf06);
}

/// Guard: `core/src/broker/ha/replica.rs`, at `acked-from-memory`.
#[test]
fn kf_10_what_a_replica_acknowledges_is_on_its_disk() {
    scenario_of(Scenario::Kf10, FEW);
}

/// Guard: `core/src/controller/policy.rs`, at `non-member-elected`.
#[test]
fn kf_12_the_replica_that_is_behind_is_not_elected() {
    scenario(Scenario::Kf12);
}

/// Guard: `core/src/broker/metadata/serve.rs`, at `topic-alone`.
#[test]
fn kf_13_topics_survive_their_master() {
    scenario(Scenario::Kf13);
}

/// Guard: `core/src/broker/offsets.rs`, at `offsets-uncut`.
#[test]
fn kf_15_what_points_into_the_log_is_cut_with_it() {
    scenario(Scenario::Kf15);
}

/// Guard: `core/src/broker/metadata/bundle.rs`, at `offsets-stay`.
#[test]
fn kf_22_committed_offsets_do_not_fall_back() {
    scenario(Scenario::Kf22);
}

/// Guard: `core/src/controller/liveness.rs`, at `silence-forgiven`.
#[test]
fn kf_30_a_hung_master_is_replaced_and_a_dead_follower_changes_nothing() {
    scenario_of(Scenario::Kf30, FEW);
}

/// Guard: `core/src/broker/replicas/answers.rs`, at `notices-only`.
#[test]
fn kf_31_an_election_nobody_heard_of_is_found_out() {
    scenario_of(Scenario::Kf31, FEW);
}

/// Guard: `core/src/ha/slave.rs`, at `dawdling-replica`.
#[test]
fn kf_33_two_masters_may_die_one_after_the_other() {
    scenario_of(Scenario::Kf33, FEW);
}

/// Guard: `core/src/ha/slave.rs`, at `outside-unseen`.
#[test]
fn kf_38_a_replica_that_was_away_past_retention_follows_again() {
    scenario_of(Scenario::Kf38, FEW);
}

/// Guard: `core/src/controller/election.rs`, at `handover-at-once`.
#[test]
fn a_master_whose_mastership_was_handed_over_acknowledges_nothing_more() {
    scenario_of(Scenario::Handover, FEW);
}

#[test]
fn a_seed_lives_the_same_history_again() {
    for (scenario, seed) in
        [(Scenario::Random, 3), (Scenario::Random, 11), (Scenario::Kf06, 5), (Scenario::Kf01, 2)]
    {
        let plan = Plan { seed, scenario, ..Plan::default() };
        let (one, two) = (run(&plan), run(&plan));
        let parts = one.lines.iter().zip(&two.lines).find(|(a, b)| a != b);
        assert_eq!(parts, None, "seed {seed} of {scenario:?}");
        assert_eq!((one.trace, one.steps), (two.trace, two.steps), "seed {seed} of {scenario:?}");
        let other = run(&Plan { seed: seed + 1, ..plan });
        assert_ne!(one.trace, other.trace, "the seed makes no difference");
    }
}
