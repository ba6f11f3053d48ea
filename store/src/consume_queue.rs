//! One consume queue: 20-byte entries `log offset(8) size(4) tags code(8)` in files of fixed size, named by
//! byte offset (`spec/store.md` section 4).
//!
//! At most two of the files are mapped: the one being written and the one read last.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use sansmq_core::store::pull::{ENTRY_LEN, QueueSource};
use sansmq_core::store::{QueueBounds, QueueEntry};

use crate::disk::{DiskRef, remove_durably};
use crate::error::StoreError;
use crate::file_store::ColdRange;
use crate::mapped::{DirtyRange, Table};
use crate::segments;

/// Space is taken this many bytes ahead of the entries.
const AHEAD: u64 = 64 * 1024;
/// So many entries at the end of a queue are not asked about.
pub(crate) const HOT_ENTRIES: u64 = 4096;
/// Stands for entries in front of the first real one when a queue does not start at 0.
const FILLER: QueueEntry = QueueEntry { offset: 0, size: i32::MAX as u32, tags_code: 0 };

/// What a queue's files are made of.
pub(crate) trait Unit: Copy + PartialEq + std::fmt::Debug {
    /// Bytes on disk.
    const LEN: u64;
    fn read(table: &Table, at: u64) -> Option<Self>;
    /// False (and nothing written) when it does not fit.
    fn write(&self, table: &mut Table, at: u64) -> bool;
    /// Log offset and size of the record.
    fn record(&self) -> (u64, u32);
    /// Stands for nothing.
    fn is_filler(&self) -> bool;
}

impl Unit for QueueEntry {
    const LEN: u64 = ENTRY_LEN as u64;

    fn read(table: &Table, at: u64) -> Option<Self> {
        Some(QueueEntry {
            offset: u64::from_be_bytes(table.get(at)?),
            size: u32::from_be_bytes(table.get(at + 8)?),
            tags_code: i64::from_be_bytes(table.get(at + 12)?),
        })
    }

    fn write(&self, table: &mut Table, at: u64) -> bool {
        let mut out = [0; ENTRY_LEN as usize];
        out[..8].copy_from_slice(&self.offset.to_be_bytes());
        out[8..12].copy_from_slice(&self.size.to_be_bytes());
        out[12..].copy_from_slice(&self.tags_code.to_be_bytes());
        table.put(at, &out)
    }

    fn record(&self) -> (u64, u32) {
        (self.offset, self.size)
    }

    fn is_filler(&self) -> bool {
        *self == FILLER
    }
}

#[derive(Debug)]
struct OpenFile {
    base: u64,
    table: Table,
}

#[derive(Debug)]
pub(crate) struct ConsumeQueue<E: Unit = QueueEntry> {
    disk: DiskRef,
    dir: PathBuf,
    file_size: u64,
    /// Byte position of the first file; meaningless while `end` equals it and no file exists.
    first: u64,
    /// Byte position behind the last file on disk.
    files_end: u64,
    /// Byte position behind the last entry.
    end: u64,
    /// First readable offset.
    min: i64,
    /// Log offset behind the record of the last real entry.
    log_end: u64,
    writing: RefCell<Option<OpenFile>>,
    reading: RefCell<Option<OpenFile>>,
    /// Files created ahead for a batch that crosses file borders.
    spare: VecDeque<OpenFile>,
    /// Byte position from which the file being written is not flushed yet.
    flushed: u64,
    /// Unflushed parts of files that are full.
    pending: Vec<DirtyRange>,
    /// A file was created since the last flush, so its directory has to be flushed too.
    created: bool,
    /// Offset behind the last entry recovery has compared with the log.
    verified: Option<i64>,
    /// The file whose entries recovery takes over.
    adopted: Option<u64>,
    /// Files may be missing since a crash.
    repair: bool,
    units: PhantomData<E>,
}

