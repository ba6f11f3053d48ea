//! Typed headers of the requests and responses served here (`spec/remoting.md` section 12).

pub mod admin;
pub mod client;
pub mod controller;
pub mod message;
pub mod naming;
