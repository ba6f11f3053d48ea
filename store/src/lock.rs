//! The `lock` file: one running store per directory (`spec/store.md` section 9).

use std::fmt;
use std::path::Path;

use crate::disk::{Disk, create_durable_dir, is_full};
use crate::error::StoreError;

/// Held while the store is open; dropping it releases the lock, the file stays.
#[derive(Debug)]
pub(crate) struct DirLock {
    _held: Box<dyn fmt::Debug + Send>,
}

impl DirLock {
    pub(crate) fn acquire(disk: &dyn Disk, root: &Path) -> Result<Self, StoreError> {
        let path = root.join("lock");
        create_durable_dir(disk, root).map_err(StoreError::io("open", &path))?;
        let held = disk.lock(&path).map_err(StoreError::io("lock", &path))?;
        let Some(held) = held else { return Err(StoreError::Locked { path }) };
        match disk.sync_dir(root) {
            Err(error) if !is_full(&error) => return Err(StoreError::io("sync", root)(error)),
            _ => {}
        }
        Ok(DirLock { _held: held })
    }
}
