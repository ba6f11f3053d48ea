//! The file operations a store needs, behind one trait: [`RealDisk`] uses the file system, [`SimDisk`] keeps
//! everything in memory and loses what a power failure would lose.
//!
//! Contents are reached through memory in both: a [`Mapped`] file is a range of bytes that is read and written
//! directly, and only `sync` talks to the device. So the hot path is the same whatever lies below it.

mod real;
mod sim;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::Arc;

pub use real::RealDisk;
pub use sim::{SimConfig, SimDisk};

/// A disk shared by the parts of a store and its jobs.
pub type DiskRef = Arc<dyn Disk>;

/// A mapped file; it stays usable after its name is gone.
pub type Map = Arc<dyn Mapped>;

/// A file of fixed size as memory.
///
/// # Safety
/// `memory` must return the same address and length every time; all of those bytes are initialised and valid
/// for reads and writes, from any thread, for as long as the value lives. The implementation itself reads them
/// only in `sync`, and never writes them.
pub unsafe trait Mapped: Send + Sync + fmt::Debug {
    /// Address and length in bytes.
    fn memory(&self) -> (NonNull<u8>, usize);

    /// Blocks until bytes `from..to`, and what is needed to find them again, are on the device.
    ///
    /// # Errors
    /// Nothing is known about these bytes then; another attempt may report success without having written them.
    fn sync(&self, from: usize, to: usize) -> io::Result<()>;

    /// Has memory ready for bytes `from..to`, so that writing there does not wait for it. Nothing in them changes, and
    /// nothing is promised.
    fn touch(&self, _from: usize, _to: usize) {}

    /// Says that a page touched here says nothing about its neighbours: a fault brings that page and no others.
    fn one_page_at_a_time(&self) {}

    /// Whether reading the bytes `from..to` would not have to wait for the device. True where that is not known.
    fn is_resident(&self, _from: usize, _to: usize) -> bool {
        true
    }
}

/// What is known of a directory entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub path: PathBuf,
    pub is_dir: bool,
    /// Bytes.
    pub len: u64,
    /// Last modification, milliseconds since the Unix epoch.
    pub modified_ms: i64,
}

/// Size and free space of a file system, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    pub total: u64,
    pub free: u64,
    /// Free for others than the superuser.
    pub available: u64,
}

impl Space {
    /// Used part of what an ordinary user could use, as a fraction.
    #[must_use]
    pub fn used_ratio(&self) -> f64 {
        let used = self.total.saturating_sub(self.free);
        let whole = used.saturating_add(self.available);
        if whole == 0 { 0.0 } else { used as f64 / whole as f64 }
    }
}

/// The file operations of a store. Changes of names (creation, renaming, removal) are durable only after
/// [`Disk::sync_dir`] of the directories they are in, contents only after a `sync` of them.
pub trait Disk: Send + Sync + fmt::Debug + 'static {
    /// Maps the first `len` bytes of an existing file.
    ///
    /// # Errors
    /// Also for a file that is shorter.
    fn map(&self, path: &Path, len: u64) -> io::Result<Map>;

    /// Whether one more of the files of which there may be many can be mapped. A process that has as many maps as
    /// the system allows dies of its next allocation.
    ///
    /// # Errors
    /// The number there are and what to raise.
    fn room_for_map(&self) -> io::Result<()> {
        Ok(())
    }

    /// Opens or creates a file (and the directories above it), gives it exactly `len` bytes, new ones being
    /// zero, and maps it. Takes no space for contents; see [`Disk::allocate`].
    ///
    /// # Errors
    /// What the file system says.
    fn create(&self, path: &Path, len: u64) -> io::Result<Map>;

    /// Takes space for the bytes `from..to` of a file, so that writing to them cannot fail for want of it.
    /// Where the file system has no such operation, this says so once in the log and does nothing.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] above all.
    fn allocate(&self, path: &Path, from: u64, to: u64) -> io::Result<()>;

    /// Makes size and contents of a whole file durable.
    ///
    /// # Errors
    /// As [`Mapped::sync`].
    fn sync_file(&self, path: &Path) -> io::Result<()>;

    /// Brings the bytes `from..to` of a file into memory, so that reading them through a mapping does not wait;
    /// `ahead` more are asked for without waiting for them.
    ///
    /// # Errors
    /// What the device says where a mapping could only end the process.
    fn fetch(&self, path: &Path, from: u64, to: u64, ahead: u64) -> io::Result<()>;

    /// First byte at or behind `from` that may differ from zero; `None` when there is none.
    ///
    /// # Errors
    /// What the file system says.
    fn next_data(&self, path: &Path, from: u64) -> io::Result<Option<u64>>;

    /// Makes the bytes `from..to` of a file read as zeros, giving up their space where that is how it is done.
    /// Seen through mappings at once, durable after a sync. False, and nothing done, where the file system has
    /// no such operation.
    ///
    /// # Errors
    /// What the file system says.
    fn zero(&self, path: &Path, from: u64, to: u64) -> io::Result<bool>;

    /// Content of a small file; `None` when it does not exist.
    ///
    /// # Errors
    /// What the file system says.
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>>;

    /// Overwrites a small file in place, creating it if need be; the content is durable on return.
    ///
    /// # Errors
    /// What the file system says; the content is then old, new, or a mixture of sectors of both.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// The entries of a directory in order of path; none when it does not exist.
    ///
    /// # Errors
    /// What the file system says.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;

    /// One entry; `None` when it does not exist.
    ///
    /// # Errors
    /// What the file system says.
    fn entry(&self, path: &Path) -> io::Result<Option<Entry>>;

    /// Creates a directory and those above it.
    ///
    /// # Errors
    /// What the file system says.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes creations, renames and removals in a directory durable.
    ///
    /// # Errors
    /// What the file system says; [`io::ErrorKind::NotFound`] when it is gone.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Renames a file or directory.
    ///
    /// # Errors
    /// What the file system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Renames a file unless the new name is taken.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`], or what the file system says.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file; a missing one is fine.
    ///
    /// # Errors
    /// What the file system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory with all it holds; a missing one is fine.
    ///
    /// # Errors
    /// What the file system says.
    fn remove_tree(&self, path: &Path) -> io::Result<()>;

    /// Space of the file system that holds `path`, or would hold it.
    ///
    /// # Errors
    /// What the file system says.
    fn space(&self, path: &Path) -> io::Result<Space>;

    /// Locks a file, created if need be, against other stores until the result is dropped; `None` when
    /// somebody else has locked it.
    ///
    /// # Errors
    /// What the file system says.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn fmt::Debug + Send>>>;
}

/// Creates a directory that is durable by name.
pub(crate) fn create_durable_dir(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    if disk.entry(dir)?.is_some_and(|entry| entry.is_dir) {
        return Ok(());
    }
    disk.create_dir(dir)?;
    for parent in dir.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty()) {
        match disk.sync_dir(parent) {
            // above the store, say; what cannot be opened was not created here
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => break,
            other => other?,
        }
    }
    Ok(())
}

/// Removes a file so that it stays removed.
pub(crate) fn remove_durably(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    disk.remove(path)?;
    path.parent().map_or(Ok(()), |dir| disk.sync_dir(dir))
}

/// Whether an error means that the device has no room left.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
