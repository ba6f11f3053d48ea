//! Events per second as the reference shows them (`PerfCounter`): the rate of the last full span of ten
//! seconds, shown until nothing has happened for a while.

use crate::time::Mono;

const SPAN_MS: u64 = 10_000;
/// A rate is shown this long after its span.
const SHOWN_MS: u64 = SPAN_MS + 3_000;
/// Without events for this long the next one begins anew.
const FORGOTTEN_MS: u64 = SPAN_MS * 2 + 1_000;
const EVENTS_MAX: u32 = 1_000_000;

#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    began: Mono,
    events: u32,
    last: f32,
}

impl Rate {
    pub fn new(now: Mono) -> Self {
        Rate { began: now, events: 0, last: 0.0 }
    }

    pub fn count(&mut self, now: Mono) {
        let elapsed = now.ms_since(self.began);
        if elapsed > FORGOTTEN_MS {
            *self = Rate::new(now);
        }
        self.events += 1;
        let elapsed = now.ms_since(self.began);
        if elapsed >= SPAN_MS || self.events >= EVENTS_MAX {
            #[allow(clippy::cast_precision_loss)] // a rate is for people
            let rate = (self.events as f32 + 0.1) * 1_000.0 / elapsed.max(1) as f32;
            *self = Rate { began: now, events: 0, last: rate };
        }
    }

    pub fn per_second(&self, now: Mono) -> f32 {
        if now.ms_since(self.began) <= SHOWN_MS { self.last } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_of_the_last_span_is_shown_for_a_while() {
        let at = |ms: u64| Mono(0).plus_ms(ms);
        let mut rate = Rate::new(at(0));
        for n in 1..=100 {
            rate.count(at(n * 100 - 1));
        }
        assert!(rate.per_second(at(9_999)).abs() < f32::EPSILON);
        rate.count(at(10_000));
        assert!((rate.per_second(at(10_000)) - 10.11).abs() < 0.001);
        assert!(rate.per_second(at(23_000)) > 10.0);
        assert!(rate.per_second(at(23_001)).abs() < f32::EPSILON);
        // after a long pause the pause is no part of the span
        rate.count(at(60_000));
        rate.count(at(70_000));
        assert!((rate.per_second(at(70_000)) - 0.21).abs() < 0.001);
    }
}
