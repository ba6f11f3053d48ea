//! The faults of a random history as data, drawn from the seed before it begins: so a shorter list can be tried
//! (`shrink`), and one without a fault is otherwise the same.

use super::dice::Dice;
use super::faults::{Death, Fault};
use super::net::Weather;
use super::swarm::{Class, Classes};
use super::{BROKERS, CLIENT};

/// What happens, and how long after the cluster was whole.
#[derive(Clone, Debug)]
pub struct Strike {
    /// Its place in the whole schedule.
    pub index: usize,
    pub at_ms: u64,
    pub fault: Fault,
}

/// Everything that goes wrong in a history.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    /// How long faults come.
    pub ms: u64,
    /// In the order they were drawn; an index means the same fault as long as the seed and the classes do.
    pub strikes: Vec<Strike>,
}

impl Schedule {
    /// Draws faults of these classes.
    #[must_use]
    pub fn draw(seed: u64, classes: Classes) -> Self {
        let mut dice = Dice::named(seed, "schedule");
        let mut schedule = Schedule { ms: dice.between(3_000, 11_000), strikes: Vec::new() };
        let classes: Vec<Class> = classes.list().collect();
        if classes.is_empty() {
            return schedule;
        }
        let mut disks = 1;
        for _ in 0..dice.between(2, 9) {
            // every fault has a stream of its own, so that a new kind changes no others
            let mut dice = Dice::new(dice.draw());
            let at_ms = dice.roll(schedule.ms);
            let class = dice.pick(&classes);
            if class == Class::Disk {
                if disks == 0 {
                    continue;
                }
                disks -= 1;
            }
            let index = schedule.strikes.len();
            schedule.strikes.push(Strike { index, at_ms, fault: fault(class, &mut dice) });
        }
        schedule
    }

    /// Those at these indices, within this time.
    #[must_use]
    pub fn only(mut self, keep: Option<&[usize]>, ms: Option<u64>) -> Self {
        if let Some(keep) = keep {
            self.strikes.retain(|strike| keep.contains(&strike.index));
        }
        self.ms = ms.unwrap_or(self.ms);
        self.strikes.retain(|strike| strike.at_ms <= self.ms);
        self
    }
}

/// A fault of this class.
fn fault(class: Class, dice: &mut Dice) -> Fault {
    let machine = dice.roll(CLIENT as u64) as usize;
    let down = dice.between(50, 8_000);
    match class {
        Class::Crash if dice.one_in(2) => Fault::Master(Death::Kill, down),
        Class::Crash => Fault::Kill(machine, down),
        Class::Power => match dice.roll(10) {
            0..=2 => Fault::PowerOff(machine, down),
            3 | 4 => Fault::PowerAtDisk(machine, dice.roll(80)),
            5 | 6 => Fault::Both(down),
            7 | 8 => Fault::Blackout((0..CLIENT).map(|_| dice.between(50, 9_000)).collect()),
            _ => Fault::Master(Death::PowerOff, down),
        },
        Class::Disk => Fault::LoseDisk(BROKERS.start + dice.roll(BROKERS.len() as u64) as usize, down),
        Class::Pause if dice.one_in(2) => Fault::Master(Death::Hang, down),
        Class::Pause => Fault::Hang(machine, down),
        Class::Partition => {
            let everybody = || (0..=CLIENT).collect();
            match dice.roll(4) {
                0 => Fault::Part { one: vec![machine], other: everybody(), both: false, ms: down },
                1 => Fault::Part { one: everybody(), other: vec![machine], both: false, ms: down },
                _ => split(dice, down),
            }
        }
        Class::Reset => Fault::Reset(machine),
        Class::Clock => Fault::Clock(machine, dice.roll(7_200_000) as i64 - 3_600_000),
        Class::Slow => Fault::SlowDisk(machine, dice.pick(&[3, 20, 60, 200])),
        Class::HalfOpen => Fault::HalfOpen(dice.roll(CLIENT as u64 + 1) as usize, down),
        Class::Weather => {
            let weather = if dice.one_in(2) {
                Weather { times: dice.between(5, 50), lost: 200 }
            } else {
                Weather { times: 1, lost: dice.between(2, 10) }
            };
            Fault::Weather(dice.roll(CLIENT as u64 + 1) as usize, weather, down)
        }
    }
}

/// The servers fall into two parts; the clients reach both.
fn split(dice: &mut Dice, ms: u64) -> Fault {
    let one: Vec<usize> = (0..CLIENT).filter(|_| dice.one_in(2)).collect();
    let other: Vec<usize> = (0..CLIENT).filter(|machine| !one.contains(machine)).collect();
    Fault::Part { one, other, both: dice.one_in(2), ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(schedule: &Schedule) -> Vec<String> {
        schedule.strikes.iter().map(|strike| format!("{strike:?}")).collect()
    }

    #[test]
    fn only_the_classes_asked_for_strike() {
        for (name, class) in Class::ALL {
            let Ok(one) = Classes::parse(name) else { panic!("{name}") };
            let drawn: Vec<Schedule> = (0..50).map(|seed| Schedule::draw(seed, one)).collect();
            assert!(drawn.iter().all(|s| s.strikes.iter().all(|strike| strike.fault.class() == Some(class))));
            assert!(drawn.iter().all(|s| !s.strikes.is_empty()), "{name} never strikes");
        }
    }

    #[test]
    fn what_is_kept_is_as_it_was() {
        let whole = Schedule::draw(5, Classes::ALL);
        let all = text(&whole);
        assert!(all.len() >= 2);
        let part = whole.clone().only(Some(&[1]), None);
        assert_eq!(text(&part), [all[1].clone()]);
        assert_eq!(part.ms, whole.ms);
        let first = whole.strikes.iter().map(|strike| strike.at_ms).min().unwrap_or(0);
        let early = whole.only(None, Some(first));
        assert!(early.strikes.iter().all(|strike| strike.at_ms <= first) && !early.strikes.is_empty());
    }
}
