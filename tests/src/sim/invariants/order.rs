//! Messages of one key lie in their queue in the order they were sent, and are consumed in it.

use std::collections::BTreeMap;

use super::{Fact, Invariant, Place};
use crate::sim::ledger::Kind;

#[derive(Debug, Default)]
pub struct Order {
    /// Of a key: number and offset of the last message that was promised.
    keys: BTreeMap<usize, (u64, i64)>,
    /// Of a queue that a member of an orderly group holds: who, and what comes next.
    next: BTreeMap<(&'static str, Place), i64>,
}

impl Invariant for Order {
    fn name(&self) -> &'static str {
        "orderly is in order"
    }

    fn see(&mut self, _now: u64, fact: &Fact<'_>) -> Result<(), String> {
        match *fact {
            Fact::Promised { message, offset } => {
                let Kind::Keyed { key } = message.kind else { return Ok(()) };
                let before = self.keys.insert(key, (message.id, offset));
                if let Some((id, before)) = before
                    && (id < message.id) != (before < offset)
                {
                    return Err(format!(
                        "of key {key} message {id} is at {before}, and {} at {offset}",
                        message.id
                    ));
                }
            }
            Fact::Holds { member, place, .. } => {
                self.next.insert((member, place), -1);
            }
            Fact::LetsGo { member, place } => {
                self.next.remove(&(member, place));
            }
            Fact::Shown { reader, place, asked, shown } => {
                if let Some(next) = self.next.get_mut(&(reader, place)) {
                    if *next >= 0 && asked != *next {
                        return Err(format!("{reader} goes on with {asked} instead of {next} at {place:?}"));
                    }
                    *next = asked + shown.len() as i64;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{PLACE, message};
    use super::*;

    #[test]
    fn a_key_out_of_order_and_a_jump_are_found() {
        let mut order = Order::default();
        let mut promised = |id, key, offset| {
            let message = message(id, Kind::Keyed { key });
            order.see(1, &Fact::Promised { message: &message, offset }).is_ok()
        };
        assert!(promised(1, 0, 5) && promised(2, 1, 4) && promised(3, 0, 6));
        assert!(!promised(4, 0, 5));
        let one = message(9, Kind::Plain);
        let seen = [(0, &one)];
        let shown = |asked| Fact::Shown { reader: "a", place: PLACE, asked, shown: &seen };
        let mut see = |fact: &Fact<'_>| order.see(1, fact).is_ok();
        assert!(see(&shown(7)), "nobody holds it");
        assert!(see(&Fact::Holds { member: "a", place: PLACE, by: (3, 1) }));
        assert!(see(&shown(3)) && see(&shown(4)));
        assert!(!see(&shown(6)));
    }
}
