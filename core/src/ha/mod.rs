//! Replication of the commit log as machines without sockets or files: epochs, the bytes of both protocols, the
//! two ends of a connection, and the in-sync set (`spec/ha.md`).

pub mod epoch;
pub mod master;
pub mod slave;
pub mod sync_set;
pub mod wire;

#[cfg(test)]
mod tests;

/// Times and sizes of a connection, from the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HaConfig {
    /// `haSendHeartbeatInterval`: silence after which something is sent, in milliseconds.
    pub heartbeat_ms: u64,
    /// `haHousekeepingInterval`: silence of the peer after which the connection is given up, in milliseconds.
    /// It bounds the handshake too (KF-43).
    pub housekeeping_ms: u64,
    /// `haTransferBatchSize`: most bytes of log in one frame.
    pub batch: usize,
    /// `maxHaTransferByteInSecond` with `haFlowControlEnable`: most bytes sent to one replica in a second.
    pub bytes_per_second: Option<u64>,
}

impl Default for HaConfig {
    fn default() -> Self {
        HaConfig { heartbeat_ms: 5_000, housekeeping_ms: 20_000, batch: 32 * 1024, bytes_per_second: None }
    }
}
