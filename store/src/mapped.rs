//! Memory-mapped files. All memory access that the compiler cannot check is in this module.
//!
//! Two kinds of file, told apart by what readers may keep:
//! - a [`LogSegment`] only grows; readers get [`Bytes`] that point into the mapping and keep it alive,
//! - a [`Table`] is changed in place; readers get copies.
//!
//! As with any shared mapping, the files must not be shortened by others while they are open.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use memmap2::{MmapOptions, MmapRaw};

use crate::{files, sys};

fn map(file: &File, size: u64) -> io::Result<Arc<MmapRaw>> {
    let len = usize::try_from(size).map_err(io::Error::other)?;
    // a mapping longer than its file would fault on access instead of failing here
    if file.metadata()?.len() < size {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "file is shorter than its mapping"));
    }
    MmapOptions::new().len(len).map_raw(file).map(Arc::new)
}

/// A range of a mapping to be written to the device. Plain data: `sync` may run on any thread.
#[derive(Debug)]
pub struct DirtyRange {
    map: Arc<MmapRaw>,
    from: usize,
    to: usize,
}

impl DirtyRange {
    /// Blocks until the range is on the device.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.map.flush_range(self.from, self.to.saturating_sub(self.from))
    }

    /// 4 KiB pages the range touches.
    pub(crate) fn pages(&self) -> u64 {
        (self.to.div_ceil(4096).saturating_sub(self.from / 4096)) as u64
    }
}

/// Keeps a mapping alive for the `Bytes` that point into it.
struct Owner(Arc<MmapRaw>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the mapping is this long, lives as long as `self`, and every byte of it is initialised.
        // `LogSegment` hands out only parts below `written`, and those are never written again.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr(), self.0.len()) }
    }
}

/// A file of fixed size that is filled from the front.
#[derive(Debug)]
pub(crate) struct LogSegment {
    map: Arc<MmapRaw>,
    /// The whole mapping; private, because only the part below `written` is stable.
    whole: Bytes,
    written: usize,
    /// End of what was handed out: below it nothing may change any more.
    shared: Cell<usize>,
    base: u64,
}

impl LogSegment {
    /// Maps an existing file and takes all of it for written; recovery cuts it back.
    pub(crate) fn open(path: &Path, base: u64, size: u64) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        let mut segment = Self::from_map(map(&file, size)?, base);
        segment.written = segment.map.len();
        Ok(segment)
    }

    /// Creates a sparse file that is durable by name and size, or takes over one created a moment ago.
    pub(crate) fn create(path: &Path, base: u64, size: u64) -> io::Result<Self> {
        let file = files::create_sized(path, size)?;
        file.sync_all()?;
        if let Some(dir) = path.parent() {
            files::sync_dir(dir)?;
        }
        Ok(Self::from_map(map(&file, size)?, base))
    }

    fn from_map(map: Arc<MmapRaw>, base: u64) -> Self {
        let whole = Bytes::from_owner(Owner(map.clone()));
        LogSegment { map, whole, written: 0, shared: Cell::new(0), base }
    }

    /// Log offset of the first byte.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// Log offset behind the last written byte.
    pub(crate) fn end(&self) -> u64 {
        self.base + self.written as u64
    }

    /// Log offset behind the last byte of the file.
    pub(crate) fn limit(&self) -> u64 {
        self.base + self.map.len() as u64
    }

    /// Bytes not written yet.
    pub(crate) fn remaining(&self) -> usize {
        self.map.len() - self.written
    }

    fn range(&self, offset: u64, len: u64) -> Option<(usize, usize)> {
        let from = usize::try_from(offset.checked_sub(self.base)?).ok()?;
        let to = from.checked_add(usize::try_from(len).ok()?)?;
        (to <= self.written).then_some((from, to))
    }

    /// Written bytes, shared with the caller.
    pub(crate) fn slice(&self, offset: u64, len: u64) -> Option<Bytes> {
        let (from, to) = self.range(offset, len)?;
        self.shared.set(self.shared.get().max(to));
        Some(self.whole.slice(from..to))
    }

    /// Whether all of these bytes are written.
    pub(crate) fn contains(&self, offset: u64, len: u64) -> bool {
        self.range(offset, len).is_some()
    }

    /// Written bytes from `offset` on, borrowed.
    pub(crate) fn written_from(&self, offset: u64) -> Option<&[u8]> {
        let (from, _) = self.range(offset, 0)?;
        // SAFETY: in bounds (checked by `range`), and nothing writes below `written` while `self` is
        // borrowed: writers need `&mut self`.
        Some(unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(from), self.written - from) })
    }

    /// The next `len` bytes, to be filled and then published with [`Self::commit`].
    pub(crate) fn tail_mut(&mut self, len: usize) -> Option<&mut [u8]> {
        if len > self.remaining() {
            return None;
        }
        // SAFETY: in bounds (checked); no reference to bytes at or behind `written` exists, because readers
        // only get what is below it, and `&mut self` keeps other writers out.
        Some(unsafe { std::slice::from_raw_parts_mut(self.map.as_mut_ptr().add(self.written), len) })
    }

    /// Publishes bytes written through [`Self::tail_mut`].
    pub(crate) fn commit(&mut self, len: usize) {
        self.written += len.min(self.remaining());
    }

    /// Takes everything from `offset` on back and overwrites it with zeros, so that no later scan can mistake
    /// the remains for records; the zeros are on the device when this returns. Refused for bytes that readers
    /// may still hold.
    pub(crate) fn cut(&mut self, path: &Path, offset: u64) -> io::Result<()> {
        let at = offset.checked_sub(self.base).and_then(|at| usize::try_from(at).ok());
        let Some(at) = at.filter(|at| (self.shared.get()..=self.written).contains(at)) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "cannot cut the log at a byte in use"));
        };
        self.written = at;
        let file = File::options().read(true).write(true).open(path)?;
        wipe(&self.map, &file, at)
    }

    /// The part of `from..end` that lies in this file.
    pub(crate) fn dirty(&self, from: u64) -> Option<DirtyRange> {
        let from = usize::try_from(from.saturating_sub(self.base)).ok()?;
        (from < self.written).then(|| DirtyRange { map: self.map.clone(), from, to: self.written })
    }
}

