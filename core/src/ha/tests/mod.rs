//! Both ends against each other, and piece by piece. The recorded streams are in `tests/golden_ha.rs`.

mod epochs;
mod pair;
mod sync_set;
mod wires;

use super::epoch::{EpochCache, EpochEntry};
use super::master::Source;
use crate::time::{Mono, Now};
use bytes::Bytes;

fn at(ms: u64) -> Now {
    Now { mono: Mono(0).plus_ms(ms), wall_ms: i64::try_from(ms).unwrap() }
}

fn cache(entries: &[(i32, u64)]) -> EpochCache {
    let mut cache = EpochCache::default();
    for (epoch, start) in entries {
        cache.push(EpochEntry { epoch: *epoch, start: *start }).unwrap();
    }
    cache
}

/// A log as one buffer with file boundaries.
#[derive(Clone, Debug)]
struct Log {
    bytes: Vec<u8>,
    start: u64,
    file: u64,
}

impl Log {
    fn new(bytes: &[u8]) -> Self {
        Log { bytes: bytes.to_vec(), start: 0, file: 1 << 30 }
    }

    fn end(&self) -> u64 {
        self.bytes.len() as u64
    }
}

impl Source for Log {
    fn bounds(&self) -> (u64, u64) {
        (self.start, self.end())
    }

    fn last_file(&self) -> u64 {
        self.end() - self.end() % self.file
    }

    fn slice(&self, from: u64, max: usize) -> Option<Bytes> {
        let file_end = from - from % self.file + self.file;
        let to = (from + max as u64).min(file_end).min(self.end());
        (from < to).then(|| Bytes::copy_from_slice(&self.bytes[from as usize..to as usize]))
    }
}
