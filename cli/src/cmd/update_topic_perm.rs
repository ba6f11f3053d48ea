//! `updateTopicPerm`: changes the permission of a topic.

use sansmq_core::body::{QueueData, TopicConfig};
use std::io::Write;

use super::values::number;
use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct UpdateTopicPerm;

static SPEC: Spec = Spec {
    name: "updateTopicPerm",
    about: "Update topic perm.",
    options: &[
        arg("b", "brokerAddr", "create topic to which broker"),
        arg("c", "clusterName", "create topic to which cluster"),
        arg("p", "perm", "set topic's permission(2|4|6), intro[2:W; 4:R; 6:RW]").required(),
        arg("t", "topic", "topic name").required(),
    ],
};

impl Command for UpdateTopicPerm {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let topic = args.get("t").unwrap_or_default();
        let perm: i32 = number(args, "p", 0)?;
        let route = world.route(topic)?;
        if let Some(broker) = args.get("b") {
            let set =
                route.broker_datas.iter().find(|set| set.broker_addrs.get(&0).is_some_and(|a| a == broker));
            let queues =
                set.and_then(|set| route.queue_datas.iter().find(|q| q.broker_name == set.broker_name));
            let Some(queues) = queues else {
                return Err(Failure::input(
                    "updateTopicPerm error broker not exit or broker is not master!.",
                ));
            };
            if queues.perm == perm {
                writeln!(world.out, "new perm equals to the old one!")?;
                return Ok(());
            }
            let config = changed(topic, queues, perm);
            put(world, broker, &config, queues.perm)?;
            writeln!(world.out, "{config}.")?;
            return Ok(());
        }
        for broker in world.broker_or_masters(None, args.get("c"))? {
            let set = route.broker_datas.iter().find(|set| set.broker_addrs.values().any(|a| *a == broker));
            let queues =
                set.and_then(|set| route.queue_datas.iter().find(|q| q.broker_name == set.broker_name));
            let Some(queues) = queues.filter(|queues| queues.perm != perm) else { continue };
            put(world, &broker, &changed(topic, queues, perm), queues.perm)?;
        }
        Ok(())
    }
}

fn changed(topic: &str, queues: &QueueData, perm: i32) -> TopicConfig {
    TopicConfig {
        topic_name: topic.to_owned(),
        read_queue_nums: queues.read_queue_nums,
        write_queue_nums: queues.write_queue_nums,
        topic_sys_flag: queues.topic_sys_flag,
        perm,
        ..TopicConfig::default()
    }
}

fn put(world: &mut World, broker: &str, config: &TopicConfig, old: i32) -> Result<(), Failure> {
    world.put_topic(broker, config, "")?;
    writeln!(world.out, "update topic perm from {old} to {} in {broker} success.", config.perm)?;
    Ok(())
}
