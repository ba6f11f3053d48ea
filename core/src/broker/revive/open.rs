//! Check points of one revive queue that are neither acknowledged nor revived, as they are read off the queue.

use std::collections::BTreeMap;

use super::point::{ACK_LATER_MS, CheckPoint, Entry, Key};

/// A check point is looked at when the timer has come this far behind it: what was acknowledged in time is there.
const LATER_MS: i64 = ACK_LATER_MS + 1_000;

#[derive(Debug)]
struct Waiting {
    point: CheckPoint,
    /// Queue offsets nobody has acknowledged.
    open: Vec<i64>,
}

/// State of one queue, as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// By place in the revive queue.
    waiting: BTreeMap<i64, Waiting>,
    places: BTreeMap<Key, i64>,
    /// Offset to read next.
    pub next: i64,
    /// The time, in milliseconds since the epoch, up to which everything the timer delivers has been read.
    pub read_to_ms: i64,
}

impl Open {
    pub fn starting_at(next: i64) -> Self {
        Open { next, ..Open::default() }
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Takes in the record at `next`; `due_ms` is when the timer was to deliver it.
    pub fn take_in(&mut self, entry: Option<Entry>, due_ms: i64) {
        let place = self.next;
        self.next += 1;
        self.read_to_ms = self.read_to_ms.max(due_ms);
        match entry {
            Some(Entry::Handed(point)) => {
                let open = point.open_offsets();
                if open.is_empty() {
                    return;
                }
                // The same one again is a copy: the first stays, and what was acknowledged of it.
                let key = point.key();
                if let std::collections::btree_map::Entry::Vacant(vacant) = self.places.entry(key) {
                    vacant.insert(place);
                    self.waiting.insert(place, Waiting { point, open });
                }
            }
            Some(Entry::Acked(key, offsets)) => {
                let Some(place) = self.places.get(&key).copied() else { return };
                offsets.into_iter().for_each(|offset| self.done(place, offset));
            }
            None => {}
        }
    }

    /// The next message to revive: its check point's place, the check point, and its queue offset.
    pub fn due(&self) -> Option<(i64, &CheckPoint, i64)> {
        let (place, first) = self.waiting.first_key_value()?;
        let due = self.read_to_ms.saturating_sub(first.point.due_ms()) > LATER_MS;
        due.then_some(())?;
        first.open.first().map(|offset| (*place, &first.point, *offset))
    }

    /// A message is acknowledged, or revived.
    pub fn done(&mut self, place: i64, offset: i64) {
        let Some(waiting) = self.waiting.get_mut(&place) else { return };
        waiting.open.retain(|other| *other != offset);
        if waiting.open.is_empty()
            && let Some(gone) = self.waiting.remove(&place)
        {
            self.places.remove(&gone.point.key());
        }
    }

    /// The last place that is done with, and everything before it (`-1` when there is none).
    pub fn settled(&self) -> i64 {
        self.waiting.first_key_value().map_or(self.next, |(place, _)| *place) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(start: i64, pop_time: i64) -> CheckPoint {
        CheckPoint {
            topic: "T".to_owned(),
            group: "g".to_owned(),
            start_offset: start,
            pop_time,
            invisible_ms: 10_000,
            count: 2,
            ..CheckPoint::default()
        }
    }

    fn due(open: &Open) -> Option<(i64, i64)> {
        open.due().map(|(place, _, offset)| (place, offset))
    }

    #[test]
    fn only_what_nobody_acknowledged_in_time_is_due() {
        let mut open = Open::starting_at(5);
        let (first, second) = (point(0, 1_000), point(2, 1_500));
        open.take_in(Some(Entry::Handed(first.clone())), 10_000);
        open.take_in(Some(Entry::Handed(second)), 10_500);
        open.take_in(Some(Entry::Acked(first.key(), vec![1])), 11_000);
        assert_eq!((due(&open), open.settled()), (None, 4));
        // 2 s behind the first one's end, and no acknowledgement can come any more
        open.take_in(None, 13_001);
        assert_eq!(due(&open), Some((5, 0)));
        open.done(5, 0);
        assert_eq!((due(&open), open.settled()), (None, 5));
        open.read_to_ms = 13_501;
        assert_eq!(due(&open), Some((6, 2)));
        open.done(6, 2);
        open.done(6, 3);
        assert_eq!((due(&open), open.settled(), open.len()), (None, 8, 0));
    }

    #[test]
    fn a_copy_changes_nothing() {
        let mut open = Open::default();
        let first = point(0, 1_000);
        open.take_in(Some(Entry::Handed(first.clone())), 10_000);
        open.take_in(Some(Entry::Acked(first.key(), vec![0])), 11_000);
        open.take_in(Some(Entry::Handed(first.clone())), 10_000);
        open.take_in(Some(Entry::Acked(first.key(), vec![1])), 11_000);
        assert_eq!((open.len(), open.settled()), (0, 3));
    }
}
