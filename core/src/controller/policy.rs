//! Who becomes master (`DefaultElectPolicy`): the old master while it lives, else the best of the candidates.

use core::cmp::{Ordering, Reverse};
use std::collections::BTreeSet;

use crate::planted;

/// What a live replica's heartbeats say about its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its id in the broker set.
    pub id: i64,
    /// The newest epoch in its log; the larger one wins.
    pub epoch: i32,
    /// Where its log ends, in bytes; the larger one wins.
    pub max_offset: i64,
    /// The smaller one wins (`brokerElectionPriority`).
    pub priority: i32,
}

impl Candidate {
    /// A total order over the whole width of every member; ids are unique, so only equal candidates are equal.
    /// The reference subtracts and casts, which turns logs more than 2 GiB apart around.
    fn rank(&self) -> (i32, i64, Reverse<i32>, Reverse<i64>) {
        (self.epoch, self.max_offset, Reverse(self.priority), Reverse(self.id))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Candidate {
    /// The greater one is the better master.
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

/// What an election chooses from.
#[derive(Clone, Copy, Debug)]
pub struct Ballot<'a> {
    /// Replicas that are alive, of those registered.
    pub alive: &'a [Candidate],
    /// The SyncStateSet.
    pub in_sync: &'a BTreeSet<i64>,
    /// Whether a replica outside the set may be taken when the set gives nobody.
    pub unclean: bool,
    /// The master until now.
    pub old_master: Option<i64>,
    /// Nobody else is wanted.
    pub designated: Option<i64>,
}

/// The chosen one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Its id.
    pub id: i64,
    /// It is not a member of the SyncStateSet: acknowledged messages may be missing.
    pub unclean: bool,
}

/// Chooses from the set, then, if that is allowed, from all.
#[must_use]
pub fn choose(ballot: &Ballot<'_>) -> Option<Choice> {
    let clean = round(ballot, |c| ballot.in_sync.contains(&c.id));
    let any =
        || if ballot.unclean || planted::is("non-member-elected") { round(ballot, |_| true) } else { None };
    clean.or_else(any).map(|id| Choice { id, unclean: !ballot.in_sync.contains(&id) })
}

fn round(ballot: &Ballot<'_>, eligible: impl Fn(&Candidate) -> bool) -> Option<i64> {
    let candidates = || ballot.alive.iter().filter(|c| eligible(c));
    let has = |id: i64| candidates().any(|c| c.id == id);
    if let Some(old) = ballot.old_master.filter(|old| has(*old))
        && ballot.designated.is_none_or(|wanted| wanted == old)
    {
        return Some(old);
    }
    match ballot.designated {
        Some(wanted) => has(wanted).then_some(wanted),
        None => candidates().max().map(|best| best.id),
    }
}
