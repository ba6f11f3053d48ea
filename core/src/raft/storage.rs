//! The log and the replicated state, as openraft wants to see them.

use core::fmt::Debug;
use core::ops::RangeBounds;
use std::io;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use openraft::alias::{SnapshotOf, StoredMembershipOf};
use openraft::entry::RaftEntry;
use openraft::storage::{EntryResponder, IOFlushed, RaftLogStorage, RaftStateMachine};
use openraft::{EntryPayload, LogState, OptionalSend, RaftLogReader, RaftSnapshotBuilder};

use super::RaftState;
use super::hub::{Hub, Waiter};
use super::types::{Blob, Entry, LogId, SnapshotMeta, StoredSnapshot, Types, Vote};
use crate::planted;

pub type Snapshot = SnapshotOf<Types, Bytes>;

/// The log: what was emitted to be written can be read at once.
pub struct Log<S>(pub Hub<S>);

impl<S: RaftState> RaftLogReader<Types> for Log<S> {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry>, io::Error> {
        Ok(self.0.with(|inner| inner.log.range(range).map(|(_, entry)| entry.clone()).collect()))
    }

    /// For replication. A follower whose next record was purged meanwhile gets nothing here, and a snapshot as
    /// soon as it has said where its log ends.
    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        let entries = self.try_get_log_entries(start..end).await?;
        let whole = entries.first().is_some_and(|entry| entry.index() == start);
        Ok(if whole { entries } else { Vec::new() })
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.0.with(|inner| inner.vote))
    }
}

impl<S: RaftState> RaftLogStorage<Types> for Log<S> {
    type LogReader = Log<S>;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, io::Error> {
        Ok(self.0.with(|inner| LogState {
            last_purged_log_id: inner.purged,
            last_log_id: inner.log.values().next_back().map(|entry| entry.log_id).or(inner.purged),
        }))
    }

    async fn get_log_reader(&mut self) -> Log<S> {
        Log(self.0.clone())
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        if planted::is("vote-in-memory") {
            self.0.with(|inner| inner.vote = Some(*vote));
            return Ok(());
        }
        self.0.durably(|inner, waiter| inner.save_vote(*vote, waiter)).await
    }

    /// Readable on return; the callback comes when it is durable.
    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        self.0.with(|inner| inner.append(entries, Waiter::Flushed(callback)));
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        let from = last.map_or(0, |id| id.index() + 1);
        self.0.durably(|inner, waiter| inner.truncate_from(from, waiter)).await
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        self.0.durably(|inner, waiter| inner.purge(upto, waiter)).await
    }
}

/// The replicated state.
pub struct Machine<S>(pub Hub<S>);

impl<S: RaftState> RaftSnapshotBuilder<Types> for Machine<S> {
    type SnapshotData = Bytes;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        let stored = self.0.with(|inner| StoredSnapshot {
            meta: SnapshotMeta { last_log_id: inner.applied, last_membership: inner.membership.clone() },
            state: Blob(inner.state.snapshot()),
        });
        let snapshot = Snapshot { meta: stored.meta.clone(), snapshot: stored.state.0.clone() };
        self.0.durably(|inner, waiter| inner.save_snapshot(stored, waiter)).await?;
        Ok(snapshot)
    }
}

impl<S: RaftState> RaftStateMachine<Types> for Machine<S> {
    type SnapshotData = Bytes;
    type SnapshotBuilder = Machine<S>;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembershipOf<Types>), io::Error> {
        Ok(self.0.with(|inner| (inner.applied, inner.membership.clone())))
    }

    async fn apply<E>(&mut self, mut entries: E) -> Result<(), io::Error>
    where
        E: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            let result = self.0.with(|inner| {
                inner.applied = Some(entry.log_id);
                match &entry.payload {
                    EntryPayload::Blank => Bytes::new(),
                    EntryPayload::Normal(command) => inner.state.apply(entry.index(), &command.0),
                    EntryPayload::Membership(members) => {
                        inner.membership =
                            StoredMembershipOf::<Types>::new(Some(entry.log_id), members.clone());
                        Bytes::new()
                    }
                }
            });
            if let Some(responder) = responder {
                responder.send(Blob(result));
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Machine<S> {
        Machine(self.0.clone())
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, data: Bytes) -> Result<(), io::Error> {
        let stored = StoredSnapshot { meta: meta.clone(), state: Blob(data) };
        // durable first: a crash in between must find the state that the purged log led to
        self.0.durably(|inner, waiter| inner.save_snapshot(stored.clone(), waiter)).await?;
        self.0.with(|inner| {
            inner.state.restore(&stored.state.0).map_err(io::Error::other)?;
            inner.applied = stored.meta.last_log_id;
            inner.membership = stored.meta.last_membership;
            Ok(())
        })
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        let stored = self.0.with(|inner| inner.snapshot.clone());
        Ok(stored.map(|stored| Snapshot { meta: stored.meta, snapshot: stored.state.0 }))
    }
}
