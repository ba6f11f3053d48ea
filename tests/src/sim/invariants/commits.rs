//! Nothing is committed that no consumer has committed, and a master's offsets go back only when a consumer says so.
//!
//! A broker stores an offset as it is given, so one that is answered late, or not at all, may undo a newer one. Any
//! other way back is a loss of progress.

use std::collections::BTreeMap;

use sansmq_core::broker::offsets::key;

use super::{Fact, Invariant, Place, Standing};

#[derive(Debug, Default)]
pub struct Commits {
    places: BTreeMap<Place, Known>,
}

#[derive(Debug, Default)]
struct Known {
    highest: i64,
    /// Sent and not answered.
    loose: Vec<i64>,
    /// Process and epoch of a master, and the offset it had.
    last: Option<((usize, u64, i32), i64)>,
}

impl Commits {
    fn stands(&mut self, standing: &Standing<'_>) -> Result<(), String> {
        let Some(table) = standing.offsets.filter(|_| standing.master) else { return Ok(()) };
        let term = (standing.machine, standing.life, standing.epoch);
        for (place, known) in &mut self.places {
            let queues = table.offsets.get(&key(place.topic, place.group));
            let Some(offset) = queues.and_then(|queues| queues.get(&(place.queue as i32))).copied() else {
                continue;
            };
            if offset > known.highest {
                return Err(format!(
                    "{place:?} is at {offset} on machine {}; the highest ever committed is {}",
                    standing.machine, known.highest
                ));
            }
            let before = known.last.replace((term, offset));
            if let Some((then, before)) = before
                && then == term
                && offset < before
                && !known.loose.contains(&offset)
            {
                return Err(format!(
                    "{place:?} goes back from {before} to {offset} on machine {} in epoch {}",
                    standing.machine, standing.epoch
                ));
            }
        }
        Ok(())
    }
}

impl Invariant for Commits {
    fn name(&self) -> &'static str {
        "committed offsets only grow"
    }

    fn see(&mut self, _now: u64, fact: &Fact<'_>) -> Result<(), String> {
        match *fact {
            Fact::Stands(standing) => return self.stands(standing),
            Fact::Commits { place, offset } => {
                let known = self.places.entry(place).or_default();
                known.highest = known.highest.max(offset);
                known.loose.push(offset);
            }
            Fact::Committed { place, offset } => {
                if let Some(known) = self.places.get_mut(&place)
                    && let Some(at) = known.loose.iter().position(|loose| *loose == offset)
                {
                    known.loose.swap_remove(at);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bytelog, PLACE, standing};
    use super::*;
    use sansmq_core::broker::offsets::OffsetTable;

    #[test]
    fn going_back_unasked_and_going_too_far_are_found() {
        let mut commits = Commits::default();
        let log = Bytelog(Vec::new());
        let at = |commits: &mut Commits, epoch, offset| {
            let mut table = OffsetTable::default();
            table.offsets.insert(key(PLACE.topic, PLACE.group), BTreeMap::from([(0, offset)]));
            let standing = Standing { offsets: Some(&table), ..standing(3, epoch, &log) };
            commits.see(1, &Fact::Stands(&standing)).is_ok()
        };
        for offset in [4, 6, 5, 9] {
            assert!(commits.see(1, &Fact::Commits { place: PLACE, offset }).is_ok());
        }
        for offset in [4, 6, 9] {
            assert!(commits.see(1, &Fact::Committed { place: PLACE, offset }).is_ok());
        }
        assert!(at(&mut commits, 1, 6) && at(&mut commits, 1, 5), "5 is under way");
        assert!(!at(&mut commits, 1, 4));
        assert!(at(&mut commits, 2, 3), "another master may know less");
        assert!(!at(&mut commits, 2, 10), "nobody has committed that");
    }
}
