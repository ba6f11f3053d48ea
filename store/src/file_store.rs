//! The store itself: log, queues and index behind the `Store` contract.

mod fetch;
mod full_start;
mod open;
mod replica;
mod space;
mod stamped;

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;
use sansmq_core::message::encode::{Placement, encode, encoded_len};
use sansmq_core::message::{prop_crc, record, sysflag};
use sansmq_core::store::append::{
    AppendLimits, checked_batch, checked_len, entry_tags, for_each_item, for_each_key, key_hash,
};
use sansmq_core::store::fetch::{FetchId, Lookup};
use sansmq_core::store::pull::{LogSource, PullLimits, QueueSource, pull, visible_bounds};
use sansmq_core::store::stamp::{StampRules, message_count, stamp, stamp_item};
use sansmq_core::store::{
    AppendError, Appended, Boundary, DiskUse, IndexHits, LogBounds, NewMessage, QueueBounds, QueueEntry,
    RawError, ReadRequest, ReadResult, Store, TimerBounds, TruncateError,
};
use sansmq_core::time::{Mono, Now};
use sansmq_core::timer::{SLOT_LEN, TimerEntry};

use crate::abort;
use crate::checkpoint::{Checkpoint, DurablePositions};
use crate::commit_log::CommitLog;
use crate::config::{FlushType, StoreConfig};
use crate::deleted::DeletedTopics;
use crate::disk::{DiskRef, Space, is_full};
use crate::error::StoreError;
use crate::flush::Flusher;
use crate::index::Index;
use crate::jobs::{self, Done, FlushError, Job, Outcome, QueueFlush, Work};
use crate::lock::DirLock;
use crate::queues::Queues;
use crate::recovery::{is_storable, kind_of};
use crate::timer_log::TimerLog;
pub(crate) use fetch::ColdRange;
use fetch::Fetches;
pub(crate) use full_start::{LeftOut, prepare};
use space::SpaceState;

/// Memory that is kept ready behind the end of the log. New pages of a file cost the writer more than what it writes to
/// them, and it may have to wait for the file system's journal.
const TOUCH_BYTES: usize = 4 << 20;
/// Bytes a process writes before it is worth it.
const TOUCH_AFTER: u64 = 1 << 20;

/// A message store in a directory; see the crate documentation.
#[derive(Debug)]
pub struct FileStore {
    disk: DiskRef,
    config: StoreConfig,
    append_limits: AppendLimits,
    pull_limits: PullLimits,
    stamp_rules: StampRules,
    log: CommitLog,
    queues: Queues,
    /// `None` with `messageIndexEnable=false`.
    index: Option<Index>,
    timer: TimerLog,
    flusher: Flusher,
    last_store_time: i64,
    /// End of the last whole record; the log may go on with the front of one that is still arriving.
    whole: u64,
    /// Up to where the log is on all replicas that count; `None` when that is not recorded.
    confirmed: Option<u64>,
    /// A cut waits for the work under way; no more is handed out until then.
    cut_waits: bool,
    /// Topics moved aside whose files are to be removed.
    trash: Vec<PathBuf>,
    deleted: DeletedTopics,
    trash_count: u64,
    spare_in_flight: bool,
    touch_in_flight: bool,
    /// Nothing is made ready before the log is this long: who writes little needs no memory for it.
    touch_behind: u64,
    /// Start of a file whose early creation failed; it is tried again when it is needed.
    spare_failed: Option<u64>,
    closed: bool,
    /// A write or flush failed: what the device holds is unknown, so nothing is accepted any more
    /// (`spec/known-failures.md` KF-08).
    failed: bool,
    space: SpaceState,
    fetches: Fetches,
    /// Dropped last, when nothing touches the files any more.
    _lock: DirLock,
}

impl FileStore {
    /// The store time for what is appended now: never earlier than that of the record before.
    fn next_store_time(&mut self, now: Now) -> i64 {
        self.last_store_time = self.last_store_time.max(now.wall_ms);
        self.last_store_time
    }

    fn fail(&mut self, what: &str, error: &dyn std::fmt::Display) {
        self.failed = true;
        tracing::error!(what, %error, "the store refuses writes from now on");
    }

