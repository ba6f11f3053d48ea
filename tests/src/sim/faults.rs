//! What goes wrong: single faults, and how they come about.

use super::net::Weather;
use super::schedule::Schedule;
use super::story::What;
use super::swarm::Class;
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
    /// The same for a while, perhaps the other way as well.
    Part {
        one: Vec<usize>,
        other: Vec<usize>,
        both: bool,
        ms: u64,
    },
    /// All ways are free again.
    Mend,
    /// Every connection of a machine breaks.
    Reset(usize),
    /// Somebody sets the wall clock, by this many milliseconds.
    Clock(usize, i64),
    /// A broker's disk is gone; an empty one comes in its place. Only while the set has other members.
    LoseDisk(usize, u64),
    /// A machine loses its connections and the others do not hear of it, for this long.
    HalfOpen(usize, u64),
    /// The others find out.
    FindOut,
    /// The ways of a machine are slow, or lose much, for this long.
    Weather(usize, Weather, u64),
    Clears(usize),
    /// The disk takes this many times as long.
    SlowDisk(usize, u64),
    /// Both at once: the master and the controllers' leader, for this long.
    Both(u64),
    /// The power fails everywhere at once; how long for each machine.
    Blackout(Vec<u64>),
    /// The same for the brokers' master, whoever it is then.
    Master(Death, u64),
}

impl Fault {
    /// The class it belongs to; what puts something right has none.
    #[must_use]
    pub fn class(&self) -> Option<Class> {
        Some(match self {
            Fault::Kill(..) | Fault::Master(Death::Kill, _) => Class::Crash,
            Fault::PowerOff(..) | Fault::PowerAtDisk(..) | Fault::Both(_) | Fault::Blackout(_) => {
                Class::Power
            }
            Fault::Master(Death::PowerOff, _) => Class::Power,
            Fault::Hang(..) | Fault::Master(Death::Hang, _) => Class::Pause,
            Fault::Cut(..) | Fault::Part { .. } => Class::Partition,
            Fault::Reset(_) => Class::Reset,
            Fault::Clock(..) => Class::Clock,
            Fault::LoseDisk(..) => Class::Disk,
            Fault::SlowDisk(..) => Class::Slow,
            Fault::HalfOpen(..) => Class::HalfOpen,
            Fault::Weather(..) => Class::Weather,
            Fault::GoOn(_) | Fault::Mend | Fault::FindOut | Fault::Clears(_) => return None,
        })
    }
}

/// How a process goes away.
#[derive(Clone, Copy, Debug)]
pub enum Death {
    Kill,
    PowerOff,
    Hang,
}

/// After this long everybody knows that a broker is gone.
const KNOWN_MS: u64 = 6_000;
/// After this long the controllers have heard everybody again.
const HEARD_MS: u64 = 2_500;

