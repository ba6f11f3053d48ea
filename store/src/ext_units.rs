//! Extension units of a consume queue: `size(2) tags code(8) store time(8) bitmap size(2) bitmap`, one after the
//! other in `consumequeue_ext/<topic>/<queueId>/` (`spec/store.md` section 4, `ConsumeQueueExt`).
//!
//! An entry with a unit has the unit's address in the place of its tags code. A file ends in `-1` (2 bytes) where
//! a unit and 4 bytes more do not fit. Nothing here says where the last unit ends: the entries do, so the files
//! are brought into agreement with them ([`ExtUnits::settle`]) before anything is written.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use sansmq_core::store::pull::ext_position;

use crate::disk::{DiskRef, remove_durably};
use crate::error::StoreError;
use crate::file_store::ColdRange;
use crate::mapped::{DirtyRange, Table};
use crate::segments;

/// The directory below the store's root.
pub(crate) const EXT_DIR: &str = "consumequeue_ext";
/// Bytes of a unit without a bitmap.
pub(crate) const UNIT_LEN: u64 = 20;
/// Bytes kept free for the mark at the end of a file.
const END_LEN: u64 = 4;
/// Largest position, so that addresses stay below every tags code of 32 bits.
const MAX_POSITION: u64 = (1 << 63) - (1 << 31) - 1;
/// Space is taken this many bytes ahead of the units.
const AHEAD: u64 = 64 * 1024;

/// What a unit says, without its bitmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExtUnit {
    /// Bytes with the bitmap.
    pub size: u64,
    pub tags_code: i64,
    /// Milliseconds since the Unix epoch.
    pub store_time: i64,
}

#[derive(Debug)]
struct OpenFile {
    base: u64,
    table: Table,
}

#[derive(Debug)]
pub(crate) struct ExtUnits {
    disk: DiskRef,
    dir: PathBuf,
    file_size: u64,
    /// Byte positions of the first file, and behind the last one.
    first: u64,
    files_end: u64,
    /// Behind the last unit; true once settled.
    end: u64,
    settled: bool,
    writing: Option<OpenFile>,
    reading: RefCell<Option<OpenFile>>,
    /// Files opened ahead.
    spare: VecDeque<OpenFile>,
    /// Position from which the file being written is not flushed yet.
    flushed: u64,
    /// Unflushed parts of files that are full.
    pending: Vec<DirtyRange>,
    /// A file was created since the last flush.
    created: bool,
    /// The file whose units recovery takes over.
    adopted: Option<u64>,
}

impl ExtUnits {
    pub(crate) fn new(disk: DiskRef, dir: PathBuf, file_size: u64) -> Self {
        ExtUnits {
            disk,
            dir,
            file_size,
            first: 0,
            files_end: 0,
            end: 0,
            settled: false,
            writing: None,
            spare: VecDeque::new(),
            reading: RefCell::new(None),
            flushed: 0,
            pending: Vec::new(),
            created: false,
            adopted: None,
        }
    }

    /// Opens what is in `dir`; `repair` and the second result as for the entries.
    pub(crate) fn load(
        disk: DiskRef,
        dir: PathBuf,
        file_size: u64,
        repair: bool,
    ) -> Result<(Self, bool), StoreError> {
        let lost = segments::remove_stragglers(&*disk, &dir, repair)?;
        let found = segments::list(&*disk, [dir.as_path()], file_size)?;
        let mut units = ExtUnits::new(disk, dir, file_size);
        if let (Some(first), Some(last)) = (found.first(), found.last()) {
            (units.first, units.files_end) = (first.base, last.base.saturating_add(file_size));
            units.created = repair;
        }
        Ok((units, lost))
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.settled
    }

    /// Entries have been dropped: their units are in the way of what comes.
    pub(crate) fn unsettle(&mut self) {
        self.settled = false;
    }

    pub(crate) fn has_files(&self) -> bool {
        self.first < self.files_end
    }

    fn file_of(&self, position: u64) -> u64 {
        position - position % self.file_size
    }

