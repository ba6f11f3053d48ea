//! Brokers, controllers and the network between them, with a clock and a seed.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Model, TIMEOUT_MS};
use crate::broker::SplitMix;
use crate::broker::replicas::{
    Acks, Application, Assignment, Identity, IdentityFile, In, Out, Replicas, Setup,
};
use crate::time::{Mono, Now};
use crate::wire::{CallError, Command};

const BEGIN_MS: u64 = 100_000;

enum Event {
    Ask { broker: usize, life: u64, token: u64, controller: usize, command: Command },
    Tell { broker: usize, life: u64, input: In },
    Scan,
}

pub struct Host {
    pub replicas: Replicas,
    identity: String,
    application: String,
    life: u64,
    pub roles: Vec<Assignment>,
}

pub struct World {
    pub model: Model,
    pub hosts: Vec<Host>,
    pub ms: u64,
    events: BTreeMap<(u64, u64), Event>,
    next: u64,
    random: SplitMix,
    /// Of 100 messages this many are lost, and as many repeated.
    pub loss: i32,
    /// Of 100 roles this many cannot be taken.
    pub failing: i32,
    /// Broker and controller that do not reach each other.
    pub cut: BTreeSet<(usize, usize)>,
    delay_ms: i32,
}

fn setup(index: usize, identity: &str, application: &str, seed: u64) -> Setup {
    Setup {
        cluster: "C1".into(),
        broker: "bb".into(),
        address: format!("b{index}:10911"),
        controllers: (0..3).map(|controller| format!("c{controller}:1")).collect(),
        identity: Identity::read("i", identity).unwrap(),
        application: Application::read("t", application).unwrap(),
        heartbeat_ms: 1_000,
        heartbeat_wait_ms: 1_000,
        heartbeat_timeout_ms: TIMEOUT_MS,
        refresh_ms: 10_000,
        priority: i32::MAX,
        seed,
    }
}

impl World {
    pub fn new(brokers: usize, seed: u64) -> Self {
        let mut world = World {
            model: Model::default(),
            hosts: Vec::new(),
            ms: BEGIN_MS,
            events: BTreeMap::new(),
            next: 0,
            random: SplitMix(seed),
            loss: 0,
            failing: 0,
            cut: BTreeSet::new(),
            delay_ms: 5,
        };
        for index in 0..brokers {
            let replicas = Replicas::new(setup(index, "", "", seed), world.now()).unwrap();
            let (identity, application) = (String::new(), String::new());
            world.hosts.push(Host { replicas, identity, application, life: 0, roles: Vec::new() });
            world.drain(index);
        }
        world.at(10, Event::Scan);
        world
    }

    pub fn now(&self) -> Now {
        Now { mono: Mono(0).plus_ms(self.ms), wall_ms: i64::try_from(self.ms).unwrap() }
    }

    pub fn chance(&mut self, percent: i32) -> bool {
        self.random.below(100) < percent
    }

    pub fn pick(&mut self, bound: usize) -> usize {
        usize::try_from(self.random.below(i32::try_from(bound).unwrap())).unwrap()
    }

    fn at(&mut self, after_ms: u64, event: Event) {
        self.next += 1;
        self.events.insert((self.ms + after_ms, self.next), event);
    }

    fn delay(&mut self) -> u64 {
        1 + u64::try_from(self.random.below(self.delay_ms)).unwrap()
    }

    /// Sends an event once, twice or never.
    fn post(&mut self, event: impl Fn() -> Event) {
        for _ in 0..1 + usize::from(self.chance(self.loss)) {
            if !self.chance(self.loss) {
                let delay = self.delay();
                self.at(delay, event());
            }
        }
    }

    pub fn tell(&mut self, broker: usize, input: In) {
        let now = self.now();
        self.hosts[broker].replicas.handle(now, input);
        self.drain(broker);
    }

    fn drain(&mut self, broker: usize) {
        while let Some(out) = self.hosts[broker].replicas.poll() {
            let life = self.hosts[broker].life;
            match out {
                Out::Call { to, token, command, timeout_ms } => {
                    let controller: usize = to[1..2].parse().unwrap();
                    let error = CallError::Timeout { addr: to, timeout_ms };
                    let input = In::Answer { token, result: Err(error) };
                    self.at(timeout_ms, Event::Tell { broker, life, input });
                    // A connection delivers a request once or, breaking, not at all.
                    if !self.chance(self.loss) {
                        let delay = self.delay();
                        self.at(delay, Event::Ask { broker, life, token, controller, command });
                    }
                }
                Out::Save { token, file, content } => {
                    let fails = self.chance(self.failing);
                    if !fails {
                        match file {
                            IdentityFile::Identity => self.hosts[broker].identity = content,
                            IdentityFile::Application => self.hosts[broker].application = content,
                        }
                    }
                    let result = if fails { Err("disk full".to_owned()) } else { Ok(()) };
                    self.at(1, Event::Tell { broker, life, input: In::Saved { token, result } });
                }
                Out::Become(role) => {
                    let fails = self.chance(self.failing);
                    let epoch = role.epoch;
                    if !fails {
                        self.hosts[broker].roles.push(role);
                    }
                    let result = if fails { Err("not now".to_owned()) } else { Ok(()) };
                    let delay = self.delay();
                    self.at(delay, Event::Tell { broker, life, input: In::Became { epoch, result } });
                }
                Out::SetChanged { .. } | Out::ProposalFailed => {}
            }
        }
    }

