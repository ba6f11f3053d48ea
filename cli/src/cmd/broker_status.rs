//! `brokerStatus`: a broker's run-time figures.

use std::io::Write;

use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct BrokerStatus;

static SPEC: Spec = Spec {
    name: "brokerStatus",
    about: "Fetch broker runtime status data.",
    options: &[
        arg("b", "brokerAddr", "Broker address").either(),
        arg("c", "clusterName", "which cluster").either(),
    ],
};

impl Command for BrokerStatus {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        if let Some(broker) = args.get("b") {
            for (name, value) in world.runtime(broker)? {
                writeln!(world.out, "{name:<32}: {value}")?;
            }
            return Ok(());
        }
        let mut failed = 0;
        for broker in world.members(args.get("c").unwrap_or_default())? {
            match world.runtime(&broker) {
                Ok(figures) => {
                    for (name, value) in figures {
                        writeln!(world.out, "{broker:<24} {name:<32}: {value}")?;
                    }
                }
                Err(failure) => {
                    failed += 1;
                    writeln!(world.err, "mqadmin: brokerStatus: {broker}: {failure}")?;
                }
            }
        }
        if failed == 0 { Ok(()) } else { Err(Failure::Partly(failed)) }
    }
}
