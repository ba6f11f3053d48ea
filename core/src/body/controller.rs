//! Bodies a controller reads and writes (`spec/controller.md` section 3).

use super::BrokerMemberGroup;
use crate::json_struct;
use std::collections::{BTreeMap, BTreeSet};

json_struct! {
    /// `SyncStateSet`: the replicas that hold every acknowledged message.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct SyncStateSetBody {
        /// Their ids.
        pub sync_state_set: BTreeSet<i64> = "syncStateSet",
        /// Grows with every change.
        pub sync_state_set_epoch: i32 = "syncStateSetEpoch",
    }
}

json_struct! {
    /// `ElectMasterResponseBody`. The group is left out when the old master stays.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct ElectedBody {
        /// All replicas of the set.
        pub group: Option<BrokerMemberGroup> = "brokerMemberGroup",
        /// The set after the election.
        pub sync_state_set: BTreeSet<i64> = "syncStateSet",
    }
}

json_struct! {
    /// `BrokerReplicasInfo.ReplicaIdentity`.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct ReplicaIdentity {
        /// The set of replicas it belongs to.
        pub broker_name: String = "brokerName",
        /// Its id in the set.
        pub broker_id: i64 = "brokerId",
        /// `host:port`.
        pub broker_address: String = "brokerAddress",
        /// Whether the answering controller hears from it.
        pub alive: bool = "alive",
    }
}

json_struct! {
    /// `BrokerReplicasInfo.ReplicasInfo`: a set of replicas as administrators see it.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct ReplicasInfo {
        /// Absent without a master.
        pub master_broker_id: Option<i64> = "masterBrokerId",
        /// Absent without a master.
        pub master_address: Option<String> = "masterAddress",
        /// Grows with every election.
        pub master_epoch: i32 = "masterEpoch",
        /// Grows with every change of the set.
        pub sync_state_set_epoch: i32 = "syncStateSetEpoch",
        /// Members of the SyncStateSet.
        pub in_sync_replicas: Vec<ReplicaIdentity> = "inSyncReplicas",
        /// The other replicas.
        pub not_in_sync_replicas: Vec<ReplicaIdentity> = "notInSyncReplicas",
    }
}

json_struct! {
    /// `BrokerReplicasInfo`, by broker name.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct BrokerReplicasInfo {
        /// Names the controller does not know are not in it.
        pub replicas_info_table: BTreeMap<String, ReplicasInfo> = "replicasInfoTable",
    }
}
