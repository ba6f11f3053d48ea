//! `getBrokerConfig`: the settings of a broker, or of all brokers of a cluster.

use std::io::Write;

use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct GetBrokerConfig;

static SPEC: Spec = Spec {
    name: "getBrokerConfig",
    about: "Get broker config by cluster or special broker.",
    options: &[arg("b", "brokerAddr", "get which broker"), arg("c", "clusterName", "get which cluster")],
};

impl Command for GetBrokerConfig {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        if let Some(broker) = args.get("b") {
            return print(world, &format!("============{broker}============"), broker);
        }
        let Some(cluster) = args.get("c") else {
            return Err(Failure::input("either -b or -c has to be given"));
        };
        for set in world.replicas(cluster)? {
            let master = set.broker_addrs.get(&0);
            match master {
                Some(master) => print(world, &format!("============Master: {master}============"), master)?,
                None => writeln!(world.out, "============Master: NO_MASTER============\n")?,
            }
            let shown = master.map_or("NO_MASTER", String::as_str);
            for (_, slave) in set.broker_addrs.iter().filter(|(id, _)| **id != 0) {
                print(
                    world,
                    &format!("============My Master: {shown}=====Slave: {slave}============"),
                    slave,
                )?;
            }
        }
        Ok(())
    }
}

fn print(world: &mut World, title: &str, broker: &str) -> Result<(), Failure> {
    let settings = world.broker_config(broker)?;
    writeln!(world.out, "{title}")?;
    for (key, value) in settings {
        writeln!(world.out, "{key:<50}=  {value}")?;
    }
    writeln!(world.out)?;
    Ok(())
}
