//! Looking into the directory of a store, ours or the reference's, without changing or locking anything.
//!
//! Sizes are taken from the files themselves, so no configuration is needed. A store may be looked at while a
//! broker works on it; what is being written then may look unfinished.

mod index;
mod log;
mod queues;

use std::io;
use std::path::{Path, PathBuf};

use sansmq_core::message::record::Record;

pub use index::IndexFileSummary;
pub use log::{LogFileSummary, LogReader};
pub use queues::QueueSummary;

use crate::checkpoint::Checkpoint;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub path: PathBuf,
    /// Byte in the file.
    pub at: u64,
    pub what: String,
    /// False for what a killed broker leaves behind and the next start puts right.
    pub is_damage: bool,
}

/// What is in a store.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub root: PathBuf,
    /// No `abort` file: the last broker ended in order, or none has run.
    pub clean: bool,
    /// Store times of the last durable record and queue entry, milliseconds since the Unix epoch.
    pub checkpoint_times: (i64, i64),
    /// Log positions below which log and queues are durable; `None` in stores of the reference.
    pub durable: Option<(u64, u64)>,
    pub log: Vec<LogFileSummary>,
    /// Bytes of the log: first, and behind the last record.
    pub log_start: u64,
    pub log_end: u64,
    pub records: u64,
    pub queues: Vec<QueueSummary>,
    pub index: Vec<IndexFileSummary>,
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether anything is broken beyond what a start puts right.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.findings.iter().any(|finding| finding.is_damage)
    }

    fn find(&mut self, path: &Path, at: u64, is_damage: bool, what: impl Into<String>) {
        self.findings.push(Finding { path: path.to_path_buf(), at, what: what.into(), is_damage });
    }
}

/// Where the log lies when not in `<root>/commitlog`.
fn log_dirs(root: &Path, given: &[PathBuf]) -> Vec<PathBuf> {
    if given.is_empty() { vec![root.join("commitlog")] } else { given.to_vec() }
}

fn read_checkpoint(root: &Path, report: &mut Report) -> io::Result<()> {
    report.clean = !root.join("abort").try_exists()?;
    let bytes = match std::fs::read(root.join("checkpoint")) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let point = Checkpoint::decode(&bytes);
    report.checkpoint_times = (point.log_time, point.queue_time);
    report.durable = point.positions.map(|positions| (positions.log, positions.queues));
    Ok(())
}

/// Walks a store. With `verify` also compares checksums, and queues with the log.
///
/// # Errors
/// A directory or file cannot be read; damage inside files is a [`Finding`] instead.
pub fn look(root: &Path, log: &[PathBuf], verify: bool) -> io::Result<Report> {
    if !root.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("{} is no directory", root.display())));
    }
    let mut report = Report { root: root.to_path_buf(), ..Report::default() };
    read_checkpoint(root, &mut report)?;
    let reader = LogReader::open(&log_dirs(root, log))?;
    let counted = log::walk(&reader, verify, &mut report)?;
    queues::walk(root, &reader, verify, &counted, &mut report)?;
    index::walk(root, &mut report)?;
    Ok(report)
}

/// Hands out the records of a log in order, skipping what cannot be read; `visit` says whether to go on.
///
/// # Errors
/// As [`look`], or what `visit` returns.
pub fn for_each_record(
    root: &Path,
    log: &[PathBuf],
    from: u64,
    visit: &mut dyn FnMut(&Record<'_>) -> io::Result<bool>,
) -> io::Result<()> {
    let reader = LogReader::open(&log_dirs(root, log))?;
    for file in reader.files() {
        if file.base.saturating_add(file.len) <= from {
            continue;
        }
        let mut going = true;
        reader.walk_file(file, &mut |position, step| {
            if let log::Step::Record(record, _) = step
                && position >= from
            {
                going = visit(record)?;
            }
            Ok(going)
        })?;
        if !going {
            break;
        }
    }
    Ok(())
}

/// Segment files of a directory (20 digits) with base and length, by base; none when it does not exist.
fn segment_files(dir: &Path) -> io::Result<Vec<(u64, PathBuf, u64)>> {
    let listing = match std::fs::read_dir(dir) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in listing {
        let entry = entry?;
        let meta = entry.metadata()?;
        let name = entry.file_name().into_string().unwrap_or_default();
        if meta.is_file()
            && name.len() == 20
            && let Ok(base) = name.parse()
        {
            found.push((base, entry.path(), meta.len()));
        }
    }
    found.sort();
    Ok(found)
}
