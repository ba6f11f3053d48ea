//! The controller as a pure machine (`spec/controller.md`): it decides which replica of a broker name is master.
//!
//! [`ControllerState`] is replicated by raft and changes only by [`Event`]s; [`Controller`] answers requests,
//! watches heartbeats, and on the leader proposes events. Raft sits beside it: what the machine proposes comes
//! out as [`ControllerOut::Propose`], what became of it goes in as [`ControllerIn::Proposed`], and every call
//! brings the state as applied so far.
//!
//! Promises: an epoch has one master; epochs grow; the master is in the SyncStateSet, and the set holds
//! registered ids only; without `enableElectUncleanMaster` a master comes from the set; while a master holds a
//! lease nobody else is elected. A set without a living master is repaired as soon as somebody is eligible,
//! whatever got lost on the way: elections follow from the state of things, not from events.

mod apply;
mod config_requests;
mod election;
mod event;
mod group;
mod heartbeats;
mod lease;
mod links;
mod liveness;
mod machine;
mod member;
mod metrics;
mod notices;
mod policy;
mod probe;
mod proposals;
mod requests;
mod state;

#[cfg(test)]
mod tests;

pub use apply::Outcome;
pub use event::{
    AlterSyncStateSetEvent, ApplyBrokerIdEvent, CleanBrokerDataEvent, ElectMasterEvent, Event, EventError,
    UpdateBrokerAddressEvent,
};
pub use group::{Group, GroupError};
pub use lease::{LEASE_MS, LEASE_RESERVE_MS};
pub use liveness::BrokerId;
pub use machine::{Controller, ControllerIn, ControllerOut};
pub use member::Member;
pub use metrics::Metrics;
pub use policy::{Ballot, Candidate, Choice, choose};
pub use state::{BrokerSet, ControllerState, Replica, ReplicaInfo, SyncStateInfo};