    fn with_file<R>(&self, base: u64, f: impl FnOnce(&Table) -> R) -> Option<R> {
        if let Some(open) = self.writing.iter().chain(&self.spare).find(|open| open.base == base) {
            return Some(f(&open.table));
        }
        if base < self.first || base >= self.files_end {
            return None;
        }
        if self.reading.borrow().as_ref().is_none_or(|open| open.base != base) {
            let path = segments::path_of(&self.dir, base);
            let table = Table::open(&*self.disk, &path, self.file_size)
                .inspect_err(
                    |error| tracing::warn!(path = %path.display(), %error, "cannot map extension units"),
                )
                .ok()?;
            *self.reading.borrow_mut() = Some(OpenFile { base, table });
        }
        self.reading.borrow().as_ref().map(|open| f(&open.table))
    }

    /// The unit at an address; `None` when there is none, or it cannot be read.
    pub(crate) fn unit(&self, address: i64) -> Option<ExtUnit> {
        let position = ext_position(address)?;
        let at = position % self.file_size;
        self.with_file(self.file_of(position), |table| {
            let size = u64::try_from(i16::from_be_bytes(table.get(at)?)).ok()?;
            let bitmap = u64::try_from(i16::from_be_bytes(table.get(at + 18)?)).ok()?;
            (size == UNIT_LEN + bitmap && at + size <= self.file_size).then_some(())?;
            Some(ExtUnit {
                size,
                tags_code: i64::from_be_bytes(table.get(at + 2)?),
                store_time: i64::from_be_bytes(table.get(at + 10)?),
            })
        })?
    }

    /// Appends a unit and gives its address; `None` when it has no place, which costs nothing but the unit: the
    /// entry then has the tags code itself.
    pub(crate) fn push(&mut self, tags_code: i64, store_time: i64) -> Option<i64> {
        self.try_push(tags_code, store_time)
            .inspect_err(
                |error| tracing::warn!(dir = %self.dir.display(), %error, "no room for an extension unit"),
            )
            .ok()
    }

    /// Makes room for `count` units, so that [`Self::push`] does nothing to the disk but write memory. What cannot
    /// be had is left out.
    pub(crate) fn reserve(&mut self, count: u32) {
        let mut end = self.end;
        for _ in 0..count {
            let position = self.place(end);
            if position.saturating_add(UNIT_LEN) > MAX_POSITION {
                break;
            }
            // the file that ends is written to as well
            let full = if position == end { Ok(()) } else { self.prepare(end) };
            if let Err(error) = full.and_then(|()| self.prepare(position)) {
                tracing::warn!(dir = %self.dir.display(), %error, "no room for extension units");
                break;
            }
            end = position + UNIT_LEN;
        }
    }

    /// Where a unit goes when the one before it ends here.
    fn place(&self, end: u64) -> u64 {
        let used = end % self.file_size;
        if used + UNIT_LEN + END_LEN > self.file_size { end - used + self.file_size } else { end }
    }

    /// Opens the file a unit will be in, and takes the space.
    fn prepare(&mut self, position: u64) -> std::io::Result<()> {
        let (base, at) = (self.file_of(position), position % self.file_size);
        let path = || segments::path_of(&self.dir, base);
        if !self.writing.iter().chain(&self.spare).any(|open| open.base == base) {
            let table = if base < self.files_end {
                self.reading.get_mut().take_if(|open| open.base == base);
                Table::open(&*self.disk, &path(), self.file_size)?
            } else {
                let table = Table::create(&*self.disk, &path(), self.file_size)?;
                if !self.has_files() {
                    self.first = base;
                }
                self.files_end = base + self.file_size;
                self.created = true;
                table
            };
            self.spare.push_back(OpenFile { base, table });
        }
        match self.writing.iter_mut().chain(&mut self.spare).find(|open| open.base == base) {
            Some(open) => open.table.allocate(&*self.disk, path, at, at + UNIT_LEN + END_LEN, AHEAD),
            None => Ok(()),
        }
    }

