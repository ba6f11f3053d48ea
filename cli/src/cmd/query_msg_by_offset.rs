//! `queryMsgByOffset`: shows the message at one place of a queue.

use super::values::number;
use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct QueryMsgByOffset;

static SPEC: Spec = Spec {
    name: "queryMsgByOffset",
    about: "Query Message by offset.",
    options: &[
        arg("b", "brokerName", "Broker Name").required(),
        arg("f", "bodyFormat", "print message body by the specified format"),
        arg("i", "queueId", "Queue Id").required(),
        arg("o", "offset", "Queue Offset").required(),
        arg("t", "topic", "topic name").required(),
    ],
};

impl Command for QueryMsgByOffset {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let topic = args.get("t").unwrap_or_default();
        let (queue, offset) = (number(args, "i", 0)?, number(args, "o", 0)?);
        let queue = world.read_queue(topic, topic, args.get("b").unwrap_or_default(), queue)?;
        // Nothing there is no failure: nothing is printed, as in the reference.
        if let Some(message) = world.pull(&queue, "*", offset, 1)?.messages.first() {
            world.print_details(message, true, "", args.has("f"))?;
            world.print_tracks(message, "\n")?;
        }
        Ok(())
    }
}
