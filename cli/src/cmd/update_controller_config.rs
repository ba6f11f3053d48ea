//! `updateControllerConfig`: changes one setting of controllers.

use sansmq_core::wire::code::request;
use sansmq_core::wire::{Command as Request, Ext};
use std::io::Write;

use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct UpdateControllerConfig;

static SPEC: Spec = Spec {
    name: "updateControllerConfig",
    about: "Update controller config.",
    options: &[
        arg("a", "controllerAddress", "Controller address list, eg: 192.168.0.1:9878;192.168.0.2:9878")
            .required(),
        arg("k", "key", "config key").required(),
        arg("v", "value", "config value").required(),
    ],
};

impl Command for UpdateControllerConfig {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let (key, value) = (args.get("k").unwrap_or_default(), args.get("v").unwrap_or_default());
        let command = Request::request(request::UPDATE_CONTROLLER_CONFIG, Ext::new())
            .with_body(format!("{key}={value}\n").into_bytes());
        let told = world.tell_controllers(args.get("a").unwrap_or_default(), &command)?;
        let told: Vec<String> = told.into_iter().map(|(controller, _)| controller).collect();
        let told = told.join(", ");
        writeln!(world.out, "update controller config success![{told}]\n{key} : {value}")?;
        Ok(())
    }
}
