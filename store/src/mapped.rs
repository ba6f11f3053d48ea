//! Memory-mapped files. All memory access that the compiler cannot check is in this module.
//!
//! Two kinds of file, told apart by what readers may keep:
//! - a [`LogSegment`] only grows; readers get [`Bytes`] that point into the mapping and keep it alive,
//! - a [`Table`] is changed in place; readers get copies.
//!
//! As with any shared mapping, the files must not be shortened by others while they are open.

use std::cell::Cell;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::disk::{Disk, Map};

/// Zeroes are looked for and written in pieces of this many bytes.
const PAGE: usize = 4096;
/// Extension of a file that is being created ahead of need.
pub(crate) const DRAFT: &str = "draft";

fn base_of(map: &Map) -> *mut u8 {
    map.memory().0.as_ptr()
}

fn len_of(map: &Map) -> usize {
    map.memory().1
}

/// A range of a mapping to be written to the device. Plain data: `sync` may run on any thread.
#[derive(Debug)]
pub struct DirtyRange {
    map: Map,
    from: usize,
    to: usize,
}

impl DirtyRange {
    /// Blocks until the range is on the device.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.map.sync(self.from, self.to)
    }

    /// Has memory ready for the range.
    pub(crate) fn touch(&self) {
        self.map.touch(self.from, self.to);
    }

    /// 4 KiB pages the range touches.
    pub(crate) fn pages(&self) -> u64 {
        (self.to.div_ceil(4096).saturating_sub(self.from / 4096)) as u64
    }
}

/// Keeps a mapping alive for the `Bytes` that point into it.
struct Owner {
    map: Map,
    /// Only counted: tells when no `Bytes` is left.
    _reader: Arc<()>,
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the mapping is this long, lives as long as `self`, and every byte of it is initialised.
        // `LogSegment` hands out only parts below `written`, and those are never written again.
        unsafe { std::slice::from_raw_parts(base_of(&self.map), len_of(&self.map)) }
    }
}

/// A file of fixed size that is filled from the front.
#[derive(Debug)]
pub(crate) struct LogSegment {
    map: Map,
    /// The whole mapping; private, because only the part below `written` is stable.
    whole: Bytes,
    /// Counted by every owner behind a `Bytes` of this file.
    readers: Arc<()>,
    written: usize,
    /// Memory is ready, or is being made so, up to here.
    touched: usize,
    /// End of what was handed out: below it nothing may change any more.
    shared: Cell<usize>,
    base: u64,
    /// The space of the whole file is taken.
    allocated: bool,
}

impl LogSegment {
    /// Maps an existing file and takes all of it for written; recovery cuts it back.
    pub(crate) fn open(disk: &dyn Disk, path: &Path, base: u64, size: u64) -> io::Result<Self> {
        let mut segment = Self::from_map(disk.map(path, size)?, base);
        segment.written = len_of(&segment.map);
        Ok(segment)
    }

    /// Creates a file that is durable by name and size and has its space, or takes over one created a moment
    /// ago. One that cannot get its space is removed again.
    pub(crate) fn create(disk: &dyn Disk, path: &Path, base: u64, size: u64) -> io::Result<Self> {
        let existed = disk.entry(path)?.is_some();
        let build = || -> io::Result<Map> {
            let map = disk.create(path, size)?;
            disk.allocate(path, 0, size)?;
            disk.sync_file(path)?;
            path.parent().map_or(Ok(()), |dir| disk.sync_dir(dir))?;
            Ok(map)
        };
        let map = build().inspect_err(|_| {
            if !existed {
                let _ = disk.remove(path);
            }
        })?;
        let mut segment = Self::from_map(map, base);
        segment.allocated = true;
        Ok(segment)
    }

