//! The SyncStateSet as a master must see it: what the controller is known to have, and what it may have
//! without the master knowing (`spec/known-failures.md` KF-04, KF-34).
//!
//! A proposal whose answer was lost may have been applied, or may still be. Until the controller shows a
//! higher epoch of the set, which refuses all proposals made on the old one, every member of every such
//! proposal counts as a member.

use std::collections::BTreeSet;

/// The set of one master epoch.
#[derive(Clone, Debug, Default)]
pub(super) struct Sets {
    epoch: i32,
    members: BTreeSet<i64>,
    /// Proposals that may yet be applied, and how many requests of each are not known to be refused.
    proposed: Vec<(BTreeSet<i64>, u32)>,
    /// What the replication service wants the set to be.
    wanted: Option<BTreeSet<i64>>,
}

impl Sets {
    /// A new master epoch: what was proposed under the old one is refused by it.
    pub fn begin(&mut self, epoch: i32, members: BTreeSet<i64>) {
        *self = Sets { epoch, members, proposed: Vec::new(), wanted: None };
    }

    /// Takes what the controller has; whether it was news.
    pub fn install(&mut self, epoch: i32, members: &BTreeSet<i64>) -> bool {
        if epoch <= self.epoch {
            return false;
        }
        self.epoch = epoch;
        self.members.clone_from(members);
        self.proposed.clear();
        // It was wanted when another set counted; who joined it need not have what was acknowledged since.
        self.wanted = None;
        true
    }

    pub fn epoch(&self) -> i32 {
        self.epoch
    }

    pub fn members(&self) -> &BTreeSet<i64> {
        &self.members
    }

    /// Everyone whose acknowledgement counts as needed.
    pub fn effective(&self) -> BTreeSet<i64> {
        self.possible().collect()
    }

    /// Whether `id` and nobody else can be in the controller's set.
    pub fn is_only(&self, id: i64) -> bool {
        self.members.contains(&id) && self.possible().all(|member| member == id)
    }

    fn possible(&self) -> impl Iterator<Item = i64> {
        self.proposed.iter().flat_map(|(set, _)| set).chain(&self.members).copied()
    }

    pub fn want(&mut self, wanted: BTreeSet<i64>) {
        self.wanted = Some(wanted);
    }

    /// The next proposal, if there is something to propose; it counts from now on.
    pub fn propose(&mut self) -> Option<BTreeSet<i64>> {
        let wanted = self.wanted.as_ref().filter(|wanted| **wanted != self.members)?.clone();
        match self.proposed.iter_mut().find(|(set, _)| *set == wanted) {
            Some((_, sent)) => *sent += 1,
            None => self.proposed.push((wanted.clone(), 1)),
        }
        Some(wanted)
    }

    /// The request for what was wanted came to nothing that is known.
    pub fn forget_wish(&mut self) {
        self.wanted = None;
    }

    pub fn has_wish(&self) -> bool {
        self.wanted.as_ref().is_some_and(|wanted| *wanted != self.members)
    }

    /// One request for this set is refused for good.
    pub fn refused(&mut self, refused: &BTreeSet<i64>) {
        self.proposed.retain_mut(|(set, sent)| {
            *sent -= u32::from(set == refused);
            *sent > 0
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ids: &[i64]) -> BTreeSet<i64> {
        ids.iter().copied().collect()
    }

    #[test]
    fn what_may_have_been_applied_counts_until_a_higher_epoch_refutes_it() {
        let mut sets = Sets::default();
        sets.begin(3, set(&[1]));
        assert!(sets.is_only(1));
        sets.want(set(&[1, 2]));
        assert_eq!(sets.propose(), Some(set(&[1, 2])));
        sets.want(set(&[1, 3]));
        assert_eq!(sets.propose(), Some(set(&[1, 3])));
        assert_eq!(sets.effective(), set(&[1, 2, 3]));
        assert!(!sets.is_only(1) && !sets.install(3, &set(&[1])));
        assert!(sets.install(4, &set(&[1, 2])));
        assert_eq!(sets.effective(), set(&[1, 2]));
        assert!(!sets.has_wish(), "what was wanted is judged anew on the new epoch");
    }
}
