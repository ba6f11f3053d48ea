//! Ticks at the node's deadline, also when it moves to an earlier time.

use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::Duration;

use async_std::future::timeout;
use sansmq_core::time::Mono;
use sansmq_host::Input;

use crate::server::Shared;

/// How long to sleep when the node waits for nothing.
const IDLE: Duration = Duration::from_secs(60);

/// What the sleeping task is armed with.
#[derive(Default)]
pub struct Alarm {
    armed: Option<Mono>,
    earlier: bool,
    waker: Option<Waker>,
}

impl Alarm {
    /// Wakes the task when its sleep is too long for this deadline.
    pub fn rearm(&mut self, deadline: Option<Mono>) {
        let Some(deadline) = deadline else {
            return;
        };
        if self.armed.is_none_or(|armed| deadline < armed) {
            self.armed = Some(deadline);
            self.earlier = true;
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
    }
}

/// Tells the node the time whenever it asked for it.
pub async fn run(shared: Shared) {
    loop {
        let sleep = shared.look(|world| {
            let deadline = world.node.deadline();
            world.alarm.armed = deadline;
            world.alarm.earlier = false;
            deadline.map_or(IDLE, |deadline| deadline - world.clock.now().mono)
        });
        let earlier = poll_fn(|cx| {
            shared.look(|world| {
                if world.alarm.earlier {
                    return Poll::Ready(());
                }
                world.alarm.waker = Some(cx.waker().clone());
                Poll::Pending
            })
        });
        if timeout(sleep, earlier).await.is_err() {
            shared.turn(|world| {
                if world.node.deadline().is_some_and(|deadline| deadline <= world.clock.now().mono) {
                    world.tell(Input::Tick);
                }
            });
        }
    }
}
