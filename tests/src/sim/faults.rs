//! What goes wrong: single faults, histories drawn from the seed, and one scenario for each known failure of the
//! reference (`docs`: KF numbers).

use super::world::{Event, World};
use super::{BROKERS, CLIENT, CONTROLLERS, MS, setup};

/// One thing that goes wrong, or is put right.
#[derive(Clone, Debug)]
pub enum Fault {
    /// kill -9, and another start this many milliseconds later.
    Kill(usize, u64),
    /// The power fails for this long.
    PowerOff(usize, u64),
    /// The power fails at one of the next operations of the disk.
    PowerAtDisk(usize, u64),
    /// SIGSTOP, and SIGCONT after this many milliseconds.
    Hang(usize, u64),
    GoOn(usize),
    /// Bytes no longer get from any of the first to any of the second.
    Cut(Vec<usize>, Vec<usize>),
    /// All ways are free again.
    Mend,
    /// Every connection of a machine breaks.
    Reset(usize),
    /// Somebody sets the wall clock, by this many milliseconds.
    Clock(usize, i64),
    /// A broker's disk is gone; an empty one comes in its place. Only while the set has other members.
    LoseDisk(usize, u64),
    /// The disk takes this many times as long.
    SlowDisk(usize, u64),
    /// Both at once: the master and the controllers' leader, for this long.
    Both(u64),
    /// The same for the brokers' master, whoever it is then.
    Master(Death, u64),
}

/// How a process goes away.
#[derive(Clone, Copy, Debug)]
pub enum Death {
    Kill,
    PowerOff,
    Hang,
}

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
    Kf12,
    Kf13,
    Kf15,
    Kf22,
}

impl Scenario {
    pub const ALL: [(&'static str, Scenario); 10] = [
        ("random", Scenario::Random),
        ("kf-01", Scenario::Kf01),
        ("kf-02", Scenario::Kf02),
        ("kf-04", Scenario::Kf04),
        ("kf-05", Scenario::Kf05),
        ("kf-06", Scenario::Kf06),
        ("kf-12", Scenario::Kf12),
        ("kf-13", Scenario::Kf13),
        ("kf-15", Scenario::Kf15),
        ("kf-22", Scenario::Kf22),
    ];

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|entry| entry.0 == name).map(|entry| entry.1)
    }

    /// Whether messages may be lost, as configured.
    #[must_use]
    pub fn may_lose(self) -> bool {
        self == Scenario::Kf15
    }
}

/// After this long everybody knows that a broker is gone.
const KNOWN_MS: u64 = 6_000;

impl World {
    pub(super) fn strike(&mut self, fault: Fault) {
        let mild = matches!(
            fault,
            Fault::GoOn(_) | Fault::Mend | Fault::Reset(_) | Fault::Clock(..) | Fault::SlowDisk(..)
        );
        if self.time < self.fragile_until && !mild {
            return self.say(&format!("spared, a disk was just lost: {fault:?}"));
        }
        self.say(&format!("fault: {fault:?}"));
        match fault {
            Fault::Kill(machine, ms) => {
                self.kill(machine);
                self.at(self.time + ms * MS, Event::Boot { machine });
            }
            Fault::PowerOff(machine, ms) => {
                self.power_off(machine);
                self.at(self.time + ms * MS, Event::Boot { machine });
            }
            Fault::PowerAtDisk(machine, operations) => {
                let disk = &self.machines[machine].disk;
                disk.crash_at(disk.operations() + operations);
            }
            Fault::Hang(machine, ms) => {
                if self.machines[machine].runs() {
                    self.machines[machine].hung = true;
                    self.at(self.time + ms * MS, Event::Fault(Fault::GoOn(machine)));
                }
            }
            Fault::GoOn(machine) => self.go_on(machine),
            Fault::Cut(from, to) => {
                for from in from {
                    self.net.cuts.extend(to.iter().filter(|to| **to != from).map(|to| (from, *to)));
                }
            }
            Fault::Mend => {
                self.net.cuts.clear();
                self.resend();
            }
            Fault::Reset(machine) => {
                for (link, _) in self.net.ends_of(machine) {
                    self.reset(link);
                }
            }
            Fault::Clock(machine, ms) => self.machines[machine].wall_step += ms,
            Fault::LoseDisk(machine, ms) => {
                // never the only one that has everything, also in the eyes of controllers that miss the others; and
                // until they know that it is gone it might be elected
                let fine = |other: usize| self.machines[other].runs() && !self.machines[other].hung;
                if self.whole().is_some() && self.net.cuts.is_empty() && (0..CLIENT).all(fine) {
                    self.fragile_until = self.time + KNOWN_MS * MS;
                    self.power_off(machine);
                    self.replace_disk(machine);
                    self.at(self.time + ms * MS, Event::Boot { machine });
                }
            }
            Fault::SlowDisk(machine, times) => {
                self.machines[machine].disk_ns = (MS / 20 * times, 2 * MS * times);
            }
            Fault::Both(ms) => {
                for machine in self.leader().into_iter().chain(self.master()) {
                    self.strike(Fault::PowerOff(machine, ms));
                }
            }
            Fault::Master(death, ms) => {
                if let Some(machine) = self.master() {
                    self.strike(match death {
                        Death::Kill => Fault::Kill(machine, ms),
                        Death::PowerOff => Fault::PowerOff(machine, ms),
                        Death::Hang => Fault::Hang(machine, ms),
                    });
                }
            }
        }
    }

