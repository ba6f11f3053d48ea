//! The machine: inputs, outputs, deadline.

use super::config_requests::AllSettings;
use super::election::Handover;
use super::group::{Group, GroupError};
use super::heartbeats::Asked;
use super::lease::{LEASE_MS, LEASE_RESERVE_MS, Leases};
use super::liveness::Liveness;
use super::metrics::Metrics;
use super::notices::Notices;
use super::probe::Probes;
use super::proposals::Proposals;
use super::requests;
use super::state::ControllerState;
use crate::config::{ControllerConfig, NettyServerConfig, Properties};
use crate::raft::{NodeId, ProposeError};
use crate::time::{Mono, Now, earliest};
use crate::wire::{Reply, ReplyTo, ServerIn, ServerOut};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A new leader takes nobody's silence for death before it had time to hear everybody, and before every lease
/// of its predecessor is over.
const GRACE_MS: u64 = LEASE_MS + LEASE_RESERVE_MS + 300;
/// A turn that comes so much later than asked for shows that this process did not run: heartbeats may wait in
/// the sockets.
const STALL_MS: u64 = 500;
/// So long silent brokers are then given to be read.
const AFTER_STALL_MS: u64 = 1_500;

/// What a controller is told.
#[derive(Debug)]
pub enum ControllerIn<'a> {
    /// What every server machine is told.
    Server(ServerIn<'a>),
    /// The outcome of a [`ControllerOut::Propose`]; the state passed along has it applied.
    Proposed { token: u64, result: Result<Bytes, ProposeError> },
    /// Who leads. `ready`: this member does, and its state holds everything acknowledged before.
    /// `term` is raft's.
    Leadership { leader: Option<NodeId>, term: u64, ready: bool },
}

/// What a controller asks for.
#[derive(Debug)]
pub enum ControllerOut {
    /// What every server machine asks for.
    Server(ServerOut),
    /// A command for the log. An empty one changes nothing: all that is asked is whether this member leads at
    /// a moment after the request, so raft may answer it without an entry.
    Propose { token: u64, command: Bytes },
}

/// A controller.
#[derive(Debug)]
pub struct Controller {
    pub(super) group: Group,
    pub(super) settings: AllSettings,
    pub(super) leader: Option<NodeId>,
    pub(super) ready: bool,
    /// The last term this controller led in.
    led: Option<u64>,
    pub(super) live: Liveness,
    pub(super) leases: Leases,
    pub(super) probes: Probes,
    pub(super) notices: Notices,
    pub(super) proposals: Proposals,
    /// Heartbeats that wait for the next proof of leadership.
    pub(super) asked: Vec<Asked>,
    /// Elections that wait for the old master's lease to end, by broker name.
    pub(super) handovers: BTreeMap<String, Handover>,
    /// Broker names to be looked at before this turn ends.
    pub(super) touched: BTreeSet<String>,
    /// Names whose election failed are not tried again before.
    pub(super) retry_at: BTreeMap<String, Mono>,
    /// Masters that are not heard yet are presumed alive until then.
    pub(super) grace_until: Mono,
    pub(super) metrics: Metrics,
    pub(super) next_token: u64,
    next_scan: Mono,
    /// The deadline given to the driver last.
    promised: Option<Mono>,
    out: VecDeque<ControllerOut>,
}

impl Controller {
    /// A controller that has heard nobody yet. `file` is the whole `-c` file, kept so that 1009 can rewrite it.
    ///
    /// # Errors
    /// The settings name no group of controllers.
    pub fn new(
        controller: ControllerConfig,
        server: NettyServerConfig,
        file: Properties,
        now: Now,
    ) -> Result<Self, GroupError> {
        Ok(Controller {
            group: Group::parse(&controller)?,
            settings: AllSettings { controller, server, file },
            leader: None,
            ready: false,
            led: None,
            live: Liveness::default(),
            leases: Leases::default(),
            probes: Probes::default(),
            notices: Notices::default(),
            proposals: Proposals::default(),
            asked: Vec::new(),
            handovers: BTreeMap::new(),
            touched: BTreeSet::new(),
            retry_at: BTreeMap::new(),
            grace_until: now.mono,
            metrics: Metrics::default(),
            next_token: 0,
            next_scan: now.mono,
            promised: None,
            out: VecDeque::new(),
        })
    }

    /// Takes one input; drain [`Controller::poll`] before the next. `state` is the replicated state as applied
    /// by this member.
    pub fn handle(&mut self, now: Now, state: &ControllerState, input: ControllerIn<'_>) {
        self.notice_stall(now.mono);
        match input {
            ControllerIn::Server(input) => self.server(now, state, input),
            ControllerIn::Proposed { token, result } => self.proposed(now, state, token, result),
            ControllerIn::Leadership { leader, term, ready } => {
                self.leadership(now, state, leader, term, ready);
            }
        }
        self.turn(now, state);
        self.promised = self.deadline();
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<ControllerOut> {
        self.out.pop_front()
    }

    /// When to call with [`ServerIn::Tick`] next.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let mut next = earliest(self.live.deadline(), self.proposals.deadline());
        if self.ready {
            next = earliest(next, Some(self.next_scan));
            next = earliest(next, self.probes.deadline());
            next = earliest(next, self.notices.deadline());
            next = earliest(next, self.handovers.values().map(|handover| handover.due).min());
            next = earliest(next, self.retry_at.values().min().copied());
        }
        next
    }

