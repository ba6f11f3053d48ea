//! How far this broker's own services are: transactions, delay levels, revival.
//!
//! They store messages again and move on behind the originals. Where replicas decide what of the log stays, such a
//! copy may be cut off again, and the progress that counted on it must not outlive it: not in memory, not on disk,
//! not on a slave. So progress is taken note of first, and counts when the log it was made with is confirmed
//! (`docs/decisions/009-metadata-in-failover.md`).

use std::collections::BTreeMap;

use super::Broker;
use super::schedule::DelayOffsets;
use crate::store::Store;
use crate::time::Now;

/// Progress at one moment.
#[derive(Debug, Default)]
struct Noted {
    /// Group, topic and queue -> committed offset.
    offsets: BTreeMap<(&'static str, String, i32), i64>,
    delays: Option<DelayOffsets>,
}

impl Noted {
    fn is_empty(&self) -> bool {
        self.offsets.is_empty() && self.delays.is_none()
    }
}

/// Progress that does not count yet.
#[derive(Debug, Default)]
pub(super) struct Progress {
    noted: Noted,
    /// What counts when the log is confirmed up to here.
    waiting: Option<(u64, Noted)>,
}

impl Progress {
    /// The log has become another one, or may: nothing of this counts any more.
    pub fn forget(&mut self) {
        *self = Progress::default();
    }

    /// What counts now, the older first.
    fn take_confirmed(&mut self, log_end: u64, confirmed: u64) -> Vec<Noted> {
        let mut counts: Vec<Noted> =
            self.waiting.take_if(|(end, _)| *end <= confirmed).into_iter().map(|(_, noted)| noted).collect();
        if self.waiting.is_none() && !self.noted.is_empty() {
            let noted = core::mem::take(&mut self.noted);
            if log_end <= confirmed {
                counts.push(noted);
            } else {
                self.waiting = Some((log_end, noted));
            }
        }
        counts
    }
}

impl<S: Store> Broker<S> {
    /// Notes how far a service is that keeps its progress as a consumer does.
    pub(super) fn note_offset(
        &mut self,
        now: Now,
        group: &'static str,
        topic: &str,
        queue_id: i32,
        offset: i64,
    ) {
        self.progress.noted.offsets.insert((group, topic.to_owned(), queue_id), offset);
        self.settle_progress(now);
    }

    /// Notes how far the delay levels are.
    pub(super) fn note_delays(&mut self, now: Now, delays: DelayOffsets) {
        self.progress.noted.delays = Some(delays);
        self.settle_progress(now);
    }

    /// Has count what the confirmed log bears.
    pub(super) fn settle_progress(&mut self, now: Now) {
        let end = self.store.log_bounds().max;
        let confirmed = if self.ha.is_controller_mode() { self.confirmed() } else { u64::MAX };
        for Noted { offsets, delays } in self.progress.take_confirmed(end, confirmed) {
            for ((group, topic, queue_id), offset) in offsets {
                if self.offsets.get(group, &topic, queue_id) != Some(offset) {
                    self.offsets.commit(now.wall_ms, group, &topic, queue_id, offset);
                }
            }
            if let Some(delays) = delays {
                self.schedule.keep(delays);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(offset: i64) -> Noted {
        Noted { offsets: BTreeMap::from([(("g", "T".to_owned(), 0), offset)]), delays: None }
    }

    fn offsets(counts: &[Noted]) -> Vec<i64> {
        counts.iter().flat_map(|noted| noted.offsets.values().copied()).collect()
    }

    #[test]
    fn progress_counts_when_the_log_it_was_made_with_is_confirmed() {
        let mut progress = Progress { noted: noted(1), waiting: None };
        assert!(progress.take_confirmed(100, 90).is_empty());
        // the log grows, and later progress waits for what is confirmed then
        progress.noted = noted(2);
        assert!(progress.take_confirmed(200, 99).is_empty());
        assert_eq!(offsets(&progress.take_confirmed(200, 100)), [1]);
        assert!(progress.take_confirmed(300, 199).is_empty());
        progress.noted = noted(3);
        assert_eq!(offsets(&progress.take_confirmed(300, 300)), [2, 3]);
        progress.noted = noted(4);
        assert!(progress.take_confirmed(400, 300).is_empty());
        progress.forget();
        assert!(progress.take_confirmed(400, 400).is_empty());
    }
}
