//! Finding the end of the log after a start, and making queues and index agree with it
//! (`spec/store.md` section 8).
//!
//! Two regions of the log are told apart. From `strict_from` on, records are checked completely and the first
//! bad one ends the log. Files before it were known to be durable; they are only read when queues or index
//! have to be rebuilt from them, and damage found there costs the rest of that file's queue entries but never
//! the records behind it.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use sansmq_core::message::record::{self, Head, Record};
use sansmq_core::message::{light, prop_crc, sysflag};
use sansmq_core::planted;
use sansmq_core::store::QueueEntry;
use sansmq_core::store::append::{for_each_key, key_hash, record_tags};
use sansmq_core::store::pull::LogSource;
use sansmq_core::store::stamp::{INNER_BASE, INNER_NUM};

use crate::any_queue::Kind;
use crate::checkpoint::Checkpoint;
use crate::commit_log::CommitLog;
use crate::config::StoreConfig;
use crate::deleted::DeletedTopics;
use crate::error::StoreError;
use crate::index::Index;
use crate::queues::Queues;

/// How far behind the checkpoint's times a file's first record must lie for the file to count as durable, ms.
const CHECKPOINT_MARGIN_MS: i64 = 3000;

/// Bytes between looks at the clock during a scan.
const LOOK_BYTES: u64 = 8 << 20;
/// Time between words about progress.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Fewest bytes of log a message takes: an item of a batch that is stored as one record.
const MIN_MESSAGE_LEN: u64 = 22;

/// What opening a store found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// The last run ended in order.
    pub clean: bool,
    /// Byte of the log the last scan started at.
    pub scanned_from: u64,
    /// Records the last scan accepted.
    pub records: u64,
    /// Byte behind the last record.
    pub log_end: u64,
    /// Scans of the log that were needed.
    pub scans: u32,
    /// Why the scan ended; `None` when it reached zeros or the end of the last file.
    pub stopped_by: Option<String>,
    /// Files that could only be read in part while queues or index were rebuilt from them.
    pub damaged_files: Vec<u64>,
    /// Store time of the last record, milliseconds since the Unix epoch.
    pub last_store_time: i64,
    /// What the scans took.
    pub scan_time: Duration,
}

/// How far a scan of the log has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RecoveryProgress {
    /// Records accepted by this scan.
    pub records: u64,
    /// Bytes read by this scan, and bytes there are for it to read.
    pub bytes: u64,
    pub total_bytes: u64,
    /// Since the scan began.
    pub elapsed: Duration,
}

impl RecoveryProgress {
    /// Part done, in percent.
    #[must_use]
    pub fn percent(&self) -> f64 {
        if self.total_bytes == 0 { 100.0 } else { self.bytes as f64 * 100.0 / self.total_bytes as f64 }
    }

    /// Speed so far in megabytes (10^6 bytes) per second.
    #[must_use]
    pub fn megabytes_per_second(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.bytes as f64 / 1e6 / seconds } else { 0.0 }
    }
}

impl std::fmt::Display for RecoveryProgress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (percent, speed) = (self.percent(), self.megabytes_per_second());
        write!(f, "recovery: {percent:.1} %, {} records, {speed:.0} MB/s", self.records)
    }
}

/// Tells of progress now and then.
struct Meter<'a> {
    tell: &'a mut dyn FnMut(&RecoveryProgress),
    began: Instant,
    told: Instant,
    next_look: u64,
    total_bytes: u64,
}

impl<'a> Meter<'a> {
    fn new(tell: &'a mut dyn FnMut(&RecoveryProgress), total_bytes: u64) -> Self {
        let now = Instant::now();
        Meter { tell, began: now, told: now, next_look: LOOK_BYTES, total_bytes }
    }

    /// Cheap unless enough bytes have passed.
    fn at(&mut self, bytes: u64, records: u64) {
        if bytes >= self.next_look {
            self.next_look = bytes + LOOK_BYTES;
            if self.told.elapsed() >= TELL_EVERY {
                self.told = Instant::now();
                self.say(bytes, records);
            }
        }
    }

    fn end(&mut self, bytes: u64, records: u64) {
        self.total_bytes = bytes; // what is left of the files is empty
        if self.began.elapsed() >= TELL_EVERY {
            self.say(bytes, records);
        }
    }

