//! The command that lives histories of a simulated cluster; `docs/simulation.md` tells how to use it.

mod hunt;
mod options;
mod progress;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser as _;
use options::Options;
use progress::Progress;
use sansmq_tests::sim::{Report, Tally, run_caught, run_many, shrink};

/// Failures that are told in full.
const TOLD: usize = 20;

fn main() -> ExitCode {
    let options = Options::parse();
    if options.trace {
        let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "warn".to_owned());
        tracing_subscriber::fmt().with_env_filter(filter).without_time().with_ansi(false).init();
    }
    let told = if options.hash {
        hashes(&options)
    } else if options.replay.is_some() {
        replay(&options)
    } else if let Some(bug) = options.planted {
        Ok(hunt::hunt(&options, bug))
    } else {
        many(&options)
    };
    match told {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

/// Many histories and their sum; true if all were good.
fn many(options: &Options) -> Result<bool, String> {
    let begun = Instant::now();
    let progress = Progress::new(options.seeds());
    let tally = run_many(&options.plan(), options.seeds(), options.threads(), &|tally| progress.show(tally));
    progress.end();
    sum(&tally, begun.elapsed().as_secs_f64(), options.threads());
    for report in tally.failed.iter().take(TOLD) {
        println!("seed {}: {}", report.seed, report.broken.join("\n    "));
        println!("    {}", report.plan.command());
    }
    if tally.failed.len() > TOLD {
        println!("... and {} more", tally.failed.len() - TOLD);
    }
    let mut shown: Vec<Report> = tally.failed.iter().take(TOLD).cloned().collect();
    if let Some(first) = tally.failed.first().filter(|_| options.shrink) {
        shown.extend(shorter(first));
    }
    write_report(options, &shown)?;
    Ok(tally.failed.is_empty())
}

fn sum(tally: &Tally, seconds: f64, threads: u64) {
    let rate = tally.histories as f64 / seconds.max(0.001);
    println!(
        "{} histories in {seconds:.1} s: {rate:.1} per second, {:.0} per minute and thread",
        tally.histories,
        rate * 60.0 / threads as f64
    );
    println!(
        "{} operations of clients ({} per history, at least {}): {} acknowledged, {} refused; {} virtual s, {} steps",
        tally.operations,
        tally.operations / tally.histories.max(1),
        tally.fewest_operations.unwrap_or(0),
        tally.acknowledged,
        tally.refused,
        tally.ms / 1_000,
        tally.steps
    );
    println!(
        "available again within {} ms and whole within {} ms of the last fault",
        tally.slowest_available_ms, tally.slowest_whole_ms
    );
    let (met, all) = tally.coverage.met();
    println!("\n{}{met} of {all} pairs of fault and state met\n", tally.coverage.table());
    println!("{} failed", tally.failed.len());
}

/// One history, told.
fn replay(options: &Options) -> Result<bool, String> {
    let report = run_caught(&options.plan());
    tell(&report);
    let mut shown = vec![report];
    if options.shrink {
        let first = shown[0].clone();
        if first.broken.is_empty() {
            println!("nothing is broken, there is nothing to shrink");
        }
        shown.extend(shorter(&first));
    }
    write_report(options, &shown)?;
    Ok(shown[0].broken.is_empty())
}

fn tell(report: &Report) {
    println!("{}", report.about);
    for strike in &report.schedule {
        let index = strike.index;
        println!("  {index:>2}: {:>6} ms after the start of the faults: {:?}", strike.at_ms, strike.fault);
    }
    println!("{}", report.story.tell());
    println!(
        "{} steps, {} virtual ms, {} operations, {} acknowledged, {} refused; trace {:016x}",
        report.steps, report.ms, report.operations, report.acknowledged, report.refused, report.trace
    );
    match report.broken.len() {
        0 => println!("nothing is broken"),
        count => println!("{count} broken:\n    {}", report.broken.join("\n    ")),
    }
}

/// The shortest history that fails like this one, told.
fn shorter(report: &Report) -> Option<Report> {
    let found = shrink(&report.plan)?;
    println!(
        "\nafter {} histories: {} of {} faults in {} ms fail as well; live it again with\n    {}",
        found.tried,
        found.report.schedule.len(),
        report.schedule.len(),
        found.report.faults_ms,
        found.report.plan.command()
    );
    tell(&found.report);
    Some(found.report)
}

fn write_report(options: &Options, shown: &[Report]) -> Result<(), String> {
    let Some(path) = &options.report else { return Ok(()) };
    std::fs::write(path, sansmq_tests::sim::page(shown))
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// A line for each history, to compare with those of another build.
fn hashes(options: &Options) -> Result<bool, String> {
    let first = options.plan();
    let mut good = true;
    for number in 0..options.seeds() {
        let report = run_caught(&first.with_seed(first.seed.wrapping_add(number)));
        println!("{} {:016x} {}", report.seed, report.trace, report.steps);
        good &= report.broken.is_empty();
    }
    Ok(good)
}
