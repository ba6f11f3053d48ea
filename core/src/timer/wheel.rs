//! Which slot a time falls into, and the slots that still hold something.

use std::collections::BTreeMap;

use super::{MAGIC_DELETE, SLOT_LEN, Slot, TimerEntry};

/// Rounds down to whole ticks.
#[must_use]
pub fn tick(time: i64, precision_ms: i64) -> i64 {
    time.div_euclid(precision_ms.max(1)).saturating_mul(precision_ms.max(1))
}

/// The slot of a delivery time: the last one that is over at that time.
#[must_use]
pub fn out_time(deliver: i64, precision_ms: i64) -> i64 {
    let down = tick(deliver, precision_ms);
    if down == deliver { down - precision_ms.max(1) } else { down }
}

/// How far ahead an entry may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub precision_ms: i64,
    /// `timerRollWindowSlot`.
    pub slots: i64,
}

/// Where a message of the timer topic goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Its slot is over already.
    Due,
    Slot {
        time: i64,
        /// To be put off again then.
        rolled: bool,
    },
}

impl Window {
    /// Routes a message whose slot is `out`. Slots before `floor` are taken; the clock may have been set back
    /// behind it.
    #[must_use]
    pub fn route(&self, now: i64, out: i64, floor: i64) -> Route {
        let precision = self.precision_ms.max(1);
        let write = tick(now, precision);
        if out < write {
            return Route::Due;
        }
        let window = self.slots.max(2).saturating_mul(precision);
        let delay = out.saturating_sub(write);
        if delay < window {
            return Route::Slot { time: out.max(floor), rolled: false };
        }
        // A little more than the window is split in two halves, so that the second is not a short one.
        let step = if delay - window < window / 3 { tick(window / 2, precision) } else { window };
        let time = write.saturating_add(step.max(precision));
        if time >= out || floor >= out {
            return Route::Slot { time: out.max(floor), rolled: false };
        }
        Route::Slot { time: time.max(floor), rolled: true }
    }
}

/// The slots that are not delivered yet, by time. Built from the timer log, so it is never ahead of it.
#[derive(Clone, Debug, Default)]
pub struct Wheel {
    slots: BTreeMap<i64, Held>,
}

/// A slot of the wheel, taken out or still in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    pub slot: Slot,
    /// Entries of the chain.
    pub entries: u64,
}

impl Wheel {
    /// Position of the newest entry of a slot, or -1.
    #[must_use]
    pub fn last(&self, time: i64) -> i64 {
        self.slots.get(&time).map_or(-1, |held| held.slot.last)
    }

    /// Messages of a slot less deletions.
    #[must_use]
    pub fn num(&self, time: i64) -> i64 {
        self.slots.get(&time).map_or(0, |held| held.slot.num.into())
    }

    /// Puts the entry at `position` into its slot; the slot as it is now.
    pub fn put(&mut self, position: i64, entry: &TimerEntry) -> Slot {
        let time = entry.slot_time();
        let fresh = Slot { time, first: position, last: position, num: 0 };
        let held = self.slots.entry(time).or_insert(Held { slot: fresh, entries: 0 });
        held.entries += 1;
        held.slot.last = position;
        held.slot.num += if entry.magic & MAGIC_DELETE != 0 { -1 } else { 1 };
        held.slot
    }

    /// What the wheel file has to hold: slots by the byte they lie at. Of two that share a place, which lie two
    /// weeks apart, the later one.
    #[must_use]
    pub fn file(&self, precision_ms: i64) -> BTreeMap<u64, [u8; SLOT_LEN]> {
        let slots = self.slots.values().map(|held| held.slot);
        slots.map(|slot| (Slot::position(slot.time, precision_ms), slot.encode(precision_ms))).collect()
    }

    /// The slots that hold something, by time.
    pub fn iter(&self) -> impl Iterator<Item = &Held> {
        self.slots.values()
    }

    /// The first slot that holds something.
    #[must_use]
    pub fn first(&self) -> Option<i64> {
        self.slots.keys().next().copied()
    }

    /// Takes the first slot, if its time is before `end`.
    pub fn take_before(&mut self, end: i64) -> Option<Held> {
        let first = self.slots.first_entry().filter(|slot| *slot.key() < end)?;
        Some(first.remove())
    }

    /// Messages that wait, less deletions.
    #[must_use]
    pub fn len(&self) -> i64 {
        self.slots.values().map(|held| i64::from(held.slot.num)).sum()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}
