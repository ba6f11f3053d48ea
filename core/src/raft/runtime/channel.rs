//! Bounded queues between tasks. Wakes come in the order of the waits.

use core::future::{Future, poll_fn};
use core::task::{Poll, Waker};
use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use openraft_rt::mpsc::{SendError, TryRecvError};
use openraft_rt::{MpscReceiver, MpscSender, MpscWeakSender, OptionalSend};

use super::Shared;

struct Queue<T> {
    items: VecDeque<T>,
    capacity: usize,
    senders: usize,
    receiving: bool,
    receiver: Option<Waker>,
    waiting: VecDeque<Waker>,
}

impl<T> Queue<T> {
    fn wake_receiver(&mut self) {
        if let Some(waker) = self.receiver.take() {
            waker.wake();
        }
    }

    fn wake_senders(&mut self) {
        for waker in self.waiting.drain(..) {
            waker.wake();
        }
    }
}

pub struct Mpsc;
pub struct Sender<T>(Arc<Shared<Queue<T>>>);
pub struct WeakSender<T>(Weak<Shared<Queue<T>>>);
pub struct Receiver<T>(Arc<Shared<Queue<T>>>);

impl openraft_rt::Mpsc for Mpsc {
    type Sender<T: OptionalSend> = Sender<T>;
    type Receiver<T: OptionalSend> = Receiver<T>;
    type WeakSender<T: OptionalSend> = WeakSender<T>;

    fn channel<T: OptionalSend>(capacity: usize) -> (Sender<T>, Receiver<T>) {
        let queue = Arc::new(Shared::new(Queue {
            items: VecDeque::new(),
            capacity: capacity.max(1),
            senders: 1,
            receiving: true,
            receiver: None,
            waiting: VecDeque::new(),
        }));
        (Sender(queue.clone()), Receiver(queue))
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.lock().senders += 1;
        Sender(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.senders -= 1;
        if queue.senders == 0 {
            queue.wake_receiver();
        }
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        WeakSender(self.0.clone())
    }
}

impl<T: OptionalSend> MpscSender<Mpsc, T> for Sender<T> {
    fn send(&self, message: T) -> impl Future<Output = Result<(), SendError<T>>> + OptionalSend {
        let queue = self.0.clone();
        let mut message = Some(message);
        poll_fn(move |context| {
            let mut queue = queue.lock();
            // taken once: the future is not polled again after it was ready
            let Some(item) = message.take() else {
                return Poll::Pending;
            };
            if !queue.receiving {
                return Poll::Ready(Err(SendError(item)));
            }
            if queue.items.len() < queue.capacity {
                queue.items.push_back(item);
                queue.wake_receiver();
                return Poll::Ready(Ok(()));
            }
            message = Some(item);
            queue.waiting.push_back(context.waker().clone());
            Poll::Pending
        })
    }

    fn downgrade(&self) -> WeakSender<T> {
        WeakSender(Arc::downgrade(&self.0))
    }
}

impl<T: OptionalSend> MpscWeakSender<Mpsc, T> for WeakSender<T> {
    fn upgrade(&self) -> Option<Sender<T>> {
        let queue = self.0.upgrade()?;
        {
            let mut inner = queue.lock();
            if inner.senders == 0 || !inner.receiving {
                return None;
            }
            inner.senders += 1;
        }
        Some(Sender(queue))
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let items = {
            let mut queue = self.0.lock();
            queue.receiving = false;
            queue.wake_senders();
            core::mem::take(&mut queue.items)
        };
        // outside of the lock: what is dropped may hold a sender of this very queue
        drop(items);
    }
}

impl<T: OptionalSend> MpscReceiver<T> for Receiver<T> {
    fn recv(&mut self) -> impl Future<Output = Option<T>> + OptionalSend {
        let queue = self.0.clone();
        poll_fn(move |context| {
            let mut queue = queue.lock();
            if let Some(item) = queue.items.pop_front() {
                queue.wake_senders();
                return Poll::Ready(Some(item));
            }
            if queue.senders == 0 {
                return Poll::Ready(None);
            }
            queue.receiver = Some(context.waker().clone());
            Poll::Pending
        })
    }

    fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let mut queue = self.0.lock();
        if let Some(item) = queue.items.pop_front() {
            queue.wake_senders();
            return Ok(item);
        }
        Err(if queue.senders == 0 { TryRecvError::Disconnected } else { TryRecvError::Empty })
    }
}
