//! A queue with an entry per message, and the extension units of its entries with `enableConsumeQueueExt`.

use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;

use sansmq_core::store::pull::{QueueSource, ext_position};
use sansmq_core::store::{QueueBounds, QueueEntry};

use crate::consume_queue::{ConsumeQueue, HOT_ENTRIES};
use crate::error::StoreError;
use crate::ext_units::ExtUnits;
use crate::file_store::ColdRange;

#[derive(Debug)]
pub(crate) struct SimpleQueue {
    pub units: ConsumeQueue,
    pub ext: Option<Box<ExtUnits>>,
}

impl SimpleQueue {
    /// Appends an entry; false when its file cannot be opened.
    pub(crate) fn push(&mut self, entry: QueueEntry, store_time: i64) -> bool {
        let entry = self.with_unit(entry, store_time);
        self.units.push(entry)
    }

    /// Makes room for entries, and for their units where there is any to be had.
    pub(crate) fn reserve(&mut self, count: u32) -> io::Result<()> {
        self.units.reserve(count)?;
        if self.is_settled()
            && let Some(ext) = &mut self.ext
        {
            ext.reserve(count);
        }
        Ok(())
    }

    /// Whether units can be written; attempts to bring them into agreement with the entries.
    fn is_settled(&mut self) -> bool {
        self.ext.as_deref().is_none_or(ExtUnits::is_settled)
            || self
                .settle()
                .inspect_err(|error| tracing::error!(%error, "extension units cannot be written"))
                .is_ok()
    }

    /// Writes an entry's unit and puts its address into the entry.
    fn with_unit(&mut self, entry: QueueEntry, store_time: i64) -> QueueEntry {
        if !self.is_settled() {
            return entry;
        }
        let address = self.ext.as_mut().and_then(|ext| ext.push(entry.tags_code, store_time));
        QueueEntry { tags_code: address.unwrap_or(entry.tags_code), ..entry }
    }

    /// As [`ConsumeQueue::put`]. From the first entry on whose unit a crash has taken, entries and units are
    /// written again, so that the units stay in the order of the entries and without holes.
    pub(crate) fn put(&mut self, offset: i64, entry: QueueEntry, store_time: i64) -> io::Result<()> {
        if self.ext.is_none() {
            return self.units.put(offset, entry);
        }
        if let Some(there) = self.units.entry_at(offset) {
            if ext_position(there.tags_code).is_none() {
                return self.units.put(offset, entry);
            }
            let unit = self.ext.as_ref().and_then(|ext| ext.unit(there.tags_code));
            let same = unit.is_some_and(|u| (u.tags_code, u.store_time) == (entry.tags_code, store_time));
            if same && (there.offset, there.size) == (entry.offset, entry.size) {
                self.ext.as_mut().map_or(Ok(()), |ext| ext.adopt(there.tags_code))?;
                return self.units.put(offset, there);
            }
            self.cut(offset)?;
        } else if self.units.bytes_on_disk() > 0 && offset < self.units.first() {
            if !self.units.repairs() {
                return Ok(());
            }
            self.cut(self.units.first())?;
            self.units.remove_all_files()?;
        }
        let entry = self.with_unit(entry, store_time);
        self.units.put(offset, entry)
    }

    fn cut(&mut self, offset: i64) -> io::Result<()> {
        if let Some(ext) = &mut self.ext {
            ext.unsettle();
        }
        self.units.truncate(offset).map_err(|error| match error {
            StoreError::Io { source, .. } => source,
            other => io::Error::other(other.to_string()),
        })
    }

    /// Makes the units end with the one of the newest entry that has one.
    fn settle(&mut self) -> Result<(), StoreError> {
        let Some(ext) = &mut self.ext else { return Ok(()) };
        let (first, end) = (self.units.first(), self.units.max());
        let address = |at: i64| {
            let found = self.units.entry_at(at)?.tags_code;
            ext_position(found).map(|_| found)
        };
        // without files, only the newest entry is asked: units of old ones are not coming back
        let least = if ext.has_files() { first } else { first.max(end - 1) };
        let last = (least..end).rev().find_map(address);
        ext.settle(last)
    }

    /// The entry with the tags code its unit has. An address without unit stays, and passes every filter.
    fn resolve(&self, entry: QueueEntry) -> QueueEntry {
        let unit = self.ext.as_ref().and_then(|ext| ext.unit(entry.tags_code));
        QueueEntry { tags_code: unit.map_or(entry.tags_code, |unit| unit.tags_code), ..entry }
    }

    pub(crate) fn drop_from(&mut self, log_offset: u64) -> Result<(), StoreError> {
        self.units.drop_from(log_offset)?;
        if let Some(ext) = &mut self.ext {
            ext.unsettle();
        }
        self.settle()
    }

    pub(crate) fn take_expired(&mut self, log_start: u64, durable: u64) -> Vec<PathBuf> {
        let mut gone = self.units.take_expired(log_start, durable);
        if let (Some(first), Some(ext)) = (self.units.entry_at(self.units.first()), &mut self.ext) {
            gone.extend(ext.take_expired(first.tags_code));
        }
        gone
    }

    pub(crate) fn cold(&self, offset: i64, count: u64) -> Option<ColdRange> {
        self.units.cold(offset, count).or_else(|| {
            let ext =
                self.ext.as_ref().filter(|_| offset.saturating_add(HOT_ENTRIES as i64) < self.units.max())?;
            ext.cold(self.units.entry_at(offset)?.tags_code, count)
        })
    }
}

impl QueueSource for SimpleQueue {
    fn bounds(&self) -> QueueBounds {
        self.units.bounds()
    }

    fn entry(&self, offset: i64) -> Option<QueueEntry> {
        self.units.entry(offset).map(|entry| self.resolve(entry))
    }

    fn visit(&self, offset: i64, mut visit: impl FnMut(i64, QueueEntry) -> ControlFlow<()>) -> bool {
        self.units.visit(offset, |at, entry| visit(at, self.resolve(entry)))
    }

    fn next_file(&self, offset: i64) -> i64 {
        self.units.next_file(offset)
    }
}
