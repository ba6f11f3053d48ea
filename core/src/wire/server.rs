//! The envelope of a server machine: what a NameServer or Broker receives and what it asks for.

use bytes::Bytes;
use core::net::SocketAddr;
use std::borrow::Cow;

use super::{CallError, Command, Ext, Frame, code};

/// A connection of the node, accepted or dialled; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// Who sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    pub conn: ConnId,
    pub addr: SocketAddr,
    /// It came in on a broker's fast port (`listenPort - 2`), which does not serve long-polling requests.
    pub fast_port: bool,
}

/// Where the answer to a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyTo {
    pub conn: ConnId,
    pub opaque: i32,
    /// Nothing at all is answered to a one-way request.
    pub oneway: bool,
}

impl ReplyTo {
    #[must_use]
    pub fn new(conn: ConnId, frame: &Frame<'_>) -> Self {
        ReplyTo { conn, opaque: frame.opaque(), oneway: frame.is_oneway() }
    }
}

/// The body of a reply: nothing, one piece, or slices of the log.
#[derive(Clone, Debug, Default)]
pub enum Body {
    #[default]
    Empty,
    One(Bytes),
    Many(Vec<Bytes>),
}

impl Body {
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Body::Empty => 0,
            Body::One(bytes) => bytes.len(),
            Body::Many(parts) => parts.iter().map(Bytes::len).sum(),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Body::One(bytes.into())
    }
}

/// A response before it has a connection and an opaque.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// A response code ([`code::response`]).
    pub code: i32,
    pub remark: Option<Cow<'static, str>>,
    /// `None` leaves `extFields` out, as a response without typed header does.
    pub ext: Option<Ext>,
    pub body: Body,
}

impl Reply {
    /// Code 0 with neither remark, header nor body.
    #[must_use]
    pub fn success() -> Self {
        Reply::default()
    }

    /// An answer that says no, with the reference's words.
    #[must_use]
    pub fn error(code: i32, remark: impl Into<Cow<'static, str>>) -> Self {
        Reply { code, remark: Some(remark.into()), ..Reply::default() }
    }

    /// The answer to a request code nobody serves (`spec/remoting.md` section 6; the leading blank is theirs).
    #[must_use]
    pub fn not_supported(request_code: i32) -> Self {
        Reply::error(
            code::response::REQUEST_CODE_NOT_SUPPORTED,
            format!(" request type {request_code} not supported"),
        )
    }

    #[must_use]
    pub fn with_ext(mut self, ext: Ext) -> Self {
        self.ext = Some(ext);
        self
    }

    #[must_use]
    pub fn with_body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    #[must_use]
    pub fn with_remark(mut self, remark: impl Into<Cow<'static, str>>) -> Self {
        self.remark = Some(remark.into());
        self
    }
}

/// Whom a server machine talks to on its own account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A client that is connected.
    Conn(ConnId),
    /// Another server, `host:port`; the node dials it when there is no connection yet.
    Addr(String),
}

/// What a server machine is told.
#[derive(Debug)]
pub enum ServerIn<'a> {
    /// Its deadline has come.
    Tick,
    /// A request on one of its listeners.
    Request { peer: Peer, frame: Frame<'a> },
    /// The outcome of a [`ServerOut::Call`].
    Answer { token: u64, result: Result<Command, CallError> },
    /// A connection it may know is gone.
    Closed(ConnId),
    /// The connection to another server, `host:port`, broke or could not be made.
    Lost(String),
    /// The outcome of a [`ServerOut::Save`].
    Saved { token: u64, result: Result<(), String> },
    /// News of a connection whose bytes are no frames.
    Stream(StreamIn<'a>),
}

/// What becomes of a connection of raw bytes; its end is [`ServerIn::Closed`].
#[derive(Debug)]
pub enum StreamIn<'a> {
    /// One was accepted, or with a token, the one asked for by [`StreamOut::Connect`] stands.
    Opened {
        conn: ConnId,
        addr: SocketAddr,
        token: Option<u64>,
    },
    /// It could not be made.
    Failed {
        token: u64,
    },
    Bytes {
        conn: ConnId,
        data: &'a [u8],
    },
    /// The peer has taken most of what was sent; told once after more than [`STREAM_WINDOW`] bytes were handed
    /// over since the last time, so a sender that counts needs to queue no more than that.
    Drained(ConnId),
}

/// Bytes that may be handed to a stream before its [`StreamIn::Drained`] has to be waited for.
pub const STREAM_WINDOW: usize = 1 << 20;

/// What a server machine asks of a connection of raw bytes; [`ServerOut::Close`] ends it.
#[derive(Debug)]
pub enum StreamOut {
    /// Connect to `host:port`.
    Connect { token: u64, addr: String },
    /// Two pieces, either of which may be empty, sent without being copied when they are large.
    Send { conn: ConnId, head: Bytes, body: Bytes },
}

/// What a server machine asks for.
#[derive(Debug)]
pub enum ServerOut {
    Reply {
        to: ReplyTo,
        reply: Reply,
    },
    /// A request that wants an answer: comes back as [`ServerIn::Answer`] with the same token.
    Call {
        to: Target,
        token: u64,
        command: Command,
        timeout_ms: u64,
    },
    Oneway {
        to: Target,
        command: Command,
    },
    Close(ConnId),
    /// Gives the connection to another server, `host:port`, up; the next thing sent there dials anew.
    HangUp(String),
    Stream(StreamOut),
    /// Replaces a small file atomically, keeping the previous content as `<path>.bak`.
    Save {
        token: u64,
        path: String,
        data: Bytes,
    },
}
