//! Results, as JSON for `scripts/compare` and as Markdown to read.

use sansmq_core::json::Json;
use std::time::Duration;

use super::case::Case;
use super::probe::Seen;
use crate::bench::engine::Outcome;
use crate::text::fixed;

/// A case that was run, each figure the median of its runs.
#[derive(Clone, Debug, Default)]
pub struct Row {
    pub name: &'static str,
    pub messages: u64,
    pub per_second: f64,
    pub megabytes_per_second: f64,
    /// Microseconds: p50, p99, p99.9, max.
    pub latency: [f64; 4],
    /// Microseconds of the server per message: user, system.
    pub cpu: Option<[f64; 2]>,
    /// Bytes: resident, and of these mapped files.
    pub resident: Option<[f64; 2]>,
    pub syscalls: Option<f64>,
    pub errors: u64,
    /// What else is to be said.
    pub note: String,
}

const LATENCIES: [&str; 4] = ["p50", "p99", "p99.9", "max"];

impl Row {
    #[allow(clippy::cast_precision_loss)] // counts stay far below 2^53
    pub fn new(case: &Case, outcome: &Outcome, seen: Seen) -> Self {
        let messages = outcome.messages.max(1) as f64;
        let seconds = outcome.elapsed.as_secs_f64().max(1e-9);
        let micros = |time: Duration| time.as_secs_f64() * 1e6 / messages;
        let at = |share: f64| outcome.latency.quantile(share) as f64 / 1000.0;
        Row {
            name: case.name,
            messages: outcome.messages,
            per_second: outcome.messages as f64 / seconds,
            megabytes_per_second: outcome.bytes as f64 / seconds / 1e6,
            latency: [at(0.5), at(0.99), at(0.999), outcome.latency.max() as f64 / 1000.0],
            cpu: seen.cpu.map(|times| [micros(times.user), micros(times.system)]),
            resident: seen.resident.map(|(all, files)| [all as f64, files as f64]),
            syscalls: seen.syscalls.map(|count| count as f64 / messages),
            errors: outcome.errors.values().map(|(count, _)| count).sum(),
            note: String::new(),
        }
    }

    /// The median of each figure; errors are added up.
    pub fn median(rows: &[Row]) -> Row {
        let of = |figure: &dyn Fn(&Row) -> Option<f64>| {
            let mut all: Vec<f64> = rows.iter().filter_map(figure).collect();
            all.sort_by(f64::total_cmp);
            all.get(all.len() / 2).copied()
        };
        let pair = |figure: &dyn Fn(&Row) -> Option<[f64; 2]>| {
            let part = |at: usize| of(&|row: &Row| figure(row).map(|both| both[at]));
            part(0).zip(part(1)).map(|(a, b)| [a, b])
        };
        let last = rows.last().cloned().unwrap_or_default();
        Row {
            messages: rows.iter().map(|row| row.messages).sum(),
            per_second: of(&|row| Some(row.per_second)).unwrap_or(0.0),
            megabytes_per_second: of(&|row| Some(row.megabytes_per_second)).unwrap_or(0.0),
            latency: [0, 1, 2, 3].map(|at| of(&|row| Some(row.latency[at])).unwrap_or(0.0)),
            cpu: pair(&|row| row.cpu),
            resident: pair(&|row| row.resident),
            syscalls: of(&|row| row.syscalls),
            errors: rows.iter().map(|row| row.errors).sum(),
            ..last
        }
    }

    pub fn to_json(&self) -> Json {
        let number = |x: f64| Json::Float((x * 1000.0).round() / 1000.0);
        let pair = |names: [&'static str; 2], both: Option<[f64; 2]>| {
            both.map_or(Json::Null, |both| {
                Json::object([(names[0], number(both[0])), (names[1], number(both[1]))])
            })
        };
        let whole = |n: u64| Json::Int(i64::try_from(n).unwrap_or(i64::MAX));
        Json::object([
            ("case", Json::Str(self.name.to_owned())),
            ("messages", whole(self.messages)),
            ("messagesPerSecond", number(self.per_second)),
            ("megabytesPerSecond", number(self.megabytes_per_second)),
            (
                "latencyMicros",
                Json::object(LATENCIES.iter().zip(self.latency).map(|(name, us)| (*name, number(us)))),
            ),
            ("serverMicrosPerMessage", pair(["user", "system"], self.cpu)),
            ("serverBytes", pair(["resident", "ofThatFiles"], self.resident)),
            ("serverSyscallsPerMessage", self.syscalls.map_or(Json::Null, number)),
            ("errors", whole(self.errors)),
            ("note", Json::Str(self.note.clone())),
        ])
    }

    fn markdown(&self) -> String {
        let cpu = self.cpu.map_or("–".to_owned(), |[user, system]| {
            format!("{} ({} + {})", fixed(user + system, 2), fixed(user, 2), fixed(system, 2))
        });
        let memory = self.resident.map_or("–".to_owned(), |[all, files]| {
            format!("{} ({})", fixed(all / 1e6, 0), fixed((all - files) / 1e6, 0))
        });
        let calls = self.syscalls.map_or("–".to_owned(), |count| fixed(count, 2));
        let latency: Vec<String> = self.latency.iter().map(|us| fixed(*us, 0)).collect();
        let errors = if self.errors == 0 { String::new() } else { format!("{} errors. ", self.errors) };
        format!(
            "| {} | {} | {} | {} | {cpu} | {calls} | {memory} | {errors}{} |",
            self.name,
            fixed(self.per_second, 0),
            fixed(self.megabytes_per_second, 1),
            latency.join(" / "),
            self.note
        )
    }
}

/// The table of one server.
pub fn markdown(label: &str, rows: &[Row]) -> String {
    let mut text = format!(
        "{label}\n\n| case | messages/s | MB/s | p50 / p99 / p99.9 / max, µs | server CPU, µs/message (user + system) \
         | system calls/message | resident MB (without mapped files) | |\n|---|---|---|---|---|---|---|---|\n"
    );
    for row in rows {
        text.push_str(&row.markdown());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_a_median_of_its_own() {
        let row = |rate: f64, cpu: f64| Row {
            per_second: rate,
            cpu: Some([cpu, 1.0]),
            errors: 1,
            ..Row::default()
        };
        let all = Row::median(&[row(5.0, 3.0), row(1.0, 9.0), row(3.0, 6.0)]);
        assert_eq!((all.per_second, all.cpu, all.errors, all.syscalls), (3.0, Some([6.0, 1.0]), 3, None));
        let text = markdown("ours", &[Row { name: "x", note: "so so".to_owned(), ..all }]);
        assert!(
            text.contains("| x | 3 | 0.0 | 0 / 0 / 0 / 0 | 7.00 (6.00 + 1.00) | – | – | 3 errors. so so |"),
            "{text}"
        );
    }
}
