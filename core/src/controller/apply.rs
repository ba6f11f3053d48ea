//! Applying events: the one place where the replicated state changes. Every condition an event rests on is
//! checked again here, because another event may have come in between; a refusal changes nothing and its code
//! and remark reach the caller through the [`Outcome`].

use super::event::{
    AlterSyncStateSetEvent, ApplyBrokerIdEvent, CleanBrokerDataEvent, ElectMasterEvent, Event,
    UpdateBrokerAddressEvent,
};
use super::state::{BrokerSet, ControllerState, Replica, ReplicaInfo, SyncStateInfo};
use crate::json::{DecodeError, Style, from_slice, to_vec};
use crate::json_struct;
use crate::raft::{RaftState, RestoreError};
use crate::wire::code::response;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

json_struct! {
    /// What became of an event: a response code and remark, and the state of the broker set right after it.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Outcome {
        /// 0, or why nothing changed.
        pub code: i32 = "code",
        /// The refusal in words.
        pub remark: Option<String> = "remark",
        /// Mastership right after the event.
        pub sync: Option<SyncStateInfo> = "syncStateInfo",
        /// Address of that master.
        pub master_address: Option<String> = "masterAddress",
    }
}

impl Outcome {
    /// Reads what [`RaftState::apply`] returned.
    ///
    /// # Errors
    /// The bytes are of another version of this program.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        from_slice(bytes)
    }

    pub(super) fn refused(code: i32, remark: impl Into<String>) -> Self {
        Outcome { code, remark: Some(remark.into()), ..Outcome::default() }
    }
}

json_struct! {
    /// The snapshot of a [`ControllerState`].
    #[derive(Default)]
    struct Snapshot {
        version: i32 = "version",
        sets: BTreeMap<String, BrokerSet> = "brokerSets",
    }
}

const SNAPSHOT_VERSION: i32 = 1;

/// What the reference says about a name or id nobody registered.
pub(super) const NO_METADATA: &str = "Broker metadata is not existed";

impl RaftState for ControllerState {
    /// An empty command changes nothing: it proves that its proposer led the group.
    fn apply(&mut self, _index: u64, command: &[u8]) -> Bytes {
        if command.is_empty() {
            return Bytes::new();
        }
        let outcome = match Event::decode(command) {
            Ok(event) => self.apply_event(&event),
            Err(error) => Outcome::refused(response::SYSTEM_ERROR, error.to_string()),
        };
        to_vec(&outcome, Style::Fastjson).into()
    }

    fn snapshot(&self) -> Bytes {
        let snapshot = Snapshot { version: SNAPSHOT_VERSION, sets: self.sets.clone() };
        to_vec(&snapshot, Style::Fastjson).into()
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), RestoreError> {
        let read: Snapshot = from_slice(snapshot).map_err(|error| RestoreError(error.to_string()))?;
        if read.version != SNAPSHOT_VERSION {
            let version = read.version;
            return Err(RestoreError(format!("its version is {version}, known is {SNAPSHOT_VERSION}")));
        }
        self.sets = read.sets;
        Ok(())
    }
}

impl ControllerState {
    /// Applies one event, or refuses it and changes nothing.
    pub fn apply_event(&mut self, event: &Event) -> Outcome {
        let refusal = match event {
            Event::AlterSyncStateSet(e) => self.alter(e),
            Event::ApplyBrokerId(e) => self.apply_broker_id(e),
            Event::ElectMaster(e) => self.elect(e),
            Event::CleanBrokerData(e) => self.clean(e),
            Event::UpdateBrokerAddress(e) => self.update_address(e),
        };
        let mut outcome = refusal.err().unwrap_or_default();
        if let Some(set) = self.sets.get(event.broker_name()) {
            outcome.sync = Some(set.sync.clone());
            outcome.master_address = set.master().map(|(_, address)| address.to_owned());
        }
        outcome
    }

