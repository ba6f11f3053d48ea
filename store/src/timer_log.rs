//! The files of the timer: `timerlog/` with 52-byte entries in segments, and the sparse `timerwheel`
//! (`spec/store.md` section 11).
//!
//! Both are created by the first timer message. The log is the truth; the wheel is written for the reference,
//! which reads it. Nothing here follows it; after a crash or a cut, which may leave slots that point behind the
//! log's end, it is compared with what the log says and put right.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use sansmq_core::timer::{BLANK_LEN, ENTRY_LEN, Item, SLOT_LEN, TimerEntry, blank};

use crate::disk::{DiskRef, remove_durably};
use crate::error::StoreError;
use crate::mapped::{DirtyRange, Table};
use crate::segments;

const ENTRY: u64 = ENTRY_LEN as u64;
const BLANK: u64 = BLANK_LEN as u64;
const PAGE: u64 = 4096;
/// Space taken ahead of the entries.
const AHEAD: u64 = 16 * PAGE;

/// A flush of both files, to be run as a job.
#[derive(Debug)]
pub(crate) struct TimerFlush {
    pub ranges: Vec<DirtyRange>,
    pub dirs: Vec<PathBuf>,
    pub end: u64,
}

#[derive(Debug)]
pub(crate) struct TimerLog {
    disk: DiskRef,
    root: PathBuf,
    dir: PathBuf,
    file_size: u64,
    wheel_len: u64,
    files: BTreeMap<u64, Table>,
    end: u64,
    durable: u64,
    /// Position up to which a flush was asked for.
    wanted: u64,
    /// Up to where the flush under way makes true what the files say: no further than they were cut since.
    in_flight: Option<u64>,
    /// Files were created since the last flush.
    created: bool,
    wheel: Option<Table>,
    /// The wheel may say what the log does not.
    doubtful: bool,
    /// Pages of the wheel that have space.
    taken: BTreeSet<u64>,
    /// First and last page of the wheel changed since the last flush.
    changed: Option<(u64, u64)>,
}

impl TimerLog {
    /// Opens what is there and cuts off what is no entry behind the last one. Files that a crash (`crashed`) left
    /// behind a gap were never flushed; their messages are read again from the timer topic.
    pub(crate) fn load(
        disk: &DiskRef,
        root: &Path,
        (file_size, wheel_len): (u64, u64),
        crashed: bool,
    ) -> Result<Self, StoreError> {
        let dir = root.join("timerlog");
        let wheel_path = root.join("timerwheel");
        let found = disk.entry(&wheel_path).map_err(StoreError::io("look at", &wheel_path))?;
        if let Some(found) = found.as_ref().filter(|found| found.len != wheel_len) {
            let path = wheel_path.display();
            tracing::warn!(%path, len = found.len, wheel_len, "the timer wheel has another length; it is mended");
        }
        segments::remove_stragglers(&**disk, &dir, crashed)?;
        let mut log = TimerLog {
            disk: disk.clone(),
            root: root.to_path_buf(),
            file_size,
            wheel_len,
            files: BTreeMap::new(),
            end: 0,
            durable: 0,
            wanted: 0,
            in_flight: None,
            created: false,
            wheel: None,
            doubtful: crashed || found.is_none_or(|found| found.len != wheel_len),
            taken: BTreeSet::new(),
            changed: None,
            dir,
        };
        for file in segments::list(&**disk, [log.dir.as_path()], file_size)? {
            let table =
                Table::open(&**disk, &file.path, file_size).map_err(StoreError::io("map", &file.path))?;
            log.files.insert(file.base, table);
        }
        log.end = log.scan();
        Ok(log)
    }

    /// Position behind the last entry that can be reached from the first file.
    fn scan(&self) -> u64 {
        let mut position = self.min();
        while let Some(table) = self.files.get(&self.base_of(position)) {
            match item_at(table, position - self.base_of(position), self.file_size) {
                Item::Entry(_) => position += ENTRY,
                Item::Blank => position = self.base_of(position) + self.file_size,
                Item::Nothing => break,
            }
        }
        position
    }

    /// Wipes what lies behind the last entry, and makes the rest durable.
    pub(crate) fn recover(&mut self) -> Result<(), StoreError> {
        let dir = self.dir.clone();
        self.cut(self.end).map_err(StoreError::io("cut", &dir))?;
        let mut whole = self.files.values().map(|table| table.dirty(0, self.file_size));
        whole.try_for_each(|range| range.sync()).map_err(StoreError::io("flush", &dir))?;
        if !self.files.is_empty() {
            // their names as well: a process that was killed may have created them
            let mut dirs = [&dir, &self.root].into_iter();
            dirs.try_for_each(|dir| self.disk.sync_dir(dir)).map_err(StoreError::io("flush", &dir))?;
        }
        self.durable = self.end;
        Ok(())
    }

