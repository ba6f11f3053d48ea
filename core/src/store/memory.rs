//! A store without a disk, for tests and examples: real records in one growing buffer.

use core::ops::ControlFlow;
use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;

use super::append::{
    AppendLimits, checked_batch, checked_len, entry_tags, for_each_item, for_each_key, key_hash, record_tags,
};
use super::fetch::{FetchId, Lookup, ranges_of_pull};
use super::pull::{LogSource, PullLimits, QueueSource, offset_by_time, pull, visible_bounds};
use super::stamp::{StampRules, message_count, stamp, stamp_item};
use super::{
    AppendError, Appended, Boundary, DiskUse, IndexHits, LogBounds, NewMessage, QueueBounds, QueueEntry,
    RawError, ReadRequest, ReadResult, Store, TimerBounds, TruncateError, raw,
};
use crate::message::encode::{Placement, encode};
use crate::message::record::Record;
use crate::message::{delay, light, prop_crc, record, sysflag};
use crate::time::{Mono, Now};
use crate::timer::{ENTRY_LEN, SLOT_LEN, TimerEntry};

/// Work of a [`MemoryStore`]: warming what [`MemoryStore::chill`] has made cold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warming {
    pub id: FetchId,
    /// The job reports that the device cannot read.
    pub broken: bool,
}

#[derive(Debug, Default)]
struct Log(Vec<u8>);

#[derive(Debug, Default)]
struct Queue(Vec<QueueEntry>);

/// Keeps everything in memory; what is appended counts as durable at once, unless
/// [`MemoryStore::hold_durable`] stands in for a slow disk.
#[derive(Debug)]
pub struct MemoryStore {
    log: Log,
    queues: HashMap<Box<str>, HashMap<i32, Queue>>,
    /// Per key hash: log offset and store time, oldest first.
    index: HashMap<i32, Vec<(u64, i64)>>,
    last_indexed: (i64, u64),
    append_limits: AppendLimits,
    pull_limits: PullLimits,
    stamp_rules: StampRules,
    last_store_time: i64,
    timer: Vec<TimerEntry>,
    /// Entries in front that are gone.
    timer_first: usize,
    closed: bool,
    /// Where durability was held, if it is.
    held_durable: Option<u64>,
    cold: Cold,
    cleanings: (u32, u32),
    /// End of the last whole record.
    whole: u64,
    confirmed: u64,
}

/// What stands in for pages that are not in memory.
#[derive(Debug, Default)]
struct Cold {
    /// Log offsets below this are cold, but for what was fetched.
    below: u64,
    fetched: Vec<(u64, u64)>,
    next: FetchId,
    jobs: VecDeque<Warming>,
    /// What each fetch under way is going to warm.
    under_way: Vec<(FetchId, Vec<(u64, u64)>)>,
    done: VecDeque<(FetchId, Result<(), String>)>,
}

impl Cold {
    fn is_cold(&self, (offset, len): (u64, u64)) -> bool {
        let known = |(from, size): &(u64, u64)| *from <= offset && offset + len <= from + size;
        offset < self.below && !self.fetched.iter().any(known)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        MemoryStore::new(
            AppendLimits { max_body: 4 * 1024 * 1024, file_size: usize::MAX, allow_v2: true },
            PullLimits::default(),
        )
    }
}

impl MemoryStore {
    /// An empty store with limits of your choice; `default()` has the reference's.
    #[must_use]
    pub fn new(append_limits: AppendLimits, pull_limits: PullLimits) -> Self {
        MemoryStore {
            log: Log::default(),
            queues: HashMap::new(),
            index: HashMap::new(),
            last_indexed: (0, 0),
            append_limits,
            pull_limits,
            stamp_rules: StampRules::default(),
            last_store_time: 0,
            timer: Vec::new(),
            timer_first: 0,
            closed: false,
            held_durable: None,
            cold: Cold::default(),
            cleanings: (0, 0),
            whole: 0,
            confirmed: 0,
        }
    }

    /// Makes everything appended so far cold, as if it had left the page cache.
    pub fn chill(&mut self) {
        self.cold.below = self.log.end();
        self.cold.fetched.clear();
    }

    /// What the store adds to messages; nothing unless told.
    #[must_use]
    pub fn with_stamps(mut self, rules: StampRules) -> Self {
        self.stamp_rules = rules;
        self
    }

    fn light_count(&self) -> usize {
        self.queues.keys().filter(|topic| light::is_light(topic)).count()
    }

    /// From now on nothing more becomes durable until [`MemoryStore::sync`].
    pub fn hold_durable(&mut self) {
        self.held_durable = Some(self.log.end());
    }

