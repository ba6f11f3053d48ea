//! What was lost, moved or doubled, and how long things took.

use core::fmt;
use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::inquiry::{log_end, read_queue, replicas_soon};
use crate::load::{Ack, QUEUES};

/// Times of one round; `None` is not within the limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// From the fault to the next acknowledgement (of another broker, if the master was struck).
    pub outage: Option<Duration>,
    /// From the fault until the survivors are in sync.
    pub in_sync: Option<Duration>,
    /// From the repair until all three are.
    pub whole: Option<Duration>,
    /// Whether `in_sync` was looked at.
    pub needs_in_sync: bool,
    /// Sending did not go on though the master lived.
    pub stopped: bool,
    /// Another master acknowledged while most controllers were down.
    pub without_majority: bool,
    /// The controllers came back with another master than they had.
    pub forgotten: bool,
}

#[derive(Debug, Default)]
pub struct Tally {
    acknowledged: BTreeMap<(i32, i64), String>,
    /// Offset and body acknowledged twice, or an offset given to two messages.
    clashes: u64,
    lost: u64,
    moved: u64,
    doubled: u64,
    /// Requests sent after another broker had acknowledged, acknowledged by the old master.
    two_masters: u64,
    /// Pairs of logs that differ.
    unequal: u64,
    /// Rounds in which the controllers decided without a majority, or came back without their state, or sending
    /// stopped with them.
    against_controllers: u64,
    /// Rounds that did not recover in time.
    stuck: u64,
    /// The Java consumer did not get what the Java producer sent.
    pub java_clients_lost: bool,
    outages: Vec<Duration>,
    in_sync: Vec<Duration>,
    whole: Vec<Duration>,
    /// Where the next check of each queue begins.
    checked: BTreeMap<i32, i64>,
}

impl Tally {
    pub fn check(&mut self, cluster: &Cluster, acks: &[Ack], times: &Times) {
        self.stuck += u64::from(times.outage.is_none() || times.whole.is_none());
        self.stuck += u64::from(times.needs_in_sync && times.in_sync.is_none());
        let wrong = [times.stopped, times.without_majority, times.forgotten];
        self.against_controllers += wrong.iter().filter(|wrong| **wrong).count() as u64;
        self.outages.extend(times.outage);
        self.in_sync.extend(times.in_sync);
        self.whole.extend(times.whole);
        self.two_masters += two_masters(acks);
        for ack in acks {
            let old = self.acknowledged.insert((ack.queue, ack.offset), ack.body.clone());
            self.clashes += u64::from(old.is_some());
        }
        let from = self.checked.clone();
        self.check_from(cluster, &from);
        self.compare_logs(cluster);
    }

    /// At the end: everything ever acknowledged, from the first offset on.
    pub fn check_all(&mut self, cluster: &Cluster) {
        self.check_from(cluster, &BTreeMap::new());
    }

    fn check_from(&mut self, cluster: &Cluster, from: &BTreeMap<i32, i64>) {
        let Some((master, _)) = replicas_soon(&cluster.addresses) else {
            self.stuck += 1;
            return;
        };
        let mut bodies = HashSet::new();
        for queue in 0..QUEUES {
            let start = from.get(&queue).copied().unwrap_or(0);
            let found = read_queue(&cluster.addresses.brokers[master], queue, start);
            self.doubled += found.iter().filter(|(_, body)| !bodies.insert(body.clone())).count() as u64;
            let found: BTreeMap<i64, String> = found.into_iter().collect();
            for ((_, offset), body) in self.acknowledged.range((queue, start)..=(queue, i64::MAX)) {
                match found.get(offset) {
                    Some(stored) if stored == body => {}
                    Some(_) => self.moved += 1,
                    None => self.lost += 1,
                }
            }
            let end = found.keys().next_back().map_or(start, |last| last + 1);
            self.checked.insert(queue, end);
        }
    }