    /// Ends a broker's process and starts another from its files.
    pub fn restart(&mut self, broker: usize) {
        let seed = self.random.next();
        let now = self.now();
        let host = &mut self.hosts[broker];
        host.life += 1;
        host.roles.clear();
        let setup = setup(broker, &host.identity, &host.application, seed);
        host.replicas = Replicas::new(setup, now).unwrap();
        self.drain(broker);
    }

    pub fn lead(&mut self, controller: usize, stale: bool) {
        self.model.stale = stale.then_some(self.model.leader).filter(|old| *old != controller);
        self.model.leader = controller;
        self.model.leader_since = self.ms;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Ask { broker, life, token, controller, command } => {
                if self.cut.contains(&(broker, controller)) {
                    return;
                }
                let answer = self.model.handle(controller, self.ms, &command);
                self.check();
                self.post(|| Event::Tell {
                    broker,
                    life,
                    input: In::Answer { token, result: Ok(answer.clone()) },
                });
            }
            Event::Tell { broker, life, input } => {
                if self.hosts[broker].life == life {
                    self.tell(broker, input);
                }
            }
            Event::Scan => {
                for id in self.model.scan(self.ms) {
                    let election = self.model.now.clone();
                    let broker = self.hosts.iter().position(|host| host.replicas.id() == Some(id));
                    if let Some(broker) = broker.filter(|b| !self.cut.contains(&(*b, self.model.leader))) {
                        let life = self.hosts[broker].life;
                        self.post(|| Event::Tell { broker, life, input: In::Notified(election.clone()) });
                    }
                }
                self.at(100, Event::Scan);
            }
        }
    }

    /// Lets time pass, and checks after every event.
    pub fn pass(&mut self, ms: u64) {
        let end = self.ms + ms;
        loop {
            let event = self.events.first_key_value().map_or(u64::MAX, |(key, _)| key.0);
            let due = |host: &Host| host.replicas.deadline().map_or(u64::MAX, |at| at.0.div_ceil(1_000_000));
            let tick = (0..self.hosts.len()).map(|b| (due(&self.hosts[b]), b)).min().unwrap();
            let next = event.min(tick.0);
            if next > end {
                break;
            }
            self.ms = self.ms.max(next);
            if event <= tick.0 {
                let (_, event) = self.events.pop_first().unwrap();
                self.happen(event);
            } else {
                self.tell(tick.1, In::Tick);
            }
            self.check();
        }
        self.ms = end;
    }

    /// What must hold at every moment.
    pub fn check(&self) {
        let now = self.now();
        let acks: Vec<Acks> = self.hosts.iter().map(|host| host.replicas.acks(now.mono)).collect();
        for (one, host) in self.hosts.iter().enumerate() {
            let Some(role) = host.replicas.role().filter(|_| acks[one] != Acks::Refused) else { continue };
            let effective = host.replicas.effective_set();
            if role.epoch == self.model.now.epoch {
                let missing: Vec<_> = self.model.now.set.difference(&effective).collect();
                assert!(missing.is_empty(), "KF-04: {missing:?} is a member without being asked");
            } else if acks[one] == Acks::Configured && host.replicas.lease_end().is_some_and(|e| now.mono < e)
            {
                panic!(
                    "broker {one} holds a lease for epoch {} in epoch {}",
                    role.epoch, self.model.now.epoch
                );
            }
            for (other, newer) in self.hosts.iter().enumerate() {
                let Some(newer_role) = newer.replicas.role() else { continue };
                if acks[other] == Acks::Refused || newer_role.epoch <= role.epoch {
                    continue;
                }
                // Its successor never again acknowledges what it sends, and whoever came later came through
                // a set that the successor asked for.
                let successor = self.model.successor(role.epoch, role.own);
                let needs =
                    acks[one] == Acks::AllMembers && successor.is_some_and(|id| effective.contains(&id));
                assert!(needs, "brokers {one} and {other} acknowledge: {:?} {:?}", acks[one], effective);
            }
        }
    }

    /// Everybody is in a role of the newest election, and one of them may acknowledge.
    pub fn settled(&self) -> bool {
        let newest = &self.model.now;
        let Some((master, _)) = &newest.master else { return false };
        self.hosts.iter().all(|host| {
            host.replicas.role().is_some_and(|role| role.epoch == newest.epoch && role.master == *master)
                && host.roles.last() == host.replicas.role()
                && (!host.replicas.is_master() || host.replicas.acks(self.now().mono) == Acks::Configured)
        })
    }
}