    /// Makes everything appended so far durable.
    pub fn sync(&mut self) {
        self.held_durable = self.held_durable.map(|_| self.log.end());
    }

    /// How often a clean-up of the log, and of the queues, was asked for.
    #[must_use]
    pub fn cleanings(&self) -> (u32, u32) {
        self.cleanings
    }

    /// What a new process would find after this one ended.
    #[must_use]
    pub fn reopened(mut self) -> Self {
        self.closed = false;
        self
    }

    /// Loses entries at the front of the timer log, as a crash does that takes a file.
    #[cfg(test)]
    pub(crate) fn lose_timer_front(&mut self, entries: usize) {
        self.timer_first = entries.min(self.timer.len());
    }

    fn queue(&self, topic: &str, queue_id: i32) -> Option<&Queue> {
        self.queues.get(topic)?.get(&queue_id)
    }

    /// The store time for a record appended now: never earlier than that of the record before.
    fn store_time(&mut self, now: Now) -> i64 {
        self.last_store_time = self.last_store_time.max(now.wall_ms);
        self.last_store_time
    }

    fn append_checked(
        &mut self,
        store_timestamp: i64,
        message: &NewMessage<'_>,
        len: usize,
    ) -> Result<Appended, AppendError> {
        let offset = self.log.end();
        let enters_queue = sysflag::enters_queue(message.sys_flag);
        let queue_offset = match self.queue(message.topic, message.queue_id) {
            Some(queue) if enters_queue => queue.bounds().max,
            _ => 0,
        };
        let count = message_count(message)?;
        let start = self.log.0.len();
        self.log.0.resize(start + len, 0);
        let place = Placement { queue_offset, physical_offset: offset, store_timestamp };
        if let Err(error) = encode(message, &place, self.append_limits.allow_v2, &mut self.log.0[start..]) {
            self.log.0.truncate(start);
            return Err(error);
        }
        if self.stamp_rules.prop_crc {
            prop_crc::fill(&mut self.log.0[start..]);
        }
        let size = u32::try_from(len).unwrap_or(u32::MAX);
        if enters_queue {
            if !self.queues.contains_key(message.topic) {
                self.queues.insert(message.topic.into(), HashMap::new());
            }
            if let Some(queues) = self.queues.get_mut(message.topic) {
                let tags_code = entry_tags(message.tags_code, store_timestamp);
                let queue = queues.entry(message.queue_id).or_default();
                // every message of an inner batch has the entry of all
                let entry = QueueEntry { offset, size, tags_code };
                queue.0.extend(core::iter::repeat_n(entry, count.into()));
            }
        }
        if sysflag::enters_index(message.sys_flag) {
            for_each_key(message.uniq_key, message.keys, |key| {
                let hash = key_hash(message.topic, key);
                self.index.entry(hash).or_default().push((offset, store_timestamp));
                self.last_indexed = (store_timestamp, offset);
            });
        }
        self.whole = self.log.end();
        Ok(Appended { offset, size, queue_offset, store_timestamp, end: self.log.end() })
    }

    /// Enters the record at an offset into its queue and the index.
    fn dispatch(&mut self, offset: u64) {
        let bytes = self.log.peek(offset).unwrap_or_default();
        let Ok(found) = record::decode(bytes) else { return };
        let Record { queue_id, sys_flag, store_timestamp, .. } = found;
        let Some(topic) = found.topic_str().map(str::to_owned) else { return };
        let levels = delay::parse_levels(delay::DEFAULT_LEVELS).unwrap_or_default();
        let tags_code = record_tags(&found, &levels);
        let size = u32::try_from(found.total_size).unwrap_or(u32::MAX);
        let mut hashes = Vec::new();
        if sysflag::enters_index(sys_flag) {
            for_each_key(found.property("UNIQ_KEY"), found.property("KEYS"), |key| {
                hashes.push(key_hash(&topic, key));
            });
        }
        for hash in hashes {
            self.index.entry(hash).or_default().push((offset, store_timestamp));
            self.last_indexed = (store_timestamp, offset);
        }
        self.last_store_time = self.last_store_time.max(store_timestamp);
        if sysflag::enters_queue(sys_flag) {
            let queues = self.queues.entry(topic.into()).or_default();
            queues.entry(queue_id).or_default().0.push(QueueEntry { offset, size, tags_code });
        }
    }
}

impl QueueSource for Queue {
    fn bounds(&self) -> QueueBounds {
        QueueBounds { min: 0, max: i64::try_from(self.0.len()).unwrap_or(i64::MAX) }
    }

