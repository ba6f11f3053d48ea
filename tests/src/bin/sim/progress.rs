//! A line that tells how far a run is, where somebody may be looking.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use sansmq_tests::sim::Tally;

const WIDTH: u64 = 30;
const EVERY: Duration = Duration::from_millis(200);

/// A bar on the standard error, if that is a terminal.
pub struct Progress {
    wanted: u64,
    begun: Instant,
    /// When it was drawn last.
    drawn: Option<Mutex<Instant>>,
}

impl Progress {
    #[must_use]
    pub fn new(wanted: u64) -> Self {
        let begun = Instant::now();
        let drawn = std::io::stderr().is_terminal().then(|| Mutex::new(begun));
        Progress { wanted, begun, drawn }
    }

    pub fn show(&self, tally: &Tally) {
        let Some(Ok(mut drawn)) = self.drawn.as_ref().map(Mutex::lock) else { return };
        if drawn.elapsed() >= EVERY {
            *drawn = Instant::now();
            // a terminal that is gone is no reason to stop
            let _ = write!(std::io::stderr(), "\r{}\x1b[K", self.line(tally));
        }
    }

    /// Wipes the bar away.
    pub fn end(&self) {
        if self.drawn.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }

    fn line(&self, tally: &Tally) -> String {
        let done = tally.histories.min(self.wanted);
        let full = WIDTH * done / self.wanted.max(1);
        let rate = done as f64 / self.begun.elapsed().as_secs_f64().max(0.001);
        let left = (self.wanted - done) as f64 / rate.max(0.001);
        let bar: String = (0..WIDTH).map(|at| if at < full { '#' } else { '.' }).collect();
        format!("[{bar}] {done}/{} {rate:.1}/s, {left:.0} s left, {} failed", self.wanted, tally.failed.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_as_full_as_the_run() {
        let progress = Progress::new(10);
        let line = progress.line(&Tally { histories: 5, ..Tally::default() });
        assert!(line.starts_with("[###############...............] 5/10 "), "{line}");
        let none = Progress::new(0).line(&Tally::default());
        assert!(none.contains("0/0"), "{none}");
    }
}
