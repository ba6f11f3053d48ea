//! Everybody sees everything in the end: each group, and each member of a broadcast group, what was acknowledged,
//! what was delayed and what was committed.
//!
//! What waits for a time waits for long when somebody has set a broker's clock back, so nothing is promised for it then.

use std::collections::{BTreeMap, BTreeSet};

use super::{Fact, Invariant};
use crate::sim::ledger::Kind;

#[derive(Debug, Default)]
struct Reader {
    topic: &'static str,
    seen: BTreeSet<u64>,
    owed: BTreeSet<u64>,
}

#[derive(Debug, Default)]
pub struct Eventually {
    readers: BTreeMap<&'static str, Reader>,
    promised: Vec<(&'static str, u64)>,
    /// Numbers of those that wait for a time.
    held: BTreeSet<u64>,
    stepped: bool,
}

impl Eventually {
    pub fn owed(&self) -> usize {
        self.readers.values().map(|reader| reader.owed.len()).sum()
    }
}

impl Invariant for Eventually {
    fn name(&self) -> &'static str {
        "everything is seen"
    }

    fn see(&mut self, _now: u64, fact: &Fact<'_>) -> Result<(), String> {
        match *fact {
            Fact::Stands(standing) if standing.stepped && !self.stepped => {
                self.stepped = true;
                self.readers.values_mut().for_each(|reader| reader.owed.retain(|id| !self.held.contains(id)));
            }
            Fact::Joins { reader, topic } => {
                let known =
                    self.readers.entry(reader).or_insert_with(|| Reader { topic, ..Reader::default() });
                known.owed.extend(self.promised.iter().filter(|entry| entry.0 == topic).map(|entry| entry.1));
            }
            Fact::Promised { message, .. } if message.kind != (Kind::Half { commit: false }) => {
                if message.kind.is_held() {
                    if self.stepped {
                        return Ok(());
                    }
                    self.held.insert(message.id);
                }
                self.promised.push((message.topic, message.id));
                for reader in self.readers.values_mut().filter(|reader| reader.topic == message.topic) {
                    if !reader.seen.contains(&message.id) {
                        reader.owed.insert(message.id);
                    }
                }
            }
            Fact::Shown { reader, place, shown, .. } => {
                for name in [reader, place.group] {
                    if let Some(reader) = self.readers.get_mut(name) {
                        for (_, message) in shown {
                            reader.seen.insert(message.id);
                            reader.owed.remove(&message.id);
                        }
                    }
                }
            }
            Fact::Ends => {
                let left = self.readers.iter().filter(|(_, reader)| !reader.owed.is_empty());
                let left: Vec<String> = left
                    .map(|(name, reader)| {
                        let some: Vec<&u64> = reader.owed.iter().take(5).collect();
                        format!("{name} has not seen {} messages, as {some:?}", reader.owed.len())
                    })
                    .collect();
                if !left.is_empty() {
                    return Err(left.join("; "));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{PLACE, message};
    use super::*;

    #[test]
    fn what_nobody_was_shown_is_found() {
        let mut all = Eventually::default();
        let messages = [Kind::Plain, Kind::Half { commit: true }, Kind::Half { commit: false }]
            .map(|kind| message(0, kind));
        let messages: Vec<_> = messages
            .into_iter()
            .enumerate()
            .map(|(id, m)| super::super::Message { id: id as u64, ..m })
            .collect();
        let mut see = |fact: &Fact<'_>| all.see(1, fact);
        assert!(see(&Fact::Promised { message: &messages[0], offset: 0 }).is_ok());
        assert!(see(&Fact::Joins { reader: "G", topic: "T" }).is_ok());
        for message in &messages[1..] {
            assert!(see(&Fact::Promised { message, offset: 0 }).is_ok());
        }
        assert!(see(&Fact::Ends).is_err());
        let shown = [(0, &messages[0]), (1, &messages[1])];
        let first = Fact::Shown { reader: "a", place: PLACE, asked: 0, shown: &shown[..1] };
        assert!(see(&first).is_ok() && see(&Fact::Ends).is_err());
        assert!(see(&Fact::Shown { reader: "a", place: PLACE, asked: 1, shown: &shown[1..] }).is_ok());
        assert!(see(&Fact::Ends).is_ok(), "what was rolled back is for nobody");
    }
}
