//! The core's monotonic time, as openraft wants to see it.

use core::ops::{Add, AddAssign, Sub, SubAssign};
use core::time::Duration;

use crate::time::Mono;

/// A reading of [`Mono`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub Mono);

impl Add<Duration> for Moment {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Moment(self.0 + rhs)
    }
}

impl AddAssign<Duration> for Moment {
    fn add_assign(&mut self, rhs: Duration) {
        *self = *self + rhs;
    }
}

impl Sub<Duration> for Moment {
    type Output = Self;
    fn sub(self, rhs: Duration) -> Self {
        let ns = u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX);
        Moment(Mono(self.0.0.saturating_sub(ns)))
    }
}

impl SubAssign<Duration> for Moment {
    fn sub_assign(&mut self, rhs: Duration) {
        *self = *self - rhs;
    }
}

impl Sub for Moment {
    type Output = Duration;
    fn sub(self, rhs: Moment) -> Duration {
        self.0 - rhs.0
    }
}

impl openraft_rt::Instant for Moment {
    fn now() -> Self {
        Moment(super::executor::current().now())
    }
}
