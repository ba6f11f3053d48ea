//! Work that may block, as plain data to be run on any thread.

use std::io;
use std::path::PathBuf;

use crate::checkpoint::Checkpoint;
use crate::files;
use crate::mapped::{DirtyRange, LogSegment};

/// A piece of blocking work of a [`crate::FileStore`].
#[derive(Debug)]
pub struct Job(pub(crate) Work);

/// What a finished [`Job`] reports.
#[derive(Debug)]
pub struct Done(pub(crate) Outcome);

#[derive(Debug)]
pub(crate) enum Work {
    /// Write the log back up to `end`.
    FlushLog { ranges: Vec<DirtyRange>, end: u64 },
    /// Write queues and index back, then the checkpoint that speaks of them.
    FlushQueues(QueueFlush),
    /// Create the next log file ahead of need.
    CreateSegment { path: PathBuf, base: u64, size: u64 },
    /// Remove a directory tree nobody looks at any more.
    RemoveTree { path: PathBuf },
}

#[derive(Debug)]
pub(crate) struct QueueFlush {
    pub ranges: Vec<DirtyRange>,
    /// Directories that got new entries.
    pub dirs: Vec<PathBuf>,
    pub checkpoint: Checkpoint,
    pub checkpoint_path: PathBuf,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    FlushLog { end: u64, result: io::Result<()> },
    FlushQueues { checkpoint: Checkpoint, result: io::Result<()> },
    CreateSegment { path: PathBuf, base: u64, result: io::Result<LogSegment> },
    RemoveTree { path: PathBuf, result: io::Result<()> },
}

/// Runs a job to its end.
pub(crate) fn run(job: Job) -> Done {
    Done(match job.0 {
        Work::FlushLog { ranges, end } => Outcome::FlushLog { end, result: sync_all(&ranges) },
        Work::FlushQueues(flush) => {
            Outcome::FlushQueues { checkpoint: flush.checkpoint, result: flush_queues(&flush) }
        }
        Work::CreateSegment { path, base, size } => {
            let result = LogSegment::create(&path, base, size);
            Outcome::CreateSegment { path, base, result }
        }
        Work::RemoveTree { path } => {
            let result = files::remove_tree(&path);
            Outcome::RemoveTree { path, result }
        }
    })
}

fn sync_all(ranges: &[DirtyRange]) -> io::Result<()> {
    ranges.iter().try_for_each(DirtyRange::sync)
}

fn flush_queues(flush: &QueueFlush) -> io::Result<()> {
    sync_all(&flush.ranges)?;
    flush.dirs.iter().try_for_each(|dir| match files::sync_dir(dir) {
        // a topic deleted in the meantime
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    })?;
    flush.checkpoint.write(&flush.checkpoint_path)
}
