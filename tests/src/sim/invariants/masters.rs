//! At most one master acknowledges in an epoch, and none does any more for what was sent when the next was at work.

use std::collections::BTreeMap;

use super::{Fact, Invariant};

#[derive(Debug, Default)]
pub struct OneMaster {
    /// Epoch: the machine that acknowledged first in it, and when.
    epochs: BTreeMap<i32, (usize, u64)>,
}

impl Invariant for OneMaster {
    fn name(&self) -> &'static str {
        "one master per epoch"
    }

    fn outlives_loss(&self) -> bool {
        true
    }

    fn see(&mut self, now: u64, fact: &Fact<'_>) -> Result<(), String> {
        let Fact::Promises { machine, epoch, asked, .. } = *fact else { return Ok(()) };
        let first = *self.epochs.entry(epoch).or_insert((machine, now));
        if first.0 != machine {
            return Err(format!("machines {} and {machine} acknowledge in epoch {epoch}", first.0));
        }
        // An answer on its way when the next master begins is no harm: the message is in both logs. One to a
        // message that was sent when the next master was already at work is what must not be.
        let newer = self.epochs.range(epoch + 1..).find(|(_, (_, began))| *began < asked);
        match newer {
            Some((newer, (other, began))) => Err(format!(
                "machine {machine} acknowledges in epoch {epoch} what was sent at {asked}; machine {other} does in \
                 epoch {newer} since {began}"
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promises(machine: usize, epoch: i32, asked: u64) -> Fact<'static> {
        Fact::Promises { machine, epoch, asked, lacking: &[] }
    }

    #[test]
    fn a_second_master_is_found() {
        let mut one = OneMaster::default();
        assert!(one.see(10, &promises(3, 1, 9)).is_ok() && one.see(20, &promises(4, 2, 19)).is_ok());
        assert!(one.see(21, &promises(3, 1, 19)).is_ok(), "it was under way");
        assert!(one.see(30, &promises(3, 1, 25)).is_err(), "epoch 2 had begun");
        assert!(one.see(30, &promises(5, 2, 29)).is_err(), "epoch 2 has a master");
    }
}
