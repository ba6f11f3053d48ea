//! What a history is about: anything, or one known failure of the reference (`docs/known-failures.md`).

use std::collections::BTreeMap;

use sansmq_core::broker::offsets::key;
use sansmq_core::store::Store as _;
use sansmq_core::wire::Command;
use sansmq_core::wire::code::request;

use super::faults::{Death, Fault};
use super::invariants::Place;
use super::world::World;
use super::{BROKERS, CLIENT, CONTROLLERS, setup};
use crate::messages::ext;

/// What a history is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scenario {
    /// Anything.
    #[default]
    Random,
    Kf01,
    Kf02,
    Kf04,
    Kf05,
    Kf06,
    Kf10,
    Kf12,
    Kf13,
    Kf15,
    Kf22,
    Kf30,
    Kf31,
    Kf33,
    Kf38,
    Handover,
}

impl Scenario {
    pub const ALL: [(&'static str, Scenario); 16] = [
        ("random", Scenario::Random),
        ("kf-01", Scenario::Kf01),
        ("kf-02", Scenario::Kf02),
        ("kf-04", Scenario::Kf04),
        ("kf-05", Scenario::Kf05),
        ("kf-06", Scenario::Kf06),
        ("kf-10", Scenario::Kf10),
        ("kf-12", Scenario::Kf12),
        ("kf-13", Scenario::Kf13),
        ("kf-15", Scenario::Kf15),
        ("kf-22", Scenario::Kf22),
        ("kf-30", Scenario::Kf30),
        ("kf-31", Scenario::Kf31),
        ("kf-33", Scenario::Kf33),
        ("kf-38", Scenario::Kf38),
        ("handover", Scenario::Handover),
    ];

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|entry| entry.0 == name).map(|entry| entry.1)
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|entry| entry.1 == self).map_or("?", |entry| entry.0)
    }

    /// Whether messages may be lost, as configured.
    #[must_use]
    pub fn may_lose(self) -> bool {
        matches!(self, Scenario::Kf15 | Scenario::Kf38)
    }

    /// Whether a replica from outside the in-sync set may be elected.
    #[must_use]
    pub fn is_unclean(self) -> bool {
        self == Scenario::Kf15
    }

    /// Further lines of the brokers' configuration.
    #[must_use]
    pub fn broker_lines(self) -> &'static str {
        if self == Scenario::Kf38 {
            "fileReservedTime=0\nflushIntervalConsumeQueue=100\nflushConsumeQueueThoroughInterval=500\n"
        } else {
            ""
        }
    }
}

impl World {
    /// Cuts these off from the other servers, both ways.
    fn part(&mut self, some: &[usize]) {
        let others: Vec<usize> = (0..CLIENT).filter(|machine| !some.contains(machine)).collect();
        self.strike(Fault::Cut(some.to_vec(), others.clone()));
        self.strike(Fault::Cut(others, some.to_vec()));
    }

