//! Delay levels (`ScheduleMessageService`): messages wait in `SCHEDULE_TOPIC_XXXX`, one queue a level, and are
//! stored again under their real topic when their time has come.

use std::collections::BTreeMap;

use super::escape::{Lane, Letter, Offer};
use super::properties::{Known, name};
use super::put::Again;
use super::{Broker, names};
use crate::body::DataVersion;
use crate::json_struct;
use crate::message::record;
use crate::store::{Store, TagsCode};
use crate::time::{Mono, Now, earliest};

/// Messages delivered by one level in one turn, so that a backlog does not starve requests.
const BATCH: usize = 128;
/// A delivery that failed is tried again after this long.
const RETRY_MS: u64 = 10_000;
/// Clocks of brokers that take each other's place may differ by this much; a delay lasts so much longer then.
const SKEW_MS: i64 = 60_000;

json_struct! {
    /// `delayOffset.json`: level -> next queue offset to deliver.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct DelayOffsets {
        pub offsets: BTreeMap<i32, i64> = "offsetTable",
        pub data_version: DataVersion = "dataVersion",
    }
}

#[derive(Clone, Copy, Debug)]
struct Level {
    delay_ms: i64,
    /// When to look at the level's queue again; `None` while it is empty.
    due: Option<Mono>,
    /// The first message whose time is too far away: when that was noticed, and its time.
    far: Option<(Mono, i64)>,
}

impl Level {
    /// Milliseconds until a message is due; 0 or less if it is.
    ///
    /// A time further away than the delay comes from a clock that was ahead of this one. By how much is not known, nor how
    /// much of the delay is over; the reference delivers at once then. Here a delay is never cut short: what is about as far
    /// away as it should be waits for its time, and what is much further (somebody has set the clock back) for all of the delay
    /// again, one message as long after the other as they came.
    fn wait(&mut self, now: Now, due_ms: i64) -> i64 {
        let wait = due_ms.saturating_sub(now.wall_ms);
        if wait <= self.delay_ms.saturating_add(SKEW_MS) {
            self.far = None;
            return wait;
        }
        let (noticed, first) = *self.far.get_or_insert((now.mono, due_ms));
        let over = i64::try_from(now.mono.ms_since(noticed)).unwrap_or(i64::MAX);
        self.delay_ms.saturating_add(due_ms.saturating_sub(first).max(0)).saturating_sub(over)
    }
}

/// Progress of all levels.
#[derive(Debug)]
pub(super) struct Schedule {
    levels: Vec<Level>,
    /// The next to deliver.
    table: DelayOffsets,
    /// The table as far as it counts.
    kept: DelayOffsets,
    /// How often `kept` has changed.
    changes: u64,
    deliveries: u64,
    dirty: bool,
    started: bool,
}

enum Step {
    Delivered,
    /// Not before this many milliseconds.
    Wait(u64),
    Empty,
    /// On its way to another master, whose answer wakes the level.
    Away,
    Failed,
}

impl Schedule {
    pub fn new(levels: &[i64], stored: DelayOffsets, now: Now) -> Self {
        let levels =
            levels.iter().map(|delay_ms| Level { delay_ms: *delay_ms, due: Some(now.mono), far: None });
        Schedule {
            levels: levels.collect(),
            kept: stored.clone(),
            table: stored,
            changes: 0,
            deliveries: 0,
            dirty: false,
            started: false,
        }
    }

    pub fn deadline(&self) -> Option<Mono> {
        self.levels.iter().map(|level| level.due).fold(None, earliest)
    }

    /// A message entered the queue of a level.
    pub fn arrived(&mut self, queue_id: i32) {
        if let Some(level) = usize::try_from(queue_id).ok().and_then(|index| self.levels.get_mut(index)) {
            // Due at once: the first look finds out when the message's own time comes.
            level.due = Some(level.due.unwrap_or(Mono(0)));
        }
    }

    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    pub fn take_file(&mut self) -> DelayOffsets {
        self.dirty = false;
        self.kept.clone()
    }

