//! Records of a log file, and where they end.
//!
//! | byte | content, big-endian |
//! |---|---|
//! | 0 | length of the data, 4 bytes |
//! | 4 | CRC-32 of all the rest except the padding, the length first, 4 bytes |
//! | 8 | index, 8 bytes |
//! | 16 | bytes of this file that were durable when the record was written, 8 bytes |
//! | 24 | the data, and zeros up to a multiple of 8 |
//!
//! What one sync was to cover reaches the device in any order. So after a power failure intact records may follow
//! a broken one, and that alone is no damage. Bytes that were durable when a later record was written, or that
//! the file's mark counts as durable, were acknowledged: a broken record among them is damage.

use bytes::Bytes;
use sansmq_core::raft::LogRecord;

const HEAD: usize = 24;
/// Records begin at multiples of this.
const ALIGN: usize = 8;

/// Bytes a record takes in the file.
pub(super) fn space_of(record: &LogRecord) -> usize {
    (HEAD + record.data.len()).next_multiple_of(ALIGN)
}

fn sum(length: u32, index: u64, durable: u64, data: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&length.to_be_bytes());
    sum.update(&index.to_be_bytes());
    sum.update(&durable.to_be_bytes());
    sum.update(data);
    sum.finalize()
}

/// Adds a record to a buffer. Its data is shorter than 4 GiB.
pub(super) fn encode(record: &LogRecord, durable: u64, out: &mut Vec<u8>) {
    let length = record.data.len() as u32;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&sum(length, record.index, durable, &record.data).to_be_bytes());
    out.extend_from_slice(&record.index.to_be_bytes());
    out.extend_from_slice(&durable.to_be_bytes());
    out.extend_from_slice(&record.data);
    out.resize(out.len() + space_of(record) - HEAD - record.data.len(), 0);
}

/// An intact record.
struct Read {
    record: LogRecord,
    durable: u64,
    end: usize,
}

/// The record at a position, if it is intact and its index is in the range.
fn read(bytes: &Bytes, at: usize, indexes: std::ops::Range<u64>) -> Option<Read> {
    let head: &[u8; HEAD] = bytes.get(at..)?.first_chunk()?;
    let word = |at: usize| head[at..at + 8].iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
    let (length, stored) = ((word(0) >> 32) as u32, word(0) as u32);
    let (index, durable) = (word(8), word(16));
    if !indexes.contains(&index) {
        return None;
    }
    let from = at + HEAD;
    let to = from.checked_add(length as usize)?;
    let data = bytes.get(from..to)?;
    if sum(length, index, durable, data) != stored {
        return None;
    }
    Some(Read {
        record: LogRecord { index, data: bytes.slice(from..to) },
        durable,
        end: to.next_multiple_of(ALIGN),
    })
}

/// The records of a file.
#[derive(Debug)]
pub(super) struct Scan {
    pub records: Vec<LogRecord>,
    /// Where each of them begins, and behind the last one where the next will.
    pub starts: Vec<usize>,
    /// Bytes from the end of the records to the last byte that is not zero.
    pub torn: usize,
    /// The end has to be further behind: something up to this byte was acknowledged.
    pub missing: Option<u64>,
}

impl Scan {
    /// Bytes up to the end of the last record.
    pub fn end(&self) -> usize {
        self.starts.last().copied().unwrap_or_default()
    }
}

/// Reads the records from byte `from` on, the first of which has the index `first`. Bytes below `durable` are
/// known to have been acknowledged.
pub(super) fn scan(bytes: &Bytes, from: usize, first: u64, durable: u64) -> Scan {
    let (mut records, mut starts, mut next) = (Vec::new(), vec![from], first);
    let mut at = from;
    while let Some(found) = read(bytes, at, next..next.saturating_add(1)) {
        records.push(found.record);
        at = found.end;
        starts.push(at);
        next += 1;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    let torn = rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let mut acknowledged = durable;
    if torn > 0 {
        let later = next..next.saturating_add((bytes.len() / HEAD) as u64 + 1);
        let behind = (at..at + torn).step_by(ALIGN).filter_map(|at| read(bytes, at, later.clone()));
        acknowledged = behind.map(|found| found.durable).fold(acknowledged, u64::max);
    }
    let missing = Some(acknowledged).filter(|acknowledged| *acknowledged > at as u64);
    Scan { records, starts, torn, missing }
}
