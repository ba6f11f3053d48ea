//! Leases: how long a master may acknowledge without having heard again that it is master
//! (`docs/decisions/007-controller-liveness-and-lease.md`).

use crate::time::Mono;
use std::collections::BTreeMap;

/// The longest lease in milliseconds, counted by the broker from the moment it sent the heartbeat.
pub const LEASE_MS: u64 = 2_000;
/// What this side adds: clocks need not run equally fast.
pub const LEASE_RESERVE_MS: u64 = 200;

/// A lease as this controller gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub lease_ms: u64,
    /// Of the mastership it is given for.
    pub epoch: i32,
    until: Mono,
}

/// The last lease of every broker name.
#[derive(Debug, Default)]
pub(super) struct Leases {
    grants: BTreeMap<String, Grant>,
}

impl Leases {
    /// A new leader knows of none; it waits as long as any may last.
    pub fn begin(&mut self) {
        self.grants.clear();
    }

    /// Gives the master of `name`, heard at `heard`, a lease.
    pub fn grant(&mut self, name: &str, epoch: i32, heard: Mono, timeout_ms: u64) -> Grant {
        // It ends before silence is taken for death.
        let lease_ms = LEASE_MS.min(timeout_ms.saturating_mul(2) / 3);
        let until = heard.plus_ms(lease_ms + LEASE_RESERVE_MS);
        let until = self.grants.get(name).map_or(until, |last| last.until.max(until));
        let grant = Grant { lease_ms, epoch, until };
        self.grants.insert(name.to_owned(), grant);
        grant
    }

    /// Until when the master of `name` may still act on a lease.
    pub fn held_until(&self, now: Mono, name: &str) -> Option<Mono> {
        self.grants.get(name).map(|grant| grant.until).filter(|until| now <= *until)
    }

    /// A new master begins without one.
    pub fn forget(&mut self, name: &str) {
        self.grants.remove(name);
    }
}
