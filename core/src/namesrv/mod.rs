//! The NameServer as a pure machine (`spec/namesrv.md`).
//!
//! In: requests, closed connections and ticks ([`ServerIn`](crate::wire::ServerIn)). Out: replies, one-way notifications to brokers,
//! connections to close and files to save
//! ([`ServerOut`](crate::wire::ServerOut)). [`Tables`] hold what brokers registered; each
//! submodule is one concern of theirs, as plain functions; `dispatch` maps request codes onto them.
//!
//! Promises: an entry of the topic table always names a known broker; a broker that is known has an address;
//! an unregistration never removes what was registered over a newer connection; when a connection closes,
//! every broker registered over it leaves at once.

mod config_requests;
mod dispatch;
mod kv;
mod liveness;
mod machine;
mod notify;
mod register;
mod register_body;
mod route;
mod tables;
mod topics;
mod unregister;

#[cfg(test)]
mod tests;

pub use kv::{KvConfig, ORDER_TOPIC_CONFIG};
pub use machine::Namesrv;
pub use notify::MinIdNotice;
pub use register::{Policy, Registered, Registration};
pub use register_body::{BodyError, MAX_INFLATED, decode_body};
pub use route::RouteOptions;
pub use tables::{BrokerKey, Live, Tables};
