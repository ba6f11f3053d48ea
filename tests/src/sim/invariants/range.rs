//! What consumers have committed lies within its queue, also where the end of the queue was lost, as configured: at the
//! master, and at a slave when its log was cut.

use std::collections::{BTreeMap, BTreeSet};

use sansmq_core::broker::offsets::key;

use super::{Fact, Invariant, Place, Standing};

#[derive(Debug, Default)]
pub struct Range {
    places: BTreeMap<Place, Given>,
    newest_epoch: i32,
}

/// What consumers have said: a broker stores that as it is, also when a consumer has read further from a master before.
#[derive(Debug, Default)]
struct Given {
    unanswered: Vec<i64>,
    /// Said since the newest epoch began, or at least heard since then.
    lately: BTreeSet<i64>,
}

impl Range {
    fn stands(&mut self, standing: &Standing<'_>) -> Result<(), String> {
        if standing.epoch > self.newest_epoch {
            self.newest_epoch = standing.epoch;
            for given in self.places.values_mut() {
                given.lately = given.unanswered.iter().copied().collect();
            }
        }
        let Some(table) = standing.offsets else { return Ok(()) };
        // a master of before takes what it is told, by somebody who has read further from its successor, and has slaves
        if standing.epoch < self.newest_epoch {
            return Ok(());
        }
        for (place, given) in &self.places {
            let queues = table.offsets.get(&key(place.topic, place.group));
            let Some(offset) = queues.and_then(|queues| queues.get(&(place.queue as i32))) else { continue };
            let end = standing.log.queue_end(place.topic, place.queue as i32);
            if *offset > end && !given.lately.contains(offset) {
                return Err(format!(
                    "{place:?} is at {offset} on machine {}; the queue ends at {end}",
                    standing.machine
                ));
            }
        }
        Ok(())
    }
}

impl Invariant for Range {
    fn name(&self) -> &'static str {
        "committed offsets lie within their queues"
    }

    fn outlives_loss(&self) -> bool {
        true
    }

    fn see(&mut self, _now: u64, fact: &Fact<'_>) -> Result<(), String> {
        match *fact {
            Fact::Stands(standing) => return self.stands(standing),
            Fact::Commits { place, offset } => {
                let given = self.places.entry(place).or_default();
                given.unanswered.push(offset);
                given.lately.insert(offset);
            }
            Fact::Committed { place, offset } => {
                if let Some(given) = self.places.get_mut(&place)
                    && let Some(at) = given.unanswered.iter().position(|other| *other == offset)
                {
                    given.unanswered.swap_remove(at);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::testing::{Bytelog, PLACE, standing};
    use super::*;
    use sansmq_core::broker::offsets::OffsetTable;

    #[test]
    fn an_offset_behind_the_end_of_its_queue_is_found_unless_a_consumer_says_so() {
        let mut range = Range::default();
        let log = Bytelog(Vec::new());
        let at = |range: &mut Range, epoch, offset| {
            let mut table = OffsetTable::default();
            table.offsets.insert(key(PLACE.topic, PLACE.group), BTreeMap::from([(0, offset)]));
            let standing = Standing { offsets: Some(&table), ..standing(3, epoch, &log) };
            range.see(1, &Fact::Stands(&standing)).is_ok()
        };
        for offset in [11, 12, 13] {
            assert!(range.see(1, &Fact::Commits { place: PLACE, offset }).is_ok());
        }
        assert!(range.see(1, &Fact::Committed { place: PLACE, offset: 11 }).is_ok());
        assert!(at(&mut range, 2, 10));
        assert!(!at(&mut range, 2, 11), "the queue has 10 messages");
        assert!(at(&mut range, 2, 12), "it may have been said to this master");
        assert!(at(&mut range, 1, 11), "a master of before");
        assert!(range.see(1, &Fact::Commits { place: PLACE, offset: 11 }).is_ok());
        assert!(at(&mut range, 2, 11), "now it was said");
    }
}
