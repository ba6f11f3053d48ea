//! Index files: the headers, which tell what a file covers.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::Report;

const HEADER: usize = 40;

/// An index file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexFileSummary {
    pub path: PathBuf,
    /// Bytes.
    pub len: u64,
    /// Milliseconds since the Unix epoch.
    pub begin_time: i64,
    pub end_time: i64,
    /// Log offsets of the first and last record.
    pub begin_offset: i64,
    pub end_offset: i64,
    pub used_slots: i32,
    /// Keys entered.
    pub entries: i32,
}

pub(super) fn walk(root: &Path, report: &mut Report) -> io::Result<()> {
    let dir = root.join("index");
    let listing = match std::fs::read_dir(&dir) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut paths = Vec::new();
    for entry in listing {
        let entry = entry?;
        if entry.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()) {
            paths.push((entry.path(), entry.metadata()?.len()));
        }
    }
    paths.sort();
    let mut last_end = i64::MIN;
    for (path, len) in paths {
        let mut header = [0; HEADER];
        if len < HEADER as u64 {
            report.find(&path, 0, len > 0, format!("{len} bytes are too few for an index file"));
            continue;
        }
        File::open(&path)?.read_exact_at(&mut header, 0)?;
        let long = |at: usize| header[at..].first_chunk().copied().map_or(0, i64::from_be_bytes);
        let int = |at: usize| header[at..].first_chunk().copied().map_or(0, i32::from_be_bytes);
        let file = IndexFileSummary {
            path,
            len,
            begin_time: long(0),
            end_time: long(8),
            begin_offset: long(16),
            end_offset: long(24),
            used_slots: int(32),
            entries: int(36).saturating_sub(1).max(0),
        };
        check(&file, &mut last_end, report);
        report.index.push(file);
    }
    Ok(())
}

fn check(file: &IndexFileSummary, last_end: &mut i64, report: &mut Report) {
    if file.entries == 0 {
        return;
    }
    let capacity = (file.len - HEADER as u64) / 20;
    if u64::try_from(file.entries).map_or(true, |entries| entries > capacity) || file.used_slots < 0 {
        report.find(
            &file.path,
            32,
            true,
            format!("{} entries do not fit into {} bytes", file.entries, file.len),
        );
    }
    if file.begin_offset > file.end_offset || file.begin_time > file.end_time || file.begin_offset < *last_end
    {
        report.find(&file.path, 0, true, "the file covers an impossible part of the log");
    }
    *last_end = file.end_offset;
    if u64::try_from(file.end_offset).map_or(true, |end| end >= report.log_end) {
        // the next start removes and rebuilds it
        let what = format!(
            "the last record indexed is at byte {}, the log ends at {}",
            file.end_offset, report.log_end
        );
        report.find(&file.path, 24, report.clean, what);
    }
}
