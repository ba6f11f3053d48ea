//! What a broker in controller mode has to do with its controllers (`ReplicasManager`; `spec/controller.md`
//! section 7): find the leader, get an id, register, tell that it lives, learn who is master, ask for
//! elections and changes of the SyncStateSet, and know at every moment on what terms it may acknowledge.
//!
//! Everything is driven by level: after each input [`Replicas`] compares what it knows with what should be
//! and does the next step, so a lost answer, notice or connection delays things but loses nothing. The epoch of
//! a role is adopted after the broker has taken the role, and a role that could not be taken is tried again
//! (`spec/known-failures.md` KF-32).

mod answers;
mod controllers;
mod flow;
mod identity;
mod lease;
mod protocol;
mod sets;
#[cfg(test)]
pub(super) mod tests;

pub use identity::{Application, Identity, IdentityError, check_names};
pub use protocol::{Election, LogPosition, RoleChanged, SyncStateSetBody};

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::SplitMix;
use crate::planted;
use crate::time::{Mono, Now, earliest};
use crate::wire::{CallError, Command};
use controllers::Controllers;
use lease::Lease;
use protocol::Names;
use sets::Sets;

/// How a broker takes part.
#[derive(Clone, Debug)]
pub struct Setup {
    pub cluster: String,
    pub broker: String,
    /// `brokerIP1:listenPort`.
    pub address: String,
    /// `controllerAddr`, split at `;`.
    pub controllers: Vec<String>,
    /// From `brokerIdentity`.
    pub identity: Option<Identity>,
    /// From `brokerIdentity-temp`.
    pub application: Option<Application>,
    /// `brokerHeartbeatInterval`.
    pub heartbeat_ms: u64,
    /// `sendHeartbeatTimeoutMillis`.
    pub heartbeat_wait_ms: u64,
    /// `controllerHeartBeatTimeoutMills`: the controller waits this long before it takes silence for death.
    pub heartbeat_timeout_ms: u64,
    /// `syncControllerMetadataPeriod`.
    pub refresh_ms: u64,
    /// `brokerElectionPriority`.
    pub priority: i32,
    /// Spreads attempts of brokers that were started together.
    pub seed: u64,
}

/// What the machine is told.
#[derive(Debug)]
pub enum In {
    Tick,
    /// The outcome of an [`Out::Call`].
    Answer {
        token: u64,
        result: Result<Command, CallError>,
    },
    /// The connection to this address broke.
    Lost(String),
    /// A controller told of an election (1008).
    Notified(Election),
    /// The outcome of an [`Out::Save`].
    Saved {
        token: u64,
        result: Result<(), String>,
    },
    /// The outcome of an [`Out::Become`].
    Became {
        epoch: i32,
        result: Result<(), String>,
    },
    /// The replication service wants the SyncStateSet to be this.
    Want {
        set: BTreeSet<i64>,
        set_epoch: i32,
    },
    /// Another master may have been elected: a replica of the set has left.
    Doubt,
}

/// Which of the two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityFile {
    Identity,
    Application,
}

/// A role, and the election it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    pub epoch: i32,
    /// Id of the master.
    pub master: i64,
    /// `host:port` clients use.
    pub master_address: String,
    /// This broker's own id.
    pub own: i64,
    pub set_epoch: i32,
    pub set: BTreeSet<i64>,
}

impl Assignment {
    #[must_use]
    pub fn is_master(&self) -> bool {
        self.master == self.own
    }
}

/// What the machine asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Out {
    Call {
        to: String,
        token: u64,
        command: Command,
        timeout_ms: u64,
    },
    /// Replaces a file durably; empty content for one that is done with.
    Save {
        token: u64,
        file: IdentityFile,
        content: String,
    },
    /// Take this role; answer with [`In::Became`].
    Become(Assignment),
    /// The controller has installed another SyncStateSet under the current mastership; `effective` is whose
    /// acknowledgements are needed.
    SetChanged {
        set_epoch: i32,
        set: BTreeSet<i64>,
        effective: BTreeSet<i64>,
    },
    /// What was wanted with [`In::Want`] was refused, or its outcome is unknown; ask again if still wanted.
    ProposalFailed,
}

