//! When to flush: bookkeeping only, the work itself is in [`crate::jobs`] (`spec/store.md` section 7).

use sansmq_core::time::{Mono, Now, earliest};

use crate::checkpoint::Checkpoint;
use crate::config::StoreConfig;

/// Time between looks at the free space while writes are refused for want of it, in milliseconds.
const FULL_CHECK_MS: u64 = 1_000;

/// Cadence and positions of flushing.
#[derive(Debug)]
pub(crate) struct Flusher {
    /// Byte of the log below which everything is on the device.
    pub durable: u64,
    /// Byte of the log up to which a flush was asked for.
    pub wanted: u64,
    /// End and last store time of the log flush under way.
    pub log_in_flight: Option<(u64, i64)>,
    /// A queue flush is due; true for one of all queues.
    pub queues_due: Option<bool>,
    pub queues_in_flight: bool,
    /// What is on the device; written again when `current` differs.
    pub written: Checkpoint,
    pub current: Checkpoint,
    log_flushed_at: Mono,
    log_check_at: Mono,
    queue_check_at: Mono,
    queue_thorough_at: Mono,
    disk_check_at: Mono,
}

/// What a tick found to be due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Due {
    pub disk_check: bool,
}

impl Flusher {
    pub(crate) fn new(now: Now, config: &StoreConfig, durable: u64, checkpoint: Checkpoint) -> Self {
        Flusher {
            durable,
            wanted: durable,
            log_in_flight: None,
            queues_due: None,
            queues_in_flight: false,
            written: checkpoint,
            current: checkpoint,
            log_flushed_at: now.mono,
            log_check_at: now.mono.plus_ms(config.flush_log_interval_ms),
            queue_check_at: now.mono.plus_ms(config.flush_queue_interval_ms),
            queue_thorough_at: now.mono.plus_ms(config.flush_queue_thorough_ms),
            disk_check_at: now.mono.plus_ms(config.clean_interval_ms),
        }
    }

    /// Moves the schedule on; `end` is the end of the log.
    pub(crate) fn tick(&mut self, now: Now, config: &StoreConfig, end: u64) -> Due {
        let mut due = Due::default();
        if now.mono >= self.log_check_at {
            self.log_check_at = now.mono.plus_ms(config.flush_log_interval_ms);
            let pages = end.div_ceil(4096).saturating_sub(self.durable / 4096);
            let thorough = now.mono.ms_since(self.log_flushed_at) >= config.flush_log_thorough_ms;
            if pages >= config.flush_log_pages || thorough {
                self.log_flushed_at = now.mono;
                self.wanted = end;
            }
        }
        if now.mono >= self.queue_check_at {
            self.queue_check_at = now.mono.plus_ms(config.flush_queue_interval_ms);
            let thorough = now.mono >= self.queue_thorough_at;
            if thorough {
                self.queue_thorough_at = now.mono.plus_ms(config.flush_queue_thorough_ms);
            }
            self.queues_due = Some(self.queues_due == Some(true) || thorough);
        }
        if now.mono >= self.disk_check_at {
            self.disk_check_at = now.mono.plus_ms(config.clean_interval_ms);
            due.disk_check = true;
        }
        due
    }

    /// Space has run out: looks for it more often.
    pub(crate) fn space_wanted(&mut self, now: Now) {
        self.disk_check_at = self.disk_check_at.min(now.mono.plus_ms(FULL_CHECK_MS));
    }

    /// When the next tick has something to do.
    pub(crate) fn deadline(&self, end: u64) -> Option<Mono> {
        let queues_behind = self.current.positions.is_none_or(|p| p.queues < end || p.log < end);
        let log = (self.durable < end && self.wanted < end).then_some(self.log_check_at);
        let queues = (queues_behind || self.written != self.current).then_some(self.queue_check_at);
        earliest(earliest(log, queues), Some(self.disk_check_at))
    }

    /// Whether a log flush should be started.
    pub(crate) fn log_flush_needed(&self) -> bool {
        self.log_in_flight.is_none() && self.wanted > self.durable
    }
}
