//! Transactions: half messages, their ends, and asking producers for ends that do not come
//! (`spec/broker-pop-txn-timer.md` part A).
//!
//! A half message lies in the half topic until a message in the op topic names its queue offset. All state is
//! in those two topics and in the offsets of `CID_RMQ_SYS_TRANS`; what is kept in memory ([`progress`]) is
//! read from them at start. Promises beyond the reference's (`spec/known-failures.md` KF-29):
//! - a half message that cannot be read, stored again or asked about never holds up others,
//! - only checks that were sent count; a half message whose producers are all away stays where it is,
//! - an end that comes twice, also for a half message stored again since, and also when the marks of a first
//!   end were lost in a crash, delivers once.

mod away;
mod check;
mod committed;
mod end;
mod half;
mod load;
mod metrics;
mod ops;
mod progress;
mod resume;
#[cfg(test)]
mod tests;

pub(super) use half::half_place;
use metrics::Metrics;
pub use metrics::TransactionMetrics;

use super::{Broker, names};
use crate::store::Store;
use crate::time::{Mono, Now, earliest};
use ops::OpBuffer;
use progress::Progress;

/// Messages looked at in one turn, so that a backlog does not starve requests.
const STEPS: usize = 256;
/// A failed append is tried again after this long.
const RETRY_MS: u64 = 1_000;

/// A check round under way: half messages in `at..end` are still to be looked at.
#[derive(Clone, Copy, Debug)]
struct Round {
    at: i64,
    end: i64,
    /// The first half message that stays open where it is.
    first_open: Option<i64>,
}

/// The broker's part in transactions.
#[derive(Debug)]
pub(super) struct Transactions {
    /// `None` until the topics were read.
    progress: Option<Progress>,
    ops: OpBuffer,
    round: Option<Round>,
    next_round: Mono,
    metrics: Metrics,
    /// Records before this place were stored by an earlier process.
    life_began_at: i64,
    /// Which connection of a group is asked next.
    turn: usize,
}

impl Transactions {
    pub fn new(now: Now, interval_ms: i64, metrics: TransactionMetrics, log_end: u64) -> Self {
        Transactions {
            progress: None,
            ops: OpBuffer::default(),
            round: None,
            next_round: now.mono.plus_ms(positive(interval_ms)),
            metrics: Metrics::new(metrics),
            life_began_at: i64::try_from(log_end).unwrap_or(i64::MAX),
            turn: 0,
        }
    }

    /// Forgets what was read of a log that has become another one; `log_end` is where it ends.
    pub fn restart(&mut self, now: Now, interval_ms: i64, log_end: u64) {
        self.progress = None;
        self.ops = OpBuffer::default();
        self.round = None;
        self.next_round = now.mono.plus_ms(positive(interval_ms));
        self.life_began_at = i64::try_from(log_end).unwrap_or(i64::MAX);
    }

    /// A half message has gone to another master: the round goes on behind it.
    pub fn look_again(&mut self, now: Now) {
        self.next_round = now.mono;
    }

    pub fn deadline(&self) -> Option<Mono> {
        earliest(earliest(Some(self.next_round), self.ops.deadline()), self.metrics.deadline())
    }
}

impl<S: Store> Broker<S> {
    /// Reads the state; before anything else is stored, so that lost marks are found.
    pub(super) fn start_transactions(&mut self, now: Now) {
        self.transaction_progress(now);
    }

    /// Writes marks that are due and goes on with the check round.
    pub(super) fn tick_transactions(&mut self, now: Now) {
        if self.transactions.ops.deadline().is_some_and(|due| due <= now.mono) {
            self.write_ops(now);
        }
        if self.transactions.next_round <= now.mono {
            self.check_halves(now);
        }
        if self.transactions.metrics.deadline().is_some_and(|due| due <= now.mono) {
            self.save_transaction_metrics(now);
        }
    }

    /// An orderly stop leaves no mark behind.
    pub(super) fn stop_transactions(&mut self, now: Now) {
        self.write_ops(now);
        self.save_transaction_metrics(now);
    }

    /// Where the half queue begins and what of it is visible ends.
    fn half_bounds(&self) -> (i64, i64) {
        let bounds = self.store.queue_bounds(names::HALF_TOPIC, 0, self.visible_end());
        bounds.map_or((0, 0), |bounds| (bounds.min, bounds.max))
    }
}

fn positive(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(1).max(1)
}
