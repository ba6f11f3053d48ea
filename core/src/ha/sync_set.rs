//! The in-sync set as its master keeps it, and how far the log is confirmed (`spec/ha.md#b6`, `#b7`).
//!
//! Every set that was proposed and may have been accepted counts until a newer one is known (KF-04), a member
//! whose log end is unknown holds confirmation where it is (KF-05), and who keeps up is judged by what it
//! acknowledged (KF-34).

use std::collections::{BTreeMap, BTreeSet};

use crate::planted;
use crate::time::Mono;

type Id = i64;

#[derive(Clone, Copy, Debug)]
struct Replica {
    session: u64,
    acked: u64,
    learner: bool,
    /// When it last had all there was.
    caught_up: Mono,
    /// Reaching this proves that it had all there was at `probe_at`.
    probe: u64,
    probe_at: Mono,
}

/// What a master knows of its replicas.
#[derive(Debug)]
pub struct SyncStateSet {
    own: Id,
    installed: BTreeSet<Id>,
    set_epoch: i32,
    /// Proposals whose outcome is open, the last of them perhaps still under way.
    proposed: Vec<BTreeSet<Id>>,
    in_flight: bool,
    replicas: BTreeMap<Id, Replica>,
    /// Who was there and went.
    left: BTreeSet<Id>,
    /// Members are given time to connect from here.
    since: Mono,
    confirmed: u64,
    /// Start of the master's own epoch: who has not got there may hold bytes the log does not have.
    epoch_start: u64,
    not_catchup_ms: u64,
    check_at: Mono,
}

/// How often lagging members are looked for (`checkSyncStateSetPeriod`).
const CHECK_MS: u64 = 1_000;

impl SyncStateSet {
    /// The set a master starts its epoch with. `confirmed` is what it knew as confirmed before.
    #[must_use]
    pub fn new(
        own: Id,
        installed: BTreeSet<Id>,
        set_epoch: i32,
        epoch_start: u64,
        confirmed: u64,
        not_catchup_ms: u64,
        now: Mono,
    ) -> Self {
        SyncStateSet {
            own,
            installed,
            set_epoch,
            proposed: Vec::new(),
            in_flight: false,
            replicas: BTreeMap::new(),
            left: BTreeSet::new(),
            since: now,
            confirmed,
            epoch_start,
            not_catchup_ms,
            check_at: now.plus_ms(CHECK_MS),
        }
    }

    #[must_use]
    pub fn installed(&self) -> &BTreeSet<Id> {
        &self.installed
    }

    #[must_use]
    pub fn set_epoch(&self) -> i32 {
        self.set_epoch
    }

    /// Everybody whose acknowledgement counts as necessary: the installed set and all that may have replaced it.
    #[must_use]
    pub fn effective(&self) -> BTreeSet<Id> {
        if planted::is("grown-set-late") {
            return self.installed.iter().copied().chain([self.own]).collect();
        }
        if let Some(last) = self.proposed.last().filter(|_| planted::is("shrunk-set-early")) {
            return last.iter().copied().chain([self.own]).collect();
        }
        let all = core::iter::once(&self.installed).chain(&self.proposed);
        all.flatten().copied().chain([self.own]).collect()
    }

    /// Members of the set in force that have a byte range up to `end`, the master included.
    #[must_use]
    pub fn holders(&self, end: u64) -> usize {
        self.effective().iter().filter(|id| self.has(**id, end)).count()
    }

    /// Whether every necessary member has the log up to `end`.
    #[must_use]
    pub fn all_have(&self, end: u64) -> bool {
        self.effective().iter().all(|id| self.has(*id, end))
    }

    fn has(&self, id: Id, end: u64) -> bool {
        let unknown = planted::is("unknown-member");
        id == self.own || self.replicas.get(&id).map_or(unknown, |replica| replica.acked >= end)
    }

