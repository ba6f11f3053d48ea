//! Work that may block, as plain data to be run on any thread.

use std::io;
use std::path::PathBuf;

use sansmq_core::planted;
use sansmq_core::store::fetch::FetchId;

use crate::checkpoint::Checkpoint;
use crate::deleted;
use crate::disk::{Disk, DiskRef, Space, is_full, remove_durably};
use crate::error::StoreError;
use crate::file_store::{ColdRange, LeftOut, prepare};
use crate::mapped::{DirtyRange, LogSegment};
use crate::timer_log::TimerFlush;

/// A piece of blocking work of a [`crate::FileStore`].
#[derive(Debug)]
pub struct Job(pub(crate) Work, pub(crate) DiskRef);

/// What a finished [`Job`] reports.
#[derive(Debug)]
pub struct Done(pub(crate) Outcome);

#[derive(Debug)]
pub(crate) enum Work {
    /// Write the log back up to `end`.
    FlushLog { ranges: Vec<DirtyRange>, end: u64 },
    /// Have memory ready for what will be written to the log next.
    Touch { range: DirtyRange },
    /// Write queues and index back, then the checkpoint that speaks of them.
    FlushQueues(QueueFlush),
    /// Write the timer log back, then the wheel.
    FlushTimer(TimerFlush),
    /// Create the next log file ahead of need.
    CreateSegment { path: PathBuf, base: u64, size: u64 },
    /// Look at the oldest log files and at the room on the disks.
    Survey(SurveyAsk),
    /// Remove a file nobody looks at any more, durably.
    RemoveFile { path: PathBuf },
    /// Write down which topics were deleted, durably.
    WriteDeleted { path: PathBuf, bytes: Vec<u8> },
    /// Remove a directory tree nobody looks at any more.
    RemoveTree { path: PathBuf },
    /// Write what a start on a full disk has left out.
    Prepare { root: PathBuf, pid: u32, left_out: LeftOut },
    /// Read what a request waits for into memory.
    Fetch { id: FetchId, ranges: Vec<ColdRange>, ahead: u64 },
}

impl Job {
    /// Whether a client waits for no more than this read.
    #[must_use]
    pub fn is_fetch(&self) -> bool {
        matches!(self.0, Work::Fetch { .. })
    }

    /// Whether it is about memory that is wanted now: such jobs must not queue behind flushes.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        matches!(self.0, Work::Fetch { .. } | Work::Touch { .. })
    }
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
pub(crate) struct SurveyAsk {
    /// First byte and path of the oldest log files.
    pub files: Vec<(u64, PathBuf)>,
    pub log_dirs: Vec<PathBuf>,
    pub queue_dir: PathBuf,
}

#[derive(Debug)]
pub(crate) struct SurveyResult {
    /// First byte and time of last change of the files asked about.
    pub files: Vec<(u64, Option<i64>)>,
    pub log_spaces: Vec<Option<Space>>,
    pub queue_space: Option<Space>,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    FlushLog { end: u64, result: io::Result<()> },
    Touch,
    FlushQueues { checkpoint: Checkpoint, result: Result<(), FlushError> },
    FlushTimer { end: u64, result: io::Result<()> },
    CreateSegment { path: PathBuf, base: u64, result: io::Result<LogSegment> },
    Survey(SurveyResult),
    RemoveFile { path: PathBuf, result: io::Result<()> },
    WriteDeleted { path: PathBuf, result: io::Result<()> },
    RemoveTree { path: PathBuf, result: io::Result<()> },
    Prepare { result: Result<(), StoreError> },
    Fetch { id: FetchId, result: Result<(), String> },
}

/// How a flush of queues failed.
#[derive(Debug)]
pub(crate) enum FlushError {
    /// What the device holds is unknown.
    Data(io::Error),
    /// Everything was written but the checkpoint, for want of space; a later one can make up for it.
    Full(io::Error),
}

