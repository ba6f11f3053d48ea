//! `addWritePerm` and `wipeWritePerm`: the write permission of a broker's topics, given back or taken away on all
//! name servers.

use sansmq_core::wire::Ext;
use sansmq_core::wire::code::request;
use std::io::Write;

use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// Gives the permission back.
pub struct AddWritePerm;

/// Takes it away.
pub struct WipeWritePerm;

static ADD: Spec = Spec {
    name: "addWritePerm",
    about: "Add write perm of broker in all name server you defined in the -n param.",
    options: &[arg("b", "brokerName", "broker name").required()],
};

static WIPE: Spec = Spec {
    name: "wipeWritePerm",
    about: "Wipe write perm of broker in all name server you defined in the -n param.",
    options: &[arg("b", "brokerName", "broker name").required()],
};

impl Command for AddWritePerm {
    fn spec(&self) -> &'static Spec {
        &ADD
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        change(args, world, "add", request::ADD_WRITE_PERM_OF_BROKER)
    }
}

impl Command for WipeWritePerm {
    fn spec(&self) -> &'static Spec {
        &WIPE
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        change(args, world, "wipe", request::WIPE_WRITE_PERM_OF_BROKER)
    }
}

/// Asks every name server; goes on after a failure and reports the last one.
fn change(args: &Matches, world: &mut World, verb: &str, code: i32) -> Result<(), Failure> {
    let broker = args.get("b").unwrap_or_default();
    let mut failed = Ok(());
    for name in world.client.names()? {
        let ext = Ext::new().with("brokerName", broker.to_owned());
        let line = format!("{verb} write perm of broker[{broker}] in name server[{name}]");
        match world.ask(&name, code, ext) {
            Ok(answer) => {
                let count = answer.ext_text(&format!("{verb}TopicCount")).unwrap_or_else(|| "0".to_owned());
                writeln!(world.out, "{line} OK, {count}")?;
            }
            Err(failure) => {
                writeln!(world.out, "{line} Failed")?;
                failed = Err(failure);
            }
        }
    }
    failed
}
