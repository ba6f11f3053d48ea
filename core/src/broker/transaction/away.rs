//! Half messages of a dead master: its acting slave gives them to other masters, which ask their producers
//! (`TransactionalMessageServiceImpl.check`, `EscapeBridge.putMessageToRemoteBroker`).
//!
//! The reference passes over one that three tries could not give away (KF-26). Here the progress of the half topic
//! moves behind a message only when another master has it; the master that returns takes the progress over.

use super::check::Fate;
use super::half::Half;
use crate::broker::Broker;
use crate::broker::escape::{Lane, Letter, Offer};
use crate::store::Store;
use crate::time::Now;

impl<S: Store> Broker<S> {
    pub(super) fn send_half_away(&mut self, now: Now, half: &Half<'_>) -> Fate {
        let at = half.record.queue_offset;
        let group = self.inner_producer_group();
        let letter = || Letter::half(&half.record, half.real_topic, &group);
        match self.escape.lanes.offer(now, Lane::Half, half.record.physical_offset, letter) {
            Offer::Stored => {
                self.transactions.metrics.add(now.wall_ms, half.real_topic, -1);
                self.transaction_progress(now).give_up(at, half.id);
                Fate::Replaced
            }
            Offer::Away => Fate::Away,
        }
    }
}
