//! `deleteExpiredCommitLog`: drops commit-log files past their time.

use sansmq_core::wire::code::request;

use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct DeleteExpiredCommitLog;

static SPEC: Spec = Spec {
    name: "deleteExpiredCommitLog",
    about: "Delete expired CommitLog files.",
    options: &[
        arg("b", "brokerAddr", "Broker address"),
        arg("c", "cluster", "clustername"),
        arg("n", "namesrvAddr", "Name server address"),
    ],
};

impl Command for DeleteExpiredCommitLog {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        world.clean(request::DELETE_EXPIRED_COMMITLOG, args)
    }
}
