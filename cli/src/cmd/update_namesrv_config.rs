//! `updateNamesrvConfig`: changes one setting of every name server.

use sansmq_core::wire::code::request;
use sansmq_core::wire::{Command as Request, Ext};
use std::io::Write;

use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct UpdateNamesrvConfig;

static SPEC: Spec = Spec {
    name: "updateNamesrvConfig",
    about: "Update configs of name server.",
    options: &[arg("k", "key", "config key").required(), arg("v", "value", "config value").required()],
};

impl Command for UpdateNamesrvConfig {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let (key, value) = (args.get("k").unwrap_or_default(), args.get("v").unwrap_or_default());
        let command = Request::request(request::UPDATE_NAMESRV_CONFIG, Ext::new())
            .with_body(format!("{key}={value}\n").into_bytes());
        world.tell_names(&command)?;
        let names = world.client.names()?.join(", ");
        writeln!(world.out, "update name server config success![{names}]\n{key} : {value}")?;
        Ok(())
    }
}
