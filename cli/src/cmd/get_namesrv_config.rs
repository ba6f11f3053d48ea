//! `getNamesrvConfig`: the settings of every name server.

use sansmq_core::wire::code::request;
use sansmq_core::wire::{Command as Request, Ext};
use std::io::Write;

use crate::admin::properties;
use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec};

/// The command.
pub struct GetNamesrvConfig;

static SPEC: Spec = Spec { name: "getNamesrvConfig", about: "Get configs of name server.", options: &[] };

impl Command for GetNamesrvConfig {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, _args: &Matches, world: &mut World) -> Result<(), Failure> {
        let answers = world.tell_names(&Request::request(request::GET_NAMESRV_CONFIG, Ext::new()))?;
        for (name, answer) in answers {
            writeln!(world.out, "============{name}============")?;
            for (key, value) in properties(&answer.body) {
                writeln!(world.out, "{key:<50}=  {value}")?;
            }
        }
        Ok(())
    }
}