    fn entry(&self, offset: i64) -> Option<QueueEntry> {
        self.0.get(usize::try_from(offset).ok()?).copied()
    }

    fn visit(&self, offset: i64, mut visit: impl FnMut(i64, QueueEntry) -> ControlFlow<()>) -> bool {
        let Some(entries) = usize::try_from(offset).ok().and_then(|from| self.0.get(from..)) else {
            return false;
        };
        let mut at = offset;
        for same in entries.chunk_by(|a, b| a.offset == b.offset) {
            at = at.saturating_add(i64::try_from(same.len()).unwrap_or(i64::MAX));
            if same.first().is_some_and(|entry| visit(at - 1, *entry).is_break()) {
                break;
            }
        }
        true
    }

    fn next_file(&self, _offset: i64) -> i64 {
        self.bounds().max
    }
}

impl LogSource for Log {
    fn end(&self) -> u64 {
        self.0.len() as u64
    }

    fn contains(&self, offset: u64, len: u64) -> bool {
        offset.checked_add(len).is_some_and(|end| end <= self.end())
    }

    fn peek(&self, offset: u64) -> Option<&[u8]> {
        self.0.get(usize::try_from(offset).ok()?..)
    }

    fn slice(&self, offset: u64, len: u64) -> Option<Bytes> {
        let from = usize::try_from(offset).ok()?;
        let to = usize::try_from(offset.checked_add(len)?).ok()?;
        self.0.get(from..to).map(Bytes::copy_from_slice)
    }

    fn next_file(&self, _offset: u64) -> u64 {
        self.end()
    }
}

impl Store for MemoryStore {
    type Job = Warming;
    type Done = Warming;

    fn append(&mut self, now: Now, message: &NewMessage<'_>) -> Result<Appended, AppendError> {
        if self.closed || self.whole != self.log.end() {
            return Err(AppendError::NotWritable);
        }
        let stamped = stamp(message, &self.stamp_rules, |topic, queue_id| {
            self.queue(topic, queue_id).map_or(0, |queue| queue.bounds().max)
        });
        let Some(stamped) = stamped else {
            let len = checked_len(message, &self.append_limits)?;
            let store_timestamp = self.store_time(now);
            return self.append_checked(store_timestamp, message, len);
        };
        let parts: [&[u8]; 1] = [&stamped.properties];
        let message = NewMessage { properties: &parts, ..*message };
        let len = checked_len(&message, &self.append_limits)?;
        if !stamped.light.is_empty() && self.light_count() > self.stamp_rules.max_light_queues {
            return Err(AppendError::TooManyLightQueues);
        }
        let store_timestamp = self.store_time(now);
        let done = self.append_checked(store_timestamp, &message, len)?;
        let tags_code = entry_tags(message.tags_code, store_timestamp);
        for (name, _) in &stamped.light {
            let queues = self.queues.entry(name.as_str().into()).or_default();
            let entry = QueueEntry { offset: done.offset, size: done.size, tags_code };
            queues.entry(light::QUEUE_ID).or_default().0.push(entry);
        }
        Ok(done)
    }

    fn append_batch(
        &mut self,
        now: Now,
        message: &NewMessage<'_>,
        offsets: &mut Vec<u64>,
    ) -> Result<Appended, AppendError> {
        if self.closed || self.whole != self.log.end() {
            return Err(AppendError::NotWritable);
        }
        checked_batch(message, &self.append_limits)?;
        let store_timestamp = self.store_time(now);
        let mut whole: Option<Appended> = None;
        for_each_item(message, |item| {
            let stamped = stamp_item(item, &self.stamp_rules);
            let parts: [&[u8]; 1];
            let item = match &stamped {
                Some(properties) => {
                    parts = [properties];
                    NewMessage { properties: &parts, ..*item }
                }
                None => *item,
            };
            let len = crate::message::encode::encoded_len(&item, self.append_limits.allow_v2)?;
            let one = self.append_checked(store_timestamp, &item, len)?;
            offsets.push(one.offset);
            whole = Some(match whole {
                None => one,
                Some(all) => Appended { size: all.size + one.size, end: one.end, ..all },
            });
            Ok(())
        })?;
        whole.ok_or(AppendError::MessageIllegal)
    }

    fn queue_bounds(&self, topic: &str, queue_id: i32, visible_end: u64) -> Option<QueueBounds> {
        self.queue(topic, queue_id).map(|queue| visible_bounds(queue, visible_end))
    }

