//! From a slot that is over to the real topics, or back into the timer topic when the time is further away.

use std::collections::{HashSet, VecDeque};

use super::{Batch, Handed, STEPS, Step};
use crate::broker::escape::{Lane, Letter, Offer};
use crate::broker::properties::{Known, name};
use crate::broker::put::Again;
use crate::broker::{Broker, names};
use crate::message::properties;
use crate::message::record::{self, Record};
use crate::store::{AppendError, Store, TagsCode};
use crate::time::Now;
use crate::timer::{ENTRY_LEN, Held, TimerEntry};

impl<S: Store> Broker<S> {
    /// Delivers slots that are over, in order; a slot is left only when all of it is delivered.
    pub(super) fn deliver_slots(&mut self, now: Now) -> Step {
        for _ in 0..STEPS {
            let Some(batch) = &mut self.timers.batch else {
                // An acting slave whose master is coming ends the slot it is at and begins none.
                if self.is_leaving() || !self.begin_slot(now) {
                    return Step::Idle;
                }
                continue;
            };
            let Some(entry) = batch.entries.front().copied() else {
                self.timers.batch = None;
                self.timers.mark_dirty();
                continue;
            };
            if let Some(stop) = self.deliver_entry(now, &entry).stop() {
                return stop;
            }
            let acting = !self.is_master();
            if let Some(batch) = &mut self.timers.batch {
                batch.entries.pop_front();
                if acting {
                    batch.done.push(entry.offset);
                }
            }
        }
        Step::More
    }

    /// Takes the next slot that is over; false when there is none.
    fn begin_slot(&mut self, now: Now) -> bool {
        let end = self.timers.tick_of(now);
        let Some(held) = self.timers.wheel.take_before(end) else {
            self.timers.floor = self.timers.floor.max(end);
            return false;
        };
        let time = held.slot.time;
        let mut entries = self.chain(&held);
        if entries.len() as u64 != held.entries {
            tracing::warn!(
                time,
                "the chain of a timer slot is broken; its entries are looked for in the log"
            );
            entries = self.scan_slot(time);
        }
        let deleted = self.deletions(&entries);
        self.timers.floor = self.timers.floor.max(time.saturating_add(self.timers.window.precision_ms));
        self.timers.batch = Some(Batch { time, entries, deleted, done: Vec::new() });
        true
    }

    fn chain(&self, held: &Held) -> VecDeque<TimerEntry> {
        let mut entries = VecDeque::new();
        let mut position = held.slot.last;
        while let Ok(at) = u64::try_from(position) {
            match self.store.timer_entry(at) {
                Some((found, entry)) if found == at && entry.slot_time() == held.slot.time => {
                    entries.push_front(entry);
                    if entry.prev >= position {
                        break;
                    }
                    position = entry.prev;
                }
                _ => break,
            }
        }
        entries
    }

    fn scan_slot(&self, time: i64) -> VecDeque<TimerEntry> {
        let mut entries = VecDeque::new();
        let mut position = self.store.timer_bounds().min;
        while let Some((at, entry)) = self.store.timer_entry(position) {
            if entry.slot_time() == time {
                entries.push_back(entry);
            }
            position = at + ENTRY_LEN as u64;
        }
        entries
    }

    /// What the messages of a slot take back.
    fn deletions(&self, entries: &VecDeque<TimerEntry>) -> HashSet<String> {
        let deleting = entries.iter().filter(|entry| entry.deletes());
        deleting
            .filter_map(|entry| {
                let bytes = self.store.record_at(u64::try_from(entry.offset).ok()?)?;
                Some(record::decode(&bytes).ok()?.property(name::TIMER_DEL_UNIQKEY)?.to_owned())
            })
            .collect()
    }

    fn deliver_entry(&mut self, now: Now, entry: &TimerEntry) -> Handed {
        if entry.deletes() {
            return Handed::Done;
        }
        let bytes = u64::try_from(entry.offset).ok().and_then(|at| self.store.record_at(at));
        let Some(Ok(found)) = bytes.as_deref().map(record::decode) else {
            tracing::error!(offset = entry.offset, "a timer message is gone from the log");
            return Handed::Done;
        };
        let topic = found.property(name::REAL_TOPIC).unwrap_or("");
        let key = format!("{topic}+{}", found.property(name::UNIQ_KEY).unwrap_or(""));
        let taken_back = self.timers.batch.as_ref().is_some_and(|batch| batch.deleted.contains(&key));
        if taken_back && !entry.is_rolled() || self.timers.delivered_elsewhere.remove(&entry.offset) {
            return Handed::Done;
        }
        let delivered = self.deliver_timer(now, &found, Some(entry.write_time), entry.is_rolled());
        if delivered == Handed::Done {
            self.timers.metrics.add(now.wall_ms, topic, -1);
        }
        delivered
    }

