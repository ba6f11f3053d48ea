//! A half message that was rolled back is never delivered, and one that was committed is delivered once.

use std::collections::BTreeSet;

use super::{Fact, Invariant};
use crate::sim::ledger::Kind;

#[derive(Debug, Default)]
pub struct Transactions {
    delivered: BTreeSet<u64>,
}

impl Invariant for Transactions {
    fn name(&self) -> &'static str {
        "transactions end as decided"
    }

    fn see(&mut self, _now: u64, fact: &Fact<'_>) -> Result<(), String> {
        let Fact::Confirmed { record, message: Some(message) } = *fact else { return Ok(()) };
        let Kind::Half { commit } = message.kind else { return Ok(()) };
        if record.topic != message.topic.as_bytes() {
            return Ok(());
        }
        if !commit {
            return Err(format!("message {} was never committed, and is delivered", message.id));
        }
        if !self.delivered.insert(message.id) {
            return Err(format!("message {} is delivered twice", message.id));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{message, stored};
    use super::*;
    use sansmq_core::message::record::decode;

    #[test]
    fn a_delivery_that_must_not_be_is_found() {
        let mut transactions = Transactions::default();
        let mut see = |id, commit, topic: &str| {
            let (bytes, message) = (stored(topic, 0, 1, b"x"), message(id, Kind::Half { commit }));
            let record = decode(&bytes).expect("a record");
            transactions.see(1, &Fact::Confirmed { record: &record, message: Some(&message) }).is_ok()
        };
        let half = "RMQ_SYS_TRANS_HALF_TOPIC";
        assert!(see(1, true, half) && see(1, true, half) && see(2, false, half));
        assert!(see(1, true, "T"));
        assert!(!see(1, true, "T"));
        assert!(!see(2, false, "T"));
    }
}
