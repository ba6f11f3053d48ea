//! Replies that wait for the disk: for the log to be durable up to an offset, or for a file to be written.

use std::collections::{HashMap, VecDeque};

use super::Broker;
use crate::store::Store;
use crate::time::{Mono, Now};
use crate::wire::{Reply, ReplyTo, code::response};

#[derive(Debug)]
struct Durable {
    end: u64,
    deadline: Mono,
    to: ReplyTo,
    reply: Reply,
}

/// What is released when.
#[derive(Debug, Default)]
pub(super) struct WaitingReplies {
    /// Ascending by `end`, because appends are.
    durable: VecDeque<Durable>,
    saved: HashMap<u64, Vec<(ReplyTo, Reply)>>,
}

impl WaitingReplies {
    pub fn deadline(&self) -> Option<Mono> {
        self.durable.front().map(|entry| entry.deadline)
    }

    pub fn until_durable(&mut self, end: u64, deadline: Mono, to: ReplyTo, reply: Reply) {
        self.durable.push_back(Durable { end, deadline, to, reply });
    }

    pub fn until_saved(&mut self, save: u64, to: ReplyTo, reply: Reply) {
        self.saved.entry(save).or_default().push((to, reply));
    }
}

impl<S: Store> Broker<S> {
    /// Lets go of replies whose records are durable now, and shows those records to waiting consumers.
    pub(super) fn release_durable(&mut self, now: Now) {
        let durable = self.store.log_bounds().durable;
        let broken = !self.store.is_writable();
        while let Some(front) = self.waiting.durable.front() {
            if front.end > durable && !broken {
                break;
            }
            if let Some(Durable { end, to, mut reply, .. }) = self.waiting.durable.pop_front() {
                if end > durable {
                    // The flush failed: the record may or may not be there after a restart.
                    reply.code = response::FLUSH_DISK_TIMEOUT;
                }
                self.reply(to, reply);
            }
        }
        if durable > self.seen_durable {
            self.seen_durable = durable;
            if self.settings.sync_flush {
                self.wake_all_due(now);
                self.timers.arrived();
            }
        }
    }

    /// Answers FLUSH_DISK_TIMEOUT where the disk took longer than `syncFlushTimeout`.
    pub(super) fn expire_durable(&mut self, now: Now) {
        while self.waiting.durable.front().is_some_and(|front| front.deadline <= now.mono) {
            if let Some(Durable { to, mut reply, .. }) = self.waiting.durable.pop_front() {
                reply.code = response::FLUSH_DISK_TIMEOUT;
                self.reply(to, reply);
            }
        }
    }

    pub(super) fn release_saved(&mut self, save: u64, result: &Result<(), String>) {
        for (to, reply) in self.waiting.saved.remove(&save).unwrap_or_default() {
            let reply = match result {
                Ok(()) => reply,
                Err(why) => {
                    Reply::error(response::SYSTEM_ERROR, format!("the change could not be stored: {why}"))
                }
            };
            self.reply(to, reply);
        }
    }
}
