//! `electMaster`: makes a broker the master of its set of replicas.

use sansmq_core::wire::Command as Request;
use sansmq_core::wire::code::request;
use sansmq_core::wire::headers::controller::ElectMaster as Header;
use std::io::Write;

use super::values::number;
use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};
use crate::text::or_null;

/// The command.
pub struct ElectMaster;

static SPEC: Spec = Spec {
    name: "electMaster",
    about: "Re-elect the specified broker as master.",
    options: &[
        arg("a", "controllerAddress", "The address of controller").required(),
        arg("b", "brokerId", "The id of the broker which requires to become master").required(),
        arg("bn", "brokerName", "The broker name of the replicas that require to be manipulated").required(),
        arg("c", "clusterName", "the clusterName of broker").required(),
    ],
};

impl Command for ElectMaster {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let (cluster, name) = (args.get("c").unwrap_or_default(), args.get("bn").unwrap_or_default());
        let header = Header {
            cluster_name: Some(cluster),
            broker_name: Some(name),
            broker_id: Some(number(args, "b", 0)?),
            designate_elect: true,
            invoke_time: Some((world.now)()),
            ..Default::default()
        };
        let command = Request::request(request::CONTROLLER_ELECT_MASTER, header.to_ext());
        let answer = world.ask_controller(args.get("a").unwrap_or_default(), command)?;
        let told = |name: &str| or_null(answer.ext_text(name));
        writeln!(world.out, "\n#ClusterName\t{cluster}\n#BrokerName\t{name}")?;
        writeln!(world.out, "#BrokerMasterAddr\t{}", told("masterAddress"))?;
        writeln!(world.out, "#MasterEpoch\t{}", told("masterEpoch"))?;
        writeln!(world.out, "#SyncStateSetEpoch\t{}", told("syncStateSetEpoch"))?;
        Ok(())
    }
}
