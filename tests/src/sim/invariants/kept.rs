//! What is acknowledged is on every running member of the effective SyncStateSet, and confirmed where the producer was
//! told. That it never goes is what [`super::logs`] looks for, at every new master.

use std::collections::BTreeMap;

use super::{Fact, Invariant};

#[derive(Debug, Default)]
pub struct Kept {
    /// By number of the message: queue and offset of its records, topics aside.
    places: BTreeMap<u64, Vec<(i32, i64)>>,
}

impl Invariant for Kept {
    fn name(&self) -> &'static str {
        "acknowledged is on every member"
    }

    fn see(&mut self, _now: u64, fact: &Fact<'_>) -> Result<(), String> {
        match *fact {
            Fact::Confirmed { record, message: Some(message) } => {
                self.places.entry(message.id).or_default().push((record.queue_id, record.queue_offset));
            }
            Fact::Promises { machine, epoch, lacking, .. } if !lacking.is_empty() => {
                return Err(format!(
                    "machine {machine} acknowledges in epoch {epoch} what machines {lacking:?} do not have"
                ));
            }
            Fact::Promised { message, offset } => {
                let places = self.places.get(&message.id).map_or(&[][..], Vec::as_slice);
                let right = |place: &&(i32, i64)| {
                    place.1 == offset && (message.kind.is_held() || place.0 == message.queue as i32)
                };
                if !places.iter().any(|place| right(&place)) {
                    return Err(format!(
                        "message {} is acknowledged at {}/{offset}; confirmed at {places:?}",
                        message.id, message.queue
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
    use crate::sim::ledger::Kind;
    use sansmq_core::message::record::decode;

    #[test]
    fn a_member_that_lacks_it_and_a_wrong_place_are_found() {
        let mut kept = Kept::default();
        let promises = |lacking| Fact::Promises { machine: 3, epoch: 1, asked: 0, lacking };
        assert!(kept.see(1, &promises(&[])).is_ok() && kept.see(1, &promises(&[4])).is_err());
        let (bytes, message) = (stored("T", 7, 1, b"0 "), message(0, Kind::Plain));
        let promised = |offset| Fact::Promised { message: &message, offset };
        assert!(kept.see(1, &promised(7)).is_err(), "not confirmed yet");
        let record = decode(&bytes).expect("a record");
        assert!(kept.see(1, &Fact::Confirmed { record: &record, message: Some(&message) }).is_ok());
        assert!(kept.see(1, &promised(7)).is_ok() && kept.see(1, &promised(8)).is_err());
    }
}
