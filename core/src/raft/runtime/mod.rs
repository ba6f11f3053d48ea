//! openraft's runtime, driven by hand: tasks are polled until none can go on, time stands still in between.
//!
//! The executor never sleeps and reads no clock; its owner moves the time ([`Executor::advance`]) and asks when
//! the next timer is due. openraft's runtime trait has no `self`, so the executor that is being driven is
//! reachable through a thread-local, set only while it runs. Locks are there because openraft's futures have to
//! be `Send`; nothing ever waits for one.

mod adapter;
mod channel;
mod executor;
mod moment;
mod oneshot;
mod timer;
mod watch;

pub use adapter::HandRuntime;
pub use executor::Executor;
pub use moment::Moment;
pub use timer::within;

use std::sync::{MutexGuard, PoisonError};

/// A lock nobody contends for. A panic of a task ends the whole member, so poisoning tells nothing new.
#[derive(Default)]
#[expect(clippy::disallowed_types, reason = "Send for openraft; one thread, never contended")]
pub struct Shared<T>(std::sync::Mutex<T>);

impl<T> Shared<T> {
    #[expect(clippy::disallowed_types, reason = "Send for openraft; one thread, never contended")]
    pub const fn new(value: T) -> Self {
        Shared(std::sync::Mutex::new(value))
    }

    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
