//! Sleeping until a moment, and giving up on a future at one.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::Arc;

use super::Moment;
use super::executor::{World, current};

/// Ready from a moment on.
pub struct Sleep {
    world: Arc<World>,
    until: Moment,
    key: Option<u64>,
}

impl Sleep {
    pub fn until(until: Moment) -> Self {
        Sleep { world: current(), until, key: None }
    }

    pub fn lasting(duration: Duration) -> Self {
        let world = current();
        let until = Moment(world.now()) + duration;
        Sleep { world, until, key: None }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.world.now() >= self.until.0 {
            return Poll::Ready(());
        }
        let key = self.world.set_timer(self.until.0, self.key, context.waker().clone());
        self.key = Some(key);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.world.clear_timer(self.until.0, key);
        }
    }
}

/// The moment came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time is up")
    }
}

/// A future with a deadline.
pub struct Timeout<F> {
    future: Pin<Box<F>>,
    sleep: Sleep,
}

impl<F> Timeout<F> {
    pub fn new(future: F, sleep: Sleep) -> Self {
        Timeout { future: Box::pin(future), sleep }
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(value) = self.future.as_mut().poll(context) {
            return Poll::Ready(Ok(value));
        }
        Pin::new(&mut self.sleep).poll(context).map(|()| Err(Elapsed))
    }
}

/// Waits for a future no longer than this.
pub fn within<F: Future>(duration: Duration, future: F) -> Timeout<F> {
    Timeout::new(future, Sleep::lasting(duration))
}
