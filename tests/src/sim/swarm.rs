//! Classes of faults, and which of them a history has. A history with everything in it hides what needs many faults of
//! one kind, so each seed goes without about half of the classes.

use super::dice::Dice;

/// A kind of misfortune that can be switched off as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Processes die.
    Crash,
    /// Computers lose their power, and what was not synced with it.
    Power,
    /// A disk is gone.
    Disk,
    /// Processes are stopped for a while.
    Pause,
    /// Some machines do not reach others.
    Partition,
    /// Connections break.
    Reset,
    /// Wall clocks are set.
    Clock,
    /// Disks take long.
    Slow,
    /// Connections break, and one end is not told.
    HalfOpen,
    /// The ways of a machine are slow, or lose much.
    Weather,
}

impl Class {
    pub const ALL: [(&'static str, Class); 10] = [
        ("crash", Class::Crash),
        ("power", Class::Power),
        ("disk", Class::Disk),
        ("pause", Class::Pause),
        ("partition", Class::Partition),
        ("reset", Class::Reset),
        ("clock", Class::Clock),
        ("slow", Class::Slow),
        ("half-open", Class::HalfOpen),
        ("weather", Class::Weather),
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|entry| entry.1 == self).map_or("?", |entry| entry.0)
    }

    /// Whether what is only in memory is lost. Without a flush before the acknowledgement no promise survives that.
    #[must_use]
    pub fn takes_memory(self) -> bool {
        matches!(self, Class::Power | Class::Disk)
    }
}

/// A set of classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classes(u32);

impl Classes {
    pub const ALL: Classes = Classes((1 << Class::ALL.len()) - 1);

    /// Reads names with commas between them.
    ///
    /// # Errors
    /// The name there is no class for.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut classes = Classes(0);
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let names: Vec<&str> = Class::ALL.iter().map(|entry| entry.0).collect();
            let known = Class::ALL.iter().find(|entry| entry.0 == name);
            let class =
                known.ok_or_else(|| format!("there are no faults \"{name}\", but {}", names.join(", ")))?.1;
            classes.0 |= 1 << class as u32;
        }
        Ok(classes)
    }

    #[must_use]
    pub fn has(self, class: Class) -> bool {
        self.0 & 1 << class as u32 != 0
    }

    /// Those of them that are in it.
    pub fn list(self) -> impl Iterator<Item = Class> {
        Class::ALL.into_iter().map(|entry| entry.1).filter(move |class| self.has(*class))
    }

    /// Every class with even odds.
    pub fn swarm(dice: &mut Dice) -> Self {
        let on = Class::ALL.iter().filter(|_| dice.one_in(2));
        Classes(on.fold(0, |bits, (_, class)| bits | 1 << *class as u32))
    }

    /// Without those that no promise survives when nothing is flushed before its acknowledgement.
    #[must_use]
    pub fn that_spare_memory(self) -> Self {
        Classes(self.list().filter(|class| !class.takes_memory()).fold(0, |bits, c| bits | 1 << c as u32))
    }

    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl std::fmt::Display for Classes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.list().map(Class::name).collect();
        f.write_str(&names.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_make_a_set_and_a_set_its_names() {
        let some = Classes::parse("power, crash");
        assert_eq!(some.as_ref().map(ToString::to_string), Ok("crash,power".to_owned()));
        assert_eq!(some.map(|some| some.that_spare_memory().to_string()), Ok("crash".to_owned()));
        assert!(
            Classes::parse("crash,flood").is_err_and(|why| why.contains("flood") && why.contains("pause"))
        );
        assert_eq!(Classes::ALL.list().count(), Class::ALL.len());
    }

    #[test]
    fn every_class_is_on_in_about_half_of_the_swarms() {
        let swarms: Vec<Classes> =
            (0..400).map(|seed| Classes::swarm(&mut Dice::named(seed, "swarm"))).collect();
        for (name, class) in Class::ALL {
            let on = swarms.iter().filter(|swarm| swarm.has(class)).count();
            assert!((120..280).contains(&on), "{name} is on in {on} of 400");
        }
    }
}
