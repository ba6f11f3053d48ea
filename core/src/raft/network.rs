//! Messages between members: one byte of kind, eight of request number (big-endian), then JSON.

use core::future::Future;
use core::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, RaftNetworkFactory, RaftNetworkV2};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::hub::Hub;
use super::runtime::within;
use super::storage::Snapshot;
use super::types::{Blob, StoredSnapshot, Types, Vote};
use super::{NodeId, RaftState};

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Reply = 0,
    Append = 1,
    Vote = 2,
    PreVote = 3,
    Snapshot = 4,
    /// A new member asks the others what they are; see `standing`.
    Hello = 5,
    /// The answer to it.
    Welcome = 6,
}

/// A message in its envelope.
#[derive(Debug)]
pub struct Message {
    pub kind: Kind,
    pub request: u64,
    pub body: Bytes,
}

const HEAD_BYTES: usize = 9;

impl Message {
    /// `None` for what no member has sent.
    pub fn parse(mut data: Bytes) -> Option<Message> {
        if data.len() < HEAD_BYTES {
            return None;
        }
        let head = data.split_to(HEAD_BYTES);
        let kind = match head[0] {
            0 => Kind::Reply,
            1 => Kind::Append,
            2 => Kind::Vote,
            3 => Kind::PreVote,
            4 => Kind::Snapshot,
            5 => Kind::Hello,
            6 => Kind::Welcome,
            _ => return None,
        };
        let request = head[1..].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        Some(Message { kind, request, body: data })
    }

    pub fn read<T: DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_slice(&self.body).map_err(|error| error.to_string())
    }

    pub fn encode<T: Serialize>(kind: Kind, request: u64, body: &T) -> Bytes {
        let mut data = BytesMut::new();
        data.put_u8(kind as u8);
        data.put_u64(request);
        let mut writer = data.writer();
        // see `types::encode`
        let _ = serde_json::to_writer(&mut writer, body);
        writer.into_inner().freeze()
    }
}

/// A snapshot on its way to a follower.
#[derive(Serialize, serde::Deserialize)]
pub struct SnapshotRequest {
    pub vote: Vote,
    pub snapshot: StoredSnapshot,
}

/// Makes the way to another member.
pub struct Network<S> {
    pub hub: Hub<S>,
    pub request_timeout: Duration,
    pub snapshot_timeout: Duration,
}

/// The way to one other member.
pub struct Way<S> {
    hub: Hub<S>,
    to: NodeId,
    request_timeout: Duration,
    snapshot_timeout: Duration,
}

impl<S: RaftState> RaftNetworkFactory<Types> for Network<S> {
    type Network = Way<S>;

    async fn new_client(&mut self, target: u64, _: &openraft::EmptyNode) -> Way<S> {
        Way {
            hub: self.hub.clone(),
            to: NodeId(target),
            request_timeout: self.request_timeout,
            snapshot_timeout: self.snapshot_timeout,
        }
    }
}

/// Forgets a request that is no longer waited for, also when its task is dropped.
struct Pending<S: RaftState>(Hub<S>, u64);

impl<S: RaftState> Drop for Pending<S> {
    fn drop(&mut self) {
        let gone = self.0.with(|inner| inner.requests.remove(&self.1));
        drop(gone);
    }
}

impl<S: RaftState> Way<S> {
    async fn call<Q: Serialize, A: DeserializeOwned>(
        &self,
        kind: Kind,
        question: &Q,
        timeout: Duration,
    ) -> Result<A, Unreachable<Types>> {
        let (request, answer) = self.hub.with(|inner| inner.request(self.to));
        let _pending = Pending(self.hub.clone(), request);
        self.hub.send(self.to, Message::encode(kind, request, question));
        match within(timeout, answer).await {
            Ok(Ok(body)) => serde_json::from_slice::<Result<A, String>>(&body)
                .map_err(|error| Unreachable::from_string(error.to_string()))?
                .map_err(Unreachable::from_string),
            _ => Err(Unreachable::from_string("no answer in time")),
        }
    }
}

impl<S: RaftState> RaftNetworkV2<Types> for Way<S> {
    type SnapshotData = Bytes;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        // openraft offers one heartbeat interval, which a slow disk may well exceed
        let timeout = option.hard_ttl().max(self.request_timeout);
        Ok(self.call(Kind::Append, &rpc, timeout).await?)
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        Ok(self.call(Kind::Vote, &rpc, option.hard_ttl()).await?)
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        Ok(self.call(Kind::PreVote, &rpc, option.hard_ttl()).await?)
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        _cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let snapshot = StoredSnapshot { meta: snapshot.meta, state: Blob(snapshot.snapshot) };
        let question = SnapshotRequest { vote, snapshot };
        Ok(self.call(Kind::Snapshot, &question, self.snapshot_timeout).await?)
    }
}
