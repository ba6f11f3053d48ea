//! `getControllerConfig`: the settings of controllers.

use sansmq_core::wire::Ext;
use sansmq_core::wire::code::request;
use std::io::Write;

use crate::admin::{addresses, properties};
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
        for controller in addresses(args.get("a").unwrap_or_default()) {
            let answer = world.ask(&controller, request::GET_CONTROLLER_CONFIG, Ext::new())?;
            writeln!(world.out, "============{controller}============")?;
            for (key, value) in properties(&answer.body) {
                writeln!(world.out, "{key:<50}=  {value}")?;
            }
        }
        Ok(())
    }
}
