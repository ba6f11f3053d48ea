//! The log of a member: files of records behind each other, all but the last one durable, and the mark of the
//! last purge. There is always at least one file, so a log that is gone cannot be taken for an empty one.

use std::path::{Path, PathBuf};

use sansmq_core::raft::{LogRecord, RaftImage};

use super::RaftNote;
use super::checked::Checked;
use super::record;
use super::segment::{self, HEAD, Segment};
use crate::disk::{Disk, DiskRef, remove_durably};
use crate::error::StoreError;
use crate::mapped::DRAFT;
use crate::segments::{path_of, regular_files};

/// The log.
#[derive(Debug)]
pub(super) struct Log {
    dir: PathBuf,
    /// Size of new files, unless a single record needs more.
    file_bytes: usize,
    /// First indexes of the files in front of the last one, in order.
    older: Vec<u64>,
    last: Segment,
    /// Index of the next record.
    next: u64,
    /// The last purge: its index and its mark.
    purge: Checked,
    purged: Option<u64>,
    buffer: Vec<u8>,
}

/// Index behind the last purge.
fn behind(purged: Option<u64>) -> u64 {
    purged.map_or(0, |upto| upto.saturating_add(1))
}

/// First indexes of the files of the log, in order; what was left half made is removed.
fn files(disk: &dyn Disk, dir: &Path) -> Result<Vec<u64>, StoreError> {
    let mut found = Vec::new();
    for (path, _) in regular_files(disk, dir)? {
        if path.extension().is_some_and(|extension| extension == DRAFT) {
            disk.remove(&path).map_err(StoreError::io("remove", &path))?;
            continue;
        }
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match name.parse::<u64>().ok().filter(|first| path_of(dir, *first) == path) {
            Some(first) => found.push(first),
            None => tracing::warn!(path = %path.display(), "not a file of the raft log, ignored"),
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn damaged(path: &Path, offset: usize, why: String) -> StoreError {
    StoreError::RaftDamaged { path: path.to_path_buf(), offset: offset as u64, why }
}

/// A file has to go on where the one before ends.
fn expect(path: &Path, next: u64, first: u64) -> Result<(), StoreError> {
    match first == next {
        true => Ok(()),
        false => Err(damaged(path, 0, format!("it begins with record {first}, expected record {next}"))),
    }
}

impl Log {
    /// Opens the log and fills in what it holds. `used`: this member has written something before.
    pub fn open(
        disk: &DiskRef,
        dir: &Path,
        file_bytes: usize,
        purge: Checked,
        used: bool,
        image: &mut RaftImage,
        notes: &mut Vec<RaftNote>,
    ) -> Result<Self, StoreError> {
        let disk = disk.as_ref();
        let mut purged = None;
        if let Some(content) = purge.read(disk)? {
            let Some(upto) = content.first_chunk() else {
                return Err(purge.damaged(content.len(), "the index of the last purge is missing"));
            };
            purged = Some(u64::from_be_bytes(*upto));
            image.purged = Some(content.slice(8..));
        }
        let mut found = files(disk, dir)?;
        if found.is_empty() {
            if used || purged.is_some() {
                return Err(damaged(dir, 0, "the files of the log are missing".to_owned()));
            }
            let last = Segment::create(disk, dir, file_bytes, 0, &[], 0)?;
            return Ok(Log {
                dir: dir.into(),
                file_bytes,
                older: found,
                last,
                next: 0,
                purge,
                purged,
                buffer: Vec::new(),
            });
        }
        let start = behind(purged);
        // a purge removes files in any order, so some may be missing among those it has not removed yet
        let stale = found.iter().skip(1).take_while(|first| **first <= start).count();
        for first in found.drain(..stale) {
            let path = path_of(dir, first);
            disk.remove(&path).map_err(StoreError::io("remove", &path))?;
        }
        if let Some(first) = found.first().filter(|first| **first > start) {
            let why =
                format!("the log begins with record {first}, expected {start}: files in front are missing");
            return Err(damaged(&path_of(dir, *first), 0, why));
        }
        let Some((newest, older)) = found.split_last() else {
            return Err(damaged(dir, 0, "the files of the log are missing".to_owned()));
        };
        let (path, older) = (path_of(dir, *newest), older.to_vec());
        let mut next = older.first().copied().unwrap_or(*newest);
        for first in &older {
            let path = path_of(dir, *first);
            expect(&path, next, *first)?;
            let (_, scan, _) = segment::load(disk, &path, *first)?;
            next = first.saturating_add(scan.records.len() as u64);
            if scan.torn > 0 {
                return Err(damaged(&path, scan.end(), format!("record {next} cannot be read")));
            }
            image.log.extend(scan.records);
        }
        expect(&path, next, *newest)?;
        let (bytes, scan, durable) = segment::load(disk, &path, *newest)?;
        let end = scan.end();
        next = newest.saturating_add(scan.records.len() as u64);
        image.log.extend(scan.records);
        image.log.retain(|record| record.index >= start);
        if scan.torn > 0 {
            notes.push(RaftNote::TornTail {
                path: path.clone(),
                offset: end as u64,
                bytes: scan.torn as u64,
            });
        }
        // What a failed sync has left in memory only would be seen now and never be written: a new file has it all.
        let last = if durable == end as u64 && scan.torn == 0 {
            Segment::open(disk, path, *newest, bytes.len(), end)?
        } else {
            Segment::create(disk, dir, file_bytes, *newest, &bytes[HEAD..end], 0)?
        };
        let mut log =
            Log { dir: dir.into(), file_bytes, older, last, next, purge, purged, buffer: Vec::new() };
        log.finish_purge(disk)?;
        Ok(log)
    }

    /// Adds a record; durable after [`Log::sync`].
    pub fn append(&mut self, disk: &dyn Disk, record: &LogRecord) -> Result<(), StoreError> {
        if record.index != self.next {
            return Err(StoreError::RaftOrder { expected: self.next, found: record.index });
        }
        let bytes = record::space_of(record);
        if !self.last.fits(bytes) {
            // a file that has a successor is durable
            self.last.sync()?;
            let fresh = Segment::create(disk, &self.dir, self.file_bytes, self.next, &[], bytes)?;
            self.older.push(self.last.first());
            self.last = fresh;
        }
        self.last.push(record, &mut self.buffer)?;
        self.next += 1;
        Ok(())
    }

    /// Makes everything appended durable.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.last.sync()
    }

    /// Removes the records from `index` on. Called with everything durable.
    pub fn truncate_from(&mut self, disk: &dyn Disk, index: u64) -> Result<(), StoreError> {
        let index = index.max(behind(self.purged));
        if index >= self.next {
            return Ok(());
        }
        // from the back and one by one: whatever a crash leaves is a log without gaps
        while self.last.first() > index {
            let Some(first) = self.older.pop() else { break };
            remove_durably(disk, self.last.path()).map_err(StoreError::io("remove", self.last.path()))?;
            self.reopen(disk, first)?;
        }
        let (bytes, scan, _) = segment::load(disk, self.last.path(), self.last.first())?;
        let keep = usize::try_from(index.saturating_sub(self.last.first())).unwrap_or(usize::MAX);
        let end = scan.starts.get(keep).copied().unwrap_or(HEAD);
        // never in place: half of the records that are to go would look like damage
        self.last =
            Segment::create(disk, &self.dir, self.file_bytes, self.last.first(), &bytes[HEAD..end], 0)?;
        self.next = index;
        Ok(())
    }

    /// The file that begins with `first` becomes the last one.
    fn reopen(&mut self, disk: &dyn Disk, first: u64) -> Result<(), StoreError> {
        let path = path_of(&self.dir, first);
        let (bytes, scan, _) = segment::load(disk, &path, first)?;
        self.next = first.saturating_add(scan.records.len() as u64);
        self.last = Segment::open(disk, path, first, bytes.len(), scan.end())?;
        Ok(())
    }

    /// Removes the records up to `upto` and replaces the mark. Called with everything durable.
    pub fn purge(&mut self, disk: &dyn Disk, upto: u64, mark: &[u8]) -> Result<(), StoreError> {
        // what was purged stays purged, whatever is purged now
        let upto = self.purged.map_or(upto, |before| before.max(upto));
        self.purge.replace(disk, &[&upto.to_be_bytes(), mark])?;
        self.purged = Some(upto);
        self.finish_purge(disk)
    }

    /// Removes the files that hold purged records only. The mark is durable.
    fn finish_purge(&mut self, disk: &dyn Disk) -> Result<(), StoreError> {
        let start = behind(self.purged);
        if self.next < start {
            let fresh = Segment::create(disk, &self.dir, self.file_bytes, start, &[], 0)?;
            self.older.push(self.last.first());
            self.last = fresh;
            self.next = start;
        }
        let last = self.last.first();
        let successors = self.older.iter().skip(1).chain([&last]);
        let stale = successors.take(self.older.len()).take_while(|first| **first <= start).count();
        if stale == 0 {
            return Ok(());
        }
        for first in self.older.drain(..stale) {
            let path = path_of(&self.dir, first);
            disk.remove(&path).map_err(StoreError::io("remove", &path))?;
        }
        disk.sync_dir(&self.dir).map_err(StoreError::io("sync", &self.dir))
    }
}
