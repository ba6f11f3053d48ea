//! How long a master may acknowledge on its own word (`docs/decisions/008-fencing-and-lease.md`).
//!
//! A round is a heartbeat and, once that is answered, a question who is master, both to the controller the
//! broker takes for the leader. When the second is answered with this broker's own mastership, the lease runs
//! from the moment the heartbeat was *sent*: the controller cannot have counted this broker's silence from
//! earlier. The question waits for the heartbeat's answer because a controller may serve two requests of one
//! connection in either order, and an election may fall between them.

use crate::time::Mono;

/// The lease of a master.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    length_ms: u64,
    /// When the last round that counts was sent.
    from: Option<Mono>,
    /// Rounds sent before this do not count.
    doubted: Mono,
}

impl Lease {
    pub fn new(length_ms: u64) -> Self {
        Lease { length_ms, from: None, doubted: Mono(0) }
    }

    /// A round sent then was answered in full.
    pub fn renew(&mut self, sent: Mono) {
        if sent >= self.doubted {
            self.from = Some(self.from.map_or(sent, |from| from.max(sent)));
        }
    }

    /// There is reason to think that another master was elected: only rounds from now on count.
    pub fn doubt(&mut self, now: Mono) {
        self.from = None;
        self.doubted = now;
    }

    pub fn end(&self) -> Option<Mono> {
        self.from.map(|from| from.plus_ms(self.length_ms))
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
        lease.renew(at(1_000));
        lease.renew(at(500));
        assert!(lease.is_valid(at(2_999)) && !lease.is_valid(at(3_000)));
        lease.doubt(at(2_000));
        lease.renew(at(1_999));
        assert!(!lease.is_valid(at(2_000)));
        lease.renew(at(2_000));
        assert_eq!(lease.end(), Some(at(4_000)));
    }
}
