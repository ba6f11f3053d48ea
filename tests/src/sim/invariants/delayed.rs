//! A delayed message is not delivered early, by the clocks of the brokers that took and delivered it.
//!
//! Somebody who sets a broker's clock moves what waits there with it, so nothing is promised then.

use std::collections::BTreeMap;

use super::{Fact, Invariant};
use crate::sim::ledger::Kind;

/// A timer is as exact as the slots of its wheel (`timerPrecisionMs`).
const PRECISION_MS: i64 = 1_000;

#[derive(Debug, Default)]
pub struct Delayed {
    /// By number of a message: when it was first taken.
    taken: BTreeMap<u64, i64>,
    stepped: bool,
}

impl Invariant for Delayed {
    fn name(&self) -> &'static str {
        "delayed is never early"
    }

    fn see(&mut self, _now: u64, fact: &Fact<'_>) -> Result<(), String> {
        match *fact {
            Fact::Stands(standing) => self.stepped |= standing.stepped,
            Fact::Confirmed { record, message: Some(message) } => {
                let (ms, exact) = match message.kind {
                    Kind::Delayed { ms } => (ms, 0),
                    Kind::Timed { ms } => (ms, PRECISION_MS),
                    _ => return Ok(()),
                };
                let taken = *self.taken.entry(message.id).or_insert(record.store_timestamp);
                let early = taken + ms - exact - record.store_timestamp;
                if record.topic == message.topic.as_bytes() && early > 0 && !self.stepped {
                    return Err(format!(
                        "message {} comes {early} ms before its {ms} ms are over",
                        message.id
                    ));
                }
            }
            _ => {}
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
    fn an_early_delivery_is_found() {
        let mut delayed = Delayed::default();
        let mut see = |id, kind, topic: &str, at| {
            let (bytes, message) = (stored(topic, 0, at, b"x"), message(id, kind));
            let record = decode(&bytes).expect("a record");
            delayed.see(1, &Fact::Confirmed { record: &record, message: Some(&message) }).is_ok()
        };
        let level = Kind::Delayed { ms: 1_000 };
        assert!(see(1, level, "SCHEDULE_TOPIC_XXXX", 5_000) && see(2, level, "SCHEDULE_TOPIC_XXXX", 5_000));
        assert!(see(1, level, "T", 6_000));
        assert!(!see(2, level, "T", 5_999));
        assert!(!see(3, level, "T", 5_999), "delivered at once");
        let timed = Kind::Timed { ms: 3_000 };
        assert!(see(4, timed, "rmq_sys_wheel_timer", 5_000) && see(4, timed, "T", 7_100));
        assert!(see(5, timed, "rmq_sys_wheel_timer", 5_000) && !see(5, timed, "T", 6_900));
    }
}
