//! Replies that wait: for the log to be durable up to an offset and on enough replicas, or for a file to be
//! written.

use std::collections::{HashMap, VecDeque};

use super::metadata::StoredRecord;
use super::replicas::Acks as Terms;
use super::{Broker, duty};
use crate::planted;
use crate::store::Store;
use crate::time::{Mono, Now, earliest};
use crate::wire::{Reply, ReplyTo, code::response};

/// Which replicas must have a message before it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acks {
    /// So many, this broker included.
    Count(usize),
    /// Every member of the in-sync set.
    All,
}

/// No replica is waited for at present.
const FOREVER: Mono = Mono(u64::MAX);

/// What a message waits for; times are when waiting ends.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wants {
    pub durable: Option<Mono>,
    pub acks: Option<(Acks, Mono)>,
}

impl Wants {
    pub fn nothing(&self) -> bool {
        self.durable.is_none() && self.acks.is_none()
    }
}

#[derive(Debug)]
struct Stored {
    end: u64,
    wants: Wants,
    to: ReplyTo,
    reply: Reply,
}

#[derive(Debug)]
struct Saved {
    to: ReplyTo,
    reply: Reply,
    record: StoredRecord,
}

/// What is released when.
#[derive(Debug, Default)]
pub(super) struct WaitingReplies {
    /// Ascending by `end`, because appends are.
    stored: VecDeque<Stored>,
    saved: HashMap<u64, Vec<Saved>>,
}

impl WaitingReplies {
    pub fn deadline(&self) -> Option<Mono> {
        self.stored.iter().next().and_then(|entry| {
            let acks = entry.wants.acks.map(|(_, deadline)| deadline);
            earliest(entry.wants.durable, acks)
        })
    }

    pub fn has_stored(&self) -> bool {
        !self.stored.is_empty()
    }

    pub fn until_stored(&mut self, end: u64, wants: Wants, to: ReplyTo, reply: Reply) {
        self.stored.push_back(Stored { end, wants, to, reply });
    }

    pub fn until_saved(&mut self, save: u64, to: ReplyTo, reply: Reply) {
        self.until_saved_with(save, to, reply, None);
    }

    /// The same for the answer to a send that changed a table; what its record needs comes behind that.
    pub fn until_saved_with(&mut self, save: u64, to: ReplyTo, reply: Reply, record: StoredRecord) {
        self.saved.entry(save).or_default().push(Saved { to, reply, record });
    }
}

impl<S: Store> Broker<S> {
    /// Answers everyone who waits for this broker to keep a promise it can no longer keep.
    pub(super) fn refuse_waiting(&mut self) {
        for Stored { to, .. } in core::mem::take(&mut self.waiting.stored) {
            self.reply(to, duty::not_acknowledged());
        }
    }

    /// Lets go of replies whose records are as safe as they have to be, and shows them to waiting consumers.
    pub(super) fn release_durable(&mut self, now: Now) {
        self.release_stored(now);
        let durable = self.store.log_bounds().durable;
        self.release_held_saves(now);
        if durable > self.seen_durable {
            self.seen_durable = durable;
            if self.shows_late() {
                self.confirm_and_propose(now);
                self.more_is_visible(now);
            }
        }
    }

    /// The first of those that wait decides: appends are in order.
    pub(super) fn release_stored(&mut self, now: Now) {
        if self.waiting.stored.is_empty() {
            return;
        }
        let terms = self.ack_terms(now);
        if terms == Terms::Refused {
            return self.refuse_waiting();
        }
        let by = now.mono.plus_ms(u64::try_from(self.settings.store.slave_timeout).unwrap_or(3_000));
        let durable = self.store.log_bounds().durable;
        let broken = !self.store.is_writable();
        while let Some(Stored { end, wants, .. }) = self.waiting.stored.front() {
            let kept = wants.durable.is_none() || *end <= durable;
            // Without a lease all must have what is acknowledged, whatever was wanted when it was stored.
            let held = planted::is("early-ack")
                || wants.acks.is_none_or(|(acks, _)| self.has_acks(acks, *end))
                    && (terms == Terms::Configured || self.has_acks(Acks::All, *end));
            // a failed flush: the record may or may not be there after a restart
            let lost = !kept && broken;
            let ready = kept && held;
            if !(ready || lost) {
                if let Some(front) = self.waiting.stored.front_mut() {
                    // What is durable stays so. Enough replicas having it is no reason to wait for them no longer:
                    // while the master's own disk is slow another may join the set, one that does not have it.
                    front.wants.durable = front.wants.durable.filter(|_| !kept);
                    let until = front.wants.acks.map_or(by, |(_, until)| until);
                    let wanted = match terms {
                        Terms::Configured => front.wants.acks.map(|(acks, _)| acks),
                        _ => Some(Acks::All),
                    };
                    let until = match (held, until) {
                        (true, _) => FOREVER,
                        (false, FOREVER) => by,
                        (false, until) => until,
                    };
                    front.wants.acks = wanted.map(|acks| (acks, until));
                }
                break;
            }
            if let Some(Stored { to, mut reply, .. }) = self.waiting.stored.pop_front() {
                if lost {
                    reply.code = response::FLUSH_DISK_TIMEOUT;
                }
                self.reply(to, reply);
            }
        }
    }

    fn has_acks(&self, acks: Acks, end: u64) -> bool {
        match acks {
            Acks::Count(wanted) => self.holders(end) >= wanted,
            Acks::All => self.all_hold(end),
        }
    }

    /// Answers FLUSH_DISK_TIMEOUT where the disk took longer than `syncFlushTimeout`, FLUSH_SLAVE_TIMEOUT where
    /// replicas took longer than `slaveTimeout`. The messages are stored all the same.
    pub(super) fn expire_durable(&mut self, now: Now) {
        self.release_stored(now);
        while let Some(Stored { wants, .. }) = self.waiting.stored.front() {
            let replicas = wants.acks.is_some_and(|(_, by)| by <= now.mono);
            if !replicas && wants.durable.is_none_or(|by| by > now.mono) {
                break;
            }
            if let Some(Stored { to, mut reply, .. }) = self.waiting.stored.pop_front() {
                reply.code =
                    if replicas { response::FLUSH_SLAVE_TIMEOUT } else { response::FLUSH_DISK_TIMEOUT };
                self.reply(to, reply);
            }
            self.release_stored(now);
        }
    }

    pub(super) fn release_saved(&mut self, now: Now, save: u64, result: &Result<(), String>) {
        for Saved { to, reply, record } in self.waiting.saved.remove(&save).unwrap_or_default() {
            match result {
                Ok(()) => self.answer_changed(now, to, reply, record),
                Err(why) => {
                    let remark = format!("the change could not be stored: {why}");
                    self.reply(to, Reply::error(response::SYSTEM_ERROR, remark));
                }
            }
        }
    }
}
