//! The latest value of something, and who waits for it to change.

#![expect(clippy::disallowed_types, reason = "Send for openraft; one thread, never contended")]

use core::future::poll_fn;
use core::ops::Deref;
use core::task::{Poll, Waker};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use openraft_rt::watch::{RecvError, SendError};
use openraft_rt::{OptionalSend, OptionalSync, WatchReceiver, WatchSender};

use super::Shared;

#[derive(Default)]
struct Meta {
    version: u64,
    senders: usize,
    receivers: usize,
    next_key: u64,
    waiting: BTreeMap<u64, Waker>,
}

impl Meta {
    fn wake(&mut self) {
        for waker in core::mem::take(&mut self.waiting).into_values() {
            waker.wake();
        }
    }
}

struct Cell<T> {
    value: RwLock<T>,
    meta: Shared<Meta>,
}

impl<T> Cell<T> {
    fn read(&self) -> RwLockReadGuard<'_, T> {
        self.value.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.value.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        let mut meta = self.meta.lock();
        meta.version += 1;
        meta.wake();
    }
}

pub struct Watch;
pub struct Sender<T>(Arc<Cell<T>>);
pub struct Receiver<T> {
    cell: Arc<Cell<T>>,
    seen: u64,
    key: u64,
}
pub struct Borrowed<'a, T>(RwLockReadGuard<'a, T>);

impl<T> Deref for Borrowed<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl openraft_rt::Watch for Watch {
    type Sender<T: OptionalSend + OptionalSync> = Sender<T>;
    type Receiver<T: OptionalSend + OptionalSync> = Receiver<T>;
    type Ref<'a, T: OptionalSend + 'a> = Borrowed<'a, T>;

    fn channel<T: OptionalSend + OptionalSync>(value: T) -> (Sender<T>, Receiver<T>) {
        let meta = Shared::new(Meta { senders: 1, ..Meta::default() });
        let cell = Arc::new(Cell { value: RwLock::new(value), meta });
        (Sender(cell.clone()), Receiver::attach(cell, None))
    }
}

impl<T> Receiver<T> {
    fn attach(cell: Arc<Cell<T>>, seen: Option<u64>) -> Self {
        let (seen, key) = {
            let mut meta = cell.meta.lock();
            meta.receivers += 1;
            meta.next_key += 1;
            (seen.unwrap_or(meta.version), meta.next_key)
        };
        Receiver { cell, seen, key }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.meta.lock().senders += 1;
        Sender(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut meta = self.0.meta.lock();
        meta.senders -= 1;
        if meta.senders == 0 {
            meta.wake();
        }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self::attach(self.cell.clone(), Some(self.seen))
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut meta = self.cell.meta.lock();
        meta.receivers -= 1;
        meta.waiting.remove(&self.key);
    }
}

impl<T: OptionalSend + OptionalSync> WatchSender<Watch, T> for Sender<T> {
    fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.0.meta.lock().receivers == 0 {
            return Err(SendError(value));
        }
        *self.0.write() = value;
        self.0.changed();
        Ok(())
    }

    fn send_if_modified<F: FnOnce(&mut T) -> bool>(&self, modify: F) -> bool {
        let modified = modify(&mut self.0.write());
        if modified {
            self.0.changed();
        }
        modified
    }

    fn borrow_watched(&self) -> Borrowed<'_, T> {
        Borrowed(self.0.read())
    }

    fn subscribe(&self) -> Receiver<T> {
        Receiver::attach(self.0.clone(), None)
    }
}

impl<T: OptionalSend + OptionalSync> WatchReceiver<Watch, T> for Receiver<T> {
    async fn changed(&mut self) -> Result<(), RecvError> {
        poll_fn(|context| {
            let mut meta = self.cell.meta.lock();
            if meta.version != self.seen {
                self.seen = meta.version;
                return Poll::Ready(Ok(()));
            }
            if meta.senders == 0 {
                return Poll::Ready(Err(RecvError(())));
            }
            meta.waiting.insert(self.key, context.waker().clone());
            Poll::Pending
        })
        .await
    }

    fn borrow_watched(&self) -> Borrowed<'_, T> {
        Borrowed(self.cell.read())
    }

    fn borrow_and_update(&mut self) -> Borrowed<'_, T> {
        let value = self.cell.read();
        self.seen = self.cell.meta.lock().version;
        Borrowed(value)
    }
}
