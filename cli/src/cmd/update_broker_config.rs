//! `updateBrokerConfig`: changes one setting of a broker or of a cluster's brokers.

use std::io::Write;

use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct UpdateBrokerConfig;

static SPEC: Spec = Spec {
    name: "updateBrokerConfig",
    about: "Update broker's config.",
    options: &[
        arg("a", "updateAllBroker", "update all brokers include slave"),
        arg("b", "brokerAddr", "update which broker"),
        arg("c", "clusterName", "update which cluster"),
        arg("k", "key", "config key").required(),
        arg("v", "value", "config value").required(),
    ],
};

impl Command for UpdateBrokerConfig {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let (key, value) = (args.get("k").unwrap_or_default(), args.get("v").unwrap_or_default());
        let brokers = match (args.get("b"), args.get("c")) {
            (None, Some(cluster)) if args.has("a") => world.members(cluster)?,
            (broker, cluster) => world.broker_or_masters(broker, cluster)?,
        };
        let mut failed = Ok(());
        for broker in brokers {
            match world.set_broker_config(&broker, key, value) {
                Ok(()) => writeln!(world.out, "update broker config success, {broker}")?,
                // The brokers left over are tried all the same.
                Err(failure) => failed = Err(failure),
            }
        }
        failed
    }
}
