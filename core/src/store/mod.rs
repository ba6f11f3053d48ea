//! What a broker asks of its disk.
//!
//! A [`Store`] is a type parameter of the broker: the memory-mapped files of `sansmq-store`, or
//! [`memory::MemoryStore`] in tests and examples. Appends and reads of what is mapped complete within the
//! call (they touch memory only); whatever may block (fsync, file creation ahead of need, deletion, fetching
//! what [`Store::prefetch`] found missing in memory) is
//! handed out as a [`Store::Job`] by `poll_job`, run by the driver wherever it likes with `run`, and given
//! back with `complete`. What is durable is read from `durable_end` after a completion.
//! Formats: `spec/store.md`.

pub mod append;
pub mod fetch;
pub mod memory;
pub mod pull;
pub mod raw;
pub mod retention;
pub mod stamp;

use bytes::Bytes;
use core::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::collections::BTreeMap;

use crate::time::Now;
use crate::timer::{SLOT_LEN, TimerEntry};
use fetch::{FetchId, Lookup};

/// A message to be appended. Hosts, ids and offsets are filled in by the store where the format says so.
#[derive(Clone, Copy, Debug)]
pub struct NewMessage<'a> {
    pub topic: &'a str,
    pub queue_id: i32,
    /// The user's flag, stored as given.
    pub flag: i32,
    /// `MessageSysFlag` bits; the address-family bits are set by the encoder.
    pub sys_flag: i32,
    /// Milliseconds since the Unix epoch, as the producer gave it.
    pub born_timestamp: i64,
    pub born_host: SocketAddr,
    pub store_host: SocketAddr,
    pub reconsume_times: i32,
    /// Log offset of the half message a committed transactional message came from, else 0.
    pub prepared_transaction_offset: i64,
    pub body: &'a [u8],
    /// The stored property string in parts, concatenated as they are (`name 0x01 value 0x02` ...).
    pub properties: &'a [&'a [u8]],
    /// What goes into the consume queue's tags field.
    pub tags_code: TagsCode,
    /// `UNIQ_KEY` of the properties, indexed first.
    pub uniq_key: Option<&'a str>,
    /// `KEYS` of the properties; every non-empty part between single blanks is indexed.
    pub keys: Option<&'a str>,
}

impl<'a> NewMessage<'a> {
    /// A message with a place and a body and nothing else: no properties, no keys, born at time 0 nowhere.
    #[must_use]
    pub const fn plain(topic: &'a str, queue_id: i32, body: &'a [u8]) -> Self {
        const NOWHERE: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));
        NewMessage {
            topic,
            queue_id,
            flag: 0,
            sys_flag: 0,
            born_timestamp: 0,
            born_host: NOWHERE,
            store_host: NOWHERE,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body,
            properties: &[],
            tags_code: TagsCode::Tags(0),
            uniq_key: None,
            keys: None,
        }
    }
}

/// The third field of a consume-queue entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagsCode {
    /// Java `String.hashCode` of the `TAGS` property, sign-extended; 0 without tags.
    Tags(i64),
    /// Queues of `SCHEDULE_TOPIC_XXXX`: the delivery time, this many milliseconds after the store time.
    DeliverAfterMs(i64),
}

/// Where an appended message (or the first of a batch) went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Log offset of the (first) record, in bytes.
    pub offset: u64,
    /// Bytes of all records of the call.
    pub size: u32,
    /// Queue offset of the (first) record.
    pub queue_offset: i64,
    /// Milliseconds since the Unix epoch as written into the record(s).
    pub store_timestamp: i64,
    /// Log offset just behind the last record: durable once `durable_end() >= end`.
    pub end: u64,
}

/// Why an append was refused. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    #[error(
        "topic longer than the record format allows, or an empty or oversized body, or a malformed batch"
    )]
    MessageIllegal,
    #[error("properties longer than 32767 bytes")]
    PropertiesTooLong,
    #[error("the store does not accept writes: shut down, disk full, or a failed fsync")]
    NotWritable,
    #[error("the next commit-log file could not be created")]
    CreateFileFailed,
    #[error("there are more light queues than maxLmqConsumeQueueNum allows")]
    TooManyLightQueues,
}

