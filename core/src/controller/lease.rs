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
    pub id: i64,
    pub lease_ms: u64,
    until: Mono,
}

/// The last lease of every broker name.
#[derive(Debug, Default)]
pub(super) struct Leases {
    grants: BTreeMap<String, Grant>,
    last_id: i64,
}

impl Leases {
    /// Starts numbering anew; numbers of two leaders do not meet, as long as they do not begin in the same
    /// millisecond with the same node id.
    pub fn begin(&mut self, wall_ms: i64, node: u64) {
        self.grants.clear();
        let node = i64::try_from(node & 0xff).unwrap_or(0);
        self.last_id = self.last_id.max((wall_ms.clamp(0, 1 << 42) << 20) | (node << 12));
    }

    /// Gives the master of `name`, heard at `heard`, a lease.
    pub fn grant(&mut self, name: &str, heard: Mono, timeout_ms: u64) -> Grant {
        // It ends before silence is taken for death.
        let lease_ms = LEASE_MS.min(timeout_ms.saturating_mul(2) / 3);
        self.last_id = self.last_id.saturating_add(1);
        let until = heard.plus_ms(lease_ms + LEASE_RESERVE_MS);
        let until = self.grants.get(name).map_or(until, |last| last.until.max(until));
        let grant = Grant { id: self.last_id, lease_ms, until };
        self.grants.insert(name.to_owned(), grant);
        grant
    }

    /// The broker gives its leases up to this one back.
    pub fn released(&mut self, name: &str, id: i64) {
        if self.grants.get(name).is_some_and(|grant| grant.id == id) {
            self.grants.remove(name);
        }
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
