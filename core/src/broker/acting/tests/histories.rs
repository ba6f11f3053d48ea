//! Histories by chance: messages that wait, a master that dies and comes back, another master that goes away and whose
//! answers get lost. Whatever happens, everything is delivered, and twice only what an unanswered send explains.

use std::collections::BTreeMap;

use super::world::World;
use crate::broker::SplitMix;

const HISTORIES: u64 = 25;
const STEPS: usize = 30;

struct History {
    world: World,
    chance: SplitMix,
    sent: Vec<String>,
    /// What happened, for whoever has to find out why.
    told: Vec<String>,
}

impl History {
    fn send(&mut self) {
        for _ in 0..=self.chance.below(4) {
            let Some(master) = self.world.rigs[0].as_mut() else { return };
            let body = format!("m{}", self.sent.len());
            let when = match self.chance.below(3) {
                0 => format!("TIMER_DELAY_SEC={}", 1 + self.chance.below(8)),
                _ => format!("DELAY={}", 1 + self.chance.below(3)),
            };
            assert_eq!(master.send("D", &format!("{when} UNIQ_KEY={body}"), &body).code, 0);
            self.told.push(format!("{body} {when}"));
            self.sent.push(body);
        }
        self.world.settle();
    }

    fn step(&mut self) {
        match self.chance.below(12) {
            0..4 => self.send(),
            4 if self.world.rigs[0].is_some() => {
                self.world.kill(0);
                self.told.push("the master dies".to_owned());
                // Its slave notices.
                self.world.pass(1_500);
            }
            4 | 5 if self.world.rigs[0].is_none() => {
                self.told.push("it comes back".to_owned());
                self.world.start(0);
            }
            6 => {
                self.world.other_is_up = !self.world.other_is_up;
                self.told.push(format!("the other is up: {}", self.world.other_is_up));
            }
            7 => self.world.lost_answers += 1,
            _ => {
                let ms = 50 + self.chance.below(3_000);
                self.told.push(format!("{ms} ms; given so far: {}", self.world.given.len()));
                self.world.pass(u64::try_from(ms).unwrap());
            }
        }
    }
}

#[test]
fn everything_is_delivered_and_twice_only_what_was_not_answered() {
    let mut given = 0;
    for seed in 0..HISTORIES {
        let world = World::new(|_, store| store.timer_flush_interval_ms = 200);
        let mut history = History { world, chance: SplitMix(seed), sent: Vec::new(), told: Vec::new() };
        for _ in 0..STEPS {
            history.step();
        }
        let History { mut world, sent, told, .. } = history;
        (world.other_is_up, world.lost_answers) = (true, 0);
        if world.rigs[0].is_none() {
            world.pass(1_500);
            world.start(0);
        }
        world.pass(40_000);
        given += world.given.len();
        let mut copies: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for body in world.given() {
            copies.entry(body.to_owned()).or_default().push("the other");
        }
        for body in world.stored("D") {
            copies.entry(body).or_default().push("its own");
        }
        for body in &sent {
            let at = copies.get(body).map_or(&[][..], Vec::as_slice);
            let allowed = 1 + world.unanswered.iter().filter(|lost| *lost == body).count();
            assert!(!at.is_empty(), "history {seed}: {body} is lost: {told:#?}");
            let fits = at.len() <= allowed;
            assert!(fits, "history {seed}: {body} is at {at:?}, {allowed} times is explained: {told:#?}");
        }
    }
    assert!(given > 50, "the other master was given {given} messages in all histories");
}
