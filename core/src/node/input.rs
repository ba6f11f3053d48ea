//! The node's vocabulary.

use bytes::Bytes;
use core::net::SocketAddr;

use super::NodeConfig;
use crate::container::{BrokerFile, StartError};
use crate::raft::RaftWrite;
use crate::wire::ConnId;

/// What a frontend tells a node. `D` is the store's finished job.
#[derive(Debug)]
pub enum Input<'a, D> {
    /// The deadline has come.
    Tick,
    /// Bytes from a peer; escapes in JSON headers are resolved in place.
    Received { conn: ConnId, data: &'a mut [u8] },
    /// The connection asked for by [`Output::Dial`] stands.
    Dialled { conn: ConnId, peer: SocketAddr },
    /// It does not; `refused` if the host answered that nobody listens there.
    DialFailed { conn: ConnId, refused: bool, error: String },
    /// The peer closed, or reading or writing failed.
    Closed { conn: ConnId },
    /// A job of this role's store is done.
    JobDone { role: usize, done: D },
    /// A file of this role is on disk, or is not.
    Saved { role: usize, token: u64, result: Result<(), String> },
    /// The file this role asked for.
    FileRead { role: usize, result: Result<String, String> },
    /// Whether an address could be bound; connections come through [`super::Node::accept`] from now on.
    Listening { listener: usize, result: Result<(), String> },
    /// The store of a broker that is gone is closed.
    StoreClosed { role: usize },
    /// The broker of [`Output::StartLoop`] serves, or its thread has ended without having got that far.
    LoopStarted { id: usize, result: Result<(), StartError> },
    /// A loop that had started is gone, with its sockets, files and threads; why, if nobody asked it to.
    LoopEnded { id: usize, why: Option<String> },
    /// The node on a loop has said [`Output::Elected`].
    LoopElected { id: usize, broker_id: i64 },
    /// All writes of this role's raft log up to and including this one are durable, or this one failed and
    /// later ones were not tried.
    RaftWritten { role: usize, seq: u64, result: Result<(), String> },
    /// Stop in order: unregister, flush, close; [`Output::Stopped`] follows.
    Shutdown,
}

/// What a node asks of its frontend. `J` is the store's job.
#[derive(Debug)]
pub enum Output<J> {
    /// Connect to `host:port`; answer with [`Input::Dialled`] or [`Input::DialFailed`].
    Dial {
        conn: ConnId,
        addr: String,
    },
    /// The connection has output.
    Transmit {
        conn: ConnId,
    },
    /// Close the socket; no [`Input::Closed`] is expected.
    Close {
        conn: ConnId,
    },
    /// The peer does not read its answers: stop reading its requests.
    PauseReading {
        conn: ConnId,
    },
    ResumeReading {
        conn: ConnId,
    },
    /// Blocking work for a helper thread; answer with [`Input::JobDone`].
    Job {
        role: usize,
        job: J,
    },
    /// Replace a file atomically on a helper thread, in order; answer with [`Input::Saved`].
    Save {
        role: usize,
        token: u64,
        path: String,
        data: Bytes,
    },
    /// Read a text file on a helper thread; answer with [`Input::FileRead`].
    ReadFile {
        role: usize,
        path: String,
    },
    /// Open the files of a broker on a helper thread; answer through [`super::Node::broker_opened`].
    OpenBroker {
        role: usize,
        file: Box<BrokerFile>,
        canonical: String,
    },
    /// Close the store that [`super::Node::take_store`] gives away, behind all jobs of this role; answer with
    /// [`Input::StoreClosed`].
    CloseStore {
        role: usize,
    },
    /// Bind `ip:port` for this listener; answer with [`Input::Listening`].
    Listen {
        listener: usize,
        bind: String,
    },
    /// Close this listener's socket.
    Unlisten {
        listener: usize,
    },
    /// Start a thread with a loop and a node of its own, and in it this broker; answer with [`Input::LoopStarted`], and,
    /// after a success, some day with [`Input::LoopEnded`].
    StartLoop {
        id: usize,
        file: Box<BrokerFile>,
        canonical: String,
        config: NodeConfig,
    },
    /// Give the node on a loop [`Input::Shutdown`].
    StopLoop {
        id: usize,
    },
    /// A controller gave the broker of a watched role this id.
    Elected {
        role: usize,
        id: i64,
    },
    /// A line for the console.
    Say {
        line: String,
        is_error: bool,
    },
    /// Write to this role's raft log on a helper thread, in order; answer with [`Input::RaftWritten`], one
    /// answer for as many as were made durable together.
    RaftWrite {
        role: usize,
        seq: u64,
        op: RaftWrite,
    },
    /// The shutdown is complete.
    Stopped,
}
