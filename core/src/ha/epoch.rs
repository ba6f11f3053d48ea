//! Which master wrote which part of the log (`EpochFileCache`, `spec/ha.md#b2`).

use core::fmt::Write as _;

use crate::planted;

/// A master's term and the first byte of the log it wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEntry {
    pub epoch: i32,
    /// Byte offset in the log.
    pub start: u64,
}

/// Why an epoch does not fit behind those that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EpochRefused {
    #[error("epoch {given} comes after epoch {last}")]
    Older { last: i32, given: i32 },
    #[error("epoch {epoch} starts at byte {start}, before the last one that starts at {last_start}")]
    StartsBefore { epoch: i32, start: u64, last_start: u64 },
}

/// Why an epoch file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EpochFileError {
    #[error("line {0} is missing or is not what an epoch file has there")]
    Line(usize),
    #[error("{said} entries are announced, {found} are there")]
    Count { said: usize, found: usize },
    #[error("the checksum is {found}, the file says {said}")]
    Checksum { said: u32, found: u32 },
    #[error("{0}")]
    Order(#[from] EpochRefused),
}

/// The epochs of a log, ascending by epoch and by start.
///
/// Unlike the reference, an epoch in which nothing was written is kept: a later one that starts at the same byte
/// takes its place, so that what two masters wrote at one offset is never taken for the same (KF-02).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochCache(Vec<EpochEntry>);

impl EpochCache {
    #[must_use]
    pub fn entries(&self) -> &[EpochEntry] {
        &self.0
    }

    #[must_use]
    pub fn last(&self) -> Option<EpochEntry> {
        self.0.last().copied()
    }

    /// The last epoch; -1 when there is none.
    #[must_use]
    pub fn last_epoch(&self) -> i32 {
        self.last().map_or(-1, |entry| entry.epoch)
    }

    /// Adds an epoch; false when it is the last one already.
    ///
    /// # Errors
    /// [`EpochRefused`]; nothing has changed.
    pub fn push(&mut self, entry: EpochEntry) -> Result<bool, EpochRefused> {
        if let Some(last) = self.last() {
            if entry == last {
                return Ok(false);
            }
            if entry.epoch <= last.epoch {
                return Err(EpochRefused::Older { last: last.epoch, given: entry.epoch });
            }
            if entry.start < last.start {
                let EpochEntry { epoch, start } = entry;
                return Err(EpochRefused::StartsBefore { epoch, start, last_start: last.start });
            }
            if entry.start == last.start {
                if planted::is("epoch-dropped") {
                    return Ok(false);
                }
                self.0.pop();
            }
        }
        self.0.push(entry);
        Ok(true)
    }

    /// The entry whose part of the log holds a byte, and where that part ends; `None` for its end while it is
    /// the last.
    #[must_use]
    pub fn find(&self, offset: u64) -> Option<(EpochEntry, Option<u64>)> {
        let next = self.0.partition_point(|entry| entry.start <= offset);
        let entry = *self.0.get(next.checked_sub(1)?)?;
        Some((entry, self.0.get(next).map(|entry| entry.start)))
    }

    /// Drops epochs that are not older than this one; true when there were any.
    pub fn drop_from_epoch(&mut self, epoch: i32) -> bool {
        let keep = self.0.partition_point(|entry| entry.epoch < epoch);
        self.cut(keep)
    }

    /// Drops epochs that start at or behind this byte; true when there were any.
    pub fn drop_from_offset(&mut self, offset: u64) -> bool {
        let keep = self.0.partition_point(|entry| entry.start < offset);
        self.cut(keep)
    }

    fn cut(&mut self, keep: usize) -> bool {
        let shorter = keep < self.0.len();
        self.0.truncate(keep);
        shorter
    }

    /// Drops epochs that end at or before this byte, the first one of the log that is left; true when there
    /// were any. The last epoch stays.
    pub fn drop_before(&mut self, offset: u64) -> bool {
        let ended = self.0.partition_point(|entry| entry.start <= offset).saturating_sub(1);
        self.0.drain(..ended);
        ended > 0
    }

