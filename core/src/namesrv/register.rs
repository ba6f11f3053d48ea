//! REGISTER_BROKER: what a broker's registration does to the tables.

use super::notify::MinIdNotice;
use super::tables::{BrokerKey, Live, Tables};
use crate::body::{BrokerData, QueueData, RegisterBrokerBody, TopicConfig, TopicConfigWrapper, perm};
use crate::time::Mono;
use crate::wire::ConnId;

/// How long a broker may be silent when it does not say.
const DEFAULT_TIMEOUT_MS: i64 = 120_000;

/// A registration as it came in.
#[derive(Clone, Debug)]
pub struct Registration<'a> {
    /// Cluster.
    pub cluster: &'a str,
    /// Address of the process.
    pub broker_addr: &'a str,
    /// Set of replicas.
    pub broker_name: &'a str,
    /// Its id within it.
    pub broker_id: i64,
    /// Where slaves replicate from.
    pub ha_server_addr: &'a str,
    /// Where it stands.
    pub zone_name: Option<&'a str>,
    /// How long it may be silent.
    pub heartbeat_timeout_ms: Option<i64>,
    /// Absent from old brokers.
    pub enable_acting_master: Option<bool>,
    /// The connection it came over.
    pub conn: ConnId,
    /// Topics and filter servers.
    pub body: RegisterBrokerBody,
}

/// The settings that matter here.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy {
    /// `deleteTopicWithBrokerRegistration`.
    pub delete_missing_topics: bool,
}

/// What became of a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registered {
    /// It is in the tables.
    Done {
        /// For a slave: address and replication address of its master, if that is alive.
        master: Option<(String, String)>,
        /// The smallest id is another one now.
        notice: Option<MinIdNotice>,
    },
    /// Another address holds the id with a newer controller epoch; answered as success.
    Stale,
    /// A single topic from a broker that is not known yet.
    Failed,
}

impl Tables {
    /// Takes a registration in, or leaves the tables as they were.
    pub fn register(&mut self, now: Mono, policy: Policy, r: Registration<'_>) -> Registered {
        let key = BrokerKey { cluster: r.cluster.to_owned(), addr: r.broker_addr.to_owned() };
        if let Some(live) = self.live.get_mut(&key).filter(|live| live.conn > r.conn) {
            // An address has one process, and that one connection: what still comes over an older one is from before,
            // from a process that is gone, say, and would leave with the connection's end what the new one has said.
            tracing::warn!("registration of {} was overtaken by a new one", r.broker_addr);
            live.heard = now;
            return Registered::Done { master: self.master_of(&r), notice: None };
        }
        let holder = self.brokers.get(r.broker_name).and_then(|b| b.broker_addrs.get(&r.broker_id));
        if self.is_stale(&r, holder) {
            self.reject(&key, &r);
            return Registered::Stale;
        }
        if holder.is_none() && r.body.wrapper.topics.len() == 1 {
            tracing::warn!("broker {} id {} sends a topic before itself", r.broker_name, r.broker_id);
            return Registered::Failed;
        }
        self.leave_other_name(&key, r.broker_name);
        let id_is_new = holder_is_new(self.brokers.get(r.broker_name), r.broker_id);
        let min_changed = self.enter(&r);
        self.take_topics(&key, &r, policy, id_is_new);
        self.take_liveness(now, key.clone(), &r);
        let notice = match self.brokers.get(r.broker_name) {
            Some(broker) if min_changed => MinIdNotice::arrival(broker, r.ha_server_addr),
            _ => None,
        };
        Registered::Done { master: self.master_of(&r), notice }
    }

    /// Whether another live address holds the id with a newer epoch.
    fn is_stale(&self, r: &Registration<'_>, holder: Option<&String>) -> bool {
        let Some(other) = holder.filter(|addr| *addr != r.broker_addr) else { return false };
        let key = BrokerKey { cluster: r.cluster.to_owned(), addr: other.clone() };
        let epoch = self.live.get(&key).map(|live| live.data_version.state_version);
        epoch.is_some_and(|epoch| epoch > r.body.wrapper.data_version.state_version)
    }

    /// Forgets the address of a stale registration, under whatever id it is known.
    fn reject(&mut self, key: &BrokerKey, r: &Registration<'_>) {
        tracing::warn!("{} registers with an epoch older than the one of {}", r.broker_addr, r.broker_name);
        self.remove_live(key);
        self.remove_addr(r.broker_name, r.broker_addr);
    }

    /// An address belongs to one set of replicas: a process that was renamed leaves its old one.
    fn leave_other_name(&mut self, key: &BrokerKey, broker_name: &str) {
        let others: Vec<BrokerKey> = self
            .live
            .iter()
            .filter(|(k, live)| k.addr == key.addr && live.broker_name != broker_name)
            .map(|(k, _)| k.clone())
            .collect();
        for other in others {
            self.remove_live(&other);
        }
    }

