//! Whether this member may vote and stand for election.
//!
//! A member that has lost its disk has forgotten its votes and entries it promised to keep; if it voted like
//! one that never had any, entries that were acknowledged could be lost (KF-16). So a member without a past
//! first asks the others: when more than half of the group are as new as it is, they found the group. When
//! somebody has entries already, it is filled up by the leader, and votes from the moment it holds all that was
//! committed when it came. That it may vote is stored together with its vote.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::network::{Kind, Message};
use super::types::{LogId, Vote};
use super::{NodeId, RaftNode, RaftState};
use crate::time::Mono;

/// Between two questions of a new member.
const HELLO_MS: u64 = 200;

/// How long silent members are waited for before the others found a group without them.
const PATIENCE_MS: u64 = 700;
/// A confirmation from before the loss counts for one timeout, a commit made with it may travel for another, and
/// one more is for the clocks.
const SETTLE_TIMEOUTS: u64 = 3;

/// The answer to a new member's question.
#[derive(Debug, Serialize, Deserialize)]
struct Welcome {
    /// The answering member has entries beyond the founding one.
    established: bool,
}

/// What a new member knows of the others.
#[derive(Debug, Default)]
pub(super) struct Newcomer {
    as_new: BTreeSet<NodeId>,
    established: BTreeSet<NodeId>,
    pub next_hello: Mono,
    /// Leaders may still count on what this member confirmed before it lost its disk; from here on they do not.
    settled: Mono,
    /// Until then all others have to have answered before the group is founded.
    patient_until: Mono,
    /// All up to here has to be applied before it may vote.
    target: Option<LogId>,
    told: bool,
}

impl Newcomer {
    /// `request_timeout_ms`: how long a leader takes an answer to a request.
    pub fn new(now: Mono, request_timeout_ms: u64) -> Self {
        let settled = now.plus_ms(request_timeout_ms.saturating_mul(SETTLE_TIMEOUTS));
        let patient_until = now.plus_ms(PATIENCE_MS);
        Newcomer { next_hello: now, settled, patient_until, ..Newcomer::default() }
    }
}

impl<S: RaftState> RaftNode<S> {
    /// Asks the others, when it is time.
    pub(super) fn greet(&mut self, now: Mono) {
        let Some(newcomer) = self.newcomer.as_mut().filter(|newcomer| newcomer.next_hello <= now) else {
            return;
        };
        newcomer.next_hello = now.plus_ms(HELLO_MS);
        let data = Message::encode(Kind::Hello, 0, &());
        for to in self.members.iter().filter(|to| **to != self.id) {
            self.hub.send(*to, data.clone());
        }
        self.found(now);
    }

    /// Another member is new.
    pub(super) fn hello(&mut self, now: Mono, from: NodeId) {
        let established = self.hub.with(|inner| {
            let last = inner.log.values().next_back().map(|entry| entry.log_id).or(inner.purged);
            last.is_some_and(|id| id.index() > 0)
        });
        self.hub.send(from, Message::encode(Kind::Welcome, 0, &Welcome { established }));
        if let Some(newcomer) = &mut self.newcomer {
            newcomer.established.remove(&from);
            newcomer.as_new.insert(from);
            self.found(now);
        }
    }

    pub(super) fn welcome(&mut self, now: Mono, from: NodeId, message: &Message) -> Result<(), String> {
        let Welcome { established } = message.read()?;
        if let Some(newcomer) = &mut self.newcomer {
            let (to, other) = match established {
                true => (&mut newcomer.established, &mut newcomer.as_new),
                false => (&mut newcomer.as_new, &mut newcomer.established),
            };
            other.remove(&from);
            to.insert(from);
            self.found(now);
        }
        Ok(())
    }

    /// Founds the group, if more than half of it is new and nobody remembers one.
    fn found(&mut self, now: Mono) {
        let half = self.members.len() / 2;
        let Some(newcomer) = self.newcomer.as_mut().filter(|newcomer| newcomer.as_new.len() >= half) else {
            return;
        };
        if !newcomer.established.is_empty() {
            // Normal for a late comer, whom the leader is about to fill up. It would be wrong to go on without
            // those who remember: if most disks are lost, somebody has to decide what is to become of the rest.
            if !core::mem::replace(&mut newcomer.told, true) {
                tracing::warn!(
                    member = %self.id,
                    established = ?newcomer.established,
                    "this member has an empty log and others have not: waiting for their leader"
                );
            }
            return;
        }
        let answered = newcomer.as_new.len() + 1 == self.members.len();
        if !answered && now < newcomer.patient_until {
            return;
        }
        let Some(raft) = self.raft() else { return };
        self.admit();
        let members: std::collections::BTreeMap<u64, openraft::EmptyNode> =
            self.members.iter().map(|id| (id.0, openraft::EmptyNode::default())).collect();
        self.spawn(async move {
            // refused when a leader came first, who brings the membership along
            if let Err(error) = raft.initialize(members).await {
                tracing::debug!(%error, "not the founder");
            }
        });
    }

    /// A leader's message arrived; all it knows to be committed has to be applied before this member may vote.
    pub(super) fn learn_target(&mut self, now: Mono, leader: &Vote, committed: Option<LogId>) {
        let Some(newcomer) = self.newcomer.as_mut() else { return };
        if newcomer.target.is_some() || now < newcomer.settled {
            return;
        }
        // once an entry of its own term is committed, all earlier ones are known to be
        newcomer.target = committed.filter(|id| id.leader_id.term == leader.leader_id.term);
    }

    /// Lets a newcomer vote that has been filled up.
    pub(super) fn check_filled(&mut self) {
        let target = self.newcomer.as_ref().and_then(|newcomer| newcomer.target);
        let applied = self.hub.with(|inner| inner.applied);
        if target.is_some_and(|target| applied.is_some_and(|id| id.index() >= target.index())) {
            self.admit();
        }
    }

    fn admit(&mut self) {
        self.newcomer = None;
        self.hub.with(super::hub::Inner::admit);
        if let Some(raft) = self.raft() {
            raft.runtime_config().elect(true);
        }
    }
}