impl World {
    pub(super) fn strike(&mut self, fault: Fault) {
        let mild = matches!(
            fault,
            Fault::GoOn(_)
                | Fault::Mend
                | Fault::FindOut
                | Fault::Clears(_)
                | Fault::Reset(_)
                | Fault::Clock(..)
                | Fault::SlowDisk(..)
        );
        if self.time < self.fragile_until && !mild {
            return self.say(&format!("spared, a disk was just lost: {fault:?}"));
        }
        self.say(&format!("fault: {fault:?}"));
        let what = if fault.class().is_some() { What::Fault } else { What::Healed };
        self.mark(None, what, format!("{fault:?}"));
        match fault {
            Fault::Kill(machine, ms) => {
                if self.machines[machine].runs() {
                    self.note_fault("kill", Some(machine));
                }
                self.kill(machine);
                self.at(self.time + ms * MS, Event::Boot { machine });
            }
            Fault::PowerOff(machine, ms) => {
                if self.machines[machine].powered {
                    self.note_fault("power off", Some(machine));
                }
                self.power_off(machine);
                self.at(self.time + ms * MS, Event::Boot { machine });
            }
            // counted when it comes
            Fault::PowerAtDisk(machine, operations) => {
                let disk = &self.machines[machine].disk;
                disk.crash_at(disk.operations() + operations);
            }
            Fault::Hang(machine, ms) => {
                if self.machines[machine].runs() {
                    self.note_fault("hang", Some(machine));
                    self.mark(Some(machine), What::Hangs, "hangs".to_owned());
                    self.machines[machine].hung = true;
                    self.at(self.time + ms * MS, Event::Fault(Fault::GoOn(machine)));
                }
            }
            Fault::GoOn(machine) => self.go_on(machine),
            Fault::Cut(from, to) => {
                self.note_fault("cut", None);
                self.net.cut(&from, &to);
            }
            Fault::Part { one, other, both, ms } => {
                let victim = [&one, &other].into_iter().find(|side| side.len() == 1).map(|side| side[0]);
                self.note_fault(if both { "cut two ways" } else { "cut one way" }, victim);
                self.net.cut(&one, &other);
                if both {
                    self.net.cut(&other, &one);
                }
                self.at(self.time + ms * MS, Event::Fault(Fault::Mend));
            }
            Fault::Mend => {
                self.net.cuts.clear();
                self.mended_at = self.time;
                self.resend();
            }
            Fault::Reset(machine) => {
                self.note_fault("reset", Some(machine));
                for (link, _) in self.net.ends_of(machine) {
                    self.reset(link);
                }
            }
            Fault::Clock(machine, ms) => {
                self.note_fault("clock", Some(machine));
                self.machines[machine].wall_step += ms;
            }
            Fault::HalfOpen(machine, ms) => {
                self.note_fault("half-open", Some(machine));
                self.forget(machine);
                self.at(self.time + ms * MS, Event::Fault(Fault::FindOut));
            }
            Fault::FindOut => {
                self.mended_at = self.time;
                self.find_out();
            }
            Fault::Weather(machine, weather, ms) => {
                let name = if weather.times > 1 { "slow ways" } else { "bad ways" };
                self.note_fault(name, Some(machine));
                self.net.weather.insert(machine, weather);
                self.at(self.time + ms * MS, Event::Fault(Fault::Clears(machine)));
            }
            Fault::Clears(machine) => {
                self.net.weather.remove(&machine);
                self.mended_at = self.time;
            }
            Fault::LoseDisk(machine, ms) => self.lose_disk(machine, ms),
            Fault::SlowDisk(machine, times) => {
                self.note_fault("slow disk", Some(machine));
                self.machines[machine].disk_ns = (MS / 20 * times, 2 * MS * times);
            }
            Fault::Both(ms) => {
                for machine in self.leader().into_iter().chain(self.master()) {
                    self.strike(Fault::PowerOff(machine, ms));
                }
            }
            Fault::Blackout(times) => {
                self.note_fault("blackout", None);
                for (machine, ms) in times.into_iter().enumerate() {
                    self.power_off(machine);
                    self.at(self.time + ms * MS, Event::Boot { machine });
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

    /// Never the only disk that has everything, also in the eyes of controllers that miss the others or have elected anew
    /// while nobody heard them; until they know that it is gone its broker might be elected; and never when an operator may
    /// just have made its broker the whole set.
    fn lose_disk(&mut self, machine: usize, ms: u64) {
        let fine = |other: usize| self.machines[other].runs() && !self.machines[other].hung;
        let settled = self.client.meddled_at.is_none_or(|at| self.time > at + KNOWN_MS * MS);
        let ways_are_fine = self.net.cuts.is_empty()
            && self.net.weather.is_empty()
            && !self.net.links.values().any(|link| link.silent)
            && self.time > self.mended_at + HEARD_MS * MS;
        let agreed = self.whole().is_some() && self.controllers_agree();
        if settled && ways_are_fine && agreed && (0..CLIENT).all(fine) {
            self.note_fault("lost disk", Some(machine));
            self.fragile_until = self.time + KNOWN_MS * MS;
            self.power_off(machine);
            self.replace_disk(machine);
            self.at(self.time + ms * MS, Event::Boot { machine });
        }
    }

    /// The controllers' leader has all brokers in their sets; an election would have left one.
    fn controllers_agree(&self) -> bool {
        let leader = self.leader().and_then(|leader| self.machines[leader].node.as_ref());
        let Some(state) = leader.and_then(setup::member_of).map(|member| member.state()) else {
            return false;
        };
        let is_whole =
            |set: setup::Set| state.get(set.name).is_some_and(|set| set.sync.set.len() == BROKERS.len());
        is_whole(setup::MAIN) && (!self.settings.containers || is_whole(setup::NEIGHBOUR))
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

    /// Everything on the schedule comes when it is due, counted from now.
    pub(super) fn await_faults(&mut self, schedule: &Schedule) {
        for strike in &schedule.strikes {
            self.at(self.time + strike.at_ms * MS, Event::Fault(strike.fault.clone()));
        }
    }

    /// All faults end.
    pub(super) fn heal(&mut self) {
        self.say("everything is put right");
        self.mark(None, What::Healed, "everything is put right".to_owned());
        self.client.meddles = false;
        self.net.cuts.clear();
        self.net.weather.clear();
        self.find_out();
        for machine in 0..CLIENT {
            self.machines[machine].disk.crash_at(u64::MAX);
            self.machines[machine].disk_ns = (MS / 20, 2 * MS);
            self.go_on(machine);
            self.boot(machine);
        }
        self.resend();
    }
}
