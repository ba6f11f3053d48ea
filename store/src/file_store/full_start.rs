//! Opening a store on a disk without room: it comes up for readers, and for writers once there is room
//! (`spec/known-failures.md` KF-39).
//!
//! What could not be written at the start is remembered, and written before the first message is accepted:
//! above all `abort`, without which a crash would pass for an orderly end.

use std::path::PathBuf;

use sansmq_core::store::retention;
use sansmq_core::time::Now;

use super::FileStore;
use crate::abort;
use crate::disk::{Disk, Space, create_durable_dir};
use crate::error::StoreError;
use crate::jobs::Work;
use crate::sys;

/// Bytes that have to be free before what was left out is tried again.
const SMALL_FILES: u64 = 16 * 1024;

/// What a start has left out for want of space.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    pub dirs: Vec<PathBuf>,
    pub abort: bool,
    pub checkpoint: bool,
}

impl LeftOut {
    /// Lets the want of space pass, and only that; true when it was one.
    pub fn tolerate(result: Result<(), StoreError>) -> Result<bool, StoreError> {
        match result {
            Ok(()) => Ok(false),
            Err(error) if error.is_full() => {
                tracing::warn!(%error, "the disk is full; the store opens for reading only");
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    fn is_nothing(&self) -> bool {
        *self == LeftOut::default()
    }
}

/// Catches up on what was left out; the checkpoint follows with the next flush.
pub(crate) fn prepare(
    disk: &dyn Disk,
    root: &std::path::Path,
    pid: u32,
    left_out: &LeftOut,
) -> Result<(), StoreError> {
    for dir in &left_out.dirs {
        create_durable_dir(disk, dir).map_err(StoreError::io("create", dir))?;
    }
    if left_out.abort { abort::create(disk, root, pid) } else { Ok(()) }
}

impl FileStore {
    /// The state of the disks at the start: writes are refused from the first one on where there is no room.
    pub(super) fn look_at_start(&mut self, now: Now) {
        if !self.space.left_out.is_nothing() {
            self.space.wanted = Some(SMALL_FILES);
            self.flusher.space_wanted(now);
        }
        let used = |space: std::io::Result<Space>| space.map_or(-1.0, |space| space.used_ratio());
        let survey = retention::Survey {
            now_ms: now.wall_ms,
            hour: sys::local_hour(now.wall_ms),
            log_used: self.log.dirs().iter().map(|dir| used(self.disk.space(dir))).collect(),
            queue_used: used(self.disk.space(self.queues.dir())),
            ..retention::Survey::default()
        };
        let verdict = retention::decide(&self.config.retention, &survey, self.space.flags);
        if verdict.flags.refuse_writes() {
            tracing::warn!(log = ?survey.log_used, queues = survey.queue_used, "the disk is too full for writes");
            self.flusher.space_wanted(now);
        }
        self.space.flags = verdict.flags;
        self.log.set_full_dirs(&verdict.full_dirs);
    }

    /// The attempt to write what was left out, once there seems to be room.
    pub(super) fn preparation(&mut self) -> Option<Work> {
        if !std::mem::take(&mut self.space.prepare_due) {
            return None;
        }
        Some(Work::Prepare {
            root: self.config.root.clone(),
            pid: self.config.pid,
            left_out: self.space.left_out.clone(),
        })
    }

    pub(super) fn prepared(&mut self, now: Now, result: Result<(), StoreError>) {
        match result {
            Ok(()) => {
                self.space.left_out = LeftOut::default();
                self.space.survey_due = true;
            }
            Err(error) if error.is_full() => self.flusher.space_wanted(now),
            Err(error) => self.fail("start on a full disk", &error),
        }
    }

    /// Whether something has to be written before writes are accepted; asks for it then.
    pub(super) fn must_prepare(&mut self) -> bool {
        self.space.prepare_due = !self.space.left_out.is_nothing();
        self.space.prepare_due
    }
}
