//! What is done next, from what is known.

use super::protocol::SyncStateSetBody;
use super::{Asked, Assignment, IdentityFile, Out, Pending, Replicas};
use crate::time::Now;
use crate::wire::Command;

/// Requests to controllers other than heartbeats.
const CALL_MS: u64 = 3_000;
const DISCOVER_MS: u64 = 1_000;

/// A step towards a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    NextId,
    Apply,
    Register,
    Elect,
}

impl Replicas {
    /// Does whatever is due.
    pub(super) fn advance(&mut self, now: Now) {
        self.ask_controllers(now);
        self.beat(now);
        self.take_step(now);
        self.propose(now);
        self.take_role(now);
    }

    pub(super) fn token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token
    }

    pub(super) fn call(&mut self, to: String, asked: Asked, command: Command, timeout_ms: u64) -> u64 {
        let token = self.token();
        self.calls.insert(token, Pending { to: to.clone(), asked });
        self.out.push_back(Out::Call { to, token, command, timeout_ms });
        token
    }

    pub(super) fn save(&mut self, file: IdentityFile, content: String) {
        let token = self.token();
        self.saving.insert(token, file);
        self.out.push_back(Out::Save { token, file, content });
    }

    fn ask_controllers(&mut self, now: Now) {
        use crate::wire::{Ext, code::request};
        let mut next = self.next_token;
        let mut token = || {
            next += 1;
            next
        };
        let discover = self.controllers.ask_due(now.mono, &mut token);
        let read = self.controllers.read_due(now.mono, &mut token);
        self.next_token = next;
        for (asked, code, addrs) in [
            (Asked::Discover, request::CONTROLLER_GET_METADATA_INFO, discover),
            (Asked::Settings, request::GET_CONTROLLER_CONFIG, read),
        ] {
            for (token, to) in addrs {
                let command = Command::request(code, Ext::new());
                self.calls.insert(token, Pending { to: to.clone(), asked: asked.clone() });
                self.out.push_back(Out::Call { to, token, command, timeout_ms: DISCOVER_MS });
            }
        }
    }

    /// A heartbeat to every controller; the leader's answer is followed by a question who is master.
    fn beat(&mut self, now: Now) {
        if !self.registered || self.beat_due > now.mono {
            return;
        }
        self.beat_due = now.mono.plus_ms(self.heartbeat_ms);
        let Some(id) = self.id() else { return };
        for to in self.controllers.heartbeat_addrs() {
            let leads = self.controllers.leader() == Some(to.as_str());
            let round = if leads { self.token() } else { 0 };
            let heartbeat = self.names.heartbeat(id, self.log, self.heartbeat_timeout_ms, self.priority);
            self.call(to, Asked::Heartbeat(round), heartbeat, self.heartbeat_wait_ms);
            if leads {
                self.rounds.insert(round, now.mono);
            }
        }
    }

    fn next_step(&self) -> Option<Step> {
        if self.identity.is_none() {
            return match &self.application {
                None => Some(Step::NextId),
                Some(_) => (self.application_saved && self.saving.is_empty()).then_some(Step::Apply),
            };
        }
        if self.forgotten {
            Some(Step::Apply)
        } else if !self.registered {
            Some(Step::Register)
        } else {
            // The heartbeat comes first: a controller elects nobody it has not heard of.
            (self.known.master.is_none() && self.heard).then_some(Step::Elect)
        }
    }

    pub(super) fn wants_step(&self) -> bool {
        self.controllers.leader().is_some() && self.next_step().is_some()
    }

    fn take_step(&mut self, now: Now) {
        if self.step.is_some() || self.step_due > now.mono {
            return;
        }
        let (Some(step), Some(leader)) = (self.next_step(), self.controllers.leader()) else { return };
        let leader = leader.to_owned();
        let id = self.id().unwrap_or_default();
        let (asked, command) = match step {
            Step::NextId => (Asked::NextId, self.names.next_id()),
            Step::Apply => {
                let (id, code) = match &self.application {
                    Some(application) if !self.forgotten => {
                        (application.identity.id, application.check_code.clone())
                    }
                    _ => (id, format!("{};{}", self.names.address, now.wall_ms)),
                };
                (Asked::Apply, self.names.apply_id(id, &code))
            }
            Step::Register => (Asked::Register, self.names.register(id, now.wall_ms)),
            Step::Elect => (Asked::Elect, self.names.elect(id, now.wall_ms)),
        };
        self.step = Some(self.call(leader, asked, command, CALL_MS));
    }

    pub(super) fn wants_alter(&self) -> bool {
        self.altering.is_none()
            && self.mastership().is_some()
            && self.controllers.leader().is_some()
            && self.sets.has_wish()
    }

    /// Asks for the set the replication service wants; one request at a time.
    fn propose(&mut self, now: Now) {
        if !self.wants_alter() || self.alter_due > now.mono {
            return;
        }
        let (Some(id), Some(leader)) = (self.mastership(), self.controllers.leader()) else { return };
        let leader = leader.to_owned();
        let Some(members) = self.sets.propose() else { return };
        let body = SyncStateSetBody { members: members.clone(), epoch: self.sets.epoch() };
        let command = self.names.alter(id, self.known.epoch, &body, now.wall_ms);
        self.altering = Some(self.call(leader, Asked::Alter(members), command, CALL_MS));
        self.tell_set();
    }

    /// Tells whose acknowledgements are needed now.
    pub(super) fn tell_set(&mut self) {
        if self.mastership().is_some() {
            let (set_epoch, set) = (self.sets.epoch(), self.sets.members().clone());
            self.out.push_back(Out::SetChanged { set_epoch, set, effective: self.sets.effective() });
        }
    }

    /// The role to be taken, if it is not the one the broker has.
    pub(super) fn next_role(&self) -> Option<Assignment> {
        if self.adopting.is_some() || !self.registered {
            return None;
        }
        let (master, address) = self.known.master.as_ref()?;
        let own = self.id()?;
        let has = self.adopted.as_ref().is_some_and(|role| {
            role.epoch == self.known.epoch && role.master == *master && role.master_address == *address
        });
        (!has).then(|| Assignment {
            epoch: self.known.epoch,
            master: *master,
            master_address: address.clone(),
            own,
            set_epoch: self.sets.epoch(),
            set: self.sets.members().clone(),
        })
    }

    fn take_role(&mut self, now: Now) {
        if self.role_due > now.mono {
            return;
        }
        if let Some(role) = self.next_role() {
            self.adopting = Some(role.clone());
            self.out.push_back(Out::Become(role));
        }
    }
}
