//! The end of a history: everything is read back from the master over the wire, and the replicas are compared.

use std::collections::BTreeMap;

use sansmq_core::store::Store as _;
use sansmq_core::wire::Command;
use sansmq_core::wire::code::request;

use super::clients::requests::{query, records};
use super::clients::{ORDERLY, QUEUES, TOPIC};
use super::invariants::Place;
use super::ledger::Kind;
use super::world::World;
use super::{BROKERS, setup};
use crate::messages::{Pull, ext};

impl World {
    /// The machine that is master, with every replica in its set, all of the same epoch.
    pub fn whole(&self) -> Option<usize> {
        if self.settings.containers && self.whole_set(setup::NEIGHBOUR).is_none() {
            return None;
        }
        self.whole_set(setup::MAIN)
    }

    fn whole_set(&self, wanted: setup::Set) -> Option<usize> {
        let role = |machine: usize| {
            let node = self.machines[machine].node.as_ref()?;
            setup::broker_in(node, wanted)?.replicas()?.role().cloned()
        };
        let roles: Vec<_> = BROKERS.map(role).collect::<Option<_>>()?;
        let epoch = roles.iter().map(|role| role.epoch).max()?;
        let master = BROKERS.zip(&roles).find(|(_, role)| role.is_master() && role.epoch == epoch)?.0;
        let node = self.machines[master].node.as_ref()?;
        let set = setup::broker_in(node, wanted)?.replicas()?.sync_state_set().1.len();
        (roles.iter().all(|role| role.epoch == epoch) && set == BROKERS.len()).then_some(master)
    }

