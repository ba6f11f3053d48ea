//! Who is connected: producers and consumers by group, with their connections (`ProducerManager`,
//! `ConsumerManager`).

use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet};

use crate::body::{ConsumeFromWhere, ConsumeType, ConsumerData, MessageModel, SubscriptionData};
use crate::time::Mono;
use crate::wire::{ConnId, Language};

/// One client instance on one connection.
#[derive(Clone, Debug)]
pub struct Client {
    pub client_id: String,
    pub addr: SocketAddr,
    pub language: Option<Language>,
    pub version: i32,
    pub last_seen: Mono,
    pub last_seen_wall_ms: i64,
}

/// A consumer group that has at least one connection.
#[derive(Debug)]
pub struct ConsumerGroup {
    pub consume_type: ConsumeType,
    pub message_model: MessageModel,
    pub consume_from_where: ConsumeFromWhere,
    pub subscriptions: BTreeMap<String, SubscriptionData>,
    pub clients: BTreeMap<ConnId, Client>,
    pub fingerprint: i32,
}

/// Live consumers.
#[derive(Debug, Default)]
pub struct Consumers {
    groups: BTreeMap<String, ConsumerGroup>,
    by_conn: BTreeMap<ConnId, BTreeSet<String>>,
}

impl Consumers {
    #[must_use]
    pub fn get(&self, group: &str) -> Option<&ConsumerGroup> {
        self.groups.get(group)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&String, &ConsumerGroup)> {
        self.groups.iter()
    }

    /// Takes a heartbeat's word on a group; true when members or subscribed topics changed. With
    /// `keep_subscriptions` only the connection is refreshed (heartbeat v2 without subscriptions).
    pub fn register(
        &mut self,
        data: &ConsumerData,
        conn: ConnId,
        client: &Client,
        fingerprint: i32,
        keep_subscriptions: bool,
    ) -> bool {
        let group = self.groups.entry(data.group_name.clone()).or_insert_with(|| ConsumerGroup {
            consume_type: data.consume_type,
            message_model: data.message_model,
            consume_from_where: data.consume_from_where,
            subscriptions: BTreeMap::new(),
            clients: BTreeMap::new(),
            fingerprint,
        });
        let newcomer = group.clients.insert(conn, client.clone()).is_none();
        self.by_conn.entry(conn).or_default().insert(data.group_name.clone());
        if keep_subscriptions {
            return newcomer;
        }
        group.consume_type = data.consume_type;
        group.message_model = data.message_model;
        group.consume_from_where = data.consume_from_where;
        group.fingerprint = fingerprint;
        newcomer | group.subscribe(&data.subscription_data_set)
    }

    /// Removes a client from one group; the group if its membership changed.
    pub fn unregister(&mut self, group: &str, conn: ConnId) -> bool {
        if let Some(groups) = self.by_conn.get_mut(&conn) {
            groups.remove(group);
            if groups.is_empty() {
                self.by_conn.remove(&conn);
            }
        }
        let Some(members) = self.groups.get_mut(group) else {
            return false;
        };
        let known = members.clients.remove(&conn).is_some();
        if members.clients.is_empty() {
            self.groups.remove(group);
        }
        known
    }

    /// Removes a connection from all its groups and names them.
    pub fn close(&mut self, conn: ConnId) -> Vec<String> {
        let groups: Vec<String> = self.by_conn.remove(&conn).into_iter().flatten().collect();
        groups.iter().for_each(|group| {
            self.unregister(group, conn);
        });
        groups
    }

    /// Connections not heard of for `idle_ms`.
    #[must_use]
    pub fn idle(&self, now: Mono, idle_ms: u64) -> Vec<ConnId> {
        let clients = self.groups.values().flat_map(|group| &group.clients);
        clients
            .filter(|(_, client)| now.ms_since(client.last_seen) > idle_ms)
            .map(|(conn, _)| *conn)
            .collect()
    }

    /// Groups that subscribe a topic now.
    #[must_use]
    pub fn groups_subscribing(&self, topic: &str) -> Vec<String> {
        let groups = self.groups.iter().filter(|(_, group)| group.subscriptions.contains_key(topic));
        groups.map(|(name, _)| name.clone()).collect()
    }
}

impl ConsumerGroup {
    /// True when the set of topics changed; a changed expression alone does not count.
    fn subscribe(&mut self, subscriptions: &[SubscriptionData]) -> bool {
        let mut changed = false;
        for new in subscriptions {
            match self.subscriptions.get_mut(&new.topic) {
                None => {
                    self.subscriptions.insert(new.topic.clone(), new.clone());
                    changed = true;
                }
                Some(old) if new.sub_version > old.sub_version => *old = new.clone(),
                Some(_) => {}
            }
        }
        let before = self.subscriptions.len();
        self.subscriptions.retain(|topic, _| subscriptions.iter().any(|new| new.topic == *topic));
        changed | (self.subscriptions.len() != before)
    }

    #[must_use]
    pub fn find(&self, client_id: &str) -> Option<ConnId> {
        self.clients.iter().find(|(_, client)| client.client_id == client_id).map(|(conn, _)| *conn)
    }
}

/// Live producers.
#[derive(Debug, Default)]
pub struct Producers {
    groups: BTreeMap<String, BTreeMap<ConnId, Client>>,
}

impl Producers {
    pub fn register(&mut self, group: &str, conn: ConnId, client: &Client) {
        self.groups.entry(group.to_owned()).or_default().insert(conn, client.clone());
    }

    pub fn unregister(&mut self, group: &str, conn: ConnId) {
        if let Some(clients) = self.groups.get_mut(group) {
            clients.remove(&conn);
            if clients.is_empty() {
                self.groups.remove(group);
            }
        }
    }

    pub fn close(&mut self, conn: ConnId) {
        self.groups.retain(|_, clients| {
            clients.remove(&conn);
            !clients.is_empty()
        });
    }

    #[must_use]
    pub fn get(&self, group: &str) -> Option<&BTreeMap<ConnId, Client>> {
        self.groups.get(group)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&String, &BTreeMap<ConnId, Client>)> {
        self.groups.iter()
    }

    /// The connection of a producer client, for replies.
    #[must_use]
    pub fn find(&self, client_id: &str) -> Option<ConnId> {
        let mut clients = self.groups.values().flatten();
        clients.find(|(_, client)| client.client_id == client_id).map(|(conn, _)| *conn)
    }

    #[must_use]
    pub fn idle(&self, now: Mono, idle_ms: u64) -> Vec<ConnId> {
        let clients = self.groups.values().flatten();
        clients
            .filter(|(_, client)| now.ms_since(client.last_seen) > idle_ms)
            .map(|(conn, _)| *conn)
            .collect()
    }
}
