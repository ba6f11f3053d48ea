//! The wheel at start, from the timer log and the checkpoint.

use std::collections::BTreeMap;

use super::{Predecessor, replay};
use crate::broker::properties::name;
use crate::broker::{Broker, names};
use crate::message::{record, tags};
use crate::store::Store;
use crate::time::Now;
use crate::timer::{TimerCheckpoint, TimerEntry};

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

fn count_waiting<S: Store>(store: &S, entry: &TimerEntry, waiting: &mut Waiting) {
    let change = if entry.deletes() { -1 } else { 1 };
    if let Some(Some(topic)) = waiting.names.get(&entry.topic_hash) {
        match waiting.counts.get_mut(topic) {
            Some(count) => *count += change,
            None => _ = waiting.counts.insert(topic.clone(), change),
        }
        return;
    }
    let bytes = u64::try_from(entry.offset).ok().and_then(|at| store.record_at(at));
    let found = bytes.as_deref().and_then(|bytes| record::decode(bytes).ok());
    if let Some(topic) = found.and_then(|found| found.property(name::REAL_TOPIC)) {
        *waiting.counts.entry(topic.to_owned()).or_default() += change;
    }
}

impl<S: Store> Broker<S> {
    /// Reads every entry of the timer log into the wheel that is not delivered according to the checkpoint.
    pub(in crate::broker) fn load_timers(&mut self, now: Now, checkpoint: Option<TimerCheckpoint>) {
        if !self.timers.enabled {
            return;
        }
        let read_time = checkpoint.as_ref().map_or(0, |point| point.read_time);
        let handed = checkpoint.as_ref().map_or_else(Predecessor::default, |point| Predecessor {
            queue_offset: point.master_queue_offset,
            read_time: point.read_time,
        });
        let overtaken = self.timers.overtaken.take();
        let mut waiting = Waiting::of(self.topics.iter().map(|topic| &*topic.topic_name));
        let wheel = &mut self.timers.wheel;
        self.timers.queue_offset = replay(&mut self.store, checkpoint.as_ref(), |store, at, entry| {
            let waits = entry.slot_time() >= read_time
                // The one that overtook this timer never had the message.
                || overtaken.is_some_and(|own| entry.slot_time() >= own)
                    && replay::queue_offset_of(store, entry).is_some_and(|at| at >= handed.queue_offset);
            if waits {
                count_waiting(store, entry, &mut waiting);
                wheel.put(i64::try_from(at).unwrap_or(i64::MAX), entry);
            }
        });
        let precision = self.timers.window.precision_ms;
        let wheel = &self.timers.wheel;
        self.store.timer_wheel(|| wheel.file(precision));
        self.timers.metrics.recount(now.wall_ms, &waiting.counts);
        let visible = self.store.queue_bounds(names::TIMER_TOPIC, 0, self.visible_end()).unwrap_or_default();
        self.timers.first_take_in = visible.max;
        let first = self.timers.wheel.first();
        let fresh = first.unwrap_or(i64::MAX).min(self.timers.tick_of(now));
        self.timers.floor = match first {
            Some(first) if overtaken.is_some() => read_time.min(first),
            _ if read_time > 0 => read_time,
            _ => fresh,
        };
        self.timers.handed = handed;
        self.timers.start_saving(now, checkpoint);
        if overtaken.is_some() {
            self.timers.mark_dirty();
        }
    }
}
