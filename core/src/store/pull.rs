//! The rules of reading a queue, over any source of entries and records (`spec/store.md` section 13).

use core::ops::ControlFlow;

use bytes::Bytes;

use super::{Boundary, QueueBounds, QueueEntry, ReadRequest, ReadResult, ReadStatus};
use crate::message::record::{self, Head};

/// Bytes of a consume-queue entry.
pub const ENTRY_LEN: u32 = 20;

/// The position in a queue's extension files that a value in the place of a tags code stands for; `None` when it
/// is a tags code (`spec/store.md` section 4, `ConsumeQueueExt`).
#[must_use]
pub fn ext_position(tags_code: i64) -> Option<u64> {
    if tags_code < i64::from(i32::MIN) {
        Some(tags_code.wrapping_sub(i64::MIN).cast_unsigned())
    } else {
        None
    }
}

/// A queue's entries.
pub trait QueueSource {
    /// All there is, visible or not.
    fn bounds(&self) -> QueueBounds;
    /// One entry; `None` outside the bounds or when it cannot be read.
    fn entry(&self, offset: i64) -> Option<QueueEntry>;
    /// Visits entries from the one that holds `offset` on, each with the offset of its last message, at most
    /// up to the end of the file that holds it. False when that file cannot be read.
    fn visit(&self, offset: i64, visit: impl FnMut(i64, QueueEntry) -> ControlFlow<()>) -> bool;
    /// First offset of the file behind the one that holds `offset`.
    fn next_file(&self, offset: i64) -> i64;
}

/// The commit log as readers see it.
pub trait LogSource {
    /// Next byte to be written.
    fn end(&self) -> u64;
    /// Whether these bytes are present, written and in one file.
    fn contains(&self, offset: u64, len: u64) -> bool;
    /// The bytes from `offset` to the end of what is written in its file, for a look at a record's head.
    fn peek(&self, offset: u64) -> Option<&[u8]>;
    /// The bytes, not copied where the source can avoid it.
    fn slice(&self, offset: u64, len: u64) -> Option<Bytes>;
    /// First byte of the file behind the one that would hold `offset`.
    fn next_file(&self, offset: u64) -> u64;
    /// Whether the record an entry speaks of is there, by magic and size.
    fn starts_record(&self, entry: QueueEntry) -> bool {
        let head = self.peek(entry.offset).map(record::peek);
        matches!(head, Some(Ok(Head::Record { size, .. })) if u32::try_from(size) == Ok(entry.size))
    }
}

/// Transfer limits of one pull; counts are messages, sizes bytes (`spec/store-config.md`, Read path).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PullLimits {
    pub memory_bytes: u64,
    pub memory_count: u32,
    pub disk_bytes: u64,
    pub disk_count: u32,
    /// `maxFilterMessageSize`: bytes of entries looked at.
    pub filter_bytes: u32,
    /// Records at most this far behind the end of the log count as being in memory.
    pub hot_bytes: u64,
}

impl Default for PullLimits {
    fn default() -> Self {
        PullLimits {
            memory_bytes: 262_144,
            memory_count: 32,
            disk_bytes: 65_536,
            disk_count: 8,
            filter_bytes: 16_000,
            hot_bytes: u64::MAX,
        }
    }
}

/// Bounds of a queue where only records that end at or below `visible_end` count.
#[must_use]
pub fn visible_bounds(queue: &impl QueueSource, visible_end: u64) -> QueueBounds {
    let QueueBounds { min, max } = queue.bounds();
    let visible = |offset: i64| {
        queue.entry(offset).is_none_or(|e| e.offset.saturating_add(e.size.into()) <= visible_end)
    };
    if max <= min || visible(max - 1) {
        return QueueBounds { min, max };
    }
    QueueBounds { min, max: partition(min, max - 1, visible) }
}

