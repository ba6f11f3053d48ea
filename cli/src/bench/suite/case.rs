//! The cases, as data: every server is measured by the same list.

use sansmq_core::wire::Encoding;
use std::time::Duration;

use crate::bench::options::Plan;

/// What a case does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sends to eight queues.
    Send,
    /// Pulls what the last sending case of the same size has left, in the page cache still.
    PullWarm,
    /// The same after the files were made cold.
    PullCold,
    /// A message at a time, from its sending to its arrival at a waiting consumer.
    EndToEnd,
    /// Sends while this many more connections are open and idle.
    BesideIdle(usize),
    /// Sends to the queues of many topics.
    ManyTopics,
    /// Sends while this many groups wait for the messages.
    FanOut(usize),
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub name: &'static str,
    pub kind: Kind,
    /// Bytes of a body.
    pub size: usize,
    pub connections: usize,
    /// Requests in flight over each of them.
    pub depth: u32,
    /// Messages in a request.
    pub batch: i32,
    pub binary: bool,
}

const fn send(name: &'static str, size: usize, connections: usize, depth: u32) -> Case {
    Case { name, kind: Kind::Send, size, connections, depth, batch: 1, binary: false }
}

const fn pull(name: &'static str, kind: Kind, size: usize) -> Case {
    Case { name, kind, size, connections: 1, depth: 4, batch: 32, binary: false }
}

const fn beside_idle(name: &'static str, idle: usize, connections: usize, depth: u32) -> Case {
    Case { kind: Kind::BesideIdle(idle), ..send(name, 128, connections, depth) }
}

pub static CASES: [Case; 27] = [
    send("send-128-c1-d1", 128, 1, 1),
    send("send-128-c1-d64", 128, 1, 64),
    send("send-128-c1-d256", 128, 1, 256),
    send("send-128-c4-d64", 128, 4, 64),
    send("send-128-c64-d1", 128, 64, 1),
    send("send-128-c64-d64", 128, 64, 64),
    Case { binary: true, ..send("send-128-c1-d1-binary", 128, 1, 1) },
    Case { binary: true, ..send("send-128-c1-d64-binary", 128, 1, 64) },
    Case { batch: 32, ..send("send-128-c1-d8-batch32", 128, 1, 8) },
    pull("pull-128", Kind::PullWarm, 128),
    send("send-1k-c1-d1", 1024, 1, 1),
    send("send-1k-c1-d64", 1024, 1, 64),
    send("send-1k-c4-d64", 1024, 4, 64),
    send("send-1k-c64-d64", 1024, 64, 64),
    Case { batch: 32, ..send("send-1k-c1-d8-batch32", 1024, 1, 8) },
    pull("pull-1k", Kind::PullWarm, 1024),
    pull("pull-1k-cold", Kind::PullCold, 1024),
    send("send-64k-c1-d1", 65_536, 1, 1),
    send("send-64k-c4-d16", 65_536, 4, 16),
    Case { depth: 2, batch: 8, ..pull("pull-64k", Kind::PullWarm, 65_536) },
    Case { kind: Kind::EndToEnd, ..send("end-to-end-128", 128, 1, 1) },
    beside_idle("connections-100-active-100", 0, 100, 1),
    beside_idle("connections-10000-active-100", 9_900, 100, 1),
    beside_idle("connections-10000-active-1", 9_999, 1, 64),
    Case { kind: Kind::ManyTopics, ..send("topics", 128, 1, 64) },
    Case { kind: Kind::FanOut(1), ..send("fan-out-1", 128, 1, 1) },
    Case { kind: Kind::FanOut(32), ..send("fan-out-32", 128, 1, 1) },
];

impl Case {
    /// Cases of the same size share a topic, so that what was sent can be pulled.
    pub fn topic(&self) -> String {
        match self.kind {
            Kind::Send | Kind::PullWarm | Kind::PullCold => format!("BenchmarkSuite-{}", self.size),
            _ => format!("BenchmarkSuite-{}", self.name),
        }
    }

    pub fn plan(&self, broker: &str, seconds: Duration, pid: Option<u32>) -> Plan {
        Plan {
            topic: self.topic(),
            broker: Some(broker.to_owned()),
            connections: self.connections,
            depth: self.depth,
            encoding: if self.binary { Encoding::RocketMq } else { Encoding::Json },
            batch: self.batch,
            // a pull ends where its topic does
            seconds: Some(seconds),
            messages: None,
            pid,
            json: false,
        }
    }
}

/// The cases whose names begin with one of these; all without any.
///
/// # Errors
/// A beginning that fits none.
pub fn chosen(beginnings: &[&str]) -> Result<Vec<&'static Case>, String> {
    let fits = |case: &Case, beginning: &str| case.name.starts_with(beginning);
    if let Some(unknown) = beginnings.iter().find(|one| !CASES.iter().any(|case| fits(case, one))) {
        let names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
        return Err(format!("--cases {unknown}: no case begins like that; there are {}", names.join(", ")));
    }
    let wanted = |case: &Case| beginnings.is_empty() || beginnings.iter().any(|one| fits(case, one));
    Ok(CASES.iter().filter(|case| wanted(case)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found_by_their_beginnings() {
        let names: std::collections::BTreeSet<&str> = CASES.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), CASES.len());
        assert_eq!(chosen(&[]).map(|cases| cases.len()), Ok(CASES.len()));
        assert_eq!(chosen(&["fan-out", "topics"]).map(|cases| cases.len()), Ok(3));
        assert!(chosen(&["fly"]).is_err_and(|why| why.starts_with("--cases fly: no case begins like that")));
    }
}
