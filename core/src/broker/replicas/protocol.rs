//! Requests to controllers and what their answers say (`spec/controller.md` section 3).

use std::collections::BTreeSet;

use crate::json::{self, Style};
use crate::wire::code::request;
use crate::wire::{Command, Ext};
use crate::{header, json_struct};

json_struct! {
    /// The body that names the replicas which hold all that is confirmed (`SyncStateSet`).
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct SyncStateSetBody {
        pub members: BTreeSet<i64> = "syncStateSet",
        pub epoch: i32 = "syncStateSetEpoch",
    }
}

header! {
    /// NOTIFY_BROKER_ROLE_CHANGED (1008).
    RoleChanged {
        master_address: Option<&'a str> = "masterAddress",
        master_broker_id: Option<i64> = "masterBrokerId",
        master_epoch: Option<i32> = "masterEpoch",
        sync_state_set_epoch: Option<i32> = "syncStateSetEpoch",
    }
}

/// What a controller knows about a set of replicas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Election {
    /// Grows with every election, also with one that found nobody.
    pub epoch: i32,
    /// Id and address; `None` while there is no master.
    pub master: Option<(i64, String)>,
    pub set_epoch: i32,
    pub set: BTreeSet<i64>,
}

/// Who speaks and about what.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub cluster: String,
    pub broker: String,
    /// `brokerIP1:listenPort`.
    pub address: String,
}

impl Names {
    fn ext(&self) -> Ext {
        Ext::with_capacity(9)
            .with("clusterName", self.cluster.clone())
            .with("brokerName", self.broker.clone())
    }

    pub fn next_id(&self) -> Command {
        Command::request(request::CONTROLLER_GET_NEXT_BROKER_ID, self.ext())
    }

    pub fn apply_id(&self, id: i64, check_code: &str) -> Command {
        let ext = self.ext().with("appliedBrokerId", id).with("registerCheckCode", check_code.to_owned());
        Command::request(request::CONTROLLER_APPLY_BROKER_ID, ext)
    }

    pub fn register(&self, id: i64, wall_ms: i64) -> Command {
        let ext = self.ext().with("brokerId", id).with("brokerAddress", self.address.clone());
        Command::request(request::CONTROLLER_REGISTER_BROKER, ext.with("invokeTime", wall_ms))
    }

    pub fn elect(&self, id: i64, wall_ms: i64) -> Command {
        let ext = self.ext().with("brokerId", id).with("designateElect", false);
        Command::request(request::CONTROLLER_ELECT_MASTER, ext.with("invokeTime", wall_ms))
    }

    pub fn heartbeat(&self, id: i64, log: LogPosition, timeout_ms: u64, priority: i32) -> Command {
        let timeout = i64::try_from(timeout_ms).unwrap_or(i64::MAX);
        let ext = self
            .ext()
            .with("brokerAddr", self.address.clone())
            .with("brokerId", id)
            .with("epoch", log.epoch)
            .with("maxOffset", log.max)
            .with("confirmOffset", log.confirmed)
            .with("heartbeatTimeoutMills", timeout)
            .with("electionPriority", priority);
        Command::request(request::BROKER_HEARTBEAT, ext)
    }

    pub fn replica_info(&self) -> Command {
        let ext = Ext::new().with("brokerName", self.broker.clone());
        Command::request(request::CONTROLLER_GET_REPLICA_INFO, ext)
    }

    pub fn alter(&self, id: i64, epoch: i32, set: &SyncStateSetBody, wall_ms: i64) -> Command {
        let ext = Ext::new()
            .with("brokerName", self.broker.clone())
            .with("masterBrokerId", id)
            .with("masterEpoch", epoch)
            .with("invokeTime", wall_ms);
        Command::request(request::CONTROLLER_ALTER_SYNC_STATE_SET, ext)
            .with_body(json::to_vec(set, Style::Fastjson))
    }
}

/// How far a broker's log is, as heartbeats tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPosition {
    /// Last epoch of the epoch file; -1 for none.
    pub epoch: i32,
    /// Byte behind the log.
    pub max: i64,
    pub confirmed: i64,
}

impl Default for LogPosition {
    fn default() -> Self {
        LogPosition { epoch: -1, max: 0, confirmed: 0 }
    }
}

fn number<T: core::str::FromStr>(answer: &Command, key: &str) -> Option<T> {
    answer.ext_text(key)?.trim().parse().ok()
}

/// GET_NEXT_BROKER_ID's answer.
pub(super) fn next_broker_id(answer: &Command) -> Option<i64> {
    number(answer, "nextBrokerId").filter(|id| *id > 0)
}

/// What 1002, 1003 and 1004 answer. The set may be missing (a refused election) and the epoch of the set may
/// stand in the header or in the body. `None` without a master epoch: nothing was elected yet.
pub(super) fn election(answer: &Command) -> Option<Election> {
    let body: SyncStateSetBody = json::from_slice(&answer.body).unwrap_or_default();
    let address = answer.ext_text("masterAddress").filter(|text| !text.is_empty());
    let id = number(answer, "masterBrokerId").filter(|id| *id > 0);
    Some(Election {
        epoch: number(answer, "masterEpoch")?,
        master: id.zip(address),
        set_epoch: number(answer, "syncStateSetEpoch").unwrap_or(body.epoch),
        set: body.members,
    })
}

/// What 1005 says of the leader: its address, and whether the answering controller is it.
pub(super) fn leader(answer: &Command) -> Option<(String, bool)> {
    let address = answer.ext_text("controllerLeaderAddress").filter(|text| !text.is_empty())?;
    let own = answer.ext_text("isLeader").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    Some((address, own))
}

/// What a controller of ours says in its answer to a heartbeat.
pub(super) enum Granted {
    /// It is one of the reference, which says nothing.
    Unsaid,
    Nothing,
    /// A lease of so many milliseconds for the mastership of this epoch.
    Lease(u64, i32),
}

pub(super) fn granted(answer: &Command) -> Granted {
    match (number(answer, "leaseMillis"), number(answer, "masterEpoch")) {
        (Some(ms), Some(epoch)) => Granted::Lease(ms, epoch),
        _ if answer.ext_text("isLeader").is_some() => Granted::Nothing,
        _ => Granted::Unsaid,
    }
}

/// Whether a controller (1010) may elect a replica from outside the SyncStateSet.
pub(super) fn elects_unclean(answer: &Command) -> Option<bool> {
    let text = core::str::from_utf8(&answer.body).ok()?;
    let value = text.lines().find_map(|line| line.trim().strip_prefix("enableElectUncleanMaster="))?;
    Some(!value.trim().eq_ignore_ascii_case("false"))
}