impl<E: Unit> ConsumeQueue<E> {
    pub(crate) fn new(disk: DiskRef, dir: PathBuf, file_size: u64) -> Self {
        ConsumeQueue {
            disk,
            dir,
            file_size,
            first: 0,
            files_end: 0,
            end: 0,
            min: 0,
            log_end: 0,
            writing: RefCell::new(None),
            reading: RefCell::new(None),
            spare: VecDeque::new(),
            flushed: 0,
            pending: Vec::new(),
            created: false,
            verified: None,
            adopted: None,
            repair: false,
            units: PhantomData,
        }
    }

    /// Opens what is in `dir` and finds the end of the entries, looking from the third last file on.
    /// Files without content are removed, and with `repair` those that a crash has left behind a gap; the second
    /// result says whether entries may have gone that way.
    pub(crate) fn load(
        disk: DiskRef,
        dir: PathBuf,
        file_size: u64,
        repair: bool,
    ) -> Result<(Self, bool), StoreError> {
        let lost = segments::remove_stragglers(&*disk, &dir, repair)?;
        let found = segments::list(&*disk, [dir.as_path()], file_size)?;
        let mut queue = ConsumeQueue::new(disk, dir, file_size);
        queue.repair = repair;
        let (Some(first), Some(last)) = (found.first(), found.last()) else {
            return Ok((queue, lost));
        };
        (queue.first, queue.files_end) = (first.base, last.base.saturating_add(file_size));
        let mut at = found[found.len().saturating_sub(3)].base;
        loop {
            let used = queue.used(at)?;
            if used == 0 && at > queue.first {
                at -= file_size; // files reserved but never reached
                continue;
            }
            let mut end = at + used;
            while end % file_size == 0 && end > at && end < queue.files_end {
                at = end;
                end += queue.used(at)?;
            }
            (queue.end, queue.flushed) = (end, end);
            break;
        }
        // the name of a file nobody has reached may not be durable yet
        queue.created = repair && queue.end + file_size <= queue.files_end;
        queue.min = Self::index(queue.first);
        queue.find_log_end();
        queue.reading.get_mut().take();
        Ok((queue, lost))
    }

    /// Bytes of valid entries at the front of a file.
    fn used(&self, base: u64) -> Result<u64, StoreError> {
        let path = segments::path_of(&self.dir, base);
        let table = Table::open(&*self.disk, &path, self.file_size).map_err(StoreError::io("map", &path))?;
        let mut positions = (0..self.file_size).step_by(E::LEN as usize);
        Ok(positions.find(|at| !is_entry(E::read(&table, *at))).unwrap_or(self.file_size))
    }

    fn find_log_end(&mut self) {
        let last = self.entry_at(Self::index(self.end) - 1).filter(|e| !e.is_filler());
        self.log_end = last.map_or(0, |e| record_end(&e));
    }

    /// Log offset behind the last record with an entry here; 0 without entries.
    pub(crate) fn log_end(&self) -> u64 {
        self.log_end
    }

    pub(crate) fn max(&self) -> i64 {
        Self::index(self.end)
    }

    fn file_of(&self, position: u64) -> u64 {
        position - position % self.file_size
    }

    /// Runs `f` on the mapping of the file that starts at `base`; `None` when it cannot be opened.
    fn with_file<R>(&self, base: u64, f: impl FnOnce(&Table) -> R) -> Option<R> {
        if let Some(open) = self.writing.borrow().as_ref().filter(|open| open.base == base) {
            return Some(f(&open.table));
        }
        if base < self.first || base >= self.files_end {
            return None;
        }
        let is_open = self.reading.borrow().as_ref().is_some_and(|open| open.base == base);
        if !is_open {
            let path = segments::path_of(&self.dir, base);
            let table = Table::open(&*self.disk, &path, self.file_size)
                .inspect_err(
                    |error| tracing::warn!(path = %path.display(), %error, "cannot map a queue file"),
                )
                .ok()?;
            *self.reading.try_borrow_mut().ok()? = Some(OpenFile { base, table });
        }
        self.reading.borrow().as_ref().map(|open| f(&open.table))
    }

