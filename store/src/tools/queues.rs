//! Queues of both kinds, `consumequeue/<topic>/<queueId>/` and `batchconsumequeue/…`, and the extension units in
//! `consumequeue_ext/…`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use sansmq_core::message::{record, sysflag};
use sansmq_core::store::pull::ext_position;
use sansmq_core::store::stamp::INNER_BASE;

use super::log::{Counted, LogReader};
use super::{Report, segment_files};

/// Bytes of an entry of each kind.
const ENTRY: usize = 20;
const BATCH_ENTRY: usize = 46;

/// A consume queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueSummary {
    pub topic: String,
    pub queue_id: i32,
    pub files: usize,
    /// First and next offset.
    pub min: i64,
    pub max: i64,
    /// Entries that stand for nothing, in front of a queue that begins late.
    pub fillers: u64,
    /// Log offsets of the first and last record with an entry.
    pub first_record: u64,
    pub last_record: u64,
    /// `queue.type=BatchCQ`: an entry stands for all messages of a record.
    pub is_batch: bool,
    /// Entries with an extension unit.
    pub ext_units: u64,
}

fn directories(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let listing = match std::fs::read_dir(dir) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in listing {
        let path = entry?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

pub(super) fn walk(
    root: &Path,
    log: &LogReader,
    verify: bool,
    counted: &Counted,
    report: &mut Report,
) -> io::Result<()> {
    let of = |below: &str| directories(&root.join(below));
    let both = of("consumequeue")?.into_iter().map(|dir| (dir, false));
    for (topic_dir, is_batch) in both.chain(of("batchconsumequeue")?.into_iter().map(|dir| (dir, true))) {
        let topic = topic_dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        for dir in directories(&topic_dir)? {
            let id = dir.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
            let Some(queue_id) = id else { continue };
            let queue = QueueSummary { topic: topic.clone(), queue_id, is_batch, ..Default::default() };
            let ext = ext_files(&root.join("consumequeue_ext").join(&topic).join(queue_id.to_string()))?;
            walk_queue(&dir, &ext, queue, log, verify, counted, report)?;
        }
    }
    if verify {
        let known =
            |key: &&(String, i32)| report.queues.iter().any(|q| (&q.topic, q.queue_id) == (&key.0, key.1));
        let mut missing: Vec<_> = counted.keys().filter(|key| !known(key)).cloned().collect();
        missing.sort();
        for (topic, queue_id) in missing {
            let dir = root.join("consumequeue").join(&topic).join(queue_id.to_string());
            // a topic that was deleted leaves its records behind
            report.find(&dir, 0, false, "there are records for this queue but no queue");
        }
    }
    Ok(())
}

/// Files of extension units, by first byte.
type ExtFiles = BTreeMap<u64, Vec<u8>>;

fn ext_files(dir: &Path) -> io::Result<ExtFiles> {
    let files = segment_files(dir)?.into_iter();
    files.map(|(base, path, _)| Ok((base, std::fs::read(path)?))).collect()
}

/// The tags code in the unit at a position.
fn unit_at(files: &ExtFiles, position: u64) -> Option<i64> {
    let (base, bytes) = files.range(..=position).next_back()?;
    let unit = bytes.get(usize::try_from(position - base).ok()?..)?;
    let size = unit.first_chunk().copied().map_or(0, i16::from_be_bytes);
    let whole = usize::try_from(size).is_ok_and(|size| (20..=unit.len()).contains(&size));
    unit.get(2..10)?.first_chunk().copied().map(i64::from_be_bytes).filter(|_| whole)
}

fn walk_queue(
    dir: &Path,
    ext: &ExtFiles,
    mut queue: QueueSummary,
    log: &LogReader,
    verify: bool,
    counted: &Counted,
    report: &mut Report,
) -> io::Result<()> {
    let files = segment_files(dir)?;
    queue.files = files.len();
    let unit = if queue.is_batch { BATCH_ENTRY } else { ENTRY };
    let size = files.first().map_or(0, |(_, _, len)| *len);
    let first = files.first().map_or(0, |(base, _, _)| *base);
    let (mut expected, mut ended, mut entries) = (first, false, 0u64);
    queue.min = if queue.is_batch { 0 } else { (first / ENTRY as u64) as i64 };
    queue.max = queue.min;
    for (base, path, len) in &files {
        if *base != expected {
            report.find(path, 0, true, format!("a gap: the file that starts at byte {expected} is missing"));
        }
        if *len != size || len % unit as u64 != 0 {
            report.find(path, 0, true, format!("{len} bytes, other files have {size}"));
        }
        expected = base.saturating_add(size);
        let bytes = std::fs::read(path)?;
        for (n, entry) in bytes.chunks_exact(unit).enumerate() {
            let at = (n * unit) as u64;
            let long = |from: usize| entry[from..].first_chunk().copied().map_or(0, u64::from_be_bytes);
            let record_at = long(0);
            let record_size = entry[8..].first_chunk().copied().map_or(0, u32::from_be_bytes);
            if i64::try_from(record_at).is_err() || !(1..=i32::MAX as u32).contains(&record_size) {
                ended = true;
                continue;
            }
            if ended {
                report.find(path, at, report.clean, "an entry behind the end of the queue");
                break;
            }
            let (offset, end) = match entry.get(28..38) {
                Some(place) => {
                    let count = place[8..].first_chunk().copied().map_or(0, u16::from_be_bytes);
                    (long(28) as i64, (long(28) as i64).saturating_add(count.into()))
                }
                None => (((base + at) / ENTRY as u64) as i64, ((base + at) / ENTRY as u64) as i64 + 1),
            };
            queue.max = end;
            if (record_at, record_size) == (0, i32::MAX as u32) {
                queue.fillers += 1;
                continue;
            }
            if record_at < report.log_start {
                queue.min = end;
                continue;
            }
            if let Some(position) = ext_position(long(12) as i64) {
                queue.ext_units += 1;
                if verify && unit_at(ext, position).is_none() {
                    // filters let such messages pass
                    report.find(
                        path,
                        at,
                        report.clean,
                        format!("entry {offset} names extension unit {position}, which is not there"),
                    );
                }
            }
            if entries == 0 {
                queue.first_record = record_at;
                queue.min = offset;
            }
            entries += 1;
            queue.last_record = record_at;
            if verify
                && let Some(what) = mismatch(log, report.log_end, &queue, offset, record_at, record_size)?
            {
                // entries for records that a crash has taken are dropped by the next start
                let beyond = record_at >= report.log_end;
                report.find(path, at, !beyond || report.clean, what);
            }
        }
    }
    let records = counted.get(&(queue.topic.clone(), queue.queue_id)).copied().unwrap_or(0);
    if verify && entries < records {
        let what = format!("{entries} entries, but the log has {records} records for this queue");
        report.find(dir, 0, report.clean, what);
    }
    report.queues.push(queue);
    Ok(())
}

/// What is wrong with an entry, compared with its record.
fn mismatch(
    log: &LogReader,
    log_end: u64,
    queue: &QueueSummary,
    offset: i64,
    at: u64,
    size: u32,
) -> io::Result<Option<String>> {
    if at >= log_end {
        return Ok(Some(format!("entry {offset} leads to byte {at}, but the log ends at {log_end}")));
    }
    let bytes = log.bytes(at, size)?;
    let Some(found) = bytes.as_deref().and_then(|bytes| record::decode(bytes).ok()) else {
        return Ok(Some(format!("entry {offset} leads to byte {at}, where there is no record")));
    };
    if found.total_size != size as usize {
        return Ok(Some(format!("entry {offset} has size {size}, its record {}", found.total_size)));
    }
    // a record can be in light queues besides its own
    let light = queue.topic.starts_with("%LMQ%");
    let first = match found.sys_flag & sysflag::INNER_BATCH {
        0 => found.queue_offset,
        _ => found.property(INNER_BASE).and_then(|text| text.parse().ok()).unwrap_or(-1),
    };
    let place = (found.topic_str(), found.queue_id, first);
    if !light && place != (Some(queue.topic.as_str()), queue.queue_id, offset) {
        let topic = found.topic_str().unwrap_or("?");
        return Ok(Some(format!(
            "entry {offset} leads to a record of {topic}/{} with queue offset {}",
            found.queue_id, first
        )));
    }
    Ok(None)
}