    fn alter(&mut self, e: &AlterSyncStateSetEvent) -> Result<(), Outcome> {
        let set = self
            .sets
            .get_mut(&e.broker_name)
            .ok_or_else(|| Outcome::refused(response::CONTROLLER_ALTER_SYNC_STATE_SET_FAILED, NO_METADATA))?;
        check_alter(set, e)?;
        set.sync.set = e.new_set.clone();
        set.sync.set_epoch = set.sync.set_epoch.saturating_add(1);
        Ok(())
    }

    fn apply_broker_id(&mut self, e: &ApplyBrokerIdEvent) -> Result<(), Outcome> {
        check_broker_id(self.sets.get(&e.broker_name), e)?;
        let set = self.sets.entry(e.broker_name.clone()).or_insert_with(|| BrokerSet {
            info: ReplicaInfo {
                cluster: e.cluster_name.clone(),
                next_broker_id: 1,
                replicas: BTreeMap::new(),
            },
            sync: SyncStateInfo::default(),
        });
        let before = set.info.replicas.len();
        set.info.replicas.entry(e.new_broker_id).or_insert_with(|| Replica {
            address: e.broker_address.clone(),
            check_code: e.register_check_code.clone(),
        });
        if set.info.replicas.len() > before {
            set.info.next_broker_id = set.info.next_broker_id.saturating_add(1);
        }
        Ok(())
    }

    fn elect(&mut self, e: &ElectMasterEvent) -> Result<(), Outcome> {
        let set = self.sets.get_mut(&e.broker_name).ok_or_else(|| {
            let remark = "Broker hasn't been registered";
            Outcome::refused(response::CONTROLLER_BROKER_NEED_TO_BE_REGISTERED, remark)
        })?;
        if let Some(expected) = e.master_epoch.filter(|epoch| *epoch != set.sync.master_epoch) {
            let remark = format!("the master epoch is {} and no longer {expected}", set.sync.master_epoch);
            return Err(Outcome::refused(response::CONTROLLER_FENCED_MASTER_EPOCH, remark));
        }
        let master = if e.elected { e.new_master } else { None };
        if let Some(id) = master {
            let allowed = e.unclean == Some(true) || set.sync.master_epoch == 0 || set.sync.set.contains(&id);
            if !set.info.replicas.contains_key(&id) || (e.master_epoch.is_some() && !allowed) {
                let remark = format!("replica {id} is no longer eligible");
                return Err(Outcome::refused(response::CONTROLLER_ELECT_MASTER_FAILED, remark));
            }
            set.sync.set = BTreeSet::from([id]);
            set.sync.set_epoch = set.sync.set_epoch.saturating_add(1);
        } else if e.elected {
            let remark = "the event names no new master";
            return Err(Outcome::refused(response::CONTROLLER_ELECT_MASTER_FAILED, remark));
        }
        set.sync.master = master;
        if crate::planted::is("epoch-again") && set.sync.master_epoch > 0 {
            return Ok(());
        }
        set.sync.master_epoch = set.sync.master_epoch.saturating_add(1);
        Ok(())
    }

    /// Unlike the reference, which drops the epochs when the set loses its last member while other replicas are
    /// left, a name keeps its epochs until all of it is forgotten: an epoch must never be used twice.
    fn clean(&mut self, e: &CleanBrokerDataEvent) -> Result<(), Outcome> {
        let refused = |text| Outcome::refused(response::CONTROLLER_INVALID_CLEAN_BROKER_METADATA, text);
        let Some(set) = self.sets.get_mut(&e.broker_name) else {
            return Err(refused(unknown_to_clean(&e.broker_name)));
        };
        if e.set_epoch.is_some_and(|epoch| epoch != set.sync.set_epoch) {
            return Err(refused(format!("Broker {} has changed meanwhile, clean up failure", e.broker_name)));
        }
        let ids = e.ids.as_ref().filter(|ids| !ids.is_empty());
        if let Some(ids) = ids {
            set.info.replicas.retain(|id, _| !ids.contains(id));
            set.sync.set.retain(|id| !ids.contains(id));
            set.sync.master = set.sync.master.filter(|id| !ids.contains(id));
        }
        if ids.is_none() || set.info.replicas.is_empty() {
            self.sets.remove(&e.broker_name);
        }
        Ok(())
    }

