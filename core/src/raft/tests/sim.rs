//! A group in virtual time on a faulty network and faulty disks, from one seed.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::raft::{
    LogRecord, NodeId, ProposeError, RaftConfig, RaftImage, RaftIn, RaftNode, RaftOut, RaftState, RaftWrite,
    RestoreError,
};
use crate::time::{Mono, Now};

/// A replicated list of commands with their places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal(pub BTreeMap<u64, String>);

impl RaftState for Journal {
    fn apply(&mut self, index: u64, command: &[u8]) -> Bytes {
        let text = String::from_utf8_lossy(command).into_owned();
        self.0.insert(index, text);
        Bytes::from(index.to_string())
    }

    fn snapshot(&self) -> Bytes {
        serde_json::to_vec(&self.0).expect("a map of strings").into()
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), RestoreError> {
        self.0 = serde_json::from_slice(snapshot).map_err(|error| RestoreError(error.to_string()))?;
        Ok(())
    }
}

/// Does a write to what a disk holds.
pub fn write(image: &mut RaftImage, op: RaftWrite) {
    match op {
        RaftWrite::Vote(bytes) => image.vote = Some(bytes),
        RaftWrite::Append(records) => {
            for record in records {
                assert!(image.log.last().is_none_or(|last| last.index + 1 == record.index), "a gap");
                image.log.push(record);
            }
        }
        RaftWrite::TruncateFrom(index) => image.log.retain(|record: &LogRecord| record.index < index),
        RaftWrite::Purge { upto, mark } => {
            image.log.retain(|record| record.index > upto);
            image.purged = Some(mark);
        }
        RaftWrite::Snapshot(bytes) => image.snapshot = Some(bytes),
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Faults {
    pub loss_ppm: u32,
    pub dup_ppm: u32,
    /// Delays in microseconds, from and to.
    pub net_us: (u64, u64),
    pub disk_us: (u64, u64),
}

pub const CALM: Faults = Faults { loss_ppm: 0, dup_ppm: 0, net_us: (100, 800), disk_us: (100, 2_000) };

enum Event {
    Deliver { from: NodeId, to: NodeId, data: Bytes },
    Written { at: NodeId, life: u64, seq: u64, op: RaftWrite },
}

#[derive(Default)]
pub struct Slot {
    pub node: Option<RaftNode<Journal>>,
    pub disk: RaftImage,
    life: u64,
    disk_free_at: u64,
    /// It may vote, and its disk says so.
    voter: bool,
}

pub struct Sim {
    pub rng: SmallRng,
    pub faults: Faults,
    pub config: RaftConfig,
    pub now: u64,
    order: u64,
    events: BTreeMap<(u64, u64), Event>,
    pub slots: BTreeMap<NodeId, Slot>,
    pub cut: BTreeSet<(NodeId, NodeId)>,
    pub trace: u64,
    leaders: BTreeMap<u64, NodeId>,
    /// What was applied at each place, by whichever member came first.
    history: BTreeMap<u64, String>,
    next_token: u64,
    proposed: BTreeMap<u64, String>,
    pub acked: BTreeMap<String, u64>,
    pub refused: u64,
    /// Questions that were answered with yes.
    pub proved: u64,
}

impl Sim {
    pub fn new(seed: u64, members: u64, config: RaftConfig, faults: Faults) -> Self {
        let mut sim = Sim {
            rng: SmallRng::seed_from_u64(seed),
            faults,
            config,
            now: 0,
            order: 0,
            events: BTreeMap::new(),
            slots: (0..members).map(|n| (NodeId(n), Slot::default())).collect(),
            cut: BTreeSet::new(),
            trace: 0,
            leaders: BTreeMap::new(),
            history: BTreeMap::new(),
            next_token: 0,
            proposed: BTreeMap::new(),
            acked: BTreeMap::new(),
            refused: 0,
            proved: 0,
        };
        for n in 0..members {
            sim.boot(NodeId(n));
        }
        sim
    }

    pub fn ids(&self) -> Vec<NodeId> {
        self.slots.keys().copied().collect()
    }

    fn time(&self) -> Now {
        Now { mono: Mono(self.now), wall_ms: 0 }
    }

    fn note(&mut self, what: u64) {
        let mixed = (self.trace ^ self.now ^ what).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.trace = mixed.rotate_left(29) ^ what;
    }

    fn at(&mut self, at: u64, event: Event) {
        self.order += 1;
        self.events.insert((at, self.order), event);
    }

    pub fn boot(&mut self, id: NodeId) {
        let (seed, now, members) = (self.rng.random(), self.time(), self.slots.keys().copied().collect());
        let slot = self.slots.get_mut(&id).expect("a member");
        slot.life += 1;
        slot.disk_free_at = now.mono.0;
        let node =
            RaftNode::start(id, members, Journal::default(), slot.disk.clone(), self.config, seed, now);
        slot.node = Some(node.expect("the image is whole"));
        self.drain(id);
    }

    /// The power goes: what is not on disk is lost.
    pub fn crash(&mut self, id: NodeId) {
        self.note(0xdead ^ id.0);
        let slot = self.slots.get_mut(&id).expect("a member");
        slot.node = None;
        slot.life += 1;
    }

    /// The disk goes as well.
    pub fn wipe(&mut self, id: NodeId) {
        self.crash(id);
        let slot = self.slots.get_mut(&id).expect("a member");
        slot.disk = RaftImage::default();
        slot.voter = false;
    }

    pub fn input(&mut self, id: NodeId, input: RaftIn) {
        let now = self.time();
        if let Some(node) = &mut self.slots.get_mut(&id).expect("a member").node {
            node.handle(now, input);
            self.drain(id);
        }
    }

    pub fn propose(&mut self, to: NodeId) {
        self.next_token += 1;
        let (token, text) = (self.next_token, format!("command {}", self.next_token));
        self.proposed.insert(token, text.clone());
        self.input(to, RaftIn::Propose { token, command: text.into() });
    }

    /// Has a member prove that it leads.
    pub fn ask(&mut self, to: NodeId) {
        self.next_token += 1;
        self.proposed.insert(self.next_token, String::new());
        self.input(to, RaftIn::Propose { token: self.next_token, command: Bytes::new() });
    }

    fn drain(&mut self, id: NodeId) {
        while let Some(output) = self.slots.get_mut(&id).and_then(|s| s.node.as_mut()?.poll()) {
            match output {
                RaftOut::Send { to, data } => self.send(id, to, data),
                RaftOut::Persist { seq, op } => {
                    let delay = self.rng.random_range(self.faults.disk_us.0..=self.faults.disk_us.1) * 1_000;
                    let slot = self.slots.get_mut(&id).expect("a member");
                    slot.disk_free_at = slot.disk_free_at.max(self.now) + delay;
                    let (at, life) = (slot.disk_free_at, slot.life);
                    self.at(at, Event::Written { at: id, life, seq, op });
                }
                RaftOut::Proposed { token, result } => {
                    let text = self.proposed.remove(&token).expect("answered once");
                    match result {
                        Ok(_) if text.is_empty() => self.proved += 1,
                        Ok(place) => {
                            let place = String::from_utf8_lossy(&place).parse().expect("an index");
                            self.note(place);
                            self.acked.insert(text, place);
                        }
                        Err(ProposeError::TooLong { .. } | ProposeError::Stopped) => panic!("{result:?}"),
                        Err(_) => self.refused += 1,
                    }
                }
                RaftOut::Leader { term, ready, .. } => {
                    self.note(term << 1 | u64::from(ready));
                    if ready {
                        let first = *self.leaders.entry(term).or_insert(id);
                        assert_eq!(first, id, "two leaders in term {term}");
                    }
                }
                RaftOut::Failed { why } => panic!("{id} failed: {why}"),
            }
        }
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let Some(node) = &slot.node else { return };
        slot.voter = node.is_voter();
        for (place, text) in node.state().0.iter().rev().take(8) {
            let first = self.history.entry(*place).or_insert_with(|| text.clone());
            assert_eq!(first, text, "{id} applied something else at {place}");
        }
    }

    fn send(&mut self, from: NodeId, to: NodeId, data: Bytes) {
        let hash = data.iter().fold(7u64, |hash, byte| hash.wrapping_mul(31) + u64::from(*byte));
        self.note(hash);
        let dice = self.rng.random_range(0..1_000_000);
        let copies = match dice {
            dice if dice < self.faults.loss_ppm => 0,
            dice if dice < self.faults.loss_ppm + self.faults.dup_ppm => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let delay = self.rng.random_range(self.faults.net_us.0..=self.faults.net_us.1) * 1_000;
            self.at(self.now + delay, Event::Deliver { from, to, data: data.clone() });
        }
    }

    /// Runs until this much time has passed.
    pub fn run_ms(&mut self, ms: u64) {
        let end = self.now + ms * 1_000_000;
        while self.step(end) {}
        self.now = end;
    }

    /// Runs until it is so; returns the milliseconds it took.
    pub fn run_until(&mut self, limit_ms: u64, what: &str, mut done: impl FnMut(&Sim) -> bool) -> u64 {
        let start = self.now;
        let end = start + limit_ms * 1_000_000;
        while !done(self) {
            if !self.step(end) {
                let states: Vec<_> = self
                    .slots
                    .iter()
                    .map(|(id, slot)| {
                        (
                            id,
                            slot.node
                                .as_ref()
                                .map(|n| (n.term(), n.leader(), n.is_leader(), n.is_voter(), n.applied())),
                        )
                    })
                    .collect();
                panic!("not within {limit_ms} ms: {what}: {states:?}");
            }
        }
        (self.now - start) / 1_000_000
    }

    /// The earliest event or deadline; false when it lies behind `end`.
    fn step(&mut self, end: u64) -> bool {
        let event = self.events.first_key_value().map(|(key, _)| key.0);
        let timers = self.slots.iter().filter_map(|(id, s)| Some((s.node.as_ref()?.deadline()?.0, *id)));
        let timer = timers.min();
        let next = event.into_iter().chain(timer.map(|t| t.0)).min().unwrap_or(u64::MAX);
        if next > end {
            return false;
        }
        self.now = self.now.max(next);
        if let Some((_, id)) = timer.filter(|timer| event.is_none_or(|event| timer.0 < event)) {
            self.input(id, RaftIn::Tick);
            return true;
        }
        match self.events.pop_first().map(|(_, event)| event) {
            Some(Event::Deliver { from, to, data }) if !self.cut.contains(&(from, to)) => {
                self.input(to, RaftIn::Message { from, data });
            }
            Some(Event::Written { at, life, seq, op }) => {
                let slot = self.slots.get_mut(&at).expect("a member");
                if slot.life == life {
                    write(&mut slot.disk, op);
                    self.input(at, RaftIn::Persisted { seq, result: Ok(()) });
                }
            }
            Some(Event::Deliver { .. }) | None => {}
        }
        true
    }

    pub fn node(&self, id: NodeId) -> &RaftNode<Journal> {
        self.slots[&id].node.as_ref().expect("it runs")
    }

    pub fn leader(&self) -> Option<NodeId> {
        let ready = |slot: &Slot| slot.node.as_ref().is_some_and(RaftNode::is_leader);
        let mut leaders = self.slots.iter().filter(|(_, slot)| ready(slot)).map(|(id, _)| *id);
        leaders.next()
    }

    pub fn await_leader(&mut self, limit_ms: u64) -> NodeId {
        self.run_until(limit_ms, "a leader", |sim| sim.leader().is_some());
        self.leader().expect("just seen")
    }

    /// Proposes this many commands to the leader and waits for all of them.
    pub fn commit(&mut self, commands: u64) {
        let leader = self.await_leader(5_000);
        let before = self.acked.len();
        for _ in 0..commands {
            self.propose(leader);
        }
        let want = before + usize::try_from(commands).expect("small");
        self.run_until(10_000, "acknowledgements", |sim| sim.acked.len() >= want);
    }

    pub fn cut_off(&mut self, id: NodeId) {
        for other in self.ids().into_iter().filter(|other| *other != id) {
            self.cut.insert((id, other));
            self.cut.insert((other, id));
        }
    }

    /// Whether all but this one may vote, or could if they ran.
    pub fn others_vote(&self, id: NodeId) -> bool {
        self.slots.iter().all(|(other, slot)| *other == id || slot.voter)
    }

    /// All faults end: within a while all members hold the same, and nothing acknowledged is missing.
    pub fn heal(&mut self) {
        self.faults = CALM;
        self.cut.clear();
        for id in self.ids() {
            if self.slots[&id].node.is_none() {
                self.boot(id);
            }
        }
        self.await_leader(10_000);
        self.commit(1);
        self.run_until(15_000, "equal members", |sim| {
            let mut all = sim.slots.values().filter_map(|slot| slot.node.as_ref());
            let first = all.next().map(|node| node.applied());
            sim.slots.values().all(|s| s.node.as_ref().is_some_and(RaftNode::is_voter))
                && all.all(|node| Some(node.applied()) == first)
        });
        let first = self.node(NodeId(0)).state().0.clone();
        for id in self.ids() {
            assert_eq!(self.node(id).state().0, first, "{id} holds something else");
        }
        for (text, place) in &self.acked {
            assert_eq!(first.get(place), Some(text), "acknowledged and lost");
        }
    }
}
