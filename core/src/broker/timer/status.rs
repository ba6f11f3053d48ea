//! What the timer tells operators: GET_TIMER_CHECK_POINT (60), GET_TIMER_METRICS (61), keys of the runtime
//! info, and the file `timermetrics`.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{Broker, Timers};
use crate::body::DataVersion;
use crate::broker::{dispatch, names};
use crate::json::{self, Style};
use crate::json_struct;
use crate::store::Store;
use crate::time::Now;
use crate::wire::code::response;
use crate::wire::{Ext, Reply};

/// Places in the log of what an acting slave has delivered of the slot its checkpoint stands at.
pub(in crate::broker) const DONE_FIELD: &str = "deliveredOfSlot";

json_struct! {
    /// Messages of one topic that wait.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct TimerMetric {
        pub count: i64 = "count",
        pub timestamp: i64 = "timeStamp",
    }
}

json_struct! {
    /// `timermetrics`: real topic -> messages that wait.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct TimerMetrics {
        pub counts: BTreeMap<String, TimerMetric> = "timingCount",
        pub data_version: DataVersion = "dataVersion",
    }
}

impl TimerMetrics {
    pub(super) fn add(&mut self, wall_ms: i64, topic: &str, change: i64) {
        if !self.counts.contains_key(topic) {
            self.counts.insert(topic.to_owned(), TimerMetric::default());
        }
        if let Some(metric) = self.counts.get_mut(topic) {
            metric.count += change;
            metric.timestamp = wall_ms;
        }
        self.data_version.bump(wall_ms, 0);
    }
}

impl TimerMetrics {
    /// Puts right what differs from the numbers found.
    pub(super) fn recount(&mut self, wall_ms: i64, found: &BTreeMap<String, i64>) {
        let topics: BTreeSet<String> = self.counts.keys().chain(found.keys()).cloned().collect();
        for topic in topics {
            let known = self.counts.get(&topic).map_or(0, |metric| metric.count);
            let change = found.get(&topic).copied().unwrap_or(0) - known;
            if change != 0 {
                self.add(wall_ms, &topic, change);
            }
        }
    }
}

impl Timers {
    pub fn metrics_file(&self) -> Bytes {
        json::to_vec(&self.metrics, Style::Fastjson).into()
    }
}

impl<S: Store> Broker<S> {
    pub(in crate::broker) fn timer_checkpoint(&self) -> Reply {
        if !self.timers.enabled {
            return Reply::error(response::SYSTEM_ERROR, "The checkpoint is null");
        }
        let reply = Reply::success().with_body(self.timers.checkpoint().encode());
        let done = self.timers.batch.as_ref().filter(|_| !self.is_master()).map(|batch| &batch.done[..]);
        match done {
            // Of use to a master of ours; the reference looks at the body alone.
            Some(done @ [_, ..]) => {
                let places: Vec<String> = done.iter().map(i64::to_string).collect();
                reply.with_ext(Ext::new().with(DONE_FIELD, places.join(",")))
            }
            _ => reply,
        }
    }

    pub(in crate::broker) fn timer_metrics(&self) -> Reply {
        if !self.timers.enabled {
            return Reply::error(response::SYSTEM_ERROR, "The timer message store is null");
        }
        Reply::success().with_body(dispatch::body(&self.timers.metrics))
    }

    pub(in crate::broker) fn put_timers(&self, now: Now, table: &mut BTreeMap<String, String>) {
        let behind_s = self.timers.behind_ms(now) / 1_000;
        let bounds = self.store.queue_bounds(names::TIMER_TOPIC, 0, u64::MAX).unwrap_or_default();
        let offsets = (bounds.max - self.timers.queue_offset).max(0);
        let shown =
            if self.timers.enabled { (behind_s, offsets, self.timers.wheel.len()) } else { (0, 0, 0) };
        table.insert("timerReadBehind".to_owned(), shown.0.to_string());
        table.insert("timerOffsetBehind".to_owned(), shown.1.to_string());
        table.insert("timerCongestNum".to_owned(), shown.2.to_string());
        table
            .insert("timerEnqueueTps".to_owned(), format!("{:?}", self.timers.enqueued.per_second(now.mono)));
        table
            .insert("timerDequeueTps".to_owned(), format!("{:?}", self.timers.dequeued.per_second(now.mono)));
    }
}
