//! Finds a shorter schedule that fails in the same way: first without as many faults as possible (delta debugging), then
//! in as little time as possible.

use super::history::{Plan, Report, run_caught};

/// The shortest failing history that was found.
#[derive(Debug)]
pub struct Shrunk {
    pub report: Report,
    /// Histories lived to find it.
    pub tried: u64,
}

/// Shrinks a plan whose history fails; nothing if it does not.
#[must_use]
pub fn shrink(plan: &Plan) -> Option<Shrunk> {
    let whole = run_caught(plan);
    let wanted = shape(whole.broken.first()?);
    let mut tried = 1;
    let mut best = whole;
    let mut fails = |plan: &Plan| {
        tried += 1;
        let report = run_caught(plan);
        let same = report.broken.iter().any(|text| shape(text) == wanted);
        if same {
            best = report;
        }
        same
    };
    let indices = plan.schedule().strikes.iter().map(|strike| strike.index).collect();
    let plan = Plan { loud: false, ..plan.clone() };
    let kept = fewest(indices, |keep| fails(&Plan { keep: Some(keep.to_vec()), ..plan.clone() }));
    let plan = Plan { keep: Some(kept), ..plan };
    let longest = plan.schedule().ms;
    shortest(longest, |ms| fails(&Plan { ms: Some(ms), ..plan.clone() }));
    Some(Shrunk { report: best, tried })
}

/// What kind of failure a text tells of: its words without names and numbers.
fn shape(text: &str) -> String {
    let plain = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase());
    text.split_whitespace().filter(plain).take(6).collect::<Vec<_>>().join(" ")
}

/// Leaves out of `items` what is not needed to fail: halves, then quarters, down to single ones.
fn fewest(mut items: Vec<usize>, mut fails: impl FnMut(&[usize]) -> bool) -> Vec<usize> {
    let mut size = items.len().div_ceil(2);
    while size > 0 && !items.is_empty() {
        let mut at = 0;
        let mut shorter = false;
        while at < items.len() {
            let end = (at + size).min(items.len());
            let without: Vec<usize> = items[..at].iter().chain(&items[end..]).copied().collect();
            if fails(&without) {
                (items, shorter) = (without, true);
            } else {
                at = end;
            }
        }
        size = match (size, shorter) {
            (1, true) => 1,
            (1, false) => 0,
            _ => size.div_ceil(2),
        };
    }
    items
}

/// The least number below `most` that still fails, as far as halving finds it.
fn shortest(most: u64, mut fails: impl FnMut(u64) -> bool) -> u64 {
    let (mut good, mut bad) = (0, most);
    // closer than this nobody sees a difference
    while bad - good > 50 {
        let middle = good + (bad - good) / 2;
        if fails(middle) {
            bad = middle;
        } else {
            good = middle;
        }
    }
    bad
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_is_left_and_nothing_else() {
        let mut tried = 0;
        let found = fewest((0..40).collect(), |keep| {
            tried += 1;
            keep.contains(&3) && keep.contains(&17) && keep.contains(&18)
        });
        assert_eq!(found, [3, 17, 18]);
        assert!(tried < 120, "{tried} tries");
    }

    #[test]
    fn nothing_is_left_of_what_fails_anyway() {
        assert_eq!(fewest(vec![4, 5, 6], |_| true), Vec::<usize>::new());
        assert_eq!(fewest(Vec::new(), |_| true), Vec::<usize>::new());
        assert_eq!(fewest(vec![1], |keep| !keep.is_empty()), [1]);
    }

    #[test]
    fn the_time_is_as_short_as_it_may_be() {
        let found = shortest(11_000, |ms| ms >= 4_321);
        assert!((4_321..4_400).contains(&found), "{found}");
        assert_eq!(shortest(10, |_| true), 10);
    }

    #[test]
    fn numbers_and_names_make_no_other_failure() {
        let one = shape("acknowledged and lost: message 5 of producer 1 at 0/3");
        assert_eq!(one, shape("acknowledged and lost: message 71 of producer 2 at 1/9"));
        assert_ne!(one, shape("consumed and lost: message 5 of producer 1 at 0/3"));
    }
}
