//! Who is alive (`DefaultBrokerHeartbeatManager`): a table of heartbeats, kept by every controller, whether it
//! leads or not. See `docs/decisions/007-controller-liveness-and-lease.md`.

use super::policy::Candidate;
use super::state::BrokerSet;
use crate::planted;
use crate::time::Mono;
use crate::wire::ConnId;
use std::collections::BTreeMap;

/// A broker as heartbeats name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrokerId {
    /// The broker name.
    pub name: String,
    /// The id in the broker set.
    pub id: i64,
    /// The cluster.
    pub cluster: String,
}

/// A registered replica as its heartbeats name it.
pub(super) fn broker_id(name: &str, set: &BrokerSet, id: i64) -> BrokerId {
    BrokerId { name: name.to_owned(), id, cluster: set.info.cluster.clone() }
}

/// What a heartbeat says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    pub conn: ConnId,
    pub timeout_ms: u64,
    pub epoch: i32,
    pub max_offset: i64,
    pub confirm_offset: i64,
    pub priority: i32,
}

/// What is known about a broker that sends heartbeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// The newest connection it was heard on; `None` once that is gone.
    pub conn: Option<ConnId>,
    /// When it was last heard.
    pub heard: Mono,
    /// Silence for longer than this is death.
    pub timeout_ms: u64,
    pub epoch: i32,
    pub max_offset: i64,
    pub confirm_offset: i64,
    pub priority: i32,
}

impl Live {
    fn expires(&self) -> Mono {
        self.heard.plus_ms(self.timeout_ms)
    }
}

/// The table.
#[derive(Debug, Default)]
pub struct Liveness {
    table: BTreeMap<BrokerId, Live>,
    /// No entry expires before this.
    first_expiry: Option<Mono>,
}

impl Liveness {
    /// Takes a heartbeat in. The newest values count, also smaller ones: a log that was cut is shorter. One that comes
    /// over an older connection than the broker has is from before, from a process that is gone, say, and says nothing.
    /// True if the broker was not known, or not connected.
    pub fn heard(&mut self, now: Mono, broker: &BrokerId, beat: &Heartbeat) -> bool {
        let live = Live {
            conn: Some(beat.conn),
            heard: now,
            timeout_ms: beat.timeout_ms,
            epoch: beat.epoch,
            max_offset: beat.max_offset,
            confirm_offset: beat.confirm_offset,
            priority: beat.priority,
        };
        let expires = live.expires();
        self.first_expiry = Some(self.first_expiry.map_or(expires, |first| first.min(expires)));
        match self.table.get_mut(broker) {
            Some(known) if known.conn > Some(beat.conn) => false,
            Some(known) => {
                let back = known.conn.is_none();
                *known = live;
                back
            }
            None => self.table.insert(broker.clone(), live).is_none(),
        }
    }

    /// A connection is gone; returns who was heard on it last.
    pub fn disconnected(&mut self, conn: ConnId) -> Vec<BrokerId> {
        let gone = self.table.iter_mut().filter(|(_, live)| live.conn == Some(conn));
        gone.map(|(broker, live)| {
            live.conn = None;
            broker.clone()
        })
        .collect()
    }

    /// Forgets a broker; its connection, if it has one.
    pub fn remove(&mut self, broker: &BrokerId) -> Option<ConnId> {
        self.table.remove(broker)?.conn
    }

    /// Forgets the brokers that were silent for too long, and returns them with their connections.
    pub fn expire(&mut self, now: Mono) -> Vec<(BrokerId, Option<ConnId>)> {
        if self.first_expiry.is_none_or(|first| now <= first) {
            return Vec::new();
        }
        if planted::is("silence-forgiven") {
            self.first_expiry = None;
            return Vec::new();
        }
        let silent = self.table.iter().filter(|(_, live)| now > live.expires());
        let silent: Vec<_> = silent.map(|(broker, live)| (broker.clone(), live.conn)).collect();
        self.table.retain(|_, live| now <= live.expires());
        self.first_expiry = self.table.values().map(Live::expires).min();
        silent
    }

    /// Gives silent brokers more time: this process itself did not run.
    pub fn extend_to(&mut self, until: Mono) {
        for live in self.table.values_mut().filter(|live| live.expires() < until) {
            live.timeout_ms = until.ms_since(live.heard) + 1;
        }
    }

    /// When [`Liveness::expire`] may find something.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        // An entry is alive up to and including its last moment.
        self.first_expiry.map(|first| Mono(first.0.saturating_add(1)))
    }

    #[must_use]
    pub fn get(&self, broker: &BrokerId) -> Option<&Live> {
        self.table.get(broker)
    }

    /// Heard in time, over a connection that still stands.
    #[must_use]
    pub fn is_alive(&self, now: Mono, broker: &BrokerId) -> bool {
        self.get(broker).is_some_and(|live| live.conn.is_some() && now <= live.expires())
    }

    /// What an alive broker brings to an election.
    #[must_use]
    pub fn candidate(&self, now: Mono, broker: &BrokerId) -> Option<Candidate> {
        let live = self.get(broker).filter(|_| self.is_alive(now, broker))?;
        let Live { epoch, max_offset, priority, .. } = *live;
        Some(Candidate { id: broker.id, epoch, max_offset, priority })
    }

    /// How many brokers are alive, by cluster and broker name.
    #[must_use]
    pub fn active(&self, now: Mono) -> BTreeMap<(String, String), usize> {
        let mut counts = BTreeMap::new();
        for broker in self.table.keys().filter(|broker| self.is_alive(now, broker)) {
            *counts.entry((broker.cluster.clone(), broker.name.clone())).or_default() += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_of_a_process_that_is_gone_says_nothing_of_its_successor() {
        let broker = BrokerId { name: "bb".to_owned(), id: 1, cluster: "C".to_owned() };
        let beat = |conn, epoch, max_offset| Heartbeat {
            conn: ConnId(conn),
            timeout_ms: 1_000,
            epoch,
            max_offset,
            confirm_offset: max_offset,
            priority: 0,
        };
        let at = |ms| Mono(0).plus_ms(ms);
        let mut table = Liveness::default();
        assert!(table.heard(at(0), &broker, &beat(7, 1, 500)), "it was not known");
        assert!(!table.heard(at(10), &broker, &beat(8, 2, 400)), "it was connected all the time");
        // what the first process had sent last comes behind the second one's
        assert!(!table.heard(at(900), &broker, &beat(7, 1, 500)));
        let known = table.get(&broker).map(|live| (live.conn, live.epoch, live.max_offset, live.heard));
        assert_eq!(known, Some((Some(ConnId(8)), 2, 400, at(10))));
        assert_eq!(table.disconnected(ConnId(7)), [], "and the end of its connection takes nobody away");
        assert!(table.is_alive(at(900), &broker));
        assert_eq!(table.expire(at(1_011)), [(broker, Some(ConnId(8)))], "nor does it keep anybody alive");
    }
}
