//! `printMsg`: prints the messages of all queues of a topic.

use std::io::Write;

use super::values::moment;
use crate::admin::PullStatus;
use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct PrintMsg;

static SPEC: Spec = Spec {
    name: "printMsg",
    about: "Print Message Detail.",
    options: &[
        arg("b", "beginTimestamp ", "Begin timestamp[currentTimeMillis|yyyy-MM-dd#HH:mm:ss:SSS]"),
        arg("c", "charsetName ", "CharsetName(eg: UTF-8,GBK)"),
        arg("d", "printBody ", "print body"),
        arg("e", "endTimestamp ", "End timestamp[currentTimeMillis|yyyy-MM-dd#HH:mm:ss:SSS]"),
        arg("l", "lmqParentTopic", "Lmq parent topic, lmq is used to find the route."),
        arg("s", "subExpression ", "Subscribe Expression(eg: TagA || TagB)"),
        arg("t", "topic", "topic name").required(),
    ],
};

impl Command for PrintMsg {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let topic = args.get("t").unwrap_or_default();
        let (begin, end) = (moment(args, "b", world.zone)?, moment(args, "e", world.zone)?);
        let expression = args.get("s").unwrap_or("*");
        let with_body = args.get("d").is_none_or(|text| text.eq_ignore_ascii_case("true"));
        for queue in world.read_queues(topic, args.get("l").unwrap_or(topic))? {
            let (min, max) = world.range(&queue, begin, end)?;
            writeln!(
                world.out,
                "minOffset={min}, maxOffset={max}, MessageQueue [topic={topic}, brokerName={}, queueId={}]",
                queue.broker_name, queue.id
            )?;
            let mut offset = min;
            while offset < max {
                let pulled = world.pull(&queue, expression, offset, 32)?;
                if matches!(pulled.status, PullStatus::NoNewMsg | PullStatus::OffsetIllegal) {
                    break;
                }
                for message in &pulled.messages {
                    world.print_line(message, with_body)?;
                }
                if pulled.next_offset <= offset {
                    break;
                }
                offset = pulled.next_offset;
            }
            writeln!(world.out, "{}", "-".repeat(56))?;
        }
        Ok(())
    }
}
