//! `getControllerConfig`: the settings of controllers.

use sansmq_core::wire::code::request;
use sansmq_core::wire::{Command as Request, Ext};
use std::io::Write;

use crate::admin::properties;
use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct GetControllerConfig;

static SPEC: Spec = Spec {
    name: "getControllerConfig",
    about: "Get controller config.",
    options: &[arg(
        "a",
        "controllerAddress",
        "Controller address list, eg: 192.168.0.1:9878;192.168.0.2:9878",
    )
    .required()],
};

impl Command for GetControllerConfig {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let command = Request::request(request::GET_CONTROLLER_CONFIG, Ext::new());
        for (controller, answer) in world.tell_controllers(args.get("a").unwrap_or_default(), &command)? {
            writeln!(world.out, "============{controller}============")?;
            for (key, value) in properties(&answer.body) {
                writeln!(world.out, "{key:<50}=  {value}")?;
            }
        }
        Ok(())
    }
}
