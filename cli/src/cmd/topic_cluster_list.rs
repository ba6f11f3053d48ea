//! `topicClusterList`: the clusters that hold a topic.

use std::io::Write;

use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, arg};

/// The command.
pub struct TopicClusterList;

static SPEC: Spec = Spec {
    name: "topicClusterList",
    about: "Get cluster info for topic.",
    options: &[arg("t", "topic", "topic name").required()],
};

impl Command for TopicClusterList {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        let clusters = world.clusters()?;
        let route = world.route(args.get("t").unwrap_or_default())?;
        for (cluster, names) in &clusters.clusters {
            if route.broker_datas.iter().any(|set| names.contains(&set.broker_name)) {
                writeln!(world.out, "{cluster}")?;
            }
        }
        Ok(())
    }
}
