//! Lookups that would have to wait for the disk: what is asked before, and which bytes a pull touches.
//!
//! A mapped page that is not in memory stops the thread that touches it, and with it every client of an event
//! loop. So a broker asks [`super::Store::prefetch`] first, and lets the request wait as data while a helper
//! thread reads.

use core::cell::RefCell;

use bytes::Bytes;

use super::pull::{LogSource, PullLimits, QueueSource, pull};
use super::{Boundary, QueueEntry, ReadRequest};

/// Number of a fetch under way.
pub type FetchId = u64;

/// What is about to be looked up.
#[derive(Clone, Copy, Debug)]
pub enum Lookup<'a> {
    /// [`super::Store::read`].
    Read(&'a ReadRequest<'a>),
    /// [`super::Store::record_at`].
    Record(u64),
    /// [`super::Store::offset_by_time`]; the search is asked for anew after each fetch, since every step
    /// depends on what the one before has read.
    Time { topic: &'a str, queue_id: i32, timestamp_ms: i64, boundary: Boundary },
    /// [`super::Store::query_index`]; chains in the index are followed by the fetch itself.
    Key { topic: &'a str, key: &'a str, max: u32, begin: i64, end: i64 },
}

/// A log that notes which of its bytes are asked for instead of touching them.
struct Noting<'a, L> {
    log: &'a L,
    ranges: RefCell<Vec<(u64, u64)>>,
}

impl<L: LogSource> LogSource for Noting<'_, L> {
    fn end(&self) -> u64 {
        self.log.end()
    }

    fn contains(&self, offset: u64, len: u64) -> bool {
        self.log.contains(offset, len)
    }

    fn peek(&self, _offset: u64) -> Option<&[u8]> {
        None
    }

    fn slice(&self, offset: u64, len: u64) -> Option<Bytes> {
        self.ranges.borrow_mut().push((offset, len));
        None
    }

    fn next_file(&self, offset: u64) -> u64 {
        self.log.next_file(offset)
    }

    fn starts_record(&self, _entry: QueueEntry) -> bool {
        true
    }
}

/// The parts of the log, as offset and length in bytes, that a pull is going to hand out, found from the queue
/// alone. Damaged entries make the pull hand out others, a few more at most.
#[must_use]
pub fn ranges_of_pull<Q: QueueSource, L: LogSource>(
    request: &ReadRequest<'_>,
    queue: Option<&Q>,
    log: &L,
    limits: &PullLimits,
) -> Vec<(u64, u64)> {
    let noting = Noting { log, ranges: RefCell::default() };
    let _ = pull(request, queue, &noting, limits);
    noting.ranges.into_inner()
}
