//! The file system of the machine.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use memmap2::{Advice, MmapOptions, MmapRaw};

use super::{Disk, Entry, Map, Mapped, Space, is_full};
use crate::sys;

/// The file system of the machine.
#[derive(Debug, Default)]
pub struct RealDisk {
    /// It was said already that space cannot be taken in advance.
    sparse_noted: AtomicBool,
}

/// Bytes per read when only the page cache is meant.
const FETCH_PIECE: usize = 64 * 1024;

/// Maps of this process.
static MAPS: AtomicUsize = AtomicUsize::new(0);

/// What the system allowed when it was asked last; it is asked again when that is used up, since it may have been raised.
static MOST_MAPS: AtomicUsize = AtomicUsize::new(0);

/// Maps kept back for the log's own files, for libraries, stacks and the heap.
const RESERVED_MAPS: usize = 4096;

#[derive(Debug)]
struct RealMap(MmapRaw);

impl RealMap {
    fn new(map: MmapRaw) -> Self {
        MAPS.fetch_add(1, Ordering::Relaxed);
        RealMap(map)
    }
}

impl Drop for RealMap {
    fn drop(&mut self) {
        MAPS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Fails where `maps` of the `most` that a process may have leave no room for another.
fn room_among(most: usize, maps: usize) -> io::Result<()> {
    if maps < most.saturating_sub(RESERVED_MAPS) {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{maps} files are mapped and the system allows a process {most} maps; raise vm.max_map_count (for instance \
         sysctl -w vm.max_map_count=655360)"
    )))
}

// SAFETY: the mapping stays in place until it is dropped, file pages are always initialised, and the store
// makes sure no file is shortened while it is mapped.
unsafe impl Mapped for RealMap {
    fn memory(&self) -> (NonNull<u8>, usize) {
        (NonNull::new(self.0.as_mut_ptr()).unwrap_or(NonNull::dangling()), self.0.len())
    }

    fn sync(&self, from: usize, to: usize) -> io::Result<()> {
        self.0.flush_range(from, to.saturating_sub(from))
    }

    fn touch(&self, from: usize, to: usize) {
        // a kernel before 5.14 does not know how; then the writer's page faults do it
        let _ = self.0.advise_range(Advice::PopulateWrite, from, to.saturating_sub(from));
    }

    fn one_page_at_a_time(&self) {
        // only speed depends on it
        let _ = self.0.advise(Advice::Random);
    }

    fn is_resident(&self, from: usize, to: usize) -> bool {
        let to = to.min(self.0.len());
        // SAFETY: the range lies in the mapping, which lives as long as `self`.
        from >= to || unsafe { sys::is_resident(self.0.as_mut_ptr().add(from), to - from) }
    }
}

fn map_file(file: &File, size: u64) -> io::Result<Map> {
    let len = usize::try_from(size).map_err(io::Error::other)?;
    // a mapping longer than its file would fault on access instead of failing here
    if file.metadata()?.len() < size {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "file is shorter than its mapping"));
    }
    Ok(Arc::new(RealMap::new(MmapOptions::new().len(len).map_raw(file)?)))
}

fn for_changes(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).open(path)
}

/// A missing file is no failure here but an answer.
fn optional<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn entry_of(path: PathBuf, meta: &fs::Metadata) -> Entry {
    let modified_ms = meta.mtime().saturating_mul(1000).saturating_add(meta.mtime_nsec() / 1_000_000);
    Entry { path, is_dir: meta.is_dir(), len: meta.len(), modified_ms }
}

impl Disk for RealDisk {
    fn map(&self, path: &Path, len: u64) -> io::Result<Map> {
        map_file(&for_changes(path)?, len)
    }

    fn room_for_map(&self) -> io::Result<()> {
        let maps = MAPS.load(Ordering::Relaxed);
        room_among(MOST_MAPS.load(Ordering::Relaxed), maps).or_else(|_| {
            MOST_MAPS.store(sys::max_maps(), Ordering::Relaxed);
            room_among(MOST_MAPS.load(Ordering::Relaxed), maps)
        })
    }