    pub(crate) fn entry_at(&self, offset: i64) -> Option<E> {
        let position = Self::position(offset)?;
        if position < self.first || position >= self.end {
            return None;
        }
        self.with_file(self.file_of(position), |table| E::read(table, position % self.file_size))?
    }

    /// Where entries lie that a read from `offset` on visits, when it would have to wait for the device. The last
    /// [`HOT_ENTRIES`] are taken to be in memory.
    pub(crate) fn cold(&self, offset: i64, count: u64) -> Option<ColdRange> {
        let position = Self::position(offset)?;
        if position < self.first || position.saturating_add(HOT_ENTRIES * E::LEN) >= self.end {
            return None;
        }
        let base = self.file_of(position);
        let from = position - base;
        let to = from.saturating_add(count.saturating_mul(E::LEN)).min(self.file_size);
        let cold = self.with_file(base, |table| !table.is_resident(from, to - from))?;
        cold.then(|| ColdRange { path: segments::path_of(&self.dir, base), from, to })
    }

    /// Makes room for `count` entries behind the last one, so that [`Self::push`] cannot fail for them.
    pub(crate) fn reserve(&mut self, count: u32) -> io::Result<()> {
        let last = self.end + u64::from(count.max(1)) * E::LEN - 1;
        let mut base = self.file_of(self.end);
        if self.writing.get_mut().as_ref().is_none_or(|open| open.base != base) {
            let open = self.open_for_writing(base)?;
            self.retire();
            *self.writing.get_mut() = Some(open);
        }
        for ready in &self.spare {
            base = base.max(ready.base);
        }
        while base + self.file_size <= last {
            base += self.file_size;
            let open = self.open_for_writing(base)?;
            self.spare.push_back(open);
        }
        let (end, size) = (self.end, self.file_size);
        for open in self.writing.get_mut().iter_mut().chain(&mut self.spare) {
            let from = end.max(open.base) - open.base;
            let to = (last + 1).saturating_sub(open.base).min(size);
            let path = || segments::path_of(&self.dir, open.base);
            open.table.allocate(&*self.disk, path, from.min(to), to, AHEAD)?;
        }
        Ok(())
    }

    fn open_for_writing(&mut self, base: u64) -> io::Result<OpenFile> {
        if let Some(at) = self.spare.iter().position(|open| open.base == base)
            && let Some(open) = self.spare.remove(at)
        {
            return Ok(open);
        }
        let path = segments::path_of(&self.dir, base);
        let table = if base < self.files_end && base >= self.first {
            // one mapping per file, so that nothing is read through a second one
            self.reading.get_mut().take_if(|open| open.base == base);
            Table::open(&*self.disk, &path, self.file_size)?
        } else {
            let table = Table::create(&*self.disk, &path, self.file_size)?;
            if self.files_end <= self.first {
                self.first = base;
            }
            self.files_end = self.files_end.max(base + self.file_size);
            self.created = true;
            table
        };
        Ok(OpenFile { base, table })
    }

    /// Remembers what is not flushed of the file being written before it is replaced.
    fn retire(&mut self) {
        let (flushed, end) = (self.flushed, self.end);
        if let Some(open) = self.writing.get_mut().take() {
            let limit = open.base + self.file_size;
            if flushed < end.min(limit) {
                let from = flushed.max(open.base) - open.base;
                self.pending.push(open.table.dirty(from, end.min(limit) - open.base));
            }
            self.flushed = end;
        }
    }

