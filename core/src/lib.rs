//! The protocol core of SansMQ: every decision of a RocketMQ 5 NameServer and Broker as pure state
//! machines. Bytes, time and completions come in as values; replies, calls and disk work go out as values.
//! Nothing in this crate opens a socket or a file, reads a clock, starts a thread or draws a random number.
#![forbid(unsafe_code)]

pub mod body;
pub mod broker;
pub mod config;
pub mod container;
pub mod controller;
pub mod ha;
pub mod json;
pub mod message;
pub mod namesrv;
pub mod node;
pub mod planted;
pub mod raft;
pub mod store;
pub mod time;
pub mod timer;
pub mod wire;
