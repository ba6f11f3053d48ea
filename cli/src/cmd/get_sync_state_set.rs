//! `getSyncStateSet`: who is master of a set of replicas and who is in sync, as the controllers know it.

use sansmq_core::body::ReplicaIdentity;
use std::io::Write;

use super::rounds::repeated;
use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};
use crate::text::or_null;

/// The command.
pub struct GetSyncStateSet;

static SPEC: Spec = Spec {
    name: "getSyncStateSet",
    about: "Fetch syncStateSet for target brokers.",
    options: &[
        arg("a", "controllerAddress", "the address of controller").required(),
        arg("b", "brokerName", "which broker to fetch"),
        arg("c", "clusterName", "which cluster"),
        arg("i", "interval", "the interval(second) of get info"),
    ],
};

impl Command for GetSyncStateSet {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        repeated(args, world, |world| round(args, world))
    }
}

fn round(args: &Matches, world: &mut World) -> Result<(), Failure> {
    let names = match (args.get("b"), args.get("c")) {
        (Some(name), _) => vec![name.to_owned()],
        (None, Some(cluster)) => world.replicas(cluster)?.into_iter().map(|set| set.broker_name).collect(),
        (None, None) => return Err(Failure::NoTarget),
    };
    let found = world.sync_state(args.get("a").unwrap_or_default(), &names)?;
    for (name, set) in found.replicas_info_table {
        writeln!(world.out, "\n#brokerName\t{name}")?;
        writeln!(world.out, "#MasterBrokerId\t{}", or_null(set.master_broker_id))?;
        writeln!(world.out, "#MasterAddr\t{}", or_null(set.master_address))?;
        writeln!(world.out, "#MasterEpoch\t{}", set.master_epoch)?;
        writeln!(world.out, "#SyncStateSetEpoch\t{}", set.sync_state_set_epoch)?;
        writeln!(world.out, "#SyncStateSetNums\t{}", set.in_sync_replicas.len())?;
        print(world, "InSyncReplica", &set.in_sync_replicas)?;
        print(world, "NotInSyncReplica", &set.not_in_sync_replicas)?;
    }
    Ok(())
}

fn print(world: &mut World, title: &str, replicas: &[ReplicaIdentity]) -> Result<(), Failure> {
    for replica in replicas {
        writeln!(
            world.out,
            "\n{title}:\tReplicaIdentity{{brokerName='{}', brokerId={}, brokerAddress='{}', alive={}}}",
            replica.broker_name, replica.broker_id, replica.broker_address, replica.alive
        )?;
    }
    Ok(())
}
