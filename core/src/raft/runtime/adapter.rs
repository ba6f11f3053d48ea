//! The executor as openraft's `AsyncRuntime`.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;

use futures_channel::oneshot;
use openraft_rt::{AsyncRuntime, OptionalSend};
use rand::rngs::SmallRng;

use super::executor::current;
use super::timer::{Elapsed, Sleep, Timeout};
use super::{Executor, Moment, Shared};
use crate::time::Mono;

/// The result of a spawned task.
pub struct Join<T>(Shared<oneshot::Receiver<T>>);

/// The task was dropped before it ended.
#[derive(Debug)]
pub struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the task was dropped")
    }
}

impl<T> Future for Join<T> {
    type Output = Result<T, Dropped>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut *self.0.lock()).poll(context).map_err(|_| Dropped)
    }
}

/// A lock between tasks that may be held across waits.
pub struct TaskMutex<T>(futures_util::lock::Mutex<T>);

impl<T: OptionalSend + 'static> openraft_rt::Mutex<T> for TaskMutex<T> {
    type Guard<'a> = futures_util::lock::MutexGuard<'a, T>;

    fn new(value: T) -> Self {
        TaskMutex(futures_util::lock::Mutex::new(value))
    }

    fn lock(&self) -> impl Future<Output = Self::Guard<'_>> + OptionalSend {
        self.0.lock()
    }
}

/// openraft's runtime. Its static functions act on the executor that is being driven; a value of it owns one,
/// which only `block_on` needs.
pub struct HandRuntime(Shared<Executor>);

impl fmt::Debug for HandRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandRuntime")
    }
}

impl AsyncRuntime for HandRuntime {
    type JoinError = Dropped;
    type JoinHandle<T: OptionalSend + 'static> = Join<T>;
    type Sleep = Sleep;
    type Instant = Moment;
    type TimeoutError = Elapsed;
    type Timeout<R, T: Future<Output = R> + OptionalSend> = Timeout<T>;
    type ThreadLocalRng = SmallRng;
    type Mpsc = super::channel::Mpsc;
    type Watch = super::watch::Watch;
    type Oneshot = super::oneshot::Oneshot;
    type Mutex<T: OptionalSend + 'static> = TaskMutex<T>;

    fn spawn<T>(future: T) -> Self::JoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        current().spawn(Box::pin(async move {
            // nobody may want to know
            let _ = sender.send(future.await);
        }));
        Join(Shared::new(receiver))
    }

    fn sleep(duration: Duration) -> Sleep {
        Sleep::lasting(duration)
    }

    fn sleep_until(deadline: Moment) -> Sleep {
        Sleep::until(deadline)
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(duration: Duration, future: F) -> Timeout<F> {
        Timeout::new(future, Self::sleep(duration))
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(deadline: Moment, future: F) -> Timeout<F> {
        Timeout::new(future, Self::sleep_until(deadline))
    }

    fn is_panic(_: &Dropped) -> bool {
        false
    }

    fn thread_rng() -> SmallRng {
        current().rng()
    }

    fn new(_threads: usize) -> Self {
        HandRuntime(Shared::new(Executor::new(0, Mono(0))))
    }

    /// Jumps from timer to timer until the future has a result.
    fn block_on<F, T>(&mut self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        let mut future = core::pin::pin!(future);
        let mut executor = self.0.lock();
        loop {
            {
                let _entered = executor.enter();
                // polled again after every step, so its own wakes tell nothing
                let mut context = Context::from_waker(core::task::Waker::noop());
                if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
                    return value;
                }
            }
            let ran = executor.run();
            assert_eq!(ran, Ok(()), "a task panicked");
            let _entered = executor.enter();
            let mut context = Context::from_waker(core::task::Waker::noop());
            if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
                return value;
            }
            if !executor.has_work() {
                let next = executor.deadline().expect("no task can go on and no timer is set");
                executor.advance(next);
            }
        }
    }

    /// What would block elsewhere only computes here: run at once, without a thread.
    fn spawn_blocking<F, T>(work: F) -> impl Future<Output = Result<T, io::Error>> + Send
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let value = work();
        async move { Ok(value) }
    }
}

#[cfg(test)]
mod tests {
    /// openraft's own conformance suite for runtimes, in virtual time.
    #[test]
    fn openraft_accepts_the_runtime() {
        openraft_rt::testing::Suite::<super::HandRuntime>::test_all();
    }
}
