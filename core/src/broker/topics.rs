//! The topic table (`TopicConfigManager`): system topics, creation on demand, attributes, versions.

use std::collections::BTreeMap;

use super::names;
use crate::body::{DataVersion, TopicConfig, TopicConfigTable, perm};
use crate::config::BrokerConfig;
use crate::message::light;

/// `TopicSysFlag`: the topic belongs to a unit.
pub const SYS_FLAG_UNIT: i32 = 1;
/// `TopicSysFlag`: the topic has subscriptions of a unit.
pub const SYS_FLAG_UNIT_SUB: i32 = 2;

/// All topics of a broker.
#[derive(Debug, Default)]
pub struct Topics {
    table: BTreeMap<String, TopicConfig>,
    version: DataVersion,
    /// Stands for every light topic; they are in no table (`LmqTopicConfigManager`).
    light: Option<TopicConfig>,
    /// The controller's epoch, which every version carries; 0 without a controller.
    epoch: i64,
}

/// What became of a request to create or change a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Unchanged,
    Changed,
}

impl Topics {
    /// The stored table plus the system topics of this configuration.
    #[must_use]
    pub fn new(stored: TopicConfigTable, config: &BrokerConfig) -> Self {
        let mut topics = Topics { table: stored.topics, version: stored.data_version, light: None, epoch: 0 };
        for topic in system_topics(config) {
            topics.table.insert(topic.topic_name.clone(), topic);
        }
        topics
    }

    #[must_use]
    pub fn get(&self, topic: &str) -> Option<&TopicConfig> {
        let listed = self.table.get(topic);
        if listed.is_none() && light::is_light(topic) { self.light.as_ref() } else { listed }
    }

    /// Light topics (`enableLmq`) exist without being created.
    #[must_use]
    pub fn with_light_topics(mut self, enabled: bool) -> Self {
        self.light = enabled.then(|| TopicConfig::new(light::PREFIX, 1, perm::READ | perm::WRITE));
        self
    }

    pub fn iter(&self) -> impl Iterator<Item = &TopicConfig> {
        self.table.values()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    #[must_use]
    pub fn version(&self) -> DataVersion {
        self.version
    }

    /// Takes over a master's table with its version.
    pub fn replace(&mut self, table: TopicConfigTable) {
        self.table = table.topics;
        self.version = table.data_version;
    }

    #[must_use]
    pub fn to_file(&self) -> TopicConfigTable {
        TopicConfigTable { topics: self.table.clone(), data_version: self.version }
    }

    /// Adds or replaces a topic.
    pub fn put(&mut self, wall_ms: i64, topic: TopicConfig) -> Change {
        if self.table.get(&topic.topic_name) == Some(&topic) {
            return Change::Unchanged;
        }
        self.table.insert(topic.topic_name.clone(), topic);
        self.bump(wall_ms);
        Change::Changed
    }

    pub fn remove(&mut self, wall_ms: i64, topic: &str) -> bool {
        let known = self.table.remove(topic).is_some();
        if known {
            self.bump(wall_ms);
        }
        known
    }

    /// A role was taken in this epoch of the controller.
    pub fn enter_epoch(&mut self, wall_ms: i64, epoch: i64) {
        self.epoch = epoch;
        self.bump(wall_ms);
    }

    fn bump(&mut self, wall_ms: i64) {
        self.version.bump(wall_ms, self.epoch);
    }

    /// Notes a change that is not in the table itself (the broker's own permission).
    pub fn touch(&mut self, wall_ms: i64) {
        self.bump(wall_ms);
    }

    /// Creates a topic on the first send to it, modelled on `default_topic`; `None` when that one is unknown
    /// or does not pass its properties on.
    pub fn create_by_sending(
        &mut self,
        wall_ms: i64,
        topic: &str,
        default_topic: &str,
        client_queues: i32,
        sys_flag: i32,
        auto_create: bool,
    ) -> Option<&TopicConfig> {
        let mut model = self.table.get(default_topic)?.clone();
        if default_topic == names::AUTO_CREATE_TOPIC && !auto_create {
            model.perm &= !perm::INHERIT;
        }
        if model.perm & perm::INHERIT == 0 {
            return None;
        }
        let queues = client_queues.min(model.write_queue_nums).max(0);
        let mut created = TopicConfig::new(topic, queues, model.perm & !perm::INHERIT);
        created.topic_filter_type = model.topic_filter_type;
        created.topic_sys_flag = sys_flag;
        self.put(wall_ms, created);
        self.table.get(topic)
    }

    /// Creates a retry or dead-letter topic when it is not there yet; says whether it was.
    pub fn create_if_absent(&mut self, wall_ms: i64, topic: &str, queues: i32, sys_flag: i32) -> Change {
        if self.table.contains_key(topic) {
            return Change::Unchanged;
        }
        let mut created = TopicConfig::new(topic, queues, perm::READ | perm::WRITE);
        created.topic_sys_flag = sys_flag;
        self.put(wall_ms, created)
    }

    /// Marks the topics that a NameServer lists as ordered.
    pub fn set_ordered<'a>(&mut self, wall_ms: i64, ordered: impl Iterator<Item = &'a String>) -> Change {
        let mut change = Change::Unchanged;
        for topic in ordered {
            if let Some(config) = self.table.get_mut(topic).filter(|config| !config.order) {
                config.order = true;
                change = Change::Changed;
            }
        }
        if change == Change::Changed {
            self.bump(wall_ms);
        }
        change
    }
}