/// Why bytes of another log were not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RawError {
    #[error("the store does not accept writes: shut down, disk full, or a failed fsync")]
    NotWritable,
    #[error("bytes from {given} on do not follow on {end}, where the log ends")]
    Gap { given: u64, end: u64 },
    #[error(
        "an empty log cannot begin at byte {given}: no file of {file_size} bytes begins there; is \
         mappedFileSizeCommitLog the same on both sides?"
    )]
    Misplaced { given: u64, file_size: u64 },
    #[error("byte {at} of the log received: {why}")]
    Damaged { at: u64, why: String },
    #[error("{0}")]
    Io(String),
}

/// Why the log was not cut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TruncateError {
    #[error("work on files is under way; try again when it is done")]
    Busy,
    #[error("the log begins at byte {start}, after byte {asked}")]
    BelowStart { asked: u64, start: u64 },
    #[error("no record begins at byte {0}")]
    NotABoundary(u64),
    #[error("the log could not be cut, its state is unknown until a restart: {0}")]
    Io(String),
}

/// Lowest readable and next free queue offset of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueBounds {
    pub min: i64,
    pub max: i64,
}

/// One consume-queue entry (20 bytes on disk, `spec/store.md` section 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueEntry {
    /// Log offset of the record.
    pub offset: u64,
    /// Bytes of the record.
    pub size: u32,
    pub tags_code: i64,
}

/// Which entries a read returns.
#[derive(Clone, Copy, Debug)]
pub enum TagFilter<'a> {
    All,
    /// Entries whose tags code (low 32 bits) is one of these; a hash match, clients compare the text.
    Codes(&'a [i32]),
}

impl TagFilter<'_> {
    /// Whether an entry passes. An address into the extension file of a queue (any value below those of a
    /// hash, `spec/store.md` section 4) tells nothing about the tags, so it passes.
    #[must_use]
    pub fn matches(&self, tags_code: i64) -> bool {
        match self {
            TagFilter::All => true,
            #[allow(clippy::cast_possible_truncation)] // the hash is the low half, `spec/store.md` section 13
            TagFilter::Codes(codes) => {
                codes.contains(&(tags_code as i32)) || pull::ext_position(tags_code).is_some()
            }
        }
    }
}

/// A pull, as `DefaultMessageStore.getMessage` takes it.
#[derive(Clone, Copy, Debug)]
pub struct ReadRequest<'a> {
    pub topic: &'a str,
    pub queue_id: i32,
    pub offset: i64,
    pub max_count: u32,
    /// Records that end behind this log offset are not visible yet (not durable, not confirmed).
    pub visible_end: u64,
    pub filter: TagFilter<'a>,
}

/// The statuses of `GetMessageStatus`; `Display` gives the reference's names, used as pull remarks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadStatus {
    Found,
    NoMatchedMessage,
    MessageWasRemoving,
    OffsetFoundNull,
    OffsetOverflowBadly,
    OffsetOverflowOne,
    OffsetTooSmall,
    NoMatchedLogicQueue,
    NoMessageInQueue,
    OffsetReset,
}

impl ReadStatus {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ReadStatus::Found => "FOUND",
            ReadStatus::NoMatchedMessage => "NO_MATCHED_MESSAGE",
            ReadStatus::MessageWasRemoving => "MESSAGE_WAS_REMOVING",
            ReadStatus::OffsetFoundNull => "OFFSET_FOUND_NULL",
            ReadStatus::OffsetOverflowBadly => "OFFSET_OVERFLOW_BADLY",
            ReadStatus::OffsetOverflowOne => "OFFSET_OVERFLOW_ONE",
            ReadStatus::OffsetTooSmall => "OFFSET_TOO_SMALL",
            ReadStatus::NoMatchedLogicQueue => "NO_MATCHED_LOGIC_QUEUE",
            ReadStatus::NoMessageInQueue => "NO_MESSAGE_IN_QUEUE",
            ReadStatus::OffsetReset => "OFFSET_RESET",
        }
    }
}

