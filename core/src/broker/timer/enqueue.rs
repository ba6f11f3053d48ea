//! From the timer topic into the timer log, in the order of the queue.

use super::{Handed, STEPS, Step, Timers};
use crate::broker::properties::name;
use crate::broker::{Broker, names};
use crate::message::record::{self, Record};
use crate::message::tags;
use crate::store::Store;
use crate::time::Now;
use crate::timer::{MAGIC_DEFAULT, MAGIC_DELETE, MAGIC_ROLL, Route, Slot, TimerEntry};

/// A message may have been taken in this much later than it was stored.
const TAKEN_IN_LATE_MS: i64 = 3_600_000;

impl Timers {
    /// Whether the timer that was before this one has delivered a message, or has put it off again: the slot is
    /// the one it fell into then.
    fn was_delivered(&self, found: &Record<'_>, out: i64) -> bool {
        if found.queue_offset >= self.handed.queue_offset {
            return false;
        }
        match self.window.route(found.store_timestamp, out, 0) {
            Route::Due => true,
            Route::Slot { time, rolled: false } => time < self.handed.read_time,
            Route::Slot { time, rolled: true } => {
                time.saturating_add(TAKEN_IN_LATE_MS) < self.handed.read_time
            }
        }
    }
}

impl<S: Store> Broker<S> {
    /// Takes in messages of the timer topic that are visible and not in the timer log yet.
    pub(super) fn take_in_timers(&mut self, now: Now) -> Step {
        let bounds = self.store.queue_bounds(names::TIMER_TOPIC, 0, self.visible_end()).unwrap_or_default();
        self.timers.queue_offset = self.timers.queue_offset.max(bounds.min);
        for _ in 0..STEPS {
            let offset = self.timers.queue_offset;
            if offset >= bounds.max {
                return Step::Idle;
            }
            let entry = self.store.queue_entry(names::TIMER_TOPIC, 0, offset);
            let bytes = entry.and_then(|entry| self.store.record_at(entry.offset));
            let taken = match bytes.as_deref().map(record::decode) {
                Some(Ok(found)) => self.take_in(now, &found),
                _ => {
                    tracing::error!(offset, "a timer message cannot be read");
                    Handed::Done
                }
            };
            if let Some(stop) = taken.stop() {
                return stop;
            }
            self.timers.enqueued.count(now.mono);
            self.timers.queue_offset = offset + 1;
            self.timers.mark_dirty();
        }
        Step::More
    }

    /// Whether what a recall takes back waits in a slot that is over; the one under delivery learns of it at once.
    fn waits_late(&mut self, out: i64, found: &Record<'_>) -> bool {
        if let (Some(batch), Some(target)) = (&mut self.timers.batch, found.property(name::TIMER_DEL_UNIQKEY))
            && batch.time == out
        {
            batch.deleted.insert(target.to_owned());
        }
        self.timers.wheel.last(out) >= 0
    }

    pub(super) fn timer_topic_has_more(&self) -> bool {
        let bounds = self.store.queue_bounds(names::TIMER_TOPIC, 0, self.visible_end());
        bounds.is_some_and(|bounds| bounds.max > self.timers.queue_offset)
    }

    fn take_in(&mut self, now: Now, found: &Record<'_>) -> Handed {
        let out = found.property(name::TIMER_OUT_MS).and_then(|text| text.parse::<i64>().ok());
        let (Some(out), Some(topic)) = (out, found.property(name::REAL_TOPIC)) else {
            tracing::error!(offset = found.physical_offset, "a timer message names no time or no topic");
            return Handed::Done;
        };
        if self.timers.was_delivered(found, out) {
            return Handed::Done;
        }
        let deletes = found.property(name::TIMER_DEL_UNIQKEY).is_some();
        let (time, rolled) = match self.timers.window.route(now.wall_ms, out, self.timers.floor) {
            Route::Due if deletes && self.waits_late(out, found) => (out, false),
            Route::Due if deletes => return Handed::Done,
            Route::Due => return self.deliver_timer(now, found, None, false),
            Route::Slot { time, rolled } => (time, rolled),
        };
        let write_time = self.timers.tick_of(now);
        let (write_time, delay) = match i32::try_from(time.saturating_sub(write_time)) {
            Ok(delay) => (write_time, delay),
            Err(_) => (time, 0),
        };
        let bit = |set: bool, bit: i32| if set { bit } else { 0 };
        let entry = TimerEntry {
            prev: self.timers.wheel.last(time),
            magic: MAGIC_DEFAULT | bit(rolled, MAGIC_ROLL) | bit(deletes, MAGIC_DELETE),
            write_time,
            delay,
            offset: found.physical_offset,
            size: i32::try_from(found.total_size).unwrap_or(i32::MAX),
            topic_hash: tags::java_hash(topic),
        };
        let precision = self.timers.window.precision_ms;
        let wheel = &mut self.timers.wheel;
        let appended = self.store.timer_append(now, &entry, Slot::position(time, precision), |position| {
            wheel.put(i64::try_from(position).unwrap_or(i64::MAX), &entry).encode(precision)
        });
        match appended {
            Ok(_) => {
                self.timers.metrics.add(now.wall_ms, topic, if deletes { -1 } else { 1 });
                Handed::Done
            }
            Err(error) => {
                tracing::error!(%error, "the timer log takes nothing; trying again");
                Handed::Refused
            }
        }
    }
}
