//! Messages an acting slave may not store go to other masters (`EscapeBridge`, `spec/ha.md` A.7,
//! `docs/decisions/013-escape-in-order.md`).
//!
//! In every lane one message is on its way at a time, and progress moves when its answer is there (KF-26).

mod lanes;
mod letter;
mod routes;

use super::Broker;
use super::properties::name;
use crate::config::BrokerConfig;
use crate::message::record::{self, Record};
use crate::store::Store;
use crate::time::{Mono, Now};
use crate::wire::{CallError, Command};
use lanes::Reach;
pub(super) use lanes::{Lane, Lanes, Offer};
pub(super) use letter::Letter;

/// Records of one key that are looked at.
const HITS_MAX: u32 = 64;
/// Clocks of master and slave may differ by this much.
const CLOCKS_MS: i64 = 10_000;

/// The way out of a broker.
#[derive(Debug, Default)]
pub(super) struct Escape {
    pub lanes: Lanes,
    reach: Reach,
}

impl Escape {
    /// Only a broker with acting masters has one.
    pub fn new(acting: bool, config: &BrokerConfig) -> Self {
        let host = config.is_in_broker_container.then(|| config.broker_ip1.clone());
        let reach = Reach { remote: acting && config.enable_remote_escape, host: host.filter(|_| acting) };
        Escape { reach, ..Escape::default() }
    }

    /// Whether there is a way out at all.
    pub fn is_possible(&self) -> bool {
        self.reach.remote || self.reach.host.is_some()
    }

    pub fn deadline(&self) -> Option<Mono> {
        self.lanes.deadline()
    }
}

impl<S: Store> Broker<S> {
    /// `InnerProducerGroup_<brokerName>_<id>`, for messages whose producer's group is not known.
    pub(super) fn inner_producer_group(&self) -> String {
        let config = &self.settings.broker;
        format!("InnerProducerGroup_{}_{}", config.broker_name, config.broker_id)
    }

    /// Sends what is due.
    pub(super) fn drive_escape(&mut self, now: Now) {
        if self.escape.deadline().is_none_or(|due| due > now.mono) {
            return;
        }
        let known = self.registration.registered();
        let servers = if known.is_empty() { self.settings.name_servers() } else { known };
        let own = &self.settings.broker.broker_name;
        let Escape { lanes, reach } = &mut self.escape;
        lanes.drive(now, own, reach, &servers, &mut self.next_token, &mut self.out);
    }

    /// Takes an answer; false when the token is none of these.
    pub(super) fn escaped(&mut self, now: Now, token: u64, result: &Result<Command, CallError>) -> bool {
        let own = &self.settings.broker.broker_name;
        let Some(lane) = self.escape.lanes.answered(now, own, token, result) else { return false };
        self.wake_lane(now, lane);
        self.run_services(now);
        self.drive_escape(now);
        true
    }

    fn wake_lane(&mut self, now: Now, lane: Lane) {
        match lane {
            Lane::Level(index) => self.schedule.arrived(i32::try_from(index).unwrap_or(i32::MAX)),
            Lane::Slot | Lane::Late => self.timers.arrived(),
            Lane::Half => self.transactions.look_again(now),
            Lane::Revive(queue) => self.revival.look_again(now, queue),
        }
    }

    /// Whether the dead master has delivered a message already: what this slave knows of its progress may be some
    /// seconds old, but the copy is in the log. Only what was due before the slave began to act can have been.
    pub(super) fn was_delivered_by_master(&self, found: &Record<'_>, topic: &str, due_ms: i64) -> bool {
        let began = self.acting_since().unwrap_or(i64::MAX);
        let Some(key) = found.property(name::UNIQ_KEY).filter(|_| due_ms <= began.saturating_add(CLOCKS_MS))
        else {
            return false;
        };
        let hits = self.store.query_index(topic, key, HITS_MAX, 0, i64::MAX);
        hits.records.iter().filter_map(|bytes| record::decode(bytes).ok()).any(|copy| {
            copy.physical_offset > found.physical_offset
                && copy.reconsume_times == found.reconsume_times
                && copy.born_timestamp == found.born_timestamp
                && copy.property(name::UNIQ_KEY) == Some(key)
        })
    }
}
