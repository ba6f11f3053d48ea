//! The `abort` file: present while a store is open, so that its presence on start means the last run did not
//! end in order (`spec/store.md` section 9). `abort.bak` means nothing.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::StoreError;
use crate::files;

fn path_in(root: &Path) -> PathBuf {
    root.join("abort")
}

/// Whether the last run ended in order.
pub(crate) fn last_exit_was_clean(root: &Path) -> Result<bool, StoreError> {
    let path = path_in(root);
    path.try_exists().map(|there| !there).map_err(StoreError::io("look for", &path))
}

/// Marks the store as running; durable on return.
pub(crate) fn create(root: &Path, pid: u32) -> Result<(), StoreError> {
    let path = path_in(root);
    let write = || {
        let mut file = File::create(&path)?;
        file.write_all(pid.to_string().as_bytes())?;
        file.sync_all()?;
        files::sync_dir(root)
    };
    write().map_err(StoreError::io("write", &path))
}

/// Marks an orderly end.
pub(crate) fn remove(root: &Path) -> Result<(), StoreError> {
    let path = path_in(root);
    files::remove_if_present(&path)
        .and_then(|()| files::sync_dir(root))
        .map_err(StoreError::io("remove", &path))
}
