//! `benchmark ratios`: tables of the suite beside each other, as ratios to the first.

use sansmq_core::json::{Json, parse};
use std::io::Write;

use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};
use crate::text::fixed;

/// The command.
pub struct BenchmarkRatios;

static SPEC: Spec = Spec {
    name: "benchmark ratios",
    about: "Compare tables of the suite with the first of them.",
    options: &[arg("", "tables", "JSON files the suite has written, separated by commas").required()],
};

/// What is compared: its name, where it is in a case, and whether more is better.
const FIGURES: [(&str, &[&[&str]], bool); 3] = [
    ("rate", &[&["messagesPerSecond"]], true),
    ("CPU", &[&["serverMicrosPerMessage", "user"], &["serverMicrosPerMessage", "system"]], false),
    ("p99", &[&["latencyMicros", "p99"]], false),
];

impl Command for BenchmarkRatios {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let tables: Vec<Json> =
            args.get("tables").unwrap_or_default().split(',').map(read).collect::<Result<_, _>>()?;
        let Some((first, others)) = tables.split_first() else { return Ok(()) };
        write!(world.out, "| case | {} |", label(first))?;
        for other in others {
            let columns = FIGURES.map(|(name, ..)| format!(" {}: {name} |", label(other)));
            write!(world.out, "{}", columns.concat())?;
        }
        writeln!(world.out, "\n|---|---|{}", "---|".repeat(others.len() * FIGURES.len()))?;
        for case in cases(first) {
            let name = case.get("case").and_then(Json::as_str).unwrap_or_default();
            let base: Vec<String> = FIGURES.iter().map(|(_, paths, _)| shown(figure(case, paths))).collect();
            write!(world.out, "| {name} | {} |", base.join(", "))?;
            for other in others {
                let same = cases(other).iter().find(|other| other.get("case") == case.get("case"));
                for (_, paths, more) in FIGURES {
                    let (own, base) = (same.and_then(|same| figure(same, paths)), figure(case, paths));
                    write!(world.out, " {} |", ratio(own, base, more))?;
                }
            }
            writeln!(world.out)?;
        }
        Ok(())
    }
}

fn read(path: &str) -> Result<Json, Failure> {
    let wrong = |why: String| Failure::input(format!("--tables {path}: {why}"));
    let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let table = parse(&text).map_err(|error| wrong(error.to_string()))?;
    if cases(&table).is_empty() {
        return Err(wrong("no table of a benchmark suite".to_owned()));
    }
    Ok(table)
}

fn label(table: &Json) -> &str {
    table.get("label").and_then(Json::as_str).unwrap_or("?")
}

fn cases(table: &Json) -> &[Json] {
    match table.get("cases") {
        Some(Json::Array(cases)) => cases,
        _ => &[],
    }
}

/// The sum of what stands at the paths; `None` unless all of it is there.
fn figure(case: &Json, paths: &[&[&str]]) -> Option<f64> {
    let one = |path: &&[&str]| match path.iter().try_fold(case, |at, name| at.get(name))? {
        Json::Float(x) => Some(*x),
        #[allow(clippy::cast_precision_loss)] // figures of a table
        Json::Int(n) => Some(*n as f64),
        _ => None,
    };
    paths.iter().map(one).sum()
}

fn shown(figure: Option<f64>) -> String {
    figure.map_or("–".to_owned(), |x| fixed(x, if x < 100.0 { 2 } else { 0 }))
}

/// How many times better than the base; what is worse is below 1.
fn ratio(own: Option<f64>, base: Option<f64>, more_is_better: bool) -> String {
    let (Some(own), Some(base)) = (own, base) else { return "–".to_owned() };
    if own <= 0.0 || base <= 0.0 {
        return "–".to_owned();
    }
    let times = if more_is_better { own / base } else { base / own };
    format!("{}×", fixed(times, if times < 10.0 { 2 } else { 0 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn better_is_above_one_whatever_the_figure() {
        assert_eq!(ratio(Some(30.0), Some(3.0), true), "10×");
        assert_eq!(ratio(Some(3.0), Some(30.0), false), "10×");
        assert_eq!(ratio(Some(3.0), Some(6.0), true), "0.50×");
        assert_eq!(ratio(None, Some(6.0), true), "–");
        let case = parse(br#"{"case":"x","serverMicrosPerMessage":{"user":1.5,"system":2}}"#).unwrap();
        assert_eq!(figure(&case, FIGURES[1].1), Some(3.5));
        assert_eq!(figure(&case, FIGURES[0].1), None);
    }
}
