//! A node: listeners, connections and the server machines behind them, as one machine.
//!
//! In go accepted connections, received bytes, outcomes of dials, jobs and saves, and time ([`Input`]); out
//! come dials, announcements that a connection has bytes to send, closes, and work for helper threads
//! ([`Output`]). A frontend drains [`Node::poll`] until it is empty before it sleeps, and sleeps no longer
//! than [`Node::deadline`]. Replies of one turn leave in one vectored write: [`Node::outbound`].

mod brokers;
mod calls;
mod dispatch;
mod input;
mod loops;
mod role;
mod slot;
mod stream;
#[cfg(test)]
mod tests;

pub use brokers::{Opened, broker_listeners, replication_listener};
pub use input::{Input, Output};
pub use role::Role;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use crate::store::Store;
use crate::time::{Mono, Now, earliest};
use crate::wire::{ConnId, Connection, Encoding, Head, Limits, Outbound};
use calls::Calls;
use loops::Loops;
use slot::Slot;

/// Stop reading from a peer that leaves this many bytes unread.
const OUTBOUND_HIGH_BYTES: usize = 4 << 20;
/// Go on reading once it has caught up to this.
const OUTBOUND_LOW_BYTES: usize = 1 << 20;
const IDLE_SCAN_MS: u64 = 10_000;
/// How long a stopped node waits for peers to take their last answers.
const DRAIN_MS: u64 = 1_000;

/// One listening address of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// `ip:port` to bind.
    pub bind: String,
    /// Index of the role it serves.
    pub role: usize,
    /// A broker's fast port.
    pub fast_port: bool,
}

/// What all connections of a node have in common.
#[derive(Clone, Copy, Debug)]
pub struct NodeConfig {
    pub encoding: Encoding,
    pub limits: Limits,
    /// Connections without traffic for this long are closed (`serverChannelMaxIdleTimeSeconds`); 0 keeps them.
    pub idle_ms: u64,
    /// Dials that take longer have failed (`connectTimeoutMillis`).
    pub connect_timeout_ms: u64,
    /// Requests that come while the process stops are answered with `GO_AWAY` (`enableShutdownGracefully`). Without it they
    /// are not answered any more; their connections are about to end.
    pub sends_away: bool,
}

impl Default for NodeConfig {
    fn default() -> Self {
        NodeConfig {
            encoding: Encoding::Json,
            limits: Limits::default(),
            idle_ms: 120_000,
            connect_timeout_ms: 3_000,
            sends_away: false,
        }
    }
}

/// The machine that both frontends drive.
pub struct Node<S: Store> {
    config: NodeConfig,
    roles: Vec<Role<S>>,
    /// One for each role.
    slots: Vec<Slot<S>>,
    /// Roles that come or go.
    changing: usize,
    free_listeners: Vec<usize>,
    /// Brokers of a container in nodes of their own.
    loops: Loops,
    /// Exit status and reason of a process that ends by its own decision.
    failure: Option<(i32, String)>,
    listeners: Vec<Listener>,
    /// Listeners whose connections carry raw bytes.
    stream_listeners: BTreeSet<usize>,
    /// Streams being dialled: role and its token.
    stream_dials: BTreeMap<ConnId, (usize, u64)>,
    conns: HashMap<ConnId, Connection>,
    next_conn: u64,
    calls: Calls,
    outputs: VecDeque<Output<S::Job>>,
    head: Head,
    next_idle_scan: Mono,
    stopping: bool,
    stopped: bool,
    /// Once all roles have stopped: until when answers may still be taken.
    drain_by: Option<Mono>,
    drain_over: bool,
    /// Connections ever closed for a malformed frame, for tests and metrics.
    refused_frames: u64,
    /// Deadlines of dials under way.
    dial_deadlines: BTreeSet<(Mono, ConnId)>,
}

impl<S: Store> Node<S> {
    #[must_use]
    pub fn new(config: NodeConfig, now: Now) -> Self {
        Node {
            config,
            roles: Vec::new(),
            slots: Vec::new(),
            changing: 0,
            free_listeners: Vec::new(),
            loops: Loops::default(),
            failure: None,
            listeners: Vec::new(),
            stream_listeners: BTreeSet::new(),
            stream_dials: BTreeMap::new(),
            conns: HashMap::new(),
            next_conn: 0,
            calls: Calls::default(),
            outputs: VecDeque::new(),
            head: Head::default(),
            next_idle_scan: now.mono.plus_ms(IDLE_SCAN_MS),
            stopping: false,
            stopped: false,
            drain_by: None,
            drain_over: false,
            refused_frames: 0,
            dial_deadlines: BTreeSet::new(),
        }
    }

