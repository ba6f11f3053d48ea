//! What consumers have committed lies within its queue, also where the end of the queue was lost, as configured.

use std::collections::BTreeSet;

use sansmq_core::broker::offsets::key;

use super::{Fact, Invariant, Place, Standing};

#[derive(Debug, Default)]
pub struct Range {
    places: BTreeSet<Place>,
    newest_epoch: i32,
}

impl Range {
    fn stands(&mut self, standing: &Standing<'_>) -> Result<(), String> {
        self.newest_epoch = self.newest_epoch.max(standing.epoch);
        let Some(table) = standing.offsets.filter(|_| standing.master) else { return Ok(()) };
        // a master of before takes what it is told, by somebody who has read further from its successor
        if standing.epoch < self.newest_epoch {
            return Ok(());
        }
        for place in &self.places {
            let queues = table.offsets.get(&key(place.topic, place.group));
            let Some(offset) = queues.and_then(|queues| queues.get(&(place.queue as i32))) else { continue };
            let end = standing.log.queue_end(place.topic, place.queue as i32);
            if *offset > end {
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
            Fact::Commits { place, .. } => {
                self.places.insert(place);
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
    fn an_offset_behind_the_end_of_its_queue_is_found() {
        let mut range = Range::default();
        let log = Bytelog(Vec::new());
        assert!(range.see(1, &Fact::Commits { place: PLACE, offset: 11 }).is_ok());
        let mut at = |epoch, offset| {
            let mut table = OffsetTable::default();
            table.offsets.insert(key(PLACE.topic, PLACE.group), BTreeMap::from([(0, offset)]));
            let standing = Standing { offsets: Some(&table), ..standing(3, epoch, &log) };
            range.see(1, &Fact::Stands(&standing)).is_ok()
        };
        assert!(at(2, 10));
        assert!(!at(2, 11), "the queue has 10 messages");
        assert!(at(1, 11), "a master of before");
    }
}
