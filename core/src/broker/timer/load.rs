//! The wheel at start, from the timer log and the checkpoint.

use std::collections::BTreeMap;

use super::Handed;
use crate::broker::properties::name;
use crate::broker::{Broker, names};
use crate::message::{record, tags};
use crate::store::Store;
use crate::time::Now;
use crate::timer::{ENTRY_LEN, TimerCheckpoint, TimerEntry};

/// Messages that wait, by real topic. An entry has only the hash of its topic's name.
struct Waiting {
    /// `None` for a hash that several topics have.
    names: BTreeMap<i32, Option<String>>,
    counts: BTreeMap<String, i64>,
}

impl Waiting {
    fn of<'a>(topics: impl Iterator<Item = &'a str>) -> Self {
        let mut names = BTreeMap::new();
        for topic in topics {
            let of_hash = names.entry(tags::java_hash(topic)).or_insert_with(|| Some(topic.to_owned()));
            if of_hash.as_deref() != Some(topic) {
                *of_hash = None;
            }
        }
        Waiting { names, counts: BTreeMap::new() }
    }
}

impl<S: Store> Broker<S> {
    fn count_waiting(&self, entry: &TimerEntry, waiting: &mut Waiting) {
        let change = if entry.deletes() { -1 } else { 1 };
        if let Some(Some(topic)) = waiting.names.get(&entry.topic_hash) {
            match waiting.counts.get_mut(topic) {
                Some(count) => *count += change,
                None => _ = waiting.counts.insert(topic.clone(), change),
            }
            return;
        }
        let bytes = u64::try_from(entry.offset).ok().and_then(|at| self.store.record_at(at));
        let found = bytes.as_deref().and_then(|bytes| record::decode(bytes).ok());
        if let Some(topic) = found.and_then(|found| found.property(name::REAL_TOPIC)) {
            *waiting.counts.entry(topic.to_owned()).or_default() += change;
        }
    }

    /// Reads every entry of the timer log into the wheel that is not delivered according to the checkpoint.
    pub(in crate::broker) fn load_timers(&mut self, now: Now, checkpoint: Option<TimerCheckpoint>) {
        if !self.timers.enabled {
            return;
        }
        let read_time = checkpoint.as_ref().map_or(0, |point| point.read_time);
        let flushed = checkpoint.as_ref().map_or(0, |point| u64::try_from(point.flushed).unwrap_or(0));
        let first = self.store.timer_bounds().min;
        if first > flushed {
            // Files are given back long after a checkpoint has spoken of them: the first ones are lost, and all
            // that came since the checkpoint is read again.
            self.cut_timer_log(first, "has lost its first files");
        }
        let mut waiting = Waiting::of(self.topics.iter().map(|topic| &*topic.topic_name));
        let last = self.load_wheel(read_time, flushed, &mut waiting);
        self.timers.metrics.recount(now.wall_ms, &waiting.counts);
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
        let visible = self.store.queue_bounds(names::TIMER_TOPIC, 0, self.visible_end()).unwrap_or_default();
        self.timers.first_take_in = visible.max;
        let first = self.timers.wheel.first();
        let fresh = first.unwrap_or(i64::MAX).min(self.timers.tick_of(now));
        self.timers.floor = if read_time > 0 { read_time } else { fresh };
        self.timers.handed = checkpoint.as_ref().map_or_else(Handed::default, |point| Handed {
            queue_offset: point.master_queue_offset,
            read_time: point.read_time,
        });
        self.timers.start_saving(now, checkpoint);
    }

    fn cut_timer_log(&mut self, at: u64, why: &str) {
        tracing::warn!(at, "the timer log {why} and is cut");
        if let Err(error) = self.store.timer_cut(at) {
            tracing::error!(%error, "the timer log cannot be cut");
        }
    }

    /// Whether the record an entry names is one of the timer's; what is gone from the log tells nothing.
    fn is_of_its_message(&self, entry: &TimerEntry) -> bool {
        let Ok(offset) = u64::try_from(entry.offset) else { return false };
        if offset < self.store.log_bounds().min {
            return true;
        }
        let bytes = self.store.record_at(offset);
        let found = bytes.as_deref().and_then(|bytes| record::decode(bytes).ok());
        found.is_some_and(|found| {
            found.topic == names::TIMER_TOPIC.as_bytes() && i32::try_from(found.total_size) == Ok(entry.size)
        })
    }

    /// The last entry of the timer log whose message is in the log. From byte `flushed` on a crash may have torn
    /// an entry, which has no checksum: it counts only if it fits its message.
    fn load_wheel(&mut self, read_time: i64, flushed: u64, waiting: &mut Waiting) -> Option<TimerEntry> {
        let log_end = i64::try_from(self.store.log_bounds().max).unwrap_or(i64::MAX);
        let mut position = self.store.timer_bounds().min;
        let mut last = None;
        while let Some((at, entry)) = self.store.timer_entry(position) {
            if entry.offset.saturating_add(entry.size.into()) > log_end {
                self.cut_timer_log(at, "is ahead of the message log");
                break;
            }
            if at >= flushed && !self.is_of_its_message(&entry) {
                self.cut_timer_log(at, "has an entry that is not of the message it names");
                break;
            }
            if entry.slot_time() >= read_time {
                self.count_waiting(&entry, waiting);
                self.timers.wheel.put(i64::try_from(at).unwrap_or(i64::MAX), &entry);
            }
            last = Some(entry);
            position = at + ENTRY_LEN as u64;
        }
        last
    }
}
