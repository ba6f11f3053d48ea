//! SEND_MESSAGE (10), SEND_MESSAGE_V2 (310) and SEND_BATCH_MESSAGE (320): `spec/broker.md` section 4.

use std::borrow::Cow;

use super::persist::{File, TableWait};
use super::properties::{Known, name};
use super::put::Placed;
use super::replicas::Acks as Terms;
use super::topics::Change;
use super::topics::{SYS_FLAG_UNIT, SYS_FLAG_UNIT_SUB};
use super::waiting::{Acks, Wants};
use super::{Broker, names, transaction};
use crate::body::perm;
use crate::config::BrokerRole;
use crate::message::{batch, id, properties, sysflag};
use crate::store::{AppendError, Appended, NewMessage, Store, TagsCode, stamp};
use crate::time::Now;
use crate::wire::code::{request, response};
use crate::wire::headers::message::{SendMessage, SendMessageV2};
use crate::wire::{Ext, Frame, Peer, Reply, ReplyTo};

/// Where a message goes after redirections, and what the reply must wait for.
struct Destination<'a> {
    topic: Cow<'a, str>,
    queue_id: i32,
    /// A write of the topic table the topic was created by.
    save: Option<TableWait>,
}

impl<S: Store> Broker<S> {
    pub(super) fn send(&mut self, now: Now, peer: Peer, frame: &Frame<'_>) {
        let to = ReplyTo::new(peer.conn, frame);
        let header = if frame.code() == request::SEND_MESSAGE {
            SendMessage::parse(frame)
        } else {
            match SendMessageV2::parse_strict(frame) {
                Ok(v2) => v2.into(),
                Err(error) => return self.reply(to, Reply::error(response::SYSTEM_ERROR, error.to_string())),
            }
        };
        if let Err(reply) = self.accept(now, peer, frame, &header, to) {
            let ext = reply.ext.clone().unwrap_or_else(|| self.region_ext(2));
            self.reply(to, reply.with_ext(ext));
        }
    }

    /// The fields every answer to a send carries; the tracing client needs them.
    fn region_ext(&self, fields: usize) -> Ext {
        Ext::with_capacity(fields)
            .with("MSG_REGION", self.settings.broker.region_id.clone())
            .with("TRACE_ON", self.settings.broker.trace_on)
    }

    fn accept(
        &mut self,
        now: Now,
        peer: Peer,
        frame: &Frame<'_>,
        header: &SendMessage<'_>,
        to: ReplyTo,
    ) -> Result<(), Reply> {
        let (Some(topic), Some(queue_id), Some(born)) =
            (header.topic, header.queue_id, header.born_timestamp)
        else {
            return Err(missing("topic, queueId and bornTimestamp"));
        };
        if frame.body().is_empty() {
            return Err(missing("a message body"));
        }
        if now.wall_ms < self.settings.broker.start_accept_send_request_time_stamp {
            let until = self.settings.broker.start_accept_send_request_time_stamp;
            return Err(Reply::error(
                response::SYSTEM_ERROR,
                format!("broker unable to service, until {until}"),
            ));
        }
        let known = Known::scan(header.properties.unwrap_or("").as_bytes());
        let destination = self.destination(now, peer, header, topic, queue_id)?;
        if header.batch == Some(true) && topic.starts_with(names::RETRY_PREFIX) {
            return Err(Reply::error(
                response::MESSAGE_ILLEGAL,
                "batch request does not support retry group X",
            ));
        }
        let half = known.is_transaction
            && header.batch != Some(true)
            && !(header.reconsume_times.unwrap_or(0) > 0 && known.delay_level > 0);
        if half && self.settings.broker.reject_transaction_message {
            return Err(Reply::error(
                response::NO_PERMISSION,
                format!(
                    "the broker[{}] sending transaction message is forbidden",
                    self.settings.broker.broker_ip1
                ),
            ));
        }
        self.store_message(now, peer, frame, header, born, &known, &destination, half, to)
    }