    /// Whoever takes itself for master in the newest epoch.
    pub fn master(&self) -> Option<usize> {
        let epoch = |machine: &usize| {
            let node = self.machines[*machine].node.as_ref()?;
            setup::broker_of(node)?.replicas()?.role().filter(|role| role.is_master()).map(|role| role.epoch)
        };
        BROKERS.filter(|machine| epoch(machine).is_some()).max_by_key(epoch)
    }

    /// The controllers' leader.
    pub fn leader(&self) -> Option<usize> {
        CONTROLLERS.into_iter().find(|machine| {
            let node = self.machines[*machine].node.as_ref();
            node.and_then(setup::member_of).is_some_and(|member| member.is_leader())
        })
    }

    /// All faults end.
    pub(super) fn heal(&mut self) {
        self.say("everything is put right");
        self.net.cuts.clear();
        for machine in 0..CLIENT {
            self.machines[machine].disk.crash_at(u64::MAX);
            self.machines[machine].disk_ns = (MS / 20, 2 * MS);
            self.go_on(machine);
            self.boot(machine);
        }
        self.resend();
    }

    fn after(&mut self, ms: u64, fault: Fault) {
        self.at(self.time + ms * MS, Event::Fault(fault));
    }

    /// Faults of a random history, spread over this time.
    fn draw(&mut self, ms: u64, power: bool) {
        let mut disks = 1;
        for _ in 0..self.dice.between(2, 7) {
            let at = self.dice.roll(ms);
            let machine = self.dice.roll(CLIENT as u64) as usize;
            let broker = BROKERS.start + self.dice.roll(3) as usize;
            let down = self.dice.between(50, 8_000);
            let fault = match self.dice.roll(24) {
                0..=2 => Fault::Kill(machine, down),
                3..=5 if power => Fault::PowerOff(machine, down),
                6 | 7 if power => Fault::PowerAtDisk(machine, self.dice.roll(80)),
                8 | 9 if power => Fault::Both(down),
                3..=9 => Fault::Master(Death::Kill, down),
                10 | 11 => Fault::Hang(machine, down),
                12 | 13 => Fault::Master(Death::Hang, down),
                14 | 15 => self.split(),
                16 => Fault::Cut(vec![machine], (0..=CLIENT).collect()),
                17 => Fault::Cut((0..=CLIENT).collect(), vec![machine]),
                18 => Fault::Mend,
                19 | 20 => Fault::Reset(machine),
                21 => {
                    let step = self.dice.roll(7_200_000) as i64 - 3_600_000;
                    Fault::Clock(machine, step)
                }
                22 if disks > 0 && power => {
                    disks -= 1;
                    Fault::LoseDisk(broker, down)
                }
                _ => Fault::SlowDisk(machine, self.dice.between(2, 60)),
            };
            if matches!(fault, Fault::Cut(..)) {
                self.after(at + down, Fault::Mend);
            }
            self.after(at, fault);
        }
    }

