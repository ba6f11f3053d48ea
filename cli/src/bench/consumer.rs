//! `benchmark consumer`: pulls a topic from its oldest message to its end.
//!
//! Every queue is cut into segments so that there are enough for all slots; a segment has one pull in flight
//! at a time, as each answer says where the next pull starts.

use sansmq_core::wire::code::{request, response};
use sansmq_core::wire::frame::{self, Head};
use sansmq_core::wire::headers::message::{PullMessage, PullMessageResponse};
use sansmq_core::wire::{Command as Request, Encoding};
use std::collections::VecDeque;
use std::time::Instant;

use super::engine::{self, Load, Outcome};
use super::options::{self, Plan};
use super::report::Report;
use super::targets::deal;
use super::template::FIRST_OPAQUE;
use crate::admin::Queue;
use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct BenchmarkConsumer;

static SPEC: Spec = Spec {
    name: "benchmark consumer",
    about: "Measure how fast stored messages are pulled.",
    options: &[
        options::BROKER,
        options::TOPIC,
        options::CONNECTIONS,
        options::DEPTH,
        arg("", "batch", "messages per pull, default: 32"),
        options::HEADERS,
        options::SECONDS,
        options::MESSAGES,
        options::PID,
        options::JSON,
    ],
};

const GROUP: &str = "BENCHMARK_CONSUMER";
/// Pull flag: the request carries the subscription.
const WITH_SUBSCRIPTION: i32 = 4;
/// Segments are not cut smaller than this many messages.
const LEAST_SEGMENT: i64 = 256;

impl Command for BenchmarkConsumer {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let plan = Plan::read(args, 32)?;
        let links = deal(world.target_queues(&plan, false)?, plan.connections);
        let mut load = Pulling::new(world, &plan, &links)?;
        let mut report = Report::start(&plan, "consumer", links.len(), None)?;
        report.finish(load.run(&plan, &links)?);
        report.print(world)
    }
}

impl Pulling {
    /// Asks how much there is to pull.
    ///
    /// # Errors
    /// When a broker cannot say.
    pub(super) fn new(
        world: &mut World,
        plan: &Plan,
        links: &[(String, Vec<Queue>)],
    ) -> Result<Pulling, Failure> {
        let mut segments: Vec<VecDeque<Segment>> = links.iter().map(|_| VecDeque::new()).collect();
        for (addr, queues) in links {
            let same: Vec<usize> = (0..links.len()).filter(|at| links[*at].0 == *addr).collect();
            if segments[same[0]].is_empty() {
                let wanted = same.len() * plan.depth as usize;
                let mut turn = 0;
                for queue in queues {
                    let (min, max) = world.range(queue, None, None)?;
                    for segment in cut(queue.id, min, max, wanted.div_ceil(queues.len())) {
                        segments[same[turn % same.len()]].push_back(segment);
                        turn += 1;
                    }
                }
            }
        }
        let in_flight = segments.iter().map(|_| vec![None; plan.depth as usize]).collect();
        Ok(Pulling {
            topic: plan.topic.clone(),
            broker_names: links.iter().map(|(_, queues)| queues[0].broker_name.clone()).collect(),
            segments,
            in_flight,
            batch: plan.batch,
            encoding: plan.encoding,
            head: Head::default(),
            left: plan.messages,
            deadline: plan.seconds.map(|seconds| Instant::now() + seconds),
        })
    }

    /// Pulls everything, or as much as the plan says.
    ///
    /// # Errors
    /// When a connection cannot be made, or breaks.
    pub(super) fn run(&mut self, plan: &Plan, links: &[(String, Vec<Queue>)]) -> Result<Outcome, Failure> {
        let addrs: Vec<String> = links.iter().map(|(addr, _)| addr.clone()).collect();
        engine::run(&addrs, plan.depth, self)
    }
}

/// A range of a queue still to be pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    queue: i32,
    next: i64,
    end: i64,
}

/// Cuts a queue into about so many segments.
fn cut(queue: i32, min: i64, max: i64, pieces: usize) -> Vec<Segment> {
    let pieces = i64::try_from(pieces).unwrap_or(1).max(1);
    let step = ((max - min + pieces - 1) / pieces).max(LEAST_SEGMENT);
    let mut all = Vec::new();
    let mut next = min;
    while next < max {
        let end = max.min(next + step);
        all.push(Segment { queue, next, end });
        next = end;
    }
    all
}