    /// Reads everything back from the master, and compares the replicas.
    pub(super) fn examine(&mut self, master: usize) {
        let addr = format!("{}:{}", setup::ip(master), setup::BROKER_PORT);
        let mut places: BTreeMap<u64, (&str, usize, i64)> = BTreeMap::new();
        let mut all: BTreeMap<(&'static str, usize, i64), u64> = BTreeMap::new();
        for (topic, queue) in
            [TOPIC, ORDERLY].into_iter().flat_map(|topic| (0..QUEUES).map(move |q| (topic, q)))
        {
            // What retention has taken is not read; what it should not have taken is missed below.
            let fields = format!("topic={topic} queueId={queue}");
            let answer = self.ask(&addr, Command::request(request::GET_MIN_OFFSET, ext(&fields)));
            let min = answer.and_then(|answer| answer.ext_text("offset")?.parse::<i64>().ok());
            let mut next = min.unwrap_or(0);
            loop {
                let mut pull = Pull::from(topic, next);
                (pull.queue, pull.group) = (queue as i32, "examiner");
                let Some(answer) = self.ask(&addr, pull.command()) else {
                    return self.oracle.fail(format!("{addr} does not answer a pull"));
                };
                let read = if answer.code == 0 { records(&answer.body) } else { Vec::new() };
                if read.is_empty() {
                    break;
                }
                for (offset, body) in read {
                    if offset != next {
                        self.oracle.fail(format!("queue {queue} goes on with {offset} instead of {next}"));
                    }
                    next = offset + 1;
                    let Some(message) = self.oracle.ledger.find(&body) else {
                        self.oracle.fail(format!("nobody has sent what is at {topic}/{queue}/{offset}"));
                        continue;
                    };
                    let (id, kind) = (message.id, message.kind);
                    all.insert((topic, queue, offset), id);
                    let first = places.insert(id, (topic, queue, offset));
                    // what is delivered later may be delivered again after a crash
                    let again = matches!(kind, Kind::Delayed { .. } | Kind::Timed { .. });
                    if let Some(first) = first.filter(|_| !again) {
                        self.oracle
                            .fail(format!("message {id} is at {first:?} and at {topic}/{queue}/{offset}"));
                    }
                }
            }
            // a consumer may insist on what it has read before the loss
            if !self.oracle.may_lose {
                self.examine_offsets(&addr, topic, queue, next);
            }
        }
        if !self.oracle.may_lose {
            let promised = self.oracle.acked.iter();
            let lost = promised.filter(|(place, id)| all.get(*place) != Some(*id));
            let lost: Vec<String> = lost
                .map(|(place, id)| {
                    let (instead, where_else) = (all.get(place), places.get(id));
                    format!(
                        "acknowledged and lost: message {id} at {place:?}, where {instead:?} is; it is at {where_else:?}"
                    )
                })
                .collect();
            lost.into_iter().for_each(|what| self.oracle.fail(what));
        }
        self.examine_topics(&addr);
        self.compare_logs(master);
        if let Some(neighbour) = self.whole_set(setup::NEIGHBOUR) {
            self.examine_neighbour(neighbour);
        }
    }

    /// No group is behind the end of a queue.
    fn examine_offsets(&mut self, addr: &str, topic: &str, queue: usize, end: i64) {
        let places: Vec<Place> = self.oracle.commits.keys().copied().collect();
        for place in places.iter().filter(|place| place.topic == topic && place.queue == queue) {
            let answer = self.ask(addr, query(place));
            let offset = answer.and_then(|answer| answer.ext_text("offset")?.parse::<i64>().ok());
            if offset.is_some_and(|offset| offset > end) {
                self.oracle.fail(format!("{place:?} is committed at {offset:?}, behind the end {end}"));
            }
        }
    }

    fn examine_topics(&mut self, addr: &str) {
        let command = Command::request(request::GET_ALL_TOPIC_CONFIG, ext(""));
        let table = self.ask(addr, command).map(|answer| answer.body).unwrap_or_default();
        let table = String::from_utf8_lossy(&table).into_owned();
        if self.oracle.may_lose {
            return;
        }
        let missing = self.oracle.topics.iter().filter(|name| !table.contains(&format!("\"{name}\"")));
        let missing: Vec<String> =
            missing.map(|name| format!("topic {name} was created and is gone")).collect();
        missing.into_iter().for_each(|what| self.oracle.fail(what));
    }

    /// The replicas' logs are those of the master as far as they are confirmed.
    fn compare_logs(&mut self, master: usize) {
        let log = |machine: usize| {
            let node = self.machines[machine].node.as_ref()?;
            let store = setup::broker_of(node)?.store();
            let bounds = store.log_bounds();
            let (mut bytes, mut at) = (Vec::new(), bounds.min);
            while let Some(part) = store.log_slice(at, usize::MAX).filter(|part| !part.is_empty()) {
                at += part.len() as u64;
                bytes.extend_from_slice(&part);
            }
            Some((bounds.min, bytes, store.confirmed()))
        };
        let Some((min, bytes, confirmed)) = log(master) else { return };
        let confirmed = (confirmed.saturating_sub(min) as usize).min(bytes.len());
        let mut broken = Vec::new();
        for machine in BROKERS.filter(|machine| *machine != master) {
            let Some((other_min, other, _)) = log(machine) else { continue };
            let from = min.max(other_min);
            let own = &bytes[(from - min) as usize..confirmed];
            let theirs = &other[((from - other_min) as usize).min(other.len())..];
            let common = own.iter().zip(theirs).take_while(|(a, b)| a == b).count();
            if common < own.len() {
                let apart: Vec<usize> = (0..own.len()).filter(|at| theirs.get(*at) != own.get(*at)).collect();
                let extent = (apart.len(), apart.last().map(|at| from + *at as u64));
                let show = |bytes: &[u8]| {
                    let part = &bytes[common.min(bytes.len())..bytes.len().min(common + 100)];
                    format!("{} bytes, {}", bytes.len(), part.escape_ascii())
                };
                broken.push(format!(
                    "the log of machine {machine} parts from that of the master {master} at byte {}, confirmed {}: {extent:?} {} instead of {}",
                    from + common as u64,
                    min + confirmed as u64,
                    show(theirs),
                    show(own)
                ));
            }
        }
        broken.into_iter().for_each(|what| self.oracle.fail(what));
    }
}
