//! A queue whose entries stand for whole batches (`queue.type=BatchCQ`): 46 bytes
//! `log offset(8) size(4) tags code(8) store time(8) base offset(8) count(2) compacted(4)=-1 reserved(4)`
//! (`spec/store.md` section 4, Batch CQ; `BatchConsumeQueue`).
//!
//! A message's offset is not its entry's number: entries are found by binary search.

use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;

use sansmq_core::store::pull::QueueSource;
use sansmq_core::store::{QueueBounds, QueueEntry};

use crate::consume_queue::{ConsumeQueue, Unit};
use crate::disk::DiskRef;
use crate::error::StoreError;
use crate::mapped::Table;

/// Bytes of an entry.
pub(crate) const BATCH_ENTRY_LEN: u64 = 46;

/// One record with all its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchEntry {
    pub entry: QueueEntry,
    /// Milliseconds since the Unix epoch.
    pub store_time: i64,
    /// Queue offset of the first message.
    pub base: i64,
    pub count: u16,
}

impl BatchEntry {
    /// Queue offset behind the last message.
    fn end(&self) -> i64 {
        self.base.saturating_add(self.count.into())
    }
}

impl Unit for BatchEntry {
    const LEN: u64 = BATCH_ENTRY_LEN;

    fn read(table: &Table, at: u64) -> Option<Self> {
        Some(BatchEntry {
            entry: QueueEntry::read(table, at)?,
            store_time: i64::from_be_bytes(table.get(at + 20)?),
            base: i64::from_be_bytes(table.get(at + 28)?),
            count: u16::from_be_bytes(table.get(at + 36)?),
        })
    }

    fn write(&self, table: &mut Table, at: u64) -> bool {
        let mut tail = [0; BATCH_ENTRY_LEN as usize - 20];
        tail[..8].copy_from_slice(&self.store_time.to_be_bytes());
        tail[8..16].copy_from_slice(&self.base.to_be_bytes());
        tail[16..18].copy_from_slice(&self.count.to_be_bytes());
        tail[18..22].copy_from_slice(&(-1i32).to_be_bytes());
        table.put(at + 20, &tail) && self.entry.write(table, at)
    }

    fn record(&self) -> (u64, u32) {
        (self.entry.offset, self.entry.size)
    }

    fn is_filler(&self) -> bool {
        false
    }
}

#[derive(Debug)]
pub(crate) struct BatchQueue {
    pub units: ConsumeQueue<BatchEntry>,
}

impl BatchQueue {
    pub(crate) fn new(disk: DiskRef, dir: PathBuf, file_size: u64) -> Self {
        BatchQueue { units: ConsumeQueue::new(disk, dir, file_size) }
    }

    /// As [`ConsumeQueue::load`].
    pub(crate) fn load(
        disk: DiskRef,
        dir: PathBuf,
        file_size: u64,
        repair: bool,
    ) -> Result<(Self, bool), StoreError> {
        let (units, lost) = ConsumeQueue::load(disk, dir, file_size, repair)?;
        Ok((BatchQueue { units }, lost))
    }

    /// Next free queue offset.
    pub(crate) fn max(&self) -> i64 {
        self.units.entry_at(self.units.max() - 1).map_or(0, |last| last.end())
    }

    /// Number of the entry that holds a message offset, or of the first behind it.
    fn find(&self, offset: i64) -> i64 {
        let (mut low, mut high) = self.units.readable();
        while low < high {
            let middle = low + (high - low) / 2;
            match self.units.entry_at(middle) {
                Some(entry) if entry.end() > offset => high = middle,
                _ => low = middle + 1,
            }
        }
        low
    }

    /// Puts an entry where recovery found it to belong, which is the order of the log. Entries missing in front
    /// of others are made up for by putting all behind them again.
    pub(crate) fn put(&mut self, entry: BatchEntry) -> io::Result<()> {
        let (from, end) = (self.units.first(), self.units.max());
        let at = self.units.first_from(entry.entry.offset);
        let there = self.units.entry_at(at).filter(|_| at < end);
        let front = at == from && there.is_some_and(|there| there.entry.offset != entry.entry.offset);
        if front && !self.units.repairs() {
            return Ok(());
        }
        if there == Some(entry) {
            self.units.verified_until(at + 1);
            return self.units.adopt(at);
        }
        if there.is_some() {
            self.units.truncate(at).map_err(|error| match error {
                StoreError::Io { source, .. } => source,
                other => io::Error::other(other.to_string()),
            })?;
        }
        self.units.reserve(1)?;
        if !self.units.push(entry) {
            return Err(io::Error::other("a queue file cannot be written"));
        }
        self.units.verified_until(self.units.max());
        Ok(())
    }

    /// First number in `low..high` whose batch was not stored before a time.
    fn not_before(&self, mut low: i64, mut high: i64, before: impl Fn(i64) -> bool) -> i64 {
        while low < high {
            let middle = low + (high - low) / 2;
            match self.units.entry_at(middle) {
                Some(entry) if !before(entry.store_time) => high = middle,
                _ => low = middle + 1,
            }
        }
        low
    }

    /// The first offset of a batch by its time, as the reference looks for it: in the last file that begins no
    /// later, else in the first; there the last batch if none is newer, else the first that is not older.
    pub(crate) fn offset_by_time(&self, timestamp_ms: i64) -> i64 {
        let (min, max) = self.units.readable();
        let (mut begin, mut end) = (min, self.units.next_file_of(min).min(max));
        while end < max && self.units.entry_at(end).is_some_and(|next| next.store_time <= timestamp_ms) {
            (begin, end) = (end, self.units.next_file_of(end).min(max));
        }
        let Some(last) = self.units.entry_at(end - 1) else { return 0 };
        if timestamp_ms >= last.store_time {
            return last.base;
        }
        let at = self.not_before(begin, end, |time| time < timestamp_ms);
        self.units.entry_at(at).map_or(last.base, |entry| entry.base)
    }
}

impl QueueSource for BatchQueue {
    fn bounds(&self) -> QueueBounds {
        let max = self.max();
        let (min, _) = self.units.readable();
        QueueBounds { min: self.units.entry_at(min).map_or(max, |first| first.base), max }
    }

    fn entry(&self, offset: i64) -> Option<QueueEntry> {
        let found = self.units.entry_at(self.find(offset))?;
        (found.base..found.end()).contains(&offset).then_some(found.entry)
    }

    fn visit(&self, offset: i64, mut visit: impl FnMut(i64, QueueEntry) -> ControlFlow<()>) -> bool {
        // an entry is told by its last message: the next pull goes on behind it
        self.units.visit_units(self.find(offset), |_, found| visit(found.end() - 1, found.entry))
    }

    fn next_file(&self, offset: i64) -> i64 {
        let next = self.units.next_file_of(self.find(offset));
        self.units.entry_at(next).map_or_else(|| self.max(), |entry| entry.base)
    }
}