    /// As [`Self::create`], but under another name until everything else is done, and only if nobody has created
    /// the file meanwhile. So this never touches, and above all never syncs, a file that is in use already: the
    /// failure of such a sync would be seen here instead of where it matters.
    pub(crate) fn create_ahead(disk: &dyn Disk, path: &Path, base: u64, size: u64) -> io::Result<Self> {
        let draft = path.with_extension(DRAFT);
        let build = || -> io::Result<Map> {
            let map = disk.create(&draft, size)?;
            disk.allocate(&draft, 0, size)?;
            disk.sync_file(&draft)?;
            disk.rename_new(&draft, path)?;
            path.parent().map_or(Ok(()), |dir| disk.sync_dir(dir))?;
            Ok(map)
        };
        let map = build().inspect_err(|_| {
            let _ = disk.remove(&draft);
        })?;
        let mut segment = Self::from_map(map, base);
        segment.allocated = true;
        Ok(segment)
    }

    /// Takes the space of a file that may have been created sparse, before anything is written to it.
    pub(crate) fn allocate(&mut self, disk: &dyn Disk, path: &Path) -> io::Result<()> {
        if !self.allocated {
            disk.allocate(path, (self.written / PAGE * PAGE) as u64, len_of(&self.map) as u64)?;
            self.allocated = true;
        }
        Ok(())
    }

    fn from_map(map: Map, base: u64) -> Self {
        let readers = Arc::new(());
        let whole = Bytes::from_owner(Owner { map: map.clone(), _reader: readers.clone() });
        LogSegment {
            map,
            whole,
            readers,
            written: 0,
            touched: 0,
            shared: Cell::new(0),
            base,
            allocated: false,
        }
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
        self.base + len_of(&self.map) as u64
    }

