//! GET_ROUTEINFO_BY_TOPIC: the route of one topic, with an acting master and for one zone.

use super::tables::{BrokerKey, Tables};
use crate::body::{BrokerData, TopicRouteData, perm};
use std::collections::BTreeSet;

/// Topics of this prefix tell replicas of each other; they show who is really there.
const SYNC_BROKER_MEMBER: &str = "rmq_sys_SYNC_BROKER_MEMBER_";

/// What the caller wants of a route.
#[derive(Clone, Debug, Default)]
pub struct RouteOptions<'a> {
    /// Present a slave as master where there is none (`supportActingMaster`).
    pub acting_master: bool,
    /// Only brokers of this zone, and those without master.
    pub zone: Option<&'a str>,
    /// The topic's order configuration.
    pub order_conf: Option<String>,
}

impl Tables {
    /// The route of a topic; none if it has no queues.
    #[must_use]
    pub fn route(&self, topic: &str, options: RouteOptions<'_>) -> Option<TopicRouteData> {
        let queues = self.topics.get(topic)?;
        let mut route = TopicRouteData {
            order_topic_conf: options.order_conf,
            queue_datas: queues.values().cloned().collect(),
            broker_datas: queues.keys().filter_map(|name| self.brokers.get(name)).cloned().collect(),
            topic_queue_mapping_by_broker: self.mappings.get(topic).cloned(),
            ..TopicRouteData::default()
        };
        if route.broker_datas.is_empty() {
            return None;
        }
        self.add_filters(&mut route);
        if options.acting_master && !topic.starts_with(SYNC_BROKER_MEMBER) {
            promote(&mut route);
        }
        if let Some(zone) = options.zone {
            keep_zone(&mut route, zone);
        }
        Some(route)
    }

    fn add_filters(&self, route: &mut TopicRouteData) {
        if self.filters.is_empty() {
            return;
        }
        for broker in &route.broker_datas {
            for addr in broker.broker_addrs.values() {
                let key = BrokerKey { cluster: broker.cluster.clone(), addr: addr.clone() };
                if let Some(list) = self.filters.get(&key) {
                    route.filter_server_table.insert(addr.clone(), list.clone());
                }
            }
        }
    }
}

/// Shows the smallest id of a masterless, read-only set of replicas as id 0.
fn promote(route: &mut TopicRouteData) {
    for broker in &mut route.broker_datas {
        let read_only = route
            .queue_datas
            .iter()
            .find(|queue| queue.broker_name == broker.broker_name)
            .is_some_and(|queue| queue.perm & perm::WRITE == 0);
        if !broker.enable_acting_master || !read_only || broker.broker_addrs.contains_key(&0) {
            continue;
        }
        if let Some((_, addr)) = broker.broker_addrs.pop_first() {
            broker.broker_addrs.insert(0, addr);
        }
    }
}

/// Keeps the brokers of a zone and those without master.
fn keep_zone(route: &mut TopicRouteData, zone: &str) {
    let stays = |broker: &BrokerData| {
        !broker.broker_addrs.contains_key(&0)
            || broker.zone_name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(zone))
    };
    let (kept, gone): (Vec<_>, Vec<_>) =
        core::mem::take(&mut route.broker_datas).into_iter().partition(stays);
    for addr in gone.iter().flat_map(|broker| broker.broker_addrs.values()) {
        route.filter_server_table.remove(addr);
    }
    let names: BTreeSet<&str> = kept.iter().map(|broker| broker.broker_name.as_str()).collect();
    route.queue_datas.retain(|queue| names.contains(queue.broker_name.as_str()));
    route.broker_datas = kept;
}
