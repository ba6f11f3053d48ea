//! A disk in memory that behaves as badly as a real one is allowed to.
//!
//! - Contents are 512-byte sectors. What was not synced reaches the device in any order or not at all; some of
//!   it is written back at random moments, as a kernel does.
//! - Names (creations, renamings, removals) are durable after a sync of their directory. At a crash the others
//!   survive as a prefix (a journal) or in any combination.
//! - Every operation is counted. Before the operation whose number was chosen as the crash, and again by
//!   [`SimDisk::power_off`], the state a restart would find is fixed; from then on everything fails until
//!   [`SimDisk::power_on`].
//! - Syncs can be made to fail. Like Linux, the disk then forgets that those sectors were to be written.
//! - There is a limit to the space. Writing to bytes that have no space is what would kill a process with
//!   SIGBUS: it is found at the next sync or crash and panics.
//!
//! Everything random comes from a seed. One store at a time uses a disk, from one thread.

mod memory;
mod state;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, Entry, Map, Mapped, Space};
use memory::Memory;
use state::State;

/// Settings of a [`SimDisk`].
#[derive(Clone, Copy, Debug)]
pub struct SimConfig {
    pub seed: u64,
    /// Bytes of the device.
    pub space: u64,
    /// One sync in this many fails; 0 for never.
    pub sync_failures: u64,
}

impl Default for SimConfig {
    fn default() -> Self {
        SimConfig { seed: 1, space: 1 << 40, sync_failures: 0 }
    }
}

/// A disk in memory; clones are the same disk.
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<State>>);

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimDisk").field("operations", &self.operations()).finish_non_exhaustive()
    }
}

impl SimDisk {
    /// An empty disk.
    #[must_use]
    pub fn new(config: SimConfig) -> Self {
        SimDisk(Arc::new(Mutex::new(State::new(config))))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // a test that panicked elsewhere may still look at the disk
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Operations so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Lets the power fail before the operation with this number (counted from 0).
    pub fn crash_at(&self, operation: u64) {
        self.state().crash_at = Some(operation);
    }

    /// Lets the power fail now.
    pub fn power_off(&self) {
        self.state().power_off();
    }

    /// Whether the power has failed.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.state().is_off()
    }

    /// Starts again with what the crash has left. Mappings from before are no longer part of the disk.
    pub fn power_on(&self) {
        self.state().power_on();
    }

    /// A disk with the same contents as this one has for a running program, everything durable.
    #[must_use]
    pub fn copy(&self) -> SimDisk {
        SimDisk(Arc::new(Mutex::new(self.state().copy())))
    }

    /// Changes the size of the device, in bytes.
    pub fn set_space(&self, bytes: u64) {
        self.state().config.space = bytes;
    }

    /// Changes how often syncs fail; 0 for never.
    pub fn set_sync_failures(&self, one_in: u64) {
        self.state().config.sync_failures = one_in;
    }

    /// Changes the clock that stamps files, milliseconds since the Unix epoch.
    pub fn set_time(&self, wall_ms: i64) {
        self.state().wall_ms = wall_ms;
    }

    /// Bytes taken by files.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.state().used()
    }
}

/// A file of the disk as memory.
#[derive(Debug)]
struct SimMap {
    disk: SimDisk,
    memory: Arc<Memory>,
    /// Number of the file, for the start of the disk it was mapped in.
    file: u64,
    start: u64,
    len: usize,
}

// SAFETY: the memory is allocated once, zeroed, at least `len` long, and freed with its last owner.
unsafe impl Mapped for SimMap {
    fn memory(&self) -> (NonNull<u8>, usize) {
        (self.memory.address(), self.len)
    }

    fn sync(&self, from: usize, to: usize) -> io::Result<()> {
        let mut state = self.disk.state();
        state.operation()?;
        if state.start != self.start {
            return Err(state::off());
        }
        state.sync(self.file, from, to.min(self.len))
    }
}

