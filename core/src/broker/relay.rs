//! Requests relayed to a consumer: GET_CONSUMER_RUNNING_INFO (307), CONSUME_MESSAGE_DIRECTLY (309); and
//! replies of request-reply messaging pushed to a producer: SEND_REPLY_MESSAGE (324, 325)
//! (`spec/broker.md` section 11).

use std::collections::HashMap;

use super::Broker;
use super::properties::Known;
use crate::message::{id, properties};
use crate::store::{NewMessage, Store, TagsCode};
use crate::time::Now;
use crate::wire::code::{request, response};
use crate::wire::headers::admin::RelayToConsumer;
use crate::wire::headers::message::{SendMessage, SendMessageV2};
use crate::wire::{
    Body, CallError, Command, ConnId, Ext, ExtValue, Frame, Peer, Reply, ReplyTo, ServerOut, Target,
};

const RELAY_TIMEOUT_MS: u64 = 10_000;

#[derive(Debug)]
enum Kind {
    /// The consumer's answer goes back as it is.
    Consumer { group: String, client_id: String },
    /// Only whether the producer took the reply counts; the answer is prepared.
    Producer { client_id: String, prepared: Reply },
}

#[derive(Debug)]
struct Relay {
    to: ReplyTo,
    kind: Kind,
}

/// Relays under way.
#[derive(Debug, Default)]
pub(super) struct Relays {
    calls: HashMap<u64, Relay>,
}

impl<S: Store> Broker<S> {
    pub(super) fn relay_to_consumer(&mut self, peer: Peer, frame: &Frame<'_>) {
        let to = ReplyTo::new(peer.conn, frame);
        let header = RelayToConsumer::parse(frame);
        let (group, client_id) = (header.consumer_group.unwrap_or(""), header.client_id.unwrap_or(""));
        let Some(conn) = self.consumers.get(group).and_then(|members| members.find(client_id)) else {
            let remark = format!("The Consumer <{group}> <{client_id}> not online");
            return self.reply(to, Reply::error(response::SYSTEM_ERROR, remark));
        };
        let mut ext = Ext::new();
        for (key, value) in frame.ext_iter() {
            ext.put(key.to_owned(), ExtValue::from(value.to_owned()));
        }
        let mut command = Command::request(frame.code(), Ext::new());
        if frame.code() == request::CONSUME_MESSAGE_DIRECTLY {
            let msg_id = header.msg_id.unwrap_or("");
            let record = id::decode(msg_id).and_then(|(_, offset)| self.store.record_at(offset));
            let Some(record) = record else {
                let remark = format!("can not find message by the offset id {msg_id}");
                return self.reply(to, Reply::error(response::SYSTEM_ERROR, remark));
            };
            let topic_flag = header.topic.and_then(|t| self.topics.get(t)).map_or(0, |t| t.topic_sys_flag);
            let group_flag = self.groups.get(group).map_or(0, |g| g.group_sys_flag);
            ext.put("brokerName", self.settings.broker.broker_name.clone());
            ext.put("topicSysFlag", topic_flag);
            ext.put("groupSysFlag", group_flag);
            command.body = record;
        }
        command.ext = Some(ext);
        let kind = Kind::Consumer { group: group.to_owned(), client_id: client_id.to_owned() };
        self.relay(conn, command, Relay { to, kind });
    }

    fn relay(&mut self, conn: ConnId, command: Command, relay: Relay) {
        let token = self.token();
        self.relays.calls.insert(token, relay);
        let to = Target::Conn(conn);
        self.out.push_back(ServerOut::Call { to, token, command, timeout_ms: RELAY_TIMEOUT_MS });
    }

    /// Takes the answer to a relay; false when the token is none of ours.
    pub(super) fn relayed(&mut self, token: u64, result: &Result<Command, CallError>) -> bool {
        let Some(relay) = self.relays.calls.remove(&token) else {
            return false;
        };
        let reply = match (relay.kind, result) {
            (Kind::Consumer { .. }, Ok(answer)) => Reply {
                code: answer.code,
                remark: answer.remark.clone(),
                ext: answer.ext.clone(),
                body: Body::One(answer.body.clone()),
            },
            (Kind::Consumer { group, client_id }, Err(CallError::Timeout { .. })) => Reply::error(
                response::CONSUME_MSG_TIMEOUT,
                format!("consumer <{group}> <{client_id}> Timeout: wait response timeout"),
            ),
            (Kind::Consumer { group, client_id }, Err(error)) => Reply::error(
                response::SYSTEM_ERROR,
                format!("invoke consumer <{group}> <{client_id}> Exception: {error}"),
            ),
            (Kind::Producer { prepared, .. }, Ok(answer)) if answer.code == response::SUCCESS => prepared,
            (Kind::Producer { client_id, prepared }, _) => Reply {
                code: response::SYSTEM_ERROR,
                remark: Some(format!("push reply message to {client_id}fail.").into()),
                ..prepared
            },
        };
        self.reply(relay.to, reply);
        true
    }