    /// Up to where two logs agree: the end, in the shorter one, of the newest epoch both know with the same
    /// start. A log without any epoch is taken to agree with all that lies before the other's first. `None` when
    /// nothing tells.
    #[must_use]
    pub fn consistent_point(&self, own_end: u64, other: &EpochCache, other_end: u64) -> Option<u64> {
        let end_in = |cache: &EpochCache, at: usize, end: u64| cache.0.get(at + 1).map_or(end, |e| e.start);
        let Some(first) = other.0.first() else { return (own_end == 0).then_some(0) };
        if self.0.is_empty() {
            return Some(own_end.min(first.start));
        }
        for (at, entry) in self.0.iter().enumerate().rev() {
            if let Ok(there) = other.0.binary_search_by_key(&entry.epoch, |e| e.epoch)
                && other.0[there].start == entry.start
            {
                let own = end_in(self, at, own_end);
                if planted::is("cut-too-late") {
                    return Some(own);
                }
                return Some(own.min(end_in(other, there, other_end)));
            }
        }
        // A master that restarted into its only epoch let it begin anew: one history, but how much of it is
        // left nobody can tell.
        for entry in &self.0 {
            if let Ok(there) = other.0.binary_search_by_key(&entry.epoch, |e| e.epoch) {
                return Some(entry.start.min(other.0[there].start));
            }
        }
        // Both logs begin at the same byte under different masters: they part right there.
        if self.0.first().is_some_and(|own| own.start == first.start) {
            return Some(first.start);
        }
        (own_end == 0).then_some(0)
    }

    /// Takes over a peer's word for the part of the log that is the same up to `agreed`; its entries that
    /// start behind are left out, own ones from before its first are kept. True when this changed anything.
    pub fn adopt(&mut self, other: &EpochCache, agreed: u64) -> bool {
        let theirs = other.0.iter().take_while(|entry| entry.start <= agreed);
        let first = other.0.first().map_or(i32::MAX, |entry| entry.epoch);
        let mut merged = EpochCache::default();
        for entry in self.0.iter().take_while(|entry| entry.epoch < first).chain(theirs) {
            // entries of one side that the other contradicts are the younger side's word against nothing
            let _ = merged.push(*entry);
        }
        let changed = merged != *self;
        *self = merged;
        changed
    }

    /// The text of `epochFileCheckpoint` (`spec/ha.md#b1`): count, checksum, a line per entry.
    #[must_use]
    pub fn to_file(&self) -> String {
        let mut lines = String::new();
        for EpochEntry { epoch, start } in &self.0 {
            let _ = writeln!(lines, "{epoch}-{start}");
        }
        format!("{}\n{}\n{lines}", self.0.len(), checksum(&lines))
    }

    /// Reads the text of `epochFileCheckpoint`; a checksum of 0 is not checked.
    ///
    /// # Errors
    /// [`EpochFileError`] says which line is wrong and how.
    pub fn from_file(text: &str) -> Result<Self, EpochFileError> {
        let mut parts = text.splitn(3, '\n');
        let mut number = |line| {
            let found = parts.next().map(|text| text.trim_end_matches('\r').parse::<u32>());
            found.and_then(Result::ok).ok_or(EpochFileError::Line(line))
        };
        let (said, sum) = (number(1)? as usize, number(2)?);
        let lines = parts.next().unwrap_or("");
        let mut cache = EpochCache::default();
        let mut found = 0;
        for (at, line) in lines.lines().enumerate() {
            let entry = line.split_once('-').and_then(|(epoch, start)| {
                Some(EpochEntry { epoch: epoch.parse().ok()?, start: start.parse().ok()? })
            });
            let entry = entry.filter(|e| e.epoch >= 0 && i64::try_from(e.start).is_ok());
            cache.push(entry.ok_or(EpochFileError::Line(at + 3))?)?;
            found += 1;
        }
        if found != said {
            return Err(EpochFileError::Count { said, found });
        }
        let actual = checksum(lines);
        if sum != 0 && sum != actual {
            return Err(EpochFileError::Checksum { said: sum, found: actual });
        }
        Ok(cache)
    }
}

fn checksum(lines: &str) -> u32 {
    crc32fast::hash(lines.as_bytes()) & 0x7FFF_FFFF
}
