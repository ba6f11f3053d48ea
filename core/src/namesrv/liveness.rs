//! Heartbeats and expiry.

use super::notify::MinIdNotice;
use super::tables::{BrokerKey, Tables};
use crate::time::Mono;
use crate::wire::ConnId;

/// What a scan found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Expired {
    /// Connections nobody is registered over any more.
    pub close: Vec<ConnId>,
    /// Replicas to be told.
    pub notices: Vec<MinIdNotice>,
}

impl Tables {
    /// A sign of life; an unknown broker does not come into being by it.
    pub fn heard(&mut self, now: Mono, key: &BrokerKey) {
        if let Some(live) = self.live.get_mut(key) {
            live.heard = now;
        }
    }

    /// Removes the brokers that were silent for too long.
    pub(super) fn expire(&mut self, now: Mono) -> Expired {
        let silent: Vec<(BrokerKey, ConnId, u64)> = self
            .live
            .iter()
            .filter(|(_, live)| now.ms_since(live.heard) > live.timeout_ms)
            .map(|(key, live)| (key.clone(), live.conn, live.timeout_ms))
            .collect();
        let mut expired = Expired::default();
        for (key, conn, timeout_ms) in silent {
            tracing::warn!("The broker channel expired, {}/{} {timeout_ms}ms", key.cluster, key.addr);
            expired.notices.extend(self.remove_live(&key));
            // Brokers of one container share a connection: it goes with the last of them.
            if !self.live.values().any(|live| live.conn == conn) {
                expired.close.push(conn);
            }
        }
        expired
    }
}
