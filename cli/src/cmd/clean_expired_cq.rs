//! `cleanExpiredCQ`: drops consume-queue files without messages.

use sansmq_core::wire::code::request;

use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct CleanExpiredCq;

static SPEC: Spec = Spec {
    name: "cleanExpiredCQ",
    about: "Clean expired ConsumeQueue on broker.",
    options: &[arg("b", "brokerAddr", "Broker address"), arg("c", "cluster", "clustername")],
};

impl Command for CleanExpiredCq {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        world.clean(request::CLEAN_EXPIRED_CONSUMEQUEUE, args)
    }
}
