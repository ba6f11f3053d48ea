//! What has to hold: noted while a history runs, checked when it has ended.

use std::collections::{BTreeMap, BTreeSet};

use sansmq_core::store::Store as _;
use sansmq_core::wire::Command;
use sansmq_core::wire::code::request;

use super::client::{GROUP, QUEUES, TOPIC, records};
use super::world::World;
use super::{BROKERS, setup};
use crate::messages::{Pull, ext};

#[derive(Debug, Default)]
pub struct Oracle {
    /// Body by queue and offset, of what producers were promised.
    pub acked: BTreeMap<(usize, i64), String>,
    /// Body by queue and offset, of what the consumer was shown.
    seen: BTreeMap<(usize, i64), String>,
    /// Epoch: the machine that acknowledged first in it, and when.
    epochs: BTreeMap<i32, (usize, u64)>,
    pub topics: BTreeSet<String>,
    /// By queue: the highest offset a commit was answered for, and when.
    pub commits: BTreeMap<usize, (i64, u64)>,
    /// Commits that must have survived.
    pub kept: BTreeMap<usize, (i64, u64)>,
    /// Loss is what was configured.
    pub may_lose: bool,
    pub refused: u64,
    pub broken: Vec<String>,
}

impl Oracle {
    pub fn fail(&mut self, what: String) {
        self.broken.push(what);
    }

    /// A broker hands the answer of a success to its socket, for a message sent at `asked`.
    pub fn acknowledges(&mut self, now: u64, machine: usize, epoch: i32, asked: u64) {
        let first = *self.epochs.entry(epoch).or_insert((machine, now));
        if first.0 != machine {
            self.fail(format!("machines {} and {machine} acknowledge in epoch {epoch}", first.0));
        }
        // An answer on its way when the next master begins is no harm: the message is in both logs. One to a
        // message that was sent when the next master was already at work is what must not be.
        let newer = self.epochs.range(epoch + 1..).find(|(_, (_, began))| *began < asked);
        if let Some((newer, (other, began))) = newer {
            let text = format!(
                "machine {machine} acknowledges in epoch {epoch} what was sent at {asked}; machine {other} does in epoch {newer} since {began}"
            );
            self.fail(text);
        }
    }

    pub fn acknowledged(&mut self, now: u64, addr: &str, queue: usize, told: i64, offset: i64, body: &str) {
        if told != queue as i64 || offset < 0 {
            self.fail(format!("{now}: {addr} acknowledged {body} for queue {queue} at {told}/{offset}"));
        }
        if let Some(other) = self.acked.insert((queue, offset), body.to_owned())
            && !self.may_lose
        {
            self.fail(format!("{now}: {addr} acknowledged {body} at {queue}/{offset}, where {other} is"));
        }
    }

    pub fn consumed(&mut self, now: u64, addr: &str, queue: usize, read: &[(i64, String)]) {
        for (offset, body) in read {
            let first = self.seen.entry((queue, *offset)).or_insert_with(|| body.clone());
            if first != body && !self.may_lose {
                let text =
                    format!("{now}: {addr} shows {body} at {queue}/{offset}, where {first} was seen before");
                self.broken.push(text);
            }
        }
    }

    pub fn committed(&mut self, now: u64, queue: usize, offset: i64) {
        let known = self.commits.entry(queue).or_insert((offset, now));
        if offset > known.0 {
            *known = (offset, now);
        }
    }
}

impl World {
    /// The machine that is master, with every replica in its set, all of the same epoch.
    pub fn whole(&self) -> Option<usize> {
        let role = |machine: usize| {
            let node = self.machines[machine].node.as_ref()?;
            setup::broker_of(node)?.replicas()?.role().cloned()
        };
        let roles: Vec<_> = BROKERS.map(role).collect::<Option<_>>()?;
        let epoch = roles.iter().map(|role| role.epoch).max()?;
        let master = BROKERS.zip(&roles).find(|(_, role)| role.is_master() && role.epoch == epoch)?.0;
        let node = self.machines[master].node.as_ref()?;
        let set = setup::broker_of(node)?.replicas()?.sync_state_set().1.len();
        (roles.iter().all(|role| role.epoch == epoch) && set == BROKERS.len()).then_some(master)
    }

