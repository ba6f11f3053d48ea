//! One member of a raft group as a machine: messages, finished writes, proposals and time go in; messages,
//! writes, results and news about the leader come out. It follows `handle`, `poll` and `deadline` like every
//! other machine of this crate.
//!
//! A [`RaftOut::Persist`] comes before every [`RaftOut::Send`] that depends on it; such a message is held back
//! inside until [`RaftIn::Persisted`] has answered, so the driver may send at once whatever it gets.

mod config;
mod hub;
mod network;
mod node;
mod runtime;
mod standing;
mod state;
mod storage;
#[cfg(test)]
mod tests;
mod types;

pub use config::{Peers, PeersError, RaftConfig};
pub use hub::ImageError;
pub use node::{RaftNode, StartError, StateRef};
pub use state::{RaftState, RestoreError};

use bytes::Bytes;
use core::fmt;

/// A member of the group: `n0`, `n1`, ... (`controllerDLegerSelfId`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

/// What a member is told.
#[derive(Debug)]
pub enum RaftIn {
    /// Its deadline has come.
    Tick,
    /// A message from another member, as that one's [`RaftOut::Send`] had it.
    Message { from: NodeId, data: Bytes },
    /// All writes up to and including this one are durable, or this one failed and later ones were not tried.
    /// A failed write ends the member's work until it is started again from what the disk holds.
    Persisted { seq: u64, result: Result<(), String> },
    /// A command for the log; answered by [`RaftOut::Proposed`] with the same token. An empty one asks whether this
    /// member leads at a moment after now, and writes nothing.
    Propose { token: u64, command: Bytes },
}

/// What a member asks for.
#[derive(Debug)]
pub enum RaftOut {
    /// A message to another member; it may be lost, repeated or overtaken.
    Send { to: NodeId, data: Bytes },
    /// A write to make durable; writes are done in the order of their numbers.
    Persist { seq: u64, op: RaftWrite },
    /// The outcome of a proposal: what [`RaftState::apply`] returned.
    Proposed { token: u64, result: Result<Bytes, ProposeError> },
    /// The leader, the term or this member's readiness changed. `ready`: this member leads and an entry of its
    /// own term is committed, so that its state holds everything acknowledged before.
    Leader { leader: Option<NodeId>, term: u64, ready: bool },
    /// A write failed or the log contradicts itself: this member takes no part any more.
    Failed { why: String },
}

/// A record of the log: its index and its content, opaque to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    pub index: u64,
    pub data: Bytes,
}

/// Something to make durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RaftWrite {
    /// Replaces the vote (term and candidate).
    Vote(Bytes),
    /// Adds records behind the last one; indexes are consecutive.
    Append(Vec<LogRecord>),
    /// Removes the records from this index on.
    TruncateFrom(u64),
    /// Removes the records up to and including `upto`; `mark` replaces the mark of the last purge. An empty log
    /// goes on behind `upto`.
    Purge { upto: u64, mark: Bytes },
    /// Replaces the snapshot.
    Snapshot(Bytes),
}

/// What the disk holds of a member when it starts; all empty for a new one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RaftImage {
    pub vote: Option<Bytes>,
    /// `mark` of the last [`RaftWrite::Purge`].
    pub purged: Option<Bytes>,
    /// In order, without gaps.
    pub log: Vec<LogRecord>,
    pub snapshot: Option<Bytes>,
}

/// Why a proposal has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// Certainly not in the log.
    #[error("this member does not lead the group")]
    NotLeader { leader: Option<NodeId> },
    /// Too many proposals wait already; certainly not in the log.
    #[error("too many proposals wait for the group")]
    Busy,
    /// The command is longer than the limit; certainly not in the log.
    #[error("a command of {bytes} bytes is longer than {limit}")]
    TooLong { bytes: usize, limit: usize },
    /// Leadership was lost while it waited: it may or may not take effect.
    #[error("the leader changed before the command was committed")]
    Unknown,
    /// The member has failed or is being stopped; it may or may not take effect.
    #[error("this member of the group has stopped")]
    Stopped,
}