    fn destination<'a>(
        &mut self,
        now: Now,
        peer: Peer,
        header: &SendMessage<'a>,
        topic: &'a str,
        queue_id: i32,
    ) -> Result<Destination<'a>, Reply> {
        if self.settings.broker.broker_permission & perm::WRITE == 0
            && self.topics.get(topic).is_some_and(|config| config.order)
        {
            return Err(Reply::error(
                response::NO_PERMISSION,
                format!("the broker[{}] sending message is forbidden", self.settings.broker.broker_ip1),
            ));
        }
        let save;
        let known = match self.topics.get(topic) {
            Some(config) => {
                let queues = (config.read_queue_nums, config.write_queue_nums);
                save = self.table_wait(topic);
                Some(queues)
            }
            None => {
                if let Some(fault) = names::topic_fault(topic) {
                    return Err(Reply::error(response::INVALID_PARAMETER, fault));
                }
                let created = self.create_for_send(now, header, topic);
                save = created.map(|_| self.persist.created(topic));
                created
            }
        };
        if names::is_not_sendable(topic) {
            return Err(Reply::error(
                response::NO_PERMISSION,
                format!("Sending message to topic[{topic}] is forbidden."),
            ));
        }
        let Some((read, write)) = known else {
            return Err(Reply::error(
                response::TOPIC_NOT_EXIST,
                format!("topic[{topic}] not exist, apply first please!{}", super::dispatch::FAQ),
            ));
        };
        if queue_id >= read.max(write) {
            let config = self.topics.get(topic).map(ToString::to_string).unwrap_or_default();
            return Err(Reply::error(
                response::INVALID_PARAMETER,
                format!("request queueId[{queue_id}] is illegal, {config} Producer: {}", peer.addr),
            ));
        }
        let queue_id = if queue_id < 0 { self.random.below(write) } else { queue_id };
        let mut destination = Destination { topic: Cow::Borrowed(topic), queue_id, save };
        if let Some(group) = topic.strip_prefix(names::RETRY_PREFIX) {
            self.redirect_exhausted_retry(now, header, group, &mut destination)?;
        }
        Ok(destination)
    }

    /// Creates the topic of a first send; its queue counts.
    fn create_for_send(&mut self, now: Now, header: &SendMessage<'_>, topic: &str) -> Option<(i32, i32)> {
        let unit = header.unit_mode == Some(true);
        let is_retry = topic.starts_with(names::RETRY_PREFIX);
        let sys_flag = match (unit, is_retry) {
            (false, _) => 0,
            (true, true) => SYS_FLAG_UNIT_SUB,
            (true, false) => SYS_FLAG_UNIT,
        };
        let created = self.topics.create_by_sending(
            now.wall_ms,
            topic,
            header.default_topic.unwrap_or(""),
            header.default_topic_queue_nums.unwrap_or(0),
            sys_flag,
            self.settings.broker.auto_create_topic_enable,
        );
        let mut queues = created.map(|config| (config.read_queue_nums, config.write_queue_nums));
        if queues.is_none() && is_retry {
            self.topics.create_if_absent(now.wall_ms, topic, 1, sys_flag);
            queues = Some((1, 1));
        }
        if queues.is_some() {
            self.registration.request(now);
        }
        queues
    }

    /// A client that redelivers by sending to its retry topic ends in the dead-letter topic at some point.
    fn redirect_exhausted_retry(
        &mut self,
        now: Now,
        header: &SendMessage<'_>,
        group: &str,
        destination: &mut Destination<'_>,
    ) -> Result<(), Reply> {
        if self.groups.create_on_demand(now.wall_ms, group) {
            self.persist.mark(File::Groups);
        }
        let Some(config) = self.groups.get(group) else {
            return Err(Reply::error(
                response::SUBSCRIPTION_GROUP_NOT_EXIST,
                format!("subscription group not exist, {group} {}", super::dispatch::FAQ),
            ));
        };
        let most = header.max_reconsume_times.unwrap_or(config.retry_max_times);
        let times = header.reconsume_times.unwrap_or(0);
        if times > most || self.locks.is_held_by_group(now.mono, group) && times > 0 {
            let topic = names::dlq_topic(group);
            destination.save = match self.topics.create_if_absent(now.wall_ms, &topic, 1, 0) {
                Change::Changed => Some(self.persist.created(&topic)),
                Change::Unchanged => self.table_wait(&topic),
            };
            destination.topic = Cow::Owned(topic);
            destination.queue_id = 0;
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)] // one message has that many sides
    fn store_message(
        &mut self,
        now: Now,
        peer: Peer,
        frame: &Frame<'_>,
        header: &SendMessage<'_>,
        born_timestamp: i64,
        known: &Known<'_>,
        destination: &Destination<'_>,
        half: bool,
        to: ReplyTo,
    ) -> Result<(), Reply> {
        let sent = header.properties.unwrap_or("").as_bytes();
        let cleaned;
        let own = if known.has_pop_check_point {
            cleaned = properties::remove(sent, &[name::POP_CK]);
            cleaned.as_slice()
        } else {
            sent
        };
        let batch = header.batch == Some(true);
        let inner = self.inner_batch_count(&destination.topic, batch, header, known, frame.body())?;
        let generated =
            ((!batch || inner.is_some()) && known.uniq_key.is_none()).then(|| self.unique_key(now));
        let uniq_key = known.uniq_key.or(generated.as_deref());
        let mut extra = Vec::new();
        if let Some(key) = &generated {
            properties::push(&mut extra, name::UNIQ_KEY, key);
        }
        if let Some(count) = inner {
            properties::push(&mut extra, stamp::INNER_NUM, &count.to_string());
        }
        let (topic, own) = (Cow::Borrowed(&*destination.topic), Cow::Borrowed(own));
        let placed = if half {
            transaction::half_place(&topic, destination.queue_id, own, uniq_key)
        } else if batch {
            let tags_code = TagsCode::Tags(known.tags_code());
            Placed { topic, queue_id: destination.queue_id, tags_code, own, extra: Vec::new() }
        } else {
            self.place(now, topic, destination.queue_id, own, known)?
        };
        let separator = properties::missing_separator(&placed.own);
        let parts: [&[u8]; 5] = [&placed.own, separator, &extra, &placed.extra, &self.property_suffix];
        let message = NewMessage {
            topic: &placed.topic,
            queue_id: placed.queue_id,
            flag: header.flag.unwrap_or(0),
            sys_flag: header.sys_flag.unwrap_or(0) & !sysflag::TRANSACTION_MASK
                | inner.map_or(0, |_| sysflag::INNER_BATCH | sysflag::NEED_UNWRAP),
            born_timestamp,
            born_host: peer.addr,
            store_host: self.store_host,
            reconsume_times: header.reconsume_times.unwrap_or(0),
            prepared_transaction_offset: 0,
            body: frame.body(),
            properties: &parts,
            tags_code: placed.tags_code,
            uniq_key,
            keys: known.keys,
        };
        if known.wait {
            self.enough_replicas()?;
        }
        let mut offsets = Vec::new();
        let stored = if batch && inner.is_none() {
            self.store.append_batch(now, &message, &mut offsets)
        } else {
            self.store.append(now, &message)
        };
        let stored = stored.map_err(|error| self.put_failure(error))?;
        let count = inner.map_or(offsets.len().max(1) as u64, u64::from);
        let mut reply = self.sent(&stored, &offsets, destination.queue_id, uniq_key);
        if inner.is_some()
            && let (Some(ext), Some(key)) = (&mut reply.ext, uniq_key)
        {
            ext.put("batchUniqId", key.to_owned());
        }
        if placed.topic == names::TIMER_TOPIC
            && let Some(ext) = &mut reply.ext
            && let Some(handle) = self.recall_handle(&destination.topic, &placed.extra, uniq_key)
        {
            ext.put("recallHandle", handle);
        }
        if half {
            self.half_is_open(now, &destination.topic);
        }
        self.has_stored(now, &placed.topic, placed.queue_id, &stored, count, placed.tags_code);
        if !batch {
            self.light_queues_stored(now, &placed.topic, known, &stored);
        }
        self.answer_stored(now, to, reply, stored.end, destination.save, known.wait);
        Ok(())
    }

    /// How many messages the one record holds that a batch becomes in a topic of type `BatchCQ`; `None` for
    /// what is stored in the ordinary way.
    fn inner_batch_count(
        &self,
        topic: &str,
        batch: bool,
        header: &SendMessage<'_>,
        known: &Known<'_>,
        body: &[u8],
    ) -> Result<Option<u16>, Reply> {
        let illegal = |why: String| Err(Reply::error(response::MESSAGE_ILLEGAL, why));
        let attributes = self.topics.get(topic).map(|config| &config.attributes);
        let kind = attributes.and_then(|attributes| attributes.get("queue.type"));
        let claims = header.sys_flag.unwrap_or(0) & sysflag::INNER_BATCH != 0 || known.inner_num.is_some();
        if claims {
            return illegal(format!(
                "the message is illegal: INNER_NUM and the inner-batch flag of topic[{topic}] are the broker's to set"
            ));
        }
        if kind.is_none_or(|kind| kind != "BatchCQ") {
            return Ok(None);
        }
        if !batch {
            // the reference stores such a message where no consumer ever finds it
            return illegal(format!(
                "the message is illegal: queues of topic[{topic}] are of type BatchCQ and take batches only"
            ));
        }
        let count = batch::items(body).try_fold(0u16, |count, item| {
            item.ok()?;
            count.checked_add(1).filter(|count| *count <= i16::MAX as u16)
        });
        match count.filter(|count| *count > 0) {
            Some(count) => Ok(Some(count)),
            None => illegal(format!(
                "the message is illegal: the body for topic[{topic}] is no batch of 1 to 32767 messages"
            )),
        }
    }

    fn sent(&self, stored: &Appended, offsets: &[u64], queue_id: i32, uniq_key: Option<&str>) -> Reply {
        let msg_id = if offsets.is_empty() {
            id::encode(self.store_host, stored.offset)
        } else {
            let ids: Vec<String> =
                offsets.iter().map(|offset| id::encode(self.store_host, *offset)).collect();
            ids.join(",")
        };
        let mut ext = self
            .region_ext(6)
            .with("msgId", msg_id)
            .with("queueId", queue_id)
            .with("queueOffset", stored.queue_offset);
        if let Some(key) = uniq_key {
            ext.put("transactionId", key.to_owned());
        }
        Reply::success().with_ext(ext)
    }

    /// Sends the reply when the promise of the flush mode is kept, and the topic it created is on disk.
    pub(super) fn answer_stored(
        &mut self,
        now: Now,
        to: ReplyTo,
        reply: Reply,
        end: u64,
        save: Option<TableWait>,
        wait: bool,
    ) {
        let wants = if wait { self.wants(now) } else { Wants::default() };
        if wants.durable.is_some() {
            self.store.request_flush();
        }
        match save {
            Some(TableWait::Save(save)) => {
                self.waiting.until_saved_with(save, to, reply, Some((end, wait)));
            }
            Some(TableWait::Replicas) => self.answer_changed(now, to, reply, Some((end, wait))),
            None => self.answer_record(now, to, reply, end, wait),
        }
    }

    /// Sends the reply when the promises of the flush mode and of the replicas are kept.
    pub(super) fn answer_record(&mut self, now: Now, to: ReplyTo, reply: Reply, end: u64, wait: bool) {
        let wants = if wait { self.wants(now) } else { Wants::default() };
        if wants.nothing() {
            self.reply(to, reply);
        } else {
            self.waiting.until_stored(end, wants, to, reply);
            // a master alone has every copy there is
            self.release_durable(now);
        }
    }

    /// What a message stored now waits for.
    fn wants(&self, now: Now) -> Wants {
        let store = &self.settings.store;
        let durable = self.settings.sync_flush.then(|| now.mono.plus_ms(self.settings.sync_flush_timeout_ms));
        let acks = self.acks_wanted(now);
        let by = now.mono.plus_ms(u64::try_from(store.slave_timeout).unwrap_or(3_000));
        Wants { durable, acks: acks.map(|acks| (acks, by)) }
    }

    /// Copies a message needs before it is acknowledged (`spec/ha.md#a4`, `#b8`); `None` when this broker's own
    /// is enough.
    fn acks_wanted(&self, now: Now) -> Option<Acks> {
        let store = &self.settings.store;
        let controller = self.ha.is_controller_mode();
        if !controller && store.broker_role != BrokerRole::SyncMaster {
            return None;
        }
        // without a lease only what all have cannot be lost
        if controller && (store.all_ack_in_sync_state_set || self.ack_terms(now) == Terms::AllMembers) {
            return Some(Acks::All);
        }
        let wanted = self.copies_wanted(self.replicas_there());
        (wanted > 1).then_some(Acks::Count(wanted))
    }

    /// Replicas that count, this broker included; with acting masters only as many as NameServers know to live.
    fn replicas_there(&self) -> Option<usize> {
        self.in_sync_replicas().map(|there| self.group.alive().map_or(there, |alive| alive.min(there)))
    }

    fn copies_wanted(&self, there: Option<usize>) -> usize {
        let store = &self.settings.store;
        let wanted = usize::try_from(store.in_sync_replicas).unwrap_or(1);
        let least = usize::try_from(store.min_in_sync_replicas).unwrap_or(1);
        match there {
            Some(there) if store.enable_auto_in_sync_replicas => wanted.min(there).max(least),
            _ => wanted,
        }
    }

    /// A message that asks for more copies than there are replicas is refused before it is stored.
    ///
    /// Classic brokers look only with acting masters (`spec/ha.md#a4`).
    pub(super) fn enough_replicas(&self) -> Result<(), Reply> {
        let store = &self.settings.store;
        let least = usize::try_from(store.min_in_sync_replicas).unwrap_or(1);
        let (there, wanted) = if self.ha.is_controller_mode() {
            (self.in_sync_replicas(), least)
        } else {
            let looks = self.group.alive().is_some() && store.broker_role == BrokerRole::SyncMaster;
            let there = self.replicas_there().filter(|_| looks);
            (there, self.copies_wanted(there))
        };
        if there.is_some_and(|there| there < wanted) {
            return Err(Reply::error(response::SYSTEM_ERROR, "in-sync replicas not enough"));
        }
        Ok(())
    }

    /// The answer to a failed append (`handlePutMessageResult`).
    pub(super) fn put_failure(&mut self, error: AppendError) -> Reply {
        self.stats.put_failed();
        match error {
            AppendError::MessageIllegal | AppendError::PropertiesTooLong => Reply::error(
                response::MESSAGE_ILLEGAL,
                format!(
                    "the message is illegal, maybe msg body or properties length not matched. msg body length \
                     limit {}B, msg properties length limit 32KB.",
                    self.settings.store.max_message_size
                ),
            ),
            AppendError::NotWritable => {
                let disk = self.store.disk_use();
                Reply::error(
                    response::SERVICE_NOT_AVAILABLE,
                    format!(
                        "service not available now. It may be caused by one of the following reasons: the \
                         broker's disk is full [CL: {:.2} CQ: {:.2} INDEX: {:.2}], messages are put to the \
                         slave, message store has been shut down, etc.",
                        disk.commit_log_ratio, disk.consume_queue_ratio, disk.consume_queue_ratio
                    ),
                )
            }
            AppendError::TooManyLightQueues => Reply::error(
                response::SYSTEM_ERROR,
                "[LMQ_CONSUME_QUEUE_NUM_EXCEEDED]broker config enableLmq and enableMultiDispatch, lmq \
                 consumeQueue num exceed maxLmqConsumeQueueNum config num, default limit 2w.",
            ),
            AppendError::CreateFileFailed => {
                Reply::error(response::SYSTEM_ERROR, "create mapped file failed, server is busy or broken.")
            }
        }
    }

    /// A key for a message whose producer gave none: the shape of a client's unique id.
    fn unique_key(&mut self, now: Now) -> String {
        let (high, low) = (self.random.next(), self.random.next());
        format!("{high:016X}{:08X}{:08X}", now.wall_ms & 0xFFFF_FFFF, low & 0xFFFF_FFFF)
    }
}

fn missing(what: &str) -> Reply {
    Reply::error(response::SYSTEM_ERROR, format!("java.lang.NullPointerException: the request needs {what}"))
}