    /// Stores a timer message under its real topic, or in the timer topic again; an acting slave gives it to another
    /// master. `enqueued` is when it was entered into its slot, if it was. What can never be stored is dropped with an
    /// error.
    pub(super) fn deliver_timer(
        &mut self,
        now: Now,
        found: &Record<'_>,
        enqueued: Option<i64>,
        roll: bool,
    ) -> Handed {
        let real_queue = found.property(name::REAL_QUEUE_ID).and_then(|text| text.parse().ok()).unwrap_or(0);
        let (topic, queue_id) = match found.property(name::REAL_TOPIC) {
            _ if roll => (names::TIMER_TOPIC, 0),
            Some(topic) => (topic, real_queue),
            None => {
                tracing::error!(offset = found.physical_offset, "a timer message names no topic");
                return Handed::Done;
            }
        };
        let text = delivered_properties(found, now.wall_ms, enqueued.unwrap_or(i64::MAX), roll);
        if !self.is_master() {
            let lane = if enqueued.is_some() { Lane::Slot } else { Lane::Late };
            return self.send_timer_away(now, found, topic, &text, roll, lane);
        }
        for text in [&text[..], found.properties] {
            let again = Again {
                topic,
                queue_id,
                sys_flag: found.sys_flag,
                prepared_transaction_offset: 0,
                properties: text,
                tags_code: TagsCode::Tags(Known::scan(text).tags_code()),
            };
            match self.put_again(now, found, &again) {
                Ok(_) => {
                    self.timers.dequeued.count(now.mono);
                    return Handed::Done;
                }
                Err(AppendError::PropertiesTooLong) => {}
                Err(
                    error @ (AppendError::NotWritable
                    | AppendError::CreateFileFailed
                    | AppendError::TooManyLightQueues),
                ) => {
                    tracing::error!(topic, %error, "a timer message could not be delivered; trying again");
                    return Handed::Refused;
                }
                Err(AppendError::MessageIllegal) => break,
            }
        }
        tracing::error!(
            topic,
            offset = found.physical_offset,
            "a timer message can never be stored; dropped"
        );
        Handed::Done
    }

    fn send_timer_away(
        &mut self,
        now: Now,
        found: &Record<'_>,
        topic: &str,
        text: &[u8],
        roll: bool,
        lane: Lane,
    ) -> Handed {
        let out = found.property(name::TIMER_OUT_MS).and_then(|text| text.parse().ok()).unwrap_or(0);
        // The time a roll was due at is not written down; a second copy finds out itself.
        let due_ms = if roll { i64::MIN } else { out };
        if self.was_delivered_by_master(found, topic, due_ms) {
            return Handed::Done;
        }
        let group = self.inner_producer_group();
        let letter = || {
            if roll {
                Letter::rolled(found, text, &group)
            } else {
                Letter::delivered(found, topic, text, &group)
            }
        };
        match self.escape.lanes.offer(now, lane, found.physical_offset, letter) {
            Offer::Stored => {
                self.timers.dequeued.count(now.mono);
                Handed::Done
            }
            Offer::Away => Handed::Away,
        }
    }
}

/// The properties of the copy that is delivered or put off.
fn delivered_properties(found: &Record<'_>, wall_ms: i64, enqueued: i64, roll: bool) -> Vec<u8> {
    let stale = [name::TIMER_ENQUEUE_MS, name::TIMER_DEQUEUE_MS];
    let mut text = properties::remove(found.properties, &stale);
    properties::push(&mut text, name::TIMER_ENQUEUE_MS, &enqueued.to_string());
    properties::push(&mut text, name::TIMER_DEQUEUE_MS, &wall_ms.to_string());
    if roll {
        let times = found.property(name::TIMER_ROLL_TIMES).and_then(|n| n.parse::<i32>().ok()).unwrap_or(0);
        text = properties::replace(&text, name::TIMER_ROLL_TIMES, &times.saturating_add(1).to_string());
    }
    text
}
