//! `producerConnection`: the producers of a group, as some broker of a topic knows them.

use sansmq_core::wire::code::request;
use sansmq_core::wire::headers::admin;
use std::io::Write;

use crate::admin::read_body;
use crate::app::{Command, World};
use crate::bodies;
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};
use crate::text::version_name;

/// The command.
pub struct ProducerConnection;

static SPEC: Spec = Spec {
    name: "producerConnection",
    about: "Query producer's socket connection and client version.",
    options: &[
        arg("g", "producerGroup", "producer group name").required(),
        arg("t", "topic", "topic name").required(),
    ],
};

impl Command for ProducerConnection {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        const CODE: i32 = request::GET_PRODUCER_CONNECTION_LIST;
        let topic = args.get("t").unwrap_or_default();
        let broker = world.brokers_of(topic)?.into_iter().next();
        let broker = broker.ok_or_else(|| Failure::input(format!("the route of {topic} is empty")))?;
        let header = admin::ProducerGroup { producer_group: args.get("g"), ..Default::default() };
        let answer = world.ask(&broker, CODE, header.to_ext())?;
        let connection: bodies::ProducerConnection = read_body(CODE, &answer)?;
        for (index, client) in connection.clients.iter().enumerate() {
            writeln!(
                world.out,
                "{:04}  {:<32} {:<22} {:<8} {}",
                index + 1,
                client.client_id,
                client.client_addr,
                client.language,
                version_name(client.version)
            )?;
        }
        Ok(())
    }
}