    /// Adds a server machine and returns its index for [`Node::listen`].
    pub fn add_role(&mut self, role: Role<S>) -> usize {
        self.roles.push(role);
        self.slots.push(Slot::new());
        self.roles.len() - 1
    }

    /// Declares a listening address; the frontend binds [`Node::listeners`] in order.
    pub fn listen(&mut self, listener: Listener) {
        self.listeners.push(listener);
    }

    /// Declares a listening address whose connections carry raw bytes instead of frames (replication).
    pub fn listen_stream(&mut self, listener: Listener) {
        self.stream_listeners.insert(self.listeners.len());
        self.listeners.push(listener);
    }

    #[must_use]
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    #[must_use]
    pub fn roles(&self) -> &[Role<S>] {
        &self.roles
    }

    #[must_use]
    pub fn connections(&self) -> usize {
        self.conns.len()
    }

    /// Why the process ends though nobody asked it to: exit status and reason.
    #[must_use]
    pub fn failure(&self) -> Option<(i32, &str)> {
        self.failure.as_ref().map(|(status, why)| (*status, why.as_str()))
    }

    #[must_use]
    pub fn refused_frames(&self) -> u64 {
        self.refused_frames
    }

    /// The next thing to do; `None` when everything is done for now.
    pub fn poll(&mut self) -> Option<Output<S::Job>> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        let active = self.roles.iter_mut().zip(&mut self.slots).enumerate();
        for (index, (role, slot)) in active.filter(|(_, (_, slot))| slot.is_active()) {
            if let Some(job) = role.poll_job() {
                slot.under_way += 1;
                return Some(Output::Job { role: index, job });
            }
            if let Some((seq, op)) = role.poll_raft_write() {
                return Some(Output::RaftWrite { role: index, seq, op });
            }
        }
        if self.drain_by.is_some() && !self.stopped && (self.drain_over || self.drained()) {
            self.stopped = true;
            return Some(Output::Stopped);
        }
        None
    }

    fn drained(&self) -> bool {
        self.conns.values().all(|conn| conn.outbound.is_empty())
    }

    /// When [`Input::Tick`] is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let due = self.roles.iter().zip(&self.slots).filter(|(_, slot)| slot.is_active());
        let due = due.map(|(role, slot)| earliest(role.deadline(), slot.deadline()));
        let roles = due.fold(None, earliest);
        let dial = self.dial_deadlines.first().map(|entry| entry.0);
        let own = [self.calls.deadline(), dial, self.drain_by.filter(|_| !self.stopped)];
        own.into_iter().fold(earliest(roles, Some(self.next_idle_scan)), earliest)
    }

    /// What the connection has to send, for a vectored write.
    #[must_use]
    pub fn outbound(&self, conn: ConnId) -> Option<&Outbound> {
        self.conns.get(&conn).map(|connection| &connection.outbound)
    }

    /// Reports that the peer took `bytes` bytes. Once all is sent, the next [`Output::Transmit`] announces
    /// new output; until then the frontend goes on by itself when the socket is writable again.
    pub fn sent(&mut self, now: Now, conn: ConnId, bytes: usize) {
        let Some(connection) = self.conns.get_mut(&conn) else {
            return;
        };
        connection.outbound.advance(bytes);
        connection.last_activity = now.mono;
        if connection.outbound.is_empty() {
            connection.transmit_announced = false;
        }
        if connection.stream.is_some() {
            self.stream_sent(now, conn);
            return;
        }
        if connection.reading_paused && connection.outbound.len() <= OUTBOUND_LOW_BYTES {
            connection.reading_paused = false;
            self.outputs.push_back(Output::ResumeReading { conn });
            // Requests that were held back come first.
            self.received(now, conn, &mut []);
        }
        self.settle(now);
    }

    fn allocate(&mut self) -> ConnId {
        self.next_conn += 1;
        ConnId(self.next_conn)
    }
}
