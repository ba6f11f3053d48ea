//! Consumer offsets (`ConsumerOffsetManager`): committed, pulled, and pending server-side resets.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::body::DataVersion;
use crate::json_struct;
use crate::message::light;
use crate::planted;

json_struct! {
    /// `consumerOffset.json`, and the answer to GET_ALL_CONSUMER_OFFSET (43).
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct OffsetTable {
        /// `topic@group` -> queue -> next offset to consume.
        pub offsets: BTreeMap<String, BTreeMap<i32, i64>> = "offsetTable",
        pub data_version: DataVersion = "dataVersion",
        /// group -> topics; derived, ignored on load.
        pub group_topics: BTreeMap<String, BTreeSet<String>> = "groupTopicMap",
        /// `topic@group` -> next offset to consume, of groups named like light queues: only with `enableLmq`
        /// (`LmqConsumerOffsetManager`).
        pub light_offsets: Option<BTreeMap<String, i64>> = "lmqOffsetTable",
    }
}

/// All offsets of a broker.
#[derive(Debug, Default)]
pub struct Offsets {
    committed: BTreeMap<String, BTreeMap<i32, i64>>,
    pulled: HashMap<String, HashMap<i32, i64>>,
    resets: BTreeMap<String, BTreeMap<i32, i64>>,
    version: DataVersion,
    commits: u64,
    /// Grows with every change of what is committed.
    changes: u64,
    version_step: u64,
    dirty: bool,
    /// A slave acts for its master: the first commit puts its version ahead of the master's.
    leads: Option<bool>,
    /// With `enableLmq`: light groups are in a table of their own where tables are written.
    light: bool,
}

/// Versions a master may be ahead of what its slave has heard.
const LEAD: i64 = 1_000;

/// The key of the tables.
#[must_use]
pub fn key(topic: &str, group: &str) -> String {
    format!("{topic}@{group}")
}

/// Takes a key apart; group names have no `@`.
#[must_use]
pub fn split_key(key: &str) -> Option<(&str, &str)> {
    key.rsplit_once('@')
}

impl Offsets {
    #[must_use]
    pub fn new(stored: OffsetTable, version_step: i64) -> Self {
        let version_step = u64::try_from(version_step).unwrap_or(1).max(1);
        let version = stored.data_version;
        Offsets { committed: joined(stored), version, version_step, ..Offsets::default() }
    }

    /// With `enableLmq`.
    #[must_use]
    pub fn with_light_groups(mut self, light: bool) -> Self {
        self.light = light;
        self
    }

    /// Stores an offset as given, also backwards; a queue with a pending reset keeps it.
    pub fn commit(&mut self, wall_ms: i64, group: &str, topic: &str, queue: i32, offset: i64) {
        let queues = entry(&mut self.committed, topic, group);
        queues.insert(queue, offset);
        self.dirty = true;
        self.changes += 1;
        self.commits += 1;
        if self.leads == Some(false) {
            self.version.counter += LEAD;
        }
        if self.leads.is_some() || self.commits.is_multiple_of(self.version_step) {
            self.leads = self.leads.map(|_| true);
            self.version.bump(wall_ms, 0);
        }
    }

    /// From now on offsets are committed here instead of at the master, which may have counted a few changes more
    /// than this slave has heard of. A master of the reference takes offsets back only from a version that is not
    /// older than its own.
    pub fn lead(&mut self) {
        self.leads = Some(false);
    }

    /// Takes over what was committed elsewhere meanwhile: nobody's progress goes back (KF-22).
    pub fn advance(&mut self, theirs: OffsetTable) {
        let counter = self.version.counter.max(theirs.data_version.counter);
        self.version.counter = counter;
        for (key, queues) in joined(theirs) {
            let own = self.committed.entry(key).or_default();
            for (queue, offset) in queues {
                let known = own.entry(queue).or_insert(offset);
                *known = (*known).max(offset);
            }
        }
        self.dirty = true;
        self.changes += 1;
    }

    /// The committed offset, or the pending reset where there is one.
    #[must_use]
    pub fn get(&self, group: &str, topic: &str, queue: i32) -> Option<i64> {
        let key = key(topic, group);
        let reset = self.resets.get(&key).and_then(|queues| queues.get(&queue));
        reset.or_else(|| self.committed.get(&key).and_then(|queues| queues.get(&queue))).copied()
    }

