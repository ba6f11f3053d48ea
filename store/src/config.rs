//! The settings of a store (`spec/store-config.md`), as plain values; reading them from a file is the
//! caller's business.

use std::path::PathBuf;

use sansmq_core::message::delay;
use sansmq_core::store::append::AppendLimits;
use sansmq_core::store::pull::{ENTRY_LEN, PullLimits};
use sansmq_core::store::retention::Retention;
use sansmq_core::store::stamp::StampRules;
use sansmq_core::timer::WHEEL_LEN;

use crate::batch_queue::BATCH_ENTRY_LEN;
use crate::error::StoreError;

/// `flushDiskType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FlushType {
    /// Every append asks for a flush at once; waiting for it is up to the broker.
    Sync,
    /// Flushes follow the intervals.
    #[default]
    Async,
}

/// Settings of a [`crate::FileStore`]. Sizes are bytes and times milliseconds unless a name says otherwise.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// `storePathRootDir`.
    pub root: PathBuf,
    /// `storePathCommitLog`: directories new log files are spread over; empty means `<root>/commitlog`.
    pub commit_log_dirs: Vec<PathBuf>,
    /// `readOnlyCommitLogStorePaths`: loaded, never written to.
    pub read_only_commit_log_dirs: Vec<PathBuf>,
    /// `mappedFileSizeCommitLog`.
    pub commit_log_file_size: u64,
    /// `mappedFileSizeConsumeQueue`; rounded up to whole entries.
    pub consume_queue_file_size: u64,
    /// `mapperFileSizeBatchConsumeQueue` (spelled so); rounded up to whole entries.
    pub batch_queue_file_size: u64,
    /// `enableConsumeQueueExt`: entries of queues get extension units.
    pub enable_ext: bool,
    /// `mappedFileSizeConsumeQueueExt`.
    pub ext_file_size: u64,
    /// `mappedFileSizeTimerLog`.
    pub timer_log_file_size: u64,
    /// Bytes of the timer wheel. The reference knows this length only; simulations have a smaller one.
    #[doc(hidden)]
    pub timer_wheel_len: u64,
    pub flush_type: FlushType,
    /// `flushIntervalCommitLog`.
    pub flush_log_interval_ms: u64,
    /// `flushCommitLogLeastPages`: 4 KiB pages.
    pub flush_log_pages: u64,
    /// `flushCommitLogThoroughInterval`.
    pub flush_log_thorough_ms: u64,
    /// `flushIntervalConsumeQueue`.
    pub flush_queue_interval_ms: u64,
    /// `flushConsumeQueueLeastPages`: 4 KiB pages.
    pub flush_queue_pages: u64,
    /// `flushConsumeQueueThoroughInterval`.
    pub flush_queue_thorough_ms: u64,
    /// `messageIndexEnable`.
    pub message_index_enable: bool,
    /// `maxHashSlotNum`.
    pub index_slots: u32,
    /// `maxIndexNum`: entries of an index file, of which entry 0 is never used.
    pub index_entries: u32,
    /// `maxMessageSize`: largest body.
    pub max_message_size: usize,
    /// `messageDelayLevel`, level 1 first.
    pub delay_levels: Vec<i64>,
    /// `checkCRCOnRecover`.
    pub check_crc_on_recover: bool,
    /// `autoMessageVersionOnTopicLen`.
    pub auto_message_version: bool,
    /// `enableLmq` and `enableMultiDispatch`: messages may be in light queues (`INNER_MULTI_*` properties).
    pub enable_lmq: bool,
    /// `maxLmqConsumeQueueNum`.
    pub max_light_queues: usize,
    /// `enabledAppendPropCRC`: every record ends in a checksum of the whole of it.
    pub append_prop_crc: bool,
    /// `forceVerifyPropCRC`: recovery checks that one instead of the body's; records without it are damage.
    pub verify_prop_crc: bool,
    /// `accessMessageInMemoryMaxRatio`: percent of `total_memory` behind the log's end that counts as hot.
    pub in_memory_ratio: u64,
    /// RAM of the machine.
    pub total_memory: u64,
    /// `maxTransferBytesOnMessageInMemory` and `...InDisk`.
    pub max_transfer_bytes_memory: u64,
    pub max_transfer_bytes_disk: u64,
    /// `maxTransferCountOnMessageInMemory` and `...InDisk`.
    pub max_transfer_count_memory: u32,
    pub max_transfer_count_disk: u32,
    /// `maxFilterMessageSize`: bytes of queue entries looked at per pull.
    pub max_filter_message_size: u32,
    /// `maxMsgsNumBatch`: most results of a key query.
    pub max_msgs_num_batch: u32,
    /// `cleanResourceInterval`: time between looks at disk space and expired files.
    pub clean_interval_ms: u64,
    /// What is kept, and how full a disk may get.
    pub retention: Retention,
    /// `enableControllerMode`: the confirmed offset is the controller's business and outlives a restart; else
    /// what is durable counts as confirmed.
    pub keep_confirmed: bool,
    /// Takes bytes of another log (a slave, or controller mode), so a record may be there in part.
    pub receives: bool,
    /// Written into `abort`.
    pub pid: u32,
}

