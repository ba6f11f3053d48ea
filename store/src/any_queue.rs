//! The two kinds of queue behind one face.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use sansmq_core::store::pull::{QueueSource, offset_by_time};
use sansmq_core::store::{Boundary, QueueBounds, QueueEntry};

use crate::batch_queue::{BatchEntry, BatchQueue};
use crate::error::StoreError;
use crate::ext_units::ExtUnits;
use crate::file_store::ColdRange;
use crate::mapped::DirtyRange;
use crate::simple_queue::SimpleQueue;

/// `queue.type` of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Simple,
    Batch,
}

impl Kind {
    /// The directory below the store's root.
    pub(crate) const fn dir(self) -> &'static str {
        match self {
            Kind::Simple => "consumequeue",
            Kind::Batch => "batchconsumequeue",
        }
    }
}

/// A queue of a topic.
#[derive(Debug)]
pub(crate) enum AnyQueue {
    Simple(SimpleQueue),
    Batch(BatchQueue),
}

/// Calls the same method of either kind's files.
macro_rules! files {
    ($self:ident, $queue:ident => $call:expr) => {
        match $self {
            AnyQueue::Simple(SimpleQueue { units: $queue, .. }) => $call,
            AnyQueue::Batch(BatchQueue { units: $queue }) => $call,
        }
    };
}

impl AnyQueue {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            AnyQueue::Simple(_) => Kind::Simple,
            AnyQueue::Batch(_) => Kind::Batch,
        }
    }

    /// Next free queue offset.
    pub(crate) fn max(&self) -> i64 {
        match self {
            AnyQueue::Simple(queue) => queue.units.max(),
            AnyQueue::Batch(queue) => queue.max(),
        }
    }

    /// Appends the entry of a record that stands for `count` messages; false when its file cannot be opened.
    pub(crate) fn push(&mut self, entry: QueueEntry, store_time: i64, count: u16) -> bool {
        match self {
            AnyQueue::Simple(queue) => queue.push(entry, store_time),
            AnyQueue::Batch(queue) => {
                let base = queue.max();
                queue.units.push(BatchEntry { entry, store_time, base, count })
            }
        }
    }

    /// Puts an entry where recovery found it to belong.
    pub(crate) fn put(
        &mut self,
        offset: i64,
        entry: QueueEntry,
        store_time: i64,
        count: u16,
    ) -> io::Result<()> {
        match self {
            AnyQueue::Simple(queue) => queue.put(offset, entry, store_time),
            AnyQueue::Batch(queue) => queue.put(BatchEntry { entry, store_time, base: offset, count }),
        }
    }

    pub(crate) fn offset_by_time(
        &self,
        timestamp_ms: i64,
        boundary: Boundary,
        time_of: impl Fn(QueueEntry) -> Option<i64>,
    ) -> i64 {
        match self {
            AnyQueue::Simple(queue) => offset_by_time(queue, timestamp_ms, boundary, time_of),
            AnyQueue::Batch(queue) => queue.offset_by_time(timestamp_ms),
        }
    }

    /// Where the entries of a read lie when it would have to wait for them. The entry of an inner batch is found
    /// by a search that touches several places, and there are few of them: these are not asked about.
    pub(crate) fn cold(&self, offset: i64, count: u64) -> Option<ColdRange> {
        match self {
            AnyQueue::Simple(queue) => queue.cold(offset, count),
            AnyQueue::Batch(_) => None,
        }
    }

    pub(crate) fn log_end(&self) -> u64 {
        files!(self, queue => queue.log_end())
    }

    pub(crate) fn reserve(&mut self, count: u32) -> io::Result<()> {
        match self {
            AnyQueue::Simple(queue) => queue.reserve(count),
            AnyQueue::Batch(queue) => queue.units.reserve(count),
        }
    }

    pub(crate) fn drop_from(&mut self, log_offset: u64) -> Result<(), StoreError> {
        match self {
            AnyQueue::Simple(queue) => queue.drop_from(log_offset),
            AnyQueue::Batch(queue) => queue.units.drop_from(log_offset),
        }
    }

    pub(crate) fn drop_unverified(&mut self, scanned_from: u64) -> Result<(), StoreError> {
        files!(self, queue => queue.drop_unverified(scanned_from))
    }

    pub(crate) fn has_before(&self, log_offset: u64) -> bool {
        files!(self, queue => queue.has_before(log_offset))
    }

    pub(crate) fn drop_unused(&mut self) -> io::Result<()> {
        if let AnyQueue::Simple(SimpleQueue { ext: Some(ext), .. }) = self {
            ext.drop_unused()?;
        }
        files!(self, queue => queue.drop_unused())
    }

    pub(crate) fn forget_if_empty(&mut self) -> io::Result<()> {
        files!(self, queue => queue.forget_if_empty())
    }

    pub(crate) fn correct_min(&mut self, log_start: u64) {
        files!(self, queue => queue.correct_min(log_start));
    }

    pub(crate) fn take_expired(&mut self, log_start: u64, durable: u64) -> Vec<PathBuf> {
        match self {
            AnyQueue::Simple(queue) => queue.take_expired(log_start, durable),
            AnyQueue::Batch(queue) => queue.units.take_expired(log_start, durable),
        }
    }

    pub(crate) fn bytes_on_disk(&self) -> u64 {
        let ext = self.ext().map_or(0, ExtUnits::bytes_on_disk);
        ext + files!(self, queue => queue.bytes_on_disk())
    }

    pub(crate) fn close_mappings(&mut self) {
        files!(self, queue => queue.close_mappings());
        if let AnyQueue::Simple(SimpleQueue { ext: Some(ext), .. }) = self {
            ext.close_mappings();
        }
    }

    pub(crate) fn dirty_pages(&self) -> u64 {
        let ext = self.ext().map_or(0, ExtUnits::dirty_pages);
        ext + files!(self, queue => queue.dirty_pages())
    }

    pub(crate) fn take_dirty(&mut self, ranges: &mut Vec<DirtyRange>, dirs: &mut Vec<PathBuf>) {
        files!(self, queue => queue.take_dirty(ranges, dirs));
        if let AnyQueue::Simple(SimpleQueue { ext: Some(ext), .. }) = self {
            ext.take_dirty(ranges, dirs);
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        files!(self, queue => queue.dir())
    }

    /// The extension units of its entries.
    pub(crate) fn ext(&self) -> Option<&ExtUnits> {
        match self {
            AnyQueue::Simple(queue) => queue.ext.as_deref(),
            AnyQueue::Batch(_) => None,
        }
    }
}

impl QueueSource for AnyQueue {
    fn bounds(&self) -> QueueBounds {
        match self {
            AnyQueue::Simple(queue) => queue.bounds(),
            AnyQueue::Batch(queue) => queue.bounds(),
        }
    }

    fn entry(&self, offset: i64) -> Option<QueueEntry> {
        match self {
            AnyQueue::Simple(queue) => queue.entry(offset),
            AnyQueue::Batch(queue) => queue.entry(offset),
        }
    }

    fn visit(&self, offset: i64, visit: impl FnMut(i64, QueueEntry) -> ControlFlow<()>) -> bool {
        match self {
            AnyQueue::Simple(queue) => queue.visit(offset, visit),
            AnyQueue::Batch(queue) => queue.visit(offset, visit),
        }
    }

    fn next_file(&self, offset: i64) -> i64 {
        match self {
            AnyQueue::Simple(queue) => queue.next_file(offset),
            AnyQueue::Batch(queue) => queue.next_file(offset),
        }
    }
}
