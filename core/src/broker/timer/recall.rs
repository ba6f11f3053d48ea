//! RECALL_MESSAGE (370): a producer takes a timer message back (`spec/broker-pop-txn-timer.md` part C).

use std::borrow::Cow;

use super::Broker;
use crate::body::perm;
use crate::broker::properties::{Known, name};
use crate::message::properties;
use crate::store::{Appended, NewMessage, Store};
use crate::time::Now;
use crate::timer::RecallHandle;
use crate::wire::code::response;
use crate::wire::headers::message::RecallMessage;
use crate::wire::{Ext, Frame, Peer, Reply, ReplyTo};

const RECALL_TAG: &str = "_RECALL_TAG_";

impl<S: Store> Broker<S> {
    pub(in crate::broker) fn recall_message(&mut self, now: Now, peer: Peer, frame: &Frame<'_>) {
        let to = ReplyTo::new(peer.conn, frame);
        let header = RecallMessage::parse(frame);
        let region = Ext::new().with("MSG_REGION", self.settings.broker.region_id.clone());
        match self.recall(now, peer, &header) {
            Ok((stored, key)) => {
                let reply = Reply::success()
                    .with_remark("not set any response code")
                    .with_ext(region.with("msgId", key));
                self.answer_stored(now, to, reply, stored.end, None, true);
            }
            Err(reply) => self.reply(to, reply.with_ext(region)),
        }
    }

    fn recall(
        &mut self,
        now: Now,
        peer: Peer,
        header: &RecallMessage<'_>,
    ) -> Result<(Appended, String), Reply> {
        let handle = self.recall_checked(now, header)?;
        let mut text = Vec::new();
        let target = format!("{}+{}", handle.topic, handle.key);
        properties::push(&mut text, name::TAGS, RECALL_TAG);
        properties::push(&mut text, name::TIMER_DEL_UNIQKEY, &target);
        properties::push(&mut text, name::UNIQ_KEY, &handle.key);
        properties::push(&mut text, name::TIMER_DELIVER_MS, &handle.time.to_string());
        properties::push(&mut text, name::BORN_TIMESTAMP, &now.wall_ms.to_string());
        if let Some(group) = header.producer_group.filter(|group| !group.is_empty()) {
            properties::push(&mut text, name::PRODUCER_GROUP, group);
        }
        let known = Known::scan(&text);
        let placed = self.place(now, Cow::Borrowed(&handle.topic), 0, Cow::Borrowed(&text), &known)?;
        let parts: [&[u8]; 2] = [&placed.own, &placed.extra];
        let message = NewMessage {
            topic: &placed.topic,
            queue_id: placed.queue_id,
            flag: 0,
            sys_flag: 0,
            born_timestamp: now.wall_ms,
            born_host: peer.addr,
            store_host: self.store_host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: b"0",
            properties: &parts,
            tags_code: placed.tags_code,
            uniq_key: known.uniq_key,
            keys: None,
        };
        let stored = self.store.append(now, &message).map_err(|error| self.put_failure(error))?;
        self.has_stored(now, &placed.topic, placed.queue_id, &stored, 1, placed.tags_code);
        Ok((stored, handle.key))
    }

    fn recall_checked(&self, now: Now, header: &RecallMessage<'_>) -> Result<RecallHandle, Reply> {
        let config = &self.settings.broker;
        let unavailable = "recall failed, broker service not available";
        let illegal = |why: &'static str| Reply::error(response::ILLEGAL_OPERATION, why);
        if !config.recall_message_enable {
            let remark = "recall failed, operation is forbidden";
            return Err(Reply::error(response::NO_PERMISSION, remark));
        }
        let early = now.wall_ms < config.start_accept_send_request_time_stamp;
        let closed = config.broker_permission & perm::WRITE == 0;
        if early || closed && !config.allow_recall_when_broker_not_writeable {
            return Err(Reply::error(response::SERVICE_NOT_AVAILABLE, unavailable));
        }
        let topic = header.topic.unwrap_or("");
        if self.topics.get(topic).is_none() {
            let remark = format!("recall failed, the topic[{topic}] not exist");
            return Err(Reply::error(response::TOPIC_NOT_EXIST, remark));
        }
        let handle = RecallHandle::decode(header.recall_handle.unwrap_or(""))
            .ok_or_else(|| illegal("recall handle is invalid"))?;
        if handle.topic != topic {
            return Err(illegal("recall failed, topic not match"));
        }
        if handle.broker != config.broker_name {
            return Err(illegal(unavailable));
        }
        let left = handle.time.saturating_sub(now.wall_ms);
        if left <= 0 || left >= i64::from(self.settings.store.timer_max_delay_sec) * 1_000 {
            return Err(illegal("recall failed, timestamp invalid"));
        }
        Ok(handle)
    }
}
