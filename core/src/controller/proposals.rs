//! What is in the log but not yet committed, and who waits for it.

use super::apply::Outcome;
use super::election::Elect;
use super::heartbeats::Asked;
use super::machine::Controller;
use super::requests::{self, Read};
use super::state::ControllerState;
use crate::raft::ProposeError;
use crate::time::{Mono, Now};
use crate::wire::code::response;
use crate::wire::{Ext, Reply, ReplyTo};
use bytes::Bytes;
use std::collections::BTreeMap;

/// A caller waits so long for its proposal, in milliseconds, as the reference's request thread does.
const PATIENCE_MS: u64 = 5_000;

/// A 1003 under way.
#[derive(Debug)]
pub(super) struct Registering {
    pub to: ReplyTo,
    /// Cluster and broker name, for the answer.
    pub ext: Ext,
    pub name: String,
    pub id: i64,
}

/// Who waits for a proposal.
#[derive(Debug)]
pub(super) enum Waiter {
    Alter(ReplyTo),
    /// 1013 with its cluster and broker name.
    BrokerId(ReplyTo, Ext),
    /// 1003 from another address than before.
    Register(Registering),
    /// 1003 of a master's new process: as `Register`, in a new epoch.
    Reelect(Registering),
    Elect(Elect),
    Clean(ReplyTo),
    /// Heartbeats that ask for a lease.
    Heartbeats(Vec<Asked>),
    Read(ReplyTo, Read),
}

impl Waiter {
    fn callers(&self) -> Vec<ReplyTo> {
        match self {
            Waiter::Alter(to)
            | Waiter::BrokerId(to, _)
            | Waiter::Register(Registering { to, .. })
            | Waiter::Reelect(Registering { to, .. })
            | Waiter::Clean(to)
            | Waiter::Read(to, _) => vec![*to],
            Waiter::Elect(elect) => elect.to.into_iter().collect(),
            Waiter::Heartbeats(asked) => asked.iter().map(|one| one.to).collect(),
        }
    }
}

#[derive(Debug)]
struct Waiting {
    waiter: Waiter,
    deadline: Mono,
    /// The callers were told that it takes too long.
    overdue: bool,
}

/// Proposals under way, by token.
#[derive(Debug, Default)]
pub(super) struct Proposals {
    waiting: BTreeMap<u64, Waiting>,
}

impl Proposals {
    pub fn deadline(&self) -> Option<Mono> {
        self.waiting.values().filter(|waiting| !waiting.overdue).map(|waiting| waiting.deadline).min()
    }

    /// Whether the mastership of `name` is about to change.
    pub fn elects(&self, name: &str) -> bool {
        self.waiting.values().any(|w| match &w.waiter {
            Waiter::Elect(elect) => elect.name == name,
            Waiter::Reelect(Registering { name: elected, .. }) => elected == name,
            _ => false,
        })
    }

    /// Whether heartbeats wait for proof of leadership.
    pub fn has_barrier(&self) -> bool {
        self.waiting.values().any(|w| matches!(w.waiter, Waiter::Heartbeats(_)))
    }
}

impl Controller {
    /// Proposes a command for whoever waits.
    pub(super) fn propose(&mut self, now: Mono, command: Bytes, waiter: Waiter) {
        let token = self.token();
        let waiting = Waiting { waiter, deadline: now.plus_ms(PATIENCE_MS), overdue: false };
        self.proposals.waiting.insert(token, waiting);
        self.push_proposal(token, command);
    }

    /// Tells callers that it takes too long; their proposals may take effect yet.
    pub(super) fn overdue(&mut self, now: Mono) {
        let mut callers = Vec::new();
        for waiting in self.proposals.waiting.values_mut() {
            if !waiting.overdue && waiting.deadline <= now {
                waiting.overdue = true;
                callers.extend(waiting.waiter.callers());
            }
        }
        for to in callers {
            self.reply(to, Reply::error(response::SYSTEM_ERROR, "not set any response code"));
        }
    }

    pub(super) fn proposed(
        &mut self,
        now: Now,
        state: &ControllerState,
        token: u64,
        result: Result<Bytes, ProposeError>,
    ) {
        let Some(mut waiting) = self.proposals.waiting.remove(&token) else {
            return;
        };
        self.metrics.operation(result.is_ok());
        if waiting.overdue {
            // The callers have their answer; only an election has more to it.
            match &mut waiting.waiter {
                Waiter::Elect(elect) => elect.to = None,
                Waiter::Heartbeats(_) => return self.next_barrier(now.mono),
                _ => return,
            }
        }
        let outcome = match (result, &waiting.waiter) {
            (Ok(_), Waiter::Heartbeats(_) | Waiter::Read(..)) => Ok(Outcome::default()),
            (Ok(bytes), _) => Outcome::decode(&bytes).map_err(|error| {
                let remark = format!("the result of the proposal cannot be read: {error}");
                Reply::error(response::SYSTEM_ERROR, remark)
            }),
            (Err(ProposeError::NotLeader { .. }), _) => Err(Reply::not_leader()),
            (Err(error), _) => Err(Reply::error(response::SYSTEM_ERROR, error.to_string())),
        };
        match (waiting.waiter, outcome) {
            (Waiter::Elect(elect), Ok(outcome)) => self.elected(now.mono, state, elect, outcome),
            (Waiter::Elect(elect), Err(reply)) => self.election_failed(now.mono, elect, reply),
            (Waiter::Heartbeats(asked), Ok(_)) => {
                self.renew(now.mono, state, asked);
                self.next_barrier(now.mono);
            }
            (Waiter::Heartbeats(asked), Err(_)) => {
                asked.into_iter().for_each(|one| self.reply(one.to, requests::heart_beat(false, None)));
                self.next_barrier(now.mono);
            }
            (waiter, Err(reply)) => waiter.callers().into_iter().for_each(|to| self.reply(to, reply.clone())),
            (Waiter::Alter(to), Ok(outcome)) => self.reply(to, requests::altered(&outcome)),
            (Waiter::BrokerId(to, ext), Ok(outcome)) => {
                self.reply(to, requests::from_outcome(&outcome).with_ext(ext));
            }
            (Waiter::Clean(to), Ok(outcome)) => self.reply(to, requests::from_outcome(&outcome)),
            (Waiter::Reelect(Registering { to, ext, name, .. }), Ok(outcome))
                if outcome.code == response::SUCCESS =>
            {
                self.leases.forget(&name);
                self.notify(now.mono, state, &name);
                let reply = self.registered(now.mono, state, ext, &name);
                self.reply(to, reply);
            }
            (Waiter::Register(registering), Ok(outcome)) if outcome.code == response::SUCCESS => {
                self.known(now.mono, state, registering);
            }
            (
                Waiter::Register(Registering { to, ext, .. }) | Waiter::Reelect(Registering { to, ext, .. }),
                Ok(outcome),
            ) => self.reply(to, requests::from_outcome(&outcome).with_ext(ext)),
            (Waiter::Read(to, read), Ok(_)) => {
                let reply = self.read(now.mono, state, &read);
                self.reply(to, reply);
            }
        }
    }
}