    /// The group this controller belongs to.
    #[must_use]
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// The settings in force.
    #[must_use]
    pub fn config(&self) -> &ControllerConfig {
        &self.settings.controller
    }

    /// What was counted so far.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// `active_broker_num`: brokers heard in time, by cluster and broker name.
    #[must_use]
    pub fn active_brokers(&self, now: Now) -> BTreeMap<(String, String), usize> {
        self.live.active(now.mono)
    }

    /// `role`: 2 leader, 1 follower, 0 while there is no leader.
    #[must_use]
    pub fn role(&self) -> i32 {
        match self.leader {
            None => 0,
            Some(leader) => 1 + i32::from(leader == self.group.own),
        }
    }

    fn server(&mut self, now: Now, state: &ControllerState, input: ServerIn<'_>) {
        match input {
            ServerIn::Tick | ServerIn::Lost(_) | ServerIn::Stream(_) => {}
            ServerIn::Request { peer, frame } => requests::serve(self, now, state, peer, &frame),
            ServerIn::Answer { token, result } => self.probed(now.mono, token, result),
            ServerIn::Closed(conn) => {
                let names = self.live.disconnected(conn).into_iter().map(|broker| broker.name);
                self.touched.extend(names);
            }
            ServerIn::Saved { result: Err(error), .. } => tracing::error!("configuration not saved: {error}"),
            ServerIn::Saved { .. } => {}
        }
    }

    fn leadership(
        &mut self,
        now: Now,
        state: &ControllerState,
        leader: Option<NodeId>,
        term: u64,
        ready: bool,
    ) {
        self.leader = leader;
        if self.ready == ready {
            return;
        }
        self.ready = ready;
        self.probes.clear();
        self.notices.clear();
        self.retry_at.clear();
        if ready {
            tracing::info!("this controller leads");
            // A leader that was in doubt for a moment, in the same term, has no predecessor: it has given all leases
            // there are, and has heard heartbeats all the while.
            if self.led != Some(term) {
                self.led = Some(term);
                self.leases.begin();
                self.grace_until = self.grace_until.max(now.mono.plus_ms(GRACE_MS));
            }
            self.touched.extend(state.iter().map(|(name, _)| name.to_owned()));
        } else {
            tracing::info!("this controller does not lead any more");
            for handover in std::mem::take(&mut self.handovers).into_values() {
                self.reply(handover.to, Reply::not_leader());
            }
        }
    }

    fn notice_stall(&mut self, now: Mono) {
        if self.promised.is_some_and(|at| now > at.plus_ms(STALL_MS)) {
            tracing::warn!("this process did not run for a while: silent brokers get more time");
            self.live.extend_to(now.plus_ms(AFTER_STALL_MS));
            self.grace_until = self.grace_until.max(now.plus_ms(AFTER_STALL_MS));
        }
    }

    /// What follows from the state of things.
    fn turn(&mut self, now: Now, state: &ControllerState) {
        for (broker, conn) in self.live.expire(now.mono) {
            tracing::warn!("broker {}-{} sends no heartbeats", broker.name, broker.id);
            if let Some(conn) = conn {
                self.push(ServerOut::Close(conn));
            }
            self.touched.insert(broker.name);
        }
        self.overdue(now.mono);
        if !self.ready {
            self.touched.clear();
            return;
        }
        if self.next_scan <= now.mono {
            let interval = self.settings.controller.scan_inactive_master_interval;
            self.next_scan = now.mono.plus_ms(u64::try_from(interval).unwrap_or(0).max(1));
            if now.mono <= self.grace_until {
                self.next_scan = self.next_scan.min(Mono(self.grace_until.0.saturating_add(1)));
            }
            self.touched.extend(state.iter().map(|(name, _)| name.to_owned()));
        }
        self.review_probes(state);
        self.send_probes(now.mono);
        self.send_notices(now.mono, state);
        self.end_handovers(now.mono, state);
        let due: Vec<String> =
            self.retry_at.iter().filter(|(_, at)| **at <= now.mono).map(|(name, _)| name.clone()).collect();
        for name in due {
            self.retry_at.remove(&name);
            self.touched.insert(name);
        }
        while let Some(name) = self.touched.pop_first() {
            self.repair(now.mono, state, &name);
        }
    }

    pub(super) fn reply(&mut self, to: ReplyTo, reply: Reply) {
        if !to.oneway {
            self.push(ServerOut::Reply { to, reply });
        }
    }

    pub(super) fn push(&mut self, out: ServerOut) {
        self.out.push_back(ControllerOut::Server(out));
    }

    pub(super) fn push_proposal(&mut self, token: u64, command: Bytes) {
        self.out.push_back(ControllerOut::Propose { token, command });
    }

    /// A number nothing else of this machine has.
    pub(super) fn token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token
    }
}

impl Reply {
    pub(super) fn not_leader() -> Reply {
        let code = crate::wire::code::response::CONTROLLER_NOT_LEADER;
        Reply::error(code, "The controller is not in leader state")
    }
}
