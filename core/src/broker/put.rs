//! Storing a message: where its delay sends it (the store's put hooks, `spec/store.md` sections 6, 11, 12),
//! and what is told of an append.
//!
//! Whoever stores a message calls [`Broker::place`] before and [`Broker::has_stored`] after the append, so
//! that no way in misses a delay and no reader misses an arrival.

use std::borrow::Cow;

use super::properties::{Known, name};
use super::{Broker, names};
use crate::message::record::Record;
use crate::message::{delay, light, properties};
use crate::store::{AppendError, Appended, NewMessage, Store, TagsCode};
use crate::time::Now;
use crate::wire::Reply;

/// Where a message goes and the properties it gets on the way.
#[derive(Debug)]
pub(super) struct Placed<'a> {
    pub topic: Cow<'a, str>,
    pub queue_id: i32,
    pub tags_code: TagsCode,
    /// The message's own properties, changed where the place demands it.
    pub own: Cow<'a, [u8]>,
    /// Goes behind them.
    pub extra: Vec<u8>,
}

/// A message that exists already and is stored once more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Again<'a> {
    pub topic: &'a str,
    pub queue_id: i32,
    pub sys_flag: i32,
    pub prepared_transaction_offset: i64,
    pub properties: &'a [u8],
    pub tags_code: TagsCode,
}

impl<S: Store> Broker<S> {
    /// Applies the delay a message asks for. A batch has no delay of its own.
    pub(super) fn place<'a>(
        &self,
        now: Now,
        topic: Cow<'a, str>,
        queue_id: i32,
        own: Cow<'a, [u8]>,
        known: &Known<'_>,
    ) -> Result<Placed<'a>, Reply> {
        let level = known.delay_level;
        let delay_ms = delay::level_ms(&self.settings.delay_levels, level);
        if let Some(ms) = delay_ms.filter(|_| topic != names::SCHEDULE_TOPIC) {
            let queue = level.min(self.settings.max_delay_level()) - 1;
            let own = if known.timer.is_some() { without_timer(&own).into() } else { own };
            let (own, extra) = real_destination(own, known, &topic, queue_id);
            return Ok(Placed {
                topic: Cow::Borrowed(names::SCHEDULE_TOPIC),
                queue_id: queue,
                tags_code: TagsCode::DeliverAfterMs(ms),
                own,
                extra,
            });
        }
        if level <= 0
            && topic != names::TIMER_TOPIC
            && let Some(out) = self.timer_slot_for(now, known)?
        {
            let (own, mut extra) = real_destination(own, known, &topic, queue_id);
            properties::push(&mut extra, name::TIMER_OUT_MS, &out.to_string());
            return Ok(Placed {
                topic: Cow::Borrowed(names::TIMER_TOPIC),
                queue_id: 0,
                tags_code: TagsCode::Tags(known.tags_code()),
                own,
                extra,
            });
        }
        let tags_code = TagsCode::Tags(known.tags_code());
        Ok(Placed { topic, queue_id, tags_code, own, extra: Vec::new() })
    }

    /// Stores a message again as it is, but for what `again` says; consumers and services learn of it.
    pub(super) fn put_again(
        &mut self,
        now: Now,
        found: &Record<'_>,
        again: &Again<'_>,
    ) -> Result<Appended, AppendError> {
        let known = Known::scan(again.properties);
        let parts: [&[u8]; 1] = [again.properties];
        let message = NewMessage {
            topic: again.topic,
            queue_id: again.queue_id,
            flag: found.flag,
            sys_flag: again.sys_flag,
            born_timestamp: found.born_timestamp,
            born_host: found.born_host,
            store_host: self.store_host,
            reconsume_times: found.reconsume_times,
            prepared_transaction_offset: again.prepared_transaction_offset,
            body: found.body,
            properties: &parts,
            tags_code: again.tags_code,
            uniq_key: known.uniq_key,
            keys: known.keys,
        };
        let stored = self.store.append(now, &message)?;
        self.has_stored(now, again.topic, again.queue_id, &stored, 1, again.tags_code);
        self.light_queues_stored(now, again.topic, &known, &stored);
        if self.settings.sync_flush {
            self.store.request_flush();
        }
        Ok(stored)
    }

    /// Wakes whoever waits for one of the light queues a message has been entered into.
    pub(super) fn light_queues_stored(
        &mut self,
        now: Now,
        topic: &str,
        known: &Known<'_>,
        stored: &Appended,
    ) {
        let enabled = self.settings.store.enable_lmq && self.settings.store.enable_multi_dispatch;
        let Some(names) = known.light_queues.filter(|_| enabled && light::applies_to(topic)) else { return };
        for name in names.split(light::SEPARATOR).filter(|name| light::is_light(name)) {
            let bounds = self.store.queue_bounds(name, light::QUEUE_ID, u64::MAX).unwrap_or_default();
            let there = Appended { queue_offset: bounds.max - 1, ..*stored };
            self.arrived(now, name, light::QUEUE_ID, &there, known.tags_code());
        }
    }

    /// Counts an append, and wakes whoever waits for the queue.
    pub(super) fn has_stored(
        &mut self,
        now: Now,
        topic: &str,
        queue_id: i32,
        stored: &Appended,
        count: u64,
        tags_code: TagsCode,
    ) {
        self.stats.put(topic, count, u64::from(stored.size));
        let code = match tags_code {
            TagsCode::Tags(code) => code,
            TagsCode::DeliverAfterMs(_) => {
                self.schedule.arrived(queue_id);
                0
            }
        };
        if topic == names::TIMER_TOPIC {
            self.timers.arrived();
        } else if topic.starts_with(names::REVIVE_PREFIX)
            && let Ok(queue_id) = usize::try_from(queue_id)
        {
            self.revival.look_again(now, queue_id);
        }
        self.arrived(now, topic, queue_id, stored, code);
    }
}

/// `REAL_TOPIC` and `REAL_QID`: behind the own properties, or in their place where there are any.
fn real_destination<'a>(
    own: Cow<'a, [u8]>,
    known: &Known<'_>,
    topic: &str,
    queue_id: i32,
) -> (Cow<'a, [u8]>, Vec<u8>) {
    let own = if known.has_real_topic {
        let stale = [name::REAL_TOPIC, name::REAL_QUEUE_ID, name::TRANSACTION_PREPARED];
        properties::remove(&own, &stale).into()
    } else {
        own
    };
    let mut extra = Vec::new();
    properties::push(&mut extra, name::REAL_TOPIC, topic);
    properties::push(&mut extra, name::REAL_QUEUE_ID, &queue_id.to_string());
    (own, extra)
}

/// A delay level wins over a time.
fn without_timer(own: &[u8]) -> Vec<u8> {
    properties::remove(own, &[name::TIMER_DELAY_SEC, name::TIMER_DELAY_MS, name::TIMER_DELIVER_MS])
}
