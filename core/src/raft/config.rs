//! Timing and limits of a raft group, and its members as the configuration names them.

use core::fmt;
use std::collections::BTreeMap;

use super::NodeId;

/// Timing and limits. The same on all members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RaftConfig {
    /// Between two signs of life of an idle leader.
    pub heartbeat_ms: u64,
    /// A follower that has heard nothing for `election_max_ms` waits a random time from this range more and
    /// then stands for election: a dead leader is replaced within twice `election_max_ms`.
    pub election_min_ms: u64,
    pub election_max_ms: u64,
    /// A request to another member that took longer has failed.
    pub request_timeout_ms: u64,
    /// The same for a snapshot.
    pub snapshot_timeout_ms: u64,
    /// A snapshot is taken when the log has grown by this many records since the last one.
    pub snapshot_every: u64,
    /// Records that stay in the log though a snapshot covers them, for followers that are not far behind.
    pub keep_records: u64,
    /// Longest command.
    pub command_bytes: usize,
    /// Longest message between members.
    pub message_bytes: usize,
    /// Most proposals that wait at a time.
    pub proposals: usize,
}

impl Default for RaftConfig {
    fn default() -> Self {
        RaftConfig {
            heartbeat_ms: 100,
            election_min_ms: 150,
            election_max_ms: 350,
            request_timeout_ms: 300,
            snapshot_timeout_ms: 3_000,
            snapshot_every: 1_000,
            keep_records: 200,
            command_bytes: 128 << 10,
            message_bytes: 16 << 20,
            proposals: 1_024,
        }
    }
}

/// The members of a group and their addresses: `n0-127.0.0.1:9877;n1-127.0.0.1:9868` (`controllerDLegerPeers`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peers(pub BTreeMap<NodeId, String>);

/// What is wrong with a member or a list of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeersError {
    #[error("\"{0}\" is no member id; expected n and a number, as in n0")]
    Id(String),
    #[error("\"{0}\" is no member; expected id-host:port, as in n0-127.0.0.1:9877")]
    Member(String),
    #[error("member {0} is named twice")]
    Twice(NodeId),
    #[error("no member is named; expected id-host:port, several separated by ;")]
    Empty,
    #[error("{count} members are too many; expected at most {MOST}")]
    TooMany { count: usize },
}

/// Most members of a group; every write waits for more than half of them.
const MOST: usize = 9;

impl core::str::FromStr for NodeId {
    type Err = PeersError;

    fn from_str(text: &str) -> Result<Self, PeersError> {
        let number = text.strip_prefix('n').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        let id = number.and_then(|digits| digits.parse().ok()).map(NodeId);
        id.ok_or_else(|| PeersError::Id(text.to_owned()))
    }
}

impl core::str::FromStr for Peers {
    type Err = PeersError;

    fn from_str(text: &str) -> Result<Self, PeersError> {
        let mut peers = BTreeMap::new();
        for member in text.split(';').map(str::trim).filter(|member| !member.is_empty()) {
            let wrong = || PeersError::Member(member.to_owned());
            let (id, addr) = member.split_once('-').ok_or_else(wrong)?;
            let (host, port) = addr.rsplit_once(':').ok_or_else(wrong)?;
            if host.is_empty() || port.parse::<u16>().is_err() {
                return Err(wrong());
            }
            let id: NodeId = id.parse()?;
            if peers.insert(id, addr.to_owned()).is_some() {
                return Err(PeersError::Twice(id));
            }
        }
        match peers.len() {
            0 => Err(PeersError::Empty),
            count if count > MOST => Err(PeersError::TooMany { count }),
            _ => Ok(Peers(peers)),
        }
    }
}

impl fmt::Display for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (id, addr)) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { ";" };
            write!(f, "{separator}{id}-{addr}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_and_mistakes_named() {
        let text = "n0-127.0.0.1:9877;n1-host-b:9868;n12-[::1]:9876";
        let peers: Peers = text.parse().expect("a list of members");
        assert_eq!(peers.0.len(), 3);
        assert_eq!(peers.0[&NodeId(1)], "host-b:9868");
        assert_eq!(peers.to_string(), text);
        let wrong = |text: &str| text.parse::<Peers>().expect_err(text).to_string();
        assert_eq!(wrong(" ; "), PeersError::Empty.to_string());
        assert!(wrong("n0:9876").contains("\"n0:9876\""));
        assert!(wrong("n0-a:99999").contains("n0-a:99999"));
        assert!(wrong("x0-a:1").contains("\"x0\" is no member id"));
        assert!(wrong("n-a:1").contains("\"n\" is no member id"));
        assert_eq!(wrong("n0-a:1;n0-b:1"), "member n0 is named twice");
        let many: Vec<String> = (0..10).map(|n| format!("n{n}-h:{n}")).collect();
        assert!(wrong(&many.join(";")).starts_with("10 members"));
    }
}
