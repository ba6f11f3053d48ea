//! The wheel at start, from the timer log and the checkpoint.

use crate::broker::{Broker, names};
use crate::message::record;
use crate::store::Store;
use crate::time::Now;
use crate::timer::{ENTRY_LEN, TimerCheckpoint, TimerEntry};

impl<S: Store> Broker<S> {
    /// Reads every entry of the timer log into the wheel that is not delivered according to the checkpoint.
    pub(in crate::broker) fn load_timers(&mut self, now: Now, checkpoint: Option<TimerCheckpoint>) {
        if !self.timers.enabled {
            return;
        }
        let read_time = checkpoint.as_ref().map_or(0, |point| point.read_time);
        let last = self.load_wheel(read_time);
        let after_last = last.and_then(|entry| {
            let bytes = self.store.record_at(u64::try_from(entry.offset).ok()?)?;
            Some(record::decode(&bytes).ok()?.queue_offset + 1)
        });
        // With entries lost behind the last one the checkpoint is ahead of the log and does not count.
        let end = i64::try_from(self.store.timer_bounds().end).unwrap_or(i64::MAX);
        let known = checkpoint.as_ref().filter(|point| point.flushed <= end).map(|point| point.queue_offset);
        let bounds = self.store.queue_bounds(names::TIMER_TOPIC, 0, u64::MAX).unwrap_or_default();
        let next = after_last.unwrap_or(0).max(known.unwrap_or(0));
        self.timers.queue_offset = next.clamp(bounds.min, bounds.max);
        let first = self.timers.wheel.first();
        let fresh = first.unwrap_or(i64::MAX).min(self.timers.tick_of(now));
        self.timers.floor = if read_time > 0 { read_time } else { fresh };
        self.timers.start_saving(now, checkpoint);
    }

    /// The last entry of the timer log whose message is in the log.
    fn load_wheel(&mut self, read_time: i64) -> Option<TimerEntry> {
        let log_end = i64::try_from(self.store.log_bounds().max).unwrap_or(i64::MAX);
        let mut position = self.store.timer_bounds().min;
        let mut last = None;
        while let Some((at, entry)) = self.store.timer_entry(position) {
            if entry.offset.saturating_add(entry.size.into()) > log_end {
                tracing::warn!(at, "the timer log is ahead of the message log and is cut");
                if let Err(error) = self.store.timer_cut(at) {
                    tracing::error!(%error, "the timer log cannot be cut");
                }
                break;
            }
            if entry.slot_time() >= read_time {
                self.timers.wheel.put(i64::try_from(at).unwrap_or(i64::MAX), &entry);
            }
            last = Some(entry);
            position = at + ENTRY_LEN as u64;
        }
        last
    }
}
