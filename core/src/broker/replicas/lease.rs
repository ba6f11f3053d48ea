//! How long a master may acknowledge on its own word (`docs/decisions/008-fencing-and-lease.md`).
//!
//! It runs from the moment a heartbeat was *sent* to the controller the broker takes for the leader: that one cannot
//! have counted this broker's silence from earlier. A controller of ours gives it with its answer, after it has proved
//! that it leads, and says for how long; while mastership is moved it gives none. One of the reference says nothing, so a
//! question who is master follows once the heartbeat is answered, and an answer with this broker's own mastership
//! counts. The question waits for the heartbeat's answer because a controller may serve two requests of one connection
//! in either order, and an election may fall between them.

use crate::time::Mono;

/// The lease of a master.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    /// The longest.
    length_ms: u64,
    until: Option<Mono>,
    /// Rounds sent before this do not count.
    doubted: Mono,
}

impl Lease {
    pub fn new(length_ms: u64) -> Self {
        Lease { length_ms, until: None, doubted: Mono(0) }
    }

    /// A round sent then was answered in full; `given_ms` is what the controller gives, if it says so.
    pub fn renew(&mut self, sent: Mono, given_ms: Option<u64>) {
        if sent >= self.doubted {
            let until = sent.plus_ms(given_ms.unwrap_or(self.length_ms).min(self.length_ms));
            self.until = Some(self.until.map_or(until, |last| last.max(until)));
        }
    }

    /// There is reason to think that another master was elected: only rounds from now on count.
    pub fn doubt(&mut self, now: Mono) {
        self.until = None;
        self.doubted = now;
    }

    pub fn end(&self) -> Option<Mono> {
        self.until
    }

    /// Strictly before its end.
    pub fn is_valid(&self, now: Mono) -> bool {
        self.end().is_some_and(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_runs_from_the_sending_and_never_backwards() {
        let at = |ms| Mono(0).plus_ms(ms);
        let mut lease = Lease::new(2_000);
        assert!(!lease.is_valid(at(0)));
        lease.renew(at(1_000), None);
        lease.renew(at(500), None);
        lease.renew(at(1_500), Some(1_000));
        assert!(lease.is_valid(at(2_999)) && !lease.is_valid(at(3_000)));
        lease.doubt(at(2_000));
        lease.renew(at(1_999), None);
        assert!(!lease.is_valid(at(2_000)));
        lease.renew(at(2_000), Some(5_000));
        assert_eq!(lease.end(), Some(at(4_000)), "never longer than the controller waits");
    }
}