    /// Takes over what an acting slave has delivered; a level's progress never goes back (KF-28).
    pub fn advance(&mut self, theirs: &DelayOffsets) {
        for (level, offset) in &theirs.offsets {
            let own = self.table.offsets.entry(*level).or_insert(0);
            *own = (*own).max(*offset);
        }
        self.keep(self.table.clone());
    }

    /// Takes over a master's progress.
    pub fn replace(&mut self, table: DelayOffsets) {
        self.table.clone_from(&table);
        self.keep(table);
    }

    /// What was delivered so far is there to stay.
    pub fn keep(&mut self, table: DelayOffsets) {
        self.kept = table;
        self.dirty = true;
        self.changes += 1;
    }

    /// How often the table as it counts has changed since the start.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// The table as far as it counts.
    pub fn snapshot(&self) -> &DelayOffsets {
        &self.kept
    }
}

impl<S: Store> Broker<S> {
    /// Delivers what is due.
    pub(super) fn deliver_scheduled(&mut self, now: Now) {
        if !self.schedule.started {
            self.schedule.started = true;
            self.clamp_schedule();
        }
        let before = self.schedule.deliveries;
        for index in 0..self.schedule.levels.len() {
            if self.schedule.levels[index].due.is_some_and(|due| due <= now.mono) {
                self.schedule.levels[index].due = self.deliver_level(now, index);
            }
        }
        if self.schedule.deliveries != before {
            self.note_delays(now, self.schedule.table.clone());
        }
    }

    /// Progress outside its queue (a truncated or cleaned log) would stop a level for ever.
    fn clamp_schedule(&mut self) {
        for index in 0..self.schedule.levels.len() {
            let (level, queue_id) = level_and_queue(index);
            let bounds =
                self.store.queue_bounds(names::SCHEDULE_TOPIC, queue_id, u64::MAX).unwrap_or_default();
            if let Some(offset) = self.schedule.table.offsets.get_mut(&level) {
                *offset = (*offset).clamp(bounds.min, bounds.max);
            }
        }
    }

    /// Delivers a level's due messages; when to look again.
    fn deliver_level(&mut self, now: Now, index: usize) -> Option<Mono> {
        let (level, queue_id) = level_and_queue(index);
        for _ in 0..BATCH {
            let offset = self.schedule.table.offsets.get(&level).copied().unwrap_or(0);
            match self.deliver_one(now, index, queue_id, offset) {
                Step::Delivered => {
                    self.schedule.table.offsets.insert(level, offset + 1);
                    self.schedule.deliveries += 1;
                    let step = self.settings.broker.delay_offset_update_version_step.max(1);
                    let acting = !self.is_master();
                    if acting || self.schedule.deliveries.is_multiple_of(u64::try_from(step).unwrap_or(1)) {
                        self.schedule.table.data_version.bump(now.wall_ms, 0);
                    }
                }
                Step::Wait(ms) => return Some(now.mono.plus_ms(ms)),
                Step::Empty | Step::Away => return None,
                Step::Failed => return Some(now.mono.plus_ms(RETRY_MS)),
            }
        }
        Some(now.mono)
    }

    fn deliver_one(&mut self, now: Now, index: usize, queue_id: i32, offset: i64) -> Step {
        let topic = names::SCHEDULE_TOPIC;
        let bounds = self.store.queue_bounds(topic, queue_id, u64::MAX).unwrap_or_default();
        if offset >= bounds.max {
            return Step::Empty;
        }
        let Some(entry) = self.store.queue_entry(topic, queue_id, offset.max(bounds.min)) else {
            return Step::Empty;
        };
        let wait = self.schedule.levels[index].wait(now, entry.tags_code);
        if wait > 0 {
            return Step::Wait(u64::try_from(wait).unwrap_or(1));
        }
        let Some(bytes) = self.store.record_at(entry.offset) else {
            tracing::warn!(offset = entry.offset, "a delayed message is gone from the log");
            return Step::Delivered;
        };
        match record::decode(&bytes) {
            Ok(found) if self.is_master() => self.deliver(now, &found),
            Ok(found) => self.send_away(now, index, &found, entry.tags_code),
            Err(error) => {
                tracing::error!(offset = entry.offset, %error, "a delayed message cannot be read");
                Step::Delivered
            }
        }
    }

