//! `cleanUnusedTopic`: drops the consume queues of topics that are gone.

use sansmq_core::wire::code::request;

use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct CleanUnusedTopic;

static SPEC: Spec = Spec {
    name: "cleanUnusedTopic",
    about: "Clean unused topic on broker.",
    options: &[arg("b", "brokerAddr", "Broker address"), arg("c", "cluster", "cluster name")],
};

impl Command for CleanUnusedTopic {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        world.clean(request::CLEAN_UNUSED_TOPIC, args)
    }
}