    /// Notes how far a consumer has pulled; kept in memory only, for statistics.
    pub fn note_pulled(&mut self, group: &str, topic: &str, queue: i32, offset: i64) {
        let key = key(topic, group);
        self.pulled.entry(key).or_default().insert(queue, offset);
    }

    #[must_use]
    pub fn pulled(&self, group: &str, topic: &str, queue: i32) -> Option<i64> {
        self.pulled.get(&key(topic, group)).and_then(|queues| queues.get(&queue)).copied()
    }

    /// Resets a queue on the server's side: the next pull learns of it.
    pub fn reset(&mut self, wall_ms: i64, group: &str, topic: &str, queue: i32, offset: i64) {
        entry(&mut self.resets, topic, group).insert(queue, offset);
        self.commit(wall_ms, group, topic, queue, offset);
    }

    #[must_use]
    pub fn has_reset(&self, group: &str, topic: &str, queue: i32) -> bool {
        !self.resets.is_empty()
            && self.resets.get(&key(topic, group)).is_some_and(|queues| queues.contains_key(&queue))
    }

    /// Takes the pending reset of a queue.
    pub fn take_reset(&mut self, group: &str, topic: &str, queue: i32) -> Option<i64> {
        if self.resets.is_empty() {
            return None;
        }
        let key = key(topic, group);
        let queues = self.resets.get_mut(&key)?;
        let offset = queues.remove(&queue);
        if queues.is_empty() {
            self.resets.remove(&key);
        }
        offset
    }

    /// Topics a group has offsets for.
    #[must_use]
    pub fn topics_of(&self, group: &str) -> BTreeSet<String> {
        self.pairs().filter(|(_, g)| *g == group).map(|(topic, _)| topic.to_owned()).collect()
    }

    /// Groups that have offsets for a topic.
    #[must_use]
    pub fn groups_of(&self, topic: &str) -> BTreeSet<String> {
        self.pairs().filter(|(t, _)| *t == topic).map(|(_, group)| group.to_owned()).collect()
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.committed.keys().filter_map(|key| split_key(key))
    }

    /// Every queue a group has an offset for in a topic.
    #[must_use]
    pub fn queues(&self, group: &str, topic: &str) -> BTreeMap<i32, i64> {
        self.committed.get(&key(topic, group)).cloned().unwrap_or_default()
    }

    pub fn copy(&mut self, from: &str, to: &str, topic: &str) {
        if let Some(queues) = self.committed.get(&key(topic, from)).cloned() {
            self.committed.insert(key(topic, to), queues);
            self.dirty = true;
            self.changes += 1;
        }
    }

    pub fn forget_topic(&mut self, topic: &str) {
        self.forget(|t, _| t == topic);
    }

    pub fn forget_group(&mut self, group: &str) {
        self.forget(|_, g| g == group);
    }

    fn forget(&mut self, gone: impl Fn(&str, &str) -> bool) {
        let keep = |key: &str| !split_key(key).is_some_and(|(topic, group)| gone(topic, group));
        self.committed.retain(|key, _| keep(key));
        self.pulled.retain(|key, _| keep(key));
        self.resets.retain(|key, _| keep(key));
        self.dirty = true;
        self.changes += 1;
    }

    /// Takes over a master's table: offsets of this broker's own are of no account beside it.
    pub fn replace(&mut self, table: OffsetTable) {
        self.leads = None;
        self.version = table.data_version;
        self.committed = joined(table);
        self.resets.clear();
        self.dirty = true;
        self.changes += 1;
    }

    /// Grows with every change.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Takes offsets behind the end of their queue back to it.
    pub fn clamp(&mut self, end_of: impl Fn(&str, i32) -> i64) {
        if planted::is("offsets-uncut") {
            return;
        }
        for (key, queues) in &mut self.committed {
            let Some((topic, _)) = split_key(key) else { continue };
            for (queue, offset) in queues {
                let end = end_of(topic, *queue);
                if *offset > end {
                    *offset = end;
                    self.dirty = true;
                }
            }
        }
        self.pulled.clear();
    }

    /// Whether anything changed since the last [`Offsets::take_file`].
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    pub fn take_file(&mut self) -> OffsetTable {
        self.dirty = false;
        self.snapshot()
    }

