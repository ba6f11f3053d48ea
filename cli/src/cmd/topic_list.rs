//! `topicList`: the topics, one a line; with `-c` also their clusters and consumer groups.

use sansmq_core::body::ClusterInfo;
use std::io::Write;

use crate::admin::RETRY_PREFIX;
use crate::app::{Command, World};
use crate::failure::Failure;
use crate::options::{Matches, Spec, flag};
use crate::text::front;

/// The command.
pub struct TopicList;

static SPEC: Spec = Spec {
    name: "topicList",
    about: "Fetch all topic list from name server.",
    options: &[flag("c", "clusterModel", "clusterModel")],
};

impl Command for TopicList {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, args: &Matches, world: &mut World) -> Result<(), Failure> {
        if args.has("c") {
            return with_clusters(world);
        }
        for topic in world.topics()? {
            writeln!(world.out, "{topic}")?;
        }
        Ok(())
    }
}

fn with_clusters(world: &mut World) -> Result<(), Failure> {
    let clusters = world.clusters()?;
    writeln!(world.out, "{:<20}  {:<48}  {:<48}", "#Cluster Name", "#Topic", "#Consumer Group")?;
    for topic in world.topics()? {
        if topic.starts_with(RETRY_PREFIX) || topic.starts_with("%DLQ%") {
            continue;
        }
        // A topic may vanish between the list and here; the reference then prints an empty cluster.
        let cluster = cluster_of(world, &topic, &clusters).unwrap_or_default();
        let mut groups = world.groups_of(&topic).unwrap_or_default();
        if groups.is_empty() {
            groups.push(String::new());
        }
        for group in groups {
            let (cluster, topic, group) = (front(&cluster, 20), front(&topic, 64), front(&group, 64));
            writeln!(world.out, "{cluster:<20}  {topic:<64}  {group:<64}")?;
        }
    }
    Ok(())
}

fn cluster_of(world: &mut World, topic: &str, clusters: &ClusterInfo) -> Result<String, Failure> {
    let route = world.route(topic)?;
    let name = route.broker_datas.first().map(|data| data.broker_name.as_str()).unwrap_or_default();
    let found = clusters.clusters.iter().find(|(_, names)| names.contains(name));
    Ok(found.map(|(cluster, _)| cluster.clone()).unwrap_or_default())
}
