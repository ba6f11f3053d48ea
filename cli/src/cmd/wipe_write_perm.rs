//! `wipeWritePerm`: takes the write permission of a broker's topics away, on all name servers.

use sansmq_core::wire::Ext;
use sansmq_core::wire::code::request;
use std::io::Write;

use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct WipeWritePerm;

static SPEC: Spec = Spec {
    name: "wipeWritePerm",
    about: "Wipe write perm of broker in all name server you defined in the -n param.",
    options: &[arg("b", "brokerName", "broker name").required()],
};

impl Command for WipeWritePerm {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let broker = args.get("b").unwrap_or_default();
        let mut failed = Ok(());
        for name in world.client.names()? {
            let ext = Ext::new().with("brokerName", broker.to_owned());
            let line = format!("wipe write perm of broker[{broker}] in name server[{name}]");
            match world.ask(&name, request::WIPE_WRITE_PERM_OF_BROKER, ext) {
                Ok(answer) => {
                    let count = answer.ext_text("wipeTopicCount").unwrap_or_else(|| "0".to_owned());
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
}