    /// The logs of all brokers, byte by byte up to where they end; they get a moment to become equally long.
    fn compare_logs(&mut self, cluster: &Cluster) {
        let end = Instant::now() + Duration::from_secs(10);
        let ends = loop {
            let ends: Vec<Option<u64>> = cluster.addresses.brokers.iter().map(|addr| log_end(addr)).collect();
            if ends.iter().all(|end| end.is_some() && *end == ends[0]) || Instant::now() > end {
                break ends;
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        let shortest = ends.iter().map(|end| end.unwrap_or(0)).min().unwrap_or(0);
        if ends.iter().any(|end| *end != Some(shortest)) {
            println!("logs end at {ends:?}");
            self.unequal += 1;
        }
        let length = usize::try_from(shortest).unwrap_or(usize::MAX);
        let logs: Vec<Vec<u8>> = (0..ends.len()).map(|broker| cluster.commit_log(broker)).collect();
        for log in &logs[1..] {
            let same = logs[0].get(..length) == log.get(..length);
            if !same {
                let at = logs[0].iter().zip(log).position(|(a, b)| a != b);
                println!("logs differ at {at:?} before {length}");
                self.unequal += 1;
            }
        }
    }

    pub fn is_bad(&self) -> bool {
        let sum = self.lost
            + self.moved
            + self.doubled
            + self.clashes
            + self.two_masters
            + self.unequal
            + self.against_controllers
            + self.stuck;
        sum > 0 || self.java_clients_lost
    }
}

/// A request sent after another broker had already acknowledged must not be acknowledged by the one before it.
fn two_masters(acks: &[Ack]) -> u64 {
    let mut by_time: Vec<&Ack> = acks.iter().collect();
    by_time.sort_by_key(|ack| ack.received);
    let mut last: Option<(usize, Instant)> = None;
    let mut replaced: BTreeMap<usize, Instant> = BTreeMap::new();
    let mut found = 0;
    for ack in by_time {
        match last {
            Some((broker, _)) if broker == ack.broker => {}
            _ if replaced.get(&ack.broker).is_some_and(|since| ack.sent > *since) => found += 1,
            _ if replaced.contains_key(&ack.broker) => {}
            _ => {
                if let Some((before, _)) = last {
                    replaced.insert(before, ack.received);
                }
                last = Some((ack.broker, ack.received));
            }
        }
    }
    found
}

fn spread(times: &[Duration]) -> String {
    let mut times = times.to_vec();
    times.sort();
    match (times.first(), times.get(times.len() / 2), times.last()) {
        (Some(min), Some(median), Some(max)) => {
            format!("{} / {} / {} ms", min.as_millis(), median.as_millis(), max.as_millis())
        }
        _ => "-".to_owned(),
    }
}

fn shown(time: Option<Duration>) -> String {
    time.map_or("not in time".to_owned(), |time| format!("{} ms", time.as_millis()))
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "next acknowledgement after {}", shown(self.outage))?;
        if self.needs_in_sync {
            write!(f, ", survivors in sync after {}", shown(self.in_sync))?;
        }
        let wrong = [
            (self.stopped, "sending stopped"),
            (self.without_majority, "a master was elected without a majority"),
            (self.forgotten, "the controllers have forgotten the master"),
        ];
        for (_, what) in wrong.iter().filter(|(wrong, _)| *wrong) {
            write!(f, ", {what}")?;
        }
        write!(f, ", all in sync {} after the repair", shown(self.whole))
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} rounds, {} acknowledged: {} lost, {} moved, {} doubled, {} offsets given twice, {} acknowledged by \
             an old master, {} unequal logs, {} wrong without controllers, {} not recovered; min / median / max to the next acknowledgement {}, \
             survivors in sync {}, all in sync {}",
            self.outages.len(),
            self.acknowledged.len(),
            self.lost,
            self.moved,
            self.doubled,
            self.clashes,
            self.two_masters,
            self.unequal,
            self.against_controllers,
            self.stuck,
            spread(&self.outages),
            spread(&self.in_sync),
            spread(&self.whole),
        )
    }
}
