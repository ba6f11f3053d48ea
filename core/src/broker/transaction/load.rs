//! The state at start: op messages, copies among the open half messages, and ends whose marks were lost.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::half::Half;
use super::ops;
use super::progress::Progress;
use crate::broker::properties::{Known, name};
use crate::broker::{Broker, names};
use crate::message::{delay, record, sysflag};
use crate::store::Store;
use crate::time::Now;

/// Op messages read in one turn of a round.
const OPS_PER_TURN: i64 = 1_024;
/// Marks wait at most this much longer than their interval.
const MARK_SLACK_MS: i64 = 2_000;

/// A half message without an end, as far as the op topic tells.
struct OpenHalf {
    offset: i64,
    real_topic: String,
    /// Where a commit would have stored it.
    places: BTreeSet<(String, i32)>,
}

impl<S: Store> Broker<S> {
    /// The progress; the first call reads it from the topics.
    pub(super) fn transaction_progress(&mut self, now: Now) -> &mut Progress {
        if self.transactions.progress.is_none() {
            let progress = self.load_transactions();
            self.transactions.progress = Some(progress);
            for offset in self.recover_lost_ends(now) {
                self.mark_done(now, offset);
            }
        }
        self.transactions.progress.get_or_insert_with(|| Progress::new(0, 0))
    }

    fn load_transactions(&mut self) -> Progress {
        let group = names::TRANSACTION_GROUP;
        let (half_min, half_max) = self.half_bounds();
        let ops = self.store.queue_bounds(names::OP_TOPIC, 0, u64::MAX).unwrap_or_default();
        let half = self.offsets.get(group, names::HALF_TOPIC, 0).unwrap_or(half_min);
        let op = self.offsets.get(group, names::OP_TOPIC, 0).unwrap_or(ops.min);
        let mut progress = Progress::new(half.clamp(half_min, half_max), op.clamp(ops.min, ops.max));
        self.read_ops(&mut progress, i64::MAX);
        let mut seen: HashMap<String, i64> = HashMap::new();
        for offset in progress.half()..half_max {
            let Some(bytes) = self.half_record(offset) else { continue };
            let timeout = self.settings.broker.transaction_time_out;
            let Some(half) = record::decode(&bytes).ok().and_then(|found| Half::read(found, timeout)) else {
                continue;
            };
            let older = seen.insert(half.id.to_owned(), offset);
            if let Some(older) = older {
                progress.give_up(older, half.id);
            }
            let is_copy = older.is_some() || half.checks > 0 || half.first_offset.is_some();
            if is_copy && !progress.is_gone(offset) {
                progress.stands_for(half.id, offset);
            }
        }
        progress
    }

    /// Reads op messages that came since, at most `most`; whether all were read.
    fn read_ops(&self, progress: &mut Progress, most: i64) -> bool {
        let bounds = self.store.queue_bounds(names::OP_TOPIC, 0, u64::MAX).unwrap_or_default();
        let from = progress.next_op().max(bounds.min);
        let to = bounds.max.min(from.saturating_add(most));
        for op in from..to {
            let entry = self.store.queue_entry(names::OP_TOPIC, 0, op);
            let bytes = entry.and_then(|entry| self.store.record_at(entry.offset));
            match bytes.as_deref().map(record::decode) {
                Some(Ok(found)) => progress.read_op(op, ops::offsets(found.body)),
                _ => {
                    tracing::error!(
                        op,
                        "an op message cannot be read; its half messages are asked about again"
                    );
                    progress.read_op(op, core::iter::empty());
                }
            }
        }
        to == bounds.max
    }

    /// Takes in op messages written by this or an earlier process.
    pub(super) fn catch_up_ops(&mut self, now: Now) -> bool {
        self.transaction_progress(now);
        let Some(mut progress) = self.transactions.progress.take() else { return true };
        let all = self.read_ops(&mut progress, OPS_PER_TURN);
        self.transactions.progress = Some(progress);
        all
    }

    /// The record behind a half queue offset.
    pub(super) fn half_record(&self, offset: i64) -> Option<bytes::Bytes> {
        let entry = self.store.queue_entry(names::HALF_TOPIC, 0, offset)?;
        self.store.record_at(entry.offset)
    }

