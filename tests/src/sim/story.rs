//! What is worth telling of a history: who came and went, who was what in which epoch, sets, faults, and what was found
//! broken. The trace has every line; this has what a reader wants first, and what a picture is drawn from.

use std::fmt::Write as _;

use super::world::World;
use super::{CLIENT, CONTROLLERS, MS, setup};

/// What a mark is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Up,
    Down,
    Hangs,
    GoesOn,
    /// A broker's role: its epoch, and whether it is master.
    Role(i32, bool),
    /// The SyncStateSet a master knows, by ids.
    Set(Vec<i64>),
    /// A controller leads, or does no more.
    Leads(bool),
    Fault,
    Healed,
    Broken,
}

/// Something that happened, to a machine or to all.
#[derive(Clone, Debug)]
pub struct Mark {
    /// Virtual nanoseconds.
    pub at: u64,
    pub machine: Option<usize>,
    pub what: What,
    pub text: String,
}

/// Virtual milliseconds in which sends are counted together.
pub const BIN_MS: u64 = 100;

/// A history, told.
#[derive(Clone, Debug, Default)]
pub struct Story {
    pub names: Vec<String>,
    pub marks: Vec<Mark>,
    /// Sends acknowledged and refused, by [`BIN_MS`].
    pub sends: Vec<(u32, u32)>,
    pub end: u64,
}

/// What was last told of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    role: Option<(i32, bool)>,
    set_epoch: i32,
    leads: bool,
}

impl Story {
    pub(super) fn mark(&mut self, at: u64, machine: Option<usize>, what: What, text: String) {
        self.marks.push(Mark { at, machine, what, text });
    }

    pub(super) fn sent(&mut self, at: u64, well: bool) {
        let bin = (at / MS / BIN_MS) as usize;
        if self.sends.len() <= bin {
            self.sends.resize(bin + 1, (0, 0));
        }
        let (good, bad) = &mut self.sends[bin];
        *(if well { good } else { bad }) += 1;
    }

    /// Line by line; between the marks stands what became of the sends.
    #[must_use]
    pub fn tell(&self) -> String {
        let mut text = String::new();
        let mut bin = 0;
        for mark in &self.marks {
            let until = (mark.at / MS / BIN_MS) as usize;
            if until >= bin + 5 {
                let sends = self.sends.iter().take(until).skip(bin);
                let (good, bad) = sends.fold((0, 0), |sum, (good, bad)| (sum.0 + good, sum.1 + bad));
                if good + bad > 0 {
                    let _ = writeln!(text, "{:>12} {good} sends acknowledged, {bad} not", "");
                }
                bin = until;
            }
            let name = mark.machine.and_then(|machine| self.names.get(machine)).map_or("", String::as_str);
            let _ = writeln!(text, "{:>10.3} s {name:<13} {}", mark.at as f64 / 1e9, mark.text);
        }
        text
    }
}

impl World {
    pub(super) fn mark(&mut self, machine: Option<usize>, what: What, text: String) {
        self.story.mark(self.time, machine, what, text);
    }

    /// Looks at what a machine takes itself for; the trace and the story get what is new.
    pub(super) fn watch(&mut self, machine: usize) {
        if machine >= CLIENT {
            return;
        }
        let Some(node) = &self.machines[machine].node else { return };
        let seen = &self.machines[machine].seen;
        let mut new = seen.clone();
        let mut set = None;
        if CONTROLLERS.contains(&machine) {
            new.leads = setup::member_of(node).is_some_and(|member| member.is_leader());
        } else if let Some(replicas) = setup::broker_of(node).and_then(|broker| broker.replicas()) {
            new.role = replicas.role().map(|role| (role.epoch, role.is_master()));
            let (epoch, members) = replicas.sync_state_set();
            let master = new.role.is_some_and(|role| role.1);
            if master && (new.role != seen.role || epoch != seen.set_epoch) {
                set = Some((epoch, members.iter().copied().collect::<Vec<i64>>()));
            }
            new.set_epoch = epoch;
        }
        if *seen == new {
            return;
        }
        let old = std::mem::replace(&mut self.machines[machine].seen, new.clone());
        let name = self.machines[machine].name.clone();
        let mut found = Vec::new();
        if new.leads != old.leads {
            let text = if new.leads { "leads the controllers" } else { "leads the controllers no more" };
            found.push((What::Leads(new.leads), text.to_owned()));
        }
        if let Some((epoch, master)) = new.role.filter(|_| new.role != old.role) {
            let text = format!("is {} in epoch {epoch}", if master { "MASTER" } else { "slave" });
            found.push((What::Role(epoch, master), text));
        }
        if let Some((epoch, members)) = set {
            found.push((
                What::Set(members.clone()),
                format!("has the set {members:?}, the set's epoch {epoch}"),
            ));
        }
        for (what, text) in found {
            self.say(&format!("{name} {text}"));
            self.mark(Some(machine), what, text);
        }
    }

    /// What has been found broken since it was last looked at gets its time.
    pub(super) fn note_broken(&mut self) {
        while self.broken_told < self.oracle.broken.len() {
            let text = self.oracle.broken[self.broken_told].clone();
            self.broken_told += 1;
            self.say(&format!("BROKEN: {text}"));
            self.mark(None, What::Broken, format!("BROKEN: {text}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_has_its_marks_in_order_and_counts_sends_between_them() {
        let mut story = Story { names: vec!["controller-0".to_owned()], ..Story::default() };
        story.mark(MS, Some(0), What::Up, "starts".to_owned());
        (0..7).for_each(|n| story.sent((200 + n) * MS, n != 3));
        story.mark(2_000 * MS, None, What::Fault, "Mend".to_owned());
        let told = story.tell();
        let lines: Vec<&str> = told.lines().map(str::trim).collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].contains("controller-0") && lines[0].contains("starts"));
        assert_eq!(lines[1], "6 sends acknowledged, 1 not");
        assert!(lines[2].starts_with("2.000 s"));
    }
}
