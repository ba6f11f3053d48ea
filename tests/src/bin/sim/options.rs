//! The command line.

use std::path::PathBuf;

use clap::Parser;
use sansmq_tests::sim::{Classes, Plan, Scenario, planted};

/// Lives histories of a simulated cluster: three controllers, three brokers and their clients on simulated disks, clocks
/// and network, all from one seed. Ends with 1 if something was broken.
#[derive(Debug, Parser)]
#[command(name = "sim", disable_version_flag = true)]
pub struct Options {
    /// How many histories, with seeds that count up: 100 if not given, 2000 for each planted bug
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: Option<u64>,
    /// The first seed
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub from: u64,
    /// Histories at once; one for each processor if not given
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u64).range(1..=1024))]
    threads: Option<u64>,
    /// Only faults of these classes, with commas between them, in place of those each seed chooses
    #[arg(long, value_name = "FAULTS", value_parser = Classes::parse)]
    only: Option<Classes>,
    /// What the histories are about
    #[arg(long, value_name = "NAME", default_value = "random", value_parser = scenario)]
    scenario: Scenario,
    /// Only the faults at these places of the schedule, with commas between them
    #[arg(long, value_name = "INDICES", value_parser = indices)]
    keep: Option<Indices>,
    /// How long faults come, in virtual milliseconds, in place of what each seed chooses
    #[arg(long, value_name = "MS")]
    ms: Option<u64>,
    /// Print every line of the trace as it happens, and the servers' warnings in between
    #[arg(long)]
    pub trace: bool,
    /// Live the history of this seed, and tell what happened in it
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seeds", "from"])]
    pub replay: Option<u64>,
    /// Look for a shorter schedule that fails as well, for the history that is replayed or the first that fails
    #[arg(long)]
    pub shrink: bool,
    /// Write a page with a picture of every history that failed, or of the one that is replayed
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
    /// Print the hash of each history's trace, to compare two builds
    #[arg(long, conflicts_with_all = ["replay", "shrink", "report", "trace"])]
    pub hash: bool,
    /// Plant a bug and see whether it is found: its name, or "all" for each in turn. Needs a build with
    /// `--features planted-bugs`. With --replay the history is lived with the bug in it
    #[arg(long, value_name = "BUG", value_parser = bug, conflicts_with = "hash")]
    pub planted: Option<&'static str>,
}

/// All bugs, one after the other.
pub const ALL_BUGS: &str = "all";

fn bug(name: &str) -> Result<&'static str, String> {
    if !sansmq_core::planted::POSSIBLE {
        return Err("this build has no bugs to plant; build it with --features planted-bugs".to_owned());
    }
    if name == ALL_BUGS {
        return Ok(ALL_BUGS);
    }
    let names: Vec<&str> = planted::ALL.iter().map(|bug| bug.name).collect();
    planted::named(name)
        .map(|bug| bug.name)
        .ok_or_else(|| format!("there is no bug of that name, but {}", names.join(", ")))
}

#[derive(Clone, Debug)]
struct Indices(Vec<usize>);

fn indices(text: &str) -> Result<Indices, String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let numbers: Result<Vec<usize>, _> = parts.map(str::parse).collect();
    numbers.map(Indices).map_err(|_| "these are no numbers with commas between them".to_owned())
}

fn scenario(name: &str) -> Result<Scenario, String> {
    let names: Vec<&str> = Scenario::ALL.iter().map(|entry| entry.0).collect();
    Scenario::from_name(name)
        .ok_or_else(|| format!("there is no scenario of that name, but {}", names.join(", ")))
}

impl Options {
    /// The first history that is asked for.
    #[must_use]
    pub fn plan(&self) -> Plan {
        Plan {
            seed: self.replay.unwrap_or(self.from),
            scenario: self.scenario,
            only: self.only,
            keep: self.keep.clone().map(|keep| keep.0),
            ms: self.ms,
            loud: self.trace,
            planted: self.planted,
        }
    }

    #[must_use]
    pub fn seeds(&self) -> u64 {
        self.seeds.unwrap_or(if self.planted.is_some() { planted::LIMIT } else { 100 })
    }

    /// Lines of histories that are told while they happen must not mix.
    #[must_use]
    pub fn threads(&self) -> u64 {
        let all = || std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
        if self.trace { 1 } else { self.threads.unwrap_or_else(all) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, clap::Error> {
        Options::try_parse_from(std::iter::once("sim").chain(line.split_whitespace()))
    }

    #[test]
    fn options_make_a_plan() {
        let Ok(options) = parse("--replay 7 --only crash,power --keep 1,4 --ms 300 --scenario kf-06") else {
            panic!("these are options");
        };
        let plan = options.plan();
        assert_eq!((plan.seed, plan.scenario, plan.ms), (7, Scenario::Kf06, Some(300)));
        assert_eq!(plan.keep, Some(vec![1, 4]));
        assert_eq!(plan.only.map(|only| only.to_string()), Some("crash,power".to_owned()));
        assert_eq!(plan.command(), "sim --replay 7 --scenario kf-06 --only crash,power --keep 1,4 --ms 300");
    }

    #[test]
    fn wrong_options_are_named() {
        for (line, what) in [
            ("--seeds 0", "--seeds"),
            ("--from x", "--from"),
            ("--only flood", "flood"),
            ("--scenario nothing", "kf-06"),
            ("--keep 1,b", "--keep"),
            ("--replay 3 --seeds 5", "--seeds"),
            ("--bogus", "--bogus"),
        ] {
            let error = parse(line).map(|_| ()).map_err(|error| (error.exit_code(), error.to_string()));
            let Err((code, text)) = error else { panic!("{line} is taken") };
            assert_eq!(code, 2, "{line}");
            assert!(text.contains(what), "{line}: {text}");
        }
    }
}
