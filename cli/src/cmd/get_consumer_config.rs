//! `getConsumerConfig`: the configuration of a consumer group on every broker.

use sansmq_core::body::SubscriptionGroupTable;
use sansmq_core::wire::Ext;
use sansmq_core::wire::code::request;
use std::io::Write;

use crate::admin::{address_of, read_body};
use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct GetConsumerConfig;

static SPEC: Spec = Spec {
    name: "getConsumerConfig",
    about: "Get consumer config by subscription group name.",
    options: &[arg("g", "groupName", "subscription group name").required()],
};

impl Command for GetConsumerConfig {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        const CODE: i32 = request::GET_ALL_SUBSCRIPTIONGROUP_CONFIG;
        let group = args.get("g").unwrap_or_default();
        let clusters = world.clusters()?;
        for set in clusters.brokers.values() {
            let Some(broker) = address_of(set) else { continue };
            let answer = world.ask(broker, CODE, Ext::new())?;
            let table: SubscriptionGroupTable = read_body(CODE, &answer)?;
            let Some(config) = table.groups.get(group) else { continue };
            writeln!(world.out, "{0}{1}:{2}{0}", "=".repeat(29), set.cluster, set.broker_name)?;
            for (name, value) in config.entries() {
                let value = if value == "null" { "" } else { &value };
                writeln!(world.out, "{name:<40}=  {value}")?;
            }
        }
        Ok(())
    }
}
