//! A controller and its member of the raft group as one server machine: requests of brokers and operators and
//! messages of the other controllers come in on the same port.
//!
//! Raft messages travel as one-way frames of code [`request::CONTROLLER_RAFT_MESSAGE`] with the sender, the
//! receiver and the group in the header; what does not fit the configured group is refused.

use super::links::Links;
use super::{Controller, ControllerIn, ControllerOut, ControllerState};
use crate::raft::{
    NodeId, ProposeError, RaftConfig, RaftImage, RaftIn, RaftNode, RaftOut, RaftWrite, StartError,
};
use crate::time::{Mono, Now, earliest};
use crate::wire::code::{request, response};
use crate::wire::{Command, Ext, Frame, Limits, Reply, ReplyTo, ServerIn, ServerOut, Target};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// A proposal without result for so long is answered with [`ProposeError::Unknown`], in milliseconds: a leader
/// that is cut off has no other end for it.
const PROPOSAL_MS: u64 = 3_000;
/// What the header of a raft message may take of the largest frame, in bytes.
const HEADER_BYTES: usize = 64 << 10;

/// A controller that takes part in its group.
pub struct Member {
    raft: RaftNode<ControllerState>,
    controller: Controller,
    links: Links,
    /// When proposals under way are given up, by token.
    proposals: BTreeMap<u64, Mono>,
    /// Of the controller, not handed to raft yet.
    proposed: VecDeque<(u64, Bytes)>,
    writes: VecDeque<(u64, RaftWrite)>,
    /// Numbers of the last write asked for and of the last one done.
    asked: u64,
    written: u64,
    failed: bool,
    voter: bool,
    stopping: bool,
    out: VecDeque<ServerOut>,
}

impl Member {
    /// Starts from what the disk holds. `seed` should differ between members and starts.
    ///
    /// # Errors
    /// The image does not parse.
    pub fn start(
        mut controller: Controller,
        image: RaftImage,
        limits: Limits,
        seed: u64,
        now: Now,
    ) -> Result<Self, StartError> {
        let group = controller.group();
        let links = Links::new(group.peers.clone());
        let members = group.peers.keys().copied().collect();
        let frame_bytes = usize::try_from(limits.frame_bytes).unwrap_or(usize::MAX);
        let defaults = RaftConfig::default();
        let message_bytes = defaults.message_bytes.min(frame_bytes.saturating_sub(HEADER_BYTES));
        let config = RaftConfig { message_bytes, ..defaults };
        let raft = RaftNode::start(group.own, members, ControllerState::default(), image, config, seed, now)?;
        controller.handle(
            now,
            &raft.state(),
            ControllerIn::Leadership { leader: None, term: 0, ready: false },
        );
        let mut member = Member {
            raft,
            controller,
            links,
            proposals: BTreeMap::new(),
            proposed: VecDeque::new(),
            writes: VecDeque::new(),
            asked: 0,
            written: 0,
            failed: false,
            voter: false,
            stopping: false,
            out: VecDeque::new(),
        };
        member.settle(now);
        Ok(member)
    }

    #[must_use]
    pub fn controller(&self) -> &Controller {
        &self.controller
    }