impl Disk for SimDisk {
    fn map(&self, path: &Path, len: u64) -> io::Result<Map> {
        let mut state = self.state();
        state.operation()?;
        let (file, memory, size) = state.file(path)?;
        if size < len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let len = usize::try_from(len).map_err(io::Error::other)?;
        Ok(Arc::new(SimMap { disk: self.clone(), memory, file, start: state.start, len }))
    }

    fn create(&self, path: &Path, len: u64) -> io::Result<Map> {
        {
            let mut state = self.state();
            state.operation()?;
            let size = usize::try_from(len).map_err(io::Error::other)?;
            state.create_dirs(path.parent().unwrap_or(Path::new("/")))?;
            state.create_file(path, size)?;
        }
        self.map(path, len)
    }

    fn allocate(&self, path: &Path, from: u64, to: u64) -> io::Result<()> {
        let mut state = self.state();
        state.operation()?;
        state.allocate(path, from, to)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operation()?;
        let (file, _, size) = state.file(path)?;
        state.sync(file, 0, usize::try_from(size).map_err(io::Error::other)?)
    }

    fn fetch(&self, path: &Path, _from: u64, _to: u64, _ahead: u64) -> io::Result<()> {
        let mut state = self.state();
        state.operation()?;
        state.file(path).map(|_| ())
    }

    fn next_data(&self, path: &Path, from: u64) -> io::Result<Option<u64>> {
        let mut state = self.state();
        state.operation()?;
        state.next_data(path, from)
    }

    fn zero(&self, path: &Path, from: u64, to: u64) -> io::Result<bool> {
        let mut state = self.state();
        state.operation()?;
        let (_, memory, size) = state.file(path)?;
        let from = from.min(size);
        memory.fill_at(from as usize, &vec![0; (to.min(size) - from) as usize]);
        Ok(true)
    }

    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        let mut state = self.state();
        state.operation()?;
        match state.file(path) {
            Ok((_, memory, size)) => Ok(Some(memory.bytes()[..size as usize].to_vec())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        {
            let mut state = self.state();
            state.operation()?;
            state.create_file(path, bytes.len())?;
            state.allocate(path, 0, bytes.len() as u64)?;
            let (_, memory, _) = state.file(path)?;
            memory.fill_at(0, bytes);
        }
        self.sync_file(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let mut state = self.state();
        state.operation()?;
        state.list(dir)
    }

    fn entry(&self, path: &Path) -> io::Result<Option<Entry>> {
        let mut state = self.state();
        state.operation()?;
        Ok(state.entry(path))
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operation()?;
        state.create_dirs(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operation()?;
        state.sync_dir(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operation()?;
        state.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operation()?;
        if state.entry(to).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operation()?;
        state.remove(path)
    }

    fn remove_tree(&self, path: &Path) -> io::Result<()> {
        loop {
            let mut state = self.state();
            state.operation()?;
            // one name at a time, the deepest first, so that a crash can come in between
            let Some(next) = state.deepest_below(path) else { return Ok(()) };
            state.remove(&next)?;
        }
    }

    fn space(&self, _path: &Path) -> io::Result<Space> {
        let mut state = self.state();
        state.operation()?;
        let free = state.config.space.saturating_sub(state.used());
        Ok(Space { total: state.config.space, free, available: free })
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn fmt::Debug + Send>>> {
        let mut state = self.state();
        state.operation()?;
        state.create_file(path, 4)?;
        if !state.locks.insert(path.to_path_buf()) {
            return Ok(None);
        }
        Ok(Some(Box::new(Held { disk: self.clone(), path: path.to_path_buf(), start: state.start })))
    }
}

/// A lock that ends with the value.
#[derive(Debug)]
struct Held {
    disk: SimDisk,
    path: PathBuf,
    start: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.start == self.start {
            state.locks.remove(&self.path);
        }
    }
}

#[cfg(test)]
mod tests;
