//! The remoting transport (`spec/remoting.md`): frames out of bytes, typed headers, replies matched to
//! requests, and the envelope in which a server machine receives and answers requests.
//!
//! Decoding borrows: a [`Frame`] points into the receive buffer (escapes of a JSON header are resolved in
//! place), so a request costs no allocation until a machine decides to keep something of it.

pub mod binary_head;
pub mod code;
pub mod command;
pub mod connection;
pub mod encode;
pub mod ext;
pub mod frame;
pub mod header;
pub mod headers;
pub mod json_head;
pub mod language;
pub mod outbound;
pub mod preface;
pub mod server;

pub use command::Command;
pub use connection::{CallError, Connection};
pub use ext::{Ext, ExtValue};
pub use frame::{Encoding, Frame, FrameError, Head, Limits, Span, Split};
pub use language::Language;
pub use outbound::Outbound;
pub use server::{
    Body, ConnId, Peer, Reply, ReplyTo, STREAM_WINDOW, ServerIn, ServerOut, StreamIn, StreamOut, Target,
};

/// `MQVersion.V5_3_3`, the version this server states in every frame.
pub const VERSION: i32 = 479;
/// `MQVersion.V3_0_11`: registrations of older brokers carry a bare topic table.
pub const V3_0_11: i32 = 37;
/// `MQVersion.V3_4_9`: consumers from here on send their maximum of redeliveries.
pub const V3_4_9: i32 = 121;
/// `MQVersion.V4_9_4`: clients from here on read standard JSON in routes.
pub const V4_9_4: i32 = 401;
/// `MQVersion.V5_0_0`: registrations carry static-topic mappings.
pub const V5_0_0: i32 = 413;
/// `MQVersion.V5_3_1`: clients above it understand GO_AWAY.
pub const V5_3_1: i32 = 475;