    fn queue_entry(&self, topic: &str, queue_id: i32, offset: i64) -> Option<QueueEntry> {
        self.queue(topic, queue_id)?.entry(offset)
    }

    fn read(&self, request: &ReadRequest<'_>) -> ReadResult {
        pull(request, self.queue(request.topic, request.queue_id), &self.log, &self.pull_limits)
    }

    fn record_at(&self, offset: u64) -> Option<Bytes> {
        let rest = self.log.0.get(usize::try_from(offset).ok()?..)?;
        let found = record::decode(rest).ok()?;
        let here = u64::try_from(found.physical_offset) == Ok(offset);
        here.then(|| self.log.slice(offset, found.total_size as u64)).flatten()
    }

    fn store_time(&self, topic: &str, queue_id: i32, offset: i64) -> Option<i64> {
        let entry = self.queue_entry(topic, queue_id, offset)?;
        record::store_timestamp(&self.log.slice(entry.offset, entry.size.into())?)
    }

    fn offset_by_time(&self, topic: &str, queue_id: i32, timestamp_ms: i64, boundary: Boundary) -> i64 {
        let Some(queue) = self.queue(topic, queue_id) else { return 0 };
        offset_by_time(queue, timestamp_ms, boundary, |entry| {
            record::store_timestamp(&self.log.slice(entry.offset, entry.size.into())?)
        })
    }

    fn query_index(&self, topic: &str, key: &str, max: u32, begin: i64, end: i64) -> IndexHits {
        let found = self.index.get(&key_hash(topic, key)).map(Vec::as_slice).unwrap_or_default();
        let newest = found.iter().rev().filter(|(_, time)| (begin..=end).contains(time));
        let mut offsets: Vec<u64> = newest.map(|(offset, _)| *offset).take(max as usize).collect();
        offsets.sort_unstable();
        IndexHits {
            records: offsets.into_iter().filter_map(|offset| self.record_at(offset)).collect(),
            last_update_timestamp: self.last_indexed.0,
            last_update_offset: i64::try_from(self.last_indexed.1).unwrap_or(i64::MAX),
        }
    }

    fn queues(&self) -> Vec<(String, i32, QueueBounds)> {
        let all = self.queues.iter().flat_map(|(topic, queues)| queues.iter().map(move |q| (topic, q)));
        all.map(|(topic, (id, queue))| (topic.to_string(), *id, queue.bounds())).collect()
    }

    fn delete_topic(&mut self, topic: &str) {
        self.queues.remove(topic);
    }

    fn log_bounds(&self) -> LogBounds {
        let max = self.log.end();
        LogBounds { min: 0, max, durable: self.held_durable.unwrap_or(max) }
    }

    fn append_raw(&mut self, _now: Now, offset: u64, bytes: &[u8]) -> Result<(), RawError> {
        if self.closed {
            return Err(RawError::NotWritable);
        }
        if offset != self.log.end() {
            return Err(RawError::Gap { given: offset, end: self.log.end() });
        }
        self.log.0.extend_from_slice(bytes);
        loop {
            let rest = self.log.peek(self.whole).unwrap_or_default();
            match raw::next_piece(rest, self.whole, u64::MAX) {
                raw::Piece::Incomplete => return Ok(()),
                raw::Piece::Damaged(why) => return Err(RawError::Damaged { at: self.whole, why }),
                raw::Piece::Filler(size) => self.whole += size as u64,
                raw::Piece::Record(found) => {
                    let (at, size) = (self.whole, found.total_size as u64);
                    self.dispatch(at);
                    self.whole = at + size;
                }
            }
        }
    }

    fn whole_end(&self) -> u64 {
        self.whole
    }

    fn log_slice(&self, from: u64, max: usize) -> Option<Bytes> {
        let len = self.log.end().checked_sub(from)?.min(max as u64);
        if len == 0 { None } else { self.log.slice(from, len) }
    }

    fn last_file(&self) -> u64 {
        0
    }

    fn truncate_to(&mut self, _now: Now, offset: u64) -> Result<(), TruncateError> {
        let Some(rest) = self.log.peek(offset).filter(|rest| !rest.is_empty()) else { return Ok(()) };
        if offset < self.whole && !raw::is_boundary(rest, offset, 0) && offset != 0 {
            return Err(TruncateError::NotABoundary(offset));
        }
        self.log.0.truncate(usize::try_from(offset).unwrap_or(usize::MAX));
        self.whole = self.whole.min(offset);
        self.confirmed = self.confirmed.min(offset);
        self.held_durable = self.held_durable.map(|durable| durable.min(offset));
        let whole = self.whole;
        for queue in self.queues.values_mut().flat_map(HashMap::values_mut) {
            queue.0.retain(|entry| entry.offset < whole);
        }
        self.index.values_mut().for_each(|hits| hits.retain(|(at, _)| *at < whole));
        Ok(())
    }

