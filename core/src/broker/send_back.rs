//! CONSUMER_SEND_MSG_BACK (36): a consumer could not process a message; it comes again later or ends in the
//! dead-letter topic (`spec/broker.md` section 5).

use super::persist::{File, TableWait};
use super::properties::name;
use super::topics::Change;
use super::{Broker, names};
use crate::body::perm;
use crate::message::{delay, id, properties, record};
use crate::store::{NewMessage, Store, TagsCode};
use crate::time::Now;
use crate::wire::code::response;
use crate::wire::headers::message::ConsumerSendMsgBack;
use crate::wire::{Frame, Peer, Reply, ReplyTo, V3_4_9};

impl<S: Store> Broker<S> {
    pub(super) fn send_back(&mut self, now: Now, peer: Peer, frame: &Frame<'_>) {
        let to = ReplyTo::new(peer.conn, frame);
        let header = ConsumerSendMsgBack::parse(frame);
        if let Err(reply) = self.send_back_checked(now, &header, frame.version(), to) {
            self.reply(to, reply);
        }
    }

    fn send_back_checked(
        &mut self,
        now: Now,
        header: &ConsumerSendMsgBack<'_>,
        version: i32,
        to: ReplyTo,
    ) -> Result<(), Reply> {
        let group = header.group.unwrap_or("");
        if self.groups.create_on_demand(now.wall_ms, group) {
            self.persist.mark(File::Groups);
        }
        let Some(config) = self.groups.get(group).cloned() else {
            return Err(Reply::error(
                response::SUBSCRIPTION_GROUP_NOT_EXIST,
                format!("subscription group not exist, {group} {}", super::dispatch::FAQ),
            ));
        };
        if self.settings.broker.broker_permission & perm::WRITE == 0 {
            return Err(Reply::error(
                response::NO_PERMISSION,
                format!("the broker[{}] sending message is forbidden", self.settings.broker.broker_ip1),
            ));
        }
        if config.retry_queue_nums <= 0 {
            return Err(Reply::success());
        }
        let offset = header.offset.unwrap_or(-1);
        let stored = u64::try_from(offset).ok().and_then(|at| self.store.record_at(at));
        let Some(old) = stored.as_deref().and_then(|bytes| record::decode(bytes).ok()) else {
            return Err(Reply::error(
                response::SYSTEM_ERROR,
                format!("look message by offset failed, {offset}"),
            ));
        };
        let header_most = header.max_reconsume_times.filter(|_| version >= V3_4_9);
        let most = header_most.unwrap_or(config.retry_max_times);
        let delay_level = header.delay_level.unwrap_or(0);
        let dead = old.reconsume_times >= most || delay_level < 0;
        let (topic, queues) = if dead {
            (names::dlq_topic(group), 1)
        } else {
            (names::retry_topic(group), config.retry_queue_nums)
        };
        let save = match self.topics.create_if_absent(now.wall_ms, &topic, queues, 0) {
            Change::Changed => {
                self.registration.request(now);
                Some(self.persist.created(&topic))
            }
            Change::Unchanged => self.table_wait(&topic),
        };
        let queue_id = if dead { 0 } else { self.random.below(queues) };
        let level = match (dead, delay_level) {
            (true, _) => 0,
            (false, 0) => 3 + old.reconsume_times,
            (false, level) => level,
        };
        self.store_again(now, &old, &topic, queue_id, level, to, save)
    }

    #[allow(clippy::too_many_arguments)] // what to store, where, and whom to tell
    fn store_again(
        &mut self,
        now: Now,
        old: &record::Record<'_>,
        topic: &str,
        queue_id: i32,
        level: i32,
        to: ReplyTo,
        save: Option<TableWait>,
    ) -> Result<(), Reply> {
        let origin_id = old
            .property(name::ORIGIN_MESSAGE_ID)
            .map_or_else(|| id::encode(self.store_host, old.physical_offset.unsigned_abs()), str::to_owned);
        let origin_topic = old.property(name::RETRY_TOPIC).or(old.topic_str()).unwrap_or("").to_owned();
        let stale = [
            name::RETRY_TOPIC,
            name::ORIGIN_MESSAGE_ID,
            name::DELAY,
            name::WAIT,
            name::REAL_TOPIC,
            name::REAL_QUEUE_ID,
        ];
        let mut text = properties::remove(old.properties, &stale);
        properties::push(&mut text, name::RETRY_TOPIC, &origin_topic);
        properties::push(&mut text, name::ORIGIN_MESSAGE_ID, &origin_id);
        properties::push(&mut text, name::DELAY, &level.to_string());
        properties::push(&mut text, name::WAIT, "false");
        let delay_ms = delay::level_ms(&self.settings.delay_levels, level);
        let (stored_topic, stored_queue) = if delay_ms.is_some() {
            properties::push(&mut text, name::REAL_TOPIC, topic);
            properties::push(&mut text, name::REAL_QUEUE_ID, &queue_id.to_string());
            (names::SCHEDULE_TOPIC, level.min(self.settings.max_delay_level()) - 1)
        } else {
            (topic, queue_id)
        };
        let known = super::properties::Known::scan(&text);
        let tags_code = delay_ms.map_or(TagsCode::Tags(known.tags_code()), TagsCode::DeliverAfterMs);
        let parts: [&[u8]; 1] = [&text];
        let message = NewMessage {
            topic: stored_topic,
            queue_id: stored_queue,
            flag: old.flag,
            sys_flag: old.sys_flag,
            born_timestamp: old.born_timestamp,
            born_host: old.born_host,
            store_host: self.store_host,
            reconsume_times: old.reconsume_times + 1,
            prepared_transaction_offset: 0,
            body: old.body,
            properties: &parts,
            tags_code,
            uniq_key: known.uniq_key,
            keys: known.keys,
        };
        let stored = self.store.append(now, &message).map_err(|error| self.put_failure(error))?;
        self.has_stored(now, stored_topic, stored_queue, &stored, 1, tags_code);
        self.answer_stored(now, to, Reply::success(), stored.end, save, true);
        Ok(())
    }
}
