//! The check service: half messages whose end does not come (`spec/broker-pop-txn-timer.md` A.4, A.5).
//!
//! A round looks at every half message from the first open one to the end the queue had when it began. One
//! that is due is stored again behind the others, and a producer of its group is asked about the copy. One
//! that is not due, or whose producers are away, stays; the round goes on behind it.

use bytes::Bytes;

use super::half::Half;
use super::{RETRY_MS, Round, STEPS, positive};
use crate::broker::persist::File;
use crate::broker::properties::{Known, name};
use crate::broker::put::Again;
use crate::broker::{Broker, names};
use crate::message::encode::{Placement, encode, encoded_len};
use crate::message::{id, properties, record};
use crate::store::{AppendError, Appended, NewMessage, Store, TagsCode};
use crate::time::Now;
use crate::wire::code::request;
use crate::wire::{Command, ConnId, Ext, ServerOut, Target};

/// Half messages behind an open one before it is stored again to let the progress move on.
const SPAN_MAX: i64 = 20_000;

/// What became of one half message in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It needs no more attention: it was ended.
    Ended,
    /// A copy stands for it, or it was given up: worth a mark when others before it stay open.
    Replaced,
    /// It stays open where it is.
    Open,
    /// It is too young, and so are those behind it.
    TooYoung,
    /// It is on its way to another master, whose answer begins the next round.
    Away,
    /// The store takes nothing now.
    Blocked,
}

impl<S: Store> Broker<S> {
    /// Begins a round or goes on with it, for one turn.
    pub(super) fn check_halves(&mut self, now: Now) {
        if !self.catch_up_ops(now) {
            self.transactions.next_round = now.mono;
            return;
        }
        let half = self.transaction_progress(now).half();
        let (min, max) = self.half_bounds();
        let begin = half.max(min);
        let mut round =
            self.transactions.round.take().unwrap_or(Round { at: begin, end: max, first_open: None });
        let stop = round.end.min(round.at + STEPS as i64);
        let mut over = None;
        while round.at < stop && over.is_none() {
            let at = round.at;
            match self.look_at(now, at, at < max - SPAN_MAX) {
                Fate::Ended => {}
                Fate::Replaced if round.first_open.is_some() => self.mark_done(now, at),
                Fate::Replaced => {}
                Fate::Open => {
                    round.first_open.get_or_insert(at);
                }
                Fate::TooYoung => over = Some(positive(self.settings.broker.transaction_check_interval)),
                Fate::Away | Fate::Blocked => over = Some(RETRY_MS),
            }
            if over.is_none() {
                round.at += 1;
            }
        }
        if over.is_none() && round.at < round.end {
            self.transactions.round = Some(round);
            self.transactions.next_round = now.mono;
            return;
        }
        let interval = positive(self.settings.broker.transaction_check_interval);
        self.transactions.next_round = now.mono.plus_ms(over.unwrap_or(interval));
        self.finish_round(now, &round);
    }

    fn finish_round(&mut self, now: Now, round: &Round) {
        let progress = self.transaction_progress(now);
        progress.advance(round.first_open.unwrap_or(round.at));
        let (half, op) = (progress.half(), progress.op_to_commit());
        for (topic, offset) in [(names::HALF_TOPIC, half), (names::OP_TOPIC, op)] {
            self.note_offset(now, names::TRANSACTION_GROUP, topic, 0, offset);
        }
    }

    /// Decides about one half message. With `hinders` it may not stay where it is.
    fn look_at(&mut self, now: Now, at: i64, hinders: bool) -> Fate {
        if self.transaction_progress(now).is_gone(at) {
            return Fate::Ended;
        }
        let timeout = self.settings.broker.transaction_time_out;
        let bytes = self.half_record(at);
        let found = bytes.as_deref().and_then(|bytes| record::decode(bytes).ok());
        let Some(half) = found.and_then(|found| Half::read(found, timeout)) else {
            tracing::error!(at, "no half message can be read here; passed over");
            return Fate::Ended;
        };
        if half.first_offset.is_some_and(|first| first != at && self.has_ended(now, first, half.id)) {
            return Fate::Ended;
        }
        if self.was_committed_before(now, &half) {
            return Fate::Ended;
        }
        if !self.is_master() {
            return self.send_half_away(now, &half);
        }
        let age = now.wall_ms.saturating_sub(half.record.born_timestamp);
        let kept_ms = i64::from(self.settings.store.file_reserved_time) * 3_600_000;
        if half.checks >= self.settings.broker.transaction_check_max || age > kept_ms {
            return self.give_up(now, at, &half);
        }
        let young = age >= 0 && age < half.immunity_ms.unwrap_or(timeout);
        match (young, half.immunity_ms) {
            (true, None) => Fate::TooYoung,
            (true, Some(_)) if hinders => self.move_back(now, at, &half),
            (true, Some(_)) => Fate::Open,
            (false, _) => match self.producer_to_ask(half.group) {
                Some(conn) => self.ask(now, at, &half, conn),
                None if hinders => self.move_back(now, at, &half),
                None => Fate::Open,
            },
        }
    }

    fn has_ended(&mut self, now: Now, first: i64, id: &str) -> bool {
        self.transaction_progress(now).ended(first, id).is_some()
    }

    /// The connections of a group take turns.
    fn producer_to_ask(&mut self, group: &str) -> Option<ConnId> {
        let members = self.producers.get(group)?;
        let turn = self.transactions.turn % members.len().max(1);
        self.transactions.turn = self.transactions.turn.wrapping_add(1);
        members.keys().nth(turn).copied()
    }

