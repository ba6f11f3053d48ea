//! The logs of all brokers are equal up to their confirm offsets, and a new master has everything that was ever
//! confirmed.
//!
//! One copy of the confirmed log is kept; what a broker confirms is compared with it, or added to it, once per
//! process. This is also where the others learn which records are confirmed.

use std::collections::BTreeMap;

use sansmq_core::message::record::{self, Head};

use super::{Fact, Invariant, Log, Standing};

#[derive(Debug, Default)]
pub struct Logs {
    /// Position of the first byte kept.
    start: u64,
    bytes: Vec<u8>,
    /// Up to here records were handed out.
    read: u64,
    fresh: Vec<Vec<u8>>,
    /// By machine: its process, and how far that was compared.
    compared: BTreeMap<usize, (u64, u64)>,
    newest_epoch: i32,
    /// They do: what comes after that means nothing.
    differ: bool,
}

impl Logs {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// Whole records that were confirmed since the last call.
    pub fn take_fresh(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.fresh)
    }

    /// Compares a stretch of a log with the copy, and adds what the copy does not have.
    fn compare(&mut self, log: &dyn Log, mut from: u64, to: u64) -> Result<(), String> {
        while from < to {
            let Some(part) = log.slice(from) else {
                return Err(format!("byte {from} is confirmed, up to {to}, and cannot be read"));
            };
            let part = &part[..part.len().min((to - from) as usize)];
            let known = &self.bytes[(from - self.start) as usize..];
            let common = known.len().min(part.len());
            if let Some(at) = (0..common).find(|at| known[*at] != part[*at]) {
                let show = |bytes: &[u8]| bytes[at..bytes.len().min(at + 60)].escape_ascii().to_string();
                let at = from + at as u64;
                return Err(format!(
                    "differs at byte {at}, confirmed up to {to}: {} instead of {}",
                    show(part),
                    show(known)
                ));
            }
            self.bytes.extend_from_slice(&part[common..]);
            from += part.len() as u64;
        }
        Ok(())
    }

    fn read_records(&mut self) -> Result<(), String> {
        loop {
            let rest = &self.bytes[(self.read - self.start) as usize..];
            if rest.len() < record::BLANK_LEN {
                return Ok(());
            }
            let size = match record::peek(rest) {
                Ok(Head::Record { size, .. }) if size <= rest.len() => {
                    self.fresh.push(rest[..size].to_vec());
                    size
                }
                Ok(Head::Blank { size }) if size <= rest.len() => size,
                Ok(_) => return Ok(()), // the rest is not confirmed yet
                Err(error) => return Err(format!("no record is at byte {}: {error}", self.read)),
            };
            self.read += size as u64;
        }
    }

    fn follow(&mut self, standing: &Standing<'_>) -> Result<(), String> {
        if standing.min > self.end() || self.bytes.is_empty() {
            // nobody has what was before
            (self.start, self.read) = (standing.min, standing.min);
            self.bytes.clear();
        }
        let first = standing.min.max(self.start);
        let known = self.compared.entry(standing.machine).or_insert((standing.life, first));
        if known.0 != standing.life {
            *known = (standing.life, first);
        }
        let from = known.1.min(standing.confirm).max(first);
        known.1 = standing.confirm;
        self.compare(standing.log, from, standing.confirm)?;
        if standing.master && standing.epoch > self.newest_epoch {
            self.newest_epoch = standing.epoch;
            if standing.max < self.end() {
                return Err(format!(
                    "a new master's log ends at {}, {} is confirmed",
                    standing.max,
                    self.end()
                ));
            }
            self.compare(standing.log, first, self.end())?;
        }
        self.read_records()
    }
}

impl Invariant for Logs {
    fn name(&self) -> &'static str {
        "logs are equal as far as they are confirmed"
    }

    fn see(&mut self, _now: u64, fact: &Fact<'_>) -> Result<(), String> {
        let Fact::Stands(standing) = fact else { return Ok(()) };
        if self.differ {
            return Ok(());
        }
        self.follow(standing).map_err(|why| {
            self.differ = true;
            format!(
                "machine {}, epoch {}, master {}: {why}",
                standing.machine, standing.epoch, standing.master
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bytelog, standing, stored};
    use super::*;

    #[test]
    fn records_come_out_once_and_in_order() {
        let first = Bytelog(stored("T", 0, 1, b"one"));
        let both = Bytelog([first.0.clone(), stored("T", 1, 2, b"two")].concat());
        let mut logs = Logs::default();
        assert!(logs.follow(&Standing { master: false, ..standing(3, 1, &first) }).is_ok());
        assert_eq!(logs.take_fresh().len(), 1);
        let torn = Standing { confirm: both.0.len() as u64 - 1, ..standing(3, 1, &both) };
        assert!(logs.follow(&torn).is_ok() && logs.take_fresh().is_empty());
        assert!(logs.follow(&standing(4, 1, &both)).is_ok());
        assert_eq!(logs.take_fresh(), [stored("T", 1, 2, b"two")]);
    }

    #[test]
    fn a_log_that_differs_and_a_master_that_lacks_something_are_found() {
        let (good, other) = (Bytelog(stored("T", 0, 1, b"one")), Bytelog(stored("T", 0, 1, b"two")));
        let mut logs = Logs::default();
        assert!(logs.follow(&standing(3, 1, &good)).is_ok());
        assert!(logs.follow(&Standing { master: false, ..standing(4, 1, &other) }).is_err());
        let empty = Bytelog(Vec::new());
        assert!(logs.follow(&Standing { master: false, ..standing(5, 1, &empty) }).is_ok());
        assert!(logs.follow(&standing(5, 2, &empty)).is_err());
        let unconfirmed = Standing { confirm: 0, ..standing(4, 3, &other) };
        assert!(logs.follow(&unconfirmed).is_err(), "what it will confirm is not what was");
    }
}
