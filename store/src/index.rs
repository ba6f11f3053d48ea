//! The key index: hash files of slots and chained entries (`spec/store.md` section 5).
//!
//! File: header of 40 bytes `beginTime(8) endTime(8) beginOffset(8) endOffset(8) usedSlots(4) count(4)`, then
//! `slots` int32 naming the newest entry of each chain, then entries of 20 bytes
//! `keyHash(4) logOffset(8) secondsSinceBegin(4) previousEntry(4)`. Entry 0 is never used, `count` starts at 1.

use std::collections::VecDeque;
use std::path::PathBuf;

use crate::disk::{DiskRef, remove_durably};
use crate::error::StoreError;
use crate::file_store::ColdRange;
use crate::mapped::{DirtyRange, Table};
use crate::segments;

const HEADER: u64 = 40;
const ENTRY: u64 = 20;
/// Space is taken this many bytes ahead of the entries.
const AHEAD: u64 = 1 << 20;

/// Header of a file; times in milliseconds since the Unix epoch, offsets in bytes of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Header {
    begin_time: i64,
    end_time: i64,
    begin_offset: i64,
    end_offset: i64,
    used_slots: i32,
    count: i32,
}

impl Header {
    fn read(table: &Table) -> Self {
        let long = |at| i64::from_be_bytes(table.get(at).unwrap_or_default());
        let int = |at| i32::from_be_bytes(table.get(at).unwrap_or_default());
        Header {
            begin_time: long(0),
            end_time: long(8),
            begin_offset: long(16),
            end_offset: long(24),
            used_slots: int(32),
            count: int(36).max(1),
        }
    }

    fn write(&self, table: &mut Table) {
        let mut out = [0; HEADER as usize];
        let longs = [self.begin_time, self.end_time, self.begin_offset, self.end_offset];
        for (chunk, value) in out.chunks_exact_mut(8).zip(longs) {
            chunk.copy_from_slice(&value.to_be_bytes());
        }
        out[32..36].copy_from_slice(&self.used_slots.to_be_bytes());
        out[36..].copy_from_slice(&self.count.to_be_bytes());
        table.put(0, &out);
    }
}

#[derive(Debug)]
struct IndexFile {
    path: PathBuf,
    /// The 17 digits of the name.
    name: u64,
    table: Table,
    header: Header,
}

impl IndexFile {
    fn state(&self, entries: u32) -> FileState {
        FileState {
            name: self.name,
            end_time: self.header.end_time,
            begin_time: self.header.begin_time,
            end_offset: u64::try_from(self.header.end_offset).unwrap_or(0),
            full: i64::from(self.header.count) >= i64::from(entries),
        }
    }
}

/// What a query found, before the records are looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Log offsets, ascending, each once.
    pub offsets: Vec<u64>,
    pub last_time: i64,
    pub last_offset: i64,
}

/// What decides whether a file can be trusted after a crash.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileState {
    /// The name as a number.
    pub name: u64,
    /// Milliseconds since the Unix epoch.
    pub end_time: i64,
    /// Store time of the first record entered.
    pub begin_time: i64,
    /// Log offset of the last record entered.
    pub end_offset: u64,
    pub full: bool,
}

impl FileState {
    /// Whether the file cannot be trusted after a crash, given end time and name of the newest file that was
    /// full and flushed: only full files are flushed as a whole.
    pub(crate) fn is_rebuilt(&self, index_time: i64, newest: u64) -> bool {
        !self.full || self.end_time > index_time || self.name > newest
    }
}

/// All index files of a store.
#[derive(Debug)]
pub(crate) struct Index {
    disk: DiskRef,
    dir: PathBuf,
    slots: u32,
    entries: u32,
    files: VecDeque<IndexFile>,
    /// Files created ahead, used in turn when the newest of `files` is full.
    spare: VecDeque<IndexFile>,
    /// Full files whose content is not flushed yet.
    pending: Vec<DirtyRange>,
    created: bool,
}

