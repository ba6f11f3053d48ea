//! Time as an argument: the caller reads its clocks and passes both readings in with every call.

use core::ops::{Add, Sub};

/// A monotonic instant in nanoseconds since an origin chosen by the driver (never read in this crate).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

impl Mono {
    /// The instant `ms` milliseconds later, saturating at the end of time.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Mono(self.0.saturating_add(ms.saturating_mul(1_000_000)))
    }

    /// Whole milliseconds from `earlier` to `self`; 0 when `earlier` is later.
    #[must_use]
    pub const fn ms_since(self, earlier: Mono) -> u64 {
        self.0.saturating_sub(earlier.0) / 1_000_000
    }
}

impl Add<core::time::Duration> for Mono {
    type Output = Mono;
    fn add(self, rhs: core::time::Duration) -> Mono {
        Mono(self.0.saturating_add(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Mono {
    type Output = core::time::Duration;
    fn sub(self, rhs: Mono) -> core::time::Duration {
        core::time::Duration::from_nanos(self.0.saturating_sub(rhs.0))
    }
}

/// Both clock readings of one turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For deadlines and ages.
    pub mono: Mono,
    /// For everything that is stored or shown: milliseconds since the Unix epoch.
    pub wall_ms: i64,
}

/// The earlier of two optional deadlines.
#[must_use]
pub fn earliest(a: Option<Mono>, b: Option<Mono>) -> Option<Mono> {
    match (a, b) {
        (Some(x), Some(y)) => Some(x.min(y)),
        (x, y) => x.or(y),
    }
}
