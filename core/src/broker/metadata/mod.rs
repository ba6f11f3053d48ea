//! A set of replicas keeps one set of tables: topics, groups, request modes, consumer and delay offsets, the
//! timer's checkpoint (`docs/decisions/009-metadata-in-failover.md`, `spec/known-failures.md` KF-13, KF-22).
//!
//! A slave of one of our brokers asks for what changed since the last state it has on its own disk, with a
//! request that is answered when something changes ([`serve`]); asking again says that it has the last answer.
//! A master answers an operator, or a producer whose send created a topic, when every such slave in the
//! SyncStateSet has said so. A slave of the reference's broker polls as the reference's slaves do
//! ([`reference`]). Either way an answer is applied as a whole, in one turn ([`bundle`]).

mod bundle;
mod follow;
mod reference;
mod serve;
#[cfg(test)]
mod tests;

pub(super) use follow::Following;
pub(super) use serve::{Served, StoredRecord};

/// Asks one of our brokers for its tables. No request of the reference has this code.
pub(super) const SYNC_METADATA: i32 = 301_001;