/// A topic being pulled.
pub(super) struct Pulling {
    topic: String,
    /// Per connection.
    broker_names: Vec<String>,
    /// Per connection: what nobody pulls at the moment.
    segments: Vec<VecDeque<Segment>>,
    /// Per connection and slot.
    in_flight: Vec<Vec<Option<Segment>>>,
    batch: i32,
    encoding: Encoding,
    head: Head,
    left: Option<u64>,
    deadline: Option<Instant>,
}

impl Load for Pulling {
    fn next(&mut self, connection: usize, slot: u32, out: &mut Vec<u8>) -> bool {
        if self.left == Some(0) || self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return false;
        }
        let Some(segment) = self.segments.get_mut(connection).and_then(VecDeque::pop_front) else {
            return false;
        };
        self.in_flight[connection][slot as usize] = Some(segment);
        let room = i32::try_from(segment.end - segment.next).unwrap_or(i32::MAX);
        let header = PullMessage {
            consumer_group: Some(GROUP),
            topic: Some(&self.topic),
            queue_id: Some(segment.queue),
            queue_offset: Some(segment.next),
            max_msg_nums: Some(self.batch.min(room)),
            sys_flag: Some(WITH_SUBSCRIPTION),
            commit_offset: Some(0),
            suspend_timeout_millis: Some(0),
            subscription: Some("*"),
            sub_version: Some(0),
            expression_type: Some("TAG"),
            max_msg_bytes: Some(i32::MAX),
            ..Default::default()
        };
        let mut ext = header.to_ext();
        let broker_name = &self.broker_names[connection];
        if !broker_name.is_empty() {
            ext.put("bname", broker_name.clone());
        }
        let mut command = Request::request(request::PULL_MESSAGE, ext);
        command.opaque = FIRST_OPAQUE.wrapping_add_unsigned(slot);
        out.extend_from_slice(&command.encode(self.encoding));
        true
    }

    fn answered(
        &mut self,
        connection: usize,
        slot: u32,
        code: i32,
        bytes: &mut [u8],
    ) -> Result<(u64, u64), Failure> {
        let Some(mut segment) = self.in_flight[connection][slot as usize].take() else {
            return Ok((0, 0));
        };
        if code != response::SUCCESS && code != response::PULL_RETRY_IMMEDIATELY {
            return Ok((0, 0));
        }
        let answer = frame::decode(bytes, &mut self.head)
            .map_err(|error| Failure::input(format!("a pull's answer is broken: {error}")))?;
        let next = PullMessageResponse::parse(&answer).next_begin_offset.unwrap_or(segment.end);
        let messages = records(answer.body());
        let size = answer.body().len() as u64;
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(messages);
        }
        if next > segment.next && next < segment.end {
            segment.next = next;
            self.segments[connection].push_front(segment);
        }
        Ok((messages, size))
    }
}

/// How many records stand in a body, by their sizes alone.
fn records(mut body: &[u8]) -> u64 {
    let mut count = 0;
    while let Some(size) = body.first_chunk::<4>() {
        let size = u32::from_be_bytes(*size) as usize;
        match body.get(size..).filter(|_| size > 4) {
            Some(rest) => body = rest,
            None => break,
        }
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_cover_a_queue_once() {
        for (min, max, pieces) in [(0, 0, 4), (5, 1000, 1), (0, 10_001, 7), (3, 300, 100)] {
            let all = cut(1, min, max, pieces);
            assert_eq!(all.first().map(|s| s.next), (min < max).then_some(min));
            assert_eq!(all.last().map(|s| s.end), (min < max).then_some(max));
            assert!(all.windows(2).all(|pair| pair[0].end == pair[1].next));
            assert!(all.len() <= pieces);
        }
    }

    #[test]
    fn records_are_counted() {
        assert_eq!(records(b""), 0);
        assert_eq!(records(b"\0\0\0\x06ab\0\0\0\x05c"), 2);
        assert_eq!((records(b"\0\0\0\0"), records(b"\0\0\0\x09ab")), (0, 0));
    }
}
