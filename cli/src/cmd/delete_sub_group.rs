//! `deleteSubGroup`: deletes a consumer group, with a cluster also its retry and dead-letter topics.

use std::io::Write;

use crate::admin::retry_topic;
use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct DeleteSubGroup;

static SPEC: Spec = Spec {
    name: "deleteSubGroup",
    about: "Delete subscription group from broker.",
    options: &[
        arg("b", "brokerAddr", "delete subscription group from which broker"),
        arg("c", "clusterName", "delete subscription group from which cluster"),
        arg("g", "groupName", "subscription group name").required(),
        arg("r", "removeOffset", "remove offset"),
    ],
};

impl Command for DeleteSubGroup {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let group = args.get("g").unwrap_or_default();
        let clean = args.truth("r");
        if let Some(broker) = args.get("b") {
            world.delete_group(broker, group, clean)?;
            writeln!(world.out, "delete subscription group [{group}] from broker [{broker}] success.")?;
            return Ok(());
        }
        let masters = world.broker_or_masters(None, args.get("c"))?;
        let cluster = args.get("c").unwrap_or_default();
        for broker in &masters {
            world.delete_group(broker, group, clean)?;
            writeln!(
                world.out,
                "delete subscription group [{group}] from broker [{broker}] in cluster [{cluster}] success."
            )?;
        }
        for topic in [retry_topic(group), format!("%DLQ%{group}")] {
            for broker in &masters {
                world.delete_topic(broker, &topic)?;
            }
            world.delete_topic_in_names(&topic, None)?;
            world.drop_order_conf(&topic)?;
        }
        Ok(())
    }
}
