//! From the sending of a message to its arrival at every group that waits for it.
//!
//! One message at a time: the next goes out when all have the one before. The consumers wait in long polls, as push
//! consumers do.

use sansmq_core::wire::code::{request, response};
use sansmq_core::wire::frame::{self, Head};
use sansmq_core::wire::headers::message::{PullMessage, PullMessageResponse};
use sansmq_core::wire::{Command as Request, Encoding};
use std::time::Instant;

use crate::admin::Queue;
use crate::app::World;
use crate::bench::engine::{self, Load, Outcome};
use crate::bench::histogram::Histogram;
use crate::bench::options::Plan;
use crate::bench::producer::send;
use crate::bench::template::{FIRST_OPAQUE, Template};
use crate::failure::Failure;

/// Pull flags: the request may be held, and carries the subscription.
const MAY_WAIT: i32 = 2 | 4;
const WAIT_MS: i64 = 15_000;

struct Arrival {
    topic: String,
    /// By group, the offset it waits for.
    positions: Vec<i64>,
    /// Behind the last message that was sent.
    end: i64,
    /// Groups that do not have the message under way.
    missing: usize,
    sent: Instant,
    deadline: Instant,
    /// The message under way is the last one.
    over: bool,
    template: Template,
    ids: u64,
    encoding: Encoding,
    head: Head,
    latency: Histogram,
}

/// Runs for the plan's time; the latencies are those until the last group has a message.
///
/// # Errors
/// When a connection cannot be made or breaks, or the broker cannot say where the queue ends.
pub(super) fn measure(
    world: &mut World,
    plan: &Plan,
    queue: &Queue,
    size: usize,
    groups: usize,
) -> Result<Outcome, Failure> {
    let (_, end) = world.range(queue, None, None)?;
    let now = (world.now)();
    let begin = Instant::now();
    let mut load = Arrival {
        topic: queue.topic.clone(),
        positions: vec![end; groups],
        end,
        missing: 0,
        sent: begin,
        deadline: begin + plan.seconds.unwrap_or_default(),
        over: false,
        template: Template::new(send(queue, size, 1, now), plan.encoding),
        ids: now.cast_unsigned() << 24,
        encoding: plan.encoding,
        head: Head::default(),
        latency: Histogram::default(),
    };
    let addrs = vec![queue.broker.clone(); groups + 1];
    let outcome = engine::run(&addrs, 1, &mut load)?;
    Ok(Outcome { latency: load.latency, ..outcome })
}

impl Arrival {
    fn pull(&self, group: usize) -> Request {
        let name = format!("BENCHMARK_WAITING_{group}");
        let header = PullMessage {
            consumer_group: Some(&name),
            topic: Some(&self.topic),
            queue_id: Some(0),
            queue_offset: Some(self.positions[group]),
            max_msg_nums: Some(32),
            sys_flag: Some(MAY_WAIT),
            commit_offset: Some(0),
            suspend_timeout_millis: Some(WAIT_MS),
            subscription: Some("*"),
            sub_version: Some(0),
            expression_type: Some("TAG"),
            ..Default::default()
        };
        let mut command = Request::request(request::PULL_MESSAGE, header.to_ext());
        command.opaque = FIRST_OPAQUE;
        command
    }
}

impl Load for Arrival {
    fn next(&mut self, connection: usize, slot: u32, out: &mut Vec<u8>) -> bool {
        if connection < self.positions.len() {
            // Until the last message has come.
            if self.over && self.positions[connection] >= self.end {
                return false;
            }
            out.extend_from_slice(&self.pull(connection).encode(self.encoding));
            return true;
        }
        if self.missing > 0 || self.over {
            return false;
        }
        self.sent = Instant::now();
        self.over = self.sent >= self.deadline;
        self.missing = self.positions.len();
        self.end += 1;
        self.template.push(slot, &mut self.ids, out);
        true
    }

    /// The producer, when the message under way has arrived everywhere.
    fn ready(&self) -> Option<usize> {
        (self.missing == 0 && !self.over).then_some(self.positions.len())
    }

    fn answered(
        &mut self,
        connection: usize,
        _: u32,
        code: i32,
        bytes: &mut [u8],
    ) -> Result<(u64, u64), Failure> {
        let Some(position) = self.positions.get_mut(connection) else {
            if code != response::SUCCESS {
                return Err(Failure::input(format!("a message is refused with code {code}")));
            }
            return Ok((0, 0));
        };
        if code != response::SUCCESS {
            return Ok((0, 0));
        }
        let answer = frame::decode(bytes, &mut self.head)
            .map_err(|error| Failure::input(format!("a pull's answer is broken: {error}")))?;
        let next = PullMessageResponse::parse(&answer).next_begin_offset.unwrap_or(*position);
        if next > *position {
            *position = next;
            self.missing = self.missing.saturating_sub(1);
            if self.missing == 0 {
                let waited = self.sent.elapsed().as_nanos();
                self.latency.record(u64::try_from(waited).unwrap_or(u64::MAX));
            }
        }
        Ok((1, answer.body().len() as u64))
    }
}