    /// Half messages that were committed shortly before a crash took the marks: the committed messages are
    /// at the ends of the queues they went to.
    fn recover_lost_ends(&mut self, now: Now) -> Vec<i64> {
        let mut open: HashMap<String, OpenHalf> = HashMap::new();
        let mut counts: BTreeMap<String, i64> = BTreeMap::new();
        let timeout = self.settings.broker.transaction_time_out;
        let (_, half_max) = self.half_bounds();
        let from = self.transactions.progress.as_ref().map_or(half_max, Progress::half);
        for offset in from..half_max {
            if self.transactions.progress.as_ref().is_some_and(|progress| progress.is_gone(offset)) {
                continue;
            }
            let Some(bytes) = self.half_record(offset) else { continue };
            if let Some(half) = record::decode(&bytes).ok().and_then(|found| Half::read(found, timeout)) {
                *counts.entry(half.real_topic.to_owned()).or_default() += 1;
                let places = self.may_have_gone_to(&half);
                let real_topic = half.real_topic.to_owned();
                open.insert(half.id.to_owned(), OpenHalf { offset, real_topic, places });
            }
        }
        let lost = if open.is_empty() { Vec::new() } else { self.settle_lost_ends(open, &mut counts) };
        self.transactions.metrics.recount(now.wall_ms, &counts);
        lost
    }

    fn settle_lost_ends(
        &mut self,
        mut open: HashMap<String, OpenHalf>,
        counts: &mut BTreeMap<String, i64>,
    ) -> Vec<i64> {
        let queues = self.store.queues();
        let times = queues.iter().filter_map(|(topic, id, at)| self.store.store_time(topic, *id, at.max - 1));
        let interval = i64::from(self.settings.broker.transaction_op_batch_interval);
        let since = times.max().unwrap_or(0) - interval - MARK_SLACK_MS;
        let places: BTreeSet<(String, i32)> = open.values().flat_map(|half| &half.places).cloned().collect();
        let mut lost = Vec::new();
        for (topic, queue_id) in places {
            for id in self.committed_since(&topic, queue_id, since) {
                let Some(OpenHalf { offset, real_topic, .. }) = open.remove(&id) else { continue };
                *counts.entry(real_topic).or_default() -= 1;
                tracing::info!(offset, "a committed half message had lost its mark");
                if let Some(progress) = &mut self.transactions.progress {
                    progress.end(offset, &id, true);
                }
                lost.push(offset);
            }
        }
        lost
    }

    /// The queues a commit of a half message would store it in.
    pub(super) fn may_have_gone_to(&self, half: &Half<'_>) -> BTreeSet<(String, i32)> {
        let known = Known::scan(half.record.properties);
        let mut places = BTreeSet::from([(half.real_topic.to_owned(), half.real_queue_id)]);
        if delay::level_ms(&self.settings.delay_levels, known.delay_level).is_some() {
            let level = known.delay_level.min(self.settings.max_delay_level());
            places.insert((names::SCHEDULE_TOPIC.to_owned(), level - 1));
        } else if known.timer.is_some() {
            places.insert((names::TIMER_TOPIC.to_owned(), 0));
        }
        places
    }

    /// Transaction ids of the committed messages at the end of a queue.
    fn committed_since(&self, topic: &str, queue_id: i32, since: i64) -> Vec<String> {
        let bounds = self.store.queue_bounds(topic, queue_id, u64::MAX).unwrap_or_default();
        let mut found = Vec::new();
        for offset in (bounds.min..bounds.max).rev() {
            let entry = self.store.queue_entry(topic, queue_id, offset);
            let Some(bytes) = entry.and_then(|entry| self.store.record_at(entry.offset)) else { break };
            let Ok(record) = record::decode(&bytes) else { break };
            if record.store_timestamp < since {
                break;
            }
            if sysflag::transaction(record.sys_flag) == sysflag::TRANSACTION_COMMIT
                && let Some(id) = record.property(name::TRANSACTION_ID).or(record.property(name::UNIQ_KEY))
            {
                found.push(id.to_owned());
            }
        }
        found
    }
}