/// On what terms a master may acknowledge now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// As configured.
    Configured,
    /// Only what every member of [`Replicas::effective_set`] has.
    AllMembers,
    /// Not at all.
    Refused,
}

/// How far a broker has come (`ReplicasManager.State`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// No leader was found yet.
    Initial,
    /// A leader is known; the id is not, or not registered.
    FirstTimeSyncControllerMetadataDone,
    RegisterToControllerDone,
    /// In a role.
    Running,
}

/// What an answer will be for.
#[derive(Clone, Debug)]
enum Asked {
    Discover,
    NextId,
    Apply,
    Register,
    Elect,
    /// With the round it belongs to.
    Heartbeat(u64),
    Info(u64),
    Settings,
    Alter(BTreeSet<i64>),
}

#[derive(Clone, Debug)]
struct Pending {
    to: String,
    asked: Asked,
}

/// The machine.
#[derive(Debug)]
pub struct Replicas {
    names: Names,
    heartbeat_ms: u64,
    heartbeat_wait_ms: u64,
    heartbeat_timeout_ms: u64,
    priority: i32,
    controllers: Controllers,
    identity: Option<Identity>,
    application: Option<Application>,
    /// The application is on disk.
    application_saved: bool,
    /// Tokens of saves under way.
    saving: BTreeMap<u64, IdentityFile>,
    registered: bool,
    /// The controller does not know the id any more: it has to be applied for again.
    forgotten: bool,
    /// The present leader has answered a heartbeat.
    heard: bool,
    /// The newest election heard of.
    known: Election,
    /// The role the broker is in.
    adopted: Option<Assignment>,
    adopting: Option<Assignment>,
    sets: Sets,
    lease: Lease,
    log: LogPosition,
    calls: BTreeMap<u64, Pending>,
    /// Heartbeats to the leader that may yet renew the lease, and when they were sent.
    rounds: BTreeMap<u64, Mono>,
    next_token: u64,
    /// The one step towards running, or the one election, under way.
    step: Option<u64>,
    step_due: Mono,
    role_due: Mono,
    altering: Option<u64>,
    alter_due: Mono,
    beat_due: Mono,
    random: SplitMix,
    out: VecDeque<Out>,
}

impl Replicas {
    /// A broker that knows its controllers and nothing else.
    ///
    /// # Errors
    /// The names cannot stand in the identity files, or the files found are another broker's.
    pub fn new(setup: Setup, now: Now) -> Result<Self, IdentityError> {
        check_names(&setup.cluster, &setup.broker)?;
        if let Some(identity) = &setup.identity {
            identity.check("brokerIdentity", &setup.cluster, &setup.broker)?;
        }
        if let Some(application) = &setup.application {
            application.identity.check("brokerIdentity-temp", &setup.cluster, &setup.broker)?;
        }
        let heartbeat_timeout_ms = setup.heartbeat_timeout_ms.max(3);
        let lease_ms = heartbeat_timeout_ms / 3 * 2;
        let mut replicas = Replicas {
            names: Names { cluster: setup.cluster, broker: setup.broker, address: setup.address },
            heartbeat_ms: setup.heartbeat_ms.min(lease_ms / 3).max(1),
            heartbeat_wait_ms: setup.heartbeat_wait_ms.max(1),
            heartbeat_timeout_ms,
            priority: setup.priority,
            controllers: Controllers::new(setup.controllers, setup.refresh_ms),
            identity: setup.identity,
            application_saved: setup.application.is_some(),
            application: setup.application,
            saving: BTreeMap::new(),
            registered: false,
            forgotten: false,
            heard: false,
            known: Election::default(),
            adopted: None,
            adopting: None,
            sets: Sets::default(),
            lease: Lease::new(lease_ms),
            log: LogPosition::default(),
            calls: BTreeMap::new(),
            rounds: BTreeMap::new(),
            next_token: 0,
            step: None,
            step_due: now.mono,
            role_due: now.mono,
            altering: None,
            alter_due: now.mono,
            beat_due: now.mono,
            random: SplitMix(setup.seed),
            out: VecDeque::new(),
        };
        replicas.advance(now);
        Ok(replicas)
    }