    fn update_address(&mut self, e: &UpdateBrokerAddressEvent) -> Result<(), Outcome> {
        let replica =
            self.sets.get_mut(&e.broker_name).and_then(|set| set.info.replicas.get_mut(&e.broker_id));
        let Some(replica) = replica else {
            let remark =
                format!("BrokerId: {} hasn't been registered in broker-set: {}", e.broker_id, e.broker_name);
            return Err(Outcome::refused(response::CONTROLLER_BROKER_NEED_TO_BE_REGISTERED, remark));
        };
        replica.address.clone_from(&e.broker_address);
        Ok(())
    }
}

pub(super) fn unknown_to_clean(broker_name: &str) -> String {
    format!("Broker {broker_name} is not existed,clean broker data failure.")
}

/// The rules of a change of the SyncStateSet, in the reference's order; whether its members are alive is not
/// part of the state and checked by whoever proposes.
pub(super) fn check_alter(set: &BrokerSet, e: &AlterSyncStateSetEvent) -> Result<(), Outcome> {
    let sync = &set.sync;
    let reject = |code, why: String| {
        Err(Outcome::refused(code, format!("Rejecting alter syncStateSet request because {why}")))
    };
    if e.new_set == sync.set {
        let remark = "The newSyncStateSet is equal with oldSyncStateSet, no needed to update syncStateSet";
        return Err(Outcome::refused(response::CONTROLLER_ALTER_SYNC_STATE_SET_FAILED, remark));
    }
    let master = sync.master.map_or_else(|| "null".to_owned(), |id| id.to_string());
    if let Some(asker) = e.master.filter(|asker| Some(*asker) != sync.master) {
        let why = format!("the current leader is:{{{master}}}, not {{{asker}}}");
        return reject(response::CONTROLLER_INVALID_MASTER, why);
    }
    if let Some(epoch) = e.master_epoch.filter(|epoch| *epoch != sync.master_epoch) {
        let why = format!("the current master epoch is:{{{}}}, not {{{epoch}}}", sync.master_epoch);
        return reject(response::CONTROLLER_FENCED_MASTER_EPOCH, why);
    }
    if let Some(epoch) = e.set_epoch.filter(|epoch| *epoch != sync.set_epoch) {
        let why = format!("the current syncStateSet epoch is:{{{}}}, not {{{epoch}}}", sync.set_epoch);
        return reject(response::CONTROLLER_FENCED_SYNC_STATE_SET_EPOCH, why);
    }
    if let Some(unknown) = e.new_set.iter().find(|id| !set.info.replicas.contains_key(id)) {
        let why = format!("the replicas {{{unknown}}} don't exist");
        return reject(response::CONTROLLER_INVALID_REPLICAS, why);
    }
    if sync.master.is_some_and(|id| !e.new_set.contains(&id)) {
        let why = format!("the newSyncStateSet don't contains origin leader {{{master}}}");
        return reject(response::CONTROLLER_ALTER_SYNC_STATE_SET_FAILED, why);
    }
    Ok(())
}

/// Whether the id may be taken: free, or taken by the same broker before.
pub(super) fn check_broker_id(set: Option<&BrokerSet>, e: &ApplyBrokerIdEvent) -> Result<(), Outcome> {
    let (id, name) = (e.new_broker_id, &e.broker_name);
    let taken = set.and_then(|set| set.info.replicas.get(&id));
    let remark = match (set, taken) {
        (None, _) if id != 1 => {
            format!(
                "Broker-set: {name} hasn't been registered in controller, but broker try to apply brokerId: {id}"
            )
        }
        (Some(_), Some(replica)) if replica.check_code != e.register_check_code => {
            format!("Fail to apply brokerId: {id} in broker-set: {name}")
        }
        _ => return Ok(()),
    };
    Err(Outcome::refused(response::CONTROLLER_BROKER_ID_INVALID, remark))
}
