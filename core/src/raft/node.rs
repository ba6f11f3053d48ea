//! The machine: openraft and its tasks behind `handle`, `poll` and `deadline`.

use core::future::Future;
use core::ops::Deref;
use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::{Arc, MutexGuard};

use bytes::Bytes;
use openraft::raft::{AppendEntriesRequest, VoteRequest};
use openraft::{Config, OptionalSend, Raft, ReadPolicy, ServerState, SnapshotPolicy};
use openraft_rt::WatchReceiver;

use super::hub::{Hub, ImageError, Inner, Waiter};
use super::network::{Kind, Message, Network, SnapshotRequest};
use super::runtime::{Executor, Shared};
use super::standing::Newcomer;
use super::storage::{Log, Machine, Snapshot};
use super::types::{Blob, Types};
use super::{NodeId, ProposeError, RaftConfig, RaftImage, RaftIn, RaftOut, RaftState};
use crate::time::{Mono, Now, earliest};

pub(super) type Handle<S> = Raft<Types, Machine<S>>;
type Slot<S> = Arc<Shared<Option<Result<Handle<S>, String>>>>;

/// Why a member cannot start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error("raft settings: {0}")]
    Config(String),
    #[error("member {0} is not in the list of members")]
    NotListed(NodeId),
}

/// What [`RaftOut::Leader`] reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct View {
    leader: Option<NodeId>,
    term: u64,
    ready: bool,
}

/// One member of a group that replicates an `S`.
pub struct RaftNode<S: RaftState> {
    pub(super) id: NodeId,
    pub(super) members: BTreeSet<NodeId>,
    config: RaftConfig,
    /// Gone once the member has failed.
    executor: Option<Executor>,
    pub(super) hub: Hub<S>,
    slot: Slot<S>,
    /// Until it may vote.
    pub(super) newcomer: Option<Newcomer>,
    waiting: BTreeSet<u64>,
    view: View,
}

/// The replicated state as far as this member has applied the log.
pub struct StateRef<'a, S>(MutexGuard<'a, Inner<S>>);

impl<S> Deref for StateRef<'_, S> {
    type Target = S;
    fn deref(&self) -> &S {
        &self.0.state
    }
}

impl<S: RaftState> RaftNode<S> {
    /// Starts a member from what its disk holds. `state` is the empty state. `seed` should differ between
    /// members and starts: election timeouts come from it.
    ///
    /// # Errors
    /// The image does not parse or the settings contradict each other.
    pub fn start(
        id: NodeId,
        members: BTreeSet<NodeId>,
        state: S,
        image: RaftImage,
        config: RaftConfig,
        seed: u64,
        now: Now,
    ) -> Result<Self, StartError> {
        if !members.contains(&id) {
            return Err(StartError::NotListed(id));
        }
        let inner = Inner::load(state, image)?;
        let newcomer = (!inner.voter).then(|| Newcomer::new(now.mono, config.request_timeout_ms));
        let settings = settings(&config, newcomer.is_none()).map_err(StartError::Config)?;
        let hub = Hub::new(inner);
        let slot: Slot<S> = Arc::default();
        let executor = Executor::new(seed, now.mono);
        let network = Network {
            hub: hub.clone(),
            request_timeout: Duration::from_millis(config.request_timeout_ms),
            snapshot_timeout: Duration::from_millis(config.snapshot_timeout_ms),
        };
        let (log, machine, result) = (Log(hub.clone()), Machine(hub.clone()), slot.clone());
        executor.spawn(Box::pin(async move {
            let raft = Raft::new(id.0, Arc::new(settings), network, log, machine).await;
            *result.lock() = Some(raft.map_err(|error| error.to_string()));
        }));
        let executor = Some(executor);
        let (waiting, view) = (BTreeSet::new(), View::default());
        let mut node = RaftNode { id, members, config, executor, hub, slot, newcomer, waiting, view };
        node.handle(now, RaftIn::Tick);
        Ok(node)
    }