    fn try_push(&mut self, tags_code: i64, store_time: i64) -> std::io::Result<i64> {
        let position = self.place(self.end);
        if position.saturating_add(UNIT_LEN) > MAX_POSITION {
            return Err(std::io::Error::other("the last address is taken"));
        }
        self.prepare(position)?;
        if position != self.end {
            let used = self.end % self.file_size;
            self.write_to(self.end)?;
            if let Some(open) = &mut self.writing {
                open.table.put(used, &(-1i16).to_be_bytes());
            }
            self.end = position;
        }
        self.write_to(position)?;
        let at = position % self.file_size;
        let mut out = [0; UNIT_LEN as usize];
        out[..2].copy_from_slice(&(UNIT_LEN as i16).to_be_bytes());
        out[2..10].copy_from_slice(&tags_code.to_be_bytes());
        out[10..18].copy_from_slice(&store_time.to_be_bytes());
        if !self.writing.as_mut().is_some_and(|open| open.table.put(at, &out)) {
            return Err(std::io::ErrorKind::NotFound.into());
        }
        self.end = position + UNIT_LEN;
        i64::try_from(position).map(|position| position.wrapping_add(i64::MIN)).map_err(std::io::Error::other)
    }

    /// Takes over the units from this address on, as for the entries: they are flushed again.
    pub(crate) fn adopt(&mut self, address: i64) -> std::io::Result<()> {
        let Some(from) = ext_position(address) else { return Ok(()) };
        let base = self.file_of(from);
        if self.adopted == Some(base) {
            return Ok(());
        }
        self.adopted = Some(base);
        self.created = true;
        let path = segments::path_of(&self.dir, base);
        let mut found = self.writing.iter().chain(&self.spare).chain(self.reading.get_mut().iter());
        let range = match found.find(|open| open.base == base) {
            Some(open) => open.table.dirty(from - base, self.file_size),
            None => Table::open(&*self.disk, &path, self.file_size)?.dirty(from - base, self.file_size),
        };
        self.pending.push(range);
        Ok(())
    }

    /// Makes the file that holds a position the one being written.
    fn write_to(&mut self, position: u64) -> std::io::Result<()> {
        let base = self.file_of(position);
        if self.writing.as_ref().is_none_or(|open| open.base != base) {
            self.prepare(position)?;
            self.retire();
            let there = self.spare.iter().position(|open| open.base == base);
            self.writing = there.and_then(|at| self.spare.remove(at));
        }
        Ok(())
    }

    /// Remembers what is not flushed of the file being written before it is closed.
    fn retire(&mut self) {
        if let Some(open) = self.writing.take()
            && self.flushed < self.end
        {
            let from = self.flushed.max(open.base) - open.base;
            self.pending.push(open.table.dirty(from, self.end - open.base));
            self.flushed = self.end;
        }
    }

    /// Makes the files end where `last`, the address in the newest entry that has one, says. Without any, or
    /// when its unit is not there, the units left have no meaning; the next ones then get addresses that no
    /// entry knows.
    pub(crate) fn settle(&mut self, last: Option<i64>) -> Result<(), StoreError> {
        let position = last.and_then(ext_position);
        match position.zip(last.and_then(|last| self.unit(last))) {
            Some((position, unit)) => self.cut(position + unit.size)?,
            None => {
                let known =
                    position.map_or(0, |position| self.file_of(position).saturating_add(self.file_size));
                if last.is_some() {
                    tracing::warn!(dir = %self.dir.display(), "entries name extension units that are not there");
                }
                self.remove_all(known)?;
            }
        }
        self.settled = true;
        Ok(())
    }

    fn remove_all(&mut self, next: u64) -> Result<(), StoreError> {
        self.writing = None;
        self.spare.clear();
        self.reading.get_mut().take();
        self.pending.clear();
        if self.disk.entry(&self.dir).map_err(StoreError::io("look at", &self.dir))?.is_some() {
            for (path, _) in segments::regular_files(&*self.disk, &self.dir)?.into_iter().rev() {
                remove_durably(&*self.disk, &path).map_err(StoreError::io("remove", &path))?;
            }
        }
        (self.first, self.files_end, self.end, self.flushed) = (next, next, next, next);
        Ok(())
    }

