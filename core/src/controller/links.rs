//! Whether connections to the other controllers still carry anything.
//!
//! A connection that a network took away without a word keeps what is sent on it, and after the network is back
//! waits for its own next try, up to minutes later. Raft answers everything, so silence tells.

use crate::raft::NodeId;
use crate::time::Mono;
use std::collections::BTreeMap;

/// A connection without any answer for so long is given up, in milliseconds.
const SILENCE_MS: u64 = 1_000;

/// By member, since when it owes an answer.
#[derive(Debug)]
pub(super) struct Links(BTreeMap<NodeId, Option<Mono>>);

impl Links {
    pub fn new(peers: impl IntoIterator<Item = (NodeId, String)>) -> Self {
        Links(peers.into_iter().map(|(id, _)| (id, None)).collect())
    }

    /// A message came.
    pub fn heard(&mut self, from: NodeId) {
        if let Some(owes) = self.0.get_mut(&from) {
            *owes = None;
        }
    }

    /// A message is about to be sent; whether it needs a new connection.
    pub fn sends(&mut self, now: Mono, to: NodeId) -> bool {
        let Some(owes) = self.0.get_mut(&to) else { return false };
        let since = owes.get_or_insert(now);
        let silent = now.ms_since(*since) >= SILENCE_MS;
        if silent {
            *since = now;
        }
        silent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_without_answers_is_given_up_once_a_second() {
        let peer = NodeId(1);
        let mut links = Links::new([(peer, "a:1".to_owned())]);
        let at = |ms| Mono(0).plus_ms(ms);
        assert!(!links.sends(at(0), peer));
        assert!(!links.sends(at(999), peer));
        assert!(links.sends(at(1_000), peer));
        assert!(!links.sends(at(1_999), peer));
        links.heard(peer);
        assert!(!links.sends(at(5_000), peer));
        assert!(links.sends(at(6_000), peer));
        assert!(!links.sends(at(9_000), NodeId(7)));
    }
}