/// The answer to a [`ReadRequest`].
#[derive(Clone, Debug)]
pub struct ReadResult {
    pub status: ReadStatus,
    /// Where the consumer should pull next.
    pub next_offset: i64,
    pub bounds: QueueBounds,
    /// The records back to back; neighbours in the log share one slice.
    pub records: Vec<Bytes>,
    pub count: u32,
    pub bytes: u64,
}

/// Which neighbour a lookup by time returns when no record has exactly that store time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Boundary {
    #[default]
    Lower,
    Upper,
}

/// Records found through the index.
#[derive(Clone, Debug, Default)]
pub struct IndexHits {
    /// Whole records, ascending by log offset.
    pub records: Vec<Bytes>,
    pub last_update_timestamp: i64,
    pub last_update_offset: i64,
}

/// Byte positions of the commit log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogBounds {
    pub min: u64,
    pub max: u64,
    /// Everything below survives a power loss.
    pub durable: u64,
}

/// Disk use as runtime info shows it; fractions of 1, sizes in bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DiskUse {
    pub commit_log_ratio: f64,
    pub consume_queue_ratio: f64,
    pub total_bytes: u64,
    pub free_bytes: u64,
    /// Directory of the commit log, for `commitLogDiskRatio_<path>`.
    pub commit_log_path: String,
}

/// Byte positions of the timer log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimerBounds {
    pub min: u64,
    pub end: u64,
    /// Entries below survive a power loss.
    pub durable: u64,
}

/// A broker's message store.
pub trait Store {
    /// Work that may block; runs anywhere.
    type Job: Send + 'static;
    /// What a finished job reports.
    type Done: Send + 'static;