    fn say(&mut self, bytes: u64, records: u64) {
        let total_bytes = self.total_bytes.max(bytes);
        let progress = RecoveryProgress { records, bytes, total_bytes, elapsed: self.began.elapsed() };
        tracing::info!("{progress}");
        (self.tell)(&progress);
    }
}

/// The parts recovery works on.
pub(crate) struct Parts<'a> {
    pub config: &'a StoreConfig,
    pub deleted: &'a DeletedTopics,
    pub log: &'a mut CommitLog,
    pub queues: &'a mut Queues,
    pub index: Option<&'a mut Index>,
    /// Hears of progress about once a second, and at the end of a scan that took longer.
    pub progress: &'a mut dyn FnMut(&RecoveryProgress),
}

/// Where to look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// First byte of the file the scan starts with.
    from: u64,
    strict_from: u64,
    /// Records before this one already have their queue entries.
    queues_from: u64,
    /// Records before this one are already indexed.
    index_from: u64,
    /// A queue that lacks entries in front of a record is taken to begin there, instead of giving cause for
    /// a scan of the whole log.
    accept_gaps: bool,
}

impl Plan {
    /// For records that arrive behind everything that is there.
    pub(crate) const LIVE: Plan =
        Plan { from: 0, strict_from: 0, queues_from: 0, index_from: 0, accept_gaps: true };
}

/// Enters the records that the index knows nothing of, after a cut of the log has cost it its last files.
pub(crate) fn reindex(mut parts: Parts<'_>) -> Result<(), StoreError> {
    let index_from = parts.index.as_ref().and_then(|index| index.end_offset()).unwrap_or(parts.log.start());
    let from = file_of(&parts, index_from);
    let plan = Plan { from, strict_from: from, queues_from: u64::MAX, index_from, accept_gaps: true };
    scan(&mut parts, &plan).map(|_| ())
}

/// Brings log, queues and index into agreement. Everything above the log's end is gone, durably, when this
/// returns.
pub(crate) fn recover(
    mut parts: Parts<'_>,
    clean: bool,
    checkpoint: &Checkpoint,
) -> Result<RecoveryReport, StoreError> {
    if parts.log.bases().next().is_none() {
        parts.queues.clear()?;
        if let Some(index) = &mut parts.index {
            index.remove_where(|_| true)?;
        }
        return Ok(RecoveryReport { clean, ..RecoveryReport::default() });
    }
    let mut again_from = u64::MAX;
    for (topic, at) in parts.deleted.iter() {
        if parts.queues.drop_deleted(topic, at)? {
            again_from = again_from.min(at);
        }
    }
    let mut plan = plan(&mut parts, clean, checkpoint)?;
    // What these topics got after they were created again. What the log has lost since cannot be read again, so the
    // entries of other queues that speak of it, and tell how far these queues were, have to stay.
    plan.queues_from = plan.queues_from.min(again_from.max(parts.log.start()));
    plan.from = plan.from.min(file_of(&parts, plan.queues_from));
    let mut scans = 0;
    let began = Instant::now();
    let mut report: RecoveryReport = loop {
        scans += 1;
        let report = scan(&mut parts, &plan)?;
        let start = parts.log.start();
        let Some(report) = report else {
            tracing::warn!("queue entries are missing in front of the scanned files; scanning the whole log");
            plan.from = start;
            plan.queues_from = start;
            plan.accept_gaps = true;
            plan.index_from = next_to_index(&parts);
            continue;
        };
        let end = report.log_end;
        let stale = match &mut parts.index {
            Some(index) => index.remove_where(|file| file.end_offset >= end)?,
            None => false,
        };
        if !stale {
            break report;
        }
        // the index knew records the log has lost: rebuild its last part
        plan.index_from = parts.index.as_ref().and_then(|index| index.end_offset()).unwrap_or(start);
        plan.from = file_of(&parts, plan.index_from).min(plan.strict_from);
    };
    (report.clean, report.scans, report.scan_time) = (clean, scans, began.elapsed());
    let end = report.log_end;
    for (_, _, queue) in parts.queues.iter_mut() {
        if !clean {
            queue.drop_unverified(plan.queues_from)?;
        }
        queue.drop_from(end)?;
        // a store of ours deletes files only in front of one with durable entries; others may not
        if parts.log.start() == 0 || checkpoint.positions.is_some() {
            queue.forget_if_empty().map_err(StoreError::io("remove files of", queue.dir()))?;
        }
    }
    parts.log.cut(end)?;
    let start = parts.log.start();
    for (_, _, queue) in parts.queues.iter_mut() {
        queue.correct_min(start);
    }
    Ok(report)
}

