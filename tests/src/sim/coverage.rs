//! What the cluster was at when a fault struck. A fault that never comes in the middle of a handshake has shown nothing
//! about handshakes: the table of pairs says where histories have been.

use std::collections::BTreeMap;

use super::world::World;
use super::{BROKERS, CLIENT, CONTROLLERS, MS, setup};

/// Something that is so when a fault strikes; several may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// One master with every replica in its set, nobody down, no way cut.
    Whole,
    /// The newest master has a set without some replica.
    ShrunkSet,
    /// A change of the set was asked for, and its outcome is open.
    SetChanges,
    NoMaster,
    /// Two take themselves for master, in different epochs.
    TwoMasters,
    /// An election has not reached everybody.
    Election,
    /// A replica and its master find out where their logs part, or the replica cuts what the master has not.
    Handshake,
    /// A process started less than a second ago.
    Recovery,
    ControllersElect,
    /// Not enough controllers run to decide anything.
    NoMajority,
    MachineDown,
    MachineHangs,
    WayCut,
    /// It strikes the master, or the controllers' leader.
    AtMaster,
    AtLeader,
}

impl State {
    pub const ALL: [(&'static str, State); 15] = [
        ("whole", State::Whole),
        ("shrunk set", State::ShrunkSet),
        ("set changes", State::SetChanges),
        ("no master", State::NoMaster),
        ("two masters", State::TwoMasters),
        ("election", State::Election),
        ("handshake", State::Handshake),
        ("recovery", State::Recovery),
        ("ctrl elect", State::ControllersElect),
        ("no majority", State::NoMajority),
        ("some down", State::MachineDown),
        ("some hang", State::MachineHangs),
        ("way cut", State::WayCut),
        ("at master", State::AtMaster),
        ("at leader", State::AtLeader),
    ];
}

/// Faults that struck, and what they struck.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    pub faults: BTreeMap<&'static str, u64>,
    pub pairs: BTreeMap<(&'static str, State), u64>,
}

impl Coverage {
    pub fn note(&mut self, fault: &'static str, states: &[State]) {
        *self.faults.entry(fault).or_default() += 1;
        for state in states {
            *self.pairs.entry((fault, *state)).or_default() += 1;
        }
    }

    pub fn add(&mut self, other: &Coverage) {
        for (fault, count) in &other.faults {
            *self.faults.entry(fault).or_default() += count;
        }
        for (pair, count) in &other.pairs {
            *self.pairs.entry(*pair).or_default() += count;
        }
    }

    /// Pairs that were met, and how many there are.
    #[must_use]
    pub fn met(&self) -> (usize, usize) {
        (self.pairs.len(), self.faults.len() * State::ALL.len())
    }

    /// A line for each fault: how often, and in which state.
    #[must_use]
    pub fn table(&self) -> String {
        use std::fmt::Write as _;
        let mut text = format!("{:<14}{:>9}", "fault", "times");
        for (name, _) in State::ALL {
            let _ = write!(text, "{name:>12}");
        }
        text.push('\n');
        for (fault, count) in &self.faults {
            let _ = write!(text, "{fault:<14}{count:>9}");
            for (_, state) in State::ALL {
                let _ = match self.pairs.get(&(fault, state)) {
                    Some(count) => write!(text, "{count:>12}"),
                    None => write!(text, "{:>12}", "."),
                };
            }
            text.push('\n');
        }
        text
    }
}

impl World {
    /// Counts a fault that takes effect now; `victim` is the machine it is about, if it is one.
    pub(super) fn note_fault(&mut self, fault: &'static str, victim: Option<usize>) {
        let states = self.states(victim);
        self.coverage.note(fault, &states);
    }

    fn states(&self, victim: Option<usize>) -> Vec<State> {
        let mut found = Vec::new();
        let mut say = |so: bool, state| {
            if so {
                found.push(state);
            }
        };
        let machines = &self.machines[..CLIENT];
        let down = machines.iter().any(|machine| !machine.runs());
        let hangs = machines.iter().any(|machine| machine.hung);
        let cut = !self.net.cuts.is_empty();
        say(self.whole().is_some() && !down && !hangs && !cut, State::Whole);

        let brokers: Vec<_> = BROKERS
            .filter_map(|machine| {
                let broker = setup::broker_of(self.machines[machine].node.as_ref()?)?;
                Some((machine, broker, broker.replicas()?))
            })
            .collect();
        let masters = brokers.iter().filter(|(_, _, replicas)| replicas.is_master()).count();
        let epochs = || brokers.iter().filter_map(|(_, _, replicas)| replicas.role().map(|role| role.epoch));
        let newest = epochs().max();
        let master = self.master();
        if let Some((_, _, replicas)) = brokers.iter().find(|(machine, ..)| Some(*machine) == master) {
            let set = replicas.sync_state_set().1;
            say(set.len() < BROKERS.len(), State::ShrunkSet);
            say(replicas.effective_set() != *set, State::SetChanges);
        }
        say(masters == 0, State::NoMaster);
        say(masters > 1, State::TwoMasters);
        say(epochs().any(|epoch| Some(epoch) != newest), State::Election);
        let joins = |(_, broker, replicas): &(usize, &setup::AnyBroker, &setup::Replicas)| {
            replicas.role().is_some_and(|role| !role.is_master()) && !broker.follows()
        };
        say(brokers.iter().any(joins), State::Handshake);
        let young = |m: &super::machine::Machine| m.runs() && m.born + 1_000 * MS > self.time && m.life > 1;
        say(machines.iter().any(young), State::Recovery);
        let fit = CONTROLLERS.filter(|machine| {
            let machine = &self.machines[*machine];
            machine.runs() && !machine.hung
        });
        say(fit.count() * 2 <= CONTROLLERS.len(), State::NoMajority);
        let leader = self.leader();
        say(leader.is_none(), State::ControllersElect);
        say(down, State::MachineDown);
        say(hangs, State::MachineHangs);
        say(cut, State::WayCut);
        say(victim.is_some() && victim == master, State::AtMaster);
        say(victim.is_some() && victim == leader, State::AtLeader);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_add_up_and_show_in_the_table() {
        let mut one = Coverage::default();
        one.note("kill", &[State::Whole, State::AtMaster]);
        let mut two = Coverage::default();
        two.note("kill", &[State::Whole]);
        two.note("cut", &[]);
        one.add(&two);
        assert_eq!(one.faults.get("kill"), Some(&2));
        assert_eq!(one.pairs.get(&("kill", State::Whole)), Some(&2));
        assert_eq!(one.met(), (2, 2 * State::ALL.len()));
        let table = one.table();
        let kill = table.lines().find(|line| line.starts_with("kill")).unwrap_or_default();
        assert_eq!(kill.split_whitespace().take(3).collect::<Vec<_>>(), ["kill", "2", "2"]);
        assert_eq!(table.lines().count(), 3);
    }
}