    /// Appends an entry; false when its file cannot be opened, which [`Self::reserve`] rules out.
    pub(crate) fn push(&mut self, entry: E) -> bool {
        let base = self.file_of(self.end);
        if self.writing.get_mut().as_ref().is_none_or(|open| open.base != base) {
            let Ok(open) = self.open_for_writing(base).inspect_err(|error| {
                tracing::error!(dir = %self.dir.display(), %error, "cannot open the next queue file");
            }) else {
                return false;
            };
            self.retire();
            *self.writing.get_mut() = Some(open);
        }
        let at = self.end % self.file_size;
        let written = self.writing.get_mut().as_mut().is_some_and(|open| entry.write(&mut open.table, at));
        if written {
            self.end += E::LEN;
            if !entry.is_filler() {
                self.log_end = record_end(&entry);
            }
        }
        written
    }

    pub(crate) fn remove_all_files(&mut self) -> io::Result<()> {
        self.close_mappings();
        self.spare.clear();
        self.pending.clear();
        while self.files_end > self.first {
            remove_durably(&*self.disk, &segments::path_of(&self.dir, self.files_end - self.file_size))?;
            self.files_end -= self.file_size;
        }
        (self.end, self.flushed, self.log_end) = (self.first, self.first, 0);
        Ok(())
    }

    /// Takes over what is there from this offset on. A killed process may have left it in memory only, so it is flushed with
    /// what recovery itself has written, before the checkpoint speaks of it.
    pub(crate) fn adopt(&mut self, offset: i64) -> io::Result<()> {
        let Some(from) = Self::position(offset) else { return Ok(()) };
        let base = self.file_of(from);
        if self.adopted == Some(base) {
            return Ok(());
        }
        self.adopted = Some(base);
        self.created = true;
        let to = self.end.min(base + self.file_size) - base;
        // where the entry was just found; a mapping more for each of many queues would be too many
        let mut found = self.writing.get_mut().iter().chain(self.reading.get_mut().iter());
        let range = match found.find(|open| open.base == base) {
            Some(open) => open.table.dirty(from - base, to),
            None => {
                let path = segments::path_of(&self.dir, base);
                Table::open(&*self.disk, &path, self.file_size)?.dirty(from - base, to)
            }
        };
        self.pending.push(range);
        Ok(())
    }

    pub(crate) fn replace(&mut self, target: u64, entry: E) -> io::Result<()> {
        let base = self.file_of(target);
        self.reading.get_mut().take();
        let at = target - base;
        match self.writing.get_mut() {
            Some(open) if open.base == base => {
                entry.write(&mut open.table, at);
                self.flushed = self.flushed.min(target);
            }
            _ => {
                let mut table =
                    Table::open(&*self.disk, &segments::path_of(&self.dir, base), self.file_size)?;
                entry.write(&mut table, at);
                self.pending.push(table.dirty(at, at + E::LEN));
            }
        }
        if target + E::LEN == self.end {
            self.find_log_end();
        }
        Ok(())
    }

    /// First offset whose record starts at or behind `log_offset` (fillers count as before).
    pub(crate) fn first_from(&self, log_offset: u64) -> i64 {
        let (mut low, mut high) = (Self::index(self.first), Self::index(self.end));
        while low < high {
            let middle = low + (high - low) / 2;
            match self.entry_at(middle) {
                Some(entry) if !entry.is_filler() && entry.record().0 >= log_offset => high = middle,
                _ => low = middle + 1,
            }
        }
        low
    }

    /// Drops the entries of records at or behind `log_offset`.
    pub(crate) fn drop_from(&mut self, log_offset: u64) -> Result<(), StoreError> {
        if self.log_end > log_offset {
            let mut keep = self.first_from(log_offset);
            // holes in front of them, where a crash has taken entries of records that are gone as well
            while keep > Self::index(self.first) && !is_entry(self.entry_at(keep - 1)) {
                keep -= 1;
            }
            self.truncate(keep)?;
        }
        Ok(())
    }