impl StoreConfig {
    /// The reference's defaults for a store in `root`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let limits = PullLimits::default();
        StoreConfig {
            root: root.into(),
            commit_log_dirs: Vec::new(),
            read_only_commit_log_dirs: Vec::new(),
            commit_log_file_size: 1 << 30,
            consume_queue_file_size: 6_000_000,
            batch_queue_file_size: 13_800_000,
            enable_ext: false,
            ext_file_size: 50_331_648,
            timer_log_file_size: 100 * 1024 * 1024,
            timer_wheel_len: WHEEL_LEN,
            flush_type: FlushType::Async,
            flush_log_interval_ms: 500,
            flush_log_pages: 4,
            flush_log_thorough_ms: 10_000,
            flush_queue_interval_ms: 1_000,
            flush_queue_pages: 2,
            flush_queue_thorough_ms: 60_000,
            message_index_enable: true,
            index_slots: 5_000_000,
            index_entries: 20_000_000,
            max_message_size: 4 * 1024 * 1024,
            delay_levels: delay::parse_levels(delay::DEFAULT_LEVELS).unwrap_or_default(),
            check_crc_on_recover: true,
            auto_message_version: true,
            enable_lmq: false,
            max_light_queues: 20_000,
            append_prop_crc: false,
            verify_prop_crc: false,
            in_memory_ratio: 40,
            total_memory: 8 << 30,
            max_transfer_bytes_memory: limits.memory_bytes,
            max_transfer_bytes_disk: limits.disk_bytes,
            max_transfer_count_memory: limits.memory_count,
            max_transfer_count_disk: limits.disk_count,
            max_filter_message_size: limits.filter_bytes,
            max_msgs_num_batch: 64,
            clean_interval_ms: 10_000,
            retention: Retention::default(),
            keep_confirmed: false,
            receives: false,
            pid: 0,
        }
    }

    /// Refuses sizes that cannot work and rounds the queue file size.
    pub(crate) fn normalised(mut self) -> Result<Self, StoreError> {
        let entry = u64::from(ENTRY_LEN);
        self.consume_queue_file_size = self.consume_queue_file_size.div_ceil(entry).saturating_mul(entry);
        let batch = BATCH_ENTRY_LEN;
        self.batch_queue_file_size = self.batch_queue_file_size.div_ceil(batch).saturating_mul(batch);
        if self.commit_log_dirs.is_empty() {
            self.commit_log_dirs.push(self.root.join("commitlog"));
        }
        self.commit_log_dirs.sort();
        let bad = |what: &str, value: u64| Err(StoreError::Config(format!("{what} cannot be {value}")));
        if !(1024..=1 << 40).contains(&self.commit_log_file_size) {
            return bad("mappedFileSizeCommitLog", self.commit_log_file_size);
        }
        if !(entry..=1 << 40).contains(&self.consume_queue_file_size) {
            return bad("mappedFileSizeConsumeQueue", self.consume_queue_file_size);
        }
        if !(batch..=1 << 40).contains(&self.batch_queue_file_size) {
            return bad("mapperFileSizeBatchConsumeQueue", self.batch_queue_file_size);
        }
        if !(64..=1 << 40).contains(&self.ext_file_size) {
            return bad("mappedFileSizeConsumeQueueExt", self.ext_file_size);
        }
        if !(68..=1 << 40).contains(&self.timer_log_file_size) {
            return bad("mappedFileSizeTimerLog", self.timer_log_file_size);
        }
        if !(1..=1 << 30).contains(&self.index_slots) {
            return bad("maxHashSlotNum", self.index_slots.into());
        }
        if !(2..=1 << 30).contains(&self.index_entries) {
            return bad("maxIndexNum", self.index_entries.into());
        }
        Ok(self)
    }

    pub(crate) fn append_limits(&self) -> AppendLimits {
        AppendLimits {
            max_body: self.max_message_size,
            file_size: usize::try_from(self.commit_log_file_size).unwrap_or(usize::MAX),
            allow_v2: self.auto_message_version,
        }
    }

    pub(crate) fn stamp_rules(&self) -> StampRules {
        StampRules {
            light_queues: self.enable_lmq,
            max_light_queues: self.max_light_queues,
            prop_crc: self.append_prop_crc,
        }
    }

    pub(crate) fn pull_limits(&self) -> PullLimits {
        PullLimits {
            memory_bytes: self.max_transfer_bytes_memory,
            memory_count: self.max_transfer_count_memory,
            disk_bytes: self.max_transfer_bytes_disk,
            disk_count: self.max_transfer_count_disk,
            filter_bytes: self.max_filter_message_size,
            hot_bytes: (self.total_memory / 100).saturating_mul(self.in_memory_ratio),
        }
    }
}
