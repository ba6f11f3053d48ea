//! `deleteTopic`: deletes a topic on the masters of a cluster and on all name servers.

use std::io::Write;

use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct DeleteTopic;

static SPEC: Spec = Spec {
    name: "deleteTopic",
    about: "Delete topic from broker and NameServer.",
    options: &[
        arg("c", "clusterName", "delete topic from which cluster").required(),
        arg("t", "topic", "topic name").required(),
    ],
};

impl Command for DeleteTopic {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let (topic, cluster) = (args.get("t").unwrap_or_default(), args.get("c").unwrap_or_default());
        for broker in world.masters(cluster)? {
            world.delete_topic(&broker, topic)?;
        }
        writeln!(world.out, "delete topic [{topic}] from cluster [{cluster}] success.")?;
        world.delete_topic_in_names(topic, Some(cluster))?;
        writeln!(world.out, "delete topic [{topic}] from NameServer success.")?;
        Ok(())
    }
}
