//! `benchmark producer`: sends as fast as the brokers answer.

use sansmq_core::message::batch::{self, BatchItem};
use sansmq_core::message::properties;
use sansmq_core::wire::Command as Request;
use sansmq_core::wire::code::request;
use sansmq_core::wire::headers::message::SendMessageV2;
use std::time::{Duration, Instant};

use super::engine::{self, Load, Outcome};
use super::options::{self, Plan, within};
use super::report::Report;
use super::targets::deal;
use super::template::{Template, marked_id};
use crate::admin::Queue;
use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct BenchmarkProducer;

static SPEC: Spec = Spec {
    name: "benchmark producer",
    about: "Measure how fast messages are accepted.",
    options: &[
        options::BROKER,
        options::TOPIC,
        options::CONNECTIONS,
        options::DEPTH,
        arg("", "size", "bytes per message body, default: 1024"),
        arg("", "batch", "messages per request, default: 1"),
        options::HEADERS,
        options::SECONDS,
        options::MESSAGES,
        options::PID,
        options::JSON,
    ],
};

/// How long without `--seconds` and `--messages`.
const USUAL_SECONDS: Duration = Duration::from_secs(10);
/// Templates per connection; more queues than this are used in part.
pub(super) const MOST_TEMPLATES: usize = 64;
const GROUP: &str = "BENCHMARK_PRODUCER";

impl Command for BenchmarkProducer {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let mut plan = Plan::read(args, 1)?;
        if plan.messages.is_none() {
            plan.seconds.get_or_insert(USUAL_SECONDS);
        }
        let size: usize = within(args, "size", 1, 4 * 1024 * 1024)?.unwrap_or(1024);
        let links = deal(world.target_queues(&plan, true)?, plan.connections);
        let mut report = Report::start(&plan, "producer", links.len(), Some(size))?;
        report.finish(measure(&plan, &links, size, (world.now)(), MOST_TEMPLATES)?);
        report.print(world)
    }
}

/// Sends over connections to the given addresses, each with the queues it sends to in turn, of
/// which it takes `most`.
///
/// # Errors
/// When a connection cannot be made, or breaks.
pub(super) fn measure(
    plan: &Plan,
    links: &[(String, Vec<Queue>)],
    size: usize,
    now: i64,
    most: usize,
) -> Result<Outcome, Failure> {
    let templates = links.iter().map(|(_, queues)| {
        let queues = queues.iter().take(most);
        queues.map(|queue| Template::new(send(queue, size, plan.batch, now), plan.encoding)).collect()
    });
    let batch = u64::try_from(plan.batch).unwrap_or(1);
    let mut load = Sending {
        connections: templates.map(|templates| (templates, 0)).collect(),
        batch,
        size: size as u64,
        // Ids of different runs shall differ.
        ids: now.cast_unsigned() << 24,
        left: plan.messages.map(|messages| messages.div_ceil(batch)),
        deadline: plan.seconds.map(|seconds| Instant::now() + seconds),
    };
    let addrs: Vec<String> = links.iter().map(|(addr, _)| addr.clone()).collect();
    engine::run(&addrs, plan.depth, &mut load)
}

struct Sending {
    /// Per connection its templates and the one that comes next.
    connections: Vec<(Vec<Template>, usize)>,
    batch: u64,
    size: u64,
    ids: u64,
    /// Requests still to be sent.
    left: Option<u64>,
    deadline: Option<Instant>,
}

impl Load for Sending {
    fn next(&mut self, connection: usize, slot: u32, out: &mut Vec<u8>) -> bool {
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) || self.left == Some(0) {
            return false;
        }
        let Some((templates, turn)) = self.connections.get_mut(connection) else {
            return false;
        };
        let Some(template) = templates.get(*turn) else {
            return false;
        };
        *turn = (*turn + 1) % templates.len();
        if let Some(left) = &mut self.left {
            *left -= 1;
        }
        template.push(slot, &mut self.ids, out);
        true
    }

    fn answered(&mut self, _: usize, _: u32, code: i32, _: &mut [u8]) -> Result<(u64, u64), Failure> {
        Ok(if code == 0 { (self.batch, self.batch * self.size) } else { (0, 0) })
    }
}

/// A send to a queue, with an id that a [`Template`] fills in.
pub(super) fn send(queue: &Queue, size: usize, batch: i32, now: i64) -> Request {
    let mut props = Vec::new();
    properties::push(&mut props, "UNIQ_KEY", &marked_id());
    properties::push(&mut props, "WAIT", "true");
    props.pop();
    let text = String::from_utf8_lossy(&props);
    let message = vec![b'x'; size];
    let single = batch == 1;
    let header = SendMessageV2 {
        producer_group: Some(GROUP),
        topic: Some(&queue.topic),
        default_topic: Some("TBW102"),
        default_topic_queue_nums: Some(4),
        queue_id: Some(queue.id),
        sys_flag: Some(0),
        born_timestamp: Some(now),
        flag: Some(0),
        properties: Some(if single { &text } else { "WAIT\u{1}true" }),
        reconsume_times: Some(0),
        unit_mode: Some(false),
        batch: Some(!single),
        broker_name: Some(queue.broker_name.as_str()).filter(|name| !name.is_empty()),
        ..Default::default()
    };
    if single {
        return Request::request(request::SEND_MESSAGE_V2, header.to_ext()).with_body(message);
    }
    let mut body = Vec::new();
    for _ in 0..batch {
        batch::push_item(&mut body, &BatchItem { flag: 0, body: &message, properties: &props });
    }
    Request::request(request::SEND_BATCH_MESSAGE, header.to_ext()).with_body(body)
}
