//! What a node stands on: its disk, and what it is told of its machine. One value for the real thing, others for
//! simulations.

use std::sync::Arc;

use sansmq_core::time::Now;
use sansmq_store::RecoveryProgress;
use sansmq_store::disk::{DiskRef, RealDisk};

use crate::surroundings;

/// The ground under a node.
#[derive(Clone, Debug)]
pub struct Site {
    pub disk: DiskRef,
    /// RAM in bytes; 0 when it is not known.
    pub memory: u64,
    /// Of the process.
    pub pid: u32,
    /// Bytes of a new file of the controllers' log, when it is not the usual size.
    pub raft_file: Option<usize>,
    /// Hears how far a recovery is.
    pub say: fn(&RecoveryProgress),
}

impl Site {
    /// This machine and this process.
    #[must_use]
    pub fn here() -> Self {
        Site {
            disk: Arc::new(RealDisk::default()),
            memory: surroundings::total_memory_bytes(),
            pid: std::process::id(),
            raft_file: None,
            say: |progress| println!("{progress}"),
        }
    }

    /// What random choices of a server begin with.
    #[must_use]
    pub fn seed(&self, now: Now) -> u64 {
        now.wall_ms.unsigned_abs() ^ u64::from(self.pid) << 40
    }
}
