//! `cleanBrokerMetadata`: makes the controllers forget brokers of a set of replicas, or the whole set.

use sansmq_core::wire::Command as Request;
use sansmq_core::wire::code::request;
use sansmq_core::wire::headers::controller::CleanBrokerData;
use std::io::Write;

use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg, flag};

/// The command.
pub struct CleanBrokerMetadata;

static SPEC: Spec = Spec {
    name: "cleanBrokerMetadata",
    about: "Clean metadata of broker on controller.",
    options: &[
        arg("a", "controllerAddress", "The address of controller").required(),
        arg(
            "b",
            "brokerControllerIdsToClean",
            "The brokerController id list which requires to clean metadata. eg: 1;2;3, means that clean \
             broker-1, broker-2 and broker-3",
        ),
        arg("bn", "brokerName", "The broker name of the replicas that require to be manipulated").required(),
        arg("c", "clusterName", "The clusterName of broker"),
        flag("l", "cleanLivingBroker", "Whether clean up living brokers,default value is false"),
    ],
};

impl Command for CleanBrokerMetadata {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let name = args.get("bn").unwrap_or_default();
        let (ids, cluster) = (args.get("b"), args.get("c").filter(|cluster| !cluster.is_empty()));
        if let Some(ids) = ids {
            check_ids(ids)?;
        }
        let living = args.has("l");
        if !living && cluster.is_none() {
            return Err(Failure::input(
                "cleanLivingBroker option is false, clusterName option can not be empty.",
            ));
        }
        let header = CleanBrokerData {
            cluster_name: cluster,
            broker_name: Some(name),
            ids_to_clean: ids,
            clean_living_broker: living,
            invoke_time: Some((world.now)()),
            ..Default::default()
        };
        let command = Request::request(request::CLEAN_BROKER_DATA, header.to_ext());
        world.ask_controller(args.get("a").unwrap_or_default(), command)?;
        writeln!(world.out, "clear broker {name} metadata from controller success! ")?;
        Ok(())
    }
}

/// An empty or misspelt list must not end up as "all brokers".
fn check_ids(ids: &str) -> Result<(), Failure> {
    match ids.split(';').find(|id| id.parse::<i64>().is_err()) {
        None => Ok(()),
        Some(bad) => {
            Err(Failure::input(format!("-b {ids}: {bad:?} is no broker id, expected numbers like 1;2;3")))
        }
    }
}
