//! `resetOffsetByTime`: moves a consumer group to a point in time, on all queues or on one.

use std::io::Write;

use super::values::number;
use crate::admin::Queue;
use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct ResetOffsetByTime;

static SPEC: Spec = Spec {
    name: "resetOffsetByTime",
    about: "Reset consumer offset by timestamp(without client restart).",
    options: &[
        arg("b", "broker", "broker addr"),
        arg("c", "cluster", "Cluster name or lmq parent topic, lmq is used to find the route."),
        arg("f", "force", "set the force rollback by timestamp switch[true|false]. Deprecated."),
        arg("g", "group", "set the consumer group").required(),
        arg("o", "offset", "Expect queue offset, not support old version broker"),
        arg("q", "queue", "queue id"),
        arg("s", "timestamp", "set the timestamp[now|currentTimeMillis|yyyy-MM-dd#HH:mm:ss:SSS]").required(),
        arg("t", "topic", "set the topic").required(),
    ],
};

impl Command for ResetOffsetByTime {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let [group, topic, when] = ["g", "t", "s"].map(|name| args.get(name).unwrap_or_default());
        let timestamp = match when {
            "now" => (world.now)(),
            text => world.zone.parse(text).ok_or_else(|| {
                Failure::input(
                    "specified timestamp invalid, expected now, milliseconds or yyyy-MM-dd#HH:mm:ss:SSS",
                )
            })?,
        };
        if let (Some(broker), true) = (args.get("b"), args.has("q")) {
            let queue = Queue {
                broker: broker.to_owned(),
                broker_name: String::new(),
                topic: topic.to_owned(),
                id: number(args, "q", 0)?,
            };
            let offset = if args.has("o") { Some(number(args, "o", 0)?) } else { None };
            writeln!(
                world.out,
                "start reset consumer offset by specified, group[{group}], topic[{topic}], queueId[{}], \
                 broker[{broker}], timestamp(string)[{when}], timestamp(long)[{timestamp}]",
                queue.id
            )?;
            return one_queue(world, &queue, group, timestamp, offset);
        }
        let force = !args.has("f") || args.truth("f");
        writeln!(
            world.out,
            "start reset consumer offset by specified, group[{group}], topic[{topic}], force[{force}], \
             timestamp(string)[{when}], timestamp(long)[{timestamp}]"
        )?;
        let moved = world.reset_offsets(group, topic, args.get("c"), timestamp, force)?;
        world.print_offsets(&moved)
    }
}

fn one_queue(
    world: &mut World,
    queue: &Queue,
    group: &str,
    timestamp: i64,
    offset: Option<i64>,
) -> Result<(), Failure> {
    let offset = match (offset, timestamp) {
        (Some(offset), _) => offset,
        (None, -1) => world.max_offset(queue)?,
        (None, ms) => world.offset_at(queue, ms)?,
    };
    // The reference leaves offset 0 alone.
    if offset > 0 {
        world.commit_offset(queue, group, offset)?;
        world.reset_queue(queue, group, offset)?;
        writeln!(world.out, "reset consumer offset to {offset}")?;
    }
    Ok(())
}
