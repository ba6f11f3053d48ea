//! GET_BROKER_HA_STATUS (907) and GET_BROKER_EPOCH_CACHE (1007): `spec/ha.md#a5`.

use super::Role;
use crate::broker::Broker;
use crate::broker::dispatch::body;
use crate::json_struct;
use crate::store::Store;
use crate::wire::Reply;

json_struct! {
    /// A replica's connection (`HARuntimeInfo.HAConnectionRuntimeInfo`).
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct ConnectionInfo {
        pub addr: String = "addr",
        /// Bytes the replica lacks.
        pub diff: i64 = "diff",
        pub in_sync: bool = "inSync",
        pub slave_ack_offset: i64 = "slaveAckOffset",
        pub transfer_from_where: i64 = "transferFromWhere",
        pub transferred: i64 = "transferredByteInSecond",
    }
}

json_struct! {
    /// A replica's view of its master (`HARuntimeInfo.HAClientRuntimeInfo`).
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct ClientInfo {
        pub last_read: i64 = "lastReadTimestamp",
        pub last_write: i64 = "lastWriteTimestamp",
        pub master_addr: String = "masterAddr",
        pub master_flush_offset: i64 = "masterFlushOffset",
        pub max_offset: i64 = "maxOffset",
        pub transferred: i64 = "transferredByteInSecond",
    }
}

json_struct! {
    /// The body of the answer (`HARuntimeInfo`).
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct HaStatus {
        pub client: ClientInfo = "haClientRuntimeInfo",
        pub connections: Vec<ConnectionInfo> = "haConnectionInfo",
        pub in_sync_slaves: i32 = "inSyncSlaveNums",
        pub master: bool = "master",
        pub max: i64 = "masterCommitLogMaxOffset",
    }
}

json_struct! {
    /// An epoch as operators see it (`EpochEntry`).
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct EpochInfo {
        pub end: i64 = "endOffset",
        pub epoch: i32 = "epoch",
        pub start: i64 = "startOffset",
    }
}

json_struct! {
    /// The body of the answer (`EpochEntryCache`).
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct EpochCacheInfo {
        pub broker_id: i64 = "brokerId",
        pub broker_name: String = "brokerName",
        pub cluster_name: String = "clusterName",
        pub epochs: Vec<EpochInfo> = "epochList",
        pub max: i64 = "maxOffset",
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl<S: Store> Broker<S> {
    pub(in crate::broker) fn ha_status(&self) -> Reply {
        let max = self.store.log_bounds().max;
        let gap = u64::try_from(self.settings.store.ha_max_gap_not_in_sync).unwrap_or(0);
        let mut status =
            HaStatus { master: self.ha.role != Role::Slave, max: signed(max), ..HaStatus::default() };
        for session in self.ha.sessions.values() {
            let acked = session.master.acked().unwrap_or(0);
            let diff = max.saturating_sub(acked);
            let in_sync = match (&self.ha.set, session.master.slave_id()) {
                (Some(set), Some(id)) => set.installed().contains(&id),
                _ => diff < gap,
            };
            status.in_sync_slaves += i32::from(in_sync);
            status.connections.push(ConnectionInfo {
                addr: session.addr.to_string(),
                diff: signed(diff),
                in_sync,
                slave_ack_offset: signed(acked),
                transfer_from_where: signed(session.master.next_offset()),
                transferred: signed(session.master.bytes_per_second()),
            });
        }
        if let Some(slave) = &self.ha.slave {
            status.client.master_addr = slave.address().unwrap_or("").to_owned();
            status.client.max_offset = signed(max);
        }
        Reply::success().with_body(body(&status))
    }

    pub(in crate::broker) fn epoch_cache(&self) -> Reply {
        let entries = self.ha.epochs().entries();
        let ends = entries.iter().skip(1).map(|next| signed(next.start)).chain([i64::MAX]);
        let epochs = entries
            .iter()
            .zip(ends)
            .map(|(entry, end)| EpochInfo { end, epoch: entry.epoch, start: signed(entry.start) })
            .collect();
        let config = &self.settings.broker;
        let info = EpochCacheInfo {
            broker_id: config.broker_id,
            broker_name: config.broker_name.clone(),
            cluster_name: config.broker_cluster_name.clone(),
            epochs,
            max: signed(self.store.log_bounds().max),
        };
        Reply::success().with_body(body(&info))
    }
}
