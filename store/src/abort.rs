//! The `abort` file: present while a store is open, so that its presence on start means the last run did not
//! end in order (`spec/store.md` section 9). `abort.bak` means nothing.

use std::path::{Path, PathBuf};

use crate::disk::{Disk, is_full, remove_durably};
use crate::error::StoreError;

fn path_in(root: &Path) -> PathBuf {
    root.join("abort")
}

/// Whether the last run ended in order.
pub(crate) fn last_exit_was_clean(disk: &dyn Disk, root: &Path) -> Result<bool, StoreError> {
    let path = path_in(root);
    disk.entry(&path).map(|entry| entry.is_none()).map_err(StoreError::io("look for", &path))
}

/// Marks the store as running; durable on return.
pub(crate) fn create(disk: &dyn Disk, root: &Path, pid: u32) -> Result<(), StoreError> {
    let path = path_in(root);
    let written = match disk.write(&path, pid.to_string().as_bytes()) {
        // its presence is what counts, and that needs no room for contents
        Err(error) if is_full(&error) && disk.entry(&path).is_ok_and(|entry| entry.is_some()) => Ok(()),
        other => other,
    };
    written.and_then(|()| disk.sync_dir(root)).map_err(StoreError::io("write", &path))
}

/// Marks an orderly end.
pub(crate) fn remove(disk: &dyn Disk, root: &Path) -> Result<(), StoreError> {
    let path = path_in(root);
    remove_durably(disk, &path).map_err(StoreError::io("remove", &path))
}
