//! `updateTopic`: creates or changes a topic on one broker or on the masters of a cluster.

use sansmq_core::body::TopicConfig;
use std::collections::BTreeMap;
use std::io::Write;

use super::values::{attributes, number};
use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct UpdateTopic;

static SPEC: Spec = Spec {
    name: "updateTopic",
    about: "Update or create topic.",
    options: &[
        arg("a", "attributes", "attribute(+a=b,+c=d,-e)"),
        arg("b", "brokerAddr", "create topic to which broker").either(),
        arg("c", "clusterName", "create topic to which cluster").either(),
        arg("o", "order", "set topic's order(true|false)"),
        arg("p", "perm", "set topic's permission(2|4|6), intro[2:W 4:R; 6:RW]"),
        arg("r", "readQueueNums", "set read queue nums"),
        arg("s", "hasUnitSub", "has unit sub (true|false)"),
        arg("t", "topic", "topic name").required(),
        arg("u", "unit", "is unit topic (true|false)"),
        arg("w", "writeQueueNums", "set write queue nums"),
    ],
};

impl Command for UpdateTopic {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let changes = args.get("a").unwrap_or_default();
        let mut config = TopicConfig::new(args.get("t").unwrap_or_default(), 8, 6);
        config.read_queue_nums = number(args, "r", config.read_queue_nums)?;
        config.write_queue_nums = number(args, "w", config.write_queue_nums)?;
        config.perm = number(args, "p", config.perm)?;
        config.order = args.truth("o");
        config.topic_sys_flag = i32::from(args.truth("u")) | i32::from(args.truth("s")) << 1;
        config.attributes = attributes(changes)?;
        match (args.get("b"), args.get("c")) {
            (Some(broker), _) => on_broker(world, broker, &config, changes)?,
            (None, cluster) => on_cluster(world, cluster.unwrap_or_default(), &config, changes)?,
        }
        writeln!(world.out, "{config}")?;
        Ok(())
    }
}

fn on_broker(world: &mut World, broker: &str, config: &TopicConfig, changes: &str) -> Result<(), Failure> {
    world.put_topic(broker, config, changes)?;
    if config.order {
        let clusters = world.clusters()?;
        let set = clusters.brokers.values().find(|set| set.broker_addrs.values().any(|addr| addr == broker));
        let name = set.map(|set| set.broker_name.clone()).ok_or_else(|| {
            Failure::input(
                "Make sure the specified broker addr exists or the nameserver which connected is correct.",
            )
        })?;
        let own = format!("{name}:{}", config.write_queue_nums);
        let merged = merge(&world.order_conf(&config.topic_name).unwrap_or_default(), &own);
        world.set_order_conf(&config.topic_name, &merged)?;
        writeln!(world.out, "set broker orderConf. isOrder={}, orderConf=[{own}]", config.order)?;
    }
    writeln!(world.out, "create topic to {broker} success.")?;
    Ok(())
}

fn on_cluster(world: &mut World, cluster: &str, config: &TopicConfig, changes: &str) -> Result<(), Failure> {
    for broker in world.masters(cluster)? {
        world.put_topic(&broker, config, changes)?;
        writeln!(world.out, "create topic to {broker} success.")?;
    }
    if config.order {
        let queues = config.write_queue_nums;
        let names = world.replicas(cluster)?;
        let all: Vec<String> = names.iter().map(|set| format!("{}:{queues}", set.broker_name)).collect();
        let all = all.join(";");
        world.set_order_conf(&config.topic_name, &all)?;
        writeln!(world.out, "set cluster orderConf. isOrder={}, orderConf=[{all}]", config.order)?;
    }
    Ok(())
}

/// An order configuration with the entry of one broker replaced or added.
fn merge(old: &str, own: &str) -> String {
    let entry = |text: &str| text.split_once(':').map(|(name, n)| (name.to_owned(), n.to_owned()));
    let mut entries: BTreeMap<String, String> = old.split(';').filter_map(entry).collect();
    entries.extend(entry(own));
    let all: Vec<String> = entries.iter().map(|(name, queues)| format!("{name}:{queues}")).collect();
    all.join(";")
}

#[cfg(test)]
mod tests {
    #[test]
    fn order_configurations_merge() {
        assert_eq!(super::merge("", "a:2"), "a:2");
        assert_eq!(super::merge("b:4;a:8", "a:2"), "a:2;b:4");
    }
}