    /// Bytes not written yet.
    pub(crate) fn remaining(&self) -> usize {
        len_of(&self.map) - self.written
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

    /// Whether these written bytes can be read without waiting for the device.
    pub(crate) fn is_resident(&self, offset: u64, len: u64) -> bool {
        self.range(offset, len).is_none_or(|(from, to)| self.map.is_resident(from, to))
    }

    /// Written bytes from `offset` on, borrowed.
    pub(crate) fn written_from(&self, offset: u64) -> Option<&[u8]> {
        let (from, _) = self.range(offset, 0)?;
        // SAFETY: in bounds (checked by `range`), and nothing writes below `written` while `self` is
        // borrowed: writers need `&mut self`.
        Some(unsafe { std::slice::from_raw_parts(base_of(&self.map).add(from), self.written - from) })
    }

    /// The next `len` bytes, to be filled and then published with [`Self::commit`].
    pub(crate) fn tail_mut(&mut self, len: usize) -> Option<&mut [u8]> {
        if len > self.remaining() {
            return None;
        }
        // SAFETY: in bounds (checked); no reference to bytes at or behind `written` exists, because readers
        // only get what is below it, and `&mut self` keeps other writers out.
        Some(unsafe { std::slice::from_raw_parts_mut(base_of(&self.map).add(self.written), len) })
    }

    /// Publishes bytes written through [`Self::tail_mut`].
    pub(crate) fn commit(&mut self, len: usize) {
        self.written += len.min(self.remaining());
    }

    /// Looks whether anybody still holds bytes of this file; if not, all of it may change again.
    fn forget_readers(&mut self) {
        self.whole = Bytes::new();
        if Arc::strong_count(&self.readers) == 1 {
            self.shared.set(0);
        }
        self.whole = Bytes::from_owner(Owner { map: self.map.clone(), _reader: self.readers.clone() });
    }

    /// Whether readers may hold bytes from `offset` on.
    pub(crate) fn is_read_from(&mut self, offset: u64) -> bool {
        self.forget_readers();
        self.base + self.shared.get() as u64 > offset
    }

    /// Puts a file in the place of this one that ends at `offset` and is durable; who reads this one keeps it.
    pub(crate) fn replace(&mut self, disk: &dyn Disk, path: &Path, offset: u64) -> io::Result<()> {
        let keep = offset.saturating_sub(self.base);
        let front = self.slice(self.base, keep).ok_or(io::ErrorKind::InvalidInput)?;
        let draft = path.with_extension(DRAFT);
        let map = disk.create(&draft, len_of(&self.map) as u64)?;
        disk.allocate(&draft, 0, len_of(&self.map) as u64)?;
        let mut fresh = Self::from_map(map, self.base);
        let room = fresh.tail_mut(front.len()).ok_or(io::ErrorKind::InvalidInput)?;
        room.copy_from_slice(&front);
        fresh.commit(front.len());
        fresh.allocated = true;
        if let Some(range) = fresh.dirty(self.base) {
            range.sync()?;
        }
        disk.sync_file(&draft)?;
        disk.rename(&draft, path)?;
        path.parent().map_or(Ok(()), |dir| disk.sync_dir(dir))?;
        *self = fresh;
        Ok(())
    }

    /// Takes everything from `offset` on back and overwrites it with zeros, so that no later scan can mistake
    /// the remains for records; the zeros are on the device when this returns. Refused for bytes that readers
    /// may still hold.
    pub(crate) fn cut(&mut self, disk: &dyn Disk, path: &Path, offset: u64) -> io::Result<()> {
        let at = offset.checked_sub(self.base).and_then(|at| usize::try_from(at).ok());
        let Some(at) = at.filter(|at| (self.shared.get()..=self.written).contains(at)) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "cannot cut the log at a byte in use"));
        };
        self.written = at;
        self.allocated = false;
        if sansmq_core::planted::is("cut-in-memory") {
            return Ok(());
        }
        wipe(&self.map, disk, path, at)
    }

    /// What to make ready so that there is room for `window` bytes behind what is written; nothing while half of
    /// that is ready. The kernel may keep a file in large pieces, each of which is written to the device whole when a
    /// byte of it has changed: `small_pieces` is for those who flush after a few messages.
    pub(crate) fn take_untouched(&mut self, window: usize, small_pieces: bool) -> Option<DirtyRange> {
        let from = self.touched.max(self.written);
        let to = self.written.saturating_add(window).min(len_of(&self.map));
        let enough = from - self.written >= window / 2;
        if from >= to || enough {
            return None;
        }
        if self.touched == 0 && small_pieces {
            self.map.one_page_at_a_time();
        }
        self.touched = to;
        Some(DirtyRange { map: self.map.clone(), from, to })
    }

    /// The part of `from..end` that lies in this file.
    pub(crate) fn dirty(&self, from: u64) -> Option<DirtyRange> {
        let from = usize::try_from(from.saturating_sub(self.base)).ok()?;
        (from < self.written).then(|| DirtyRange { map: self.map.clone(), from, to: self.written })
    }
}

/// Zeroes everything from `at` on, on the device too. Where the file system cannot do it, page by page what is
/// not zero, without filling holes.
fn wipe(map: &Map, disk: &dyn Disk, path: &Path, at: usize) -> io::Result<()> {
    if disk.zero(path, at as u64, len_of(map) as u64)? {
        disk.sync_file(path)?;
        return DirtyRange { map: map.clone(), from: at.min(len_of(map)), to: len_of(map) }.sync();
    }
    let mut next = at;
    while next < len_of(map) {
        let Some(data) = disk.next_data(path, next as u64)? else { break };
        let from = usize::try_from(data).map_err(io::Error::other)?.max(next);
        let to = (from / PAGE * PAGE + PAGE).min(len_of(map));
        if from >= to {
            break;
        }
        // SAFETY: in bounds, and the caller has exclusive use of the bytes from `at` on.
        let page = unsafe { std::slice::from_raw_parts_mut(base_of(map).add(from), to - from) };
        if page.iter().any(|b| *b != 0) {
            page.fill(0);
        }
        next = to;
    }
    DirtyRange { map: map.clone(), from: at.min(len_of(map)), to: len_of(map) }.sync()
}

/// A file of fixed size that is read and changed in place, by one owner.
#[derive(Debug)]
pub(crate) struct Table {
    map: Map,
    /// Bytes in front whose space is taken.
    allocated: u64,
}