fn next_to_index(parts: &Parts<'_>) -> u64 {
    parts.index.as_ref().and_then(|index| index.end_offset()).map_or(0, |last| last + 1)
}

/// Start of the file that holds `offset`, or of the nearest one.
fn file_of(parts: &Parts<'_>, offset: u64) -> u64 {
    parts.log.bases().rev().find(|base| *base <= offset).unwrap_or(parts.log.start())
}

fn plan(parts: &mut Parts<'_>, clean: bool, checkpoint: &Checkpoint) -> Result<Plan, StoreError> {
    let start = parts.log.start();
    let known = parts.queues.log_end();
    if clean {
        let third_last = parts.log.bases().rev().take(3).last().unwrap_or(start);
        let strict_from = known.map_or(third_last, |end| file_of(parts, end));
        return Ok(Plan {
            from: if known.is_some() { strict_from } else { start },
            strict_from,
            queues_from: known.unwrap_or(start),
            index_from: next_to_index(parts),
            accept_gaps: true,
        });
    }
    let strict_from = match checkpoint.positions {
        Some(positions) => file_of(parts, positions.log.min(positions.queues)),
        None => durable_by_time(parts, checkpoint),
    };
    let whole = known.is_none() || parts.queues.lost_files;
    let mut from = if whole { start } else { strict_from };
    let mut index_from = 0;
    if let Some(index) = &mut parts.index {
        // only full files are flushed as a whole; the rest is rebuilt
        let newest = checkpoint.positions.map_or(u64::MAX, |positions| positions.index);
        index.remove_where(|file| file.is_rebuilt(checkpoint.index_time, newest))?;
        // the last indexed record may have more keys than fitted into the file
        index_from = index.end_offset().unwrap_or(start);
    }
    if parts.index.is_some() {
        from = from.min(file_of(parts, index_from));
    }
    let accept_gaps = checkpoint.positions.is_some() || from == start;
    Ok(Plan { from, strict_from, queues_from: from, index_from, accept_gaps })
}

/// The newest file whose first record is so old that, by the checkpoint's times, all before it is durable.
fn durable_by_time(parts: &Parts<'_>, checkpoint: &Checkpoint) -> u64 {
    let limit = (checkpoint.log_time.min(checkpoint.queue_time) - CHECKPOINT_MARGIN_MS).max(0);
    let durable = |base: &u64| {
        let Some(bytes) = parts.log.written_from(*base) else { return false };
        matches!(record::peek(bytes), Ok(Head::Record { .. }))
            && record::store_timestamp(bytes).is_some_and(|time| time != 0 && time <= limit)
    };
    parts.log.bases().rev().find(durable).unwrap_or(parts.log.start())
}

