//! Subscription groups (`SubscriptionGroupManager`): lookup with creation on demand, forbidden topics.

use super::names;
use crate::body::{DataVersion, SubscriptionGroupConfig, SubscriptionGroupTable};
use crate::message::light;

/// All subscription groups of a broker.
#[derive(Debug)]
pub struct Groups {
    table: SubscriptionGroupTable,
    auto_create: bool,
    create_system: bool,
    /// Stands for every group with a light name (`LmqSubscriptionGroupManager`).
    light: Option<SubscriptionGroupConfig>,
}

/// Bit of `forbiddenTable` that stops a group from pulling a topic.
const FORBID_READ: i32 = 1 << 2;

impl Groups {
    #[must_use]
    pub fn new(mut stored: SubscriptionGroupTable, auto_create: bool, create_system: bool) -> Self {
        for name in names::SYSTEM_GROUPS {
            stored.groups.entry(name.to_owned()).or_insert_with(|| {
                let broadcast = name != "CID_RMQ_SYS_TRANS";
                SubscriptionGroupConfig {
                    group_name: name.to_owned(),
                    consume_broadcast_enable: broadcast,
                    ..SubscriptionGroupConfig::default()
                }
            });
        }
        Groups { table: stored, auto_create, create_system, light: None }
    }

    /// The group if it exists already.
    #[must_use]
    pub fn get(&self, group: &str) -> Option<&SubscriptionGroupConfig> {
        let listed = self.table.groups.get(group);
        if listed.is_none() && light::is_light(group) { self.light.as_ref() } else { listed }
    }

    /// Groups named like light queues (`enableLmq`) exist without being created.
    #[must_use]
    pub fn with_light_groups(mut self, enabled: bool) -> Self {
        let group_name = light::PREFIX.to_owned();
        self.light =
            enabled.then(|| SubscriptionGroupConfig { group_name, ..SubscriptionGroupConfig::default() });
        self
    }

    /// Creates the group if it may be created by being named; true when the table changed.
    pub fn create_on_demand(&mut self, wall_ms: i64, group: &str) -> bool {
        let may = self.auto_create || self.create_system && group.starts_with(names::SYSTEM_GROUP_PREFIX);
        if self.light.is_some() && light::is_light(group)
            || !may
            || !is_legal(group)
            || self.table.groups.contains_key(group)
        {
            return false;
        }
        let config =
            SubscriptionGroupConfig { group_name: group.to_owned(), ..SubscriptionGroupConfig::default() };
        self.put(wall_ms, config);
        true
    }

    pub fn put(&mut self, wall_ms: i64, group: SubscriptionGroupConfig) {
        self.table.groups.insert(group.group_name.clone(), group);
        self.table.data_version.bump(wall_ms, 0);
    }

    pub fn remove(&mut self, wall_ms: i64, group: &str) -> bool {
        let known = self.table.groups.remove(group).is_some();
        if known {
            self.table.forbidden.remove(group);
            self.table.data_version.bump(wall_ms, 0);
        }
        known
    }

    #[must_use]
    pub fn is_read_forbidden(&self, group: &str, topic: &str) -> bool {
        let bits = self.table.forbidden.get(group).and_then(|topics| topics.get(topic));
        bits.is_some_and(|bits| bits & FORBID_READ != 0)
    }

    /// Allows or forbids a group to read a topic; `None` only asks. Returns what holds now.
    pub fn set_readable(&mut self, wall_ms: i64, group: &str, topic: &str, readable: Option<bool>) -> bool {
        if let Some(readable) = readable {
            let topics = self.table.forbidden.entry(group.to_owned()).or_default();
            let bits = topics.entry(topic.to_owned()).or_default();
            *bits = if readable { *bits & !FORBID_READ } else { *bits | FORBID_READ };
            self.table.data_version.bump(wall_ms, 0);
        }
        !self.is_read_forbidden(group, topic)
    }

    pub fn iter(&self) -> impl Iterator<Item = &SubscriptionGroupConfig> {
        self.table.groups.values()
    }

    /// Takes over a master's table with its version.
    pub fn replace(&mut self, table: SubscriptionGroupTable) {
        self.table = table;
    }

    #[must_use]
    pub fn table(&self) -> &SubscriptionGroupTable {
        &self.table
    }

    #[must_use]
    pub fn version(&self) -> &DataVersion {
        &self.table.data_version
    }
}

fn is_legal(group: &str) -> bool {
    !group.trim().is_empty() && group.len() <= names::GROUP_MAX_LENGTH && names::has_legal_characters(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_appear_when_named_if_allowed() {
        let mut open = Groups::new(SubscriptionGroupTable::default(), true, true);
        assert!(open.create_on_demand(1, "g1") && !open.create_on_demand(1, "g1"));
        assert!(!open.create_on_demand(1, "no good") && !open.create_on_demand(1, &"x".repeat(256)));
        let mut closed = Groups::new(SubscriptionGroupTable::default(), false, true);
        assert!(!closed.create_on_demand(1, "g1") && closed.create_on_demand(1, "CID_RMQ_SYS_X"));
    }

    #[test]
    fn forbidding_is_per_topic_and_reversible() {
        let mut groups = Groups::new(SubscriptionGroupTable::default(), true, true);
        assert!(groups.set_readable(1, "g", "T", None));
        assert!(!groups.set_readable(1, "g", "T", Some(false)));
        assert!(!groups.is_read_forbidden("g", "Other"));
        assert!(groups.set_readable(1, "g", "T", Some(true)));
    }
}
