//! `updateKvConfig`: sets a key of a namespace on all name servers.

use std::io::Write;

use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct UpdateKvConfig;

static SPEC: Spec = Spec {
    name: "updateKvConfig",
    about: "Create or update KV config.",
    options: &[
        arg("k", "key", "set the key name").required(),
        arg("s", "namespace", "set the namespace").required(),
        arg("v", "value", "set the key value").required(),
    ],
};

impl Command for UpdateKvConfig {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let [namespace, key, value] = ["s", "k", "v"].map(|name| args.get(name).unwrap_or_default());
        world.put_kv(namespace, key, value)?;
        writeln!(world.out, "create or update kv config to namespace success.")?;
        Ok(())
    }
}