/// Reads records from `plan.from` on and dispatches them. `None` when a queue turned out to lack entries from
/// before the scan.
fn scan(parts: &mut Parts<'_>, plan: &Plan) -> Result<Option<RecoveryReport>, StoreError> {
    let mut report = RecoveryReport { scanned_from: plan.from, log_end: plan.from, ..Default::default() };
    let bases: Vec<u64> = parts.log.bases().filter(|base| *base >= plan.from).collect();
    let whole_ends = parts.config.enable_lmq || parts.config.receives;
    let mut meter = Meter::new(parts.progress, parts.log.end().saturating_sub(plan.from));
    for base in bases {
        let strict = base >= plan.strict_from;
        let check = match parts.config.check_crc_on_recover && strict {
            false => Check::Nothing,
            true if parts.config.verify_prop_crc => Check::Whole,
            true => Check::Body,
        };
        let Some(bytes) = parts.log.written_from(base) else { break };
        let mut at = 0;
        let stop = loop {
            let rest = &bytes[at.min(bytes.len())..];
            let position = base + at as u64;
            match step(rest, position, check, strict, whole_ends) {
                Step::Record(record) => {
                    let flow = dispatch(
                        (parts.config, parts.deleted),
                        parts.queues,
                        parts.index.as_deref_mut(),
                        plan,
                        &record,
                        position,
                    )?;
                    if flow.is_break() {
                        return Ok(None);
                    }
                    report.records += 1;
                    report.last_store_time = report.last_store_time.max(record.store_timestamp);
                    at += record.total_size;
                    meter.at(position - plan.from, report.records);
                }
                Step::EndOfFile => {
                    at = bytes.len();
                    break None;
                }
                Step::Stop(reason) => break Some(reason),
            }
        };
        match stop {
            None => report.log_end = base + at as u64,
            Some(reason) if strict => {
                report.log_end = base + at as u64;
                report.stopped_by = reason.map(|reason| format!("byte {}: {reason}", report.log_end));
                break;
            }
            Some(reason) => {
                let reason = reason.unwrap_or_else(|| "zeros".into());
                tracing::warn!(
                    byte = base + at as u64,
                    reason,
                    "damage in an old log file; continuing with the next"
                );
                report.damaged_files.push(base);
                report.log_end = base + bytes.len() as u64;
            }
        }
    }
    meter.end(report.log_end - plan.from, report.records);
    Ok(Some(report))
}

/// Which checksum a record has to agree with.
#[derive(Clone, Copy)]
enum Check {
    Nothing,
    Body,
    Whole,
}

enum Step<'a> {
    Record(Record<'a>),
    EndOfFile,
    /// Nothing more here; without a reason when there are just zeros.
    Stop(Option<String>),
}

fn step(rest: &[u8], position: u64, check: Check, strict: bool, whole_ends: bool) -> Step<'_> {
    if rest.is_empty() {
        return Step::EndOfFile;
    }
    match record::peek(rest) {
        Ok(Head::Blank { size }) if size == rest.len() => return Step::EndOfFile,
        Ok(Head::Blank { size }) => {
            return Step::Stop(Some(format!("filler of {size} bytes does not end the file")));
        }
        Ok(Head::Record { .. }) => {}
        Err(_) if rest.iter().take(record::BLANK_LEN).all(|b| *b == 0) => return Step::Stop(None),
        Err(error) => return Step::Stop(Some(error.to_string())),
    }
    let record = match record::decode(rest) {
        Ok(record) => record,
        Err(error) => return Step::Stop(Some(error.to_string())),
    };
    if u64::try_from(record.physical_offset) != Ok(position) {
        return Step::Stop(Some(format!("the record says it starts at byte {}", record.physical_offset)));
    }
    if !(0..=most_messages(position)).contains(&record.queue_offset) {
        return Step::Stop(Some(format!("queue offset {} is impossible", record.queue_offset)));
    }
    if strict
        && !planted::is("torn-tail")
        && (whole_ends || kind_of(record.sys_flag) == Kind::Batch)
        && is_cut_short(&record)
    {
        return Step::Stop(Some("the record ends in zeros where topic or properties should be".into()));
    }
    match check {
        Check::Nothing => {}
        Check::Body if record.body_is_intact() || planted::is("torn-tail") => {}
        Check::Body => return Step::Stop(Some("the body does not match its checksum".into())),
        Check::Whole => match prop_crc::is_intact(rest, &record) {
            Some(true) => {}
            Some(false) => return Step::Stop(Some("the record does not match its checksum".into())),
            None => return Step::Stop(Some("the record has no checksum (forceVerifyPropCRC)".into())),
        },
    }
    Step::Record(record)
}

/// Whether zeros stand where a record's last part should be. No checksum covers topic and properties, so a
/// record whose end was lost with the power passes for a whole one, as it does in the reference. That must not
/// be where properties tell the queues, nor on a replica: it would go on behind bytes its master never had.
/// The store ends properties with a separator.
fn is_cut_short(record: &Record<'_>) -> bool {
    let last = if record.properties.is_empty() { record.topic } else { record.properties };
    last.last() == Some(&0)
}

/// Every message before a record took up log, at the least the fixed part of a batch item. A number beyond
/// that is damage, and believing it would fill the disk with entries for messages that never were.
fn most_messages(position: u64) -> i64 {
    i64::try_from(position / MIN_MESSAGE_LEN).unwrap_or(i64::MAX)
}