impl std::fmt::Display for FlushError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FlushError::Data(error) | FlushError::Full(error) => error.fmt(f),
        }
    }
}

impl From<FlushError> for io::Error {
    fn from(error: FlushError) -> Self {
        match error {
            FlushError::Data(error) | FlushError::Full(error) => error,
        }
    }
}

/// Runs a job to its end.
pub(crate) fn run(job: Job) -> Done {
    let Job(work, disk) = job;
    let disk = &*disk;
    Done(match work {
        Work::FlushLog { end, .. } if planted::is("skipped-fsync") => {
            Outcome::FlushLog { end, result: Ok(()) }
        }
        Work::FlushLog { ranges, end } => Outcome::FlushLog { end, result: sync_all(&ranges) },
        Work::Touch { range } => {
            range.touch();
            Outcome::Touch
        }
        Work::FlushQueues(flush) => {
            Outcome::FlushQueues { checkpoint: flush.checkpoint, result: flush_queues(disk, &flush) }
        }
        Work::FlushTimer(TimerFlush { ranges, dirs, end }) => {
            let names = || dirs.iter().try_for_each(|dir| disk.sync_dir(dir));
            Outcome::FlushTimer { end, result: sync_all(&ranges).and_then(|()| names()) }
        }
        Work::CreateSegment { path, base, size } => {
            let result = LogSegment::create_ahead(disk, &path, base, size);
            Outcome::CreateSegment { path, base, result }
        }
        Work::Survey(ask) => Outcome::Survey(look(disk, ask)),
        Work::RemoveFile { path } => {
            let result = remove_durably(disk, &path);
            Outcome::RemoveFile { path, result }
        }
        Work::WriteDeleted { path, bytes } => {
            let result = deleted::write(disk, &path, &bytes);
            Outcome::WriteDeleted { path, result }
        }
        Work::RemoveTree { path } => {
            let result = disk.remove_tree(&path);
            Outcome::RemoveTree { path, result }
        }
        Work::Prepare { root, pid, left_out } => {
            Outcome::Prepare { result: prepare(disk, &root, pid, &left_out) }
        }
        Work::Fetch { id, ranges, ahead } => Outcome::Fetch { id, result: fetch(disk, &ranges, ahead) },
    })
}

fn look(disk: &dyn Disk, ask: SurveyAsk) -> SurveyResult {
    let space = |dir: &PathBuf| {
        let found = disk.space(dir);
        found.inspect_err(|error| tracing::warn!(%error, "cannot determine the free space")).ok()
    };
    let modified = |path: &PathBuf| disk.entry(path).ok().flatten().map(|entry| entry.modified_ms);
    SurveyResult {
        files: ask.files.iter().map(|(base, path)| (*base, modified(path))).collect(),
        log_spaces: ask.log_dirs.iter().map(space).collect(),
        queue_space: space(&ask.queue_dir),
    }
}

fn fetch(disk: &dyn Disk, ranges: &[ColdRange], ahead: u64) -> Result<(), String> {
    ranges.iter().try_for_each(|ColdRange { path, from, to }| match disk.fetch(path, *from, *to, ahead) {
        // retention was faster; the lookup will find out
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(|error| format!("{} from byte {from}: {error}", path.display())),
    })
}

fn sync_all(ranges: &[DirtyRange]) -> io::Result<()> {
    ranges.iter().try_for_each(DirtyRange::sync)
}

fn flush_queues(disk: &dyn Disk, flush: &QueueFlush) -> Result<(), FlushError> {
    sync_all(&flush.ranges).map_err(FlushError::Data)?;
    let names = flush.dirs.iter().try_for_each(|dir| match disk.sync_dir(dir) {
        // a topic deleted in the meantime
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    });
    names.map_err(FlushError::Data)?;
    let written = flush.checkpoint.write(disk, &flush.checkpoint_path);
    written.map_err(|error| if is_full(&error) { FlushError::Full(error) } else { FlushError::Data(error) })
}