    /// Drops the entries at and behind `offset`, with everything else that may lie there, durably.
    pub(crate) fn truncate(&mut self, offset: i64) -> Result<(), StoreError> {
        let end = Self::position(offset).unwrap_or(0).clamp(self.first, self.end);
        self.retire();
        self.reading.get_mut().take();
        self.spare.clear();
        (self.end, self.flushed) = (end, end);
        let keep = self.file_of(end);
        while self.files_end > self.first && self.files_end - self.file_size > keep {
            self.files_end -= self.file_size;
            let path = segments::path_of(&self.dir, self.files_end);
            remove_durably(&*self.disk, &path).map_err(StoreError::io("remove", &path))?;
        }
        if keep < self.files_end {
            let path = segments::path_of(&self.dir, keep);
            Table::open(&*self.disk, &path, self.file_size)
                .and_then(|mut table| table.wipe_from(&*self.disk, &path, end - keep))
                .map_err(StoreError::io("cut", &path))?;
        }
        self.min = self.min.min(Self::index(end));
        self.find_log_end();
        Ok(())
    }

    /// Drops what lies behind the last entry given to [`Self::put`], if any was, and what a crash may have left
    /// behind the end: entries there would count again as soon as others fill the hole in front of them.
    /// In a queue that was given none, nothing from byte `scanned_from` of the log on is true.
    pub(crate) fn drop_unverified(&mut self, scanned_from: u64) -> Result<(), StoreError> {
        if self.verified.is_none() {
            self.drop_from(scanned_from)?;
        }
        match self.verified.take() {
            Some(verified) if verified < self.max() => self.truncate(verified),
            _ if self.has_remains()? => self.truncate(self.max()),
            _ => Ok(()),
        }
    }

    /// Removes the files that were reserved but hold no entry, as an orderly end does: nothing has made them
    /// durable.
    pub(crate) fn drop_unused(&mut self) -> io::Result<()> {
        self.spare.clear();
        while self.files_end > self.first && self.files_end - self.file_size >= self.end {
            let base = self.files_end - self.file_size;
            self.writing.get_mut().take_if(|open| open.base == base);
            self.reading.get_mut().take_if(|open| open.base == base);
            remove_durably(&*self.disk, &segments::path_of(&self.dir, base))?;
            self.files_end = base;
        }
        Ok(())
    }

    /// Lets a queue without entries begin at 0 again: the name of an empty file is all that a crash has left of
    /// it. Not for queues that may have lost their front to retention before that.
    pub(crate) fn forget_if_empty(&mut self) -> io::Result<()> {
        if self.end == self.first && self.first > 0 {
            self.remove_all_files()?;
            (self.first, self.files_end, self.end, self.flushed, self.min) = (0, 0, 0, 0, 0);
        }
        Ok(())
    }

    /// Whether anything but zeros, or another file, lies behind the last entry.
    fn has_remains(&self) -> Result<bool, StoreError> {
        let base = self.file_of(self.end);
        if base >= self.files_end {
            return Ok(false);
        }
        if base + self.file_size < self.files_end {
            return Ok(true);
        }
        let path = segments::path_of(&self.dir, base);
        let look = || -> io::Result<bool> {
            let mut at = self.end - base;
            while let Some(data) = self.disk.next_data(&path, at)?.filter(|data| *data < self.file_size) {
                let from = data.max(at);
                let to = (from / 4096 * 4096 + 4096).min(self.file_size);
                if self.with_file(base, |table| table.is_zero(from, to)) != Some(true) {
                    return Ok(true);
                }
                at = to;
            }
            Ok(false)
        };
        look().map_err(StoreError::io("look into", &path))
    }

    /// Whether there is an entry of a record in front of `log_offset`, at either end of any file: what is left of
    /// files that were to be removed.
    pub(crate) fn has_before(&self, log_offset: u64) -> bool {
        let before = |offset| {
            self.entry_at(offset).is_some_and(|entry: E| !entry.is_filler() && entry.record().0 < log_offset)
        };
        let mut bases = (self.first..self.end).step_by(usize::try_from(self.file_size).unwrap_or(usize::MAX));
        bases.any(|base| {
            before(Self::index(base)) || before(Self::index(self.end.min(base + self.file_size)) - 1)
        })
    }