impl Index {
    pub(crate) fn load(disk: &DiskRef, dir: PathBuf, slots: u32, entries: u32) -> Result<Self, StoreError> {
        let mut index = Index {
            disk: disk.clone(),
            dir,
            slots,
            entries,
            files: VecDeque::new(),
            spare: VecDeque::new(),
            pending: Vec::new(),
            created: false,
        };
        let mut found = segments::regular_files(&**disk, &index.dir)?;
        found.sort();
        for (path, actual) in found {
            let Some(name) = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.parse().ok()) else {
                tracing::warn!(path = %path.display(), "not an index file, ignored");
                continue;
            };
            if actual == 0 {
                remove_durably(&**disk, &path).map_err(StoreError::io("remove", &path))?;
                continue;
            }
            let expected = index.file_size();
            if actual != expected {
                return Err(StoreError::WrongSize { path, actual, expected });
            }
            let table = Table::open(&**disk, &path, expected).map_err(StoreError::io("map", &path))?;
            let header = Header::read(&table);
            index.files.push_back(IndexFile { path, name, table, header });
        }
        Ok(index)
    }

    /// Bytes of a file.
    pub(crate) fn file_size(&self) -> u64 {
        HEADER + u64::from(self.slots) * 4 + u64::from(self.entries) * ENTRY
    }

    fn slot_at(&self, hash: i32) -> u64 {
        HEADER + u64::from(hash.unsigned_abs() % self.slots) * 4
    }

    fn entry_at(&self, number: i32) -> Option<u64> {
        let number = u32::try_from(number).ok().filter(|n| (1..self.entries).contains(n))?;
        Some(HEADER + u64::from(self.slots) * 4 + u64::from(number) * ENTRY)
    }

    /// Log offset of the last indexed record, `None` for an empty index.
    pub(crate) fn end_offset(&self) -> Option<u64> {
        let used = self.files.iter().rev().find(|file| file.header.count > 1)?;
        u64::try_from(used.header.end_offset).ok()
    }

    /// Makes sure that `count` entries can be put without touching the file system. New files are named by the
    /// time, or one above the newest name where the clock is behind it.
    pub(crate) fn reserve(&mut self, wall_ms: i64, count: u32) -> Result<(), StoreError> {
        let capacity = self.entries - 1;
        let used = self.files.back().map_or(capacity, |file| {
            u32::try_from(file.header.count).unwrap_or(1).saturating_sub(1).min(capacity)
        });
        let mut room = capacity - used;
        let mut wanted = count;
        if room > 0
            && let Some(file) = self.files.back_mut()
        {
            let take = wanted.min(room);
            allocate(&self.disk, self.slots, self.entries, file, take)?;
        }
        for file in &mut self.spare {
            let take = wanted.saturating_sub(room).min(capacity);
            allocate(&self.disk, self.slots, self.entries, file, take)?;
            room += capacity;
        }
        while room < wanted {
            let take = (wanted - room).min(capacity);
            let file = self.create(wall_ms, take)?;
            self.spare.push_back(file);
            wanted -= take;
        }
        Ok(())
    }

    fn create(&mut self, wall_ms: i64, first: u32) -> Result<IndexFile, StoreError> {
        let after = self.spare.back().or(self.files.back()).map_or(0, |file| file.name + 1);
        let name = timestamp_name(wall_ms).max(after);
        let path = self.dir.join(format!("{name:017}"));
        let build = || {
            let table = Table::create(&*self.disk, &path, self.file_size())?;
            let mut file = IndexFile { path: path.clone(), name, table, header: self.next_header() };
            take_space(&self.disk, self.slots, self.entries, &mut file, first)?;
            file.header.write(&mut file.table);
            Ok(file)
        };
        let built = build().inspect_err(|_| {
            let _ = self.disk.remove(&path);
        });
        self.created = true;
        built.map_err(StoreError::io("create", &path))
    }

    /// Header of an empty file behind the newest one.
    fn next_header(&self) -> Header {
        let previous = self.files.back().map(|file| file.header).unwrap_or_default();
        Header {
            begin_time: previous.end_time,
            end_time: previous.end_time,
            begin_offset: previous.end_offset,
            end_offset: previous.end_offset,
            used_slots: 0,
            count: 1,
        }
    }

    /// Starts the next file, which [`Self::reserve`] has created.
    fn roll(&mut self) -> bool {
        let Some(mut next) = self.spare.pop_front() else { return false };
        next.header = self.next_header();
        next.header.write(&mut next.table);
        if let Some(full) = self.files.back() {
            self.pending.push(full.table.dirty(0, u64::MAX));
        }
        self.files.push_back(next);
        true
    }

    /// Enters a key hash of the record at `log_offset`.
    pub(crate) fn put(
        &mut self,
        hash: i32,
        log_offset: u64,
        store_time: i64,
        wall_ms: i64,
    ) -> Result<(), StoreError> {
        let full = |file: &IndexFile| u32::try_from(file.header.count).is_ok_and(|n| n >= self.entries);
        if self.files.back().is_none_or(full) {
            if self.spare.is_empty() {
                self.reserve(wall_ms, 1)?;
            }
            if !self.roll() {
                return Ok(());
            }
        }
        let slot_at = self.slot_at(hash);
        let Some(number) = self.files.back().map(|file| file.header.count) else { return Ok(()) };
        let (Some(entry_at), Some(file)) = (self.entry_at(number), self.files.back_mut()) else {
            return Ok(());
        };
        let header = &mut file.header;
        let log_offset = i64::try_from(log_offset).unwrap_or(i64::MAX);
        if header.count <= 1 {
            (header.begin_time, header.begin_offset) = (store_time, log_offset);
        }
        let seconds = store_time.saturating_sub(header.begin_time) / 1000;
        let seconds = i32::try_from(seconds.max(0)).unwrap_or(i32::MAX);
        let previous = i32::from_be_bytes(file.table.get(slot_at).unwrap_or_default());
        let previous = if (1..number).contains(&previous) { previous } else { 0 };

        let mut entry = [0; ENTRY as usize];
        entry[..4].copy_from_slice(&hash.to_be_bytes());
        entry[4..12].copy_from_slice(&log_offset.to_be_bytes());
        entry[12..16].copy_from_slice(&seconds.to_be_bytes());
        entry[16..].copy_from_slice(&previous.to_be_bytes());
        file.table.put(entry_at, &entry);
        file.table.put(slot_at, &number.to_be_bytes());
        header.used_slots += i32::from(previous == 0);
        header.count += 1;
        (header.end_time, header.end_offset) = (store_time, log_offset);
        header.write(&mut file.table);
        Ok(())
    }

    /// Log offsets of records with this key hash and a store time in `begin..=end`, at most `max`, the newest
    /// ones preferred.
    pub(crate) fn query(&self, hash: i32, max: usize, begin: i64, end: i64) -> Found {
        self.query_while(hash, max, begin, end, &mut |_, _, _| true)
    }

    /// What a query has to read from the device next, if anything; when nothing, what it finds.
    pub(crate) fn cold(&self, hash: i32, max: usize, begin: i64, end: i64) -> Result<Found, ColdRange> {
        let mut cold = None;
        let found = self.query_while(hash, max, begin, end, &mut |file, at, len| {
            if cold.is_none() && !file.table.is_resident(at, len) {
                cold = Some(ColdRange { path: file.path.clone(), from: at, to: at + len });
            }
            cold.is_none()
        });
        cold.map_or(Ok(found), Err)
    }

    /// A query that asks before each part of a file it touches, and leaves out what it may not.
    fn query_while(
        &self,
        hash: i32,
        max: usize,
        begin: i64,
        end: i64,
        may_read: &mut dyn FnMut(&IndexFile, u64, u64) -> bool,
    ) -> Found {
        let mut found = Found::default();
        if let Some(last) = self.files.back() {
            (found.last_time, found.last_offset) = (last.header.end_time, last.header.end_offset);
        }
        for file in self.files.iter().rev() {
            if found.offsets.len() >= max {
                break;
            }
            let header = &file.header;
            if header.count <= 1 {
                continue; // created ahead
            }
            if header.begin_time <= end && header.end_time >= begin {
                self.walk(file, hash, max, (begin, end), &mut found.offsets, may_read);
            }
            if header.begin_time < begin {
                break;
            }
        }
        found.offsets.sort_unstable();
        found.offsets.dedup();
        found
    }

    fn walk(
        &self,
        file: &IndexFile,
        hash: i32,
        max: usize,
        (begin, end): (i64, i64),
        offsets: &mut Vec<u64>,
        may_read: &mut dyn FnMut(&IndexFile, u64, u64) -> bool,
    ) {
        if !may_read(file, self.slot_at(hash), 4) {
            return;
        }
        let int = |at: u64| file.table.get(at).map(i32::from_be_bytes);
        let mut limit = file.header.count;
        let mut next = int(self.slot_at(hash)).unwrap_or(0);
        // numbers fall along a chain; anything else is damage and ends it
        while offsets.len() < max && (1..limit).contains(&next) {
            let Some(at) = self.entry_at(next).filter(|at| may_read(file, *at, ENTRY)) else { break };
            let seconds = i64::from(int(at + 12).unwrap_or(0));
            let time = file.header.begin_time.saturating_add(seconds.saturating_mul(1000));
            let offset = file.table.get(at + 4).map(u64::from_be_bytes);
            // entry times are cut to seconds after the file's begin
            if int(at) == Some(hash) && time <= end && time.saturating_add(999) >= begin {
                offsets.extend(offset);
            }
            limit = next;
            next = int(at + 16).unwrap_or(0);
        }
    }

    /// Removes the files `doomed` says yes to. True when any was removed.
    pub(crate) fn remove_where(&mut self, doomed: impl Fn(&FileState) -> bool) -> Result<bool, StoreError> {
        let before = self.files.len();
        let mut kept = VecDeque::with_capacity(before);
        for file in self.files.drain(..) {
            if doomed(&file.state(self.entries)) {
                remove_durably(&*self.disk, &file.path).map_err(StoreError::io("remove", &file.path))?;
            } else {
                kept.push_back(file);
            }
        }
        self.files = kept;
        Ok(self.files.len() != before)
    }

    /// Store time of the oldest record in the files `wanted` says yes to; `None` when they are empty.
    pub(crate) fn begin_time_where(&self, wanted: impl Fn(&FileState) -> bool) -> Option<i64> {
        let used = self.files.iter().filter(|file| file.header.count > 1);
        used.map(|file| file.state(self.entries)).filter(wanted).map(|file| file.begin_time).min()
    }

    /// End time and name of the newest full file, zeros without one.
    pub(crate) fn newest_full(&self) -> (i64, u64) {
        let full = |file: &&IndexFile| i64::from(file.header.count) >= i64::from(self.entries);
        self.files.iter().rev().find(full).map_or((0, 0), |file| (file.header.end_time, file.name))
    }

    /// Parts to be flushed: full files, and with `all` the newest one too. Also the directory when files were
    /// added, and end time and name of the newest full file.
    pub(crate) fn take_dirty(&mut self, all: bool) -> (Vec<DirtyRange>, Option<PathBuf>, Option<(i64, u64)>) {
        let mut ranges = std::mem::take(&mut self.pending);
        if let Some(last) = self.files.back().filter(|_| all) {
            ranges.push(last.table.dirty(0, u64::MAX));
        }
        let full = self.files.iter().rev().nth(1).map(|file| (file.header.end_time, file.name));
        (ranges, std::mem::take(&mut self.created).then(|| self.dir.clone()), full)
    }

    /// Forgets the files whose records all lie in front of `log_start`, never the last one, and says where they
    /// lie.
    pub(crate) fn take_expired(&mut self, log_start: u64) -> Vec<PathBuf> {
        let mut gone = Vec::new();
        while self.files.len() > 1
            && let Some(file) = self.files.front()
            && u64::try_from(file.header.end_offset).is_ok_and(|end| end < log_start)
        {
            gone.extend(self.files.pop_front().map(|file| file.path));
        }
        gone
    }

    /// Removes the files created ahead, as an orderly end does.
    pub(crate) fn drop_spare(&mut self) -> Result<(), StoreError> {
        while let Some(file) = self.spare.pop_back() {
            remove_durably(&*self.disk, &file.path).map_err(StoreError::io("remove", &file.path))?;
        }
        Ok(())
    }

    /// Bytes of all files.
    pub(crate) fn bytes_on_disk(&self) -> u64 {
        (self.files.len() + self.spare.len()) as u64 * self.file_size()
    }

    pub(crate) fn has_full_files_to_flush(&self) -> bool {
        !self.pending.is_empty()
    }
}

