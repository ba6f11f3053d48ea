//! The `lock` file: one running store per directory (`spec/store.md` section 9).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::StoreError;
use crate::{files, sys};

/// Held while the store is open; dropping it releases the lock, the file stays.
#[derive(Debug)]
pub(crate) struct DirLock {
    file: File,
}

impl DirLock {
    pub(crate) fn acquire(root: &Path) -> Result<Self, StoreError> {
        let path = root.join("lock");
        let open = || {
            std::fs::create_dir_all(root)?;
            File::options().read(true).write(true).create(true).truncate(false).open(&path)
        };
        let file = open().map_err(StoreError::io("open", &path))?;
        if !sys::lock_first_byte(&file).map_err(StoreError::io("lock", &path))? {
            return Err(StoreError::Locked { path });
        }
        file.write_all_at(b"lock", 0).map_err(StoreError::io("write", &path))?;
        files::sync_dir(root).map_err(StoreError::io("sync", root))?;
        Ok(DirLock { file })
    }
}

impl Drop for DirLock {
    fn drop(&mut self) {
        if let Err(error) = sys::unlock_first_byte(&self.file) {
            tracing::warn!(%error, "cannot release the store's lock");
        }
    }
}
