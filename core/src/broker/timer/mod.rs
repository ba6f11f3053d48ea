//! Timer messages: they wait in `rmq_sys_wheel_timer`, in a slot of the wheel, until their time comes
//! (`spec/broker-pop-txn-timer.md` part C, `spec/store.md` section 11).
//!
//! Every message of the timer topic becomes an entry of the timer log ([`enqueue`]); the wheel in memory is
//! read from that log at start and never from a file of its own. A slot that is over is delivered whole
//! ([`dequeue`]) before the checkpoint moves past it, and the checkpoint is written only when what it speaks
//! of is durable ([`save`]): log, then timer log, then checkpoint. So nothing is lost, whatever the crash, and
//! at most what was delivered since the last checkpoint comes twice (`spec/known-failures.md` KF-27). A message
//! that cannot be stored now is tried again for ever.

mod dequeue;
mod enqueue;
mod load;
mod place;
mod rate;
mod recall;
mod replay;
mod save;
mod status;
#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};

use super::settings::Settings;
use super::{Broker, names};
use crate::store::Store;
use crate::time::{Mono, Now, earliest};
use crate::timer::{TimerEntry, Wheel, Window, tick};
use rate::Rate;
pub use replay::replay;
use save::Saving;
pub(super) use status::DONE_FIELD;
pub use status::{TimerMetric, TimerMetrics};

/// Messages taken in or delivered in one turn, so that a backlog does not starve requests.
const STEPS: usize = 256;
/// A failed append is tried again after this long.
const RETRY_MS: u64 = 1_000;
/// The wall clock may jump: it is looked at this often while something waits.
const LOOK_MS: u64 = 5_000;

/// How far a turn of work came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// There is more to do.
    More,
    Idle,
    /// A message is on its way to another master, whose answer wakes the timer.
    Away,
    /// The store takes nothing now.
    Blocked,
}

/// What became of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handed {
    Done,
    /// It is on its way to another master.
    Away,
    /// The store takes nothing now.
    Refused,
}

impl Handed {
    /// How the turn goes on after a message that is not done with.
    fn stop(self) -> Option<Step> {
        match self {
            Handed::Done => None,
            Handed::Away => Some(Step::Away),
            Handed::Refused => Some(Step::Blocked),
        }
    }
}

/// A slot that is being delivered.
#[derive(Debug)]
struct Batch {
    time: i64,
    /// Oldest first.
    entries: VecDeque<TimerEntry>,
    /// What is taken back: `<topic>+<unique key>`.
    deleted: HashSet<String>,
    /// Places in the log of what is delivered already, while acting for a master: it is told if the slot is left.
    done: Vec<i64>,
}

/// Messages of the timer topic below `queue_offset` were in a timer log whose slots before `read_time` are
/// delivered. This broker's timer log may lack them.
#[derive(Clone, Copy, Debug, Default)]
struct Predecessor {
    queue_offset: i64,
    read_time: i64,
}

/// The broker's timer.
#[derive(Debug)]
pub(super) struct Timers {
    enabled: bool,
    window: Window,
    wheel: Wheel,
    /// Messages of the timer topic below are in the timer log, or delivered.
    queue_offset: i64,
    /// Slots before this time are delivered, or are the batch.
    floor: i64,
    batch: Option<Batch>,
    due: Option<Mono>,
    metrics: TimerMetrics,
    enqueued: Rate,
    dequeued: Rate,
    /// Messages of the timer topic below were there at start: nothing is delivered before they are taken in,
    /// since one of them may take back what is due.
    first_take_in: i64,
    /// Where this timer stood when another one's progress was taken over: its own entries from there on count unless
    /// the other one had them.
    overtaken: Option<i64>,
    /// Places in the log of messages the other one delivered of the slot it was at.
    delivered_elsewhere: HashSet<i64>,
    /// What an earlier master's timer had done, or this one's before a restart.
    handed: Predecessor,
    saving: Saving,
}

