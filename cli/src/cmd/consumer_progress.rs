//! `consumerProgress`: how far consumer groups are, all of them or one queue by queue.

use sansmq_core::body::{ConsumeType, MessageQueue};
use std::collections::BTreeMap;
use std::io::Write;

use crate::admin::RETRY_PREFIX;
use crate::app::{Command, World};
use crate::bodies::ConsumeStats;
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};
use crate::text::{fixed, front, version_name};

/// The command.
pub struct ConsumerProgress;

static SPEC: Spec = Spec {
    name: "consumerProgress",
    about: "Query consumer's progress, speed.",
    options: &[
        arg("c", "cluster", "Cluster name or lmq parent topic, lmq is used to find the route."),
        arg("g", "groupName", "consumer group name"),
        arg("s", "showClientIP", "Show Client IP per Queue"),
        arg("t", "topicName", "topic name"),
    ],
};

impl Command for ConsumerProgress {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        match args.get("g") {
            Some(group) => one(world, group, args),
            None => all(world),
        }
    }
}

fn one(world: &mut World, group: &str, args: &Matches) -> Result<(), Failure> {
    let stats = world.consume_stats(group, args.get("t"), args.get("c"))?;
    let clients = if args.truth("s") { Some(clients(world, group)?) } else { None };
    let extra = if clients.is_some() { format!("{:<20} ", "#Client IP") } else { String::new() };
    writeln!(
        world.out,
        "{:<64}  {:<32}  {:<4}  {:<20}  {:<20}  {extra}{:<20} {:<20}#LastTime",
        "#Topic", "#Broker Name", "#QID", "#Broker Offset", "#Consumer Offset", "#Diff", "#Inflight"
    )?;
    for (queue, progress) in &stats.offsets {
        let extra = clients.as_ref().map_or_else(String::new, |clients| {
            format!("{:<20} ", clients.get(queue).map(String::as_str).unwrap_or("N/A"))
        });
        let last = match progress.last_timestamp {
            ms if ms > 0 => world.zone.seconds(ms),
            _ => "N/A".to_owned(),
        };
        writeln!(
            world.out,
            "{:<64}  {:<32}  {:<4}  {:<20}  {:<20}  {extra}{:<20} {:<20} {last}",
            front(&queue.topic, 64),
            front(&queue.broker_name, 32),
            queue.queue_id,
            progress.broker_offset,
            progress.consumer_offset,
            progress.broker_offset - progress.consumer_offset,
            progress.pull_offset - progress.consumer_offset,
        )?;
    }
    writeln!(world.out, "\nConsume TPS: {}", fixed(stats.consume_tps, 2))?;
    writeln!(world.out, "Consume Diff Total: {}", stats.diff())?;
    writeln!(world.out, "Consume Inflight Total: {}", stats.inflight())?;
    Ok(())
}

/// Which member holds a queue, by the first part of its client id.
fn clients(world: &mut World, group: &str) -> Result<BTreeMap<MessageQueue, String>, Failure> {
    let mut all = BTreeMap::new();
    for client in world.consumer_connection(group, None)?.clients {
        // A member that does not answer leaves its queues without address.
        let Ok(info) = world.running_info(group, &client.client_id) else { continue };
        let ip = client.client_id.split('@').next().unwrap_or_default();
        all.extend(info.queues.into_keys().map(|queue| (queue, ip.to_owned())));
    }
    Ok(all)
}

fn all(world: &mut World) -> Result<(), Failure> {
    writeln!(
        world.out,
        "{:<64}  {:<6}  {:<24} {:<5}  {:<14}  {:<7}  #Diff Total",
        "#Group", "#Count", "#Version", "#Type", "#Model", "#TPS"
    )?;
    for topic in world.topics()? {
        let Some(group) = topic.strip_prefix(RETRY_PREFIX) else { continue };
        // A group without offsets or members still gets its row.
        let stats = world.consume_stats(group, None, None).unwrap_or_else(|_| ConsumeStats::default());
        let members = world.consumer_connection(group, None).ok().filter(|c| !c.clients.is_empty());
        let (count, version, kind, model) = match &members {
            None => (0, "OFFLINE".to_owned(), "", ""),
            Some(c) => {
                let (kind, model) = match c.consume_type {
                    ConsumeType::Actively => ("PULL", ""),
                    ConsumeType::Passively => ("PUSH", c.message_model.as_str()),
                    ConsumeType::Pop => ("PUSH", ""),
                };
                (c.clients.len(), version_name(c.min_version()), kind, model)
            }
        };
        writeln!(
            world.out,
            "{:<64}  {count:<6}  {version:<24} {kind:<5}  {model:<14}  {:<7}  {}",
            front(group, 64),
            stats.consume_tps as i64,
            stats.diff()
        )?;
    }
    Ok(())
}