    /// Sets the first readable offset to the first entry whose record still exists.
    pub(crate) fn correct_min(&mut self, log_start: u64) {
        let first = Self::index(self.first);
        let whole = self.entry_at(first).is_some_and(|e| !e.is_filler() && e.record().0 >= log_start);
        self.min = if whole { first } else { self.first_from(log_start) };
    }

    /// Forgets the files whose records all lie in front of `log_start`, and says where they lie. A file goes only
    /// once the next one has an entry for a record below `durable`, the byte of the log up to which queue
    /// entries are on the device: else a crash could leave a queue that has forgotten how far it was.
    pub(crate) fn take_expired(&mut self, log_start: u64, durable: u64) -> Vec<PathBuf> {
        let mut gone = Vec::new();
        while self.first + self.file_size < self.files_end && self.first + self.file_size <= self.end {
            let last = self.entry_at(Self::index(self.first + self.file_size) - 1);
            // a filler leads nowhere, so it tells nothing; the file goes with a later one or stays
            let next = self.entry_at(Self::index(self.first + self.file_size));
            let kept = next.is_some_and(|e| !e.is_filler() && record_end(&e) <= durable);
            if !kept || !last.is_some_and(|entry| !entry.is_filler() && entry.record().0 < log_start) {
                break;
            }
            self.reading.get_mut().take();
            self.writing.get_mut().take_if(|open| open.base == self.first);
            gone.push(segments::path_of(&self.dir, self.first));
            self.first += self.file_size;
        }
        self.min = self.min.max(Self::index(self.first));
        gone
    }

    /// Bytes of all files.
    pub(crate) fn bytes_on_disk(&self) -> u64 {
        self.files_end.saturating_sub(self.first)
    }

    /// Closes the mappings recovery left open.
    pub(crate) fn close_mappings(&mut self) {
        self.retire();
        self.reading.get_mut().take();
    }

    /// Pages with unflushed entries. The name of a new file counts for one: a file that was reserved and never
    /// written to has to be there after an orderly end, or those behind it follow a gap.
    pub(crate) fn dirty_pages(&self) -> u64 {
        let pending: u64 = self.pending.iter().map(DirtyRange::pages).sum();
        let names = u64::from(self.created);
        names
            + pending
            + self.end.div_ceil(4096).saturating_sub(self.flushed / 4096).min(self.end - self.flushed)
    }

