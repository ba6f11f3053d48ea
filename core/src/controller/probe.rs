//! Is a master whose connection broke dead, or is only the connection? Its address is dialled: refused means
//! that no process listens there any more, everything else leaves the question to the heartbeat's time-out.

use super::liveness::BrokerId;
use super::machine::Controller;
use super::state::ControllerState;
use crate::time::Mono;
use crate::wire::code::request;
use crate::wire::{CallError, Command, Ext, ServerOut, Target};
use std::collections::{BTreeMap, BTreeSet};

/// How long an answer may take, in milliseconds.
const PATIENCE_MS: u64 = 1_000;
/// A process that is being killed may still accept: ask again soon.
const CLOSED_AGAIN_MS: u64 = 20;
/// It lives, or cannot be reached: ask again now and then until heartbeats decide.
const AGAIN_MS: u64 = 200;

#[derive(Debug)]
struct Probe {
    /// The call under way.
    token: Option<u64>,
    /// When to ask next, if none is.
    at: Mono,
    address: String,
}

/// The questions under way and the certain answers.
#[derive(Debug, Default)]
pub(super) struct Probes {
    open: BTreeMap<BrokerId, Probe>,
    dead: BTreeSet<BrokerId>,
}

impl Probes {
    /// No process listens at the address of this broker, and it was not heard since.
    pub fn is_dead(&self, broker: &BrokerId) -> bool {
        self.dead.contains(broker)
    }

    /// A sign of life.
    pub fn heard(&mut self, broker: &BrokerId) {
        if !self.dead.is_empty() {
            self.dead.remove(broker);
        }
        if !self.open.is_empty() {
            self.open.remove(broker);
        }
    }

    pub fn clear(&mut self) {
        self.open.clear();
        self.dead.clear();
    }

    /// Nobody asks any more.
    pub fn drop_question(&mut self, broker: &BrokerId) {
        self.open.remove(broker);
    }

    pub fn deadline(&self) -> Option<Mono> {
        self.open.values().filter(|probe| probe.token.is_none()).map(|probe| probe.at).min()
    }
}

impl Controller {
    /// Begins to ask, unless that question is open already.
    pub(super) fn probe(&mut self, now: Mono, broker: &BrokerId, address: &str) {
        if !self.probes.open.contains_key(broker) && !address.is_empty() {
            let probe = Probe { token: None, at: now, address: address.to_owned() };
            self.probes.open.insert(broker.clone(), probe);
            self.send_probes(now);
        }
    }

    /// Drops the questions about brokers that are no masters any more.
    pub(super) fn review_probes(&mut self, state: &ControllerState) {
        let is_master =
            |broker: &BrokerId| state.get(&broker.name).is_some_and(|set| set.sync.master == Some(broker.id));
        self.probes.open.retain(|broker, _| is_master(broker));
    }

    /// Asks what is due.
    pub(super) fn send_probes(&mut self, now: Mono) {
        let mut token = self.next_token;
        let mut calls = Vec::new();
        for probe in self.probes.open.values_mut() {
            if probe.token.is_none() && probe.at <= now {
                token += 1;
                probe.token = Some(token);
                // A cheap request every broker of a controller's knows; any answer will do.
                let command = Command::request(request::GET_BROKER_EPOCH_CACHE, Ext::new());
                let to = Target::Addr(probe.address.clone());
                calls.push(ServerOut::Call { to, token, command, timeout_ms: PATIENCE_MS });
            }
        }
        self.next_token = token;
        calls.into_iter().for_each(|call| self.push(call));
    }

    /// The outcome of a probe.
    pub(super) fn probed(&mut self, now: Mono, token: u64, result: Result<Command, CallError>) {
        let found = self.probes.open.iter_mut().find(|(_, probe)| probe.token == Some(token));
        let Some((broker, probe)) = found else {
            return;
        };
        probe.token = None;
        let again_ms = match result {
            Err(CallError::Refused(_)) => {
                let broker = broker.clone();
                tracing::warn!("broker {}-{} is dead: no process listens", broker.name, broker.id);
                self.probes.open.remove(&broker);
                self.live.remove(&broker);
                self.touched.insert(broker.name.clone());
                self.probes.dead.insert(broker);
                return;
            }
            Err(CallError::Closed(_)) => CLOSED_AGAIN_MS,
            Ok(_) | Err(CallError::Connect(_) | CallError::Timeout { .. }) => AGAIN_MS,
        };
        probe.at = now.plus_ms(again_ms);
    }
}
