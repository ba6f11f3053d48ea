//! Brokers that leave: by request, by silence, with their connection.

use super::notify::MinIdNotice;
use super::tables::{BrokerKey, Tables};
use crate::body::perm;
use crate::wire::ConnId;

impl Tables {
    /// UNREGISTER_BROKER. A request that comes over an older connection than the one the broker is
    /// registered over was overtaken by a new registration, and changes nothing (numbers of connections grow).
    pub fn unregister(&mut self, conn: ConnId, key: &BrokerKey, broker_name: &str) -> Option<MinIdNotice> {
        match self.live.get(key) {
            Some(live) if live.conn > conn => {
                tracing::warn!("unregistration of {} was overtaken by a new registration", key.addr);
                None
            }
            Some(live) if live.broker_name == broker_name => self.remove_live(key),
            Some(_) => None,
            None => self.remove_addr(broker_name, &key.addr),
        }
    }

    /// All brokers registered over a connection leave with it.
    pub fn connection_closed(&mut self, conn: ConnId) -> Vec<MinIdNotice> {
        let gone: Vec<BrokerKey> =
            self.live.iter().filter(|(_, live)| live.conn == conn).map(|(key, _)| key.clone()).collect();
        gone.iter().filter_map(|key| self.remove_live(key)).collect()
    }

    /// Removes one live entry and what it stood for.
    pub(super) fn remove_live(&mut self, key: &BrokerKey) -> Option<MinIdNotice> {
        let broker_name = self.forget(key)?;
        let elsewhere =
            self.live.iter().any(|(k, live)| k.addr == key.addr && live.broker_name == broker_name);
        if elsewhere { None } else { self.remove_addr(&broker_name, &key.addr) }
    }

    /// Removes one live entry with its filter servers; returns the broker name it had.
    fn forget(&mut self, key: &BrokerKey) -> Option<String> {
        self.filters.remove(key);
        let live = self.live.remove(key)?;
        tracing::info!("unregisterBroker, remove from brokerLiveTable OK, {}/{}", key.cluster, key.addr);
        Some(live.broker_name)
    }

    /// Removes an address from a set of replicas, and the set with its last address. The notice is for
    /// replicas that may act as master and whose smallest id is gone.
    pub(super) fn remove_addr(&mut self, broker_name: &str, addr: &str) -> Option<MinIdNotice> {
        let broker = self.brokers.get_mut(broker_name)?;
        let min_before = broker.first().map(|(id, _)| id);
        broker.broker_addrs.retain(|_, known| known != addr);
        if broker.broker_addrs.is_empty() {
            self.remove_broker(broker_name);
            return None;
        }
        if !broker.enable_acting_master {
            return None;
        }
        let min_after = broker.first().map(|(id, _)| id);
        let notice = if min_before == min_after { None } else { MinIdNotice::departure(broker, addr) };
        if min_after != Some(0) {
            for queue in self.queues_of(broker_name) {
                queue.perm &= !perm::WRITE;
            }
        }
        notice
    }

    fn remove_broker(&mut self, broker_name: &str) {
        self.brokers.remove(broker_name);
        self.clusters.retain(|_, names| {
            names.remove(broker_name);
            !names.is_empty()
        });
        self.topics.retain(|_, queues| {
            queues.remove(broker_name);
            !queues.is_empty()
        });
    }
}