    /// Gives a delayed message to another master: this broker is an acting slave.
    fn send_away(&mut self, now: Now, index: usize, found: &record::Record<'_>, due_ms: i64) -> Step {
        let topic = found.property(name::REAL_TOPIC).unwrap_or("");
        if topic.is_empty() || topic == names::HALF_TOPIC {
            tracing::warn!(topic, "a delayed message names no topic it may go to; dropped");
            return Step::Delivered;
        }
        if self.was_delivered_by_master(found, topic, due_ms) {
            return Step::Delivered;
        }
        let group = self.inner_producer_group();
        let letter = || Letter::delivered(found, topic, found.properties, &group);
        match self.escape.lanes.offer(now, Lane::Level(index), found.physical_offset, letter) {
            Offer::Stored => Step::Delivered,
            Offer::Away => Step::Away,
        }
    }

    /// Stores a delayed message under its real topic. The property string stays as it was, as in the
    /// reference: only the queue it lies in makes a message delayed.
    fn deliver(&mut self, now: Now, found: &record::Record<'_>) -> Step {
        let topic = found.property(name::REAL_TOPIC).unwrap_or("");
        let queue_id = found.property(name::REAL_QUEUE_ID).and_then(|text| text.parse().ok()).unwrap_or(0);
        if topic.is_empty() || topic == names::HALF_TOPIC {
            tracing::warn!(topic, "a delayed message names no topic it may go to; dropped");
            return Step::Delivered;
        }
        let again = Again {
            topic,
            queue_id,
            sys_flag: found.sys_flag,
            prepared_transaction_offset: 0,
            properties: found.properties,
            tags_code: TagsCode::Tags(Known::scan(found.properties).tags_code()),
        };
        match self.put_again(now, found, &again) {
            Ok(_) => Step::Delivered,
            Err(error) => {
                tracing::error!(topic, %error, "a delayed message could not be delivered; trying again later");
                Step::Failed
            }
        }
    }
}

/// Levels count from 1, their queues from 0.
fn level_and_queue(index: usize) -> (i32, i32) {
    let queue = i32::try_from(index).unwrap_or(i32::MAX - 1);
    (queue + 1, queue)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64, wall_ms: i64) -> Now {
        Now { mono: Mono(0).plus_ms(ms), wall_ms }
    }

    #[test]
    fn another_clock_never_cuts_a_delay_short() {
        let mut level = Level { delay_ms: 1_000, due: None, far: None };
        assert_eq!(level.wait(at(0, 5_000), 5_400), 400);
        assert_eq!(level.wait(at(0, 5_000), 5_000), 0);
        // taken by a broker whose clock is 50 ms ahead
        assert_eq!(level.wait(at(0, 5_000), 6_050), 1_050);
        assert_eq!(level.wait(at(1_050, 6_050), 6_050), 0);
    }

    #[test]
    fn a_clock_that_was_set_back_costs_the_delay_once_more() {
        let mut level = Level { delay_ms: 1_000, due: None, far: None };
        let hour = 3_600_000;
        // two messages, 300 ms apart, from before somebody set the clock back by an hour
        assert_eq!(level.wait(at(10, 0), hour + 700), 1_000);
        assert_eq!(level.wait(at(610, 600), hour + 700), 400);
        assert_eq!(level.wait(at(1_010, 1_000), hour + 700), 0);
        assert_eq!(level.wait(at(1_010, 1_000), hour + 1_000), 300);
        // and one from afterwards
        assert_eq!(level.wait(at(1_310, 1_300), 1_900), 600);
        assert_eq!(level.far, None);
    }
}
