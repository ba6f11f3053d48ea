//! The commit log: segment files filled one after the other (`spec/store.md` sections 2 and 3).

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sansmq_core::message::encode::blank;
use sansmq_core::message::record::BLANK_LEN;
use sansmq_core::store::pull::LogSource;

use crate::config::{FlushType, StoreConfig};
use crate::disk::{DiskRef, remove_durably};
use crate::error::StoreError;
use crate::file_store::ColdRange;
use crate::mapped::{DirtyRange, LogSegment};
use crate::segments::{self, SegmentFile};

#[derive(Debug)]
pub(crate) struct CommitLog {
    disk: DiskRef,
    /// Directories new files are spread over, sorted.
    dirs: Vec<PathBuf>,
    /// Those of them that are too full for new files.
    full_dirs: Vec<PathBuf>,
    file_size: u64,
    /// Neighbouring files in order.
    segments: VecDeque<(PathBuf, LogSegment)>,
    /// Created ahead of need, starts where the last file ends.
    next: Option<(PathBuf, LogSegment)>,
    /// Every append is flushed at once.
    flushed_at_once: bool,
    /// Where the first file starts while there is none.
    origin: u64,
}

impl CommitLog {
    /// Maps all files. They count as completely written until recovery says where the log ends.
    pub(crate) fn load(disk: &DiskRef, config: &StoreConfig) -> Result<Self, StoreError> {
        let dirs = config.commit_log_dirs.iter().chain(&config.read_only_commit_log_dirs);
        let mut dirs: Vec<&Path> = dirs.map(PathBuf::as_path).collect();
        dirs.sort_unstable();
        dirs.dedup();
        let mut segments = VecDeque::new();
        for SegmentFile { base, path } in segments::list(&**disk, dirs, config.commit_log_file_size)? {
            let segment = LogSegment::open(&**disk, &path, base, config.commit_log_file_size)
                .map_err(StoreError::io("map", &path))?;
            segments.push_back((path, segment));
        }
        let mut writable = config.commit_log_dirs.clone();
        writable.retain(|dir| !config.read_only_commit_log_dirs.contains(dir));
        let dirs = if writable.is_empty() { config.commit_log_dirs.clone() } else { writable };
        Ok(CommitLog {
            disk: disk.clone(),
            dirs,
            full_dirs: Vec::new(),
            file_size: config.commit_log_file_size,
            segments,
            next: None,
            flushed_at_once: config.flush_type == FlushType::Sync,
            origin: 0,
        })
    }

    /// First byte present.
    pub(crate) fn start(&self) -> u64 {
        self.segments.front().map_or(0, |(_, s)| s.base())
    }