    /// Lets the history happen that a scenario is about; the cluster is whole when it begins.
    pub(super) fn play(&mut self, scenario: Scenario, power: bool) {
        let master = self.master().unwrap_or(BROKERS.start);
        let slaves: Vec<usize> = BROKERS.filter(|machine| *machine != master).collect();
        match scenario {
            // what happens in it is on its schedule
            Scenario::Random => {}
            Scenario::Kf01 => {
                // A master that was cut off has a dead tail; the power fails while it cuts that, again and again.
                self.part(&[master]);
                self.pass(4_000);
                self.strike(Fault::Mend);
                for _ in 0..4 {
                    let operations = self.dice.scenario.roll(60);
                    self.strike(Fault::PowerAtDisk(master, operations));
                    let ms = self.dice.scenario.between(500, 3_000);
                    self.pass(ms);
                }
            }
            Scenario::Kf02 => {
                // Epochs in which nothing is written; then a master is cut off and goes on writing where its epoch begins,
                // which is where its successor begins as well.
                self.client.busy = false;
                self.pass(5_000);
                for _ in 0..self.dice.scenario.between(1, 3) {
                    self.strike(Fault::Master(Death::Kill, 600));
                    let ms = self.dice.scenario.between(1_500, 3_000);
                    self.pass(ms);
                }
                let cut_off = self.master().unwrap_or(master);
                self.part(&[cut_off]);
                self.client.pace_ms = 20;
                self.client.busy = true;
                self.pass(5_500);
                self.strike(Fault::Mend);
                self.pass(2_000);
            }
            Scenario::Kf04 => {
                // The set grows and shrinks while the controllers' answers do not get through; then the master dies.
                for _ in 0..3 {
                    let down = self.dice.scenario.between(100, 1_500);
                    self.strike(Fault::Kill(slaves[0], down));
                    let ms = self.dice.scenario.between(50, 1_500);
                    self.pass(ms);
                    self.strike(Fault::Cut(CONTROLLERS.collect(), vec![master]));
                    let ms = self.dice.scenario.between(100, 2_500);
                    self.pass(ms);
                    self.strike(Fault::Kill(slaves[1], 300));
                    if self.dice.scenario.one_in(2) {
                        self.strike(Fault::Mend);
                    }
                }
                self.strike(Fault::Kill(master, 6_000));
                self.pass(5_000);
            }
            Scenario::Kf05 => {
                // A stale master is read from; a replica comes back between handshake and first acknowledgement.
                for _ in 0..6 {
                    self.strike(Fault::Reset(slaves[0]));
                    let ms = self.dice.scenario.between(1, 400);
                    self.pass(ms);
                }
                self.part(&[master]);
                self.pass(5_000);
                self.strike(Fault::Mend);
                self.pass(1_000);
            }
            Scenario::Kf06 => {
                // The master and one controller on one side, the rest on the other; the clients reach both.
                let controller = self.dice.scenario.roll(3) as usize;
                if self.dice.scenario.one_in(2) {
                    self.part(&[master, controller]);
                } else {
                    let others: Vec<usize> =
                        (0..CLIENT).filter(|m| *m != master && *m != controller).collect();
                    self.strike(Fault::Cut(vec![master, controller], others));
                }
                if self.dice.scenario.one_in(3) {
                    self.strike(Fault::Hang(master, 3_300));
                }
                let ms = self.dice.scenario.between(3_000, 9_000);
                self.pass(ms);
            }
            Scenario::Kf10 => {
                // The power fails everywhere while replicas' disks are slow, and the master comes back last: what it has
                // acknowledged must be on their disks, not only in their memory.
                slaves.iter().for_each(|slave| self.strike(Fault::SlowDisk(*slave, 200)));
                let ms = self.dice.scenario.between(500, 3_000);
                self.pass(ms);
                let down = |machine| if machine == master { 12_000 } else { 300 };
                self.strike(Fault::Blackout((0..CLIENT).map(down).collect()));
                self.pass(11_000);
            }
            Scenario::Kf12 => {
                // One replica stays behind; the others die. It must not be elected.
                self.strike(Fault::Cut(vec![slaves[0]], vec![master, slaves[1]]));
                self.strike(Fault::Cut(vec![master, slaves[1]], vec![slaves[0]]));
                let ms = self.dice.scenario.between(1_000, 5_000);
                self.pass(ms);
                self.strike(Fault::Kill(master, 7_000));
                let ms = self.dice.scenario.roll(200);
                self.pass(ms);
                self.strike(Fault::Kill(slaves[1], 5_000));
                self.strike(Fault::Mend);
                self.pass(4_500);
            }
            Scenario::Kf13 => {
                // Topics are made while masters come and go.
                for _ in 0..3 {
                    for _ in 0..3 {
                        self.make_topic();
                    }
                    let ms = self.dice.scenario.roll(60);
                    self.pass(ms);
                    let death = if power { Death::PowerOff } else { Death::Kill };
                    self.strike(Fault::Master(death, 2_500));
                    let ms = self.dice.scenario.between(2_000, 6_000);
                    self.pass(ms);
                }
            }
            Scenario::Kf15 => {
                // The replica that is behind becomes master, as configured: what points to the log is cut with it. It has heard
                // nothing for a while, or it has the tables already and not yet the log they speak of.
                let late = slaves[0];
                if self.dice.scenario.one_in(2) {
                    self.strike(Fault::Cut(vec![late], vec![master, slaves[1]]));
                    self.strike(Fault::Cut(vec![master, slaves[1]], vec![late]));
                    self.pass(6_000);
                } else {
                    self.strike(Fault::Kill(late, 6_000));
                    self.pass(6_000);
                    self.run_until(3_000, |world| world.offsets_are_ahead(late));
                }
                self.strike(Fault::Kill(master, 8_000));
                self.strike(Fault::Kill(slaves[1], 8_000));
                self.pass(9_000);
            }
            Scenario::Kf22 => {
                // Offsets are committed, a while passes, the master goes, and comes back.
                self.client.pace_ms = 30;
                self.pass(3_000);
                let kept = self.oracle.commits.clone();
                self.pass(2_000);
                self.strike(Fault::Kill(master, 5_000));
                let is_new = |world: &World| world.master().is_some_and(|now| now != master);
                if !self.run_until(5_000, is_new) {
                    self.oracle.fail("no other master 5 s after one died".to_owned());
                }
                self.fallen_back(&kept);
                self.pass(8_000);
                self.fallen_back(&kept);
            }
            Scenario::Kf30 => {
                // A follower dies: no election. A master hangs, its sockets open: one.
                let before = self.epoch();
                self.strike(Fault::Kill(slaves[0], 1_000));
                self.pass(4_000);
                if self.epoch() != before {
                    self.oracle
                        .fail(format!("epoch {:?} after a follower died, {before:?} before", self.epoch()));
                }
                self.strike(Fault::Hang(master, 20_000));
                self.pass(8_000);
                if self.master() == Some(master) {
                    self.oracle.fail("a master that hangs is not replaced within 8 s".to_owned());
                }
            }
            Scenario::Kf31 => {
                // Another controller leads, and nothing it says gets through to the brokers when their master dies.
                let leader = self.leader().unwrap_or_default();
                self.strike(Fault::Kill(leader, 15_000));
                let ms = self.dice.scenario.between(500, 3_000);
                self.pass(ms);
                let leader = self.leader().unwrap_or_default();
                self.strike(Fault::Cut(vec![leader], BROKERS.collect()));
                self.strike(Fault::Kill(master, 15_000));
                self.pass(5_000);
                self.strike(Fault::Mend);
                self.pass(8_000);
                if self.master().is_none_or(|now| now == master) {
                    self.oracle.fail("no other master 8 s after the controllers are heard again".to_owned());
                }
            }
            Scenario::Kf33 => {
                // The next master dies as well, soon, or when its last replica has come back to it.
                self.strike(Fault::Master(Death::Kill, 6_000));
                let ms = self.dice.scenario.between(100, 1_000);
                self.pass(ms);
                if self.dice.scenario.one_in(2) && !self.run_until(2_000, |world| world.in_set() >= 2) {
                    self.oracle.fail("the last replica is not back in the set after 2 s".to_owned());
                }
                self.strike(Fault::Master(Death::Kill, 6_000));
                self.pass(5_000);
            }
            Scenario::Kf38 => {
                // A replica is away until its master has thrown away what it would need next.
                self.client.pace_ms = 20;
                let end = self.log_bounds(slaves[0]).map_or(0, |(_, end)| end);
                self.strike(Fault::Kill(slaves[0], 60_000));
                for _ in 0..40 {
                    self.pass(1_000);
                    self.clean_log(master);
                    if self.log_bounds(master).is_some_and(|(start, _)| start > end) {
                        break;
                    }
                }
                if self.log_bounds(master).is_none_or(|(start, _)| start <= end) {
                    self.oracle.fail(format!("the master still has byte {end}: nothing is shown"));
                }
            }
            Scenario::Handover => {
                // An operator moves the mastership about, also while a replica is away, or while the master does not hear
                // that it is one no more.
                self.client.pace_ms = 5;
                for round in 0..5 {
                    let old = self.master().unwrap_or(master);
                    match self.dice.scenario.roll(4) {
                        0 => self.strike(Fault::Kill(slaves[round % 2], 700)),
                        1 | 2 => {
                            // nor that its replicas leave it, which would make it doubt its lease
                            let others = (0..CLIENT).filter(|machine| *machine != old).collect();
                            self.strike(Fault::Cut(others, vec![old]));
                        }
                        _ => {}
                    }
                    let others = self.replicas_beside(old);
                    if !others.is_empty() {
                        let wanted = self.dice.scenario.pick(&others);
                        self.designate(wanted);
                    }
                    // some clients ask who is master now, the others go on with whom they know
                    for _ in 0..5 {
                        self.look_for_master();
                        let ms = self.dice.scenario.between(40, 800);
                        self.pass(ms);
                    }
                    self.strike(Fault::Mend);
                }
            }
        }
    }

