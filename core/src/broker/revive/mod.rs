//! Messages that were handed out by POP and not acknowledged in time go to the retry topic of their group
//! (`PopReviveService`, `spec/broker-pop-txn-timer.md` D.4).
//!
//! This broker hands out no messages that way, but the check points of brokers of the reference come here: an acting
//! slave has those its master left, and a master gets those an acting slave of another name gives away (`spec/ha.md`
//! A.7). Without this service the messages they stand for would never be seen again.
//!
//! Each revive queue is read once, from behind the last place that is done with; what is read and not done with yet is
//! kept in memory ([`open`]). Progress moves behind a message when it is in a log, so a crash repeats and never skips.

mod fetch;
mod open;
mod point;
mod put;
#[cfg(test)]
mod tests;

use super::{Broker, names};
use crate::message::record;
use crate::store::Store;
use crate::time::{Mono, Now, earliest};
use fetch::Fetch;
use open::Open;
use point::Entry;

use super::properties::name;

/// Records read in one turn, so that a backlog does not starve requests.
const BATCH: usize = 128;
/// What could not be stored is tried again after this long.
const RETRY_MS: u64 = 1_000;
/// The timer delivers nothing more for this time when nothing came for so long.
const SILENCE_MS: i64 = 3_000;

#[derive(Debug, Default)]
struct Queue {
    /// `None` until the first look.
    open: Option<Open>,
    /// When to look again; `None` while nothing is there.
    due: Option<Mono>,
    /// A message of another broker that is asked for.
    fetch: Fetch,
}

/// The service's state.
#[derive(Debug)]
pub(super) struct Revival {
    queues: Vec<Queue>,
}

/// What became of a message that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Done,
    /// An answer is waited for, which wakes the queue.
    Away,
    Failed,
}

impl Revival {
    pub fn new(queues: i32, now: Now) -> Self {
        let queue = || Queue { due: Some(now.mono), ..Queue::default() };
        Revival { queues: (0..queues).map(|_| queue()).collect() }
    }

    pub fn deadline(&self) -> Option<Mono> {
        self.queues.iter().map(|queue| queue.due).fold(None, earliest)
    }

    /// Something entered a revive queue, or an answer has come.
    pub fn look_again(&mut self, now: Now, queue_id: usize) {
        if let Some(queue) = self.queues.get_mut(queue_id) {
            queue.due = earliest(queue.due, Some(now.mono));
        }
    }
}

impl<S: Store> Broker<S> {
    pub(super) fn revive_topic(&self) -> String {
        names::revive_topic(&self.settings.broker.broker_cluster_name)
    }

    /// Looks at every queue that is due.
    pub(super) fn tick_revival(&mut self, now: Now) {
        if self.revival.deadline().is_none_or(|due| due > now.mono) {
            return;
        }
        let topic = self.revive_topic();
        for index in 0..self.revival.queues.len() {
            if self.revival.queues[index].due.is_some_and(|due| due <= now.mono) {
                let queue_id = i32::try_from(index).unwrap_or(i32::MAX);
                let mut open = self.revival.queues[index]
                    .open
                    .take()
                    .unwrap_or_else(|| self.first_look(&topic, queue_id));
                let due = self.revive_queue(now, &topic, index, &mut open);
                self.note_revived(now, &topic, queue_id, &open);
                let queue = &mut self.revival.queues[index];
                (queue.open, queue.due) = (Some(open), due);
            }
        }
    }

    /// Behind what was done with before; progress outside the queue counts as its ends.
    fn first_look(&self, topic: &str, queue_id: i32) -> Open {
        let bounds = self.store.queue_bounds(topic, queue_id, u64::MAX).unwrap_or_default();
        let done = self.offsets.get(names::REVIVE_GROUP, topic, queue_id).unwrap_or(-1);
        Open::starting_at(done.saturating_add(1).clamp(bounds.min, bounds.max.max(bounds.min)))
    }

    /// Progress is the last place that is done with, as the reference has it.
    fn note_revived(&mut self, now: Now, topic: &str, queue_id: i32, open: &Open) {
        let settled = open.settled();
        let known = self.offsets.get(names::REVIVE_GROUP, topic, queue_id).unwrap_or(-1);
        if settled > known {
            self.note_offset(now, names::REVIVE_GROUP, topic, queue_id, settled);
        }
    }

    /// Reads on and revives what is due; when to look again.
    fn revive_queue(&mut self, now: Now, topic: &str, index: usize, open: &mut Open) -> Option<Mono> {
        let queue_id = i32::try_from(index).unwrap_or(i32::MAX);
        let mut left = BATCH;
        loop {
            while let Some((place, point, offset)) =
                open.due().map(|(at, point, offset)| (at, point.clone(), offset))
            {
                if left == 0 {
                    return Some(now.mono);
                }
                left -= 1;
                match self.revive(now, index, place, &point, offset) {
                    Step::Done => open.done(place, offset),
                    Step::Away => return None,
                    Step::Failed => return Some(now.mono.plus_ms(RETRY_MS)),
                }
            }
            let end = self.store.queue_bounds(topic, queue_id, self.visible_end()).unwrap_or_default().max;
            if open.next >= end {
                if open.len() == 0 {
                    return None;
                }
                self.catch_up(now, open);
                if open.due().is_none() {
                    let interval = u64::try_from(self.settings.broker.revive_interval).unwrap_or(1_000);
                    return Some(now.mono.plus_ms(interval));
                }
                continue;
            }
            if left == 0 {
                return Some(now.mono);
            }
            left -= 1;
            self.read_one(topic, queue_id, open);
        }
    }

    fn read_one(&self, topic: &str, queue_id: i32, open: &mut Open) {
        let entry = self.store.queue_entry(topic, queue_id, open.next);
        let bytes = entry.and_then(|entry| self.store.record_at(entry.offset));
        let Some(Ok(found)) = bytes.as_deref().map(record::decode) else {
            tracing::warn!(
                topic,
                queue_id,
                offset = open.next,
                "a check point or acknowledgement is gone from the log"
            );
            return open.take_in(None, 0);
        };
        let time = |name| found.property(name).and_then(|text| text.parse::<i64>().ok());
        let due = time(name::TIMER_DELIVER_MS).or(time(name::TIMER_OUT_MS)).unwrap_or(found.store_timestamp);
        let entry = Entry::read(&found);
        if entry.is_none() {
            tracing::warn!(
                topic,
                queue_id,
                offset = open.next,
                "neither a check point nor an acknowledgement"
            );
        }
        open.take_in(entry, due);
    }

    /// Where nothing more comes and the timer is up to date, time passes without messages as well.
    fn catch_up(&self, now: Now, open: &mut Open) {
        if now.wall_ms.saturating_sub(open.read_to_ms) > SILENCE_MS
            && !self.timers.is_behind(now, &self.store)
        {
            open.read_to_ms = now.wall_ms;
        }
    }
}
