//! `topicRoute`: the route of a topic as JSON or as a list.

use sansmq_core::body::{BrokerData, TopicRouteData};
use sansmq_core::json::to_pretty;
use std::io::Write;

use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg, flag};

/// The command.
pub struct TopicRoute;

static SPEC: Spec = Spec {
    name: "topicRoute",
    about: "Examine topic route info.",
    options: &[
        flag("l", "list", "Use list format to print data"),
        arg("t", "topic", "topic name").required(),
    ],
};

impl Command for TopicRoute {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let route = world.route(args.get("t").unwrap_or_default())?;
        if args.has("l") {
            return print_list(world, &route);
        }
        writeln!(world.out, "{}", to_pretty(&route))?;
        Ok(())
    }
}

fn print_list(world: &mut World, route: &TopicRouteData) -> Result<(), Failure> {
    let out = &mut world.out;
    let mut row = |cells: [&str; 6]| {
        let [cluster, name, addrs, read, write, perm] = cells;
        writeln!(out, "{cluster:<45} {name:<32} {addrs:<50} {read:<10} {write:<11} {perm:<5}")
    };
    row(["#ClusterName", "#BrokerName", "#BrokerAddrs", "#ReadQueue", "#WriteQueue", "#Perm"])?;
    let (mut read, mut write) = (0, 0);
    for queues in &route.queue_datas {
        let set = route.broker_datas.iter().find(|set| set.broker_name == queues.broker_name);
        row([
            set.map(|set| set.cluster.as_str()).unwrap_or_default(),
            &queues.broker_name,
            &set.map(addresses).unwrap_or_default(),
            &queues.read_queue_nums.to_string(),
            &queues.write_queue_nums.to_string(),
            &queues.perm.to_string(),
        ])?;
        read += queues.read_queue_nums;
        write += queues.write_queue_nums;
    }
    writeln!(world.out, "{}", "-".repeat(158))?;
    writeln!(
        world.out,
        "{:<45} {:<32} {:<50} {read:<10} {write:<11} {:<5}",
        "Total:",
        route.broker_datas.len(),
        "",
        ""
    )?;
    Ok(())
}

fn addresses(set: &BrokerData) -> String {
    let all: Vec<String> = set.broker_addrs.iter().map(|(id, addr)| format!("{id}={addr}")).collect();
    format!("{{{}}}", all.join(", "))
}