    /// Makes room for records of `len` bytes together, `count` queue entries and `keys` index entries; nothing
    /// visible changes.
    fn reserve(
        &mut self,
        now: Now,
        message: &NewMessage<'_>,
        len: usize,
        count: u32,
        keys: u32,
    ) -> Result<(), AppendError> {
        let kind = kind_of(message.sys_flag);
        if self.space.is_removing_from(message.topic) {
            return Err(AppendError::NotWritable);
        }
        if self.queues.conflicts(message.topic, kind) {
            match self.queues.drop_empty(message.topic) {
                Ok(true) => {}
                Ok(false) => return Err(AppendError::MessageIllegal),
                Err(error) => return Err(self.refuse(now, &error, 0)),
            }
        }
        if sysflag::enters_queue(message.sys_flag)
            && let Some(queue) = self.queues.get_or_create(message.topic, message.queue_id, kind)
            && let Err(error) = queue.reserve(count)
        {
            let error = StoreError::io("take space in", queue.dir())(error);
            return Err(self.refuse(now, &error, self.config.consume_queue_file_size));
        }
        if let Some(index) = self.index.as_mut().filter(|_| keys > 0)
            && let Err(error) = index.reserve(now.wall_ms, keys)
        {
            let bytes = index.file_size();
            return Err(self.refuse(now, &error, bytes));
        }
        match self.log.reserve(len) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.refuse(now, &error, self.config.commit_log_file_size)),
        }
    }

    /// Index entries a message is going to get.
    fn keys_of(&self, message: &NewMessage<'_>) -> u32 {
        let mut count = 0;
        if self.index.is_some() && sysflag::enters_index(message.sys_flag) {
            for_each_key(message.uniq_key, message.keys, |_| count += 1);
        }
        count
    }

    /// Writes one record into reserved room and enters it into queue and index.
    fn write(
        &mut self,
        now: Now,
        store_timestamp: i64,
        message: &NewMessage<'_>,
        len: usize,
    ) -> Result<Appended, AppendError> {
        let offset = self.log.end();
        let enters_queue = sysflag::enters_queue(message.sys_flag);
        let queue = self.queues.get_mut(message.topic, message.queue_id).filter(|_| enters_queue);
        let queue_offset = queue.as_ref().map_or(0, |queue| queue.max());
        let place = Placement { queue_offset, physical_offset: offset, store_timestamp };
        let count = message_count(message)?;
        let room = self.log.tail_mut(len).ok_or(AppendError::CreateFileFailed)?;
        encode(message, &place, self.append_limits.allow_v2, room)?;
        if self.stamp_rules.prop_crc {
            prop_crc::fill(room);
        }
        self.log.commit(len);
        self.whole = self.log.end();
        let size = u32::try_from(len).unwrap_or(u32::MAX);
        let tags_code = entry_tags(message.tags_code, store_timestamp);
        let entry = QueueEntry { offset, size, tags_code };
        if queue.is_some_and(|queue| !queue.push(entry, store_timestamp, count)) {
            self.fail("queue entry", &"a reserved queue file cannot be written");
        }
        self.enter_into_index(now, message, offset, store_timestamp);
        Ok(Appended { offset, size, queue_offset, store_timestamp, end: self.log.end() })
    }

    fn enter_into_index(&mut self, now: Now, message: &NewMessage<'_>, offset: u64, time: i64) {
        let Some(index) = self.index.as_mut().filter(|_| sysflag::enters_index(message.sys_flag)) else {
            return;
        };
        let mut result = Ok(());
        for_each_key(message.uniq_key, message.keys, |key| {
            if result.is_ok() {
                result = index.put(key_hash(message.topic, key), offset, time, now.wall_ms);
            }
        });
        if let Err(error) = result {
            self.fail("index", &error);
        }
    }

    fn after_append(&mut self) {
        if self.config.flush_type == FlushType::Sync {
            self.request_flush();
        }
    }

    fn record_time(&self, entry: QueueEntry) -> Option<i64> {
        record::store_timestamp(self.log.written_from(entry.offset)?)
    }

    fn checkpoint_path(&self) -> PathBuf {
        self.config.root.join("checkpoint")
    }

    /// The flush of queues and index that is due, if there is anything to do.
    fn queue_flush(&mut self, thorough: bool, close: bool) -> Option<QueueFlush> {
        let least = if thorough { 1 } else { self.config.flush_queue_pages };
        let (mut ranges, mut dirs) = self.queues.take_dirty(least);
        let mut checkpoint = self.flusher.current;
        let mut full = None;
        if let Some(index) = self.index.as_mut().filter(|index| close || index.has_full_files_to_flush()) {
            let (index_ranges, dir, full_until) = index.take_dirty(close);
            ranges.extend(index_ranges);
            dirs.extend(dir);
            full = full_until;
        }
        let mut positions = checkpoint.positions.unwrap_or_default();
        if let Some((time, name)) = full {
            (checkpoint.index_time, positions.index) = (time, name);
        }
        positions.log = self.flusher.durable;
        if thorough {
            positions.queues = self.log.end();
            checkpoint.queue_time = self.last_store_time;
        }
        checkpoint.positions = Some(positions);
        if let Some(index) = &self.index {
            checkpoint.cover(index);
        }
        checkpoint.confirm_offset = self.confirm_offset();
        let nothing_new = ranges.is_empty() && dirs.is_empty() && checkpoint == self.flusher.written;
        (!nothing_new).then(|| QueueFlush {
            ranges,
            dirs,
            checkpoint,
            checkpoint_path: self.checkpoint_path(),
        })
    }

    fn next_work(&mut self) -> Option<Work> {
        if let Some(path) = self.trash.pop() {
            return Some(Work::RemoveTree { path });
        }
        if let Some(fetch) = self.fetches.next_work() {
            return Some(fetch);
        }
        if self.closed || self.failed || self.cut_waits {
            return None;
        }
        if let Some(bytes) = self.deleted.take_write() {
            return Some(Work::WriteDeleted { path: DeletedTopics::path(&self.config.root), bytes });
        }
        if self.flusher.log_flush_needed() {
            return Some(self.log_flush());
        }
        if let Some(preparation) = self.preparation() {
            return Some(preparation);
        }
        if !self.touch_in_flight
            && self.log.end() > self.touch_behind
            && let Some(range) = self.log.take_untouched(TOUCH_BYTES)
        {
            self.touch_in_flight = true;
            return Some(Work::Touch { range });
        }
        if self.log.wants_spare()
            && !self.spare_in_flight
            && let Some((path, base)) = self.log.next_path()
            && self.spare_failed != Some(base)
        {
            self.spare_in_flight = true;
            return Some(Work::CreateSegment { path, base, size: self.log.file_size() });
        }
        if !self.flusher.queues_in_flight
            && let Some(thorough) = self.flusher.queues_due.take()
            && let Some(flush) = self.queue_flush(thorough, false)
        {
            self.flusher.queues_in_flight = true;
            return Some(Work::FlushQueues(flush));
        }
        if let Some(flush) = self.timer.flush() {
            return Some(Work::FlushTimer(flush));
        }
        if let Some(ask) = self.survey() {
            return Some(Work::Survey(ask));
        }
        self.removal().map(|path| Work::RemoveFile { path })
    }

    fn log_flush(&mut self) -> Work {
        let end = self.log.end();
        self.flusher.log_in_flight = Some((end, self.last_store_time));
        Work::FlushLog { ranges: self.log.dirty(self.flusher.durable), end }
    }

    fn log_flushed(&mut self, end: u64, time: i64) {
        self.flusher.durable = self.flusher.durable.max(end);
        self.flusher.current.log_time = self.flusher.current.log_time.max(time);
        let positions = self.flusher.current.positions.get_or_insert_with(DurablePositions::default);
        positions.log = self.flusher.durable;
    }

    /// Takes over what a queue flush made durable; the log's part may have moved on meanwhile.
    fn queues_flushed(&mut self, checkpoint: Checkpoint) {
        self.flusher.written = checkpoint;
        let current = &mut self.flusher.current;
        current.queue_time = checkpoint.queue_time;
        current.index_time = checkpoint.index_time;
        current.confirm_offset = checkpoint.confirm_offset;
        if let (Some(positions), Some(done)) = (&mut current.positions, checkpoint.positions) {
            (positions.queues, positions.index) = (done.queues, done.index);
        }
    }

    fn try_close(&mut self) -> Result<(), StoreError> {
        let root = self.config.root.clone();
        let flush = self.log_flush();
        let Outcome::FlushLog { end, result } = jobs::run(Job(flush, self.disk.clone())).0 else {
            return Ok(());
        };
        let time = self.flusher.log_in_flight.take().map_or(0, |(_, time)| time);
        result.map_err(StoreError::io("flush the log of", &root))?;
        self.log_flushed(end, time);
        for (_, _, queue) in self.queues.iter_mut() {
            queue.drop_unused().map_err(StoreError::io("remove files of", queue.dir()))?;
        }
        if let Some(flush) = self.queue_flush(true, true) {
            let job = Job(Work::FlushQueues(flush), self.disk.clone());
            let Outcome::FlushQueues { checkpoint, result } = jobs::run(job).0 else { return Ok(()) };
            result.map_err(|error| StoreError::io("flush the queues of", &root)(error.into()))?;
            (self.flusher.written, self.flusher.current) = (checkpoint, checkpoint);
        }
        let flush = Work::FlushTimer(self.timer.take_dirty());
        if let Outcome::FlushTimer { end, result } = jobs::run(Job(flush, self.disk.clone())).0 {
            result.map_err(StoreError::io("flush the timer log of", &root))?;
            self.timer.flushed(end);
        }
        self.deleted.write_now(&*self.disk, &root)?;
        self.log.drop_spare()?;
        if let Some(index) = &mut self.index {
            index.drop_spare()?;
        }
        abort::remove(&*self.disk, &root)
    }

    /// Lets go of the store as a killed process would: nothing is flushed, `abort` stays.
    #[doc(hidden)]
    pub fn crash(self) {}
}

