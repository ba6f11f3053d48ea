//! How many half messages of each topic are open: the file `transactionMetrics` (`TransactionMetrics`,
//! `spec/store.md` section 10).
//!
//! The reference only adds and subtracts, so that its numbers stay wrong after a crash. Here they are counted
//! again at every start, from the half messages that are really open.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::positive;
use crate::body::DataVersion;
use crate::broker::Broker;
use crate::broker::persist::File;
use crate::broker::timer::TimerMetric as Metric;
use crate::json::{self, Style};
use crate::json_struct;
use crate::store::Store;
use crate::time::{Mono, Now};

json_struct! {
    /// `transactionMetrics`: real topic -> open half messages.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct TransactionMetrics {
        pub counts: BTreeMap<String, Metric> = "transactionCount",
        pub data_version: DataVersion = "dataVersion",
    }
}

/// The table and when it is written.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    table: TransactionMetrics,
    dirty: bool,
    next: Mono,
}

impl Metrics {
    pub fn new(table: TransactionMetrics) -> Self {
        Metrics { table, dirty: false, next: Mono(0) }
    }

    pub fn add(&mut self, wall_ms: i64, topic: &str, change: i64) {
        let metric = self.table.counts.entry(topic.to_owned()).or_default();
        metric.count += change;
        metric.timestamp = wall_ms;
        self.table.data_version.bump(wall_ms, 0);
        self.dirty = true;
    }

    /// Puts right what differs from the numbers found.
    pub fn recount(&mut self, wall_ms: i64, found: &BTreeMap<String, i64>) {
        let topics: BTreeSet<String> = self.table.counts.keys().chain(found.keys()).cloned().collect();
        for topic in topics {
            let known = self.table.counts.get(&topic).map_or(0, |metric| metric.count);
            let change = found.get(&topic).copied().unwrap_or(0) - known;
            if change != 0 {
                self.add(wall_ms, &topic, change);
            }
        }
    }

    pub fn deadline(&self) -> Option<Mono> {
        self.dirty.then_some(self.next)
    }

    pub fn mark_dirty(&mut self) {
        self.dirty = true;
    }
}

impl<S: Store> Broker<S> {
    /// A half message was stored for the first time, or again after it had been given up.
    pub(in crate::broker) fn half_is_open(&mut self, now: Now, real_topic: &str) {
        self.transactions.metrics.add(now.wall_ms, real_topic, 1);
    }

    /// Written every `transactionMetricFlushInterval` when something changed.
    pub(super) fn save_transaction_metrics(&mut self, now: Now) {
        let interval = positive(self.settings.broker.transaction_metric_flush_interval);
        let metrics = &mut self.transactions.metrics;
        if core::mem::take(&mut metrics.dirty) {
            metrics.next = now.mono.plus_ms(interval);
            self.persist.mark(File::TransactionMetrics);
        }
    }

    pub(in crate::broker) fn transaction_metrics_file(&self) -> Bytes {
        json::to_vec(&self.transactions.metrics.table, Style::Fastjson).into()
    }

    /// A write has failed and is to be tried again.
    pub(in crate::broker) fn transaction_metrics_not_saved(&mut self) {
        self.transactions.metrics.mark_dirty();
    }
}
