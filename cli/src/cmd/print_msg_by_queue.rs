//! `printMsgByQueue`: prints or counts the messages of one queue.

use std::collections::BTreeMap;
use std::io::Write;

use super::values::{moment, number};
use crate::admin::PullStatus;
use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct PrintMsgByQueue;

static SPEC: Spec = Spec {
    name: "printMsgByQueue",
    about: "Print Message Detail by queueId.",
    options: &[
        arg("a", "brokerName ", "broker name").required(),
        arg("b", "beginTimestamp ", "Begin timestamp[currentTimeMillis|yyyy-MM-dd#HH:mm:ss:SSS]"),
        arg("c", "charsetName ", "CharsetName(eg: UTF-8,GBK)"),
        arg("d", "printBody ", "print body. eg: true | false(default)"),
        arg("e", "endTimestamp ", "End timestamp[currentTimeMillis|yyyy-MM-dd#HH:mm:ss:SSS]"),
        arg("f", "calculate", "calculate by tag. eg: true | false(default)"),
        arg("i", "queueId ", "queue id").required(),
        arg("p", "print msg", "print msg. eg: true | false(default)"),
        arg("s", "subExpression ", "Subscribe Expression(eg: TagA || TagB)"),
        arg("t", "topic", "topic name").required(),
    ],
};

impl Command for PrintMsgByQueue {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let topic = args.get("t").unwrap_or_default();
        let id = number(args, "i", 0)?;
        let (begin, end) = (moment(args, "b", world.zone)?, moment(args, "e", world.zone)?);
        let expression = args.get("s").unwrap_or("*");
        let queue = world.read_queue(topic, topic, args.get("a").unwrap_or_default(), id)?;
        let (min, max) = world.range(&queue, begin, end)?;
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        let mut offset = min;
        while offset < max {
            let pulled = world.pull(&queue, expression, offset, 32)?;
            if pulled.status != PullStatus::Found {
                break;
            }
            for message in &pulled.messages {
                if let Some(tag) = message.property("TAGS").filter(|tag| !tag.trim().is_empty()) {
                    *counts.entry(tag.to_owned()).or_default() += 1;
                }
                if args.truth("p") {
                    world.print_line(message, args.truth("d"))?;
                }
            }
            if pulled.next_offset <= offset {
                break;
            }
            offset = pulled.next_offset;
        }
        if args.truth("f") {
            let mut sorted: Vec<_> = counts.into_iter().collect();
            sorted.sort_by_key(|(_, count)| core::cmp::Reverse(*count));
            for (tag, count) in sorted {
                writeln!(world.out, "Tag: {tag:<30} Count: {count}")?;
            }
        }
        Ok(())
    }
}