    /// How far the log is; heartbeats carry it from now on.
    pub fn note_log(&mut self, log: LogPosition) {
        self.log = log;
    }

    /// Takes one input; drain [`Replicas::poll`] afterwards.
    pub fn handle(&mut self, now: Now, input: In) {
        match input {
            In::Tick => {}
            In::Answer { token, result } => self.answered(now, token, result),
            In::Lost(addr) => self.lost(now, &addr),
            In::Notified(election) => self.learn(election),
            In::Saved { token, result } => self.saved(now, token, result),
            In::Became { epoch, result } => self.became(now, epoch, result),
            In::Want { set, set_epoch } => {
                // Who may join was judged by the set of that epoch, and is judged anew for another.
                if self.is_master() && set_epoch == self.sets.epoch() {
                    self.sets.want(set);
                }
            }
            In::Doubt => {
                self.lease.doubt(now.mono);
                self.beat_due = now.mono;
            }
        }
        self.advance(now);
    }

    /// The next effect.
    pub fn poll(&mut self) -> Option<Out> {
        self.out.pop_front()
    }

    /// When to call with [`In::Tick`].
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let beat = self.registered.then_some(self.beat_due);
        let step = (self.step.is_none() && self.wants_step()).then_some(self.step_due);
        let role = self.next_role().is_some().then_some(self.role_due);
        let alter = self.wants_alter().then_some(self.alter_due);
        [beat, step, role, alter].into_iter().fold(self.controllers.deadline(), earliest)
    }

    /// On what terms a send may be acknowledged at `now`: the table of decision 8.
    #[must_use]
    pub fn acks(&self, now: Mono) -> Acks {
        let Some(own) = self.mastership() else { return Acks::Refused };
        if self.lease.is_valid(now) || planted::is("lease-unchecked") {
            Acks::Configured
        } else if !self.controllers.elect_clean_only() {
            Acks::Refused
        } else if self.sets.is_only(own) {
            Acks::Configured
        } else {
            Acks::AllMembers
        }
    }

    /// Its id, if the broker is master and has heard of no newer election.
    fn mastership(&self) -> Option<i64> {
        let adopted = self.adopted.as_ref()?;
        (adopted.is_master() && adopted.epoch == self.known.epoch).then_some(adopted.own)
    }

    /// When the lease ends, for whoever must look again then.
    #[must_use]
    pub fn lease_end(&self) -> Option<Mono> {
        self.lease.end()
    }

    /// Everyone whose acknowledgement counts as needed: the set, and what it may have become.
    #[must_use]
    pub fn effective_set(&self) -> BTreeSet<i64> {
        self.sets.effective()
    }

    /// The set as the controller is known to have it, and its epoch.
    #[must_use]
    pub fn sync_state_set(&self) -> (i32, &BTreeSet<i64>) {
        (self.sets.epoch(), self.sets.members())
    }

    /// The role the broker is in.
    #[must_use]
    pub fn role(&self) -> Option<&Assignment> {
        self.adopted.as_ref()
    }

    #[must_use]
    pub fn is_master(&self) -> bool {
        self.adopted.as_ref().is_some_and(Assignment::is_master)
    }

    /// The id the controller gave.
    #[must_use]
    pub fn id(&self) -> Option<i64> {
        self.identity.as_ref().map(|identity| identity.id)
    }

    /// How far the broker has come.
    #[must_use]
    pub fn state(&self) -> State {
        if self.adopted.is_some() {
            State::Running
        } else if self.registered {
            State::RegisterToControllerDone
        } else if self.controllers.leader().is_some() {
            State::FirstTimeSyncControllerMetadataDone
        } else {
            State::Initial
        }
    }
}