    /// The answer to GET_ALL_CONSUMER_OFFSET.
    #[must_use]
    pub fn snapshot(&self) -> OffsetTable {
        let mut group_topics: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (topic, group) in self.pairs() {
            group_topics.entry(group.to_owned()).or_default().insert(topic.to_owned());
        }
        let mut offsets = self.committed.clone();
        let light_offsets = self.light.then(|| {
            let light = self.committed.iter().filter(|(key, _)| is_of_light_group(key));
            light.filter_map(|(key, queues)| Some((key.clone(), *queues.get(&light::QUEUE_ID)?))).collect()
        });
        if self.light {
            offsets.retain(|key, _| !is_of_light_group(key));
        }
        OffsetTable { offsets, data_version: self.version, group_topics, light_offsets }
    }

    /// A failed write: try again at the next turn.
    pub fn mark_dirty(&mut self) {
        self.dirty = true;
    }
}

fn is_of_light_group(key: &str) -> bool {
    split_key(key).is_some_and(|(_, group)| group.starts_with(light::PREFIX))
}

/// Both tables in one: a light name has one queue.
fn joined(table: OffsetTable) -> BTreeMap<String, BTreeMap<i32, i64>> {
    let mut all = table.offsets;
    for (key, offset) in table.light_offsets.into_iter().flatten() {
        all.insert(key, BTreeMap::from([(light::QUEUE_ID, offset)]));
    }
    all
}

fn entry<'a>(
    table: &'a mut BTreeMap<String, BTreeMap<i32, i64>>,
    topic: &str,
    group: &str,
) -> &'a mut BTreeMap<i32, i64> {
    table.entry(key(topic, group)).or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn a_reset_shadows_commits_until_it_is_taken() {
        let mut offsets = Offsets::new(OffsetTable::default(), 500);
        offsets.commit(1, "g", "T", 0, 10);
        offsets.reset(1, "g", "T", 0, 3);
        assert!(offsets.has_reset("g", "T", 0) && !offsets.has_reset("g", "T", 1));
        assert_eq!(offsets.get("g", "T", 0), Some(3));
        assert_eq!(offsets.take_reset("g", "T", 0), Some(3));
        assert_eq!(offsets.take_reset("g", "T", 0), None);
        assert_eq!(offsets.get("g", "T", 0), Some(3));
    }

    #[test]
    fn the_file_reads_back() {
        let mut offsets = Offsets::new(OffsetTable::default(), 500);
        offsets.commit(1, "CG", "%RETRY%CG", 0, 2);
        offsets.commit(1, "CG", "TopicA", 3, 56);
        let text = json::to_pretty(&offsets.take_file());
        let again: OffsetTable = json::from_slice(text.as_bytes()).unwrap_or_default();
        assert_eq!(again.offsets, offsets.snapshot().offsets);
        assert!(!offsets.is_dirty());
        assert_eq!(offsets.topics_of("CG").len(), 2);
        offsets.forget_topic("TopicA");
        assert_eq!(offsets.groups_of("TopicA").len(), 0);
    }

    #[test]
    fn light_groups_are_written_and_read_where_the_reference_has_them() {
        let mut offsets = Offsets::new(OffsetTable::default(), 500).with_light_groups(true);
        offsets.commit(1, "%LMQ%a", "%LMQ%a", 0, 3);
        offsets.commit(1, "g", "%LMQ%a", 0, 2);
        let text = json::to_pretty(&offsets.take_file());
        assert!(text.contains("\"%LMQ%a@%LMQ%a\":3"), "{text}");
        let table: OffsetTable = json::from_slice(text.as_bytes()).expect("it was written here");
        assert_eq!(table.offsets.keys().collect::<Vec<_>>(), ["%LMQ%a@g"]);
        let again = Offsets::new(table.clone(), 500).with_light_groups(true);
        assert_eq!((again.get("%LMQ%a", "%LMQ%a", 0), again.get("g", "%LMQ%a", 0)), (Some(3), Some(2)));
        let mut slave = Offsets::new(OffsetTable::default(), 500).with_light_groups(true);
        slave.replace(table);
        assert_eq!(slave.get("%LMQ%a", "%LMQ%a", 0), Some(3));
    }

    #[test]
    fn without_light_queues_no_group_is_light() {
        let mut offsets = Offsets::new(OffsetTable::default(), 500);
        offsets.commit(1, "%LMQ%a", "T", 1, 3);
        assert_eq!(offsets.snapshot().light_offsets, None);
        assert_eq!(offsets.snapshot().offsets.len(), 1);
    }
}
