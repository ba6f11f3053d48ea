//! Commands that ask several brokers, or ask again and again.

use std::io::Write;
use std::time::Duration;

use super::values::number;
use crate::app::World;
use crate::failure::Failure;
use crate::options::Matches;

/// Runs `round` once, or for ever with the pause `-i` gives in seconds. Between rounds, what was reported
/// already ends nothing; any other failure does.
///
/// # Errors
/// The failure of the last round.
pub fn repeated(
    args: &Matches,
    world: &mut World,
    round: impl FnMut(&mut World) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let seconds: u64 = number(args, "i", 0)?;
    repeat(Duration::from_secs(seconds), world, round)
}

fn repeat(
    pause: Duration,
    world: &mut World,
    mut round: impl FnMut(&mut World) -> Result<(), Failure>,
) -> Result<(), Failure> {
    loop {
        let outcome = round(world);
        match outcome {
            Ok(()) | Err(Failure::Partly(_)) if !pause.is_zero() => {}
            last => return last,
        }
        world.out.flush()?;
        std::thread::sleep(pause);
    }
}

/// Does something for each broker; with several brokers, one that fails is reported and the others go on.
///
/// # Errors
/// A single broker's failure, or [`Failure::Partly`].
pub fn each(
    world: &mut World,
    command: &str,
    brokers: &[String],
    one: impl Fn(&mut World, &str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if let [only] = brokers {
        return one(world, only);
    }
    let mut failed = 0;
    for broker in brokers {
        match one(world, broker) {
            Ok(()) => {}
            // Nothing more can be printed.
            Err(failure @ Failure::Output(_)) => return Err(failure),
            Err(failure) => {
                failed += 1;
                writeln!(world.err, "mqadmin: {command}: {broker}: {failure}")?;
            }
        }
    }
    if failed == 0 { Ok(()) } else { Err(Failure::Partly(failed)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sansmq_core::wire::Encoding;

    fn rounds(pause_ms: u64, outcomes: &[Option<Failure>]) -> (usize, bool) {
        let mut world = World { out: Box::new(Vec::new()), ..World::real(Encoding::Json) };
        let mut done = 0;
        let outcome = repeat(Duration::from_millis(pause_ms), &mut world, |_| {
            done += 1;
            match outcomes.get(done - 1) {
                Some(None) => Ok(()),
                Some(Some(Failure::Partly(count))) => Err(Failure::Partly(*count)),
                _ => Err(Failure::NoTarget),
            }
        });
        (done, outcome.is_ok())
    }

    #[test]
    fn rounds_go_on_until_nothing_works() {
        assert_eq!(rounds(0, &[None, None]), (1, true));
        assert_eq!(rounds(0, &[Some(Failure::Partly(1)), None]), (1, false));
        assert_eq!(rounds(1, &[None, Some(Failure::Partly(1)), None]), (4, false));
    }
}
