//! The checkpoint: taken every `timerFlushIntervalMs` while something changes, written when the message log
//! and the timer log are durable as far as it speaks of them, and the message log confirmed where replicas decide
//! what of it stays.

use bytes::Bytes;

use super::{Broker, Timers};
use crate::broker::Stopping;
use crate::broker::persist::File;
use crate::store::Store;
use crate::time::{Mono, Now};
use crate::timer::TimerCheckpoint;

/// A checkpoint that waits for the disk, and for the replicas.
#[derive(Clone, Copy, Debug)]
struct Pending {
    point: TimerCheckpoint,
    log_end: u64,
}

/// What was saved and what is to be.
#[derive(Debug, Default)]
pub(super) struct Saving {
    dirty: bool,
    next: Mono,
    pending: Option<Pending>,
    /// The last one that may be written.
    ready: TimerCheckpoint,
}

impl Saving {
    pub fn deadline(&self) -> Option<Mono> {
        (self.dirty && self.pending.is_none()).then_some(self.next)
    }
}

impl Timers {
    pub fn mark_dirty(&mut self) {
        self.saving.dirty = true;
    }

    /// The log may become another one than the checkpoint under way speaks of.
    pub fn forget_checkpoint(&mut self) {
        self.saving.dirty |= self.saving.pending.take().is_some();
    }

    pub(super) fn start_saving(&mut self, now: Now, loaded: Option<TimerCheckpoint>) {
        // A first start writes a checkpoint at once: without one every slot of the log counts as waiting.
        self.saving.dirty = loaded.is_none();
        self.saving.next = now.mono;
        self.saving.ready = loaded.unwrap_or_default();
    }

    /// Takes over how far the master's timer is; positions in the own timer log stay what they are.
    pub fn take_masters(&mut self, masters: &TimerCheckpoint) {
        let ready = &mut self.saving.ready;
        ready.read_time = masters.read_time;
        ready.master_queue_offset = masters.queue_offset;
        ready.version = masters.version;
    }

    /// Takes over what an acting slave's timer has delivered, until the next start of this timer.
    /// `done` are places in the log of what it has delivered of the slot it stands at.
    pub fn take_back(&mut self, theirs: &TimerCheckpoint, done: impl Iterator<Item = i64>) {
        let ready = &mut self.saving.ready;
        if theirs.read_time < ready.read_time {
            return;
        }
        self.delivered_elsewhere.extend(done);
        let own = self.overtaken.unwrap_or(ready.read_time);
        self.overtaken = Some(own);
        ready.read_time = theirs.read_time;
        ready.master_queue_offset = theirs.queue_offset;
        ready.version.counter = ready.version.counter.max(theirs.version.counter);
    }

    pub fn replace_metrics(&mut self, metrics: super::TimerMetrics) {
        self.metrics = metrics;
    }

    pub fn metrics_table(&self) -> &super::TimerMetrics {
        &self.metrics
    }

    pub fn checkpoint_file(&self) -> Bytes {
        self.saving.ready.to_file().into()
    }

    pub fn checkpoint(&self) -> &TimerCheckpoint {
        &self.saving.ready
    }
}

impl<S: Store> Broker<S> {
    /// Takes a checkpoint that is due and lets one go whose promises the disk has kept.
    pub(in crate::broker) fn save_timers(&mut self, now: Now) {
        if !self.timers.enabled {
            return;
        }
        let saving = &self.timers.saving;
        if saving.dirty && saving.pending.is_none() && saving.next <= now.mono {
            self.take_checkpoint(now);
        }
        let Some(pending) = self.timers.saving.pending else { return };
        let flushed = i64::try_from(self.store.timer_bounds().durable).unwrap_or(i64::MAX);
        if self.store.log_bounds().durable < pending.log_end || flushed < pending.point.flushed {
            return;
        }
        if !self.ha.is_controller_mode() || self.confirmed() >= pending.log_end {
            self.timers.saving.pending = None;
            self.timers.saving.ready = pending.point;
            self.persist.mark(File::TimerCheck);
            self.persist.mark(File::TimerMetrics);
        } else if self.stopping != Stopping::No {
            // the end of the process does not wait for replicas: what they may not have is delivered again
            self.timers.saving.pending = None;
        }
    }

    fn take_checkpoint(&mut self, now: Now) {
        let interval = u64::try_from(self.settings.store.timer_flush_interval_ms).unwrap_or(1_000);
        let timers = &mut self.timers;
        if timers.behind_ms(now) == 0 {
            timers.floor = timers.floor.max(timers.tick_of(now));
        }
        let mut version = timers.saving.ready.version;
        version.bump(now.wall_ms, version.state_version);
        let point = TimerCheckpoint {
            read_time: timers.read_time(),
            flushed: i64::try_from(self.store.timer_bounds().end).unwrap_or(i64::MAX),
            queue_offset: timers.queue_offset,
            master_queue_offset: timers.queue_offset,
            version,
        };
        timers.saving.pending = Some(Pending { point, log_end: self.store.log_bounds().max });
        timers.saving.dirty = false;
        timers.saving.next = now.mono.plus_ms(interval);
        self.store.timer_sync();
        self.store.request_flush();
    }

    /// The last checkpoint of an orderly stop.
    pub(in crate::broker) fn stop_timers(&mut self, now: Now) {
        self.timers.mark_dirty();
        self.timers.saving.next = now.mono;
        self.save_timers(now);
    }

    /// Whether nothing of the timer waits to be saved, or nothing can be.
    pub(in crate::broker) fn timers_are_saved(&self) -> bool {
        let saving = &self.timers.saving;
        !self.timers.enabled || !self.store.is_writable() || !saving.dirty && saving.pending.is_none()
    }
}
