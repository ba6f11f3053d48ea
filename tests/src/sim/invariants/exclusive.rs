//! No queue of an orderly group is held by two members at once.
//!
//! Locks live in the memory of a broker's process, as in the reference, so the promise is that of one process: after a
//! failover the next master knows nothing of what its predecessor has granted.

use std::collections::BTreeMap;

use super::{Fact, Invariant, Place};

type Process = (usize, u64);

#[derive(Debug, Default)]
pub struct Exclusive {
    holders: BTreeMap<(Place, Process), &'static str>,
}

impl Invariant for Exclusive {
    fn name(&self) -> &'static str {
        "one consumer of an orderly queue"
    }

    fn outlives_loss(&self) -> bool {
        true
    }

    fn see(&mut self, _now: u64, fact: &Fact<'_>) -> Result<(), String> {
        match *fact {
            Fact::Holds { member, place, by } => {
                let other = self.holders.insert((place, by), member).filter(|other| *other != member);
                other.map_or(Ok(()), |other| {
                    Err(format!("{other} and {member} hold {place:?} at once, by the word of process {by:?}"))
                })
            }
            Fact::LetsGo { member, place } => {
                self.holders.retain(|(held, _), holder| *held != place || *holder != member);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::PLACE;
    use super::*;

    #[test]
    fn a_second_holder_is_found() {
        let mut exclusive = Exclusive::default();
        let mut holds =
            |member, life| exclusive.see(1, &Fact::Holds { member, place: PLACE, by: (3, life) }).is_ok();
        assert!(holds("a", 1) && holds("a", 1) && holds("b", 2), "another process");
        assert!(!holds("b", 1));
        let mut exclusive = Exclusive::default();
        let mut see = |fact: &Fact<'_>| exclusive.see(1, fact).is_ok();
        assert!(see(&Fact::Holds { member: "a", place: PLACE, by: (3, 1) }));
        assert!(see(&Fact::LetsGo { member: "a", place: PLACE }));
        assert!(see(&Fact::Holds { member: "b", place: PLACE, by: (3, 1) }));
    }
}