fn take_space(
    disk: &DiskRef,
    slots: u32,
    entries: u32,
    file: &mut IndexFile,
    count: u32,
) -> std::io::Result<()> {
    let front = HEADER + u64::from(slots) * 4;
    let used = u32::try_from(file.header.count).unwrap_or(1);
    let end = front + u64::from(used.saturating_add(count).min(entries)) * ENTRY;
    // slots lie anywhere in the front part, so a file just opened needs all of it
    file.table.allocate(&**disk, || &file.path, 0, end, AHEAD)
}

fn allocate(
    disk: &DiskRef,
    slots: u32,
    entries: u32,
    file: &mut IndexFile,
    count: u32,
) -> Result<(), StoreError> {
    take_space(disk, slots, entries, file, count).map_err(StoreError::io("take space for", &file.path))
}

/// `yyyyMMddHHmmssSSS` in UTC as a number.
fn timestamp_name(wall_ms: i64) -> u64 {
    let ms = wall_ms.max(0).unsigned_abs();
    let (days, in_day) = (ms / 86_400_000, ms % 86_400_000);
    // civil date from days since 1970-01-01, counting eras of 400 years from 0000-03-01
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (h, m, s) = (in_day / 3_600_000, in_day / 60_000 % 60, in_day / 1000 % 60);
    [month, day, h, m, s].into_iter().fold(year, |name, part| name * 100 + part) * 1000 + ms % 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> DiskRef {
        std::sync::Arc::new(crate::disk::RealDisk::default())
    }

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("sansmq-index-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        dir
    }

    #[test]
    fn names_are_dates() {
        assert_eq!(timestamp_name(0), 19_700_101_000_000_000);
        assert_eq!(timestamp_name(1_709_210_096_789), 20_240_229_123_456_789);
        assert_eq!(timestamp_name(1_795_310_627_281), 20_261_122_012_347_281);
    }

    #[test]
    fn keys_are_found_across_files_newest_first() {
        let dir = scratch("query");
        let mut index = Index::load(&disk(), dir.clone(), 4, 6).unwrap();
        for n in 0..12i64 {
            // slots collide on purpose: hash 1 and 5 share one
            index.put(if n % 2 == 0 { 1 } else { 5 }, n as u64 * 100, 10_000 + n * 1000, 77).unwrap();
        }
        assert_eq!(index.files.len(), 3, "five entries fit into a file");
        let found = index.query(1, 100, 0, i64::MAX);
        assert_eq!(found.offsets, [0, 200, 400, 600, 800, 1000]);
        assert_eq!((found.last_time, found.last_offset), (21_000, 1100));
        assert_eq!(index.query(1, 2, 0, i64::MAX).offsets, [800, 1000]);
        assert_eq!(index.query(1, 100, 12_000, 16_000).offsets, [200, 400, 600]);
        assert_eq!(index.query(2, 100, 0, i64::MAX).offsets, Vec::<u64>::new());
        let again = Index::load(&disk(), dir, 4, 6).unwrap();
        assert_eq!(again.query(5, 100, 0, i64::MAX), index.query(5, 100, 0, i64::MAX));
        assert_eq!(again.end_offset(), Some(1100));
    }

    #[test]
    fn damaged_chains_end() {
        let mut index = Index::load(&disk(), scratch("damage"), 1, 10).unwrap();
        for n in 0..5 {
            index.put(3, n, 1000, 1).unwrap();
        }
        let at = index.entry_at(4).unwrap();
        index.files[0].table.put(at + 16, &4i32.to_be_bytes());
        assert_eq!(index.query(3, 100, 0, 5000).offsets, [3, 4]);
    }

    #[test]
    fn other_sizes_are_refused() {
        let dir = scratch("size");
        Index::load(&disk(), dir.clone(), 4, 6).unwrap().put(1, 1, 1, 1).unwrap();
        assert!(matches!(Index::load(&disk(), dir, 5, 6), Err(StoreError::WrongSize { .. })));
    }
}
