//! The clocks of a running process.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use sansmq_core::time::{Mono, Now};

/// Reads the monotonic and the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        Clock { origin: Instant::now() }
    }
}

impl Clock {
    /// Both readings now.
    #[must_use]
    pub fn now(&self) -> Now {
        let mono = u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { mono: Mono(mono), wall_ms: i64::try_from(wall.as_millis()).unwrap_or(i64::MAX) }
    }
}