    /// A replica reported. A newer session takes the place of an older one of the same replica (KF-11).
    pub fn acked(&mut self, now: Mono, id: Id, session: u64, acked: u64, log_end: u64, learner: bool) {
        if id == self.own {
            return;
        }
        self.left.remove(&id);
        let fresh = Replica { session, acked, learner, caught_up: now, probe: log_end, probe_at: now };
        let replica = self.replicas.entry(id).or_insert(fresh);
        if session < replica.session {
            return;
        }
        if session > replica.session {
            let caught_up = replica.caught_up;
            *replica = Replica { caught_up, ..fresh };
        }
        replica.acked = acked.max(replica.acked);
        if replica.acked >= log_end {
            replica.caught_up = now;
        } else if replica.acked >= replica.probe {
            replica.caught_up = replica.caught_up.max(replica.probe_at);
        }
        if replica.acked >= replica.probe {
            (replica.probe, replica.probe_at) = (log_end, now);
        }
    }

    /// A session ended.
    pub fn closed(&mut self, id: Id, session: u64) {
        if self.replicas.get(&id).is_some_and(|replica| replica.session == session) {
            self.replicas.remove(&id);
            self.left.insert(id);
            // waits for no check: who left is taken out at once
            self.check_at = Mono(0);
        }
    }

    /// The controller's word; older ones are ignored.
    pub fn install(&mut self, set: BTreeSet<Id>, set_epoch: i32) {
        if set_epoch > self.set_epoch {
            self.installed = set;
            self.set_epoch = set_epoch;
            self.proposed.clear();
            self.in_flight = false;
        }
    }

    /// The proposal under way got no good answer. It may be accepted all the same.
    pub fn proposal_failed(&mut self, now: Mono) {
        self.in_flight = false;
        self.check_at = self.check_at.max(now.plus_ms(CHECK_MS));
    }

    /// The set to be proposed now, if it should be another one. Nobody joins it who is not `ready`, however much of
    /// the log it has: a member may be elected, and needs more than the log then.
    pub fn propose(&mut self, now: Mono, ready: impl Fn(Id) -> bool) -> Option<BTreeSet<Id>> {
        let check = self.check_at <= now;
        if check {
            self.check_at = now.plus_ms(CHECK_MS);
        }
        if self.in_flight {
            return None;
        }
        let mut wanted = self.installed.clone();
        wanted.insert(self.own);
        if check {
            wanted.retain(|id| *id == self.own || self.keeps_up(now, *id));
        }
        for (id, replica) in &self.replicas {
            let close = replica.acked >= self.confirmed && replica.acked >= self.epoch_start;
            let joins = !wanted.contains(id) && !replica.learner;
            if joins && close && self.keeps_up(now, *id) && ready(*id) {
                wanted.insert(*id);
            }
        }
        // a failed proposal is only repeated when it is time to look again
        let known = wanted == self.installed || !check && self.proposed.contains(&wanted);
        (!known).then(|| {
            if !self.proposed.contains(&wanted) {
                self.proposed.push(wanted.clone());
            }
            self.in_flight = true;
            wanted
        })
    }

    /// A member that has not come yet gets its time; one that left does not.
    fn keeps_up(&self, now: Mono, id: Id) -> bool {
        let since = self.replicas.get(&id).map_or(self.since, |replica| replica.caught_up);
        !self.left.contains(&id) && now.ms_since(since) <= self.not_catchup_ms
    }

    /// Up to where every necessary member has the log; never goes back within an epoch. `own_end` is what the
    /// master itself counts as kept.
    pub fn confirm(&mut self, own_end: u64) -> u64 {
        if planted::is("confirm-alone") {
            self.confirmed = self.confirmed.max(own_end);
        }
        let mut least = Some(own_end);
        for id in self.effective() {
            if id != self.own {
                let unknown = planted::is("unknown-member").then_some(own_end);
                let acked = self.replicas.get(&id).map(|replica| replica.acked).or(unknown);
                least = least.zip(acked).map(|(a, b)| a.min(b));
            }
        }
        self.confirmed = self.confirmed.max(least.unwrap_or(0));
        self.confirmed
    }

    #[must_use]
    pub fn confirmed(&self) -> u64 {
        self.confirmed
    }

    /// When [`Self::propose`] is due although nothing was heard.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        Some(self.check_at)
    }
}
