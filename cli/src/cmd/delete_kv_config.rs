//! `deleteKvConfig`: removes a key of a namespace from all name servers.

use std::io::Write;

use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct DeleteKvConfig;

static SPEC: Spec = Spec {
    name: "deleteKvConfig",
    about: "Delete KV config.",
    options: &[
        arg("k", "key", "set the key name").required(),
        arg("s", "namespace", "set the namespace").required(),
    ],
};

impl Command for DeleteKvConfig {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let [namespace, key] = ["s", "k"].map(|name| args.get(name).unwrap_or_default());
        world.delete_kv(namespace, key)?;
        writeln!(world.out, "delete kv config from namespace success.")?;
        Ok(())
    }
}
