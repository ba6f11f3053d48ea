//! A slave of the reference's broker: the requests of `SlaveSynchronize` (`spec/ha.md` A.6), but for that their
//! answers are applied together.

use std::collections::BTreeMap;

use super::bundle::{Bundle, fields};
use super::follow::{TABLES, is_success};
use crate::body::{DataVersion, TopicConfigTable, TopicConfigWrapper};
use crate::json::{self, FromJson};
use crate::time::{Mono, Now, earliest};
use crate::timer::TimerCheckpoint;
use crate::wire::code::request;
use crate::wire::{CallError, Command, Ext, ServerOut, Target};

/// Between two looks at the timer's checkpoint.
const CHECKPOINT_MS: u64 = 3_000;
/// Between two looks at all tables.
const TABLES_MS: u64 = 10_000;
const CALL_MS: u64 = 3_000;

/// Questions under way and what was answered so far.
#[derive(Debug)]
pub(super) struct Polling {
    open: BTreeMap<u64, i32>,
    found: Bundle,
    checkpoint_due: Mono,
    tables_due: Mono,
    complete: bool,
}

impl Polling {
    pub fn new(now: Now) -> Self {
        Polling {
            open: BTreeMap::new(),
            found: Bundle::default(),
            checkpoint_due: now.mono,
            tables_due: now.mono,
            complete: false,
        }
    }

    pub fn deadline(&self) -> Option<Mono> {
        let due = earliest(Some(self.checkpoint_due), Some(self.tables_due));
        due.filter(|_| self.open.is_empty())
    }

    /// The questions that are due, with tokens behind `last`.
    pub fn ask(&mut self, now: Now, master: &str, last: u64, timers: bool) -> Vec<ServerOut> {
        let mut codes = Vec::new();
        if self.tables_due <= now.mono {
            self.tables_due = now.mono.plus_ms(TABLES_MS);
            codes.extend(TABLES);
            codes.extend(timers.then_some((request::GET_TIMER_METRICS, true)));
        }
        if self.checkpoint_due <= now.mono {
            self.checkpoint_due = now.mono.plus_ms(CHECKPOINT_MS);
            codes.extend(timers.then_some((request::GET_TIMER_CHECK_POINT, true)));
        }
        let calls = (last + 1..).zip(codes).map(|(token, (code, fast))| {
            self.open.insert(token, code);
            let addr = if fast { fast_address(master) } else { master.to_owned() };
            let command = Command::request(code, Ext::new());
            ServerOut::Call { to: Target::Addr(addr), token, command, timeout_ms: CALL_MS }
        });
        calls.collect()
    }

    /// Takes an answer; whether it was to one of these questions.
    pub fn answered(&mut self, _now: Now, token: u64, result: &Result<Command, CallError>) -> bool {
        let Some(code) = self.open.remove(&token) else { return false };
        self.complete = self.open.is_empty();
        let Some(answer) = is_success(result) else {
            tracing::warn!(code, "the master does not tell a table; the one that is here stays");
            return true;
        };
        match code {
            request::GET_ALL_TOPIC_CONFIG => {
                self.found.topics = read::<TopicConfigWrapper>(code, answer).map(|wrapper| {
                    TopicConfigTable { topics: wrapper.topics, data_version: wrapper.data_version }
                });
            }
            request::GET_ALL_CONSUMER_OFFSET => self.found.offsets = read(code, answer),
            request::GET_ALL_DELAY_OFFSET => self.found.delay_offsets = read(code, answer),
            request::GET_ALL_SUBSCRIPTIONGROUP_CONFIG => self.found.groups = read(code, answer),
            request::GET_ALL_MESSAGE_REQUEST_MODE => self.found.request_modes = read(code, answer),
            request::GET_TIMER_METRICS => self.found.timer_metrics = read(code, answer),
            _ => {
                let point = TimerCheckpoint::decode(&answer.body);
                self.found.timer_checkpoint = point.as_ref().map(fields);
            }
        }
        true
    }

    /// Everything that was answered, once nothing is open any more.
    pub fn take_complete(&mut self) -> Option<Bundle> {
        core::mem::take(&mut self.complete).then(|| core::mem::take(&mut self.found))
    }
}

impl Bundle {
    /// Leaves out tables that are here already.
    pub(super) fn unless_same(mut self, topics: DataVersion, groups: DataVersion) -> Self {
        self.topics.take_if(|table| table.data_version == topics);
        self.groups.take_if(|table| table.data_version == groups);
        self
    }
}

fn read<T: FromJson>(code: i32, answer: &Command) -> Option<T> {
    json::from_slice(&answer.body)
        .inspect_err(|error| tracing::error!(code, %error, "a table of the master cannot be read"))
        .ok()
}

/// The port that serves no long polls: `listenPort - 2`.
fn fast_address(master: &str) -> String {
    let fast = master.rsplit_once(':').and_then(|(host, port)| {
        let port = port.parse::<u16>().ok()?.checked_sub(2)?;
        Some(format!("{host}:{port}"))
    });
    fast.unwrap_or_else(|| master.to_owned())
}
