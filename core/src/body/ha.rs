//! What a broker tells administrators about its replication (`spec/ha.md#a5`).

use crate::json_struct;

json_struct! {
    /// A replica's connection to its master (`HARuntimeInfo.HAConnectionRuntimeInfo`).
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct HaConnectionInfo {
        /// `host:port` the replica connects from.
        pub addr: String = "addr",
        /// Bytes the replica lacks.
        pub diff: i64 = "diff",
        /// Whether it counts as caught up.
        pub in_sync: bool = "inSync",
        /// First byte of the log the replica has not acknowledged.
        pub slave_ack_offset: i64 = "slaveAckOffset",
        /// First byte of the log that is sent next.
        pub transfer_from_where: i64 = "transferFromWhere",
        /// Bytes per second.
        pub transferred: i64 = "transferredByteInSecond",
    }
}

json_struct! {
    /// A replica's view of its master (`HARuntimeInfo.HAClientRuntimeInfo`).
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct HaClientInfo {
        /// Milliseconds since the Unix epoch.
        pub last_read: i64 = "lastReadTimestamp",
        /// Milliseconds since the Unix epoch.
        pub last_write: i64 = "lastWriteTimestamp",
        /// `host:port`; empty without a master.
        pub master_addr: String = "masterAddr",
        /// First byte of the log the master has not flushed.
        pub master_flush_offset: i64 = "masterFlushOffset",
        /// Where the replica's log ends.
        pub max_offset: i64 = "maxOffset",
        /// Bytes per second.
        pub transferred: i64 = "transferredByteInSecond",
    }
}

json_struct! {
    /// The answer to GET_BROKER_HA_STATUS (`HARuntimeInfo`).
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct HaStatus {
        /// A slave's view; blank on a master.
        pub client: HaClientInfo = "haClientRuntimeInfo",
        /// A master's replicas; empty on a slave.
        pub connections: Vec<HaConnectionInfo> = "haConnectionInfo",
        /// How many of the connections are in sync.
        pub in_sync_slaves: i32 = "inSyncSlaveNums",
        /// Whether the broker is master.
        pub master: bool = "master",
        /// Where a master's log ends.
        pub max: i64 = "masterCommitLogMaxOffset",
    }
}

json_struct! {
    /// An epoch as operators see it (`EpochEntry`).
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct EpochInfo {
        /// First byte of the log that is not of this epoch; `i64::MAX` for the last one.
        pub end: i64 = "endOffset",
        /// Its number.
        pub epoch: i32 = "epoch",
        /// First byte of the log that is of this epoch.
        pub start: i64 = "startOffset",
    }
}

json_struct! {
    /// The answer to GET_BROKER_EPOCH_CACHE (`EpochEntryCache`).
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct EpochCacheInfo {
        /// The id of routes: 0 on a master.
        pub broker_id: i64 = "brokerId",
        /// The set of replicas.
        pub broker_name: String = "brokerName",
        /// Its cluster.
        pub cluster_name: String = "clusterName",
        /// Oldest first.
        pub epochs: Vec<EpochInfo> = "epochList",
        /// Where the log ends.
        pub max: i64 = "maxOffset",
    }
}