impl Timers {
    pub fn new(settings: &Settings, metrics: TimerMetrics, now: Now) -> Self {
        let config = &settings.store;
        Timers {
            enabled: config.timer_wheel_enable,
            window: Window {
                precision_ms: config.timer_precision_ms.max(1).into(),
                slots: config.timer_roll_window_slot.into(),
            },
            wheel: Wheel::default(),
            queue_offset: 0,
            floor: 0,
            batch: None,
            due: Some(now.mono),
            metrics,
            enqueued: Rate::new(now.mono),
            dequeued: Rate::new(now.mono),
            first_take_in: 0,
            overtaken: None,
            delivered_elsewhere: HashSet::new(),
            handed: Predecessor::default(),
            saving: Saving::default(),
        }
    }

    /// Begins anew with what a new start would find.
    pub fn restart(&mut self, settings: &Settings, now: Now) {
        let metrics = core::mem::take(&mut self.metrics);
        let delivered_elsewhere = core::mem::take(&mut self.delivered_elsewhere);
        let overtaken = self.overtaken;
        *self = Timers { overtaken, delivered_elsewhere, ..Timers::new(settings, metrics, now) };
    }

    /// A slot is under way.
    pub fn is_delivering(&self) -> bool {
        self.batch.is_some()
    }

    pub fn deadline(&self) -> Option<Mono> {
        if self.enabled { earliest(self.due, self.saving.deadline()) } else { None }
    }

    /// The timer topic has grown, or more of it is visible.
    pub fn arrived(&mut self) {
        self.due = Some(Mono(0));
    }

    fn tick_of(&self, now: Now) -> i64 {
        tick(now.wall_ms, self.window.precision_ms)
    }

    /// Slots before this time are delivered.
    fn read_time(&self) -> i64 {
        self.batch.as_ref().map_or(self.floor, |batch| batch.time)
    }

    /// Milliseconds the first slot that should be delivered is late.
    /// Whether messages that are due by now have not been delivered yet, or may not have been.
    pub fn is_behind<S: Store>(&self, now: Now, store: &S) -> bool {
        let bounds = store.queue_bounds(names::TIMER_TOPIC, 0, u64::MAX).unwrap_or_default();
        self.enabled && (self.behind_ms(now) > 0 || self.queue_offset < bounds.max)
    }

    fn behind_ms(&self, now: Now) -> i64 {
        let first = self.batch.as_ref().map(|batch| batch.time).or(self.wheel.first());
        first.filter(|first| *first < self.tick_of(now)).map_or(0, |first| now.wall_ms - first)
    }
}

impl<S: Store> Broker<S> {
    /// Takes in what came and delivers what is due.
    pub(super) fn tick_timers(&mut self, now: Now) {
        if !self.timers.enabled || self.timers.due.is_none_or(|due| due > now.mono) {
            return;
        }
        let config = &self.settings.store;
        let (enqueues, dequeues) = (!config.timer_stop_enqueue, !config.timer_stop_dequeue);
        let taken = if enqueues { self.take_in_timers(now) } else { Step::Idle };
        let caught_up = !enqueues || self.timers.queue_offset >= self.timers.first_take_in;
        let delivered = if dequeues && caught_up { self.deliver_slots(now) } else { Step::Idle };
        // What was put off again lies in the timer topic now.
        let taken =
            if enqueues && taken == Step::Idle && self.timer_topic_has_more() { Step::More } else { taken };
        let wait = match (taken, delivered) {
            (Step::Blocked, _) | (_, Step::Blocked) => Some(RETRY_MS),
            (Step::More, Step::Away) | (Step::Away, _) | (Step::Idle, Step::Away) => None,
            (Step::More, _) | (_, Step::More) => Some(0),
            (Step::Idle, Step::Idle) if !enqueues || !dequeues => Some(RETRY_MS),
            (Step::Idle, Step::Idle) => self.timers.wheel.first().map(|first| {
                let over = first.saturating_add(self.timers.window.precision_ms);
                u64::try_from(over.saturating_sub(now.wall_ms)).unwrap_or(0).clamp(1, LOOK_MS)
            }),
        };
        self.timers.due = wait.map(|ms| now.mono.plus_ms(ms));
    }
}
