//! What the tasks of a member share: the log as far as it is known, the replicated state, and the queues of
//! what goes out and of what is waited for.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_channel::oneshot;
use openraft::alias::StoredMembershipOf;
use openraft::entry::RaftEntry;
use openraft::storage::IOFlushed;

use super::runtime::Shared;
use super::types::{self, Entry, LogId, StoredSnapshot, StoredVote, Types, Vote};
use super::{LogRecord, NodeId, RaftImage, RaftOut, RaftState, RaftWrite};

/// Who waits for a write.
pub enum Waiter {
    Flushed(IOFlushed<Types>),
    Task(oneshot::Sender<()>),
    Nobody,
}

/// The shared part of a member.
pub struct Inner<S> {
    pub vote: Option<Vote>,
    /// See [`StoredVote::voter`].
    pub voter: bool,
    pub log: BTreeMap<u64, Entry>,
    pub purged: Option<LogId>,
    pub snapshot: Option<StoredSnapshot>,
    pub state: S,
    pub applied: Option<LogId>,
    pub membership: StoredMembershipOf<Types>,
    pub outputs: VecDeque<RaftOut>,
    write_seq: u64,
    writes: BTreeMap<u64, Waiter>,
    request_seq: u64,
    pub requests: BTreeMap<u64, (NodeId, oneshot::Sender<Bytes>)>,
}

/// Shared by the tasks of a member and its owner.
pub struct Hub<S>(Arc<Shared<Inner<S>>>);

impl<S> Clone for Hub<S> {
    fn clone(&self) -> Self {
        Hub(self.0.clone())
    }
}

/// Why a member cannot be started from what the disk holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    #[error("the stored vote cannot be read: {0}")]
    Vote(String),
    #[error("the stored purge mark cannot be read: {0}")]
    Purged(String),
    #[error("record {index} of the log cannot be read: {why}")]
    Record { index: u64, why: String },
    #[error("record {index} of the log holds entry {found}")]
    Misplaced { index: u64, found: u64 },
    #[error("record {expected} of the log is missing; the next one is {found}")]
    Gap { expected: u64, found: u64 },
    #[error("the stored snapshot cannot be read: {0}")]
    Snapshot(String),
}

