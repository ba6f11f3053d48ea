//! Lists of topics, and changes to topics by operators.

use super::tables::Tables;
use crate::body::{QueueData, TopicList, perm};

/// Bit of `topicSysFlag`: a unit topic.
const UNIT: i32 = 1;
/// Bit of `topicSysFlag`: subscribed from units.
const UNIT_SUB: i32 = 2;

/// Which topics of units are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnitTopics {
    /// Those of units.
    Unit,
    /// Those subscribed from units.
    Subscribed,
    /// Those subscribed from units that are of none.
    SubscribedOnly,
}

fn list(topics: impl Iterator<Item = String>) -> TopicList {
    TopicList { topics: topics.collect(), broker_addr: None }
}

impl Tables {
    /// Every topic.
    #[must_use]
    pub fn all_topics(&self) -> TopicList {
        list(self.topics.keys().cloned())
    }

    /// The topics with queues in a cluster; none for an unknown one.
    #[must_use]
    pub fn topics_of_cluster(&self, cluster: &str) -> TopicList {
        let Some(names) = self.clusters.get(cluster) else { return TopicList::default() };
        let here =
            self.topics.iter().filter(|(_, queues)| names.iter().any(|name| queues.contains_key(name)));
        list(here.map(|(topic, _)| topic.clone()))
    }

    /// Names of clusters and brokers (both are topics too), with the address of some broker.
    #[must_use]
    pub fn system_topics(&self) -> TopicList {
        let names = self.clusters.iter().flat_map(|(cluster, names)| names.iter().chain([cluster]));
        let mut topics: Vec<String> = names.cloned().collect();
        topics.sort();
        topics.dedup();
        let broker_addr = self.brokers.values().find_map(|b| b.first()).map(|(_, addr)| addr.to_owned());
        TopicList { topics, broker_addr }
    }

    /// Topics by their unit bits, as the first of their queues has them.
    pub(super) fn unit_topics(&self, which: UnitTopics) -> TopicList {
        let wanted = |queue: &QueueData| match which {
            UnitTopics::Unit => queue.topic_sys_flag & UNIT != 0,
            UnitTopics::Subscribed => queue.topic_sys_flag & UNIT_SUB != 0,
            UnitTopics::SubscribedOnly => queue.topic_sys_flag & (UNIT | UNIT_SUB) == UNIT_SUB,
        };
        let some = self.topics.iter().filter(|(_, queues)| queues.values().next().is_some_and(wanted));
        list(some.map(|(topic, _)| topic.clone()))
    }

    /// Takes write permission from all topics on a set of replicas; returns how many there are.
    pub fn wipe_write_perm(&mut self, broker_name: &str) -> i32 {
        self.change_perm(broker_name, |perm| perm & !perm::WRITE)
    }

    /// Makes all topics on a set of replicas readable and writable, nothing else; returns how many there are.
    pub fn add_write_perm(&mut self, broker_name: &str) -> i32 {
        self.change_perm(broker_name, |_| perm::READ | perm::WRITE)
    }

    fn change_perm(&mut self, broker_name: &str, change: impl Fn(i32) -> i32) -> i32 {
        let mut count = 0;
        for queue in self.queues_of(broker_name) {
            queue.perm = change(queue.perm);
            count += 1;
        }
        count
    }

    /// Forgets a topic, everywhere or in one cluster only.
    pub fn delete_topic(&mut self, topic: &str, cluster: Option<&str>) {
        let Some(cluster) = cluster else {
            self.topics.remove(topic);
            return;
        };
        for name in self.clusters.get(cluster).cloned().unwrap_or_default() {
            self.drop_queues(topic, &name);
        }
    }

    /// Adds queues to a topic up to the first unknown broker; a new topic with an unknown broker does not
    /// come into being.
    pub fn register_topic(&mut self, topic: &str, queues: Vec<QueueData>) {
        let known = queues.iter().take_while(|queue| self.brokers.contains_key(&queue.broker_name)).count();
        if known == 0 || (known < queues.len() && !self.topics.contains_key(topic)) {
            return;
        }
        let table = self.topics.entry(topic.to_owned()).or_default();
        for queue in queues.into_iter().take(known) {
            table.insert(queue.broker_name.clone(), queue);
        }
    }
}