    /// The newest epoch a broker is master in.
    fn epoch(&self) -> Option<i32> {
        let node = self.machines[self.master()?].node.as_ref()?;
        setup::broker_of(node)?.replicas()?.role().map(|role| role.epoch)
    }

    /// The ids of the replicas that run, but for this one.
    fn replicas_beside(&self, machine: usize) -> Vec<i64> {
        let id = |other: usize| self.broker(other)?.replicas()?.id();
        BROKERS.filter(|other| *other != machine).filter_map(id).collect()
    }

    /// How many replicas the master has in its set, by what it knows.
    fn in_set(&self) -> usize {
        let node = self.master().and_then(|master| self.machines[master].node.as_ref());
        let replicas = node.and_then(setup::broker_of).and_then(|broker| broker.replicas());
        replicas.map_or(0, |replicas| replicas.sync_state_set().1.len())
    }

    /// Fails if the master is behind these commits.
    fn fallen_back(&mut self, kept: &BTreeMap<Place, (i64, u64)>) {
        let broker = self.master().and_then(|master| self.broker(master));
        let Some(offsets) = broker.map(|broker| broker.offsets().snapshot()) else { return };
        for (place, (kept, _)) in kept {
            let queues = offsets.offsets.get(&key(place.topic, place.group));
            let offset = queues.and_then(|queues| queues.get(&(place.queue as i32)));
            if offset.is_none_or(|offset| offset < kept) {
                self.oracle.fail(format!("{place:?} was committed at {kept}, and fell back to {offset:?}"));
            }
        }
    }

