//! What a disk has to hold, told by the writes alone.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use sansmq_core::raft::{LogRecord, NodeId, RaftImage, RaftWrite};
use sansmq_store::disk::{DiskRef, SimConfig, SimDisk};
use sansmq_store::{RaftDisk, StoreError};

pub const ID: NodeId = NodeId(0);

/// Small files of the log, so that there are many.
pub const FILE_BYTES: usize = 8 << 10;

pub fn sim(seed: u64) -> SimDisk {
    SimDisk::new(SimConfig { seed, ..SimConfig::default() })
}

pub fn open(disk: &SimDisk) -> Result<(RaftDisk, RaftImage), StoreError> {
    let disk: DiskRef = Arc::new(disk.clone());
    RaftDisk::open_sized(disk, Path::new("/controller"), ID, FILE_BYTES)
}

pub fn record(index: u64, data: impl Into<Vec<u8>>) -> LogRecord {
    LogRecord { index, data: Bytes::from(data.into()) }
}

/// What the disk should hold, and the index it goes on with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    pub image: RaftImage,
    /// Index behind the last purge.
    pub start: u64,
    pub next: u64,
}

impl Model {
    fn write(&mut self, op: &RaftWrite) {
        match op {
            RaftWrite::Vote(bytes) => self.image.vote = Some(bytes.clone()),
            RaftWrite::Snapshot(bytes) => self.image.snapshot = Some(bytes.clone()),
            RaftWrite::Append(records) => {
                self.image.log.extend(records.iter().cloned());
                self.next += records.len() as u64;
            }
            RaftWrite::TruncateFrom(index) => {
                self.image.log.retain(|record| record.index < *index);
                self.next = self.next.min(*index).max(self.start);
            }
            RaftWrite::Purge { upto, mark } => {
                self.image.log.retain(|record| record.index > *upto);
                self.image.purged = Some(mark.clone());
                self.start = self.start.max(upto + 1);
                self.next = self.next.max(self.start);
            }
        }
    }

    /// All states a crash within a group may leave, the last one being that of a finished group.
    pub fn states(&self, group: &[RaftWrite]) -> Vec<Model> {
        let mut states = vec![self.clone()];
        for op in group {
            let mut state = states.last().cloned().unwrap_or_default();
            let pieces: Vec<RaftWrite> = match op {
                RaftWrite::Append(records) => {
                    records.iter().map(|record| RaftWrite::Append(vec![record.clone()])).collect()
                }
                RaftWrite::TruncateFrom(index) => {
                    let (from, to) = ((*index).max(state.start), state.next.max(state.start));
                    (from..to).rev().map(RaftWrite::TruncateFrom).collect()
                }
                whole => vec![whole.clone()],
            };
            for piece in pieces {
                state.write(&piece);
                states.push(state.clone());
            }
        }
        states
    }
}