    /// Appends one message: log record, queue entry and index entries, in this turn.
    ///
    /// # Errors
    /// [`AppendError`]; nothing was written.
    fn append(&mut self, now: Now, message: &NewMessage<'_>) -> Result<Appended, AppendError>;

    /// Appends a client batch (`message.body` is the batch body): all records or none, queue offsets
    /// consecutive, `message.properties` behind each item's own. The log offset of every record is pushed
    /// to `offsets`.
    ///
    /// # Errors
    /// [`AppendError`]; nothing was written.
    fn append_batch(
        &mut self,
        now: Now,
        message: &NewMessage<'_>,
        offsets: &mut Vec<u64>,
    ) -> Result<Appended, AppendError>;

    /// `None` when the queue was never written. `max` counts only records that end at or below `visible_end`.
    fn queue_bounds(&self, topic: &str, queue_id: i32, visible_end: u64) -> Option<QueueBounds>;

    fn queue_entry(&self, topic: &str, queue_id: i32, offset: i64) -> Option<QueueEntry>;

    fn read(&self, request: &ReadRequest<'_>) -> ReadResult;

    /// Asks whether a lookup would have to wait for the disk. `None`: everything it touches is in memory, or the
    /// store does not know better. Otherwise a job follows that reads what is missing, and
    /// [`Store::next_fetched`] gives the number back once it is done. Costs nothing for what was written lately.
    fn prefetch(&mut self, _lookup: &Lookup<'_>) -> Option<FetchId> {
        None
    }

    /// A fetch that is over: what was missing is in memory now, or why it cannot be read.
    fn next_fetched(&mut self) -> Option<(FetchId, Result<(), String>)> {
        None
    }

    /// The record that starts at this log offset, if one does (its magic and length are checked).
    fn record_at(&self, offset: u64) -> Option<Bytes>;

    /// Store time in milliseconds of the record that a queue entry points to.
    fn store_time(&self, topic: &str, queue_id: i32, offset: i64) -> Option<i64>;

    /// Queue offset for a point in time (`spec/store.md` section 13); 0 for an unknown queue.
    fn offset_by_time(&self, topic: &str, queue_id: i32, timestamp_ms: i64, boundary: Boundary) -> i64;

    /// Key lookup through the hash index, at most `max` records with a store time in `begin..=end`.
    fn query_index(&self, topic: &str, key: &str, max: u32, begin: i64, end: i64) -> IndexHits;

    /// Every queue that exists, with its bounds.
    fn queues(&self) -> Vec<(String, i32, QueueBounds)>;

    /// Forgets a topic's queues; its records stay in the log until retention takes them.
    fn delete_topic(&mut self, topic: &str);

    /// First, next and durable byte of the commit log.
    fn log_bounds(&self) -> LogBounds;

    /// Appends bytes of another log, as they come: records may be cut anywhere. Whole ones are entered into their
    /// queues and the index. An empty log begins at `offset`.
    ///
    /// # Errors
    /// [`RawError`]. After `Damaged` the bytes are there but lead nowhere; cut the log at [`Store::whole_end`].
    fn append_raw(&mut self, now: Now, offset: u64, bytes: &[u8]) -> Result<(), RawError>;

    /// Where the last whole record ends; behind it lies the front of one whose rest has not come yet.
    fn whole_end(&self) -> u64;

    /// At most `max` bytes of the log from an offset on, within one file; `None` when there are none.
    fn log_slice(&self, from: u64, max: usize) -> Option<Bytes>;

    /// First byte of the last file of the log.
    fn last_file(&self) -> u64;

    /// Cuts log, queues and index at an offset, for good: when this returns no restart brings the rest back
    /// (KF-01). The one call that waits for the disk: a replica does it before it rejoins, never in traffic.
    ///
    /// # Errors
    /// [`TruncateError`]; nothing has changed, except after `Io`.
    fn truncate_to(&mut self, now: Now, offset: u64) -> Result<(), TruncateError>;

    /// Remembers up to where the log is on every replica that counts (`confirmPhyOffset` of the checkpoint).
    fn set_confirmed(&mut self, offset: u64);

    /// What [`Store::set_confirmed`] was last told, now or before the last stop, within the log as it is.
    fn confirmed(&self) -> u64;

    /// False once writes are refused (shut down, failed fsync, full disk).
    fn is_writable(&self) -> bool;

    fn disk_use(&self) -> DiskUse;

    /// Appends an entry to the timer log and gives its position. `slot` is called once it is there and tells
    /// what the wheel file now holds at byte `slot_at`; nothing here reads that file, but the reference does.
    ///
    /// # Errors
    /// [`AppendError`]; nothing was written.
    fn timer_append(
        &mut self,
        now: Now,
        entry: &TimerEntry,
        slot_at: u64,
        slot: impl FnOnce(u64) -> [u8; SLOT_LEN],
    ) -> Result<u64, AppendError>;

    /// The first entry at or behind a position of the timer log, with its position.
    fn timer_entry(&self, position: u64) -> Option<(u64, TimerEntry)>;

    /// Forgets the entries from a position on: the messages they point to are gone.
    ///
    /// # Errors
    /// [`AppendError::NotWritable`] when the log cannot be changed.
    fn timer_cut(&mut self, position: u64) -> Result<(), AppendError>;

    fn timer_bounds(&self) -> TimerBounds;

    /// Tells at a start what the wheel file has to hold: slots by the byte they lie at. After a crash or a cut
    /// the file may say otherwise, and the reference, which reads it, would follow slots to entries of others;
    /// the store puts that right. Nothing here reads that file, so a failure is no more than a warning.
    fn timer_wheel(&mut self, slots: impl FnOnce() -> BTreeMap<u64, [u8; SLOT_LEN]>);

    /// Asks for the timer log to be made durable up to its end; a job follows.
    fn timer_sync(&mut self);

    /// Asks for everything up to the current end to be made durable; a job follows.
    fn request_flush(&mut self);

    /// An administrator asks for what has expired to be deleted now instead of at its hour; jobs follow.
    fn clean_now(&mut self);

    /// As [`Store::clean_now`], but only for queue and index files whose records are gone already.
    fn clean_queues_now(&mut self);

    /// Periodic duties (interval flush, checkpoint, clean-up); cheap when nothing is due.
    fn tick(&mut self, now: Now);

    /// When `tick` is due next.
    fn deadline(&self) -> Option<crate::time::Mono>;

    /// The next piece of blocking work, if any.
    fn poll_job(&mut self) -> Option<Self::Job>;

    /// Runs a job; called by the driver on a thread of its choice.
    fn run(job: Self::Job) -> Self::Done;

    /// Takes a finished job back.
    fn complete(&mut self, now: Now, done: Self::Done);

    /// Orderly end: stops accepting writes, makes everything durable and leaves the files as a clean stop does.
    fn close(&mut self, now: Now);
}
