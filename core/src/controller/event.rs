//! Entries of the replicated log: two bytes of type, then JSON, as the reference writes them
//! (`spec/controller.md` section 4, `EventSerializer`).
//!
//! The reference decides when it proposes and applies blindly. Here more than one proposal may be under way,
//! so an event carries what its decision rested on, in members the reference does not know and ignores:
//! `masterBrokerId`, `masterEpoch` and `syncStateSetEpoch` of type 1, `masterEpoch` and `unclean` of type 3,
//! `syncStateSetEpoch` of type 5. Where they are absent nothing is compared.

use crate::json::{DecodeError, Style, ToJson, from_slice, to_vec};
use crate::json_struct;
use bytes::Bytes;
use std::collections::BTreeSet;

json_struct! {
    /// `AlterSyncStateSetEvent`, type 1.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct AlterSyncStateSetEvent {
        /// Whose set.
        pub broker_name: String = "brokerName",
        /// Always the event's name.
        pub event_type: String = "eventType",
        /// The set from now on.
        pub new_set: BTreeSet<i64> = "newSyncStateSet",
        /// Who asked.
        pub master: Option<i64> = "masterBrokerId",
        /// The mastership the asker had.
        pub master_epoch: Option<i32> = "masterEpoch",
        /// The set the asker changed.
        pub set_epoch: Option<i32> = "syncStateSetEpoch",
    }
}

json_struct! {
    /// `ApplyBrokerIdEvent`, type 2.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct ApplyBrokerIdEvent {
        /// The cluster.
        pub cluster_name: String = "clusterName",
        /// The set joined.
        pub broker_name: String = "brokerName",
        /// Always the event's name.
        pub event_type: String = "eventType",
        /// The address at first.
        pub broker_address: String = "brokerAddress",
        /// The id taken.
        pub new_broker_id: i64 = "newBrokerId",
        /// The broker's proof of identity.
        pub register_check_code: String = "registerCheckCode",
    }
}

json_struct! {
    /// `ElectMasterEvent`, type 3.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct ElectMasterEvent {
        /// Whose master.
        pub broker_name: String = "brokerName",
        /// Always the event's name.
        pub event_type: String = "eventType",
        /// Nobody could be elected when false.
        pub elected: bool = "newMasterElected",
        /// The new master.
        pub new_master: Option<i64> = "newMasterBrokerId",
        /// The epoch this election ends.
        pub master_epoch: Option<i32> = "masterEpoch",
        /// The new master need not be in the set.
        pub unclean: Option<bool> = "unclean",
    }
}

json_struct! {
    /// `CleanBrokerDataEvent`, type 5.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct CleanBrokerDataEvent {
        /// Whose data.
        pub broker_name: String = "brokerName",
        /// Always the event's name.
        pub event_type: String = "eventType",
        /// Nothing or none: the whole name.
        pub ids: Option<BTreeSet<i64>> = "brokerIdSetToClean",
        /// The set the asker saw.
        pub set_epoch: Option<i32> = "syncStateSetEpoch",
    }
}

json_struct! {
    /// `UpdateBrokerAddressEvent`, type 6.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct UpdateBrokerAddressEvent {
        /// The cluster.
        pub cluster_name: String = "clusterName",
        /// The set.
        pub broker_name: String = "brokerName",
        /// Always the event's name.
        pub event_type: String = "eventType",
        /// The address from now on.
        pub broker_address: String = "brokerAddress",
        /// Whose.
        pub broker_id: i64 = "brokerId",
    }
}

/// A change of the [`ControllerState`](super::ControllerState).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A master changes its SyncStateSet.
    AlterSyncStateSet(AlterSyncStateSetEvent),
    /// A replica is added.
    ApplyBrokerId(ApplyBrokerIdEvent),
    /// A master is elected, or it is stated that there is none.
    ElectMaster(ElectMasterEvent),
    /// Replicas, or a whole name, are forgotten.
    CleanBrokerData(CleanBrokerDataEvent),
    /// A replica moved.
    UpdateBrokerAddress(UpdateBrokerAddressEvent),
}

/// Why an entry of the log is no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Fewer than two bytes.
    #[error("a log entry of {0} bytes is shorter than its type")]
    Short(usize),
    /// Type 4 is not used; others are of another version.
    #[error("log entry type {0} is unknown, known are 1, 2, 3, 5 and 6")]
    Type(i16),
    /// Not the JSON of that type.
    #[error("log entry of type {kind}: {error}")]
    Body { kind: i16, error: DecodeError },
}

impl Event {
    /// The broker name it is about.
    #[must_use]
    pub fn broker_name(&self) -> &str {
        match self {
            Event::AlterSyncStateSet(e) => &e.broker_name,
            Event::ApplyBrokerId(e) => &e.broker_name,
            Event::ElectMaster(e) => &e.broker_name,
            Event::CleanBrokerData(e) => &e.broker_name,
            Event::UpdateBrokerAddress(e) => &e.broker_name,
        }
    }

    /// As an entry of the log.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        match self {
            Event::AlterSyncStateSet(e) => typed(
                1,
                &AlterSyncStateSetEvent { event_type: "ALTER_SYNC_STATE_SET_EVENT".into(), ..e.clone() },
            ),
            Event::ApplyBrokerId(e) => {
                typed(2, &ApplyBrokerIdEvent { event_type: "APPLY_BROKER_ID_EVENT".into(), ..e.clone() })
            }
            Event::ElectMaster(e) => {
                typed(3, &ElectMasterEvent { event_type: "ELECT_MASTER_EVENT".into(), ..e.clone() })
            }
            Event::CleanBrokerData(e) => {
                typed(5, &CleanBrokerDataEvent { event_type: "CLEAN_BROKER_DATA_EVENT".into(), ..e.clone() })
            }
            Event::UpdateBrokerAddress(e) => {
                let event_type = "UPDATE_BROKER_ADDRESS".into();
                typed(6, &UpdateBrokerAddressEvent { event_type, ..e.clone() })
            }
        }
    }

    /// Reads an entry that is not empty.
    ///
    /// # Errors
    /// Says what is wrong with the entry.
    pub fn decode(entry: &[u8]) -> Result<Self, EventError> {
        let Some((kind, json)) = entry.split_first_chunk::<2>() else {
            return Err(EventError::Short(entry.len()));
        };
        let kind = i16::from_be_bytes(*kind);
        let event = match kind {
            1 => from_slice(json).map(Event::AlterSyncStateSet),
            2 => from_slice(json).map(Event::ApplyBrokerId),
            3 => from_slice(json).map(Event::ElectMaster),
            5 => from_slice(json).map(Event::CleanBrokerData),
            6 => from_slice(json).map(Event::UpdateBrokerAddress),
            other => return Err(EventError::Type(other)),
        };
        event.map_err(|error| EventError::Body { kind, error })
    }
}

fn typed<T: ToJson>(kind: i16, body: &T) -> Bytes {
    let mut out = kind.to_be_bytes().to_vec();
    out.extend(to_vec(body, Style::Fastjson));
    out.into()
}
