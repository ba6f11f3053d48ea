//! What the log holds of topics that were deleted.
//!
//! A deletion takes a topic's queues; its records stay in the log until they expire, and every recovery that
//! comes past them would enter them into the queues of a topic that has been created again under the same name
//! (`spec/known-failures.md` KF-47). So the store keeps, in the file `deletedTopics` of its root, the byte of the
//! log at which each topic was last deleted: `<byte> <topic>` a line, and a checksum line `#<crc32, hex>` at the
//! end. Records in front of that byte are in no queue of the topic. The reference does not know the file.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use crate::atomic::{Found, read_with_backup};
use crate::disk::{Disk, DiskRef};
use crate::error::StoreError;

/// Topics that were deleted, and where in the log.
#[derive(Debug, Default)]
pub(crate) struct DeletedTopics {
    at: BTreeMap<Box<str>, u64>,
    state: State,
}

/// How the file stands to what is in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Written,
    Changed,
    /// Being written, and changed meanwhile or not.
    InFlight {
        changed: bool,
    },
    /// It could not be written; it is tried again with the next tick.
    Failed,
}

fn decode(bytes: &[u8]) -> Option<BTreeMap<Box<str>, u64>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (lines, sum) = text.strip_suffix('\n')?.rsplit_once('#')?;
    if u32::from_str_radix(sum, 16).ok()? != crc32fast::hash(lines.as_bytes()) {
        return None;
    }
    let line = |line: &str| {
        let (at, topic) = line.split_once(' ')?;
        Some((topic.into(), at.parse().ok()?))
    };
    lines.lines().map(line).collect()
}

impl DeletedTopics {
    pub(crate) fn path(root: &Path) -> PathBuf {
        root.join("deletedTopics")
    }

    /// Reads the file, or what the last replacement has kept of it.
    pub(crate) fn load(disk: &DiskRef, root: &Path) -> Result<Self, StoreError> {
        let path = Self::path(root);
        let found = read_with_backup(&**disk, &path, |bytes| decode(bytes).is_some());
        let at = match found.map_err(StoreError::io("read", &path))? {
            Found::Current(bytes) | Found::Backup(bytes) => decode(&bytes).unwrap_or_default(),
            Found::Nothing => BTreeMap::new(),
        };
        Ok(DeletedTopics { at, state: State::Written })
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = String::new();
        for (topic, at) in &self.at {
            let _ = writeln!(out, "{at} {topic}");
        }
        let sum = crc32fast::hash(out.as_bytes());
        let _ = writeln!(out, "#{sum:08x}");
        out.into_bytes()
    }

    /// Whether a record at this byte belongs to a topic that was deleted behind it.
    pub(crate) fn covers(&self, topic: &str, position: u64) -> bool {
        !self.at.is_empty() && self.at.get(topic).is_some_and(|at| position < *at)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.at.iter().map(|(topic, at)| (&**topic, *at))
    }

    /// A topic is deleted; the log ends at `end`. Remembers nothing of one without records in the log.
    pub(crate) fn add(&mut self, topic: &str, log_start: u64, end: u64) {
        if end > log_start && !topic.contains('\n') {
            self.at.insert(topic.into(), end);
            self.change();
        }
        self.fit(log_start, end);
    }

    fn change(&mut self) {
        self.state = match self.state {
            State::InFlight { .. } => State::InFlight { changed: true },
            _ => State::Changed,
        };
    }

    /// Forgets what the log has no records of any more; what has been cut off its end comes again as other records.
    pub(crate) fn fit(&mut self, log_start: u64, end: u64) {
        let before = self.at.len();
        self.at.retain(|_, at| *at > log_start && end > log_start);
        let mut cut = self.at.len() != before;
        for at in self.at.values_mut().filter(|at| **at > end) {
            (*at, cut) = (end, true);
        }
        if cut {
            self.change();
        }
    }

    /// What to write, if the file is to be written by a job now.
    pub(crate) fn take_write(&mut self) -> Option<Vec<u8>> {
        if self.state != State::Changed {
            return None;
        }
        self.state = State::InFlight { changed: false };
        Some(self.encode())
    }

    /// A job has ended.
    pub(crate) fn written(&mut self, result: &io::Result<()>) {
        self.state = match (self.state, result) {
            (State::InFlight { changed: true }, _) => State::Changed,
            (_, Ok(())) => State::Written,
            (_, Err(_)) => State::Failed,
        };
    }

    /// Time has passed since a failure.
    pub(crate) fn retry(&mut self) {
        if self.state == State::Failed {
            self.state = State::Changed;
        }
    }

    /// Writes the file now if it is behind.
    pub(crate) fn write_now(&mut self, disk: &dyn Disk, root: &Path) -> Result<(), StoreError> {
        if self.state == State::Written {
            return Ok(());
        }
        let path = Self::path(root);
        write(disk, &path, &self.encode()).map_err(StoreError::io("write", &path))?;
        self.state = State::Written;
        Ok(())
    }
}

/// Replaces the file, durably.
pub(crate) fn write(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    crate::atomic::write_atomic_on(disk, path, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let mut deleted = DeletedTopics::default();
        deleted.add("T", 0, 100);
        deleted.add("%RETRY%a b", 0, 200);
        let bytes = deleted.encode();
        let found = decode(&bytes).unwrap();
        assert_eq!(
            found.iter().map(|(t, at)| (&**t, *at)).collect::<Vec<_>>(),
            [("%RETRY%a b", 200), ("T", 100)]
        );
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert!(decode(&bad).is_none() || decode(&bad) == Some(found.clone()), "byte {at}");
            assert_eq!(decode(&bytes[..at]), None, "cut at {at}");
        }
    }

    #[test]
    fn positions_follow_the_log() {
        let mut deleted = DeletedTopics::default();
        deleted.add("a", 0, 100);
        deleted.add("b", 0, 200);
        assert!(deleted.covers("a", 99) && !deleted.covers("a", 100) && !deleted.covers("c", 0));
        deleted.fit(0, 150);
        assert!(deleted.covers("b", 149) && !deleted.covers("b", 150));
        deleted.fit(100, 150);
        assert!(!deleted.covers("a", 0) && deleted.covers("b", 149));
        deleted.fit(100, 100);
        assert_eq!(deleted.iter().count(), 0);
    }

    #[test]
    fn a_change_during_a_write_is_written_again() {
        let mut deleted = DeletedTopics::default();
        deleted.add("a", 0, 100);
        assert!(deleted.take_write().is_some());
        deleted.add("b", 0, 200);
        assert!(deleted.take_write().is_none(), "one at a time");
        deleted.written(&Ok(()));
        assert!(deleted.take_write().is_some());
        deleted.written(&Err(io::ErrorKind::StorageFull.into()));
        assert!(deleted.take_write().is_none());
        deleted.retry();
        assert!(deleted.take_write().is_some());
    }
}
