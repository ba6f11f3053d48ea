//! Consumers are shown what is confirmed, the same at an offset for ever, and nothing is passed over.

use std::collections::BTreeMap;

use super::{Fact, Invariant};

#[derive(Debug, Default)]
pub struct Shown {
    /// Numbers of the confirmed messages of a queue, by offset.
    queues: BTreeMap<(String, i32), BTreeMap<i64, u64>>,
}

impl Invariant for Shown {
    fn name(&self) -> &'static str {
        "consumers are shown what is confirmed"
    }

    fn see(&mut self, _now: u64, fact: &Fact<'_>) -> Result<(), String> {
        match *fact {
            Fact::Confirmed { record, message: Some(message) }
                if record.topic == message.topic.as_bytes() =>
            {
                let queue = self.queues.entry((message.topic.to_owned(), record.queue_id)).or_default();
                queue.insert(record.queue_offset, message.id);
            }
            Fact::Shown { reader, place, asked, shown } => {
                let queue = self.queues.get(&(place.topic.to_owned(), place.queue as i32));
                for (at, (offset, message)) in shown.iter().enumerate() {
                    let confirmed = queue.and_then(|queue| queue.get(offset));
                    if confirmed != Some(&message.id) {
                        return Err(format!(
                            "{reader} is shown message {} at {place:?} {offset}; confirmed is {confirmed:?}",
                            message.id
                        ));
                    }
                    if *offset != asked + at as i64 {
                        return Err(format!(
                            "{reader} asks {place:?} from {asked} on and is shown {offset} as number {at}"
                        ));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{PLACE, message, stored};
    use super::*;
    use crate::sim::ledger::Kind;
    use sansmq_core::message::record::decode;

    #[test]
    fn what_is_not_confirmed_and_what_is_passed_over_are_found() {
        let mut invariant = Shown::default();
        let messages = [message(0, Kind::Plain), message(1, Kind::Plain)];
        for (offset, message) in messages.iter().enumerate() {
            let bytes = stored("T", offset as i64, 1, b"x");
            let record = decode(&bytes).expect("a record");
            assert!(invariant.see(1, &Fact::Confirmed { record: &record, message: Some(message) }).is_ok());
        }
        let mut see = |asked, shown: &[(i64, &_)]| {
            invariant.see(1, &Fact::Shown { reader: "G", place: PLACE, asked, shown }).is_ok()
        };
        assert!(see(0, &[(0, &messages[0]), (1, &messages[1])]));
        assert!(!see(0, &[(1, &messages[1])]), "0 is passed over");
        assert!(!see(1, &[(1, &messages[0])]), "another message is there");
        assert!(!see(2, &[(2, &messages[0])]), "nothing is confirmed there");
    }
}
