//! A log-linear histogram: exact below 64, beyond that 32 steps per power of two (3 % of the value).

/// Steps per power of two.
const STEPS: usize = 32;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// Values below this have a bucket of their own.
const EXACT: u64 = 2 * STEPS as u64;
const BUCKETS: usize = (64 - STEP_BITS as usize) * STEPS + STEPS;

/// Counts of values, in any unit.
#[derive(Clone, Debug)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { buckets: vec![0; BUCKETS], count: 0, max: 0 }
    }
}

impl Histogram {
    pub fn record(&mut self, value: u64) {
        if let Some(bucket) = self.buckets.get_mut(index(value)) {
            *bucket += 1;
        }
        self.count += 1;
        self.max = self.max.max(value);
    }

    #[must_use]
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The value that a share of all values (0.5, 0.99) does not exceed; the upper end of its bucket.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    pub fn quantile(&self, share: f64) -> u64 {
        // Counts stay far below 2^53.
        let wanted = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return upper(index).min(self.max);
            }
        }
        self.max
    }
}

fn index(value: u64) -> usize {
    if value < EXACT {
        return usize::try_from(value).unwrap_or(0);
    }
    let exponent = 63 - value.leading_zeros();
    let step = usize::try_from(value >> (exponent - STEP_BITS)).unwrap_or(0) - STEPS;
    (exponent - STEP_BITS) as usize * STEPS + STEPS + step
}

fn upper(index: usize) -> u64 {
    if index < 2 * STEPS {
        return index as u64;
    }
    let exponent = index / STEPS - 1;
    let step = (index % STEPS + STEPS) as u64;
    ((step + 1) << exponent).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_their_values() {
        for value in (0..100_000).chain([1 << 40, u64::MAX / 2, u64::MAX]) {
            let at = index(value);
            assert!(at < BUCKETS && upper(at) >= value, "{value}");
            assert!(at == 0 || upper(at - 1) < value, "{value}");
        }
    }

    #[test]
    fn quantiles() {
        let mut all = Histogram::default();
        assert_eq!(all.quantile(0.5), 0);
        for value in 1..=1000 {
            all.record(value);
        }
        let near = |share: f64, value: u64| all.quantile(share).abs_diff(value) * 30 <= value;
        assert!(near(0.5, 500) && near(0.99, 990) && near(0.999, 999));
        assert_eq!((all.quantile(1.0), all.max()), (1000, 1000));
    }
}
