//! `sendMessage`: sends one message.

use std::io::Write;

use super::values::number;
use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct SendMessage;

static SPEC: Spec = Spec {
    name: "sendMessage",
    about: "Send a message.",
    options: &[
        arg("b", "broker", "Send message to target broker"),
        arg("c", "tags", "Message tags"),
        arg("i", "qid", "Send message to target queue"),
        arg("k", "key", "Message keys"),
        arg("m", "msgTraceEnable", "Message Trace Enable, Default: false"),
        arg("p", "body", "UTF-8 string format of the message body").required(),
        arg("t", "topic", "Topic name").required(),
    ],
};

impl Command for SendMessage {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        if args.has("i") && !args.has("b") {
            return Err(Failure::input("Broker name must be set if the queue is chosen!"));
        }
        let queue = if args.has("i") { Some(number(args, "i", 0)?) } else { None };
        let queue = world.write_queue(args.get("t").unwrap_or_default(), args.get("b"), queue)?;
        let mut props = Vec::new();
        props.extend(args.get("k").map(|keys| ("KEYS", keys)));
        props.extend(args.get("c").map(|tags| ("TAGS", tags)));
        let group = (world.now)().to_string();
        let sent = world.send(&queue, &group, &props, args.raw("p").unwrap_or_default().as_bytes())?;
        writeln!(world.out, "{:<32}  {:<4}  {:<20}    #MsgId", "#Broker Name", "#QID", "#Send Result")?;
        writeln!(
            world.out,
            "{:<32}  {:<4}  {:<20}    {}",
            queue.broker_name, sent.queue_id, sent.status, sent.id
        )?;
        Ok(())
    }
}
