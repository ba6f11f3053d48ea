//! Elections: on request, by hand, and by what is known about the living.

use super::apply::Outcome;
use super::event::{ElectMasterEvent, Event};
use super::liveness::broker_id;
use super::machine::Controller;
use super::policy::{Ballot, Candidate, choose};
use super::proposals::Waiter;
use super::state::{BrokerSet, ControllerState};
use crate::body::{BrokerMemberGroup, ElectedBody};
use crate::json::{Style, to_vec};
use crate::time::Mono;
use crate::wire::code::response;
use crate::wire::{Ext, Reply, ReplyTo};

/// After a failed proposal of its own the controller tries again.
const RETRY_MS: u64 = 100;
/// A request is decided anew when the state changed under it, but not for ever.
const ATTEMPTS: u32 = 3;

/// An election somebody wants.
#[derive(Clone, Debug)]
pub(super) struct Elect {
    /// `None`: the controller itself.
    pub to: Option<ReplyTo>,
    pub name: String,
    /// The asking broker, or the one designated; `None` lets the state say that there is no master.
    pub broker_id: Option<i64>,
    pub designated: bool,
    pub attempt: u32,
}

/// An election that waits until the old master acts no more.
#[derive(Debug)]
pub(super) struct Handover {
    pub to: ReplyTo,
    pub due: Mono,
    elect: Elect,
    asked: Mono,
}

/// How long a designated master has to be heard of, after it was designated.
const HEARD_MS: u64 = 2_500;
/// Between two looks whether it was.
const LOOK_MS: u64 = 100;

impl Controller {
    /// Whether the master has to be taken for alive: until its silence lasted too long or its process is known
    /// to be gone, it is, also when its connection broke or this leader has not heard it yet.
    pub(super) fn master_lives(&self, now: Mono, name: &str, set: &BrokerSet) -> bool {
        set.sync.master.is_some_and(|id| {
            let broker = broker_id(name, set, id);
            !self.probes.is_dead(&broker) && (self.live.get(&broker).is_some() || now <= self.grace_until)
        })
    }

    /// Makes a set whose master is dead or missing have one again, if somebody is eligible.
    pub(super) fn repair(&mut self, now: Mono, state: &ControllerState, name: &str) {
        let Some(set) = state.get(name) else {
            self.leases.forget(name);
            return;
        };
        if set.sync.master_epoch == 0 {
            // The first master is the first replica that asks.
            return;
        }
        if let Some((id, address)) = set.master() {
            let broker = broker_id(name, set, id);
            if self.live.is_alive(now, &broker) {
                self.probes.drop_question(&broker);
                return;
            }
            if self.master_lives(now, name, set) {
                self.probe(now, &broker, address);
                return;
            }
        }
        let waits = self.retry_at.get(name).is_some_and(|at| now < *at);
        if !waits && !self.proposals.elects(name) && !self.handovers.contains_key(name) {
            let name = name.to_owned();
            self.elect(now, state, Elect { to: None, name, broker_id: None, designated: false, attempt: 0 });
        }
    }