/// Zeroes what is not zero from `at` on, page by page and without filling holes, then writes it back.
fn wipe(map: &Arc<MmapRaw>, file: &File, at: usize) -> io::Result<()> {
    let mut next = at;
    while next < map.len() {
        let Some(data) = sys::next_data(file, next as u64)? else { break };
        let from = usize::try_from(data).map_err(io::Error::other)?.max(next);
        let to = (from / 4096 * 4096 + 4096).min(map.len());
        if from >= to {
            break;
        }
        // SAFETY: in bounds, and the caller has exclusive use of the bytes from `at` on.
        let page = unsafe { std::slice::from_raw_parts_mut(map.as_mut_ptr().add(from), to - from) };
        if page.iter().any(|b| *b != 0) {
            page.fill(0);
        }
        next = to;
    }
    DirtyRange { map: map.clone(), from: at.min(map.len()), to: map.len() }.sync()
}

/// A file of fixed size that is read and changed in place, by one owner.
#[derive(Debug)]
pub(crate) struct Table {
    map: Arc<MmapRaw>,
}

impl Table {
    pub(crate) fn open(path: &Path, size: u64) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        Ok(Table { map: map(&file, size)? })
    }

    /// Creates a sparse file; making name and size durable is left to the flush of its directory.
    pub(crate) fn create(path: &Path, size: u64) -> io::Result<Self> {
        let file = files::create_sized(path, size)?;
        Ok(Table { map: map(&file, size)? })
    }

    /// A copy of `N` bytes.
    pub(crate) fn get<const N: usize>(&self, at: u64) -> Option<[u8; N]> {
        let at = usize::try_from(at).ok()?;
        if at.checked_add(N)? > self.map.len() {
            return None;
        }
        let mut out = [0; N];
        // SAFETY: in bounds (checked), distinct memory, and writers need `&mut self`; no reference into the
        // mapping is ever formed or handed out.
        unsafe { std::ptr::copy_nonoverlapping(self.map.as_ptr().add(at), out.as_mut_ptr(), N) };
        Some(out)
    }

    /// Overwrites bytes; false (and nothing written) when they do not fit.
    pub(crate) fn put(&mut self, at: u64, bytes: &[u8]) -> bool {
        let Ok(at) = usize::try_from(at) else { return false };
        if at.checked_add(bytes.len()).is_none_or(|end| end > self.map.len()) {
            return false;
        }
        // SAFETY: in bounds (checked), distinct memory, exclusive by `&mut self`.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.map.as_mut_ptr().add(at), bytes.len()) };
        true
    }

    /// Zeroes everything from `at` on, on the device too.
    pub(crate) fn wipe_from(&mut self, path: &Path, at: u64) -> io::Result<()> {
        let file = File::options().read(true).write(true).open(path)?;
        wipe(&self.map, &file, usize::try_from(at).map_err(io::Error::other)?)
    }

    /// A range to be flushed, cut to the file.
    pub(crate) fn dirty(&self, from: u64, to: u64) -> DirtyRange {
        let clip = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(self.map.len());
        DirtyRange { map: self.map.clone(), from: clip(from), to: clip(to) }
    }
}

#[cfg(test)]
mod tests;