    /// Stores a due half message again, counts the check and sends it.
    fn ask(&mut self, now: Now, at: i64, half: &Half<'_>, conn: ConnId) -> Fate {
        let times = (half.checks + 1).to_string();
        let text = properties::replace(half.record.properties, name::TRANSACTION_CHECK_TIMES, &times);
        match self.store_half_again(now, half, &text) {
            Ok(copy) => {
                self.transaction_progress(now).moved(at, copy.queue_offset, half.id);
                self.send_check(half, &text, &copy, conn);
                Fate::Replaced
            }
            Err(error) => self.not_stored(now, at, half, error),
        }
    }

    /// Makes room: the message waits on behind the others, unchanged.
    fn move_back(&mut self, now: Now, at: i64, half: &Half<'_>) -> Fate {
        let first = half.first_offset.unwrap_or(at).to_string();
        let text = properties::replace(half.record.properties, name::PREPARED_QUEUE_OFFSET, &first);
        match self.store_half_again(now, half, &text) {
            Ok(copy) => {
                self.transaction_progress(now).moved(at, copy.queue_offset, half.id);
                Fate::Replaced
            }
            Err(error) => self.not_stored(now, at, half, error),
        }
    }

    /// A half message that cannot be stored again must not hold up the others.
    fn not_stored(&mut self, now: Now, at: i64, half: &Half<'_>, error: AppendError) -> Fate {
        match error {
            AppendError::NotWritable | AppendError::CreateFileFailed | AppendError::TooManyLightQueues => {
                Fate::Blocked
            }
            AppendError::MessageIllegal | AppendError::PropertiesTooLong => self.give_up(now, at, half),
        }
    }

    pub(super) fn store_half_again(
        &mut self,
        now: Now,
        half: &Half<'_>,
        text: &[u8],
    ) -> Result<Appended, AppendError> {
        let again = Again {
            topic: names::HALF_TOPIC,
            queue_id: 0,
            sys_flag: half.record.sys_flag,
            prepared_transaction_offset: 0,
            properties: text,
            tags_code: TagsCode::Tags(Known::scan(text).tags_code()),
        };
        self.put_again(now, &half.record, &again)
    }

    /// Nobody will be asked any more: the message goes where operators look for it.
    fn give_up(&mut self, now: Now, at: i64, half: &Half<'_>) -> Fate {
        let topic = names::TRANS_CHECK_MAX_TIME_TOPIC;
        if self.topics.create_if_absent(now.wall_ms, topic, 1, 0) == crate::broker::topics::Change::Changed {
            self.persist.mark(File::Topics);
            self.registration.request(now);
        }
        let text = half.record.properties;
        let again = Again {
            topic,
            queue_id: 0,
            sys_flag: half.record.sys_flag,
            prepared_transaction_offset: 0,
            properties: text,
            tags_code: TagsCode::Tags(Known::scan(text).tags_code()),
        };
        match self.put_again(now, &half.record, &again) {
            Err(
                AppendError::NotWritable | AppendError::CreateFileFailed | AppendError::TooManyLightQueues,
            ) => return Fate::Blocked,
            Err(error) => tracing::error!(at, %error, "a half message is given up without a copy"),
            Ok(_) => {
                self.transactions.metrics.add(now.wall_ms, half.real_topic, -1);
                tracing::warn!(at, topic, "a half message is given up");
            }
        }
        self.transaction_progress(now).give_up(at, half.id);
        Fate::Replaced
    }

    /// CHECK_TRANSACTION_STATE (39) about the copy.
    fn send_check(&mut self, half: &Half<'_>, text: &[u8], copy: &Appended, conn: ConnId) {
        let Some(body) = self.check_body(half, text, copy) else { return };
        let key = half.record.property(name::UNIQ_KEY).unwrap_or("").to_owned();
        let ext = Ext::new()
            .with("topic", names::HALF_TOPIC)
            .with("tranStateTableOffset", copy.queue_offset)
            .with("commitLogOffset", i64::try_from(copy.offset).unwrap_or(i64::MAX))
            .with("msgId", key.clone())
            .with("transactionId", key)
            .with("offsetMsgId", id::encode(self.store_host, copy.offset))
            .with("bname", self.settings.broker.broker_name.clone());
        let command = Command::request(request::CHECK_TRANSACTION_STATE, ext).with_body(body).oneway();
        self.out.push_back(ServerOut::Oneway { to: Target::Conn(conn), command });
    }

    /// The message as the producer sent it, at the place of the copy.
    fn check_body(&self, half: &Half<'_>, text: &[u8], copy: &Appended) -> Option<Bytes> {
        let found = &half.record;
        let parts: [&[u8]; 1] = [text];
        let message = NewMessage {
            topic: half.real_topic,
            queue_id: half.real_queue_id,
            flag: found.flag,
            sys_flag: found.sys_flag,
            born_timestamp: found.born_timestamp,
            born_host: found.born_host,
            store_host: self.store_host,
            reconsume_times: found.reconsume_times,
            prepared_transaction_offset: found.prepared_transaction_offset,
            body: found.body,
            properties: &parts,
            tags_code: TagsCode::Tags(0),
            uniq_key: None,
            keys: None,
        };
        let place = Placement {
            queue_offset: copy.queue_offset,
            physical_offset: copy.offset,
            store_timestamp: copy.store_timestamp,
        };
        let mut body = vec![0; encoded_len(&message, true).ok()?];
        encode(&message, &place, true, &mut body).ok()?;
        Some(body.into())
    }
}