    /// Puts the address under its id; returns whether the smallest id changes by it.
    fn enter(&mut self, r: &Registration<'_>) -> bool {
        self.clusters.entry(r.cluster.to_owned()).or_default().insert(r.broker_name.to_owned());
        let broker = self.brokers.entry(r.broker_name.to_owned()).or_insert_with(|| BrokerData {
            cluster: r.cluster.to_owned(),
            broker_name: r.broker_name.to_owned(),
            ..BrokerData::default()
        });
        broker.enable_acting_master = r.enable_acting_master.unwrap_or(false);
        broker.zone_name = r.zone_name.map(str::to_owned);
        let min_before = broker.first().map_or(0, |(id, _)| id);
        broker.broker_addrs.retain(|id, addr| addr != r.broker_addr || *id == r.broker_id);
        broker.broker_addrs.insert(r.broker_id, r.broker_addr.to_owned());
        r.broker_id < min_before
    }

    /// Takes over topics from a master, or from the first slave while there is no master.
    fn take_topics(&mut self, key: &BrokerKey, r: &Registration<'_>, policy: Policy, id_is_new: bool) {
        let Some(broker) = self.brokers.get(r.broker_name) else { return };
        let is_first = broker.first().is_some_and(|(id, _)| id == r.broker_id);
        let is_prime_slave = r.enable_acting_master.is_some() && r.broker_id != 0 && is_first;
        if r.broker_id != 0 && !is_prime_slave {
            return;
        }
        let read_only = is_prime_slave && broker.enable_acting_master;
        let wrapper = &r.body.wrapper;
        if policy.delete_missing_topics && wrapper.mapping_infos.is_empty() {
            self.drop_missing(r.broker_name, wrapper);
        }
        let all = id_is_new || self.version_changed(key, &wrapper.data_version);
        for (name, config) in &wrapper.topics {
            let queues = self.topics.entry(name.clone()).or_default();
            if all || !queues.contains_key(r.broker_name) {
                queues.insert(r.broker_name.to_owned(), queue_data(r.broker_name, config, read_only));
            }
        }
        if all {
            for (topic, info) in &wrapper.mapping_infos {
                let by_broker = self.mappings.entry(topic.clone()).or_default();
                by_broker.insert(info.broker_name.clone(), info.clone());
            }
        }
    }

    fn drop_missing(&mut self, broker_name: &str, wrapper: &TopicConfigWrapper) {
        let gone: Vec<String> = self
            .topics_of(broker_name)
            .filter(|topic| !wrapper.topics.contains_key(*topic))
            .cloned()
            .collect();
        for topic in gone {
            self.drop_queues(&topic, broker_name);
        }
    }

    fn take_liveness(&mut self, now: Mono, key: BrokerKey, r: &Registration<'_>) {
        match &r.body.filter_servers {
            None => {}
            Some(list) if list.is_empty() => drop(self.filters.remove(&key)),
            Some(list) => drop(self.filters.insert(key.clone(), list.clone())),
        }
        let timeout = r.heartbeat_timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS);
        let live = Live {
            broker_name: r.broker_name.to_owned(),
            heard: now,
            timeout_ms: u64::try_from(timeout).unwrap_or(0),
            data_version: r.body.wrapper.data_version,
            conn: r.conn,
            ha_server_addr: r.ha_server_addr.to_owned(),
        };
        let text = format!("BrokerIdentityInfo [clusterName={}, brokerAddr={}]", key.cluster, key.addr);
        if self.live.insert(key, live).is_none() {
            tracing::info!("new broker registered, {text} HAService: {}", r.ha_server_addr);
        }
    }

    /// For a slave: address and replication address of its master, if that is alive.
    fn master_of(&self, r: &Registration<'_>) -> Option<(String, String)> {
        let addr = self.brokers.get(r.broker_name)?.broker_addrs.get(&0)?;
        let key = BrokerKey { cluster: r.cluster.to_owned(), addr: addr.clone() };
        let live = self.live.get(&key).filter(|_| r.broker_id != 0)?;
        Some((addr.clone(), live.ha_server_addr.clone()))
    }
}

fn holder_is_new(broker: Option<&BrokerData>, id: i64) -> bool {
    broker.is_none_or(|b| !b.broker_addrs.contains_key(&id))
}

fn queue_data(broker_name: &str, config: &TopicConfig, read_only: bool) -> QueueData {
    QueueData {
        broker_name: broker_name.to_owned(),
        read_queue_nums: config.read_queue_nums,
        write_queue_nums: config.write_queue_nums,
        perm: if read_only { config.perm & !perm::WRITE } else { config.perm },
        topic_sys_flag: config.topic_sys_flag,
    }
}
