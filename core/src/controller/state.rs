//! What all controllers agree on: which replicas a broker name has, which of them is master, which are in sync.

use crate::json_struct;
use std::collections::{BTreeMap, BTreeSet};

json_struct! {
    /// A registered replica.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Replica {
        /// `host:port` it serves clients on.
        pub address: String = "brokerAddress",
        /// What proves that a second application for the same id comes from the same broker.
        pub check_code: String = "registerCheckCode",
    }
}

json_struct! {
    /// `BrokerReplicaInfo`: the replicas of one broker name.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct ReplicaInfo {
        /// The cluster.
        pub cluster: String = "clusterName",
        /// Grows by one with every replica added, whatever id that took.
        pub next_broker_id: i64 = "nextAssignBrokerId",
        /// By broker id.
        pub replicas: BTreeMap<i64, Replica> = "brokers",
    }
}

json_struct! {
    /// `SyncStateInfo`: mastership of one broker name.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct SyncStateInfo {
        /// 0 until the first election.
        pub master_epoch: i32 = "masterEpoch",
        /// Grows with every change of the set.
        pub set_epoch: i32 = "syncStateSetEpoch",
        /// Ids of the replicas that hold every acknowledged message.
        pub set: BTreeSet<i64> = "syncStateSet",
        /// Always a member of the set.
        pub master: Option<i64> = "masterBrokerId",
    }
}

json_struct! {
    /// Both halves for one broker name.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct BrokerSet {
        /// Who there is.
        pub info: ReplicaInfo = "replicaInfo",
        /// Who leads and who follows.
        pub sync: SyncStateInfo = "syncStateInfo",
    }
}

impl BrokerSet {
    /// The address of a replica.
    #[must_use]
    pub fn address(&self, id: i64) -> Option<&str> {
        self.info.replicas.get(&id).map(|replica| replica.address.as_str())
    }

    /// Id and address of the master.
    #[must_use]
    pub fn master(&self) -> Option<(i64, &str)> {
        let id = self.sync.master?;
        Some((id, self.address(id).unwrap_or_default()))
    }
}

/// The replicated state: broker sets by broker name. It changes only by [`Event`](super::Event)s, through
/// [`RaftState::apply`](crate::raft::RaftState::apply).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ControllerState {
    pub(super) sets: BTreeMap<String, BrokerSet>,
}

impl ControllerState {
    /// The replicas registered under a broker name.
    #[must_use]
    pub fn get(&self, broker_name: &str) -> Option<&BrokerSet> {
        self.sets.get(broker_name)
    }

    /// All broker names with their replicas, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &BrokerSet)> {
        self.sets.iter().map(|(name, set)| (name.as_str(), set))
    }
}
