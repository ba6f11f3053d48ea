//! Which broker does the duties of a master (`BrokerController.changeSpecialServiceStatus`).
//!
//! A slave begins when it is the smallest of the live brokers and hears nothing of its master; a master whose bytes
//! still arrive is not dead, whatever a NameServer says. It ends in two steps: nothing new goes out, and what is out is
//! waited for, so that the master that comes is told of all that was delivered.

use super::super::Broker;
use super::super::Stopping;
use crate::store::Store;
use crate::time::{Mono, Now};

/// The slot of the timer that is under way may be ended within this time.
const LEAVE_MS: u64 = 2_000;
/// A master that sent nothing for this long (two of its keep-alives) is not heard of.
const SILENT_MS: u64 = 10_000;

/// What a slave does for its master.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    #[default]
    None,
    /// Since this wall time.
    Acting(i64),
    /// Waits for what is under way; the end of a slot is waited for until then.
    Leaving(i64, Mono),
    /// Writes down how far it came.
    Saving,
}

impl<S: Store> Broker<S> {
    /// Whether delays, timers and transactions are this broker's to deal with now.
    pub(in crate::broker) fn runs_services(&self) -> bool {
        if self.is_master() { !self.group.is_isolated() } else { self.acting_since().is_some() }
    }

    /// `brokerActive` of the run-time information: `isSpecialServiceRunning`.
    pub(in crate::broker) fn is_active(&self) -> bool {
        if self.is_master() { !self.group.is_isolated() } else { self.stands_in() }
    }

    /// When this slave began to act for its master, in milliseconds since the epoch.
    pub(in crate::broker) fn acting_since(&self) -> Option<i64> {
        match self.group.standing {
            Standing::Acting(since) | Standing::Leaving(since, _) => Some(since),
            Standing::None | Standing::Saving => None,
        }
    }

    pub(in crate::broker) fn is_leaving(&self) -> bool {
        matches!(self.group.standing, Standing::Leaving(..))
    }

    /// Whether this slave is the one that is in the place of a master that does not live.
    fn stands_in(&self) -> bool {
        let group = &self.group;
        group.on
            && group.slave
            && !group.is_isolated()
            && self.min_broker_id != 0
            && self.min_broker_id == self.settings.broker.broker_id
    }

    /// Does what is due of a master's duties.
    pub(in crate::broker) fn run_services(&mut self, now: Now) {
        if self.runs_services() && self.stopping == Stopping::No {
            self.deliver_scheduled(now);
            self.tick_transactions(now);
            self.tick_timers(now);
            self.tick_revival(now);
        }
    }

    /// Begins or ends acting for the master, as things stand.
    pub(in crate::broker) fn review_standing(&mut self, now: Now) {
        if !self.group.on || !self.group.slave {
            return;
        }
        match self.group.standing {
            Standing::None if self.has_to_act(now) => self.begin_acting(now),
            Standing::Acting(since) if !self.has_to_act(now) => {
                tracing::warn!("a master comes back: what is under way to other masters is waited for");
                let until = now.mono.plus_ms(LEAVE_MS);
                self.group.standing = Standing::Leaving(since, until);
                self.escape.lanes.close(until);
                self.leave(now, until);
            }
            Standing::Leaving(_, until) => self.leave(now, until),
            Standing::Saving if self.timers_are_saved() => {
                self.group.standing = Standing::None;
                self.answer_questions(now);
            }
            _ => {}
        }
    }

    fn has_to_act(&self, now: Now) -> bool {
        self.stopping == Stopping::No
            && self.stands_in()
            && self.escape.is_possible()
            && self.group.summoned <= now.mono
            && !self.ha.hears_master(now, SILENT_MS)
    }

    fn begin_acting(&mut self, now: Now) {
        tracing::warn!(
            "no master lives: delayed, timed and half messages of this name are given to other masters from now on"
        );
        self.escape.lanes.open();
        self.group.standing = Standing::Acting(now.wall_ms);
        self.offsets.lead();
        // The log is the master's; so far nothing but the log was followed.
        self.restart_services(now);
    }

    fn leave(&mut self, now: Now, until: Mono) {
        self.run_services(now);
        let slot_is_open = self.timers.is_delivering() && now.mono < until;
        if self.escape.lanes.is_busy() || slot_is_open {
            return;
        }
        // What still waits for its next try is the master's from now on.
        self.escape.lanes.open();
        self.group.standing = Standing::Saving;
        self.stop_timers(now);
        self.review_standing(now);
    }
}