    fn cut(&mut self, end: u64) -> Result<(), StoreError> {
        if self.settled && self.end == end {
            return Ok(());
        }
        self.retire();
        self.spare.clear();
        self.reading.get_mut().take();
        (self.end, self.flushed) = (end, end);
        let keep = self.file_of(end - 1);
        while self.files_end - self.file_size > keep {
            let path = segments::path_of(&self.dir, self.files_end - self.file_size);
            remove_durably(&*self.disk, &path).map_err(StoreError::io("remove", &path))?;
            self.files_end -= self.file_size;
        }
        let path = segments::path_of(&self.dir, keep);
        let clean = || -> std::io::Result<()> {
            let mut table = Table::open(&*self.disk, &path, self.file_size)?;
            let mut at = end - keep;
            while let Some(data) = self.disk.next_data(&path, at)?.filter(|data| *data < self.file_size) {
                let from = data.max(at);
                let to = (from / 4096 * 4096 + 4096).min(self.file_size);
                if !table.is_zero(from, to) {
                    return table.wipe_from(&*self.disk, &path, end - keep);
                }
                at = to;
            }
            Ok(())
        };
        clean().map_err(StoreError::io("cut", &path))
    }

    /// Removes the files that were reserved but hold no unit, as an orderly end does. Where the last unit is may not
    /// be known; then they stay, and the next start removes them.
    pub(crate) fn drop_unused(&mut self) -> std::io::Result<()> {
        self.spare.clear();
        while self.settled && self.has_files() && self.files_end - self.file_size >= self.end {
            let base = self.files_end - self.file_size;
            self.writing.take_if(|open| open.base == base);
            self.reading.get_mut().take_if(|open| open.base == base);
            remove_durably(&*self.disk, &segments::path_of(&self.dir, base))?;
            self.files_end = base;
        }
        Ok(())
    }

    /// Forgets the files in front of the one with the unit at `first`, an address still in use.
    pub(crate) fn take_expired(&mut self, first: i64) -> Vec<PathBuf> {
        let mut gone = Vec::new();
        let Some(position) = ext_position(first).filter(|position| *position < self.files_end) else {
            return gone;
        };
        while self.first + self.file_size <= position {
            self.reading.get_mut().take();
            self.writing.take_if(|open| open.base == self.first);
            self.spare.retain(|open| open.base != self.first);
            gone.push(segments::path_of(&self.dir, self.first));
            self.first += self.file_size;
        }
        gone
    }

    /// Where units from an address on lie that a read would have to wait for.
    pub(crate) fn cold(&self, address: i64, count: u64) -> Option<ColdRange> {
        let position = ext_position(address)?;
        let base = self.file_of(position);
        let from = position - base;
        let to = from.saturating_add(count.saturating_mul(UNIT_LEN)).min(self.file_size);
        let cold = self.with_file(base, |table| !table.is_resident(from, to - from))?;
        cold.then(|| ColdRange { path: segments::path_of(&self.dir, base), from, to })
    }

    pub(crate) fn bytes_on_disk(&self) -> u64 {
        self.files_end - self.first
    }

    pub(crate) fn close_mappings(&mut self) {
        self.retire();
        self.reading.get_mut().take();
    }

    /// As for the entries: the name of a new file counts for a page.
    pub(crate) fn dirty_pages(&self) -> u64 {
        let pending: u64 = self.pending.iter().map(DirtyRange::pages).sum();
        let names = u64::from(self.created);
        names
            + pending
            + self.end.div_ceil(4096).saturating_sub(self.flushed / 4096).min(self.end - self.flushed)
    }

    pub(crate) fn take_dirty(&mut self, ranges: &mut Vec<DirtyRange>, dirs: &mut Vec<PathBuf>) {
        ranges.append(&mut self.pending);
        if let Some(open) = self.writing.as_ref().filter(|_| self.flushed < self.end) {
            ranges.push(open.table.dirty(self.flushed.saturating_sub(open.base), self.end - open.base));
        }
        self.flushed = self.end;
        if std::mem::take(&mut self.created) {
            dirs.push(self.dir.clone());
        }
    }
}

#[cfg(test)]
mod tests;
