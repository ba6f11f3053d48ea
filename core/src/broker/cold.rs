//! Requests whose answer is not in memory: they wait while a helper thread reads, and everybody else is served
//! meanwhile ([`crate::store::fetch`]).

use std::collections::BTreeMap;

use super::Broker;
use super::hold::HeldPull;
use super::pull::Attempt;
use crate::store::fetch::{FetchId, Lookup};
use crate::store::{Boundary, ReadStatus, Store};
use crate::time::Now;
use crate::wire::code::response;
use crate::wire::{ConnId, Ext, Reply, ReplyTo};

/// A pull asks this often at most: for its queue, for the log, and once more for what came in between. After
/// that it reads, wait or not; memory so short that pages leave at once must not keep a client waiting for ever.
pub(super) const PULL_ROUNDS: u32 = 3;
/// A search by time reads one record per step of its bisection.
const SEARCH_ROUNDS: u32 = 64;

/// A lookup with its own memory.
#[derive(Clone, Debug)]
pub(super) enum Search {
    Record { offset: i64 },
    Time { topic: String, queue_id: i32, timestamp_ms: i64, boundary: Boundary },
    Key { topic: String, key: String, max: u32, begin: i64, end: i64 },
}

impl Search {
    fn lookup(&self) -> Lookup<'_> {
        match self {
            Search::Record { offset } => Lookup::Record(u64::try_from(*offset).unwrap_or(u64::MAX)),
            Search::Time { topic, queue_id, timestamp_ms, boundary } => {
                Lookup::Time { topic, queue_id: *queue_id, timestamp_ms: *timestamp_ms, boundary: *boundary }
            }
            Search::Key { topic, key, max, begin, end } => {
                Lookup::Key { topic, key, max: *max, begin: *begin, end: *end }
            }
        }
    }
}

#[derive(Debug)]
enum Waiter {
    Pull(HeldPull),
    Search(ReplyTo, Search),
}

/// Requests that wait for a fetch.
#[derive(Debug, Default)]
pub(super) struct ColdReads {
    waiting: BTreeMap<FetchId, (u32, Waiter)>,
}

impl ColdReads {
    /// `rounds` have been waited for already.
    pub(super) fn park(&mut self, fetch: FetchId, rounds: u32, pull: HeldPull) {
        self.waiting.insert(fetch, (rounds, Waiter::Pull(pull)));
    }

    /// Forgets the requests of a connection that is gone; their fetches end unheard.
    pub(super) fn close(&mut self, conn: ConnId) {
        self.waiting.retain(|_, (_, waiter)| match waiter {
            Waiter::Pull(pull) => pull.peer.conn != conn,
            Waiter::Search(to, _) => to.conn != conn,
        });
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

impl<S: Store> Broker<S> {
    /// The answer to a lookup, or nothing when it has to wait for the disk.
    pub(super) fn search(&mut self, to: ReplyTo, search: Search) -> Option<Reply> {
        self.search_again(to, search, 0)
    }

    fn search_again(&mut self, to: ReplyTo, search: Search, rounds: u32) -> Option<Reply> {
        if rounds < SEARCH_ROUNDS
            && let Some(fetch) = self.store.prefetch(&search.lookup())
        {
            self.cold.waiting.insert(fetch, (rounds, Waiter::Search(to, search)));
            return None;
        }
        Some(self.found(&search))
    }

    /// Runs again what a finished job has made possible.
    pub(super) fn release_fetched(&mut self, now: Now) {
        while let Some((fetch, result)) = self.store.next_fetched() {
            let Some((rounds, waiter)) = self.cold.waiting.remove(&fetch) else {
                continue; // the client is gone
            };
            match (waiter, result) {
                (Waiter::Pull(pull), Ok(())) => self.pull_fetched(now, &pull, Attempt::Fetched(rounds + 1)),
                (Waiter::Search(to, search), Ok(())) => {
                    if let Some(reply) = self.search_again(to, search, rounds + 1) {
                        self.reply(to, reply);
                    }
                }
                (Waiter::Pull(HeldPull { to, .. }) | Waiter::Search(to, _), Err(why)) => {
                    let remark = format!("the messages cannot be read from the disk: {why}");
                    self.reply(to, Reply::error(response::SYSTEM_ERROR, remark));
                }
            }
        }
    }

    /// The broker stops: who waits is told to try again, somewhere else or later.
    pub(super) fn end_cold_reads(&mut self) {
        let visible_end = self.visible_end();
        for (_, waiter) in core::mem::take(&mut self.cold.waiting).into_values() {
            match waiter {
                Waiter::Pull(pull) => {
                    let header = pull.header();
                    let (topic, queue_id) = (header.topic.unwrap_or(""), header.queue_id.unwrap_or(0));
                    let bounds = self.store.queue_bounds(topic, queue_id, visible_end).unwrap_or_default();
                    let ext = Ext::with_capacity(4)
                        .with("suggestWhichBrokerId", 0_i64)
                        .with("nextBeginOffset", header.queue_offset.unwrap_or(0))
                        .with("minOffset", bounds.min)
                        .with("maxOffset", bounds.max);
                    let remark = ReadStatus::NoMatchedMessage.name();
                    let reply = Reply::error(response::PULL_RETRY_IMMEDIATELY, remark).with_ext(ext);
                    self.reply(pull.to, reply);
                }
                Waiter::Search(to, _) => {
                    self.reply(to, Reply::error(response::SYSTEM_ERROR, "the broker is shutting down"));
                }
            }
        }
    }
}