    fn base_of(&self, position: u64) -> u64 {
        position / self.file_size * self.file_size
    }

    pub(crate) fn min(&self) -> u64 {
        self.files.keys().next().copied().unwrap_or(self.end)
    }

    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    pub(crate) fn durable(&self) -> u64 {
        self.durable
    }

    pub(crate) fn want_flush(&mut self) {
        self.wanted = self.end;
    }

    /// Makes room for an entry and for a slot at this byte of the wheel; nothing visible changes but filler.
    pub(crate) fn reserve(&mut self, slot_at: u64) -> Result<(), StoreError> {
        self.reserve_slot(slot_at)?;
        let at = self.end - self.base_of(self.end);
        if at + ENTRY + BLANK > self.file_size {
            self.fill_up(at);
        }
        let base = self.base_of(self.end);
        let path = || segments::path_of(&self.dir, base);
        if !self.files.contains_key(&base) {
            let path = path();
            let table = Table::create(&*self.disk, &path, self.file_size);
            self.files.insert(base, table.map_err(StoreError::io("create", &path))?);
            self.created = true;
        }
        let Some(table) = self.files.get_mut(&base) else { return Ok(()) };
        let at = self.end - base;
        // the filler behind the entry has its space, too
        let taken = table.allocate(&*self.disk, path, at, at + ENTRY + BLANK, AHEAD);
        taken.map_err(|error| StoreError::io("take space in", &path())(error))
    }

    fn reserve_slot(&mut self, slot_at: u64) -> Result<(), StoreError> {
        let page = slot_at / PAGE;
        let path = self.root.join("timerwheel");
        if self.wheel.is_none() {
            let table = Table::create(&*self.disk, &path, self.wheel_len);
            self.wheel = Some(table.map_err(StoreError::io("create", &path))?);
            self.created = true;
        }
        if !self.taken.contains(&page) {
            let taken = self.disk.allocate(&path, page * PAGE, (page + 1) * PAGE);
            taken.map_err(StoreError::io("take space in", &path))?;
            self.taken.insert(page);
        }
        Ok(())
    }

    /// Whether the wheel may say what the log does not.
    pub(crate) fn doubts_wheel(&self) -> bool {
        self.doubtful
    }

    /// Makes the wheel say what `slots` say. Each slot goes from what it was to what
    /// it has to be, so that a crash in between leaves it no worse.
    pub(crate) fn repair_wheel(&mut self, slots: &BTreeMap<u64, [u8; SLOT_LEN]>) -> Result<(), StoreError> {
        let path = self.root.join("timerwheel");
        let mut wrong: BTreeMap<u64, [u8; SLOT_LEN]> = slots.clone();
        if self.disk.entry(&path).map_err(StoreError::io("look at", &path))?.is_some() {
            self.reserve_slot(slots.keys().next().copied().unwrap_or(0))?;
            let mut at = 0;
            while let Some(data) =
                self.disk.next_data(&path, at).map_err(StoreError::io("look into", &path))?
                && let Some(wheel) = self.wheel.as_ref().filter(|_| data < self.wheel_len)
            {
                let page = data.max(at) / PAGE * PAGE;
                for slot_at in (page..page + PAGE).step_by(SLOT_LEN) {
                    let right = slots.get(&slot_at).copied().unwrap_or([0; SLOT_LEN]);
                    match wheel.get(slot_at) {
                        Some(found) if found != right => _ = wrong.insert(slot_at, right),
                        _ => _ = wrong.remove(&slot_at),
                    }
                }
                // what is right may be in memory only: a process that was killed has written it
                self.note_changed(page / PAGE);
                at = page + PAGE;
            }
        }
        for (slot_at, slot) in wrong {
            self.reserve_slot(slot_at)?;
            self.put_slot(slot_at, &slot);
        }
        self.doubtful = false;
        Ok(())
    }

    fn note_changed(&mut self, page: u64) {
        let (first, last) = self.changed.unwrap_or((page, page));
        self.changed = Some((first.min(page), last.max(page)));
    }

    /// Ends the file being written with filler.
    fn fill_up(&mut self, at: u64) {
        let base = self.base_of(self.end);
        let remaining = self.file_size - at;
        if let Some(table) = self.files.get_mut(&base) {
            table.put(at, &blank(u32::try_from(remaining).unwrap_or(u32::MAX)));
        }
        self.end = base + self.file_size;
    }

