//! `addWritePerm`: gives the write permission of a broker's topics back, on all name servers.

use sansmq_core::wire::Ext;
use sansmq_core::wire::code::request;
use std::io::Write;

use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct AddWritePerm;

static SPEC: Spec = Spec {
    name: "addWritePerm",
    about: "Add write perm of broker in all name server you defined in the -n param.",
    options: &[arg("b", "brokerName", "broker name").required()],
};

impl Command for AddWritePerm {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let broker = args.get("b").unwrap_or_default();
        let mut failed = Ok(());
        for name in world.client.names()? {
            let ext = Ext::new().with("brokerName", broker.to_owned());
            let line = format!("add write perm of broker[{broker}] in name server[{name}]");
            match world.ask(&name, request::ADD_WRITE_PERM_OF_BROKER, ext) {
                Ok(answer) => {
                    let count = answer.ext_text("addTopicCount").unwrap_or_else(|| "0".to_owned());
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
