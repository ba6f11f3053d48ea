//! Looks for planted bugs and prints how many histories each took.

use std::io::Write as _;
use std::time::Instant;

use sansmq_tests::sim::planted::{self, Planted};

use crate::options::{ALL_BUGS, Options};

/// Characters of a failure that fit into the table.
const SHOWN: usize = 90;

/// True if every bug was found.
pub fn hunt(options: &Options, name: &str) -> bool {
    let bugs: Vec<Planted> =
        planted::ALL.into_iter().filter(|bug| name == ALL_BUGS || bug.name == name).collect();
    let mut escaped = Vec::new();
    println!("{:<20} {:>9} {:>8} {:>6}  found by", "bug", "histories", "seed", "s");
    for bug in &bugs {
        let begun = Instant::now();
        let caught = planted::hunt(*bug, &options.plan(), options.seeds(), options.threads());
        let seconds = begun.elapsed().as_secs_f64();
        match caught {
            Some(caught) => {
                let first = caught.report.broken.first().map_or("", String::as_str);
                let shown: String = first.chars().take(SHOWN).collect();
                let (histories, seed) = (caught.histories, caught.report.seed);
                println!("{:<20} {histories:>9} {seed:>8} {seconds:>6.1}  {shown}", bug.name);
            }
            None => {
                let lived = options.seeds();
                println!("{:<20} {lived:>9} {:>8} {seconds:>6.1}  NOBODY: {}", bug.name, "-", bug.does);
                escaped.push(bug.name);
            }
        }
        // whoever reads this through a pipe wants to see how far it is
        let _ = std::io::stdout().flush();
    }
    println!("{} of {} found", bugs.len() - escaped.len(), bugs.len());
    escaped.is_empty()
}
