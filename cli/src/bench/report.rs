//! What a run came to, as a table or as one line of JSON.

use sansmq_core::json::{Json, Style, write_compact};
use std::io::Write;

use super::cpu::{self, Times};
use super::engine::Outcome;
use super::options::Plan;
use crate::app::World;
use crate::failure::Failure;
use crate::text::fixed;

/// A run being measured, then its result.
pub struct Report {
    title: &'static str,
    connections: usize,
    depth: u32,
    batch: i32,
    headers: &'static str,
    /// Bytes per body, where this side decides.
    size: Option<usize>,
    json: bool,
    pid: Option<u32>,
    before: Option<Times>,
    server: Option<Times>,
    outcome: Outcome,
}

impl Report {
    /// Notes the server's processor time so far.
    ///
    /// # Errors
    /// [`Failure::Input`] when there is no such process.
    pub fn start(
        plan: &Plan,
        title: &'static str,
        connections: usize,
        size: Option<usize>,
    ) -> Result<Report, Failure> {
        let before = match plan.pid {
            None => None,
            Some(pid) => {
                Some(cpu::of(pid).ok_or_else(|| Failure::input(format!("--pid {pid}: no such process")))?)
            }
        };
        Ok(Report {
            title,
            connections,
            depth: plan.depth,
            batch: plan.batch,
            headers: if plan.encoding == sansmq_core::wire::Encoding::Json { "json" } else { "binary" },
            size,
            json: plan.json,
            pid: plan.pid,
            before,
            server: None,
            outcome: Outcome::default(),
        })
    }

    /// Takes the outcome and the processor time since the start.
    pub fn finish(&mut self, outcome: Outcome) {
        let after = self.pid.and_then(cpu::of);
        self.server = after.zip(self.before).map(|(after, before)| after.since(before));
        self.outcome = outcome;
    }

    /// Prints the result.
    ///
    /// # Errors
    /// When not a single message got through although requests were made.
    pub fn print(&self, world: &mut World) -> Result<(), Failure> {
        if self.json {
            writeln!(world.out, "{}", write_compact(&self.to_json(), Style::Fastjson))?;
        } else {
            self.table(&mut world.out)?;
        }
        match self.outcome.errors.iter().next() {
            Some((code, (_, remark))) if self.outcome.messages == 0 => {
                Err(Failure::Refused { code: *code, desc: remark.clone(), broker: None })
            }
            _ => Ok(()),
        }
    }

    #[allow(clippy::cast_precision_loss)] // counts stay far below 2^53
    fn per_second(&self, amount: u64) -> f64 {
        amount as f64 / self.outcome.elapsed.as_secs_f64().max(1e-9)
    }

    /// Microseconds of user and system time per message.
    #[allow(clippy::cast_precision_loss)]
    fn per_message(&self) -> Option<(f64, f64)> {
        let messages = self.outcome.messages.max(1) as f64;
        let micros = |time: std::time::Duration| time.as_secs_f64() * 1e6 / messages;
        self.server.map(|times| (micros(times.user), micros(times.system)))
    }

    /// Quantiles of the latency in microseconds: p50, p99, p99.9, max.
    #[allow(clippy::cast_precision_loss)]
    fn latencies(&self) -> [(&'static str, f64); 4] {
        let latency = &self.outcome.latency;
        [
            ("p50", latency.quantile(0.5)),
            ("p99", latency.quantile(0.99)),
            ("p99.9", latency.quantile(0.999)),
            ("max", latency.max()),
        ]
        .map(|(name, ns)| (name, ns as f64 / 1000.0))
    }

    fn table(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let size = self.size.map(|size| format!(", {size} bytes")).unwrap_or_default();
        writeln!(
            out,
            "{}: {} connections, depth {}, batch {}{size}, {} headers",
            self.title, self.connections, self.depth, self.batch, self.headers
        )?;
        let run = &self.outcome;
        writeln!(out, "{:<14} {} in {} requests", "messages", run.messages, run.requests)?;
        writeln!(out, "{:<14} {} s", "time", fixed(run.elapsed.as_secs_f64(), 3))?;
        writeln!(
            out,
            "{:<14} {} msg/s, {} MB/s",
            "rate",
            fixed(self.per_second(run.messages), 0),
            fixed(self.per_second(run.bytes) / 1e6, 1)
        )?;
        let shown = self.latencies().map(|(name, us)| format!("{name} {} us", fixed(us, 0)));
        writeln!(out, "{:<14} {}", "latency", shown.join(", "))?;
        for (code, (count, remark)) in &run.errors {
            let remark = remark.lines().next().unwrap_or_default();
            writeln!(out, "{:<14} {count} x CODE: {code}  DESC: {remark}", "errors")?;
        }
        if let Some((user, system)) = self.per_message() {
            writeln!(
                out,
                "{:<14} {} us/msg (user {}, system {})",
                "server cpu",
                fixed(user + system, 2),
                fixed(user, 2),
                fixed(system, 2)
            )?;
        }
        Ok(())
    }

    fn to_json(&self) -> Json {
        let whole = |n: u64| Json::Int(i64::try_from(n).unwrap_or(i64::MAX));
        let tenth = |x: f64| Json::Float((x * 10.0).round() / 10.0);
        let run = &self.outcome;
        let latency = self.latencies();
        let errors = run.errors.iter().map(|(code, (count, _))| (code.to_string(), whole(*count)));
        let errors: Vec<(String, Json)> = errors.collect();
        let cpu = self.per_message().map(|(user, system)| {
            let hundredth = |x: f64| Json::Float((x * 100.0).round() / 100.0);
            Json::object([
                ("usPerMessage", hundredth(user + system)),
                ("user", hundredth(user)),
                ("system", hundredth(system)),
            ])
        });
        Json::object([
            ("benchmark", Json::Str(self.title.to_owned())),
            ("connections", whole(self.connections as u64)),
            ("depth", whole(u64::from(self.depth))),
            ("batch", Json::Int(i64::from(self.batch))),
            ("headers", Json::Str(self.headers.to_owned())),
            ("size", self.size.map_or(Json::Null, |size| whole(size as u64))),
            ("messages", whole(run.messages)),
            ("requests", whole(run.requests)),
            ("seconds", Json::Float(run.elapsed.as_secs_f64())),
            ("messagesPerSecond", tenth(self.per_second(run.messages))),
            ("megabytesPerSecond", tenth(self.per_second(run.bytes) / 1e6)),
            ("latencyMicros", Json::object(latency.iter().map(|(name, us)| (*name, tenth(*us))))),
            ("errors", Json::object(errors.iter().map(|(code, n)| (code.as_str(), n.clone())))),
            ("serverCpu", cpu.unwrap_or(Json::Null)),
        ])
    }
}