    #[must_use]
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// The replicated state as far as this member has applied the log; what a member that is not
    /// [`RaftNode::is_leader`] shows may be old.
    #[must_use]
    pub fn state(&self) -> StateRef<'_, S> {
        StateRef(self.hub.lock())
    }

    /// Whether this member leads, has committed an entry of its own term, and has heard from more than half of
    /// the group recently enough to be sure that nobody else leads.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.view.ready
    }

    #[must_use]
    pub fn leader(&self) -> Option<NodeId> {
        self.view.leader
    }

    #[must_use]
    pub fn term(&self) -> u64 {
        self.view.term
    }

    /// Index of the last applied entry.
    #[must_use]
    pub fn applied(&self) -> Option<u64> {
        self.hub.with(|inner| inner.applied.map(|id| id.index()))
    }

    /// Whether this member may vote: it founded the group or has caught up with it.
    #[must_use]
    pub fn is_voter(&self) -> bool {
        self.newcomer.is_none()
    }

    /// Takes one input; drain [`RaftNode::poll`] afterwards.
    pub fn handle(&mut self, now: Now, input: RaftIn) {
        if let Some(executor) = &self.executor {
            executor.advance(now.mono);
        }
        match input {
            RaftIn::Tick => {}
            RaftIn::Message { from, data } => self.message(now.mono, from, data),
            RaftIn::Persisted { seq, result } => self.persisted(seq, result),
            RaftIn::Propose { token, command } => self.propose(token, command),
        }
        self.greet(now.mono);
        self.run();
        self.check_filled();
        self.run();
        self.look(now.mono);
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<RaftOut> {
        let output = self.hub.with(|inner| inner.outputs.pop_front());
        if let Some(RaftOut::Proposed { token, .. }) = &output {
            self.waiting.remove(token);
        }
        output
    }

    /// When [`RaftIn::Tick`] is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let executor = self.executor.as_ref()?;
        earliest(executor.deadline(), self.newcomer.as_ref().map(|newcomer| newcomer.next_hello))
    }

    pub(super) fn raft(&self) -> Option<Handle<S>> {
        self.slot.lock().as_ref().and_then(|started| started.as_ref().ok()).cloned()
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + OptionalSend + 'static) {
        if let Some(executor) = &self.executor {
            executor.spawn(Box::pin(task));
        }
    }

    fn run(&mut self) {
        if self.executor.as_mut().is_some_and(|executor| executor.run().is_err()) {
            self.fail("a task of the raft machine panicked".to_owned());
        }
    }

    fn emit(&self, output: RaftOut) {
        self.hub.with(|inner| inner.outputs.push_back(output));
    }

    fn fail(&mut self, why: String) {
        if self.executor.take().is_none() {
            return;
        }
        *self.slot.lock() = None;
        self.newcomer = None;
        for token in core::mem::take(&mut self.waiting) {
            self.emit(RaftOut::Proposed { token, result: Err(ProposeError::Stopped) });
        }
        self.emit(RaftOut::Failed { why });
    }

    fn persisted(&mut self, seq: u64, result: Result<(), String>) {
        if let Err(why) = result {
            return self.fail(format!("write {seq} of the raft log failed: {why}"));
        }
        let done = self.hub.with(|inner| inner.written(seq));
        let _entered = self.executor.as_ref().map(Executor::enter);
        for waiter in done {
            match waiter {
                Waiter::Flushed(callback) => callback.io_completed(Ok(())),
                Waiter::Task(sender) => {
                    // its task may be gone
                    let _ = sender.send(());
                }
                Waiter::Nobody => {}
            }
        }
    }

    fn propose(&mut self, token: u64, command: Bytes) {
        let limit = self.config.command_bytes;
        let refused = match self.raft() {
            None if self.executor.is_none() => Some(ProposeError::Stopped),
            None => Some(ProposeError::NotLeader { leader: None }),
            Some(_) if command.len() > limit => Some(ProposeError::TooLong { bytes: command.len(), limit }),
            Some(_) if self.waiting.len() >= self.config.proposals => Some(ProposeError::Busy),
            Some(raft) if !raft.is_leader() => {
                Some(ProposeError::NotLeader { leader: self.view.leader.filter(|id| *id != self.id) })
            }
            Some(_) => None,
        };
        if let Some(error) = refused {
            return self.emit(RaftOut::Proposed { token, result: Err(error) });
        }
        let (Some(raft), hub) = (self.raft(), self.hub.clone()) else { return };
        self.waiting.insert(token);
        self.spawn(async move {
            let result = if command.is_empty() {
                // Most of the group, asked after this moment, says that nobody else leads: no entry, nothing to sync.
                match raft.ensure_linearizable(ReadPolicy::ReadIndex).await {
                    Ok(_) => Ok(Bytes::new()),
                    Err(error) if error.fatal().is_some() => Err(ProposeError::Stopped),
                    Err(_) => Err(ProposeError::Unknown),
                }
            } else {
                match raft.client_write(Blob(command)).await {
                    Ok(done) => Ok(done.data.0),
                    Err(error) if error.forward_to_leader().is_some() => Err(ProposeError::Unknown),
                    Err(_) => Err(ProposeError::Stopped),
                }
            };
            hub.with(|inner| inner.outputs.push_back(RaftOut::Proposed { token, result }));
        });
    }

    fn message(&mut self, now: Mono, from: NodeId, data: Bytes) {
        if !self.members.contains(&from) || from == self.id || data.len() > self.config.message_bytes {
            tracing::debug!(%from, bytes = data.len(), "raft message refused");
            return;
        }
        let Some(message) = Message::parse(data) else {
            tracing::debug!(%from, "raft message of unknown kind");
            return;
        };
        let kind = message.kind;
        if let Err(why) = self.dispatch(now, from, &message) {
            tracing::warn!(%from, ?kind, why, "malformed raft message");
        }
    }

    fn dispatch(&mut self, now: Mono, from: NodeId, message: &Message) -> Result<(), String> {
        match message.kind {
            Kind::Reply => {
                let asked = self.hub.with(|inner| match inner.requests.get(&message.request) {
                    Some((to, _)) if *to == from => inner.requests.remove(&message.request),
                    _ => None,
                });
                if let Some((_, answer)) = asked {
                    // its task may be gone
                    let _ = answer.send(message.body.clone());
                }
                return Ok(());
            }
            Kind::Hello => {
                self.hello(now, from);
                return Ok(());
            }
            Kind::Welcome => return self.welcome(now, from, message),
            Kind::Append | Kind::Vote | Kind::PreVote | Kind::Snapshot => {}
        }
        let Some(raft) = self.raft() else { return Ok(()) };
        let (hub, request) = (self.hub.clone(), message.request);
        // what openraft makes of it is its matter; an error reaches the asker as one
        fn answer<T: serde::Serialize, E: ToString>(request: u64, result: Result<T, E>) -> Bytes {
            Message::encode(Kind::Reply, request, &result.map_err(|error| error.to_string()))
        }
        match message.kind {
            Kind::Append => {
                let rpc: AppendEntriesRequest<Types> = message.read()?;
                self.learn_target(now, &rpc.vote, rpc.leader_commit);
                self.spawn(async move {
                    let result = raft.append_entries(rpc).await;
                    hub.send(from, answer(request, result));
                });
            }
            // somebody who may have forgotten a vote does not give another
            Kind::Vote | Kind::PreVote if self.newcomer.is_some() => {}
            Kind::Vote => {
                let rpc: VoteRequest<Types> = message.read()?;
                self.spawn(async move {
                    let result = raft.vote(rpc).await;
                    hub.send(from, answer(request, result));
                });
            }
            Kind::PreVote => {
                let rpc: VoteRequest<Types> = message.read()?;
                self.spawn(async move {
                    let result = raft.pre_vote(rpc).await;
                    hub.send(from, answer(request, result));
                });
            }
            Kind::Snapshot => {
                let SnapshotRequest { vote, snapshot } = message.read()?;
                let snapshot = Snapshot { meta: snapshot.meta, snapshot: snapshot.state.0 };
                self.spawn(async move {
                    let result = raft.install_full_snapshot(vote, snapshot).await;
                    hub.send(from, answer(request, result));
                });
            }
            Kind::Reply | Kind::Hello | Kind::Welcome => {}
        }
        Ok(())
    }

    /// Reports what has changed.
    fn look(&mut self, now: Mono) {
        let started = match &*self.slot.lock() {
            Some(Err(why)) => Err(why.clone()),
            Some(Ok(raft)) => Ok(Some(raft.clone())),
            None => Ok(None),
        };
        let raft = match started {
            Err(why) => return self.fail(why),
            Ok(raft) => raft,
        };
        let mut view = View::default();
        if let Some(raft) = raft {
            let metrics = raft.metrics();
            let metrics = metrics.borrow_watched();
            if let Err(error) = &metrics.running_state {
                let why = error.to_string();
                drop(metrics);
                return self.fail(why);
            }
            let leads = metrics.state == ServerState::Leader;
            let own_term = |id: super::types::LogId| id.leader_id.term == metrics.current_term;
            let lease = Duration::from_millis(self.config.election_max_ms);
            let heard = metrics.last_quorum_acked.as_ref().is_some_and(|at| (**at + lease).0 > now);
            view = View {
                leader: metrics.current_leader.map(NodeId),
                term: metrics.current_term,
                ready: leads
                    && self.hub.with(|inner| inner.applied).is_some_and(own_term)
                    && (heard || self.members.len() == 1),
            };
        }
        if view != self.view {
            self.view = view;
            let View { leader, term, ready } = view;
            self.emit(RaftOut::Leader { leader, term, ready });
        }
    }
}

impl<S: RaftState> Drop for RaftNode<S> {
    /// Tasks go first: they share the rest.
    fn drop(&mut self) {
        self.executor = None;
    }
}

fn settings(config: &RaftConfig, elect: bool) -> Result<Config, String> {
    let settings = Config {
        cluster_name: "controller".to_owned(),
        heartbeat_interval: config.heartbeat_ms,
        election_timeout_min: config.election_min_ms,
        election_timeout_max: config.election_max_ms,
        install_snapshot_timeout: config.snapshot_timeout_ms,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(config.snapshot_every),
        max_in_snapshot_log_to_keep: config.keep_records,
        replication_lag_threshold: config.snapshot_every.saturating_add(config.keep_records),
        max_payload_entries: 64,
        backoff: "50ms 100ms 200ms ...500ms".to_owned(),
        enable_elect: elect,
        enable_pre_vote: Some(true),
        // a member that lost its disk is filled up again; `standing` keeps it from voting meanwhile
        allow_log_reversion: Some(true),
        // a leader that comes back may have lost what it had not on disk yet, and must not use its term again
        enable_leader_restore: Some(false),
        ..Config::default()
    };
    settings.validate().map_err(|error| error.to_string())
}