    /// Decides an election and proposes its result.
    pub(super) fn elect(&mut self, now: Mono, state: &ControllerState, elect: Elect) {
        let Some(set) = state.get(&elect.name) else {
            let code = response::CONTROLLER_BROKER_NEED_TO_BE_REGISTERED;
            return self.election_refused(&elect, Reply::error(code, "Broker hasn't been registered"));
        };
        let sync = &set.sync;
        let old_lives = self.master_lives(now, &elect.name, set);
        let unclean = self.settings.controller.enable_elect_unclean_master;
        let first = elect.broker_id.filter(|id| sync.master_epoch == 0 && set.info.replicas.contains_key(id));
        let (new_master, from_outside) = match first {
            Some(id) => (Some(id), false),
            None => {
                let alive = self.candidates(now, &elect.name, set, old_lives);
                let designated = elect.broker_id.filter(|_| elect.designated);
                let in_sync = &sync.set;
                let ballot = Ballot { alive: &alive, in_sync, unclean, old_master: sync.master, designated };
                let choice = choose(&ballot);
                (choice.map(|choice| choice.id), choice.is_some_and(|choice| choice.unclean))
            }
        };
        if new_master.is_some() && new_master == sync.master {
            self.metrics.election("KEEP_CURRENT_MASTER");
            return self.election_refused(&elect, still_exists(&elect.name, set));
        }
        if new_master.is_none() && (elect.broker_id.is_some() || sync.master.is_none() || old_lives) {
            if elect.to.is_some() {
                self.metrics.election("NO_MASTER_ELECTED");
            }
            return self.election_refused(&elect, nobody(&elect));
        }
        if new_master.is_some() && old_lives && self.hands_over(now, &elect) {
            return;
        }
        let event = Event::ElectMaster(ElectMasterEvent {
            broker_name: elect.name.clone(),
            elected: new_master.is_some(),
            new_master,
            master_epoch: Some(sync.master_epoch),
            unclean: from_outside.then_some(true),
            ..ElectMasterEvent::default()
        });
        self.propose(now, event.encode(), Waiter::Elect(elect));
    }

    /// Who may be elected; a master that has to be taken for alive is among them.
    fn candidates(&self, now: Mono, name: &str, set: &BrokerSet, old_lives: bool) -> Vec<Candidate> {
        let ids = set.info.replicas.keys();
        let mut alive: Vec<Candidate> =
            ids.filter_map(|id| self.live.candidate(now, &broker_id(name, set, *id))).collect();
        if let Some(id) = set.sync.master.filter(|_| old_lives)
            && !alive.iter().any(|candidate| candidate.id == id)
        {
            alive.push(Candidate { id, epoch: i32::MIN, max_offset: i64::MIN, priority: i32::MAX });
        }
        alive
    }

    /// The old master lives and may act on a lease: no more leases, and the election waits for the end of the
    /// last one. False if it need not wait.
    fn hands_over(&mut self, now: Mono, elect: &Elect) -> bool {
        let Some(to) = elect.to else {
            return false;
        };
        if crate::planted::is("handover-at-once") {
            return false;
        }
        let lease = self.leases.held_until(now, &elect.name);
        // Leases of the leader before are not known here.
        let unknown = (now <= self.grace_until).then_some(self.grace_until);
        let Some(until) = lease.max(unknown) else {
            return false;
        };
        let due = Mono(until.0.saturating_add(1));
        let handover = Handover { to, due, elect: elect.clone(), asked: now };
        if let Some(earlier) = self.handovers.insert(elect.name.clone(), handover) {
            let code = response::CONTROLLER_ELECT_MASTER_FAILED;
            self.reply(earlier.to, Reply::error(code, "a later request takes the election's place"));
        }
        true
    }

    /// Decides the elections whose time has come; what has changed meanwhile counts.
    pub(super) fn end_handovers(&mut self, now: Mono, state: &ControllerState) {
        let due = self.handovers.iter().filter(|(_, handover)| handover.due <= now);
        let due: Vec<String> = due.map(|(name, _)| name.clone()).collect();
        for name in due {
            let Some(mut handover) = self.handovers.remove(&name) else { continue };
            match self.is_heard(state, &handover) {
                true => self.elect(now, state, handover.elect),
                false if now.ms_since(handover.asked) < HEARD_MS => {
                    handover.due = now.plus_ms(LOOK_MS);
                    self.handovers.insert(name, handover);
                }
                // The old master keeps the mastership: the set would consist of one that may be dead.
                false => self.election_refused(&handover.elect, unheard(&handover.elect)),
            }
        }
    }

    /// Whether who was designated has been heard of since.
    fn is_heard(&self, state: &ControllerState, handover: &Handover) -> bool {
        let Elect { name, broker_id, designated, .. } = &handover.elect;
        let Some((id, set)) = broker_id.filter(|_| *designated).zip(state.get(name)) else { return true };
        // of one that is not known, or not alive, the election says more
        self.live
            .get(&super::liveness::broker_id(name, set, id))
            .is_none_or(|live| live.heard > handover.asked)
    }

