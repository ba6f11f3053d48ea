//! Topics: their configuration and the version stamp of configuration tables.

use crate::{json_enum, json_struct};
use core::fmt;
use std::collections::BTreeMap;

json_struct! {
    /// The version stamp of a table; two tables are the same only if all three parts are.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct DataVersion {
        /// The controller's epoch, 0 without a controller.
        pub state_version: i64 = "stateVersion",
        /// When the table changed last, milliseconds since the epoch.
        pub timestamp: i64 = "timestamp",
        /// How often it changed.
        pub counter: i64 = "counter",
    }
}

impl DataVersion {
    /// The version of a table created now.
    #[must_use]
    pub const fn new(wall_ms: i64) -> Self {
        DataVersion { state_version: 0, timestamp: wall_ms, counter: 0 }
    }

    /// Records one more change.
    pub fn bump(&mut self, wall_ms: i64, state_version: i64) {
        self.timestamp = wall_ms;
        self.state_version = state_version;
        self.counter = self.counter.wrapping_add(1);
    }
}

/// Permission bits of a topic or a queue.
pub mod perm {
    /// Messages may be read.
    pub const READ: i32 = 4;
    /// Messages may be written.
    pub const WRITE: i32 = 2;
    /// New topics may be modelled on this one.
    pub const INHERIT: i32 = 1;

    /// The bits as text: `RW-`.
    #[must_use]
    pub fn text(perm: i32) -> String {
        [(READ, 'R'), (WRITE, 'W'), (INHERIT, 'X')]
            .map(|(bit, letter)| if perm & bit == bit { letter } else { '-' })
            .iter()
            .collect()
    }
}

json_enum! {
    /// How a topic's tags are to be understood; nobody acts on it.
    pub enum TopicFilterType {
        /// One tag per message.
        SingleTag = "SINGLE_TAG" | 0,
        /// Several tags per message.
        MultiTag = "MULTI_TAG" | 1,
    }
}

json_struct! {
    /// What a broker knows about a topic.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct TopicConfig {
        /// Its name.
        pub topic_name: String = "topicName",
        /// Queues to read from.
        pub read_queue_nums: i32 = "readQueueNums",
        /// Queues to write to.
        pub write_queue_nums: i32 = "writeQueueNums",
        /// See [`perm`].
        pub perm: i32 = "perm",
        /// Unused.
        pub topic_filter_type: TopicFilterType = "topicFilterType",
        /// Bit 1 unit, bit 2 unit subscription.
        pub topic_sys_flag: i32 = "topicSysFlag",
        /// Whether the topic is ordered across queues.
        pub order: bool = "order",
        /// `message.type` and friends.
        pub attributes: BTreeMap<String, String> = "attributes",
    }
}

impl Default for TopicConfig {
    fn default() -> Self {
        TopicConfig {
            topic_name: String::new(),
            read_queue_nums: 16,
            write_queue_nums: 16,
            perm: perm::READ | perm::WRITE,
            topic_filter_type: TopicFilterType::SingleTag,
            topic_sys_flag: 0,
            order: false,
            attributes: BTreeMap::new(),
        }
    }
}

impl TopicConfig {
    /// A topic of that name and so many queues, all else by default.
    #[must_use]
    pub fn new(topic_name: impl Into<String>, queues: i32, perm: i32) -> Self {
        TopicConfig {
            topic_name: topic_name.into(),
            read_queue_nums: queues,
            write_queue_nums: queues,
            perm,
            ..TopicConfig::default()
        }
    }
}

/// `{k=v, k=v}`, as Java prints a map.
pub(super) struct JavaMap<'a>(pub &'a BTreeMap<String, String>);

impl fmt::Display for JavaMap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, (k, v)) in self.0.iter().enumerate() {
            write!(f, "{}{k}={v}", if i > 0 { ", " } else { "" })?;
        }
        f.write_str("}")
    }
}

impl fmt::Display for TopicConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "TopicConfig [topicName={}, readQueueNums={}, writeQueueNums={}, perm={}, topicFilterType={}, \
             topicSysFlag={}, order={}, attributes={}]",
            self.topic_name,
            self.read_queue_nums,
            self.write_queue_nums,
            perm::text(self.perm),
            self.topic_filter_type,
            self.topic_sys_flag,
            self.order,
            JavaMap(&self.attributes)
        )
    }
}
