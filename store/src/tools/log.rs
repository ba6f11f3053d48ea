//! Reading the log through plain file reads.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use sansmq_core::message::record::{self, BLANK_LEN, Head, Record};
use sansmq_core::message::{light, prop_crc, sysflag};

use super::{Report, segment_files};

/// Bytes read at once.
const CHUNK: usize = 1 << 20;
/// No record is larger; a size beyond it is damage and must not make anybody allocate that much.
const MAX_RECORD: usize = 256 << 20;

/// A file of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFileSummary {
    pub path: PathBuf,
    /// Log offset of the first byte, and bytes of the file.
    pub base: u64,
    pub len: u64,
    /// Bytes up to the end of the last record or filler.
    pub used: u64,
    pub records: u64,
    /// Store times of first and last record, milliseconds since the Unix epoch.
    pub first_time: i64,
    pub last_time: i64,
}

/// The files of a log.
#[derive(Debug)]
pub struct LogReader {
    files: Vec<LogFile>,
}

/// An open file.
#[derive(Debug)]
pub(super) struct LogFile {
    pub path: PathBuf,
    pub base: u64,
    pub len: u64,
    file: File,
}

/// What stands at a position.
pub(super) enum Step<'a> {
    /// With the bytes it starts.
    Record(&'a Record<'a>, &'a [u8]),
    /// Zeros from here on, as far as can be seen.
    Zeros,
    /// Filler up to the end of the file.
    Filler,
    Bad(String),
}

impl LogReader {
    pub(super) fn open(dirs: &[PathBuf]) -> io::Result<Self> {
        let mut files = Vec::new();
        for dir in dirs {
            for (base, path, len) in segment_files(dir)? {
                let file = File::open(&path)?;
                files.push(LogFile { path, base, len, file });
            }
        }
        files.sort_by_key(|file| file.base);
        Ok(LogReader { files })
    }

    pub(super) fn files(&self) -> &[LogFile] {
        &self.files
    }

    /// The bytes of a record, as far as its file has them.
    pub(super) fn bytes(&self, offset: u64, size: u32) -> io::Result<Option<Vec<u8>>> {
        let at = self.files.partition_point(|file| file.base <= offset);
        let Some(file) = at.checked_sub(1).and_then(|at| self.files.get(at)) else { return Ok(None) };
        let size = size as usize;
        if size > MAX_RECORD || offset - file.base + size as u64 > file.len {
            return Ok(None);
        }
        let mut bytes = vec![0; size];
        file.file.read_exact_at(&mut bytes, offset - file.base)?;
        Ok(Some(bytes))
    }

