//! `addBroker` and `removeBroker`: brokers of a container.

use sansmq_core::wire::code::request;
use sansmq_core::wire::headers::admin;
use sansmq_core::wire::{Command as Request, Ext};
use std::io::Write;
use std::time::Duration;

use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// Opening or closing a store takes its time.
const PATIENCE: Duration = Duration::from_secs(20);

/// `addBroker`.
pub struct AddBroker;

static ADD: Spec = Spec {
    name: "addBroker",
    about: "Add a broker to specified container.",
    options: &[
        arg("b", "brokerConfigPath", "Broker config path").required(),
        arg("c", "brokerContainerAddr", "Broker container address").required(),
    ],
};

impl Command for AddBroker {
    fn spec(&self) -> &'static Spec {
        &ADD
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let container = args.get("c").unwrap_or_default();
        let header = admin::AddBroker { config_path: args.get("b"), ..Default::default() };
        ask(world, container, request::ADD_BROKER, header.to_ext())?;
        writeln!(world.out, "add broker to {container} success")?;
        Ok(())
    }
}

/// `removeBroker`.
pub struct RemoveBroker;

static REMOVE: Spec = Spec {
    name: "removeBroker",
    about: "Remove a broker from specified container.",
    options: &[
        arg(
            "b",
            "brokerIdentity",
            "Information to identify a broker: clusterName:brokerName:brokerId(dLedgerId for dLedger)",
        )
        .required(),
        arg("c", "brokerContainerAddr", "Broker container address").required(),
    ],
};

impl Command for RemoveBroker {
    fn spec(&self) -> &'static Spec {
        &REMOVE
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let container = args.get("c").unwrap_or_default();
        let text = args.get("b").unwrap_or_default();
        let wrong = |why: &str| {
            Failure::input(format!("-b \"{text}\": {why}; expected clusterName:brokerName:brokerId"))
        };
        let mut parts = text.split(':');
        let (Some(cluster), Some(name), Some(id)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong("has too few parts"));
        };
        let id: i64 = id.parse().map_err(|_| wrong(&format!("brokerId \"{id}\" is not a number")))?;
        if id < 0 {
            return Err(Failure::input("brokerId can't be negative"));
        }
        let header = admin::RemoveBroker {
            broker_cluster_name: Some(cluster),
            broker_name: Some(name),
            broker_id: Some(id),
            ..Default::default()
        };
        ask(world, container, request::REMOVE_BROKER, header.to_ext())?;
        writeln!(world.out, "remove broker from {container} success")?;
        Ok(())
    }
}

fn ask(world: &mut World, container: &str, code: i32, ext: Ext) -> Result<(), Failure> {
    world.ask_within(container, Request::request(code, ext), PATIENCE).map(drop)
}
