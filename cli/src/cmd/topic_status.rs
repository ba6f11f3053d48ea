//! `topicStatus`: offsets of a topic's queues.

use std::io::Write;

use crate::app::{Command, World};
use crate::bodies::TopicStats;
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};
use crate::text::{double, front};

/// The command.
pub struct TopicStatus;

static SPEC: Spec = Spec {
    name: "topicStatus",
    about: "Examine topic Status info.",
    options: &[
        arg("c", "cluster", "cluster name or lmq parent topic, lmq is used to find the route."),
        arg("t", "topic", "topic name").required(),
    ],
};

impl Command for TopicStatus {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let topic = args.get("t").unwrap_or_default();
        let mut all = TopicStats::default();
        for broker in world.brokers_of(args.get("c").unwrap_or(topic))? {
            let stats = world.topic_stats(&broker, topic)?;
            all.offsets.extend(stats.offsets);
            all.put_tps += stats.put_tps;
        }
        if all.offsets.is_empty() {
            return Err(Failure::input("Not found the topic stats info"));
        }
        writeln!(
            world.out,
            "{:<32}  {:<4}  {:<20}  {:<20}    #Last Updated",
            "#Broker Name", "#QID", "#Min Offset", "#Max Offset"
        )?;
        for (queue, range) in &all.offsets {
            let updated = match range.last_update {
                ms if ms > 0 => world.zone.millis(ms),
                _ => String::new(),
            };
            writeln!(
                world.out,
                "{:<32}  {:<4}  {:<20}  {:<20}    {updated}",
                front(&queue.broker_name, 32),
                queue.queue_id,
                range.min_offset,
                range.max_offset
            )?;
        }
        writeln!(world.out, "\nTopic Put TPS: {}", double(all.put_tps))?;
        Ok(())
    }
}
