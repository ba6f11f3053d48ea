//! Many histories, and their sum.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::coverage::Coverage;
use super::history::{Plan, Report, run_caught};

/// Many histories, added up.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub histories: u64,
    pub steps: u64,
    pub ms: u64,
    pub operations: u64,
    /// Operations of the history that has the fewest.
    pub fewest_operations: Option<u64>,
    pub acknowledged: u64,
    pub refused: u64,
    pub slowest_available_ms: u64,
    pub slowest_whole_ms: u64,
    pub coverage: Coverage,
    pub failed: Vec<Report>,
}

impl Tally {
    fn add(&mut self, report: Report) {
        self.histories += 1;
        self.steps += report.steps;
        self.ms += report.ms;
        self.operations += report.operations;
        let fewest = self.fewest_operations.unwrap_or(u64::MAX);
        self.fewest_operations = Some(fewest.min(report.operations));
        self.acknowledged += report.acknowledged;
        self.refused += report.refused;
        self.coverage.add(&report.coverage);
        self.slowest_available_ms = self.slowest_available_ms.max(report.available_ms);
        self.slowest_whole_ms = self.slowest_whole_ms.max(report.whole_ms);
        if !report.broken.is_empty() {
            self.failed.push(report);
        }
    }
}

/// Lives this many histories on so many threads, with seeds that count up; `told` hears of each.
#[must_use]
pub fn run_many(first: &Plan, histories: u64, threads: u64, told: &(impl Fn(&Tally) + Sync)) -> Tally {
    let (next, tally) = (AtomicU64::new(0), Mutex::new(Tally::default()));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= histories {
                        break;
                    }
                    let report = run_caught(&first.with_seed(first.seed.wrapping_add(number)));
                    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                    tally.add(report);
                    told(&tally);
                }
            });
        }
    });
    let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally.failed.sort_by_key(|report| report.seed);
    tally
}
