//! `queryMsgById`: shows, resends or pushes messages by id.

use std::io::Write;

use crate::admin::SendOutcome;
use crate::app::{Command, World};
use crate::failure::Failure;
use crate::message::Message;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct QueryMsgById;

static SPEC: Spec = Spec {
    name: "queryMsgById",
    about: "Query Message by Id.",
    options: &[
        arg("c", "cluster", "Cluster name or lmq parent topic, lmq is used to find the route."),
        arg("d", "clientId", "The consumer's client id"),
        arg("f", "bodyFormat", "print message body by the specified format"),
        arg("g", "consumerGroup", "consumer group name"),
        arg("i", "msgId", "Message Id").required(),
        arg("s", "sendMessage", "resend message"),
        arg("t", "topic", "topic name").required(),
        arg("u", "unitName", "unit name"),
    ],
};

impl Command for QueryMsgById {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let topic = args.get("t").unwrap_or_default();
        let route = args.get("c").unwrap_or(topic);
        for id in args.get("i").unwrap_or_default().split(',').map(str::trim).filter(|id| !id.is_empty()) {
            if args.truth("s") {
                let message = world.message_by_id(topic, route, id)?;
                resend(world, &message, id)?;
            } else if let (Some(group), Some(client)) = (args.get("g"), args.get("d")) {
                world.running_info(group, client)?;
                let message = world.message_by_id(topic, route, id)?;
                world.push(group, client, topic, &message)?;
            } else {
                let message = world.message_by_id(topic, route, id)?;
                world.print_details(&message, true, "", args.has("f"))?;
                world.print_tracks(&message, "\n")?;
            }
        }
        Ok(())
    }
}

fn resend(world: &mut World, message: &Message, id: &str) -> Result<(), Failure> {
    write!(world.out, "prepare resend msg. originalMsgId={id}")?;
    let queue = world.write_queue(&message.topic, None, None)?;
    let props: Vec<(&str, &str)> = message
        .properties
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| *name != "WAIT")
        .collect();
    let sent = world.send(&queue, "ReSendMsgById", &props, &message.body)?;
    let SendOutcome { status, id, offset_id, queue_id, queue_offset } = sent;
    write!(
        world.out,
        "SendResult [sendStatus={status}, msgId={id}, offsetMsgId={offset_id}, messageQueue=MessageQueue \
         [topic={}, brokerName={}, queueId={queue_id}], queueOffset={queue_offset}, recallHandle=null]",
        queue.topic, queue.broker_name
    )?;
    Ok(())
}
