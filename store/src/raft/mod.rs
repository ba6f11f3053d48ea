//! What one member of a raft group keeps on disk: the vote, the log, the mark of the last purge and a snapshot,
//! all opaque bytes ([`RaftWrite`], [`RaftImage`]). The format is our own (`docs/decisions/006`).
//!
//! | below `sansmq-raft-<id>/` | content | changed by |
//! |---|---|---|
//! | `lock` | | locked as long as the directory is open |
//! | `vote`, `purge`, `snapshot` | a checked file, see `checked` | a new file that takes the old one's name |
//! | `log/<first index>` | records, see `record` and `segment` | appending in place; cutting makes a new file |
//!
//! All that [`RaftDisk::open`] reports is durable by then, so a member may build on it at once.

mod checked;
mod log;
mod record;
mod segment;

use std::fmt;
use std::path::{Path, PathBuf};

use sansmq_core::planted;
use sansmq_core::raft::{NodeId, RaftImage, RaftWrite};

use crate::disk::{DiskRef, create_durable_dir};
use crate::error::StoreError;
use crate::lock::DirLock;
use checked::Checked;
use log::Log;

/// Usual size of a file of the log.
const FILE_BYTES: usize = 1 << 20;

/// Something an operator should know about a directory that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RaftNote {
    /// The end of the log was being written when the member stopped. It was never acknowledged and is gone.
    TornTail { path: PathBuf, offset: u64, bytes: u64 },
    /// A controller of the reference has run here; its log means nothing to this member.
    Dledger { path: PathBuf },
}

impl fmt::Display for RaftNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RaftNote::TornTail { path, offset, bytes } => {
                let path = path.display();
                write!(
                    f,
                    "{path}: the last {bytes} bytes, from byte {offset} on, were not written completely "
                )?;
                write!(f, "and have been cut; nothing in them was acknowledged")
            }
            RaftNote::Dledger { path } => {
                let path = path.display();
                write!(
                    f,
                    "{path} was written by a Java controller and cannot be taken over: this controller "
                )?;
                write!(f, "keeps its own log and shares no group with Java controllers")
            }
        }
    }
}

/// The disk of one member, open. Not for the event loop: every call may wait for the device.
#[derive(Debug)]
pub struct RaftDisk {
    root: PathBuf,
    disk: DiskRef,
    vote: Checked,
    snapshot: Checked,
    log: Log,
    notes: Vec<RaftNote>,
    /// The first failure; what the device holds of later writes nobody knows until it is opened again.
    failed: Option<String>,
    _lock: DirLock,
}

impl RaftDisk {
    /// Opens or creates `sansmq-raft-<id>` below `dir` (`controllerStorePath`).
    ///
    /// # Errors
    /// The directory is open elsewhere, a file operation failed, or something that was acknowledged is missing
    /// or damaged; nothing is cut or replaced then.
    pub fn open(disk: DiskRef, dir: &Path, id: NodeId) -> Result<(Self, RaftImage), StoreError> {
        Self::open_sized(disk, dir, id, FILE_BYTES)
    }

    /// As [`RaftDisk::open`], with another size for new files of the log, in bytes. Those that are there keep
    /// theirs.
    ///
    /// # Errors
    /// As [`RaftDisk::open`].
    pub fn open_sized(
        disk: DiskRef,
        dir: &Path,
        id: NodeId,
        file_bytes: usize,
    ) -> Result<(Self, RaftImage), StoreError> {
        let root = dir.join(format!("sansmq-raft-{id}"));
        let lock = DirLock::acquire(disk.as_ref(), &root)?;
        let log_dir = root.join("log");
        create_durable_dir(disk.as_ref(), &log_dir).map_err(StoreError::io("create", &log_dir))?;
        // a rename that was not made durable before an earlier failure may be seen but not be kept
        disk.sync_dir(&log_dir).map_err(StoreError::io("sync", &log_dir))?;
        let vote = Checked::new(&root, "vote");
        let purge = Checked::new(&root, "purge");
        let snapshot = Checked::new(&root, "snapshot");
        let mut image = RaftImage {
            vote: vote.read(disk.as_ref())?,
            snapshot: snapshot.read(disk.as_ref())?,
            ..RaftImage::default()
        };
        let mut notes = Vec::new();
        let used = image.vote.is_some() || image.snapshot.is_some();
        let log = Log::open(&disk, &log_dir, file_bytes, purge, used, &mut image, &mut notes)?;
        let foreign = dir.join(format!("dledger-{id}"));
        if disk
            .entry(&foreign)
            .map_err(StoreError::io("look for", &foreign))?
            .is_some_and(|found| found.is_dir)
        {
            notes.push(RaftNote::Dledger { path: foreign });
        }
        let raft = RaftDisk { root, disk, vote, snapshot, log, notes, failed: None, _lock: lock };
        Ok((raft, image))
    }

    /// The directory of this member.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// What was found when the directory was opened, for the log of the process.
    #[must_use]
    pub fn notes(&self) -> &[RaftNote] {
        &self.notes
    }

    /// Makes a group of writes durable, in order: after a crash the disk holds all of the groups written before
    /// and a front part of this one. Appends that follow each other cost one sync, so what has piled up should
    /// be written at once.
    ///
    /// # Errors
    /// A file operation failed or a record has the wrong index. Nothing more is written then, and all later calls
    /// fail, until the directory has been opened again and has shown what it really holds.
    pub fn write(&mut self, group: &[RaftWrite]) -> Result<(), StoreError> {
        if let Some(why) = &self.failed {
            return Err(StoreError::RaftStopped { path: self.root.clone(), why: why.clone() });
        }
        let result = self.write_group(group);
        if let Err(error) = &result {
            self.failed = Some(error.to_string());
        }
        result
    }

    fn write_group(&mut self, group: &[RaftWrite]) -> Result<(), StoreError> {
        let disk = self.disk.as_ref();
        for (position, op) in group.iter().enumerate() {
            if !matches!(op, RaftWrite::Append(_)) {
                self.log.sync()?;
            }
            match op {
                RaftWrite::Append(records) => {
                    for record in records {
                        self.log.append(disk, record)?;
                    }
                }
                // the next one replaces it before anybody is told
                RaftWrite::Vote(_) if matches!(group.get(position + 1), Some(RaftWrite::Vote(_))) => {}
                RaftWrite::Vote(bytes) => self.vote.replace(disk, &[bytes])?,
                RaftWrite::Snapshot(bytes) => self.snapshot.replace(disk, &[bytes])?,
                RaftWrite::TruncateFrom(index) => self.log.truncate_from(disk, *index)?,
                RaftWrite::Purge { upto, mark } => self.log.purge(disk, *upto, mark)?,
            }
        }
        if planted::is("raft-log-unsynced") {
            return Ok(());
        }
        self.log.sync()
    }
}