    /// Hands out what has to be flushed; it counts as flushed from now on (a failed flush is final).
    pub(crate) fn take_dirty(&mut self, ranges: &mut Vec<DirtyRange>, dirs: &mut Vec<PathBuf>) {
        ranges.append(&mut self.pending);
        let (flushed, end) = (self.flushed, self.end);
        if let Some(open) = self.writing.get_mut().as_ref().filter(|_| flushed < end) {
            ranges.push(open.table.dirty(flushed.saturating_sub(open.base), end - open.base));
        }
        self.flushed = end;
        if std::mem::take(&mut self.created) {
            dirs.push(self.dir.clone());
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Visits units from an index on, at most up to the end of its file. False when that cannot be read.
    pub(crate) fn visit_units(&self, from: i64, mut visit: impl FnMut(i64, E) -> ControlFlow<()>) -> bool {
        let Some(start) = Self::position(from) else { return false };
        let base = self.file_of(start);
        let end = self.end.min(base + self.file_size);
        let done = self.with_file(base, |table| {
            let positions = (start..end).step_by(E::LEN as usize);
            let _ = (from..).zip(positions).try_for_each(|(at, position)| {
                match E::read(table, position - base) {
                    Some(entry) => visit(at, entry),
                    None => ControlFlow::Break(()),
                }
            });
        });
        done.is_some()
    }

    /// First index of the file behind the one that holds an index.
    pub(crate) fn next_file_of(&self, offset: i64) -> i64 {
        let next = |at| Self::index(self.file_of(at).saturating_add(self.file_size));
        Self::position(offset).map_or(offset, next)
    }

    /// First and last index of units whose records exist; the second behind the last.
    pub(crate) fn readable(&self) -> (i64, i64) {
        (self.min, self.max())
    }

    /// Index of the first unit there is.
    pub(crate) fn first(&self) -> i64 {
        Self::index(self.first)
    }

    /// Marks what recovery has looked at.
    pub(crate) fn verified_until(&mut self, index: i64) {
        self.verified = Some(index);
    }

    /// Whether files may be missing since a crash.
    pub(crate) fn repairs(&self) -> bool {
        self.repair
    }

    fn index(position: u64) -> i64 {
        i64::try_from(position / E::LEN).unwrap_or(i64::MAX)
    }

    pub(crate) fn position(offset: i64) -> Option<u64> {
        u64::try_from(offset).ok()?.checked_mul(E::LEN)
    }
}

impl ConsumeQueue {
    /// Puts an entry where recovery found it to belong: appends it, replaces a different one, or leaves an
    /// equal one alone. Offsets skipped over are filled with entries that lead nowhere.
    pub(crate) fn put(&mut self, offset: i64, entry: QueueEntry) -> io::Result<()> {
        let Some(target) = Self::position(offset) else { return Ok(()) };
        self.verified = Some(offset + 1);
        let failed = || io::Error::other("a queue file cannot be written");
        if target < self.end && target >= self.first {
            return if self.entry_at(offset) == Some(entry) {
                self.adopt(offset)
            } else {
                self.replace(target, entry)
            };
        }
        if self.end == self.first && target > self.end && self.files_end > self.first {
            // emptied with its log, which goes on elsewhere: what is between was never here
            self.remove_all_files()?;
        }
        if self.files_end <= self.first {
            // the queue starts here: fill the first file up to the entry
            self.end = self.file_of(target);
            self.flushed = self.end;
            (self.first, self.files_end, self.min) = (self.end, self.end, offset);
        }
        if target < self.first {
            if !self.repair {
                return Ok(());
            }
            // a crash has taken the first files; what the others hold comes later in the log and is put again
            self.remove_all_files()?;
            return self.put(offset, entry);
        }
        while self.end < target {
            self.reserve(1)?;
            if !self.push(FILLER) {
                return Err(failed());
            }
        }
        self.reserve(1)?;
        if self.push(entry) { Ok(()) } else { Err(failed()) }
    }
}

impl QueueSource for ConsumeQueue {
    fn bounds(&self) -> QueueBounds {
        QueueBounds { min: self.min, max: Self::index(self.end) }
    }

    fn entry(&self, offset: i64) -> Option<QueueEntry> {
        if offset < self.min { None } else { self.entry_at(offset) }
    }

    fn visit(&self, offset: i64, visit: impl FnMut(i64, QueueEntry) -> ControlFlow<()>) -> bool {
        self.visit_units(offset, visit)
    }

    fn next_file(&self, offset: i64) -> i64 {
        self.next_file_of(offset)
    }
}

/// Log offset behind the record of an entry.
fn record_end(entry: &impl Unit) -> u64 {
    let (offset, size) = entry.record();
    offset.saturating_add(size.into())
}

/// What counts as an entry when the end is looked for: a possible offset and a positive size.
fn is_entry<E: Unit>(entry: Option<E>) -> bool {
    entry.is_some_and(|e| {
        let (offset, size) = e.record();
        i64::try_from(offset).is_ok() && (1..=i32::MAX as u32).contains(&size)
    })
}

#[cfg(test)]
mod tests;
