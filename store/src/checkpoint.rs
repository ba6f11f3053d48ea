//! The `checkpoint` file: 4096 bytes, five big-endian int64 in front (`spec/store.md` section 9).
//!
//! The reference's fields are times, and start positions derived from them are fooled by clock steps
//! (`spec/known-failures.md` KF-17). So durable log positions follow at byte 64, where the reference has
//! zeros and does not look. They carry a copy of the times: when another program has written the file since,
//! the copy no longer matches and the positions are ignored.

use std::io;
use std::path::Path;

use crate::disk::Disk;
use crate::index::Index;

/// Bytes of the file.
pub(crate) const LEN: usize = 4096;
const POSITIONS_AT: usize = 64;
const POSITIONS_MAGIC: u64 = 0x5361_6E73_4D51_0002;
const POSITIONS_LEN: usize = 56;

/// Log positions below which data is on the device, in bytes of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DurablePositions {
    /// The log itself.
    pub log: u64,
    /// Consume-queue entries of all records below it.
    pub queues: u64,
    /// Name, as a number, of the newest index file that was full and flushed. End times do not tell: several
    /// files can end within a millisecond.
    pub index: u64,
}

/// The content of the file; times are milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Store time of the last record known to be durable.
    pub log_time: i64,
    /// Store time of the last record whose queue entry is known to be durable, or of an older one: after a crash
    /// the reference drops the index files that end later than `index_time`, but enters records again only from
    /// about this time on (`spec/store.md` section 7). See [`Self::cover`].
    pub queue_time: i64,
    /// End time of the last index file that was full and flushed.
    pub index_time: i64,
    pub master_flushed_offset: i64,
    pub confirm_offset: i64,
    /// `None` when missing or not written together with the times above.
    pub positions: Option<DurablePositions>,
}

impl Checkpoint {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(LEN);
        let times = [self.log_time, self.queue_time, self.index_time];
        for value in times.into_iter().chain([self.master_flushed_offset, self.confirm_offset]) {
            out.extend_from_slice(&value.to_be_bytes());
        }
        out.resize(POSITIONS_AT, 0);
        if let Some(positions) = self.positions {
            out.extend_from_slice(&POSITIONS_MAGIC.to_be_bytes());
            times.iter().for_each(|time| out.extend_from_slice(&time.to_be_bytes()));
            out.extend_from_slice(&positions.log.to_be_bytes());
            out.extend_from_slice(&positions.queues.to_be_bytes());
            out.extend_from_slice(&positions.index.to_be_bytes());
            let sum = crc32fast::hash(&out[POSITIONS_AT..]);
            out.extend_from_slice(&sum.to_be_bytes());
        }
        out.resize(LEN, 0);
        out
    }

    /// Takes the queue time back to the oldest record of the index files that a crash leaves to be rebuilt, so
    /// that the reference, too, comes past all of them. Own starts go by [`Self::positions`].
    pub(crate) fn cover(&mut self, index: &Index) {
        let newest = self.positions.map_or(0, |positions| positions.index);
        let oldest = index.begin_time_where(|file| file.is_rebuilt(self.index_time, newest));
        self.queue_time = oldest.map_or(self.queue_time, |oldest| oldest.min(self.queue_time));
    }

    /// Reads what is there; missing bytes count as zero.
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let word = |at: usize| -> [u8; 8] {
            bytes.get(at..).and_then(|rest| rest.first_chunk().copied()).unwrap_or_default()
        };
        let int = |at| i64::from_be_bytes(word(at));
        let end = POSITIONS_AT + POSITIONS_LEN;
        let sum = bytes.get(POSITIONS_AT..end).map(crc32fast::hash);
        let stored = bytes.get(end..).and_then(|rest| rest.first_chunk().copied()).map(u32::from_be_bytes);
        let valid = sum.is_some()
            && sum == stored
            && u64::from_be_bytes(word(POSITIONS_AT)) == POSITIONS_MAGIC
            && (0..3).all(|i| int(i * 8) == int(POSITIONS_AT + 8 + i * 8));
        let position = |at| u64::from_be_bytes(word(at));
        Checkpoint {
            log_time: int(0),
            queue_time: int(8),
            index_time: int(16),
            master_flushed_offset: int(24),
            confirm_offset: int(32),
            positions: valid.then(|| DurablePositions {
                log: position(POSITIONS_AT + 32),
                queues: position(POSITIONS_AT + 40),
                index: position(POSITIONS_AT + 48),
            }),
        }
    }

    /// Reads the file; a missing one gives zeros.
    pub(crate) fn read(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        Ok(disk.read(path)?.map(|bytes| Self::decode(&bytes)).unwrap_or_default())
    }

    /// Overwrites the file; durable on return, its name after a sync of the directory. Everything meaningful
    /// is in its first sector.
    pub(crate) fn write(&self, disk: &dyn Disk, path: &Path) -> io::Result<()> {
        disk.write(path, &self.encode())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_void_once_the_times_moved() {
        let point = Checkpoint {
            log_time: 5,
            queue_time: 6,
            index_time: 7,
            master_flushed_offset: 0,
            confirm_offset: 9,
            positions: Some(DurablePositions { log: 100, queues: 90, index: 80 }),
        };
        let mut bytes = point.encode();
        assert_eq!((bytes.len(), Checkpoint::decode(&bytes)), (LEN, point));
        bytes[7] = 8; // as if the reference had advanced its first field
        assert_eq!(Checkpoint::decode(&bytes).positions, None);
        assert_eq!(Checkpoint::decode(&bytes).log_time, 8);
        let mut torn = point.encode();
        torn[POSITIONS_AT + 40] ^= 1;
        assert_eq!(Checkpoint::decode(&torn).positions, None);
    }

    quickcheck::quickcheck! {
        fn decode_never_panics(bytes: Vec<u8>) -> bool {
            Checkpoint::decode(&bytes).positions.is_none()
        }
    }
}
