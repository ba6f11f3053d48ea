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

mod replica;
mod role;
mod sessions;
mod status;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use super::settings::Settings;
use crate::config::BrokerRole;
use crate::ha::HaConfig;
use crate::ha::epoch::EpochCache;
use crate::ha::slave::{Slave, SlaveProtocol};
use crate::ha::sync_set::SyncStateSet;
use crate::time::{Mono, Now, earliest};
use crate::wire::ConnId;
use sessions::Session;

/// Which protocol is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Roles by configuration (`DefaultHAService`).
    Classic,
    /// Roles by a controller (`AutoSwitchHAService`).
    Controller,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Controller mode before the first word of the controller, or after [`RoleCommand::StepDown`].
    None,
    /// Waits for a cut of the log that waits for work on files.
    Promoting {
        own: ReplicaId,
        epoch: i32,
        set: BTreeSet<ReplicaId>,
        set_epoch: i32,
    },
    /// Master in everything but name until the epoch file is written.
    Saving {
        epoch: i32,
    },
    Master,
    Slave,
}

/// A replica's way to its master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    None,
    Dialling(u64),
    Open(ConnId),
}

/// The replication service of one broker.
#[derive(Debug)]
pub(super) struct Ha {
    mode: Mode,
    role: Role,
    config: HaConfig,
    /// The epochs of the log while there is no replica machine; it has them while there is.
    epochs: EpochCache,
    sessions: BTreeMap<ConnId, Session>,
    set: Option<SyncStateSet>,
    slave: Option<Slave>,
    link: Link,
    /// Where to cut the log as soon as work on its files is done.
    cut: Option<u64>,
    /// Writes of the epoch file the replica waits for, by token.
    saves: VecDeque<u64>,
    /// The write of the epoch file a new master waits for.
    role_save: Option<u64>,
    events: VecDeque<HaEvent>,
    /// What consumers may see at most, when it was last looked at.
    seen_visible: u64,
}

impl Ha {
    pub fn new(settings: &Settings, epochs: EpochCache) -> Self {
        let controller = settings.broker.enable_controller_mode;
        let role = match settings.store.broker_role {
            _ if controller => Role::None,
            BrokerRole::Slave => Role::Slave,
            BrokerRole::AsyncMaster | BrokerRole::SyncMaster => Role::Master,
        };
        Ha {
            mode: if controller { Mode::Controller } else { Mode::Classic },
            role,
            config: config(settings),
            epochs,
            sessions: BTreeMap::new(),
            set: None,
            slave: None,
            link: Link::None,
            cut: None,
            saves: VecDeque::new(),
            role_save: None,
            events: VecDeque::new(),
            seen_visible: 0,
        }
    }

    /// Whether messages are taken and the services of a master run.
    pub fn is_master(&self) -> bool {
        self.role == Role::Master
    }

    pub fn is_controller_mode(&self) -> bool {
        self.mode == Mode::Controller
    }

    /// Bytes of a live master's log arrive here.
    pub fn follows(&self) -> bool {
        self.slave.as_ref().is_some_and(Slave::is_transferring)
    }

    /// The master was heard of within this time.
    pub fn hears_master(&self, now: Now, ms: u64) -> bool {
        self.slave.as_ref().is_some_and(|slave| slave.has_heard(now, ms))
    }

    /// A replica on the host of `addr` (`host:port`) follows this broker.
    pub fn is_followed_from(&self, addr: &str) -> bool {
        let host = addr.rsplit_once(':').map_or(addr, |(host, _)| host).trim_matches(['[', ']']);
        // A name cannot be told from an address here: any replica counts.
        let ip = host.parse::<core::net::IpAddr>().ok();
        let from = |session: &&Session| ip.is_none_or(|ip| session.addr.ip().to_canonical() == ip);
        self.sessions.values().filter(from).any(|session| session.master.acked().is_some())
    }

    /// A replica said that it has the log up to here.
    #[cfg(test)]
    pub fn replica_reported(&mut self, now: Now, id: ReplicaId, end: u64) {
        self.set.as_mut().unwrap().acked(now.mono, id, 1, end, end, false);
    }

    /// The epochs of the log as they are.
    pub fn epochs(&self) -> &EpochCache {
        self.slave.as_ref().map_or(&self.epochs, Slave::epochs)
    }

    pub fn deadline(&self) -> Option<Mono> {
        let sessions = self.sessions.values().map(Session::deadline).fold(None, earliest);
        let slave = self.slave.as_ref().and_then(Slave::deadline).filter(|_| self.cut.is_none());
        let set = self.set.as_ref().and_then(SyncStateSet::deadline);
        earliest(earliest(sessions, slave), set)
    }

    fn slave_machine(
        &self,
        settings: &Settings,
        id: Option<ReplicaId>,
        now: Now,
        end: u64,
        safe: u64,
    ) -> Slave {
        let protocol = match id {
            None => SlaveProtocol::Classic,
            Some(id) => SlaveProtocol::AutoSwitch {
                id,
                from_last_file: settings.store.sync_from_last_file,
                async_learner: settings.store.async_learner,
            },
        };
        Slave::new(protocol, self.config, self.epochs.clone(), end, safe, now)
    }
}

fn config(settings: &Settings) -> HaConfig {
    let store = &settings.store;
    let ms = |number: i32| u64::try_from(number).unwrap_or(0).max(1);
    let limit = u64::try_from(store.max_ha_transfer_byte_in_second).unwrap_or(0);
    HaConfig {
        heartbeat_ms: ms(store.ha_send_heartbeat_interval),
        housekeeping_ms: ms(store.ha_housekeeping_interval),
        batch: usize::try_from(store.ha_transfer_batch_size).unwrap_or(32 * 1024).max(1),
        bytes_per_second: store.ha_flow_control_enable.then_some(limit),
    }
}
