//! Tasks, timers and the time they see.

use core::cell::RefCell;
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::Wake;

use openraft_rt::BoxFuture;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::Shared;
use crate::time::Mono;

type Task = BoxFuture<'static, ()>;

/// What tasks can reach of their executor.
pub(super) struct World {
    inner: Shared<Inner>,
    ready: Arc<Ready>,
}

type Ready = Shared<VecDeque<usize>>;

struct Inner {
    now: Mono,
    timers: BTreeMap<(Mono, u64), Waker>,
    next_timer: u64,
    spawned: Vec<Task>,
    rng: SmallRng,
}

impl World {
    pub fn now(&self) -> Mono {
        self.inner.lock().now
    }

    pub fn spawn(&self, task: Task) {
        self.inner.lock().spawned.push(task);
    }

    /// A generator of its own for whoever asks, from the member's seed.
    pub fn rng(&self) -> SmallRng {
        let seed: u64 = self.inner.lock().rng.random();
        SmallRng::seed_from_u64(seed)
    }

    /// Sets or renews a timer; `key` is what the first call returned.
    pub fn set_timer(&self, at: Mono, key: Option<u64>, waker: Waker) -> u64 {
        let mut inner = self.inner.lock();
        let key = key.unwrap_or_else(|| {
            inner.next_timer += 1;
            inner.next_timer
        });
        inner.timers.insert((at, key), waker);
        key
    }

    pub fn clear_timer(&self, at: Mono, key: u64) {
        let waker = self.inner.lock().timers.remove(&(at, key));
        drop(waker);
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<World>>> = const { RefCell::new(None) };
}

/// The executor that is being driven.
///
/// # Panics
/// Outside of one: a mistake in this module, since every task runs inside.
pub(super) fn current() -> Arc<World> {
    CURRENT.with(|current| current.borrow().clone()).expect("raft tasks run inside their executor")
}

/// Makes an executor the current one until it is dropped.
pub struct Entered(Option<Arc<World>>);

impl Drop for Entered {
    fn drop(&mut self) {
        let previous = self.0.take();
        CURRENT.with(|current| *current.borrow_mut() = previous);
    }
}

struct TaskWaker {
    id: usize,
    queued: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.ready.lock().push_back(self.id);
        }
    }
}

/// A task panicked: nothing can be said about its executor's state any more.
#[derive(Debug, PartialEq, Eq)]
pub struct TaskPanicked;

/// One executor per member; dropping it ends all its tasks.
pub struct Executor {
    world: Arc<World>,
    tasks: Vec<Option<(Task, Arc<TaskWaker>)>>,
    free: Vec<usize>,
}

impl Executor {
    pub fn new(seed: u64, now: Mono) -> Self {
        let inner = Inner {
            now,
            timers: BTreeMap::new(),
            next_timer: 0,
            spawned: Vec::new(),
            rng: SmallRng::seed_from_u64(seed),
        };
        let world = World { inner: Shared::new(inner), ready: Arc::default() };
        Executor { world: Arc::new(world), tasks: Vec::new(), free: Vec::new() }
    }

    /// For completions that wake tasks or spawn new ones from outside of a task.
    pub fn enter(&self) -> Entered {
        Entered(CURRENT.with(|current| current.borrow_mut().replace(self.world.clone())))
    }

    pub fn spawn(&self, task: Task) {
        self.world.spawn(task);
    }

    /// Moves the time, never backwards, and wakes what is due in the order of deadlines.
    pub fn advance(&self, now: Mono) {
        loop {
            let due = {
                let mut inner = self.world.inner.lock();
                inner.now = inner.now.max(now);
                let now = inner.now;
                inner.timers.first_entry().filter(|entry| entry.key().0 <= now).map(|entry| entry.remove())
            };
            match due {
                Some(waker) => waker.wake(),
                None => return,
            }
        }
    }

    /// When the next timer is due.
    pub fn deadline(&self) -> Option<Mono> {
        self.world.inner.lock().timers.first_key_value().map(|(key, _)| key.0)
    }

    /// Polls tasks until none can go on at this instant.
    pub fn run(&mut self) -> Result<(), TaskPanicked> {
        let _entered = self.enter();
        loop {
            self.adopt();
            let Some(id) = self.world.ready.lock().pop_front() else {
                return Ok(());
            };
            // a late wake of a task that has ended, or of the one that has its place now: harmless
            let Some((mut task, waker)) = self.tasks.get_mut(id).and_then(Option::take) else {
                continue;
            };
            waker.queued.store(false, Ordering::Relaxed);
            let as_waker = Waker::from(waker.clone());
            let mut context = Context::from_waker(&as_waker);
            let polled = std::panic::catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(&mut context)));
            match polled.map_err(|_| TaskPanicked)? {
                Poll::Ready(()) => {
                    drop(task);
                    self.free.push(id);
                }
                Poll::Pending => self.tasks[id] = Some((task, waker)),
            }
        }
    }

    fn adopt(&mut self) {
        let spawned = core::mem::take(&mut self.world.inner.lock().spawned);
        for task in spawned {
            let id = self.free.pop().unwrap_or_else(|| {
                self.tasks.push(None);
                self.tasks.len() - 1
            });
            let ready = self.world.ready.clone();
            let waker = Arc::new(TaskWaker { id, queued: AtomicBool::new(true), ready });
            self.tasks[id] = Some((task, waker));
            self.world.ready.lock().push_back(id);
        }
    }

    /// Whether a task can go on without the time moving.
    pub fn has_work(&self) -> bool {
        !self.world.ready.lock().is_empty() || !self.world.inner.lock().spawned.is_empty()
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        // destructors of tasks may wake and spawn others
        let _entered = self.enter();
        self.tasks.clear();
        let spawned = core::mem::take(&mut self.world.inner.lock().spawned);
        drop(spawned);
        let timers = core::mem::take(&mut self.world.inner.lock().timers);
        drop(timers);
    }
}