    fn set_confirmed(&mut self, offset: u64) {
        self.confirmed = offset;
    }

    fn confirmed(&self) -> u64 {
        self.confirmed.min(self.log.end())
    }

    fn is_writable(&self) -> bool {
        !self.closed
    }

    fn disk_use(&self) -> DiskUse {
        DiskUse::default()
    }

    fn timer_append(
        &mut self,
        _now: Now,
        entry: &TimerEntry,
        _slot_at: u64,
        slot: impl FnOnce(u64) -> [u8; SLOT_LEN],
    ) -> Result<u64, AppendError> {
        if self.closed {
            return Err(AppendError::NotWritable);
        }
        let position = (self.timer.len() * ENTRY_LEN) as u64;
        self.timer.push(*entry);
        slot(position);
        Ok(position)
    }

    fn timer_entry(&self, position: u64) -> Option<(u64, TimerEntry)> {
        let index = position.div_ceil(ENTRY_LEN as u64).max(self.timer_first as u64);
        let entry = self.timer.get(usize::try_from(index).ok()?)?;
        Some((index * ENTRY_LEN as u64, *entry))
    }

    fn timer_cut(&mut self, position: u64) -> Result<(), AppendError> {
        let keep = usize::try_from(position.div_ceil(ENTRY_LEN as u64)).unwrap_or(usize::MAX);
        self.timer.truncate(keep.max(self.timer_first));
        Ok(())
    }

    fn timer_bounds(&self) -> TimerBounds {
        let end = (self.timer.len() * ENTRY_LEN) as u64;
        TimerBounds { min: (self.timer_first * ENTRY_LEN) as u64, end, durable: end }
    }

    fn timer_wheel(&mut self, _slots: impl FnOnce() -> BTreeMap<u64, [u8; SLOT_LEN]>) {}

    fn timer_sync(&mut self) {}

    fn request_flush(&mut self) {}

    fn clean_now(&mut self) {
        self.cleanings.0 += 1;
    }

    fn clean_queues_now(&mut self) {
        self.cleanings.1 += 1;
    }

    fn tick(&mut self, _now: Now) {}

    fn deadline(&self) -> Option<Mono> {
        None
    }

    fn poll_job(&mut self) -> Option<Warming> {
        self.cold.jobs.pop_front()
    }

    fn run(job: Warming) -> Warming {
        job
    }

    fn complete(&mut self, _now: Now, done: Warming) {
        let Some(at) = self.cold.under_way.iter().position(|(id, _)| *id == done.id) else { return };
        let (id, ranges) = self.cold.under_way.swap_remove(at);
        let result = if done.broken { Err("the device cannot read".to_owned()) } else { Ok(()) };
        if result.is_ok() {
            self.cold.fetched.extend(ranges);
        }
        self.cold.done.push_back((id, result));
    }

    fn prefetch(&mut self, lookup: &Lookup<'_>) -> Option<FetchId> {
        if self.cold.below == 0 {
            return None;
        }
        let record = |offset| (offset, record::MIN_LEN as u64);
        let mut ranges = match lookup {
            Lookup::Read(request) => {
                let queue = self.queue(request.topic, request.queue_id);
                ranges_of_pull(request, queue, &self.log, &self.pull_limits)
            }
            Lookup::Record(offset) => vec![record(*offset)],
            Lookup::Time { topic, queue_id, .. } => {
                self.queue_entry(topic, *queue_id, 0).map(|entry| record(entry.offset)).into_iter().collect()
            }
            Lookup::Key { topic, key, .. } => {
                let found = self.index.get(&key_hash(topic, key));
                found.into_iter().flatten().map(|(offset, _)| record(*offset)).collect()
            }
        };
        ranges.retain(|range| self.cold.is_cold(*range));
        if ranges.is_empty() {
            return None;
        }
        self.cold.next += 1;
        self.cold.under_way.push((self.cold.next, ranges));
        self.cold.jobs.push_back(Warming { id: self.cold.next, broken: false });
        Some(self.cold.next)
    }

    fn next_fetched(&mut self) -> Option<(FetchId, Result<(), String>)> {
        self.cold.done.pop_front()
    }

    fn close(&mut self, _now: Now) {
        self.closed = true;
    }
}

#[cfg(test)]
mod tests;
