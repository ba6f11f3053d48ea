//! `producer`: all producers a broker knows.

use sansmq_core::wire::Ext;
use sansmq_core::wire::code::request;
use std::io::Write;

use crate::admin::read_body;
use crate::app::{Command, World};
use crate::bodies::ProducerTable;
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct Producer;

static SPEC: Spec = Spec {
    name: "producer",
    about: "Query producer's instances, connection, status, etc.",
    options: &[arg("b", "broker", "broker address").required()],
};

impl Command for Producer {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        const CODE: i32 = request::GET_ALL_PRODUCER_INFO;
        let answer = world.ask(args.get("b").unwrap_or_default(), CODE, Ext::new())?;
        let table: ProducerTable = read_body(CODE, &answer)?;
        for (group, producers) in &table.groups {
            for p in producers {
                writeln!(
                    world.out,
                    "producer group ({group}) instance : clientId={},remoteIP={}, language={}, version={}, \
                     lastUpdateTimestamp={}",
                    p.client_id, p.remote, p.language, p.version, p.last_update
                )?;
            }
        }
        Ok(())
    }
}
