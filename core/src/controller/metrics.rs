//! Counters under the reference's names (`rocketmq_controller_*`), as plain numbers.

use std::collections::BTreeMap;

/// What a controller counted since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// `request_total`: answers by request code and response code.
    pub requests: BTreeMap<(i32, i32), u64>,
    /// `dledger_op_total`: proposals by whether they were committed.
    pub operations: BTreeMap<&'static str, u64>,
    /// `election_total`: elections of masters by result, `NEW_MASTER_ELECTED`, `KEEP_CURRENT_MASTER` or
    /// `NO_MASTER_ELECTED`.
    pub elections: BTreeMap<&'static str, u64>,
}

impl Metrics {
    pub(super) fn request(&mut self, code: i32, answer: i32) {
        *self.requests.entry((code, answer)).or_default() += 1;
    }

    pub(super) fn operation(&mut self, committed: bool) {
        *self.operations.entry(if committed { "success" } else { "failed" }).or_default() += 1;
    }

    pub(super) fn election(&mut self, result: &'static str) {
        *self.elections.entry(result).or_default() += 1;
    }
}