    /// The servers fall into two parts; the clients reach both.
    fn split(&mut self) -> Fault {
        let one: Vec<usize> = (0..CLIENT).filter(|_| self.dice.one_in(2)).collect();
        let other: Vec<usize> = (0..CLIENT).filter(|machine| !one.contains(machine)).collect();
        if self.dice.one_in(2) {
            self.after(0, Fault::Cut(other.clone(), one.clone()));
        }
        Fault::Cut(one, other)
    }

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
            Scenario::Random => {
                let ms = self.dice.between(3_000, 11_000);
                self.draw(ms, power);
                self.pass(ms);
            }
            Scenario::Kf01 => {
                // A master that was cut off has a dead tail; the power fails while it cuts that, again and again.
                self.part(&[master]);
                self.pass(4_000);
                self.strike(Fault::Mend);
                for _ in 0..4 {
                    let operations = self.dice.roll(60);
                    self.strike(Fault::PowerAtDisk(master, operations));
                    let ms = self.dice.between(500, 3_000);
                    self.pass(ms);
                }
            }
            Scenario::Kf02 => {
                // Epochs in which nothing is written, while an old master goes on writing where they begin.
                self.client.pace_ms = 2_000;
                self.part(&[master]);
                self.pass(4_500);
                for _ in 0..2 {
                    self.strike(Fault::Master(Death::Kill, 200));
                    let ms = self.dice.between(1_000, 3_000);
                    self.pass(ms);
                }
                self.client.pace_ms = 20;
                self.pass(1_000);
                self.strike(Fault::Mend);
                self.pass(2_000);
            }
            Scenario::Kf04 => {
                // The set grows and shrinks while the controllers' answers do not get through; then the master dies.
                for _ in 0..3 {
                    let down = self.dice.between(100, 1_500);
                    self.strike(Fault::Kill(slaves[0], down));
                    let ms = self.dice.between(50, 1_500);
                    self.pass(ms);
                    self.strike(Fault::Cut(CONTROLLERS.collect(), vec![master]));
                    let ms = self.dice.between(100, 2_500);
                    self.pass(ms);
                    self.strike(Fault::Kill(slaves[1], 300));
                    if self.dice.one_in(2) {
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
                    let ms = self.dice.between(1, 400);
                    self.pass(ms);
                }
                self.part(&[master]);
                self.pass(5_000);
                self.strike(Fault::Mend);
                self.pass(1_000);
            }
            Scenario::Kf06 => {
                // The master and one controller on one side, the rest on the other; the clients reach both.
                let controller = self.dice.roll(3) as usize;
                if self.dice.one_in(2) {
                    self.part(&[master, controller]);
                } else {
                    let others: Vec<usize> =
                        (0..CLIENT).filter(|m| *m != master && *m != controller).collect();
                    self.strike(Fault::Cut(vec![master, controller], others));
                }
                if self.dice.one_in(3) {
                    self.strike(Fault::Hang(master, 3_300));
                }
                let ms = self.dice.between(3_000, 9_000);
                self.pass(ms);
            }
            Scenario::Kf12 => {
                // One replica stays behind; the others die. It must not be elected.
                self.strike(Fault::Cut(vec![slaves[0]], vec![master, slaves[1]]));
                self.strike(Fault::Cut(vec![master, slaves[1]], vec![slaves[0]]));
                let ms = self.dice.between(1_000, 5_000);
                self.pass(ms);
                self.strike(Fault::Kill(master, 7_000));
                let ms = self.dice.roll(200);
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
                    let ms = self.dice.roll(60);
                    self.pass(ms);
                    let death = if power { Death::PowerOff } else { Death::Kill };
                    self.strike(Fault::Master(death, 2_500));
                    let ms = self.dice.between(2_000, 6_000);
                    self.pass(ms);
                }
            }
            Scenario::Kf15 => {
                // The replica that is behind becomes master, as configured: what points to the log is cut with it.
                self.strike(Fault::Cut(vec![slaves[0]], vec![master, slaves[1]]));
                self.strike(Fault::Cut(vec![master, slaves[1]], vec![slaves[0]]));
                self.pass(6_000);
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
                self.pass(8_000);
                self.oracle.kept = kept;
            }
        }
    }
}
