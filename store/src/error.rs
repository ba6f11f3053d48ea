//! What can go wrong when a store is opened or its files are touched.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::is_full;

/// An error with the file it is about.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file operation failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    /// A segment file does not have the configured size; sizes are part of the format.
    #[error(
        "{} has {actual} bytes but files of this kind are configured to have {expected}; \
         open the store with the sizes it was written with",
        path.display()
    )]
    WrongSize { path: PathBuf, actual: u64, expected: u64 },
    /// A file between others is missing.
    #[error("{} follows a gap: the file that starts at byte {expected} is missing", path.display())]
    Gap { path: PathBuf, expected: u64 },
    /// A file whose name is no multiple of the file size.
    #[error("{} cannot start there: files of this kind have {size} bytes each", path.display())]
    Misplaced { path: PathBuf, size: u64 },
    /// Another process (or another store in this one) has the directory open.
    #[error("{} is locked: the store is already open elsewhere", path.display())]
    Locked { path: PathBuf },
    /// Something the member of a raft group has acknowledged cannot be read any more.
    #[error(
        "{} is damaged at byte {offset}: {why}. Restore it from a copy of this moment; or, if the other members \
         are intact, move the directory of this one away and start it again: they will fill it up",
        path.display()
    )]
    RaftDamaged { path: PathBuf, offset: u64, why: String },
    /// A record that does not follow the last one of a raft log.
    #[error("record {found} cannot be appended to the raft log, which goes on with record {expected}")]
    RaftOrder { expected: u64, found: u64 },
    /// A record no file of a raft log can take.
    #[error("a record of {bytes} bytes is too long for the raft log; expected at most {limit}")]
    RaftTooLong { bytes: usize, limit: usize },
    /// Writes to a raft directory have ended with an earlier failure.
    #[error("{} takes no more writes until it is opened again, because an earlier one failed: {why}", path.display())]
    RaftStopped { path: PathBuf, why: String },
    /// Queues or index have to be built again from the log, and there is no room for them. Without them consumers
    /// would see fewer messages than there are, so the store does not open.
    #[error(
        "the disk is full while queues and index are built again from the log: cannot {action} {}: {source}; \
         the log is whole: make room and start again",
        path.display()
    )]
    NoRoomToRebuild { action: &'static str, path: PathBuf, source: io::Error },
    /// A size or limit that cannot work.
    #[error("store configuration: {0}")]
    Config(String),
}

impl StoreError {
    /// Whether the device has no room left.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, StoreError::Io { source, .. } if is_full(source))
    }

    /// For errors of a recovery: says what a full disk means there.
    pub(crate) fn of_rebuild(self) -> StoreError {
        match self {
            StoreError::Io { action, path, source } if is_full(&source) => {
                StoreError::NoRoomToRebuild { action, path, source }
            }
            other => other,
        }
    }

    /// For `map_err`: names the action and the path of a failed file operation.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
        let path = path.to_path_buf();
        move |source| StoreError::Io { action, path, source }
    }
}
