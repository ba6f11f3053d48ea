//! Processor time of another process.

use std::time::Duration;

/// Processor time taken so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    pub user: Duration,
    pub system: Duration,
}

impl Times {
    #[must_use]
    pub fn since(self, earlier: Times) -> Times {
        Times {
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
        }
    }
}

/// What process `pid` has taken so far, `None` when there is no such process.
#[must_use]
pub fn of(pid: u32) -> Option<Times> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // SAFETY: sysconf takes a number and returns one.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    parse(&text, u64::try_from(ticks).ok().filter(|n| *n > 0)?)
}

/// Fields 14 and 15; the second field is a name in parentheses that may hold anything.
fn parse(text: &str, ticks_per_second: u64) -> Option<Times> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut next = || {
        let ticks: u64 = fields.next()?.parse().ok()?;
        Some(Duration::from_micros(ticks.saturating_mul(1_000_000) / ticks_per_second))
    };
    Some(Times { user: next()?, system: next()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_line() {
        let line = "42 (a ) b) S 1 42 42 0 -1 4194304 1 2 3 4 250 50 0 0 20 0 7 0 1 2 3";
        let times = parse(line, 100).unwrap();
        assert_eq!(times.user, Duration::from_millis(2500));
        assert_eq!(times.system, Duration::from_millis(500));
        assert_eq!(parse("", 100), None);
        assert!(of(std::process::id()).is_some());
    }
}