    /// Start offsets of the files, oldest first.
    pub(crate) fn bases(&self) -> impl DoubleEndedIterator<Item = u64> + '_ {
        self.segments.iter().map(|(_, s)| s.base())
    }

    fn index_of(&self, offset: u64) -> Option<usize> {
        usize::try_from(offset.checked_sub(self.start())? / self.file_size).ok()
    }

    fn segment(&self, offset: u64) -> Option<&LogSegment> {
        self.segments.get(self.index_of(offset)?).map(|(_, segment)| segment)
    }

    /// Written bytes from `offset` to the end of its file.
    pub(crate) fn written_from(&self, offset: u64) -> Option<&[u8]> {
        self.segment(offset)?.written_from(offset)
    }

    /// Where these bytes lie when reading them would have to wait for the device.
    pub(crate) fn cold(&self, offset: u64, len: u64) -> Option<ColdRange> {
        let (path, segment) = self.segments.get(self.index_of(offset)?)?;
        let len = len.min(segment.end().saturating_sub(offset));
        let from = offset - segment.base();
        let cold = len > 0 && !segment.is_resident(offset, len);
        cold.then(|| ColdRange { path: path.clone(), from, to: from + len })
    }

    /// Where the next file goes.
    pub(crate) fn next_path(&self) -> Option<(PathBuf, u64)> {
        let base = self.segments.back().map_or(self.origin, |(_, s)| s.limit());
        let mut usable: Vec<&PathBuf> =
            self.dirs.iter().filter(|dir| !self.full_dirs.contains(dir)).collect();
        if usable.is_empty() {
            usable = self.dirs.iter().collect();
        }
        let turn = usize::try_from(base / self.file_size).ok()? % usable.len().max(1);
        usable.get(turn).map(|dir| (segments::path_of(dir, base), base))
    }

    pub(crate) fn file_size(&self) -> u64 {
        self.file_size
    }

    /// Whether it is time to create the next file: the last one is half full and there is no spare.
    pub(crate) fn wants_spare(&self) -> bool {
        let half = self.file_size / 2;
        self.next.is_none() && self.segments.back().is_some_and(|(_, s)| (s.remaining() as u64) < half)
    }

    /// Takes a file created ahead of need, unless the log has moved on without it.
    pub(crate) fn offer_spare(&mut self, path: PathBuf, segment: LogSegment) {
        let wanted = self.next_path().is_some_and(|(_, base)| base == segment.base());
        if wanted && self.next.is_none() {
            self.next = Some((path, segment));
        }
    }

    /// Makes sure that the next `len` bytes fit into the last file, starting a new one if need be.
    pub(crate) fn reserve(&mut self, len: usize) -> Result<(), StoreError> {
        if let Some((path, last)) = self.segments.back_mut()
            && len + BLANK_LEN <= last.remaining()
        {
            return last.allocate(&*self.disk, path).map_err(StoreError::io("take space for", path));
        }
        let next = self.take_next()?;
        // only now that the new file exists is the old one closed: a failure above changes nothing
        if let Some((path, last)) = self.segments.back_mut() {
            if let Err(error) = last.allocate(&*self.disk, path) {
                self.next = Some(next);
                return Err(StoreError::io("take space for", path)(error));
            }
            let remaining = last.remaining();
            let filler = blank(u32::try_from(remaining).unwrap_or(u32::MAX));
            let room = remaining.min(BLANK_LEN);
            if let Some(tail) = last.tail_mut(room) {
                tail.copy_from_slice(&filler[..room]);
            }
            last.commit(remaining);
        }
        self.segments.push_back(next);
        Ok(())
    }

    /// The file behind the last one, created now unless it was before.
    fn take_next(&mut self) -> Result<(PathBuf, LogSegment), StoreError> {
        if let Some(next) = self.next.take() {
            return Ok(next);
        }
        let Some((path, base)) = self.next_path() else {
            return Err(StoreError::Config("no directory for the commit log".into()));
        };
        let segment = LogSegment::create(&*self.disk, &path, base, self.file_size)
            .map_err(StoreError::io("create", &path))?;
        Ok((path, segment))
    }

    /// Lets an empty log begin at `base`, the start of a file.
    pub(crate) fn begin_at(&mut self, base: u64) -> Result<(), StoreError> {
        self.drop_spare()?;
        while let Some((path, _)) = self.segments.pop_back() {
            remove(&self.disk, &path)?;
        }
        self.origin = base;
        Ok(())
    }

    /// Appends bytes as they are; files begin and end where those of the log they come from do.
    pub(crate) fn append_raw(&mut self, mut bytes: &[u8]) -> Result<(), StoreError> {
        while !bytes.is_empty() {
            if self.segments.back().is_none_or(|(_, last)| last.remaining() == 0) {
                let next = self.take_next()?;
                self.segments.push_back(next);
            }
            let Some((path, last)) = self.segments.back_mut() else { break };
            last.allocate(&*self.disk, path).map_err(StoreError::io("take space for", path))?;
            let (now, later) = bytes.split_at(bytes.len().min(last.remaining()));
            if let Some(room) = last.tail_mut(now.len()) {
                room.copy_from_slice(now);
            }
            last.commit(now.len());
            bytes = later;
        }
        Ok(())
    }

    /// What to make ready for the next `window` bytes, of the last file or of the one behind it.
    pub(crate) fn take_untouched(&mut self, window: usize) -> Option<DirtyRange> {
        let (_, last) = self.segments.back_mut()?;
        let (small, ends_soon) = (self.flushed_at_once, last.remaining() < window);
        last.take_untouched(window, small)
            .or_else(|| self.next.as_mut().filter(|_| ends_soon)?.1.take_untouched(window, small))
    }

    /// Where the file that holds `offset`, or will, ends.
    pub(crate) fn file_end(&self, offset: u64) -> u64 {
        (offset / self.file_size).saturating_add(1).saturating_mul(self.file_size)
    }

    /// The next `len` bytes of the file that [`Self::reserve`] prepared.
    pub(crate) fn tail_mut(&mut self, len: usize) -> Option<&mut [u8]> {
        self.segments.back_mut()?.1.tail_mut(len)
    }

    pub(crate) fn commit(&mut self, len: usize) {
        if let Some((_, last)) = self.segments.back_mut() {
            last.commit(len);
        }
    }

    /// What was written from `from` on, file by file.
    pub(crate) fn dirty(&self, from: u64) -> Vec<DirtyRange> {
        let skip = self.index_of(from).unwrap_or(0);
        self.segments.iter().skip(skip).filter_map(|(_, s)| s.dirty(from)).collect()
    }

    /// Makes the names of all files durable: a process that was killed while it created one may not have come to that.
    pub(crate) fn sync_names(&self) -> Result<(), StoreError> {
        let mut dirs: Vec<&Path> = self.segments.iter().filter_map(|(path, _)| path.parent()).collect();
        dirs.sort_unstable();
        dirs.dedup();
        dirs.into_iter().try_for_each(|dir| self.disk.sync_dir(dir).map_err(StoreError::io("flush", dir)))
    }

    /// Ends the log at `end`: later files are removed, the rest of the file is zeroed, durably.
    pub(crate) fn cut(&mut self, end: u64) -> Result<(), StoreError> {
        self.drop_spare()?;
        while self.segments.back().is_some_and(|(_, s)| s.base() > end) {
            if let Some((path, _)) = self.segments.pop_back() {
                remove(&self.disk, &path)?;
            }
        }
        let Some((path, last)) = self.segments.back_mut() else { return Ok(()) };
        let cut = match last.is_read_from(end) {
            true => last.replace(&*self.disk, path, end),
            false => last.cut(&*self.disk, path, end),
        };
        cut.map_err(StoreError::io("cut", path))
    }

    /// Removes the file created ahead of need, as an orderly end does.
    pub(crate) fn drop_spare(&mut self) -> Result<(), StoreError> {
        match self.next.take() {
            Some((path, _)) => remove(&self.disk, &path),
            None => Ok(()),
        }
    }

    /// The directories new files go to, in order.
    pub(crate) fn dirs(&self) -> &[PathBuf] {
        &self.dirs
    }

    /// Says which of [`Self::dirs`] are too full for new files.
    pub(crate) fn set_full_dirs(&mut self, full: &[bool]) {
        let marked = self.dirs.iter().zip(full).filter(|(_, full)| **full);
        self.full_dirs = marked.map(|(dir, _)| dir.clone()).collect();
    }

    /// The oldest files, at most `count`, that end at or below `durable`; never the last one.
    pub(crate) fn oldest(&self, count: usize, durable: u64) -> Vec<(u64, PathBuf)> {
        let but_last = self.segments.len().saturating_sub(1).min(count);
        let old = self.segments.iter().take(but_last).take_while(|(_, s)| s.limit() <= durable);
        old.map(|(path, s)| (s.base(), path.clone())).collect()
    }

    /// Forgets the oldest files as far as they are the given ones, and says where they lie.
    pub(crate) fn remove_oldest(&mut self, bases: &[u64]) -> Vec<PathBuf> {
        let mut gone = Vec::new();
        for base in bases {
            if self.segments.len() < 2 || self.start() != *base {
                break;
            }
            gone.extend(self.segments.pop_front().map(|(path, _)| path));
        }
        gone
    }
}

fn remove(disk: &DiskRef, path: &Path) -> Result<(), StoreError> {
    remove_durably(&**disk, path).map_err(StoreError::io("remove", path))
}

impl LogSource for CommitLog {
    fn end(&self) -> u64 {
        self.segments.back().map_or(0, |(_, s)| s.end())
    }

    fn contains(&self, offset: u64, len: u64) -> bool {
        self.segment(offset).is_some_and(|s| s.contains(offset, len))
    }

    fn peek(&self, offset: u64) -> Option<&[u8]> {
        self.written_from(offset)
    }

    fn slice(&self, offset: u64, len: u64) -> Option<Bytes> {
        self.segment(offset)?.slice(offset, len)
    }

    fn next_file(&self, offset: u64) -> u64 {
        self.file_end(offset)
    }
}