/// First offset of `low..high` for which `before` is false (`high` when none), given that it is true up to
/// some point and false from there on.
fn partition(mut low: i64, mut high: i64, before: impl Fn(i64) -> bool) -> i64 {
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

/// Answers a pull. An unknown queue is answered like an empty one, as the reference does, because there the
/// attempt creates it.
#[must_use]
pub fn pull<Q: QueueSource, L: LogSource>(
    request: &ReadRequest<'_>,
    queue: Option<&Q>,
    log: &L,
    limits: &PullLimits,
) -> ReadResult {
    let bounds = queue.map(|q| visible_bounds(q, request.visible_end)).unwrap_or_default();
    let mut result = ReadResult {
        status: ReadStatus::NoMessageInQueue,
        next_offset: 0,
        bounds,
        records: Vec::new(),
        count: 0,
        bytes: 0,
    };
    let offset = request.offset;
    let refusal = match queue {
        None => Some((ReadStatus::NoMessageInQueue, 0)),
        Some(_) if bounds.max == 0 => Some((ReadStatus::NoMessageInQueue, 0)),
        Some(_) if offset < bounds.min => Some((ReadStatus::OffsetTooSmall, bounds.min)),
        Some(_) if offset == bounds.max => Some((ReadStatus::OffsetOverflowOne, offset)),
        Some(_) if offset > bounds.max => Some((ReadStatus::OffsetOverflowBadly, bounds.max)),
        Some(_) => None,
    };
    match (refusal, queue) {
        (Some((status, next)), _) => (result.status, result.next_offset) = (status, next),
        (None, Some(queue)) => collect(request, queue, log, limits, &mut result),
        (None, None) => {}
    }
    result
}

/// Neighbouring records that will be handed out as one slice.
#[derive(Clone, Copy)]
struct Run {
    start: u64,
    len: u64,
}

fn collect<Q: QueueSource, L: LogSource>(
    request: &ReadRequest<'_>,
    queue: &Q,
    log: &L,
    limits: &PullLimits,
    result: &mut ReadResult,
) {
    let end = log.end();
    let scan_limit =
        i64::from((limits.filter_bytes.max(request.max_count.saturating_mul(ENTRY_LEN))) / ENTRY_LEN);
    let mut run: Option<Run> = None;
    let mut skip_below = 0u64;
    result.status = ReadStatus::NoMatchedMessage;
    result.next_offset = request.offset;
    let max = result.bounds.max;
    let readable = queue.visit(request.offset, |at, entry| {
        if at >= max || at - request.offset >= scan_limit {
            return ControlFlow::Break(());
        }
        let hot = end.saturating_sub(entry.offset) <= limits.hot_bytes;
        // an entry that stands for several messages is visited at the last of them
        let units = u32::try_from(at + 1 - result.next_offset).unwrap_or(u32::MAX).max(1);
        if is_full(result, entry.size, units, request.max_count, hot, limits) {
            return ControlFlow::Break(());
        }
        result.next_offset = at + 1;
        if entry.offset < skip_below || !request.filter.matches(entry.tags_code) {
            return ControlFlow::Continue(());
        }
        let size = u64::from(entry.size);
        if !log.contains(entry.offset, size) {
            // the file is gone: so are the other records in it
            if result.count == 0 {
                result.status = ReadStatus::MessageWasRemoving;
            }
            skip_below = log.next_file(entry.offset);
            return ControlFlow::Continue(());
        }
        if !log.starts_record(entry) {
            return ControlFlow::Continue(()); // a damaged entry: what it points to would confuse a client
        }
        match &mut run {
            Some(r) if r.start + r.len == entry.offset && log.contains(r.start, r.len + size) => {
                r.len += size
            }
            _ => {
                if let Some(done) = run.replace(Run { start: entry.offset, len: size }) {
                    result.records.extend(log.slice(done.start, done.len));
                }
            }
        }
        result.count = result.count.saturating_add(units);
        result.bytes += size;
        result.status = ReadStatus::Found;
        ControlFlow::Continue(())
    });
    if let Some(last) = run {
        result.records.extend(log.slice(last.start, last.len));
    }
    if !readable {
        result.status = ReadStatus::OffsetFoundNull;
        result.next_offset = queue.next_file(request.offset);
    }
}

fn is_full(
    result: &ReadResult,
    size: u32,
    units: u32,
    max_count: u32,
    hot: bool,
    limits: &PullLimits,
) -> bool {
    let (bytes, count) =
        if hot { (limits.memory_bytes, limits.memory_count) } else { (limits.disk_bytes, limits.disk_count) };
    result.count > 0
        && (result.count.saturating_add(units) > max_count
            || result.bytes + u64::from(size) > bytes
            || result.count >= count)
}

/// Queue offset for a point in time. `time_of` gives the store time of the record behind an entry, in
/// milliseconds; entries whose record is gone count as older than everything.
#[must_use]
pub fn offset_by_time(
    queue: &impl QueueSource,
    timestamp_ms: i64,
    boundary: Boundary,
    time_of: impl Fn(QueueEntry) -> Option<i64>,
) -> i64 {
    let QueueBounds { min, max } = queue.bounds();
    let time = |offset| queue.entry(offset).and_then(&time_of).unwrap_or(i64::MIN);
    match boundary {
        Boundary::Lower => partition(min, max, |offset| time(offset) < timestamp_ms),
        Boundary::Upper => (partition(min, max, |offset| time(offset) <= timestamp_ms) - 1).max(min),
    }
}
