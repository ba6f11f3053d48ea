//! Bugs that are planted to see whether the simulation finds them. A bug that lives through 2,000 histories shows an
//! invariant, or a fault, that is missing here.
//!
//! Each is a line of the servers that asks `planted::is` with the bug's name; the build has to have the feature
//! `planted-bugs`. A new one needs that line, and an entry here.

use super::history::{Plan, Report};
use super::scenarios::Scenario;
use super::swarm::Classes;
use super::tally::run_many;

/// A bug that can be planted.
#[derive(Clone, Copy, Debug)]
pub struct Planted {
    pub name: &'static str,
    /// What the servers do then.
    pub does: &'static str,
    /// Where it is planted.
    pub file: &'static str,
    /// The histories that are to find it, and the classes of faults they have instead of those the seed chooses.
    pub scenario: Scenario,
    pub only: Option<&'static str>,
}

/// Histories a bug is given.
pub const LIMIT: u64 = 2_000;

/// A bug that is planted in this file.
const fn bug(name: &'static str, file: &'static str, does: &'static str) -> Planted {
    Planted { name, does, file, scenario: Scenario::Random, only: None }
}

impl Planted {
    /// It takes away what guards a scenario.
    const fn in_scenario(self, scenario: Scenario) -> Self {
        Planted { scenario, ..self }
    }

    /// Faults of these classes find it sooner than any.
    const fn under(self, only: &'static str) -> Self {
        Planted { only: Some(only), ..self }
    }
}

pub const ALL: [Planted; 27] = [
    bug("early-ack", "core/src/broker/waiting.rs", "a send is acknowledged before replicas have it"),
    bug(
        "acked-from-memory",
        "core/src/broker/ha/replica.rs",
        "a replica acknowledges what it has not flushed",
    )
    .in_scenario(Scenario::Kf10),
    bug("skipped-fsync", "store/src/jobs.rs", "a flush of the log says that it is done, and is not")
        .under("power,slow"),
    bug("confirm-alone", "core/src/ha/sync_set.rs", "the confirm offset follows the master's own log"),
    bug("seen-early", "core/src/broker/mod.rs", "consumers see what is not confirmed"),
    bug("shrunk-set-early", "core/src/ha/sync_set.rs", "a smaller set counts when it is asked for"),
    bug("grown-set-late", "core/src/ha/sync_set.rs", "a larger set counts only when its answer came")
        .in_scenario(Scenario::Kf04),
    bug("unknown-member", "core/src/ha/sync_set.rs", "a member nobody heard of does not block")
        .in_scenario(Scenario::Kf05),
    bug("epoch-unnoted", "core/src/ha/slave.rs", "a replica does not note the epochs of what it gets"),
    bug("epoch-dropped", "core/src/ha/epoch.rs", "an epoch in which nothing was written is not noted")
        .in_scenario(Scenario::Kf02),
    bug("epoch-again", "core/src/controller/apply.rs", "a new master gets the epoch of the old one"),
    bug("non-member-elected", "core/src/controller/policy.rs", "a replica outside the set is elected")
        .in_scenario(Scenario::Kf12),
    bug("lease-unchecked", "core/src/broker/replicas/mod.rs", "a master acknowledges without a lease")
        .in_scenario(Scenario::Kf06),
    bug("handover-at-once", "core/src/controller/election.rs", "a new master does not await the old lease")
        .in_scenario(Scenario::Handover),
    bug("vote-in-memory", "core/src/raft/storage.rs", "a controller votes before its vote is on disk")
        .under("power,crash"),
    bug("raft-log-unsynced", "store/src/raft/mod.rs", "entries of the controllers' log are not flushed")
        .under("power,crash"),
    bug("cut-too-late", "core/src/ha/epoch.rs", "a log is cut where its own epoch ends, not the master's"),
    bug(
        "end-is-trusted",
        "core/src/ha/slave.rs",
        "a replica goes on where it ends, without comparing epochs",
    ),
    bug(
        "outside-unseen",
        "core/src/ha/slave.rs",
        "a replica does not see that its master's log begins later",
    )
    .in_scenario(Scenario::Kf38),
    bug("cut-in-memory", "store/src/mapped.rs", "what is cut off the log stays on the device")
        .in_scenario(Scenario::Kf01),
    bug("torn-tail", "store/src/recovery.rs", "recovery keeps records that do not match their checksum")
        .under("power,slow"),
    bug("topic-alone", "core/src/broker/metadata/serve.rs", "a topic is created before replicas have it")
        .in_scenario(Scenario::Kf13),
    bug("offsets-stay", "core/src/broker/metadata/bundle.rs", "slaves take no consumer offsets")
        .in_scenario(Scenario::Kf22),
    bug("offsets-uncut", "core/src/broker/offsets.rs", "offsets stay where they are when the log is cut")
        .in_scenario(Scenario::Kf15),
    bug("silence-forgiven", "core/src/controller/liveness.rs", "a broker that is silent lives for ever")
        .in_scenario(Scenario::Kf30),
    bug("notices-only", "core/src/broker/replicas/answers.rs", "brokers do not ask who was elected")
        .in_scenario(Scenario::Kf31),
    bug("dawdling-replica", "core/src/ha/slave.rs", "a replica takes its time to dial a new master")
        .in_scenario(Scenario::Kf33),
];