    /// Visits what stands in a file until it ends or `visit` says to stop. Behind a bad place the walk goes on
    /// where its record would end if that makes sense, else it ends.
    pub(super) fn walk_file(
        &self,
        file: &LogFile,
        visit: &mut dyn FnMut(u64, Step<'_>) -> io::Result<bool>,
    ) -> io::Result<()> {
        let mut buffer: Vec<u8> = Vec::new();
        let mut start = 0u64; // where the buffer lies in the file
        let mut at = 0u64;
        while at < file.len {
            let left = file.len - at;
            let mut want = BLANK_LEN.min(left as usize);
            loop {
                let have = (start + buffer.len() as u64).saturating_sub(at) as usize;
                if at < start || have < want {
                    let len = want.max(CHUNK).min(left as usize);
                    buffer.resize(len, 0);
                    file.file.read_exact_at(&mut buffer, at)?;
                    start = at;
                }
                let rest = &buffer[(at - start) as usize..];
                match record::peek(rest) {
                    Ok(Head::Record { size, .. })
                        if size > want && size <= MAX_RECORD && size as u64 <= left =>
                    {
                        want = size;
                    }
                    _ => break,
                }
            }
            let rest = &buffer[(at - start) as usize..];
            let position = file.base + at;
            let (next, go_on) = match record::peek(rest) {
                Ok(Head::Blank { size }) if size as u64 == left => (file.len, visit(position, Step::Filler)?),
                Ok(Head::Blank { size }) => (
                    file.len,
                    visit(position, Step::Bad(format!("filler of {size} bytes, {left} are left")))?,
                ),
                Ok(Head::Record { size, .. }) if size as u64 <= left => match record::decode(rest) {
                    Ok(found) => (at + size as u64, visit(position, Step::Record(&found, rest))?),
                    Err(error) => (at + size as u64, visit(position, Step::Bad(error.to_string()))?),
                },
                Ok(Head::Record { size, .. }) => (
                    file.len,
                    visit(position, Step::Bad(format!("record of {size} bytes, {left} are left")))?,
                ),
                Err(_) if rest.iter().take(BLANK_LEN).all(|b| *b == 0) => {
                    (file.len, visit(position, Step::Zeros)?)
                }
                Err(error) => (file.len, visit(position, Step::Bad(error.to_string()))?),
            };
            if !go_on {
                break;
            }
            at = next;
        }
        Ok(())
    }
}

/// Entries each queue should have: records by topic and queue number.
pub(super) type Counted = HashMap<(String, i32), u64>;

/// Walks the whole log into the report.
pub(super) fn walk(reader: &LogReader, verify: bool, report: &mut Report) -> io::Result<Counted> {
    let mut counted = Counted::new();
    let size = reader.files.first().map_or(0, |file| file.len);
    let mut expected = reader.files.first().map_or(0, |file| file.base);
    report.log_start = expected;
    report.log_end = expected;
    // bad places since the last good record, for the question whether they are just a torn end
    let mut open: Vec<(PathBuf, u64, String)> = Vec::new();
    for file in &reader.files {
        if file.base != expected {
            report.find(
                &file.path,
                0,
                true,
                format!("a gap: the file that starts at byte {expected} is missing"),
            );
        }
        if file.len != size {
            report.find(&file.path, 0, true, format!("{} bytes, other files have {size}", file.len));
        }
        expected = file.base + size;
        let mut summary =
            LogFileSummary { path: file.path.clone(), base: file.base, len: file.len, ..Default::default() };
        reader.walk_file(file, &mut |position, step| {
            let at = position - file.base;
            match step {
                Step::Record(found, bytes) => {
                    for (path, at, what) in open.drain(..) {
                        report.find(&path, at, true, what);
                    }
                    look_at_record(found, bytes, position, verify, &file.path, file.base, &mut open);
                    summary.records += 1;
                    if summary.first_time == 0 {
                        summary.first_time = found.store_timestamp;
                    }
                    summary.last_time = found.store_timestamp;
                    summary.used = at + found.total_size as u64;
                    report.log_end = position + found.total_size as u64;
                    count(&mut counted, found);
                }
                Step::Filler => {
                    summary.used = file.len;
                    report.log_end = file.base + file.len;
                }
                Step::Zeros => open.push((file.path.clone(), at, "zeros where a record should be".into())),
                Step::Bad(what) => open.push((file.path.clone(), at, what)),
            }
            Ok(true)
        })?;
        report.records += summary.records;
        report.log.push(summary);
    }
    for (path, at, what) in open {
        // zeros behind the last record are just room
        if !what.starts_with("zeros") {
            let torn = !report.clean;
            report.find(&path, at, !torn, if torn { format!("torn end of the log: {what}") } else { what });
        }
    }
    Ok(counted)
}

fn look_at_record(
    found: &Record<'_>,
    bytes: &[u8],
    position: u64,
    verify: bool,
    path: &Path,
    base: u64,
    open: &mut Vec<(PathBuf, u64, String)>,
) {
    let mut bad = |what: String| open.push((path.to_path_buf(), position - base, what));
    if u64::try_from(found.physical_offset) != Ok(position) {
        bad(format!("the record says it starts at byte {} of the log", found.physical_offset));
    }
    if found.topic_str().is_none() {
        bad("the topic is not UTF-8".into());
    }
    if verify && !found.body_is_intact() {
        bad("the body does not match its checksum".into());
    }
    // the property counts where the store wrote it: at the very end of the record
    let own = verify && found.properties.len() >= prop_crc::LEN && {
        let tail = &found.properties[found.properties.len() - prop_crc::LEN..];
        tail.starts_with(prop_crc::NAME.as_bytes())
    };
    if own && prop_crc::is_intact(bytes, found) == Some(false) {
        bad("the record does not match its checksum".into());
    }
}

fn count(counted: &mut Counted, found: &Record<'_>) {
    let Some(topic) = found.topic_str().filter(|_| sysflag::enters_queue(found.sys_flag)) else { return };
    *counted.entry((topic.to_owned(), found.queue_id)).or_default() += 1;
    if found.sys_flag & sysflag::INNER_BATCH == 0 && light::applies_to(topic) {
        let names = found.property(light::NAMES).unwrap_or_default();
        let offsets = found.property(light::OFFSETS).unwrap_or_default();
        for (name, _) in light::places(names, offsets).filter(|(name, _)| *name != topic) {
            *counted.entry((name.to_owned(), light::QUEUE_ID)).or_default() += 1;
        }
    }
}
