//! Replication of one broker's log: what the role machine asks of it, and what it reports back
//! (`spec/ha.md`, `AutoSwitchHAService`, `DefaultHAService`).
//!
//! In controller mode the role machine decides who is master; this service carries it out: it closes and opens
//! sessions, keeps the epoch file, counts acknowledgements and asks for changes of the in-sync set.

use std::collections::BTreeSet;

/// A replica's number as the controller gave it (1, 2, ...); never the 0 a master has in routes.
pub type ReplicaId = i64;

/// What the role machine tells the service. A command that does not fit (an older epoch) is refused with
/// [`RoleError`] and changes nothing; the same command twice does what it did once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleCommand {
    /// This broker is master of `epoch` now. The log goes on where it ends; `set` must hold `own`.
    BecomeMaster { own: ReplicaId, epoch: i32, set: BTreeSet<ReplicaId>, set_epoch: i32 },
    /// This broker follows `master`. Without an address it waits for [`RoleCommand::MasterHaAddress`].
    BecomeSlave { own: ReplicaId, epoch: i32, master: ReplicaId, master_ha_address: Option<String> },
    /// Where the master takes replicas, `host:port`; a change drops the connection to the old address.
    MasterHaAddress(Option<String>),
    /// The controller's word on the in-sync set: the answer to a proposal, or a poll. An older `set_epoch`
    /// than the installed one is ignored.
    InstallSyncStateSet { set: BTreeSet<ReplicaId>, set_epoch: i32 },
    /// A proposal was refused or got no answer: its outcome is unknown, so its members go on counting until
    /// a newer set is installed (KF-04). Poll the controller for the truth.
    ProposalFailed,
    /// No role any more (the controller is unreachable for longer than the lease): puts are refused,
    /// sessions closed, the log keeps what it has.
    StepDown,
}

/// Why a [`RoleCommand`] was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleError {
    #[error("epoch {given} is older than {own}, the last one of this broker's log")]
    StaleEpoch { own: i32, given: i32 },
    #[error("replica {own} is not in the in-sync set it was made master with: {set:?}")]
    NotInSet { own: ReplicaId, set: BTreeSet<ReplicaId> },
    #[error("replica {0} cannot follow itself")]
    OwnSlave(ReplicaId),
}

/// What the service tells the role machine; drained after every call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HaEvent {
    /// ALTER_SYNC_STATE_SET (1001) with this set, on top of the installed `set_epoch`. One at a time: the next
    /// comes after [`RoleCommand::InstallSyncStateSet`] or [`RoleCommand::ProposalFailed`].
    ProposeSyncStateSet { set: BTreeSet<ReplicaId>, set_epoch: i32 },
    /// The role of `epoch` is in force: the epoch file is on disk, a master takes messages from now on.
    RoleInForce { epoch: i32, master: bool },
    /// The role could not be taken (the epoch file could not be written); ask again.
    RoleFailed { epoch: i32, why: String },
}

/// How far the log is, as a heartbeat to the controller tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Next byte of the log.
    pub max: u64,
    /// Everything below is on every member of the in-sync set.
    pub confirm: u64,
    /// The last epoch of the log; -1 when it has none.
    pub epoch: i32,
}
