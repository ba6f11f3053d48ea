//! Clients that come, stay and go: HEART_BEAT (34), UNREGISTER_CLIENT (35), GET_CONSUMER_LIST_BY_GROUP (38),
//! CHECK_CLIENT_CONFIG (46), and the notifications that make consumers share queues anew
//! (`spec/broker.md` section 8).

use super::clients::Client;
use super::persist::File;
use super::{Broker, CLIENT_SCAN_MS, names};
use crate::body::{ConsumerData, HeartbeatData, MessageModel};
use crate::json::{self, Json};
use crate::store::Store;
use crate::time::Now;
use crate::wire::code::{request, response};
use crate::wire::headers::client::{ConsumerGroup, NotifyConsumerIdsChanged, UnregisterClient};
use crate::wire::{Command, ConnId, Ext, Frame, Peer, Reply, ServerOut, Target};

impl<S: Store> Broker<S> {
    pub(super) fn heartbeat(&mut self, now: Now, peer: Peer, frame: &Frame<'_>) -> Reply {
        let data: HeartbeatData = match json::from_slice(frame.body()) {
            Ok(data) => data,
            Err(error) => {
                return Reply::error(response::SYSTEM_ERROR, format!("heartbeat body: {error}"));
            }
        };
        let client = Client {
            client_id: data.client_id.clone(),
            addr: peer.addr,
            language: frame.language(),
            version: frame.version(),
            last_seen: now.mono,
            last_seen_wall_ms: now.wall_ms,
        };
        let fingerprint = data.heartbeat_fingerprint;
        let mut sub_change = fingerprint == 0;
        for consumer in &data.consumers {
            let known = self.consumers.get(&consumer.group_name).map(|group| group.fingerprint);
            sub_change |= known.is_some_and(|old| old != 0 && old != fingerprint);
            self.consumer_heartbeat(now, peer.conn, &client, consumer, fingerprint, data.without_sub);
        }
        for producer in &data.producers {
            self.producers.register(&producer.group_name, peer.conn, &client);
        }
        Reply::success()
            .with_ext(Ext::new().with("IS_SUPPORT_HEART_BEAT_V2", true).with("IS_SUB_CHANGE", sub_change))
    }

    fn consumer_heartbeat(
        &mut self,
        now: Now,
        conn: ConnId,
        client: &Client,
        consumer: &ConsumerData,
        fingerprint: i32,
        without_sub: bool,
    ) {
        let group = &consumer.group_name;
        if self.groups.get(group).is_none() {
            if !self.groups.create_on_demand(now.wall_ms, group) {
                return; // an unknown group that may not be created is skipped without a word
            }
            self.persist.mark(File::Groups);
        }
        let Some((queues, notify)) =
            self.groups.get(group).map(|g| (g.retry_queue_nums, g.notify_consumer_ids_changed_enable))
        else {
            return;
        };
        let retry = names::retry_topic(group);
        if self.topics.get(&retry).is_none() {
            let sys_flag = if consumer.unit_mode { super::topics::SYS_FLAG_UNIT_SUB } else { 0 };
            self.topics.create_if_absent(now.wall_ms, &retry, queues, sys_flag);
            self.persist.created(&retry);
            self.registration.request(now);
        }
        let changed = self.consumers.register(consumer, conn, client, fingerprint, without_sub);
        if changed && notify {
            self.notify_members(group);
        }
    }

    /// Tells every member of a group, the newcomer included, that the members changed.
    fn notify_members(&mut self, group: &str) {
        if !self.settings.broker.notify_consumer_ids_changed_enable {
            return;
        }
        let Some(members) = self.consumers.get(group) else {
            return;
        };
        if members.message_model == MessageModel::Broadcasting {
            return;
        }
        let header = NotifyConsumerIdsChanged { consumer_group: Some(group), ..Default::default() };
        for conn in members.clients.keys() {
            self.out.push_back(ServerOut::Oneway {
                to: Target::Conn(*conn),
                command: Command::request(request::NOTIFY_CONSUMER_IDS_CHANGED, header.to_ext()),
            });
        }
    }

    pub(super) fn unregister_client(&mut self, peer: Peer, frame: &Frame<'_>) -> Reply {
        let header = UnregisterClient::parse(frame);
        if let Some(group) = header.producer_group {
            self.producers.unregister(group, peer.conn);
        }
        if let Some(group) = header.consumer_group
            && self.consumers.unregister(group, peer.conn)
        {
            self.notify_members(group);
        }
        Reply::success()
    }

    /// A client's connection is gone.
    pub(super) fn client_gone(&mut self, conn: ConnId) {
        self.producers.close(conn);
        for group in self.consumers.close(conn) {
            self.notify_members(&group);
        }
        self.held.close(conn);
        self.cold.close(conn);
    }

    /// Closes connections of clients that stopped their heartbeats.
    pub(super) fn scan_clients(&mut self, now: Now) {
        if self.next_client_scan > now.mono {
            return;
        }
        self.next_client_scan = now.mono.plus_ms(CLIENT_SCAN_MS);
        let idle_ms = u64::try_from(self.settings.broker.channel_expired_timeout).unwrap_or(120_000);
        let mut idle = self.consumers.idle(now.mono, idle_ms);
        idle.extend(self.producers.idle(now.mono, idle_ms));
        for conn in idle {
            tracing::info!(
                conn = conn.0,
                "a client sent no heartbeat for {idle_ms} ms, closing its connection"
            );
            self.out.push_back(ServerOut::Close(conn));
            self.client_gone(conn);
        }
    }

    pub(super) fn consumer_list(&self, frame: &Frame<'_>) -> Reply {
        let group = ConsumerGroup::parse(frame).consumer_group.unwrap_or("");
        match self.consumers.get(group) {
            Some(members) => {
                let ids = members.clients.values().map(|client| Json::Str(client.client_id.clone()));
                let body = Json::object([("consumerIdList", Json::Array(ids.collect()))]);
                Reply::success().with_ext(Ext::new()).with_body(super::dispatch::body(&body))
            }
            None => Reply::error(response::SYSTEM_ERROR, format!("no consumer for this group, {group}")),
        }
    }

    /// A consumer asks at its start whether its filter expression would be accepted.
    pub(super) fn check_client_config(&self, frame: &Frame<'_>) -> Reply {
        let parsed = json::parse(frame.body()).ok();
        let subscription = parsed.as_ref().and_then(|body| body.get("subscriptionData"));
        let kind = subscription.and_then(|data| data.get("expressionType")).and_then(Json::as_str);
        if kind.is_none_or(|kind| kind.is_empty() || kind == "TAG") {
            Reply::success()
        } else {
            Reply::error(
                response::SYSTEM_ERROR,
                "The broker does not support consumer to filter message by SQL92",
            )
        }
    }
}
