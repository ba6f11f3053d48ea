//! `getControllerMetaData`: the group of a controller, its leader and its members.

use std::io::Write;

use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};
use crate::text::or_null;

/// The command.
pub struct GetControllerMetaData;

static SPEC: Spec = Spec {
    name: "getControllerMetaData",
    about: "Get controller cluster's metadata.",
    options: &[arg("a", "controllerAddress", "the address of controller").required()],
};

impl Command for GetControllerMetaData {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let found = world.controller_metadata(args.get("a").unwrap_or_default())?;
        writeln!(world.out, "\n#ControllerGroup\t{}", or_null(found.group))?;
        writeln!(world.out, "#ControllerLeaderId\t{}", or_null(found.leader_id))?;
        writeln!(world.out, "#ControllerLeaderAddress\t{}", or_null(found.leader_address))?;
        for peer in found.peers {
            writeln!(world.out, "#Peer:\t{peer}")?;
        }
        Ok(())
    }
}
