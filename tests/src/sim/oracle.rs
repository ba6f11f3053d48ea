//! What clients were promised and shown, and what of that does not hold.

use std::collections::{BTreeMap, BTreeSet};

use super::invariants::{Fact, Invariants, Place, Standing};
use super::ledger::Ledger;

/// More violations than this tell nothing new.
const ENOUGH: usize = 20;

#[derive(Default)]
pub struct Oracle {
    pub ledger: Ledger,
    invariants: Invariants,
    /// Message by topic, queue and offset, of what producers were promised to lie there.
    pub acked: BTreeMap<(&'static str, usize, i64), u64>,
    pub topics: BTreeSet<String>,
    /// The highest offset a commit was answered for, and when.
    pub commits: BTreeMap<Place, (i64, u64)>,
    /// Loss is what was configured.
    pub may_lose: bool,
    pub refused: u64,
    pub broken: Vec<String>,
}

impl Oracle {
    pub fn fail(&mut self, what: String) {
        if self.broken.len() < ENOUGH {
            self.broken.push(what);
        }
    }

    fn take(&mut self, now: u64, broken: Vec<String>) {
        let at = now as f64 / 1e9;
        broken.into_iter().for_each(|what| self.fail(format!("{at:.6}: {what}")));
    }

    /// Something happened.
    pub fn tell(&mut self, now: u64, fact: &Fact<'_>) {
        let broken = self.invariants.see(now, fact, self.may_lose);
        self.take(now, broken);
    }

    /// A broker has moved.
    pub fn stands(&mut self, now: u64, standing: &Standing<'_>) {
        let broken = self.invariants.stands(now, standing, &self.ledger, self.may_lose);
        self.take(now, broken);
    }

    /// A producer was told that a message is kept, and its offset in the queue where it is kept.
    pub fn promised(&mut self, now: u64, id: u64, offset: i64) {
        self.ledger.promise(id);
        let Some(message) = self.ledger.get(id) else { return };
        let broken = self.invariants.see(now, &Fact::Promised { message, offset }, self.may_lose);
        let (held, place) = (message.kind.is_held(), (message.topic, message.queue, offset));
        self.take(now, broken);
        if !held
            && let Some(other) = self.acked.insert(place, id)
            && !self.may_lose
        {
            self.fail(format!("{now}: message {id} is acknowledged at {place:?}, where {other} is"));
        }
    }

    /// A consumer was shown what lies in a queue from an offset on.
    pub fn shown(
        &mut self,
        now: u64,
        reader: &'static str,
        place: Place,
        asked: i64,
        read: &[(i64, Vec<u8>)],
    ) {
        let found = read.iter().map(|(offset, body)| Some((*offset, self.ledger.find(body)?)));
        match found.collect::<Option<Vec<_>>>() {
            Some(shown) => {
                let fact = Fact::Shown { reader, place, asked, shown: &shown };
                let broken = self.invariants.see(now, &fact, self.may_lose);
                self.take(now, broken);
            }
            None => {
                self.fail(format!("{now}: {reader} is shown what nobody has sent at {place:?}: {read:?}"))
            }
        }
    }

    /// A commit was answered.
    pub fn committed(&mut self, now: u64, place: Place, offset: i64) {
        self.tell(now, &Fact::Committed { place, offset });
        let known = self.commits.entry(place).or_insert((offset, now));
        if offset > known.0 {
            *known = (offset, now);
        }
    }

    /// What somebody is still to be shown.
    #[must_use]
    pub fn owed(&self) -> usize {
        if self.may_lose { 0 } else { self.invariants.owed() }
    }
}