    fn create(&self, path: &Path, len: u64) -> io::Result<Map> {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        if file.metadata()?.len() != len {
            file.set_len(len)?;
        }
        map_file(&file, len)
    }

    fn allocate(&self, path: &Path, from: u64, to: u64) -> io::Result<()> {
        match sys::allocate(&for_changes(path)?, from, to.saturating_sub(from)) {
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {
                if !self.sparse_noted.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        path = %path.display(),
                        "the file system cannot reserve space; files stay sparse and a full disk may go \
                         unnoticed until it is too late"
                    );
                }
                Ok(())
            }
            other => other,
        }
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        for_changes(path)?.sync_all()
    }

    fn fetch(&self, path: &Path, from: u64, to: u64, ahead: u64) -> io::Result<()> {
        let file = File::open(path)?;
        sys::will_need(&file, from, to.saturating_sub(from).saturating_add(ahead));
        let mut buffer = vec![0; FETCH_PIECE];
        let mut at = from;
        while at < to {
            let piece = usize::try_from(to - at).map_or(FETCH_PIECE, |rest| rest.min(FETCH_PIECE));
            match file.read_at(&mut buffer[..piece], at) {
                Ok(0) => break,
                Ok(read) => at += read as u64,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn next_data(&self, path: &Path, from: u64) -> io::Result<Option<u64>> {
        sys::next_data(&File::open(path)?, from)
    }

    fn zero(&self, path: &Path, from: u64, to: u64) -> io::Result<bool> {
        match sys::punch(&for_changes(path)?, from, to.saturating_sub(from)) {
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(false),
            other => other.map(|()| true),
        }
    }

    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        optional(fs::read(path))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let file = File::options().write(true).create(true).truncate(false).open(path)?;
        file.write_all_at(bytes, 0)?;
        if file.metadata()?.len() != bytes.len() as u64 {
            file.set_len(bytes.len() as u64)?;
        }
        file.sync_all()
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let Some(listing) = optional(fs::read_dir(dir))? else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for entry in listing {
            let path = entry?.path();
            // one that vanished meanwhile is not there
            if let Some(meta) = optional(fs::metadata(&path))? {
                found.push(entry_of(path, &meta));
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    fn entry(&self, path: &Path) -> io::Result<Option<Entry>> {
        Ok(optional(fs::metadata(path))?.map(|meta| entry_of(path.to_path_buf(), &meta)))
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        // fails when the new name exists, on every file system
        fs::hard_link(from, to)?;
        fs::remove_file(from)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        optional(fs::remove_file(path)).map(|_| ())
    }

    fn remove_tree(&self, path: &Path) -> io::Result<()> {
        optional(fs::remove_dir_all(path)).map(|_| ())
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let there = path.ancestors().find(|path| path.exists());
        sys::space(there.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new(".")))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn fmt::Debug + Send>>> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        if !sys::lock_first_byte(&file)? {
            return Ok(None);
        }
        match file.write_all_at(b"lock", 0) {
            // the lock is held whether the file says so or not
            Err(error) if !is_full(&error) => return Err(error),
            _ => {}
        }
        Ok(Some(Box::new(Locked(file))))
    }
}

/// A lock that ends with the value; the file stays.
#[derive(Debug)]
struct Locked(File);

impl Drop for Locked {
    fn drop(&mut self) {
        if let Err(error) = sys::unlock_first_byte(&self.0) {
            tracing::warn!(%error, "cannot release the store's lock");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_end_before_the_process_does() {
        assert!(room_among(65_530, 61_433).is_ok());
        let error = room_among(65_530, 61_434).unwrap_err().to_string();
        assert!(error.starts_with("61434 files are mapped") && error.contains("65530 maps"), "{error}");
        assert!(room_among(usize::MAX, 1 << 20).is_ok());
    }
}
