//! Acknowledging under the rules of `docs/decisions/008-fencing-and-lease.md`.

use crate::broker::Broker;
use crate::broker::replicas::Acks;
use crate::store::Store;
use crate::time::Now;

impl<S: Store> Broker<S> {
    /// On what terms a message may be acknowledged now.
    pub(in crate::broker) fn ack_terms(&self, now: Now) -> Acks {
        match &self.controllers {
            None => Acks::Configured,
            Some(_) if !self.is_master() => Acks::Refused,
            Some(mode) => mode.replicas.acks(now.mono),
        }
    }
}
