//! `benchmark suite`: the same cases against any broker, as a table.
//!
//! It starts nothing: what is measured, and how it is configured, is whatever answers at the address. `scripts/compare`
//! runs it against the reference and ours in turn.

mod arrival;
mod case;
mod many;
mod probe;
mod table;

use sansmq_core::body::TopicConfig;
use sansmq_core::json::{Json, Style, write_compact};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use super::consumer::Pulling;
use super::engine::Outcome;
use super::options::{PID, Plan, within};
use super::producer::{self, MOST_TEMPLATES};
use super::targets::deal;
use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};
use case::{Case, Kind};
use many::QUEUES;
use probe::Probe;
use table::Row;

/// The command.
pub struct BenchmarkSuite;

static SPEC: Spec = Spec {
    name: "benchmark suite",
    about: "Measure a broker in many ways and write a table.",
    options: &[
        arg("b", "brokerAddr", "the broker").required(),
        PID,
        arg("", "cases", "beginnings of the cases' names, separated by commas, default: all"),
        arg("", "seconds", "how long a run of a case takes, default: 3"),
        arg("", "runs", "runs of each case, of which the medians are shown, default: 1"),
        arg("", "topics", "topics of the case with many of them, default: 10000"),
        arg(
            "",
            "before-cold",
            "a shell command that makes the server's files cold; without it nothing cold is read",
        ),
        arg("", "label", "what the table is called, default: the address"),
        arg("", "out", "write the table to FILE.md and FILE.json as well"),
    ],
};

/// What is the same for all cases.
struct Suite {
    broker: String,
    pid: Option<u32>,
    seconds: Duration,
    runs: usize,
    topics: usize,
    before_cold: Option<String>,
}

impl Command for BenchmarkSuite {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let beginnings: Vec<&str> =
            args.get("cases").map(|list| list.split(',').collect()).unwrap_or_default();
        let cases = case::chosen(&beginnings).map_err(Failure::input)?;
        let suite = Suite {
            broker: args.get("b").unwrap_or_default().to_owned(),
            pid: within(args, "pid", 1, u32::MAX)?,
            seconds: Duration::from_secs_f64(within(args, "seconds", 0.01, 1e6)?.unwrap_or(3.0)),
            runs: within(args, "runs", 1, 1_000)?.unwrap_or(1),
            topics: within(args, "topics", 1, 100_000)?.unwrap_or(10_000),
            before_cold: args.get("before-cold").map(str::to_owned),
        };
        if let Some(pid) = suite.pid
            && probe::resident(pid).is_none()
        {
            return Err(Failure::input(format!("--pid {pid}: no such process")));
        }
        let mut rows = Vec::new();
        for case in cases {
            if case.kind == Kind::PullCold && suite.before_cold.is_none() {
                writeln!(world.err, "{}: left out, there is no --before-cold", case.name)?;
                continue;
            }
            let runs = (0..suite.runs).map(|_| suite.measure(world, case));
            let row = Row::median(&runs.collect::<Result<Vec<Row>, Failure>>()?);
            writeln!(world.err, "{}: {:.0} messages/s", row.name, row.per_second)?;
            rows.push(row);
        }
        let label = args.get("label").unwrap_or(&suite.broker);
        let markdown = table::markdown(label, &rows);
        if let Some(out) = args.get("out") {
            let all = Json::Array(rows.iter().map(Row::to_json).collect());
            let json = Json::object([("label", Json::Str(label.to_owned())), ("cases", all)]);
            write_file(&format!("{out}.json"), &write_compact(&json, Style::Fastjson))?;
            write_file(&format!("{out}.md"), &markdown)?;
        }
        write!(world.out, "{markdown}")?;
        Ok(())
    }
}

fn write_file(path: &str, text: &str) -> Result<(), Failure> {
    std::fs::write(Path::new(path), text).map_err(|error| Failure::input(format!("{path}: {error}")))
}

impl Suite {
    fn measure(&self, world: &mut World, case: &Case) -> Result<Row, Failure> {
        let plan = case.plan(&self.broker, self.seconds, self.pid);
        if case.kind != Kind::ManyTopics {
            world.put_topic(&self.broker, &TopicConfig::new(plan.topic.as_str(), QUEUES, 6), "")?;
        }
        if case.kind == Kind::PullCold {
            self.make_cold()?;
        }
        let idle = match case.kind {
            Kind::BesideIdle(count) => many::idle(&self.broker, count),
            _ => Vec::new(),
        };
        let (outcome, note, seen) = if case.kind == Kind::ManyTopics {
            many::topics(world, &plan, case, self.topics)?
        } else {
            let probe = Probe::start(self.pid);
            let outcome = self.act(world, case, &plan)?;
            let note = match idle.len() {
                0 => String::new(),
                idle => format!("{} connections in all", idle + case.connections),
            };
            (outcome, note, probe.end())
        };
        drop(idle);
        Ok(Row { note, ..Row::new(case, &outcome, seen) })
    }

    fn act(&self, world: &mut World, case: &Case, plan: &Plan) -> Result<Outcome, Failure> {
        let queues = (0..QUEUES).map(|id| many::queue(&self.broker, &plan.topic, id));
        let links = deal(queues.collect(), plan.connections);
        match case.kind {
            Kind::PullWarm | Kind::PullCold => Pulling::new(world, plan, &links)?.run(plan, &links),
            Kind::EndToEnd => self.arrival(world, case, plan, 1),
            Kind::FanOut(groups) => self.arrival(world, case, plan, groups),
            Kind::Send | Kind::BesideIdle(_) | Kind::ManyTopics => {
                producer::measure(plan, &links, case.size, (world.now)(), MOST_TEMPLATES)
            }
        }
    }

    fn arrival(
        &self,
        world: &mut World,
        case: &Case,
        plan: &Plan,
        groups: usize,
    ) -> Result<Outcome, Failure> {
        arrival::measure(world, plan, &many::queue(&self.broker, &plan.topic, 0), case.size, groups)
    }

    fn make_cold(&self) -> Result<(), Failure> {
        let command = self.before_cold.as_deref().unwrap_or_default();
        let status = std::process::Command::new("sh").args(["-c", command]).status();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Failure::input(format!("--before-cold {command}: {status}"))),
            Err(error) => Err(Failure::input(format!("--before-cold {command}: {error}"))),
        }
    }
}
