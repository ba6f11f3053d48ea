//! `consumerConnection`: the members of a group and what they subscribe to.

use std::io::Write;

use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};
use crate::text::version_name;

/// The command.
pub struct ConsumerConnection;

static SPEC: Spec = Spec {
    name: "consumerConnection",
    about: "Query consumer's socket connection, client version and subscription.",
    options: &[
        arg("b", "brokerAddr", "broker address"),
        arg("g", "consumerGroup", "consumer group name").required(),
    ],
};

impl Command for ConsumerConnection {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let connection = world.consumer_connection(args.get("g").unwrap_or_default(), args.get("b"))?;
        let out = &mut world.out;
        writeln!(out, "{:<36} {:<22} {:<10} #Version", "#ClientId", "#ClientAddr", "#Language")?;
        for client in &connection.clients {
            writeln!(
                out,
                "{:<36} {:<22} {:<10} {}",
                client.client_id,
                client.client_addr,
                client.language,
                version_name(client.version)
            )?;
        }
        writeln!(out, "\nBelow is subscription:\n{:<20} #SubExpression", "#Topic")?;
        for (topic, subscription) in &connection.subscriptions {
            writeln!(out, "{topic:<20} {}", subscription.sub_string)?;
        }
        writeln!(out, "\nConsumeType: {}", connection.consume_type)?;
        writeln!(out, "MessageModel: {}", connection.message_model)?;
        writeln!(out, "ConsumeFromWhere: {}", connection.consume_from_where)?;
        Ok(())
    }
}
