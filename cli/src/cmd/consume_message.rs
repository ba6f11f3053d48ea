//! `consumeMessage`: prints a number of messages of a topic, or of one queue from an offset on.

use std::io::Write;

use super::values::{moment, number};
use crate::admin::{PullStatus, Queue};
use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct ConsumeMessage;

static SPEC: Spec = Spec {
    name: "consumeMessage",
    about: "Consume message.",
    options: &[
        arg("b", "brokerName", "Broker name"),
        arg("c", "MessageNumber", "Number of message to be consumed"),
        arg("e", "endTimestamp ", "End timestamp[currentTimeMillis|yyyy-MM-dd#HH:mm:ss:SSS]"),
        arg("g", "consumerGroup", "Consumer group name"),
        arg("i", "queueId", "Queue Id"),
        arg("o", "offset", "Queue offset"),
        arg("s", "beginTimestamp ", "Begin timestamp[currentTimeMillis|yyyy-MM-dd#HH:mm:ss:SSS]"),
        arg("t", "topic", "Topic name").required(),
    ],
};

impl Command for ConsumeMessage {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let topic = args.get("t").unwrap_or_default();
        let count: i64 = number(args, "c", 128)?;
        if count <= 0 {
            return Err(Failure::input("Please input a positive messageNumber!"));
        }
        if args.has("i") && !args.has("b") {
            return Err(Failure::input("Please set the brokerName before queueId!"));
        }
        if args.has("o") && !args.has("i") {
            return Err(Failure::input("Please set queueId before offset!"));
        }
        let (begin, end) = (moment(args, "s", world.zone)?, moment(args, "e", world.zone)?);
        if args.has("i") {
            let queue =
                world.read_queue(topic, topic, args.get("b").unwrap_or_default(), number(args, "i", 0)?)?;
            return one_queue(world, &queue, (begin, end), args, count);
        }
        let mut left = count;
        for queue in world.read_queues(topic, topic)? {
            if args.get("b").is_some_and(|name| name != queue.broker_name) {
                continue;
            }
            let (min, mut max) = world.range(&queue, begin, end)?;
            if max - min > left {
                writeln!(world.out, "The older {left} message of the {} queue will be provided", queue.id)?;
                max = min + left - 1;
            }
            left -= consume(world, &queue, min, max)?;
            if left <= 0 {
                break;
            }
        }
        Ok(())
    }
}

fn one_queue(
    world: &mut World,
    queue: &Queue,
    within: (Option<i64>, Option<i64>),
    args: &Matches,
    count: i64,
) -> Result<(), Failure> {
    let (mut min, mut max) = world.range(queue, within.0, within.1)?;
    if args.has("o") {
        let offset = number(args, "o", 0)?;
        if offset > max {
            writeln!(world.out, "{} no matched msg, offset={offset}", describe(queue))?;
            return Ok(());
        }
        min = min.max(offset);
    }
    if max - min > count {
        writeln!(world.out, "The oldler {count} message will be provided")?;
        max = min + count - 1;
    }
    consume(world, queue, min, max).map(drop)
}

/// Prints the messages from `min` to `max`, both included; returns how many there were.
fn consume(world: &mut World, queue: &Queue, min: i64, max: i64) -> Result<i64, Failure> {
    let mut offset = min;
    let mut printed = 0;
    while offset <= max {
        let room = i32::try_from(max - offset + 1).unwrap_or(i32::MAX);
        let pulled = world.pull(queue, "*", offset, room)?;
        let status = pulled.status.name();
        match pulled.status {
            PullStatus::Found => {
                writeln!(world.out, "Consume ok")?;
                for message in &pulled.messages {
                    world.print_line(message, true)?;
                    printed += 1;
                }
            }
            PullStatus::NoMatchedMsg => {
                writeln!(world.out, "{} no matched msg. status={status}, offset={offset}", describe(queue))?
            }
            PullStatus::NoNewMsg | PullStatus::OffsetIllegal => {
                writeln!(
                    world.out,
                    "{} print msg finished. status={status}, offset={offset}",
                    describe(queue)
                )?;
                break;
            }
        }
        if pulled.next_offset <= offset {
            break;
        }
        offset = pulled.next_offset;
    }
    Ok(printed)
}

fn describe(queue: &Queue) -> String {
    format!("MessageQueue [topic={}, brokerName={}, queueId={}]", queue.topic, queue.broker_name, queue.id)
}
