//! One message that nobody acknowledged: from where its check point says to the retry topic.

use bytes::Bytes;
use std::borrow::Cow;

use super::fetch::Fetched;
use super::point::CheckPoint;
use super::{Broker, Step};
use crate::broker::escape::{Lane, Letter, Offer};
use crate::broker::properties::{Known, name};
use crate::message::properties;
use crate::message::record::{self, Record};
use crate::store::{AppendError, NewMessage, Store, TagsCode};
use crate::time::Now;

impl<S: Store> Broker<S> {
    /// Gives a message to whoever comes next, or says what that waits for.
    pub(super) fn revive(
        &mut self,
        now: Now,
        index: usize,
        place: i64,
        point: &CheckPoint,
        offset: i64,
    ) -> Step {
        let own = &self.settings.broker.broker_name;
        let is_own = point.broker.as_ref().is_none_or(|broker| broker == own);
        let (normal, retry) = point.topics(self.settings.broker.enable_retry_topic_v2);
        if is_own && (self.topics.get(normal).is_none() || self.groups.get(&point.group).is_none()) {
            tracing::warn!(
                topic = normal,
                group = point.group,
                "handed-out messages of a topic or group that is no more"
            );
            return Step::Done;
        }
        let bytes =
            if is_own { self.own_message(point, offset) } else { self.fetch(index, place, point, offset) };
        match bytes {
            Fetched::Unknown | Fetched::Asked => Step::Away,
            Fetched::Gone => {
                tracing::warn!(
                    topic = point.topic,
                    queue = point.queue_id,
                    offset,
                    "a handed-out message is deleted"
                );
                Step::Done
            }
            Fetched::Failed => self.put_off(now, index, place, point, offset),
            Fetched::Found(bytes) => match record::decode(&bytes) {
                Ok(found) => self.put_revived(now, index, place, point, &found, &retry),
                Err(error) => {
                    tracing::error!(topic = point.topic, offset, %error, "a handed-out message cannot be read");
                    Step::Done
                }
            },
        }
    }

    fn own_message(&self, point: &CheckPoint, offset: i64) -> Fetched {
        let entry = self.store.queue_entry(&point.topic, point.queue_id, offset);
        entry.and_then(|entry| self.store.record_at(entry.offset)).map_or(Fetched::Gone, Fetched::Found)
    }

    fn put_revived(
        &mut self,
        now: Now,
        index: usize,
        place: i64,
        point: &CheckPoint,
        found: &Record<'_>,
        retry: &str,
    ) -> Step {
        let first = found.reconsume_times == 0 || found.property(name::FIRST_POP_TIME).is_none();
        let text = if first {
            properties::replace(found.properties, name::FIRST_POP_TIME, &point.pop_time.to_string())
        } else {
            found.properties.to_vec()
        };
        if !self.is_master() {
            let group = self.inner_producer_group();
            let letter = || Letter::revived(found, retry, point.topics(false).0, &text, &group);
            return self.offer_revived(now, index, place, found.queue_offset, letter);
        }
        if self.topics.get(retry).is_none() {
            self.topics.create_if_absent(now.wall_ms, retry, 1, 0);
            self.persist.created(retry);
            self.registration.request(now);
        }
        if self.offsets.get(&point.group, retry, 0).is_none() {
            self.offsets.commit(now.wall_ms, &point.group, retry, 0, 0);
        }
        let known = Known::scan(&text);
        let parts: [&[u8]; 1] = [&text];
        let tags_code = TagsCode::Tags(known.tags_code());
        let message = NewMessage {
            topic: retry,
            queue_id: 0,
            flag: found.flag,
            sys_flag: found.sys_flag,
            born_timestamp: found.born_timestamp,
            born_host: found.born_host,
            store_host: self.store_host,
            reconsume_times: found.reconsume_times.saturating_add(1),
            prepared_transaction_offset: 0,
            body: found.body,
            properties: &parts,
            tags_code,
            uniq_key: known.uniq_key,
            keys: known.keys,
        };
        self.put_or_try_again(now, &message)
    }

    /// A message that could not be had: a check point for it alone, some time later.
    fn put_off(&mut self, now: Now, index: usize, place: i64, point: &CheckPoint, offset: i64) -> Step {
        let gives_up = self.settings.broker.skip_when_ck_re_put_reach_max_times;
        let Some(again) = point.again(offset, now.wall_ms, gives_up) else {
            tracing::error!(
                topic = point.topic,
                queue = point.queue_id,
                offset,
                "a handed-out message was not found in many tries; dropped"
            );
            return Step::Done;
        };
        let (topic, body, text) = (self.revive_topic(), again.body(), again.properties());
        let queue_id = i32::try_from(index).unwrap_or(0);
        if !self.is_master() {
            let group = self.inner_producer_group();
            let letter =
                || Letter::check_point(&topic, queue_id, &text, Bytes::from(body), now.wall_ms, &group);
            return self.offer_revived(now, index, place, offset, letter);
        }
        let known = Known::scan(&text);
        let placed = match self.place(now, Cow::Borrowed(&topic), queue_id, Cow::Borrowed(&text), &known) {
            Ok(placed) => placed,
            Err(reply) => {
                tracing::error!(
                    why = reply.remark.as_deref(),
                    "a check point cannot be put off; trying again"
                );
                return Step::Failed;
            }
        };
        let parts: [&[u8]; 2] = [&placed.own, &placed.extra];
        let message = NewMessage {
            topic: &placed.topic,
            queue_id: placed.queue_id,
            flag: 0,
            sys_flag: 0,
            born_timestamp: now.wall_ms,
            born_host: self.store_host,
            store_host: self.store_host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: &body,
            properties: &parts,
            tags_code: placed.tags_code,
            uniq_key: known.uniq_key,
            keys: None,
        };
        self.put_or_try_again(now, &message)
    }

    fn offer_revived(
        &mut self,
        now: Now,
        index: usize,
        place: i64,
        offset: i64,
        letter: impl FnOnce() -> Letter,
    ) -> Step {
        // Which message of its check point it is: there are at most 32.
        let at = place.saturating_mul(1 << 32) | (offset & 0xFFFF_FFFF);
        match self.escape.lanes.offer(now, Lane::Revive(index), at, letter) {
            Offer::Stored => Step::Done,
            Offer::Away => Step::Away,
        }
    }

    fn put_or_try_again(&mut self, now: Now, message: &NewMessage<'_>) -> Step {
        match self.store.append(now, message) {
            Ok(stored) => {
                self.has_stored(now, message.topic, message.queue_id, &stored, 1, message.tags_code);
                if self.settings.sync_flush {
                    self.store.request_flush();
                }
                Step::Done
            }
            Err(error @ (AppendError::PropertiesTooLong | AppendError::MessageIllegal)) => {
                tracing::error!(topic = message.topic, %error, "a handed-out message can never be stored; dropped");
                Step::Done
            }
            Err(error) => {
                tracing::error!(topic = message.topic, %error, "a handed-out message could not be revived; trying again");
                Step::Failed
            }
        }
    }
}