    /// A consumer's reply to a request message: stored, and pushed to the producer that waits for it.
    pub(super) fn send_reply_message(&mut self, now: Now, peer: Peer, frame: &Frame<'_>) {
        let to = ReplyTo::new(peer.conn, frame);
        let header: SendMessage<'_> = if frame.code() == request::SEND_REPLY_MESSAGE {
            SendMessage::parse(frame)
        } else {
            SendMessageV2::parse(frame).into()
        };
        let text = header.properties.unwrap_or("");
        let known = Known::scan(text.as_bytes());
        let stored = self.store_reply(now, peer, frame, &header, &known);
        let queue_id = header.queue_id.unwrap_or(0);
        let mut ext = Ext::new()
            .with("MSG_REGION", self.settings.broker.region_id.clone())
            .with("TRACE_ON", self.settings.broker.trace_on)
            .with("msgId", stored.as_ref().map_or_else(|| "0".to_owned(), |(id, _)| id.clone()))
            .with("queueId", queue_id)
            .with("queueOffset", stored.as_ref().map_or(0, |(_, offset)| *offset));
        if let Some(key) = known.uniq_key {
            ext.put("transactionId", key.to_owned());
        }
        let prepared = Reply::success().with_ext(ext);
        let Some(client_id) = known.reply_to_client else {
            let remark = "reply message properties[REPLY_TO_CLIENT] is null";
            return self
                .reply(to, Reply { code: response::SYSTEM_ERROR, remark: Some(remark.into()), ..prepared });
        };
        let Some(conn) = self.producers.find(client_id) else {
            let remark = format!("push reply message fail, channel of <{client_id}> not found.");
            return self
                .reply(to, Reply { code: response::SYSTEM_ERROR, remark: Some(remark.into()), ..prepared });
        };
        let mut pushed = text.as_bytes().to_vec();
        properties::push(&mut pushed, "PUSH_REPLY_TIME", &now.wall_ms.to_string());
        let command = self.push_command(now, peer, frame, &header, pushed);
        let kind = Kind::Producer { client_id: client_id.to_owned(), prepared };
        self.relay(conn, command, Relay { to, kind });
    }

    fn push_command(
        &self,
        now: Now,
        peer: Peer,
        frame: &Frame<'_>,
        header: &SendMessage<'_>,
        pushed: Vec<u8>,
    ) -> Command {
        let ext = Ext::new()
            .with("producerGroup", header.producer_group.unwrap_or("").to_owned())
            .with("topic", header.topic.unwrap_or("").to_owned())
            .with("defaultTopic", header.default_topic.unwrap_or("").to_owned())
            .with("defaultTopicQueueNums", header.default_topic_queue_nums.unwrap_or(0))
            .with("queueId", header.queue_id.unwrap_or(0))
            .with("sysFlag", header.sys_flag.unwrap_or(0))
            .with("bornTimestamp", header.born_timestamp.unwrap_or(0))
            .with("flag", header.flag.unwrap_or(0))
            .with("properties", String::from_utf8(pushed).unwrap_or_default())
            .with("reconsumeTimes", header.reconsume_times.unwrap_or(0))
            .with("unitMode", header.unit_mode.unwrap_or(false))
            .with("bornHost", peer.addr.to_string())
            .with("storeHost", self.store_host.to_string())
            .with("storeTimestamp", now.wall_ms);
        Command::request(request::PUSH_REPLY_MESSAGE_TO_CLIENT, ext)
            .with_body(bytes::Bytes::copy_from_slice(frame.body()))
    }

    /// Keeps a copy of the reply in the log (`storeReplyMessageEnable`); its id and queue offset.
    fn store_reply(
        &mut self,
        now: Now,
        peer: Peer,
        frame: &Frame<'_>,
        header: &SendMessage<'_>,
        known: &Known<'_>,
    ) -> Option<(String, i64)> {
        if !self.settings.broker.store_reply_message_enable {
            return None;
        }
        let own = header.properties.unwrap_or("").as_bytes();
        let parts: [&[u8]; 3] = [own, properties::missing_separator(own), &self.property_suffix];
        let queue_id = header.queue_id.unwrap_or(0).max(0);
        let message = NewMessage {
            topic: header.topic?,
            queue_id,
            flag: header.flag.unwrap_or(0),
            sys_flag: header.sys_flag.unwrap_or(0),
            born_timestamp: header.born_timestamp.unwrap_or(0),
            born_host: peer.addr,
            store_host: self.store_host,
            reconsume_times: header.reconsume_times.unwrap_or(0),
            prepared_transaction_offset: 0,
            body: frame.body(),
            properties: &parts,
            tags_code: TagsCode::Tags(known.tags_code()),
            uniq_key: known.uniq_key,
            keys: known.keys,
        };
        let stored = self.store.append(now, &message).ok()?;
        Some((id::encode(self.store_host, stored.offset), stored.queue_offset))
    }
}