impl Store for FileStore {
    type Job = Job;
    type Done = Done;

    fn append(&mut self, now: Now, message: &NewMessage<'_>) -> Result<Appended, AppendError> {
        if !self.is_writable() || self.whole != self.log.end() {
            return Err(AppendError::NotWritable);
        }
        if !is_storable(message.topic) {
            return Err(AppendError::MessageIllegal);
        }
        let next = |topic: &str, queue_id| self.queues.get(topic, queue_id).map_or(0, |queue| queue.max());
        if let Some(stamped) = stamp(message, &self.stamp_rules, next) {
            return self.append_stamped(now, message, &stamped);
        }
        let len = checked_len(message, &self.append_limits)?;
        let keys = self.keys_of(message);
        self.reserve(now, message, len, 1, keys)?;
        let store_timestamp = self.next_store_time(now);
        let appended = self.write(now, store_timestamp, message, len)?;
        self.after_append();
        Ok(appended)
    }

    fn append_batch(
        &mut self,
        now: Now,
        message: &NewMessage<'_>,
        offsets: &mut Vec<u64>,
    ) -> Result<Appended, AppendError> {
        if !self.is_writable() || self.whole != self.log.end() {
            return Err(AppendError::NotWritable);
        }
        let (count, mut total) = checked_batch(message, &self.append_limits)?;
        if !is_storable(message.topic) {
            return Err(AppendError::MessageIllegal);
        }
        let mut keys = 0;
        for_each_item(message, |item| {
            keys += self.keys_of(item);
            total += self.stamp_growth(item)?;
            Ok(())
        })?;
        if total + record::BLANK_LEN > self.append_limits.file_size {
            return Err(AppendError::MessageIllegal);
        }
        self.reserve(now, message, total, count, keys)?;
        let store_timestamp = self.next_store_time(now);
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
            let len = encoded_len(&item, self.append_limits.allow_v2)?;
            let one = self.write(now, store_timestamp, &item, len)?;
            offsets.push(one.offset);
            whole = Some(match whole {
                None => one,
                Some(all) => Appended { size: all.size + one.size, end: one.end, ..all },
            });
            Ok(())
        })?;
        self.after_append();
        whole.ok_or(AppendError::MessageIllegal)
    }

    fn queue_bounds(&self, topic: &str, queue_id: i32, visible_end: u64) -> Option<QueueBounds> {
        self.queues.get(topic, queue_id).map(|queue| visible_bounds(queue, visible_end))
    }

    fn queue_entry(&self, topic: &str, queue_id: i32, offset: i64) -> Option<QueueEntry> {
        self.queues.get(topic, queue_id)?.entry(offset)
    }

    fn read(&self, request: &ReadRequest<'_>) -> ReadResult {
        pull(request, self.queues.get(request.topic, request.queue_id), &self.log, &self.pull_limits)
    }

    fn prefetch(&mut self, lookup: &Lookup<'_>) -> Option<FetchId> {
        self.fetch_for(lookup)
    }

    fn next_fetched(&mut self) -> Option<(FetchId, Result<(), String>)> {
        self.fetches.next_done()
    }

    fn record_at(&self, offset: u64) -> Option<Bytes> {
        let found = record::decode(self.log.written_from(offset)?).ok()?;
        let here = u64::try_from(found.physical_offset) == Ok(offset);
        here.then(|| self.log.slice(offset, found.total_size as u64)).flatten()
    }

    fn store_time(&self, topic: &str, queue_id: i32, offset: i64) -> Option<i64> {
        self.record_time(self.queue_entry(topic, queue_id, offset)?)
    }

    fn offset_by_time(&self, topic: &str, queue_id: i32, timestamp_ms: i64, boundary: Boundary) -> i64 {
        let Some(queue) = self.queues.get(topic, queue_id) else { return 0 };
        queue.offset_by_time(timestamp_ms, boundary, |entry| self.record_time(entry))
    }

    fn query_index(&self, topic: &str, key: &str, max: u32, begin: i64, end: i64) -> IndexHits {
        let Some(index) = &self.index else { return IndexHits::default() };
        let max = max.min(self.config.max_msgs_num_batch) as usize;
        let found = index.query(key_hash(topic, key), max, begin, end);
        let records = found.offsets.into_iter().filter_map(|offset| self.record_at(offset));
        let in_time =
            |r: &Bytes| record::store_timestamp(r).is_some_and(|time| (begin..=end).contains(&time));
        IndexHits {
            records: records.filter(in_time).collect(),
            last_update_timestamp: found.last_time,
            last_update_offset: found.last_offset,
        }
    }

    fn queues(&self) -> Vec<(String, i32, QueueBounds)> {
        self.queues.iter().map(|(topic, id, queue)| (topic.to_owned(), id, queue.bounds())).collect()
    }

    fn delete_topic(&mut self, topic: &str) {
        let place = self.config.root.join("trash").join(self.trash_count.to_string());
        self.trash_count += 1;
        self.deleted.add(topic, self.log.start(), self.log.end());
        self.space.forget_removals(topic, &self.queues.dirs_of(topic));
        match self.queues.remove_topic(topic, &place) {
            Ok(true) => self.trash.push(place),
            Ok(false) => {}
            Err(error) => tracing::error!(topic, %error, "the queue files of a deleted topic stay behind"),
        }
    }

    fn log_bounds(&self) -> LogBounds {
        LogBounds { min: self.log.start(), max: self.log.end(), durable: self.flusher.durable }
    }

    fn append_raw(&mut self, now: Now, offset: u64, bytes: &[u8]) -> Result<(), RawError> {
        self.append_received(now, offset, bytes)
    }

    fn whole_end(&self) -> u64 {
        self.whole
    }

    fn log_slice(&self, from: u64, max: usize) -> Option<Bytes> {
        let len = self.log.written_from(from)?.len().min(max);
        if len == 0 { None } else { self.log.slice(from, len as u64) }
    }

    fn last_file(&self) -> u64 {
        self.log.bases().next_back().unwrap_or(0)
    }

    fn truncate_to(&mut self, _now: Now, offset: u64) -> Result<(), TruncateError> {
        self.cut_to(offset)
    }

    fn set_confirmed(&mut self, offset: u64) {
        self.confirmed = Some(offset);
        self.flusher.current.confirm_offset = self.confirm_offset();
    }

    fn confirmed(&self) -> u64 {
        let end = self.log.end();
        self.confirmed.unwrap_or(end).clamp(self.log.start().min(end), end)
    }

    fn is_writable(&self) -> bool {
        !self.closed && !self.failed && self.space.allows_writes()
    }

    fn disk_use(&self) -> DiskUse {
        let space = |dir| self.disk.space(dir).unwrap_or_default();
        let spaces: Vec<Space> = self.log.dirs().iter().map(|dir| space(dir)).collect();
        // the emptiest directory decides, as for retention
        let log = spaces.iter().min_by(|a, b| a.used_ratio().total_cmp(&b.used_ratio()));
        let log = log.copied().unwrap_or_default();
        DiskUse {
            commit_log_ratio: log.used_ratio(),
            consume_queue_ratio: space(self.queues.dir()).used_ratio(),
            total_bytes: log.total,
            free_bytes: log.free,
            commit_log_path: self
                .log
                .dirs()
                .iter()
                .map(|dir| dir.display().to_string())
                .collect::<Vec<_>>()
                .join(","),
        }
    }

    fn timer_append(
        &mut self,
        now: Now,
        entry: &TimerEntry,
        slot_at: u64,
        slot: impl FnOnce(u64) -> [u8; SLOT_LEN],
    ) -> Result<u64, AppendError> {
        if !self.is_writable() {
            return Err(AppendError::NotWritable);
        }
        if let Err(error) = self.timer.reserve(slot_at) {
            return Err(self.refuse(now, &error, self.config.timer_log_file_size));
        }
        let position = self.timer.push(entry).ok_or(AppendError::CreateFileFailed)?;
        self.timer.put_slot(slot_at, &slot(position));
        Ok(position)
    }

    fn timer_entry(&self, position: u64) -> Option<(u64, TimerEntry)> {
        self.timer.entry(position)
    }

    fn timer_cut(&mut self, position: u64) -> Result<(), AppendError> {
        self.timer.cut(position).map_err(|error| {
            self.fail("timer log", &error);
            AppendError::NotWritable
        })
    }

    fn timer_bounds(&self) -> TimerBounds {
        TimerBounds { min: self.timer.min(), end: self.timer.end(), durable: self.timer.durable() }
    }

    fn timer_wheel(&mut self, slots: impl FnOnce() -> BTreeMap<u64, [u8; SLOT_LEN]>) {
        if self.timer.doubts_wheel()
            && let Err(error) = self.timer.repair_wheel(&slots())
        {
            tracing::warn!(%error, "the timer wheel may point to entries of other times");
        }
    }

    fn timer_sync(&mut self) {
        self.timer.want_flush();
    }

    fn clean_now(&mut self) {
        self.clean_soon();
    }

    fn clean_queues_now(&mut self) {
        self.clean_queues();
    }

    fn request_flush(&mut self) {
        self.flusher.wanted = self.log.end();
    }

    fn tick(&mut self, now: Now) {
        if self.closed {
            return;
        }
        self.deleted.retry();
        let due = self.flusher.tick(now, &self.config, self.log.end());
        self.tick_space(now, due.disk_check);
    }

    fn deadline(&self) -> Option<Mono> {
        if self.closed {
            None
        } else if self.cleaning() {
            Some(Mono(0))
        } else {
            self.flusher.deadline(self.log.end())
        }
    }

    fn poll_job(&mut self) -> Option<Job> {
        self.next_work().map(|work| Job(work, self.disk.clone()))
    }

    fn run(job: Job) -> Done {
        jobs::run(job)
    }

    fn complete(&mut self, now: Now, done: Done) {
        match done.0 {
            Outcome::FlushLog { end, result } => {
                let time = self.flusher.log_in_flight.take().map_or(0, |(_, time)| time);
                match result {
                    Ok(()) => self.log_flushed(end, time),
                    Err(error) => self.fail("log flush", &error),
                }
            }
            Outcome::Touch => self.touch_in_flight = false,
            Outcome::FlushQueues { checkpoint, result } => {
                self.flusher.queues_in_flight = false;
                match result {
                    Ok(()) if !self.closed => self.queues_flushed(checkpoint),
                    Ok(()) => {}
                    Err(FlushError::Full(error)) => {
                        self.space_ran_out(&error, 0);
                        self.flusher.space_wanted(now);
                    }
                    Err(FlushError::Data(error)) => self.fail("queue flush", &error),
                }
            }
            Outcome::FlushTimer { end, result } => match result {
                Ok(()) => self.timer.flushed(end),
                Err(error) => self.fail("timer flush", &error),
            },
            Outcome::CreateSegment { path, base, result } => {
                self.spare_in_flight = false;
                match result {
                    Ok(segment) if !self.closed => self.log.offer_spare(path, segment),
                    // closed, or the log came to its end first and has made the file itself
                    Ok(_) => {}
                    Err(_) if self.log.next_path().is_some_and(|(_, next)| next > base) => {}
                    Err(error) => {
                        tracing::warn!(path = %path.display(), %error, "cannot create the next log file ahead");
                        self.spare_failed = Some(base);
                        if is_full(&error) {
                            self.space_ran_out(&error, self.log.file_size());
                            self.flusher.space_wanted(now);
                        }
                    }
                }
            }
            Outcome::Prepare { result } => self.prepared(now, result),
            Outcome::Fetch { id, result } => self.fetches.finished(id, result),
            Outcome::Survey(found) => self.surveyed(now, &found),
            Outcome::RemoveFile { path, result } => self.removed(&path, result),
            Outcome::WriteDeleted { path, result } => {
                self.deleted.written(&result);
                if let Err(error) = result {
                    let path = path.display();
                    tracing::warn!(%path, %error, "cannot write down that a topic was deleted; trying again");
                }
            }
            Outcome::RemoveTree { path, result } => {
                if let Err(error) = result {
                    tracing::warn!(path = %path.display(), %error, "cannot remove the files of a deleted topic");
                }
            }
        }
    }

    fn close(&mut self, _now: Now) {
        if self.closed {
            return;
        }
        self.closed = true;
        if self.failed {
            tracing::error!("closed after a failure: the next start has to recover");
            return;
        }
        if let Err(error) = self.try_close() {
            self.fail("close", &error);
        }
    }
}

#[cfg(test)]
mod tests;