impl Table {
    pub(crate) fn open(disk: &dyn Disk, path: &Path, size: u64) -> io::Result<Self> {
        disk.room_for_map()?;
        Ok(Table { map: disk.map(path, size)?, allocated: 0 })
    }

    /// Creates a sparse file; making name and size durable is left to the flush of its directory.
    pub(crate) fn create(disk: &dyn Disk, path: &Path, size: u64) -> io::Result<Self> {
        disk.room_for_map()?;
        Ok(Table { map: disk.create(path, size)?, allocated: 0 })
    }

    /// Makes sure that the file has space for the bytes `from..to`, where all before `from` has been written
    /// already; asks for `ahead` bytes more so that this costs a call, and the making of the path, only now and then.
    pub(crate) fn allocate<P: AsRef<Path>>(
        &mut self,
        disk: &dyn Disk,
        path: impl FnOnce() -> P,
        from: u64,
        to: u64,
        ahead: u64,
    ) -> io::Result<()> {
        if to > self.allocated {
            if self.allocated == 0 {
                // Tables are many and filled a few bytes at a time; reading around a fault would have the kernel clear
                // megabytes, or a whole file, for each of them.
                self.map.one_page_at_a_time();
            }
            let from = from.max(self.allocated) / PAGE as u64 * PAGE as u64;
            let to = to.saturating_add(ahead).min(len_of(&self.map) as u64);
            disk.allocate(path().as_ref(), from, to)?;
            self.allocated = to;
        }
        Ok(())
    }

    /// A copy of `N` bytes.
    pub(crate) fn get<const N: usize>(&self, at: u64) -> Option<[u8; N]> {
        let at = usize::try_from(at).ok()?;
        if at.checked_add(N)? > len_of(&self.map) {
            return None;
        }
        let mut out = [0; N];
        // SAFETY: in bounds (checked), distinct memory, and writers need `&mut self`; no reference into the
        // mapping is ever formed or handed out.
        unsafe { std::ptr::copy_nonoverlapping(base_of(&self.map).add(at), out.as_mut_ptr(), N) };
        Some(out)
    }

    /// Whether these bytes can be read without waiting for the device.
    pub(crate) fn is_resident(&self, from: u64, len: u64) -> bool {
        let clip = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(len_of(&self.map));
        self.map.is_resident(clip(from), clip(from.saturating_add(len)))
    }

    /// Whether all of these bytes are zero; bytes behind the file count as such.
    pub(crate) fn is_zero(&self, from: u64, to: u64) -> bool {
        let clip = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(len_of(&self.map));
        let (from, to) = (clip(from), clip(to));
        // SAFETY: in bounds (clipped), and writers need `&mut self`; the reference ends with this call.
        let bytes =
            unsafe { std::slice::from_raw_parts(base_of(&self.map).add(from), to.saturating_sub(from)) };
        bytes.iter().all(|b| *b == 0)
    }

    /// Overwrites bytes; false (and nothing written) when they do not fit.
    pub(crate) fn put(&mut self, at: u64, bytes: &[u8]) -> bool {
        let Ok(at) = usize::try_from(at) else { return false };
        if at.checked_add(bytes.len()).is_none_or(|end| end > len_of(&self.map)) {
            return false;
        }
        // SAFETY: in bounds (checked), distinct memory, exclusive by `&mut self`.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), base_of(&self.map).add(at), bytes.len()) };
        true
    }

    /// Zeroes everything from `at` on, on the device too.
    pub(crate) fn wipe_from(&mut self, disk: &dyn Disk, path: &Path, at: u64) -> io::Result<()> {
        wipe(&self.map, disk, path, usize::try_from(at).map_err(io::Error::other)?)
    }

    /// A range to be flushed, cut to the file.
    pub(crate) fn dirty(&self, from: u64, to: u64) -> DirtyRange {
        let clip = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(len_of(&self.map));
        DirtyRange { map: self.map.clone(), from: clip(from), to: clip(to) }
    }
}

#[cfg(test)]
mod tests;
