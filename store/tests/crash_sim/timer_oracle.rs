//! What the timer finds at a start, compared with what was done.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sansmq_core::broker::names::TIMER_TOPIC;
use sansmq_core::broker::replay_timers;
use sansmq_core::store::Store;
use sansmq_core::timer::{ENTRY_LEN, SLOT_LEN, Slot, TimerEntry};
use sansmq_store::FileStore;
use sansmq_store::disk::{Disk, SimDisk};

use super::{Model, PRECISION, Timer, due, key_of};

impl Timer {
    /// Compares timer log, timer topic and copies.
    pub(super) fn check(&self, store: &FileStore, model: &Model, read_time: i64) {
        let mut entries: BTreeMap<u64, TimerEntry> = BTreeMap::new();
        let mut position = 0;
        while let Some((at, entry)) = store.timer_entry(position) {
            assert_eq!(self.pushed.get(&at), Some(&entry), "the entry at {at} is another one");
            assert!(entries.insert(entry.offset as u64, entry).is_none(), "two entries for {}", entry.offset);
            position = at + ENTRY_LEN as u64;
        }
        let copied: BTreeSet<String> = model.all(|r| r.property("COPY_OF").map(str::to_owned));
        for kept in model.records.iter().filter(|kept| kept.offset >= self.expired) {
            let r = kept.record();
            if r.topic != TIMER_TOPIC.as_bytes() {
                continue;
            }
            let (Some(key), Some(_)) = (key_of(&r), due(&r)) else { continue };
            let entry = entries.get(&kept.offset);
            let (waits, read_again) =
                (entry.is_some_and(|entry| entry.slot_time() >= read_time), r.queue_offset >= self.next);
            assert!(entry.is_none() || !read_again, "{key} is in the timer log and is read again");
            let gone = !waits && !read_again;
            assert!(!gone || copied.contains(key), "{key} is lost: {entry:?}, next {}", self.next);
            assert!(gone || !self.finished.contains(key), "{key} is delivered and due again");
        }
    }

    /// Slots of the wheel file are those of the wheel. After an orderly end those that were delivered or whose
    /// entries are all in front of the log's first byte (`clean`) stay.
    pub(super) fn check_file(&self, disk: &SimDisk, clean: Option<u64>) {
        let file = disk.read(Path::new("/store/timerwheel")).unwrap().unwrap_or_default();
        let slots: BTreeMap<i64, Slot> = self.wheel.iter().map(|held| (held.slot.time, held.slot)).collect();
        for (time, at) in &self.places {
            let bytes: Option<&[u8; SLOT_LEN]> = file.get(*at as usize..).and_then(|rest| rest.first_chunk());
            let found = bytes.and_then(|bytes| Slot::decode(bytes, *time, PRECISION));
            match (slots.get(time), found) {
                (None, Some(stale)) => {
                    let old = clean.is_some_and(|min| *time < self.floor || (stale.last as u64) < min);
                    assert!(old, "{stale:?} has no entries");
                }
                (Some(right), Some(cut)) if clean.is_some_and(|min| (cut.first as u64) < min) => {
                    assert_eq!(cut.last, right.last);
                }
                (right, found) => assert_eq!(found.as_ref(), right),
            }
        }
    }

    /// A second start on the same files finds the same.
    pub fn check_again(&self, store: &mut FileStore, disk: &SimDisk) {
        let mut entries = 0;
        let next = replay_timers(store, Self::found_checkpoint(disk).as_ref(), |_, _, _| entries += 1);
        assert_eq!((next, entries), (self.next, self.pushed.range(store.timer_bounds().min..).count()));
    }
}