impl<S: RaftState> Inner<S> {
    /// # Errors
    /// Something in the image does not parse or does not fit together.
    pub fn load(mut state: S, image: RaftImage) -> Result<Self, ImageError> {
        fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
            serde_json::from_slice(bytes).map_err(|error| error.to_string())
        }
        let vote: Option<StoredVote> =
            image.vote.as_deref().map(read).transpose().map_err(ImageError::Vote)?;
        let purged: Option<LogId> =
            image.purged.as_deref().map(read).transpose().map_err(ImageError::Purged)?;
        let snapshot: Option<StoredSnapshot> =
            image.snapshot.as_deref().map(read).transpose().map_err(ImageError::Snapshot)?;
        let mut expected = purged.map(|id| id.index() + 1);
        let mut log = BTreeMap::new();
        for record in image.log {
            let index = record.index;
            let entry: Entry = read(&record.data).map_err(|why| ImageError::Record { index, why })?;
            if entry.index() != index {
                return Err(ImageError::Misplaced { index, found: entry.index() });
            }
            let wanted = expected.unwrap_or(0);
            if wanted != index {
                return Err(ImageError::Gap { expected: wanted, found: index });
            }
            expected = Some(index + 1);
            log.insert(index, entry);
        }
        let (mut applied, mut membership) = (None, StoredMembershipOf::<Types>::default());
        if let Some(stored) = &snapshot {
            state.restore(&stored.state.0).map_err(|error| ImageError::Snapshot(error.to_string()))?;
            applied = stored.meta.last_log_id;
            membership = stored.meta.last_membership.clone();
        }
        let snapshot_end = applied.map(|id| id.index());
        if let Some(purged) = purged.filter(|id| Some(id.index()) > snapshot_end) {
            let why =
                format!("the log begins behind record {} and no snapshot reaches there", purged.index());
            return Err(ImageError::Snapshot(why));
        }
        Ok(Inner {
            voter: vote.as_ref().is_some_and(|stored| stored.voter),
            vote: vote.map(|stored| stored.vote),
            log,
            purged,
            snapshot,
            state,
            applied,
            membership,
            outputs: VecDeque::new(),
            write_seq: 0,
            writes: BTreeMap::new(),
            request_seq: 0,
            requests: BTreeMap::new(),
        })
    }

    fn write(&mut self, op: RaftWrite, waiter: Waiter) {
        self.write_seq += 1;
        self.writes.insert(self.write_seq, waiter);
        self.outputs.push_back(RaftOut::Persist { seq: self.write_seq, op });
    }

    /// Writes done, in order.
    pub fn written(&mut self, upto: u64) -> Vec<Waiter> {
        let rest = self.writes.split_off(&upto.saturating_add(1));
        core::mem::replace(&mut self.writes, rest).into_values().collect()
    }

    pub fn save_vote(&mut self, vote: Vote, waiter: Waiter) {
        self.vote = Some(vote);
        let stored = StoredVote { vote, voter: self.voter };
        self.write(RaftWrite::Vote(types::encode(&stored)), waiter);
    }

    /// From now on this member may vote; said on disk with the vote, if there is one yet.
    pub fn admit(&mut self) {
        self.voter = true;
        if let Some(vote) = self.vote {
            self.save_vote(vote, Waiter::Nobody);
        }
    }

    pub fn append(&mut self, entries: impl IntoIterator<Item = Entry>, waiter: Waiter) {
        let mut records = Vec::new();
        for entry in entries {
            records.push(LogRecord { index: entry.index(), data: types::encode(&entry) });
            self.log.insert(entry.index(), entry);
        }
        self.write(RaftWrite::Append(records), waiter);
    }

    pub fn truncate_from(&mut self, index: u64, waiter: Waiter) {
        self.log.split_off(&index);
        self.write(RaftWrite::TruncateFrom(index), waiter);
    }

    pub fn purge(&mut self, upto: LogId, waiter: Waiter) {
        self.log = self.log.split_off(&(upto.index() + 1));
        self.purged = Some(upto);
        self.write(RaftWrite::Purge { upto: upto.index(), mark: types::encode(&upto) }, waiter);
    }

    pub fn save_snapshot(&mut self, snapshot: StoredSnapshot, waiter: Waiter) {
        self.write(RaftWrite::Snapshot(types::encode(&snapshot)), waiter);
        self.snapshot = Some(snapshot);
    }

    /// Registers a request to another member; the answer comes through the receiver.
    pub fn request(&mut self, to: NodeId) -> (u64, oneshot::Receiver<Bytes>) {
        let (sender, receiver) = oneshot::channel();
        self.request_seq += 1;
        self.requests.insert(self.request_seq, (to, sender));
        (self.request_seq, receiver)
    }
}

impl<S: RaftState> Hub<S> {
    pub fn new(inner: Inner<S>) -> Self {
        Hub(Arc::new(Shared::new(inner)))
    }

    pub fn with<R>(&self, act: impl FnOnce(&mut Inner<S>) -> R) -> R {
        act(&mut self.0.lock())
    }

    pub fn lock(&self) -> std::sync::MutexGuard<'_, Inner<S>> {
        self.0.lock()
    }

    /// Emits a write and waits until it is durable.
    pub async fn durably(&self, act: impl FnOnce(&mut Inner<S>, Waiter)) -> io::Result<()> {
        let (sender, receiver) = oneshot::channel();
        self.with(|inner| act(inner, Waiter::Task(sender)));
        receiver.await.map_err(io::Error::other)
    }

    pub fn send(&self, to: NodeId, data: Bytes) {
        self.with(|inner| inner.outputs.push_back(RaftOut::Send { to, data }));
    }
}
