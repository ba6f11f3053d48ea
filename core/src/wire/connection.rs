//! One remoting connection as a machine: partial input, outgoing bytes, calls waiting for answers, idleness.

use bytes::BytesMut;
use core::net::SocketAddr;
use std::collections::HashMap;

use super::{Command, ConnId, Encoding, Limits, Outbound};
use crate::time::Mono;

/// Why a call got no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    #[error("connect to {0} failed")]
    Connect(String),
    /// The host answered that nobody listens there.
    #[error("connect to {0} failed: connection refused")]
    Refused(String),
    #[error("wait response on the channel <{addr}> timeout, {timeout_ms}(ms)")]
    Timeout { addr: String, timeout_ms: u64 },
    #[error("the connection to {0} was closed before the answer came")]
    Closed(String),
}

#[derive(Debug)]
struct Pending {
    token: u64,
    deadline: Mono,
    timeout_ms: u64,
}

/// State of a connection; the node feeds it and drains it.
#[derive(Debug)]
pub struct Connection {
    pub id: ConnId,
    pub peer: SocketAddr,
    /// Index of the listener that accepted it; `None` for one the node dialled.
    pub listener: Option<usize>,
    pub limits: Limits,
    /// Encoding of what this side sends.
    pub encoding: Encoding,
    /// Input of an unfinished frame, or input held back while the peer does not read.
    pub inbound: BytesMut,
    pub outbound: Outbound,
    /// True once the frontend was told that there is something to send.
    pub transmit_announced: bool,
    pub reading_paused: bool,
    /// Still waiting for the bytes that tell frames from a HAProxy header or TLS.
    pub preface_pending: bool,
    pub last_activity: Mono,
    /// Its bytes are no frames and go to this role.
    pub stream: Option<usize>,
    /// Bytes handed to the stream since its role was told that it is drained.
    pub stream_used: usize,
    pending: HashMap<i32, Pending>,
    next_opaque: i32,
}

impl Connection {
    #[must_use]
    pub fn new(id: ConnId, peer: SocketAddr, listener: Option<usize>, encoding: Encoding, now: Mono) -> Self {
        Connection {
            id,
            peer,
            listener,
            limits: Limits::default(),
            encoding,
            inbound: BytesMut::new(),
            outbound: Outbound::default(),
            transmit_announced: false,
            reading_paused: false,
            preface_pending: listener.is_some(),
            last_activity: now,
            stream: None,
            stream_used: 0,
            pending: HashMap::new(),
            next_opaque: 0,
        }
    }

    /// Sends a request and remembers whom its answer is for.
    pub fn call(&mut self, now: Mono, token: u64, mut command: Command, timeout_ms: u64) {
        command.opaque = self.take_opaque();
        let pending = Pending { token, deadline: now.plus_ms(timeout_ms), timeout_ms };
        self.pending.insert(command.opaque, pending);
        self.outbound.push_command(&command, self.encoding);
    }

    /// Sends a request nobody answers.
    pub fn oneway(&mut self, command: Command) {
        let mut command = command.oneway();
        command.opaque = self.take_opaque();
        self.outbound.push_command(&command, self.encoding);
    }

    fn take_opaque(&mut self) -> i32 {
        let opaque = self.next_opaque;
        self.next_opaque = opaque.wrapping_add(1);
        opaque
    }

    /// The token of the call this response answers; `None` for an unknown opaque, which is dropped.
    pub fn answered(&mut self, opaque: i32) -> Option<u64> {
        self.pending.remove(&opaque).map(|pending| pending.token)
    }

    /// Calls whose time is up, the oldest first.
    pub fn expire(&mut self, now: Mono) -> Vec<(u64, CallError)> {
        let mut due: Vec<_> =
            self.pending.extract_if(|_, pending| pending.deadline <= now).map(|(_, p)| p).collect();
        due.sort_unstable_by_key(|pending| pending.token);
        let addr = self.peer.to_string();
        let error = |timeout_ms| CallError::Timeout { addr: addr.clone(), timeout_ms };
        due.into_iter().map(|p| (p.token, error(p.timeout_ms))).collect()
    }

    /// Calls that will never be answered because the connection is gone, the oldest first.
    pub fn abandon(&mut self) -> Vec<(u64, CallError)> {
        let mut tokens: Vec<u64> = self.pending.drain().map(|(_, p)| p.token).collect();
        tokens.sort_unstable();
        let addr = self.peer.to_string();
        tokens.into_iter().map(|token| (token, CallError::Closed(addr.clone()))).collect()
    }
}