    /// Read access to who is master where, for embedding and tests; only a leader's is known to be the newest.
    #[must_use]
    pub fn state(&self) -> impl core::ops::Deref<Target = ControllerState> + '_ {
        self.raft.state()
    }

    /// Whether this member leads and its state holds everything acknowledged before.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.raft.is_leader() && !self.stopping
    }

    /// Takes one input; drain [`Member::poll`] and [`Member::poll_write`] afterwards.
    pub fn handle(&mut self, now: Now, input: ServerIn<'_>) {
        match input {
            ServerIn::Tick => self.tick(now),
            ServerIn::Request { peer, frame } if frame.code() == request::CONTROLLER_RAFT_MESSAGE => {
                if let Err(why) = self.message(now, &frame) {
                    tracing::warn!(peer = %peer.addr, why, "raft message refused");
                    let to = ReplyTo::new(peer.conn, &frame);
                    if !to.oneway {
                        let reply = Reply::error(response::NO_PERMISSION, why);
                        self.out.push_back(ServerOut::Reply { to, reply });
                    }
                }
            }
            other => self.tell(now, ControllerIn::Server(other)),
        }
        self.settle(now);
    }

    /// All writes up to and including this one are durable, or this one failed.
    pub fn written(&mut self, now: Now, seq: u64, result: Result<(), String>) {
        self.written = self.written.max(seq);
        self.raft.handle(now, RaftIn::Persisted { seq, result });
        self.settle(now);
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<ServerOut> {
        self.out.pop_front()
    }

    /// The next write of the raft log; answered by [`Member::written`].
    pub fn poll_write(&mut self) -> Option<(u64, RaftWrite)> {
        self.writes.pop_front()
    }

    /// When [`ServerIn::Tick`] is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let proposal = self.proposals.values().min().copied();
        let controller = earliest(self.controller.deadline(), proposal);
        if self.stopping { controller } else { earliest(controller, self.raft.deadline()) }
    }

    /// Leads no more and takes no more part in the group.
    pub fn shutdown(&mut self, now: Now) {
        self.tell(now, ControllerIn::Leadership { leader: None, term: 0, ready: false });
        for token in core::mem::take(&mut self.proposals).into_keys() {
            self.tell(now, ControllerIn::Proposed { token, result: Err(ProposeError::Stopped) });
        }
        self.stopping = true;
        self.settle(now);
    }

    /// Nothing is being written any more.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopping && (self.failed || self.written >= self.asked)
    }

    fn tick(&mut self, now: Now) {
        let due = |deadline: Option<Mono>| deadline.is_some_and(|at| at <= now.mono);
        if !self.stopping && due(self.raft.deadline()) {
            self.raft.handle(now, RaftIn::Tick);
            // a leader that has lost touch with the group is to know before it answers anything
            self.settle(now);
        }
        let late: Vec<u64> =
            self.proposals.iter().filter(|(_, at)| **at <= now.mono).map(|(token, _)| *token).collect();
        for token in late {
            self.finish(now, token, Err(ProposeError::Unknown));
        }
        if due(self.controller.deadline()) {
            self.tell(now, ControllerIn::Server(ServerIn::Tick));
        }
    }

    /// A message of another controller.
    fn message(&mut self, now: Now, frame: &Frame<'_>) -> Result<(), String> {
        let group = self.controller.group();
        let id = |key: &'static str| {
            let text = frame.ext(key).unwrap_or_default();
            text.parse::<NodeId>().map_err(|error| format!("{key}: {error}"))
        };
        let (from, to) = (id("from")?, id("to")?);
        let name = frame.ext("group").unwrap_or_default();
        if name != group.name {
            return Err(format!("it is of group \"{name}\"; this controller is of \"{}\"", group.name));
        }
        if from == group.own || !group.peers.contains_key(&from) {
            return Err(format!("{from} is none of the other controllers: {}", group.peers_text()));
        }
        if to != group.own {
            return Err(format!("it is for {to}; this controller is {}", group.own));
        }
        if self.stopping {
            return Ok(());
        }
        self.links.heard(from);
        let data = Bytes::copy_from_slice(frame.body());
        self.raft.handle(now, RaftIn::Message { from, data });
        Ok(())
    }

    fn tell(&mut self, now: Now, input: ControllerIn<'_>) {
        self.controller.handle(now, &self.raft.state(), input);
        while let Some(out) = self.controller.poll() {
            match out {
                ControllerOut::Server(out) => self.out.push_back(out),
                ControllerOut::Propose { token, command } => self.proposed.push_back((token, command)),
            }
        }
    }

    /// Carries what both ask for to the other until both are done.
    fn settle(&mut self, now: Now) {
        loop {
            if let Some((token, command)) = self.proposed.pop_front() {
                self.proposals.insert(token, now.mono.plus_ms(PROPOSAL_MS));
                if self.stopping {
                    self.finish(now, token, Err(ProposeError::Stopped));
                } else {
                    self.raft.handle(now, RaftIn::Propose { token, command });
                }
            } else if let Some(out) = self.raft.poll() {
                self.raft_out(now, out);
            } else {
                break;
            }
        }
        if self.raft.is_voter() && !core::mem::replace(&mut self.voter, true) {
            tracing::info!("this controller may vote");
        }
    }

    fn raft_out(&mut self, now: Now, out: RaftOut) {
        match out {
            RaftOut::Send { to, data } if !self.stopping => self.send(now.mono, to, data),
            RaftOut::Send { .. } => {}
            RaftOut::Persist { seq, op } => {
                self.asked = seq;
                self.writes.push_back((seq, op));
            }
            RaftOut::Proposed { token, result } => self.finish(now, token, result),
            RaftOut::Leader { leader, term, ready } => {
                tracing::info!(leader = ?leader.map(|id| id.0), term, ready, "controller group");
                if !self.stopping {
                    self.tell(now, ControllerIn::Leadership { leader, term, ready });
                }
            }
            RaftOut::Failed { why } => {
                self.failed = true;
                tracing::error!(why, "this controller takes no part in its group until it is started again");
                self.tell(now, ControllerIn::Leadership { leader: None, term: 0, ready: false });
            }
        }
    }

    /// Results that come after their time are not told: the controller has one already.
    fn finish(&mut self, now: Now, token: u64, result: Result<Bytes, ProposeError>) {
        if self.proposals.remove(&token).is_some() {
            self.tell(now, ControllerIn::Proposed { token, result });
        }
    }

    fn send(&mut self, now: Mono, to: NodeId, data: Bytes) {
        let group = self.controller.group();
        let Some(addr) = group.peers.get(&to) else { return };
        let ext = Ext::new()
            .with("group", group.name.clone())
            .with("from", group.own.to_string())
            .with("to", to.to_string());
        let command = Command::request(request::CONTROLLER_RAFT_MESSAGE, ext).with_body(data).oneway();
        if self.links.sends(now, to) {
            self.out.push_back(ServerOut::HangUp(addr.clone()));
        }
        self.out.push_back(ServerOut::Oneway { to: Target::Addr(addr.clone()), command });
    }
}
