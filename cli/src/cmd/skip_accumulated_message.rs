//! `skipAccumulatedMessage`: moves a consumer group to the end of a topic.

use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct SkipAccumulatedMessage;

static SPEC: Spec = Spec {
    name: "skipAccumulatedMessage",
    about: "Skip all messages that are accumulated (not consumed) currently.",
    options: &[
        arg("c", "cluster", "Cluster name or lmq parent topic, lmq is used to find the route."),
        arg("f", "force", "set the force rollback by timestamp switch[true|false]"),
        arg("g", "group", "set the consumer group").required(),
        arg("t", "topic", "set the topic").required(),
    ],
};

/// Stands for the end of a queue in a reset request.
const END: i64 = -1;

impl Command for SkipAccumulatedMessage {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let [group, topic] = ["g", "t"].map(|name| args.get(name).unwrap_or_default());
        let force = !args.has("f") || args.truth("f");
        let moved = world.reset_offsets(group, topic, args.get("c"), END, force)?;
        world.print_offsets(&moved)
    }
}
