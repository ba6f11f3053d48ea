//! The disk of a raft member: what was acknowledged is there after any crash, what was cut stays away, and what
//! is damaged is refused.
//!
//! `SANSMQ_SIM_SEEDS=n` runs so many random lives.

#[path = "raft_disk/damage.rs"]
mod damage;
#[path = "raft_disk/lives.rs"]
mod lives;
#[path = "raft_disk/model.rs"]
mod model;
#[path = "raft_disk/plain.rs"]
mod plain;
