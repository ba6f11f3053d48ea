//! `haStatus`: how far the slaves of a master are, or how far a slave is.

use sansmq_core::body::{HaClientInfo, HaStatus as Status};
use std::io::Write;

use super::rounds::{each, repeated};
use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};
use crate::text::fixed;

/// The command.
pub struct HaStatus;

static SPEC: Spec = Spec {
    name: "haStatus",
    about: "Fetch ha runtime status data.",
    options: &[
        arg("b", "brokerAddr", "which broker to fetch"),
        arg("c", "clusterName", "which cluster"),
        arg("i", "interval", "the interval(second) of get info"),
    ],
};

impl Command for HaStatus {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        repeated(args, world, |world| {
            let brokers = world.broker_or_masters(args.get("b"), args.get("c"))?;
            each(world, SPEC.name, &brokers, print)
        })
    }
}

fn print(world: &mut World, broker: &str) -> Result<(), Failure> {
    let status = world.ha_status(broker)?;
    if status.master { print_master(world, broker, &status) } else { print_slave(world, &status.client) }
}

fn print_master(world: &mut World, broker: &str, status: &Status) -> Result<(), Failure> {
    writeln!(world.out, "\n#MasterAddr\t{broker}")?;
    writeln!(world.out, "#MasterCommitLogMaxOffset\t{}", status.max)?;
    writeln!(world.out, "#SlaveNum\t{}", status.connections.len())?;
    writeln!(world.out, "#InSyncSlaveNum\t{}", status.in_sync_slaves)?;
    writeln!(
        world.out,
        "{:<32}  {:<16} {:>16} {:>16} {:>16} {:>16}",
        "#SlaveAddr", "#SlaveAckOffset", "#Diff", "#TransferSpeed(KB/s)", "#Status", "#TransferFromWhere"
    )?;
    for slave in &status.connections {
        writeln!(
            world.out,
            "{:<32}  {:<16} {:>16} {:>16} {:>16} {:>16}",
            slave.addr,
            slave.slave_ack_offset,
            slave.diff,
            kilobytes(slave.transferred),
            if slave.in_sync { "OK" } else { "Fall Behind" },
            slave.transfer_from_where
        )?;
    }
    Ok(())
}

fn print_slave(world: &mut World, slave: &HaClientInfo) -> Result<(), Failure> {
    let (read, written) = (world.zone.millis(slave.last_read), world.zone.millis(slave.last_write));
    writeln!(world.out, "\n#MasterAddr\t{}", slave.master_addr)?;
    writeln!(world.out, "#CommitLogMaxOffset\t{}", slave.max_offset)?;
    writeln!(world.out, "#TransferSpeed(KB/s)\t{}", kilobytes(slave.transferred))?;
    writeln!(world.out, "#LastReadTime\t{read}\n#LastWriteTime\t{written}")?;
    writeln!(world.out, "#MasterFlushOffset\t{}", slave.master_flush_offset)?;
    Ok(())
}

fn kilobytes(bytes: i64) -> String {
    fixed(bytes as f64 / 1024.0, 2)
}
