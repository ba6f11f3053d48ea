//! Reads of what is not in memory: asked for before a page of a mapping is touched, done by a job.
//!
//! What this process has written lately is taken to be in memory without asking, so that consumers near the end
//! of the log pay nothing. Older positions cost a `mincore` or a few.

use std::cell::Cell;
use std::collections::VecDeque;
use std::path::PathBuf;

use sansmq_core::message::record;
use sansmq_core::store::append::key_hash;
use sansmq_core::store::fetch::{FetchId, Lookup, ranges_of_pull};
use sansmq_core::store::pull::{ENTRY_LEN, LogSource, QueueSource, offset_by_time};
use sansmq_core::store::{Boundary, ReadRequest};

use super::FileStore;
use crate::jobs::Work;

/// The last bytes of the log that are not asked about.
const HOT_BYTES: u64 = 64 * 1024 * 1024;
/// A consumer that catches up will want what follows: this many bytes are read ahead of it.
const AHEAD: u64 = 1024 * 1024;

/// Parts of the log this close to each other are asked about at once.
const NEAR: u64 = 64 * 1024;

/// Bytes of a file that are not in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ColdRange {
    pub path: PathBuf,
    pub from: u64,
    pub to: u64,
}

/// Fetches asked for and finished.
#[derive(Debug)]
pub(super) struct Fetches {
    next: FetchId,
    /// End of the log when the store was opened: this process has written what lies behind it.
    opened_end: u64,
    wanted: VecDeque<Work>,
    done: VecDeque<(FetchId, Result<(), String>)>,
}

impl Fetches {
    pub fn new(opened_end: u64) -> Self {
        Fetches { next: 0, opened_end, wanted: VecDeque::new(), done: VecDeque::new() }
    }

    fn want(&mut self, ranges: Vec<ColdRange>, ahead: u64) -> Option<FetchId> {
        if ranges.is_empty() {
            return None;
        }
        self.next += 1;
        self.wanted.push_back(Work::Fetch { id: self.next, ranges, ahead });
        Some(self.next)
    }

    pub fn next_work(&mut self) -> Option<Work> {
        self.wanted.pop_front()
    }

    pub fn finished(&mut self, id: FetchId, result: Result<(), String>) {
        if let Err(error) = &result {
            tracing::error!(error, "cannot read messages from the disk");
        }
        self.done.push_back((id, result));
    }

    pub fn next_done(&mut self) -> Option<(FetchId, Result<(), String>)> {
        self.done.pop_front()
    }
}

impl FileStore {
    pub(super) fn fetch_for(&mut self, lookup: &Lookup<'_>) -> Option<FetchId> {
        let (ranges, ahead) = match lookup {
            Lookup::Read(request) => (self.cold_for_read(request), AHEAD),
            Lookup::Record(offset) => (self.cold_record(*offset).into_iter().collect(), 0),
            Lookup::Time { topic, queue_id, timestamp_ms, boundary } => {
                (self.cold_for_time(topic, *queue_id, *timestamp_ms, *boundary).into_iter().collect(), 0)
            }
            Lookup::Key { topic, key, max, begin, end } => {
                (self.cold_for_key(key_hash(topic, key), *max, *begin, *end), 0)
            }
        };
        self.fetches.want(ranges, ahead)
    }

    /// First byte of the log that is in memory without asking.
    fn hot_from(&self) -> u64 {
        self.fetches.opened_end.max(self.log.end().saturating_sub(HOT_BYTES))
    }

    fn cold_for_read(&self, request: &ReadRequest<'_>) -> Vec<ColdRange> {
        let Some(queue) = self.queues.get(request.topic, request.queue_id) else { return Vec::new() };
        let entries =
            self.pull_limits.filter_bytes.max(request.max_count.saturating_mul(ENTRY_LEN)) / ENTRY_LEN;
        if let Some(cold) = queue.cold(request.offset, entries.into()) {
            return vec![cold];
        }
        let first = queue.entry(request.offset);
        // log offsets ascend along a queue
        if first.is_none_or(|entry| entry.offset >= self.hot_from()) {
            return Vec::new();
        }
        self.cold_among(&ranges_of_pull(request, Some(queue), &self.log, &self.pull_limits))
    }

    /// Which of these parts of the log, ascending, are not in memory. Those close together are asked about at once,
    /// with what lies between them; one by one only where the answer is no.
    fn cold_among(&self, ranges: &[(u64, u64)]) -> Vec<ColdRange> {
        let file = |offset: u64| offset / self.log.file_size();
        let close = |(one, len): &(u64, u64), (next, _): &(u64, u64)| {
            *next <= one.saturating_add(*len).saturating_add(NEAR) && file(*one) == file(*next)
        };
        let mut cold = Vec::new();
        for group in ranges.chunk_by(close) {
            let (Some((first, _)), Some((last, len))) = (group.first(), group.last()) else { continue };
            if self.log.cold(*first, last.saturating_add(*len).saturating_sub(*first)).is_some() {
                cold.extend(group.iter().filter_map(|(offset, len)| self.log.cold(*offset, *len)));
            }
        }
        cold
    }

    /// What is missing of the record at `offset`: its head first, for that tells how long it is.
    fn cold_record(&self, offset: u64) -> Option<ColdRange> {
        if offset >= self.hot_from() {
            return None;
        }
        self.log.cold(offset, record::MIN_LEN as u64).or_else(|| {
            let head = record::peek(self.log.written_from(offset)?).ok()?;
            let record::Head::Record { size, .. } = head else { return None };
            self.log.cold(offset, size as u64)
        })
    }

    /// The first step of the search that would have to wait.
    fn cold_for_time(
        &self,
        topic: &str,
        queue_id: i32,
        timestamp_ms: i64,
        boundary: Boundary,
    ) -> Option<ColdRange> {
        let queue = self.queues.get(topic, queue_id)?;
        let cold: Cell<Option<ColdRange>> = Cell::new(None);
        let hot_from = self.hot_from();
        let _ = offset_by_time(queue, timestamp_ms, boundary, |entry| {
            let found = match cold.take() {
                None if entry.offset < hot_from => self.log.cold(entry.offset, record::MIN_LEN as u64),
                found => found,
            };
            let stop = found.is_some();
            cold.set(found);
            if stop { None } else { self.record_time(entry) }
        });
        cold.into_inner()
    }

    fn cold_for_key(&self, hash: i32, max: u32, begin: i64, end: i64) -> Vec<ColdRange> {
        let Some(index) = &self.index else { return Vec::new() };
        let max = max.min(self.config.max_msgs_num_batch) as usize;
        match index.cold(hash, max, begin, end) {
            Err(cold) => vec![cold],
            Ok(found) => found.offsets.into_iter().filter_map(|offset| self.cold_record(offset)).collect(),
        }
    }
}
