//! GET_BROKER_HA_STATUS (907) and GET_BROKER_EPOCH_CACHE (1007): `spec/ha.md#a5`.

use super::Role;
use crate::body::{EpochCacheInfo, EpochInfo, HaConnectionInfo, HaStatus};
use crate::broker::Broker;
use crate::broker::dispatch::body;
use crate::store::Store;
use crate::time::{Mono, Now};
use crate::wire::Reply;

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl<S: Store> Broker<S> {
    pub(in crate::broker) fn ha_status(&self, now: Now) -> Reply {
        let max = self.store.log_bounds().max;
        let gap = u64::try_from(self.settings.store.ha_max_gap_not_in_sync).unwrap_or(0);
        let master = self.ha.role != Role::Slave;
        // A slave's own end is told with its view of the master.
        let mut status =
            HaStatus { master, max: if master { signed(max) } else { 0 }, ..HaStatus::default() };
        for session in self.ha.sessions.values() {
            let acked = session.master.acked().unwrap_or(0);
            let diff = max.saturating_sub(acked);
            let in_sync = match (&self.ha.set, session.master.slave_id()) {
                (Some(set), Some(id)) => set.installed().contains(&id),
                _ => diff < gap,
            };
            status.in_sync_slaves += i32::from(in_sync);
            status.connections.push(HaConnectionInfo {
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
            status.client.transferred = signed(slave.bytes_per_second(now));
            let wall = |then: Mono| now.wall_ms - signed(now.mono.ms_since(then));
            if let Some((read, written)) = slave.last_activity() {
                (status.client.last_read, status.client.last_write) = (wall(read), wall(written));
            }
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