    /// What every broker takes itself for, as lines of the trace.
    pub(super) fn picture(&mut self) {
        for machine in BROKERS {
            let node = self.machines[machine].node.as_ref();
            let Some((broker, replicas)) =
                node.and_then(setup::broker_of).and_then(|b| Some((b, b.replicas()?)))
            else {
                continue;
            };
            let text = format!(
                "machine {machine}: id {:?}, {:?}, role {:?}, set {:?}, effective {:?}, {:?}, {:?}",
                replicas.id(),
                replicas.state(),
                replicas.role(),
                replicas.sync_state_set(),
                replicas.effective_set(),
                broker.log_progress(),
                broker.store().log_bounds()
            );
            self.say(&text);
        }
    }

    /// Connections, as lines of the trace.
    pub(super) fn picture_links(&mut self) {
        let line = |(id, link): (&u64, &super::net::Link)| {
            let end = |end: &super::net::End| {
                format!(
                    "{} life {} (now {}) open {} conn {:?} wire {} owed {} unread {} fin {} paused {}",
                    end.machine,
                    end.life,
                    self.machines[end.machine].life,
                    end.open,
                    end.conn,
                    end.wire.len(),
                    end.owed,
                    end.received.len(),
                    end.fin,
                    end.paused
                )
            };
            format!("link {id}, listener {}: {} -- {}", link.listener, end(&link.ends[0]), end(&link.ends[1]))
        };
        let lines: Vec<String> = self.net.links.iter().map(line).collect();
        lines.iter().for_each(|line| self.say(line));
    }

    /// Reads everything back from the master, and compares the replicas.
    pub(super) fn examine(&mut self, master: usize) {
        let addr = format!("{}:{}", setup::ip(master), setup::BROKER_PORT);
        let mut bodies: BTreeMap<String, (usize, i64)> = BTreeMap::new();
        let mut all: BTreeMap<(usize, i64), String> = BTreeMap::new();
        for queue in 0..QUEUES {
            // What retention has taken is not read; what it should not have taken is missed below.
            let fields = format!("topic={TOPIC} queueId={queue}");
            let answer = self.ask(&addr, Command::request(request::GET_MIN_OFFSET, ext(&fields)));
            let min = answer.and_then(|answer| answer.ext_text("offset")?.parse::<i64>().ok());
            let mut next = min.unwrap_or(0);
            loop {
                let mut pull = Pull::from(TOPIC, next);
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
                    if let Some(first) = bodies.insert(body.clone(), (queue, offset)) {
                        self.oracle.fail(format!("{body} is at {first:?} and at {queue}/{offset}"));
                    }
                    all.insert((queue, offset), body);
                    next = offset + 1;
                }
            }
            self.examine_offsets(&addr, queue, next);
        }
        let lost = |promise: &BTreeMap<(usize, i64), String>, what: &str| -> Vec<String> {
            let wrong = promise.iter().filter(|(place, body)| all.get(place) != Some(body));
            let say = |((queue, offset), body): (&(usize, i64), &String)| {
                let instead = all.get(&(*queue, *offset));
                format!(
                    "{what} and lost: {body} at {queue}/{offset}, where {instead:?} is; it is at {:?}",
                    bodies.get(body)
                )
            };
            wrong.map(say).collect()
        };
        if !self.oracle.may_lose {
            let mut broken = lost(&self.oracle.acked, "acknowledged");
            broken.extend(lost(&self.oracle.seen, "consumed"));
            self.oracle.broken.extend(broken);
        }
        self.examine_topics(&addr);
        self.compare_logs(master);
    }

    fn examine_offsets(&mut self, addr: &str, queue: usize, end: i64) {
        let fields = format!("consumerGroup={GROUP} topic={TOPIC} queueId={queue}");
        let command = Command::request(request::QUERY_CONSUMER_OFFSET, ext(&fields));
        let answer = self.ask(addr, command);
        let offset = answer.and_then(|answer| answer.ext_text("offset")?.parse::<i64>().ok());
        if offset.is_some_and(|offset| offset > end) {
            self.oracle
                .fail(format!("the committed offset {offset:?} of queue {queue} is behind its end {end}"));
        }
        let kept = self.oracle.kept.get(&queue).map_or(0, |kept| kept.0);
        if offset.unwrap_or(0) < kept {
            self.oracle
                .fail(format!("offset {kept} of queue {queue} was committed, and fell back to {offset:?}"));
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
        self.oracle.broken.extend(missing);
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
        self.oracle.broken.extend(broken);
    }
}