/// Enters a record into its queues and the index; breaks when entries before it are missing.
pub(crate) fn dispatch(
    (config, deleted): (&StoreConfig, &DeletedTopics),
    queues: &mut Queues,
    index: Option<&mut Index>,
    plan: &Plan,
    record: &Record<'_>,
    position: u64,
) -> Result<ControlFlow<()>, StoreError> {
    let Some(topic) = record.topic_str().filter(|topic| is_storable(topic)) else {
        tracing::warn!(position, "record without a usable topic stays out of queues and index");
        return Ok(ControlFlow::Continue(()));
    };
    let kind = kind_of(record.sys_flag);
    let place = queue_place(record, position);
    if place.is_none() {
        tracing::warn!(position, topic, "an inner batch without possible offsets stays out of its queue");
    }
    if position >= plan.queues_from
        && sysflag::enters_queue(record.sys_flag)
        && let Some((offset, count)) = place
    {
        let entry = QueueEntry {
            offset: position,
            size: u32::try_from(record.total_size).unwrap_or(u32::MAX),
            tags_code: record_tags(record, &config.delay_levels),
        };
        let dead = deleted.covers(topic, position);
        if !dead && queues.conflicts(topic, kind) {
            // the topic was deleted and came again as one of the other type
            queues.drop_topic(topic)?;
        }
        let mut put = |topic: &str, queue_id: i32, offset: i64, kind, count| {
            if deleted.covers(topic, position) {
                return Ok(ControlFlow::Continue(()));
            }
            let next = queues.get(topic, queue_id).map_or(0, |queue| queue.max());
            if offset > next && !plan.accept_gaps {
                return Ok(ControlFlow::Break(()));
            }
            if let Some(queue) = queues.get_or_create(topic, queue_id, kind) {
                queue
                    .put(offset, entry, record.store_timestamp, count)
                    .map_err(StoreError::io("write to", queue.dir()))?;
            }
            Ok(ControlFlow::Continue(()))
        };
        if put(topic, record.queue_id, offset, kind, count)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        if config.enable_lmq && kind == Kind::Simple && light::applies_to(topic) {
            let names = record.property(light::NAMES).unwrap_or_default();
            let offsets = record.property(light::OFFSETS).unwrap_or_default();
            for (name, offset) in light::places(names, offsets) {
                if offset > most_messages(position) {
                    tracing::warn!(position, name, offset, "an offset in a light queue is impossible");
                    continue;
                }
                if put(name, light::QUEUE_ID, offset, Kind::Simple, 1)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
    }
    if let Some(index) =
        index.filter(|_| position >= plan.index_from && sysflag::enters_index(record.sys_flag))
    {
        let mut result = Ok(());
        for_each_key(record.property("UNIQ_KEY"), record.property("KEYS"), |key| {
            if result.is_ok() {
                let time = record.store_timestamp;
                result = index.put(key_hash(topic, key), position, time, time);
            }
        });
        result?;
    }
    Ok(ControlFlow::Continue(()))
}

/// The queues a record belongs to.
pub(crate) fn kind_of(sys_flag: i32) -> Kind {
    if sys_flag & sysflag::INNER_BATCH == 0 { Kind::Simple } else { Kind::Batch }
}

/// A record's first queue offset and how many messages it stands for; `None` for an inner batch that does not
/// say, or says what cannot be.
pub(crate) fn queue_place(record: &Record<'_>, position: u64) -> Option<(i64, u16)> {
    if kind_of(record.sys_flag) == Kind::Simple {
        return Some((record.queue_offset, 1));
    }
    let base = record.property(INNER_BASE)?.parse().ok()?;
    let count: u16 = record.property(INNER_NUM)?.parse().ok()?;
    let possible = (0..=most_messages(position)).contains(&base) && (1..=i16::MAX as u16).contains(&count);
    possible.then_some((base, count))
}

/// Whether a topic can be the name of a directory below the queues.
pub(crate) fn is_storable(topic: &str) -> bool {
    !matches!(topic, "" | "." | "..") && !topic.contains(['/', '\0']) && topic.len() <= 255
}