    /// Whether a broker has offsets of consumers behind the end of its log.
    fn offsets_are_ahead(&self, machine: usize) -> bool {
        let Some(broker) = self.broker(machine) else { return false };
        let offsets = broker.offsets().snapshot().offsets;
        self.oracle.commits.keys().any(|place| {
            let queue = place.queue as i32;
            let offset = offsets.get(&key(place.topic, place.group)).and_then(|queues| queues.get(&queue));
            let bounds = broker.store().queue_bounds(place.topic, queue, u64::MAX);
            offset.copied().unwrap_or(0) > bounds.map_or(0, |bounds| bounds.max)
        })
    }

    /// First and next byte of a broker's log, while it runs.
    fn log_bounds(&self, machine: usize) -> Option<(u64, u64)> {
        let node = self.machines[machine].node.as_ref()?;
        let bounds = setup::broker_of(node)?.store().log_bounds();
        Some((bounds.min, bounds.max))
    }

    /// Has a broker delete what has expired.
    fn clean_log(&mut self, machine: usize) {
        let addr = format!("{}:{}", setup::ip(machine), setup::BROKER_PORT);
        let answer = self.ask(&addr, Command::request(request::DELETE_EXPIRED_COMMITLOG, ext("")));
        self.say(&format!("{addr} is to delete what has expired: {:?}", answer.map(|answer| answer.code)));
    }

    /// Asks the controllers' leader for a broker as master.
    fn designate(&mut self, id: i64) {
        let Some(leader) = self.leader() else { return };
        let addr = format!("{}:{}", setup::ip(leader), setup::CONTROLLER_PORT);
        let name = setup::BROKER_NAME;
        let fields =
            format!("clusterName=DefaultCluster brokerName={name} brokerId={id} designateElect=true");
        let answer = self.ask(&addr, Command::request(request::CONTROLLER_ELECT_MASTER, ext(&fields)));
        self.say(&format!(
            "broker {id} is to be master: {:?}",
            answer.map(|answer| (answer.code, answer.remark))
        ));
    }
}