    /// The log has the election, or the state refused it.
    pub(super) fn elected(&mut self, now: Mono, state: &ControllerState, mut elect: Elect, outcome: Outcome) {
        if outcome.code != response::SUCCESS {
            elect.attempt += 1;
            if elect.to.is_some() && elect.attempt < ATTEMPTS && self.ready {
                return self.elect(now, state, elect);
            }
            let code = response::CONTROLLER_ELECT_MASTER_FAILED;
            return self.election_failed(now, elect, Reply::error(code, "Failed to elect a new master"));
        }
        self.leases.forget(&elect.name);
        let sync = outcome.sync.unwrap_or_default();
        let (Some(master), Some(address)) = (sync.master, outcome.master_address) else {
            tracing::warn!("broker-set {} has no master, epoch {}", elect.name, sync.master_epoch);
            self.metrics.election("NO_MASTER_ELECTED");
            return self.election_refused(&elect, nobody(&elect));
        };
        tracing::info!("broker-set {}: master is {master}, epoch {}", elect.name, sync.master_epoch);
        self.metrics.election("NEW_MASTER_ELECTED");
        self.notify(now, state, &elect.name);
        let Some(to) = elect.to else {
            return;
        };
        let group = state.get(&elect.name).map(|set| BrokerMemberGroup {
            cluster: set.info.cluster.clone(),
            broker_name: elect.name.clone(),
            broker_addrs: set.info.replicas.iter().map(|(id, r)| (*id, r.address.clone())).collect(),
        });
        let body = ElectedBody { group, sync_state_set: sync.set };
        let ext = master_ext(master, address, sync.master_epoch, sync.set_epoch);
        self.reply(to, Reply::success().with_ext(ext).with_body(to_vec(&body, Style::Fastjson)));
    }

    /// It is not known, or known not, that the proposal took effect.
    pub(super) fn election_failed(&mut self, now: Mono, elect: Elect, reply: Reply) {
        self.retry_at.insert(elect.name.clone(), now.plus_ms(RETRY_MS));
        self.election_refused(&elect, reply.with_ext(Ext::new()));
    }

    fn election_refused(&mut self, elect: &Elect, reply: Reply) {
        if let Some(to) = elect.to {
            let reply = if reply.ext.is_none() { reply.with_ext(Ext::new()) } else { reply };
            self.reply(to, reply);
        }
    }
}

pub(super) fn master_ext(id: i64, address: String, master_epoch: i32, set_epoch: i32) -> Ext {
    Ext::new()
        .with("masterBrokerId", id)
        .with("masterAddress", address)
        .with("masterEpoch", master_epoch)
        .with("syncStateSetEpoch", set_epoch)
}

fn unheard(elect: &Elect) -> Reply {
    let id = elect.broker_id.unwrap_or_default();
    let remark =
        format!("Broker {id} of {} was not heard of for {HEARD_MS} ms and is not elected", elect.name);
    Reply::error(response::CONTROLLER_ELECT_MASTER_FAILED, remark)
}

fn still_exists(name: &str, set: &BrokerSet) -> Reply {
    let (id, address) = set.master().unwrap_or_default();
    let remark =
        format!("The old master {id} is still alive, not need to elect new master for broker {name}");
    let body = ElectedBody { group: None, sync_state_set: set.sync.set.clone() };
    Reply::error(response::CONTROLLER_MASTER_STILL_EXIST, remark)
        .with_ext(master_ext(id, address.to_owned(), set.sync.master_epoch, set.sync.set_epoch))
        .with_body(to_vec(&body, Style::Fastjson))
}

fn nobody(elect: &Elect) -> Reply {
    if elect.broker_id.is_none() {
        let remark = "Old master has down and failed to elect a new broker master";
        return Reply::error(response::CONTROLLER_MASTER_NOT_AVAILABLE, remark);
    }
    Reply::error(response::CONTROLLER_ELECT_MASTER_FAILED, "Failed to elect a new master")
}
