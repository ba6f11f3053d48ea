//! Options of both benchmarks.

use sansmq_core::wire::Encoding;
use std::str::FromStr;
use std::time::Duration;

use crate::failure::Failure;
use crate::options::{Matches, Opt, arg, flag};

pub const BROKER: Opt = arg("b", "brokerAddr", "the broker, instead of those of the topic's route");
pub const TOPIC: Opt = arg("t", "topic", "topic name").required();
pub const CONNECTIONS: Opt = arg("", "connections", "connections, default: 4");
pub const DEPTH: Opt = arg("", "depth", "requests in flight per connection, default: 32");
pub const HEADERS: Opt = arg("", "headers", "header encoding (json|binary), default: json");
pub const SECONDS: Opt = arg("", "seconds", "how long");
pub const MESSAGES: Opt = arg("", "messages", "how many messages");
pub const PID: Opt = arg("", "pid", "the server's process, for its processor time per message");
pub const JSON: Opt = flag("", "json", "print one line of JSON");

/// What both benchmarks are told.
#[derive(Clone, Debug)]
pub struct Plan {
    pub topic: String,
    pub broker: Option<String>,
    pub connections: usize,
    pub depth: u32,
    pub encoding: Encoding,
    pub batch: i32,
    pub seconds: Option<Duration>,
    pub messages: Option<u64>,
    pub pid: Option<u32>,
    pub json: bool,
}

impl Plan {
    /// # Errors
    /// [`Failure::Input`] names the option whose value makes no sense.
    pub fn read(args: &Matches, usual_batch: i32) -> Result<Plan, Failure> {
        let encoding = match args.get("headers").unwrap_or("json") {
            "json" => Encoding::Json,
            "binary" => Encoding::RocketMq,
            other => {
                return Err(Failure::input(format!("--headers {other}: expected json or binary")));
            }
        };
        Ok(Plan {
            topic: args.get("t").unwrap_or_default().to_owned(),
            broker: args.get("b").map(str::to_owned),
            connections: within(args, "connections", 1, 10_000)?.unwrap_or(4),
            depth: within(args, "depth", 1, 1_000_000)?.unwrap_or(32),
            encoding,
            batch: within(args, "batch", 1, 100_000)?.unwrap_or(usual_batch),
            seconds: within(args, "seconds", 0.001, 1e6)?.map(Duration::from_secs_f64),
            messages: within(args, "messages", 1, u64::MAX)?,
            pid: within(args, "pid", 1, u32::MAX)?,
            json: args.has("json"),
        })
    }
}

/// The value of an option that has to lie between two bounds.
///
/// # Errors
/// [`Failure::Input`] when it does not.
pub fn within<T>(args: &Matches, key: &str, least: T, most: T) -> Result<Option<T>, Failure>
where
    T: FromStr + PartialOrd + std::fmt::Display,
{
    let Some(text) = args.get(key) else {
        return Ok(None);
    };
    let value = text.parse().ok().filter(|value| (&least..=&most).contains(&value));
    value
        .map(Some)
        .ok_or_else(|| Failure::input(format!("--{key} {text}: expected a number from {least} to {most}")))
}
