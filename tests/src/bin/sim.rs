//! Lives any number of histories of a simulated cluster:
//! `sim [--histories N] [--seed S] [--threads T] [--scenario NAME] [--trace]`.
//! A failure names its seed; `--histories 1 --seed S --trace` lives it again and shows what happened.

use std::process::ExitCode;
use std::time::Instant;

use sansmq_tests::sim::{Plan, Scenario, run_many};

struct Wanted {
    plan: Plan,
    histories: u64,
    threads: u64,
}

fn parse() -> Result<Wanted, String> {
    let mut wanted = Wanted { plan: Plan { seed: 1, ..Plan::default() }, histories: 100, threads: 2 };
    let mut args = std::env::args().skip(1);
    while let Some(key) = args.next() {
        if key == "--trace" {
            wanted.plan.loud = true;
            // what the servers log goes in between, by the real clock
            let log = tracing_subscriber::fmt().with_env_filter("warn").without_time().with_ansi(false);
            log.init();
            continue;
        }
        let value = args.next().ok_or_else(|| format!("{key} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{key}: \"{value}\" is no number"));
        match key.as_str() {
            "--histories" => wanted.histories = number()?,
            "--seed" => wanted.plan.seed = number()?,
            "--threads" => wanted.threads = number()?,
            "--scenario" => {
                let names: Vec<&str> = Scenario::ALL.iter().map(|entry| entry.0).collect();
                wanted.plan.scenario = Scenario::from_name(&value)
                    .ok_or_else(|| format!("there is no scenario \"{value}\", but {}", names.join(", ")))?;
            }
            _ => {
                return Err(format!(
                    "unknown option {key}; there are --histories, --seed, --threads, --scenario, --trace"
                ));
            }
        }
    }
    Ok(wanted)
}

fn main() -> ExitCode {
    let wanted = match parse() {
        Ok(wanted) => wanted,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    let begun = Instant::now();
    let tally = run_many(&wanted.plan, wanted.histories, wanted.threads);
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{} histories in {seconds:.1} s ({:.1}/s), {} virtual s, {} steps; {} acknowledged, {} refused; \
         available again within {} ms, whole within {} ms; {} failed",
        tally.histories,
        tally.histories as f64 / seconds,
        tally.ms / 1_000,
        tally.steps,
        tally.acknowledged,
        tally.refused,
        tally.slowest_available_ms,
        tally.slowest_whole_ms,
        tally.failed.len()
    );
    println!("{}", tally.coverage.table());
    for report in &tally.failed {
        println!("seed {}: {}", report.seed, report.broken.join("\n    "));
    }
    if tally.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