    /// Writes an entry into reserved room; its position.
    pub(crate) fn push(&mut self, entry: &TimerEntry) -> Option<u64> {
        let (position, base) = (self.end, self.base_of(self.end));
        let written = self.files.get_mut(&base)?.put(position - base, &entry.encode());
        written.then(|| {
            self.end += ENTRY;
            position
        })
    }

    pub(crate) fn put_slot(&mut self, at: u64, slot: &[u8; SLOT_LEN]) {
        if let Some(wheel) = &mut self.wheel {
            wheel.put(at, slot);
            let page = at / PAGE;
            self.note_changed(page);
        }
    }

    /// The first entry at or behind a position.
    pub(crate) fn entry(&self, position: u64) -> Option<(u64, TimerEntry)> {
        let mut position = position.max(self.min());
        while position < self.end {
            let base = self.base_of(position);
            match item_at(self.files.get(&base)?, position - base, self.file_size) {
                Item::Entry(entry) => return Some((position, entry)),
                Item::Blank => position = base + self.file_size,
                Item::Nothing => return None,
            }
        }
        None
    }

    /// Forgets everything from a position on, on the device too.
    pub(crate) fn cut(&mut self, position: u64) -> io::Result<()> {
        self.doubtful |= position < self.end;
        self.end = position.clamp(self.min(), self.end);
        self.durable = self.durable.min(self.end);
        self.wanted = self.wanted.min(self.end);
        self.in_flight = self.in_flight.map(|end| end.min(self.end));
        let base = self.base_of(self.end);
        for gone in self.files.split_off(&(base + 1)).into_keys().rev() {
            remove_durably(&*self.disk, &segments::path_of(&self.dir, gone))?;
        }
        match self.files.get_mut(&base) {
            Some(table) => table.wipe_from(&*self.disk, &segments::path_of(&self.dir, base), self.end - base),
            None => Ok(()),
        }
    }

    /// The flush that is wanted, if none is under way.
    pub(crate) fn flush(&mut self) -> Option<TimerFlush> {
        if self.in_flight.is_some() || self.wanted <= self.durable {
            return None;
        }
        Some(self.take_dirty())
    }

    pub(crate) fn take_dirty(&mut self) -> TimerFlush {
        let from = self.base_of(self.durable);
        let mut ranges: Vec<DirtyRange> = self
            .files
            .range(from..)
            .map(|(base, table)| {
                table.dirty(self.durable.saturating_sub(*base), self.end.saturating_sub(*base))
            })
            .collect();
        // the log first: the wheel may lack entries, but never have more
        if let (Some((first, last)), Some(wheel)) = (self.changed.take(), &self.wheel) {
            ranges.push(wheel.dirty(first * PAGE, (last + 1) * PAGE));
        }
        self.in_flight = Some(self.end);
        let created = std::mem::take(&mut self.created);
        let dirs = if created { vec![self.dir.clone(), self.root.clone()] } else { Vec::new() };
        TimerFlush { ranges, dirs, end: self.end }
    }

    pub(crate) fn flushed(&mut self, end: u64) {
        let end = self.in_flight.take().map_or(end, |kept| kept.min(end));
        self.durable = self.durable.max(end.min(self.end));
    }

    /// Takes files out whose messages are all gone from the message log; the last one stays, since it is all that
    /// tells a start where the log ends.
    pub(crate) fn take_expired(&mut self, log_start: u64) -> Vec<PathBuf> {
        let last_at = (self.file_size - ENTRY - BLANK) / ENTRY * ENTRY;
        let mut expired = Vec::new();
        while let Some((base, table)) = self.files.first_key_value().filter(|_| self.files.len() > 1) {
            let base = *base;
            let full = base + self.file_size <= self.end && base + self.file_size <= self.durable;
            let last = match item_at(table, last_at, self.file_size) {
                Item::Entry(entry) => u64::try_from(entry.offset).ok(),
                _ => None,
            };
            if !full || last.is_none_or(|offset| offset >= log_start) {
                break;
            }
            self.files.remove(&base);
            expired.push(segments::path_of(&self.dir, base));
        }
        expired
    }
}

/// What a file says at a byte; its last bytes may be too few for an entry.
fn item_at(table: &Table, at: u64, file_size: u64) -> Item {
    if at + ENTRY <= file_size
        && let Some(bytes) = table.get::<ENTRY_LEN>(at)
    {
        return Item::decode(&bytes);
    }
    table.get::<BLANK_LEN>(at).map_or(Item::Nothing, |bytes| Item::decode(&bytes))
}

#[cfg(test)]
mod tests;