/// The bug of this name.
#[must_use]
pub fn named(name: &str) -> Option<Planted> {
    ALL.into_iter().find(|bug| bug.name == name)
}

/// What became of a bug.
#[derive(Debug)]
pub struct Caught {
    /// Histories lived until it was found.
    pub histories: u64,
    pub report: Report,
}

/// Plants a bug and lives histories like this one, with seeds that count up, until one is broken.
#[must_use]
pub fn hunt(bug: Planted, like: &Plan, limit: u64, threads: u64) -> Option<Caught> {
    let only = bug.only.and_then(|names| Classes::parse(names).ok());
    let group = threads * 4;
    let mut lived = 0;
    while lived < limit {
        let count = group.min(limit - lived);
        let seed = like.seed.wrapping_add(lived);
        let plan = Plan {
            seed,
            scenario: bug.scenario,
            only: only.or(like.only),
            planted: Some(bug.name),
            ..like.clone()
        };
        let first = run_many(&plan, count, threads, &|_| {}).failed.into_iter().next();
        if let Some(report) = first {
            return Some(Caught { histories: report.seed.wrapping_sub(like.seed) + 1, report });
        }
        lived += count;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_bug_is_planted_where_the_list_says() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut names: Vec<&str> = Vec::new();
        for bug in ALL {
            let Ok(text) = std::fs::read_to_string(root.join(bug.file)) else {
                panic!("{} is missing", bug.file)
            };
            assert!(text.contains(&format!("planted::is(\"{}\")", bug.name)), "{} in {}", bug.name, bug.file);
            assert!(bug.only.is_none_or(|names| Classes::parse(names).is_ok()), "{}", bug.name);
            assert!(!names.contains(&bug.name) && named(bug.name).is_some(), "{} twice", bug.name);
            names.push(bug.name);
        }
    }

    #[test]
    fn every_scenario_has_a_bug_that_takes_its_guard_away() {
        for (name, scenario) in Scenario::ALL.into_iter().filter(|entry| entry.1 != Scenario::Random) {
            assert!(ALL.iter().any(|bug| bug.scenario == scenario), "{name}");
        }
    }

    #[test]
    fn no_other_bugs_are_planted() {
        fn look(dir: &Path) {
            let Ok(entries) = std::fs::read_dir(dir) else { panic!("{} cannot be read", dir.display()) };
            for path in entries.flatten().map(|entry| entry.path()) {
                if path.is_dir() {
                    look(&path);
                } else if let Ok(text) = std::fs::read_to_string(&path) {
                    for part in text.split("planted::is(\"").skip(1) {
                        let name = part.split('"').next().unwrap_or_default();
                        assert!(
                            named(name).is_some(),
                            "{} asks for {name}, which is not listed",
                            path.display()
                        );
                    }
                }
            }
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        ["core/src", "store/src", "host/src"].iter().for_each(|dir| look(&root.join(dir)));
    }
}
