//! The confirm offset lies within the log and never goes back while a broker keeps its role.

use std::collections::BTreeMap;

use super::{Fact, Invariant};

#[derive(Debug, Default)]
pub struct Confirm {
    /// By machine: process, epoch and role, and the offset then.
    last: BTreeMap<usize, ((u64, i32, bool), u64)>,
}

impl Invariant for Confirm {
    fn name(&self) -> &'static str {
        "the confirm offset only grows"
    }

    fn see(&mut self, _now: u64, fact: &Fact<'_>) -> Result<(), String> {
        let Fact::Stands(standing) = fact else { return Ok(()) };
        let term = (standing.life, standing.epoch, standing.master);
        let before = self.last.insert(standing.machine, (term, standing.confirm));
        let machine = standing.machine;
        if standing.confirm > standing.max {
            return Err(format!("machine {machine} confirms {} of {} bytes", standing.confirm, standing.max));
        }
        match before {
            Some((then, offset)) if then == term && standing.master && offset > standing.confirm => {
                Err(format!(
                    "master {machine} of epoch {} goes back from {offset} to {}",
                    standing.epoch, standing.confirm
                ))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bytelog, standing};
    use super::super::{Fact, Invariant, Standing};
    use super::Confirm;

    #[test]
    fn going_back_and_going_too_far_are_found() {
        let log = Bytelog(vec![0; 100]);
        let at = |epoch, confirm| Standing { confirm, ..standing(3, epoch, &log) };
        let mut invariant = Confirm::default();
        let mut see = |standing: Standing<'_>| invariant.see(1, &Fact::Stands(&standing)).is_ok();
        assert!(see(at(1, 50)) && see(at(1, 60)) && see(at(2, 40)));
        assert!(!see(at(2, 39)));
        assert!(!see(at(2, 101)));
    }
}