/// The topics every broker has (`spec/broker.md` section 3).
fn system_topics(config: &BrokerConfig) -> Vec<TopicConfig> {
    let rw = perm::READ | perm::WRITE;
    let access = |enabled: bool| if enabled { rw | perm::INHERIT } else { perm::INHERIT };
    let mut topics = vec![
        TopicConfig::new(names::SELF_TEST_TOPIC, 1, rw),
        TopicConfig::new(names::BENCHMARK_TOPIC, 1024, rw),
        TopicConfig::new(config.broker_cluster_name.as_str(), 16, access(config.cluster_topic_enable)),
        TopicConfig::new(config.broker_name.as_str(), 1, access(config.broker_topic_enable)),
        TopicConfig::new(names::OFFSET_MOVED_EVENT, 1, rw),
        TopicConfig::new(names::SCHEDULE_TOPIC, 18, rw),
        TopicConfig::new(format!("{}_REPLY_TOPIC", config.broker_cluster_name), 1, rw),
        TopicConfig::new(names::revive_topic(&config.broker_cluster_name), config.revive_queue_num, rw),
        TopicConfig::new(format!("rmq_sys_SYNC_BROKER_MEMBER_{}", config.broker_name), 1, perm::INHERIT),
        TopicConfig::new(names::HALF_TOPIC, 1, rw),
        TopicConfig::new(names::OP_TOPIC, 1, rw),
        TopicConfig::new(names::TIMER_TOPIC, 1, rw),
    ];
    if config.auto_create_topic_enable {
        let queues = config.default_topic_queue_nums;
        topics.push(TopicConfig::new(names::AUTO_CREATE_TOPIC, queues, rw | perm::INHERIT));
    }
    if config.trace_topic_enable {
        topics.push(TopicConfig::new(config.msg_trace_topic_name.as_str(), 1, rw));
    }
    topics
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics() -> Topics {
        Topics::new(TopicConfigTable::default(), &BrokerConfig::default())
    }

    #[test]
    fn sending_creates_a_topic_modelled_on_the_default() {
        let mut topics = topics();
        let created = topics.create_by_sending(1, "T", "TBW102", 4, 0, true).cloned();
        assert_eq!(created.map(|t| (t.read_queue_nums, t.write_queue_nums, t.perm)), Some((4, 4, 6)));
        let wide = topics.create_by_sending(1, "W", "TBW102", 99, 0, true).cloned();
        assert_eq!(wide.map(|t| t.write_queue_nums), Some(8));
    }

    #[test]
    fn no_topic_appears_when_creation_is_off_or_the_model_does_not_inherit() {
        let mut topics = topics();
        assert!(topics.create_by_sending(1, "T", "TBW102", 4, 0, false).is_none());
        assert!(topics.create_by_sending(1, "T", "BenchmarkTest", 4, 0, true).is_none());
        assert!(topics.create_by_sending(1, "T", "Unknown", 4, 0, true).is_none());
        assert!(topics.get("T").is_none());
    }

    #[test]
    fn only_real_changes_bump_the_version() {
        let mut topics = topics();
        let topic = TopicConfig::new("T", 4, 6);
        assert_eq!(topics.put(5, topic.clone()), Change::Changed);
        let version = topics.version();
        assert_eq!(topics.put(6, topic), Change::Unchanged);
        assert_eq!(topics.version(), version);
        assert!(topics.remove(7, "T"));
        assert_ne!(topics.version(), version);
    }
}
