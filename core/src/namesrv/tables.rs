//! The tables of a NameServer and the lookups that need no logic.

use crate::body::{
    BrokerData, BrokerMemberGroup, ClusterInfo, DataVersion, QueueData, TopicQueueMappingInfo,
};
use crate::time::Mono;
use crate::wire::ConnId;
use std::collections::{BTreeMap, BTreeSet};

/// A broker process, as the live table knows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrokerKey {
    /// Its cluster.
    pub cluster: String,
    /// Its address.
    pub addr: String,
}

/// What is known about a broker process that is alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// The set of replicas it registered for.
    pub broker_name: String,
    /// When it was heard of last.
    pub heard: Mono,
    /// How long it may be silent.
    pub timeout_ms: u64,
    /// Version of the topics it registered.
    pub data_version: DataVersion,
    /// The connection it registered over.
    pub conn: ConnId,
    /// Where its slaves replicate from.
    pub ha_server_addr: String,
}

/// Everything brokers registered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// Topic to broker name to queues.
    pub(super) topics: BTreeMap<String, BTreeMap<String, QueueData>>,
    /// Broker name to addresses.
    pub(super) brokers: BTreeMap<String, BrokerData>,
    /// Cluster to broker names.
    pub(super) clusters: BTreeMap<String, BTreeSet<String>>,
    /// Who is alive.
    pub(super) live: BTreeMap<BrokerKey, Live>,
    /// Filter servers, where there are any.
    pub(super) filters: BTreeMap<BrokerKey, Vec<String>>,
    /// Topic to broker name to mapping of static topics; never removed.
    pub(super) mappings: BTreeMap<String, BTreeMap<String, TopicQueueMappingInfo>>,
}

impl Tables {
    /// Whether the version a broker tells differs from the one it registered, or it is unknown.
    #[must_use]
    pub fn version_changed(&self, key: &BrokerKey, version: &DataVersion) -> bool {
        self.live.get(key).is_none_or(|live| live.data_version != *version)
    }

    /// The version a broker registered.
    #[must_use]
    pub fn data_version(&self, key: &BrokerKey) -> Option<DataVersion> {
        self.live.get(key).map(|live| live.data_version)
    }

    /// All brokers and clusters.
    #[must_use]
    pub fn cluster_info(&self) -> ClusterInfo {
        ClusterInfo { brokers: self.brokers.clone(), clusters: self.clusters.clone() }
    }

    /// The addresses of a set of replicas; none if it is unknown.
    #[must_use]
    pub fn member_group(&self, cluster: &str, broker_name: &str) -> BrokerMemberGroup {
        BrokerMemberGroup {
            cluster: cluster.to_owned(),
            broker_name: broker_name.to_owned(),
            broker_addrs: self.brokers.get(broker_name).map(|b| b.broker_addrs.clone()).unwrap_or_default(),
        }
    }

    /// Names of the topics that have queues on a set of replicas.
    pub(super) fn topics_of<'a>(&'a self, broker_name: &'a str) -> impl Iterator<Item = &'a String> {
        self.topics.iter().filter(move |(_, queues)| queues.contains_key(broker_name)).map(|(topic, _)| topic)
    }

    /// The queues of all topics on a set of replicas.
    pub(super) fn queues_of<'a>(
        &'a mut self,
        broker_name: &'a str,
    ) -> impl Iterator<Item = &'a mut QueueData> {
        self.topics.values_mut().filter_map(move |queues| queues.get_mut(broker_name))
    }

    /// Takes the queues of one broker away from a topic, and the topic with its last queues.
    pub(super) fn drop_queues(&mut self, topic: &str, broker_name: &str) {
        if let Some(queues) = self.topics.get_mut(topic) {
            queues.remove(broker_name);
            if queues.is_empty() {
                self.topics.remove(topic);
            }
        }
    }

    /// What must hold between any two requests; the first thing that does not.
    #[cfg(test)]
    pub(super) fn check(&self) -> Result<(), String> {
        for (topic, queues) in &self.topics {
            if queues.is_empty() {
                return Err(format!("topic {topic} is empty"));
            }
            for (name, queue) in queues {
                if *name != queue.broker_name || !self.brokers.contains_key(name) {
                    return Err(format!("topic {topic} names {name}, which is not there"));
                }
            }
        }
        for (name, broker) in &self.brokers {
            if broker.broker_addrs.is_empty() {
                return Err(format!("broker {name} has no address"));
            }
            if !self.clusters.get(&broker.cluster).is_some_and(|c| c.contains(name)) {
                return Err(format!("broker {name} is in no cluster"));
            }
            for addr in broker.broker_addrs.values() {
                if !self.live.iter().any(|(key, live)| key.addr == *addr && live.broker_name == *name) {
                    return Err(format!("{addr} of {name} can never expire"));
                }
            }
        }
        for (cluster, names) in &self.clusters {
            if names.is_empty() || names.iter().any(|name| !self.brokers.contains_key(name)) {
                return Err(format!("cluster {cluster} is empty or names an unknown broker"));
            }
        }
        match self.filters.keys().find(|key| !self.live.contains_key(key)) {
            Some(key) => Err(format!("filter servers of the dead {key:?}")),
            None => Ok(()),
        }
    }
}
