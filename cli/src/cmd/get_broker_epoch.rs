//! `getBrokerEpoch`: the epochs in the logs of brokers.

use std::io::Write;

use super::rounds::{each, repeated};
use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct GetBrokerEpoch;

static SPEC: Spec = Spec {
    name: "getBrokerEpoch",
    about: "Fetch broker epoch entries.",
    options: &[
        arg("b", "brokerName", "which broker to fetch"),
        arg("c", "clusterName", "which cluster"),
        arg("i", "interval", "the interval(second) of get info"),
    ],
};

impl Command for GetBrokerEpoch {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        repeated(args, world, |world| {
            let brokers = match (args.get("b"), args.get("c")) {
                (Some(name), _) => world.replicas_of(name)?,
                (None, Some(cluster)) => world.members(cluster)?,
                (None, None) => return Err(Failure::NoTarget),
            };
            each(world, SPEC.name, &brokers, print)
        })
    }
}

fn print(world: &mut World, broker: &str) -> Result<(), Failure> {
    let found = world.epochs(broker)?;
    writeln!(world.out, "\n#clusterName\t{}", found.cluster_name)?;
    writeln!(world.out, "#brokerName\t{}", found.broker_name)?;
    writeln!(world.out, "#brokerAddr\t{broker}")?;
    writeln!(world.out, "#brokerId\t{}", found.broker_id)?;
    let last = found.epochs.len().saturating_sub(1);
    for (index, entry) in found.epochs.iter().enumerate() {
        // The last epoch is open; it goes as far as the log does.
        let end = if index == last { found.max } else { entry.end };
        writeln!(
            world.out,
            "#Epoch: EpochEntry{{epoch={}, startOffset={}, endOffset={end}}}",
            entry.epoch, entry.start
        )?;
    }
    Ok(())
}
