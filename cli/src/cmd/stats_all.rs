//! `statsAll`: traffic of topics and of the groups that consume them.

use std::io::Write;

use crate::admin::RETRY_PREFIX;
use crate::app::{Command, World};
use crate::bodies::BrokerStats;
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg, flag};
use crate::text::{fixed, front};

/// The command.
pub struct StatsAll;

static SPEC: Spec = Spec {
    name: "statsAll",
    about: "Topic and Consumer tps stats.",
    options: &[
        flag("a", "activeTopic", "print active topic only"),
        arg("t", "topic", "print select topic only"),
    ],
};

impl Command for StatsAll {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        writeln!(
            world.out,
            "{:<64}  {:<64} {:>12} {:>11} {:>11} {:>14} {:>14}",
            "#Topic",
            "#Consumer Group",
            "#Accumulation",
            "#InTPS",
            "#OutTPS",
            "#InMsg24Hour",
            "#OutMsg24Hour"
        )?;
        let only = args.get("t").filter(|topic| !topic.is_empty());
        for topic in world.topics()? {
            if topic.starts_with(RETRY_PREFIX) || topic.starts_with("%DLQ%") {
                continue;
            }
            if only.is_none_or(|only| only == topic) {
                one(world, &topic, args.has("a"))?;
            }
        }
        Ok(())
    }
}

fn one(world: &mut World, topic: &str, active_only: bool) -> Result<(), Failure> {
    let route = world.route(topic)?;
    let groups = world.groups_of(topic).unwrap_or_default();
    let masters: Vec<String> =
        route.broker_datas.iter().filter_map(|set| set.broker_addrs.get(&0)).cloned().collect();
    let (in_tps, in_day) = sums(world, &masters, "TOPIC_PUT_NUMS", topic);
    let shown = front(topic, 64);
    if groups.is_empty() {
        if !active_only || in_day > 0 {
            writeln!(
                world.out,
                "{shown:<64}  {:<64} {:>12} {:>11} {:>11} {in_day:>14} {:>14}",
                "",
                0,
                fixed(in_tps, 2),
                "",
                "NO_CONSUMER"
            )?;
        }
        return Ok(());
    }
    for group in groups {
        let (out_tps, out_day) = sums(world, &masters, "GROUP_GET_NUMS", &format!("{topic}@{group}"));
        let behind = world.consume_stats(&group, Some(topic), None).or_else(|_| {
            // A group without retry topic is looked for where the topic is.
            world.consume_stats(&group, Some(topic), Some(topic))
        });
        let behind = behind.map_or(0, |stats| stats.diff().max(0));
        if !active_only || in_day > 0 || out_day > 0 {
            writeln!(
                world.out,
                "{shown:<64}  {:<64} {behind:>12} {:>11} {:>11} {in_day:>14} {out_day:>14}",
                front(&group, 64),
                fixed(in_tps, 2),
                fixed(out_tps, 2)
            )?;
        }
    }
    Ok(())
}

/// Messages a second and messages of the last day, over all masters; a counter a broker does not have is 0.
fn sums(world: &mut World, masters: &[String], name: &str, key: &str) -> (f64, i64) {
    masters.iter().filter_map(|master| world.counter(master, name, key).ok()).fold((0.0, 0), |sum, stats| {
        let BrokerStats { minute, hour, day } = stats;
        let last_day = [day.sum, hour.sum, minute.sum].into_iter().find(|n| *n != 0).unwrap_or(0);
        (sum.0 + minute.tps, sum.1 + last_day)
    })
}
