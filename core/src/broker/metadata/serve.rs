//! The master's side: who has which state, and replies that wait for that.
//!
//! Every change of a table has a number. Tables that operators change are told at once. Progress (consumer and
//! delay offsets, the timer) is told only when every member of the SyncStateSet has all that was in the log
//! when the progress was looked at: otherwise a new master could believe that a message it never got was
//! delivered.

use std::collections::BTreeMap;

use super::bundle::{Bundle, fields};
use crate::broker::persist::File;
use crate::broker::replicas::{Acks, Replicas};
use crate::broker::{Broker, duty};
use crate::json::{self, Style};
use crate::store::Store;
use crate::time::{Mono, Now, earliest};
use crate::wire::code::response;
use crate::wire::{Ext, Frame, Reply, ReplyTo};

/// A slave that has everything is answered after this long all the same, so that both know of each other.
const HOLD_MS: u64 = 1_000;
/// Progress is looked at no more often than this; less often with large tables, which cost time to copy.
const PROGRESS_MS: u64 = 500;
const ENTRIES_PER_MS: usize = 100;
/// How long a change waits for the slaves.
const WAIT_MS: u64 = 3_000;

/// A record that is acknowledged once the rest is done: its end, and whether its flush is waited for.
pub(in crate::broker) type StoredRecord = Option<(u64, bool)>;

#[derive(Debug)]
struct Held {
    to: ReplyTo,
    since: u64,
    until: Mono,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    until: Mono,
    to: ReplyTo,
    reply: Reply,
    record: StoredRecord,
}

/// What the master knows of its slaves' tables.
#[derive(Debug, Default)]
pub(in crate::broker) struct Served {
    held: Vec<Held>,
    /// Id of a slave -> number of the last change it has on disk, in this mastership.
    have: BTreeMap<i64, u64>,
    waiting: Vec<Waiting>,
    /// Progress as it may be told, and the number it was given.
    shared: Bundle,
    shared_number: u64,
    /// Progress that waits for the slaves to have the log up to here.
    pending: Option<(u64, Bundle)>,
    progress_due: Mono,
    /// What the offsets were like when last looked at.
    seen: (u64, u64),
    /// Number of the last change told.
    last: u64,
}

impl Served {
    /// A new mastership: whoever asked another master, or this one before, begins anew.
    pub fn restart(&mut self) {
        *self = Served { last: self.last, ..Served::default() };
    }

    /// Whether this is one of our slaves, and it does not have the change with this number on its disk.
    pub fn lacks(&self, id: i64, number: u64) -> bool {
        self.have.get(&id).is_some_and(|have| *have < number) && !crate::planted::is("topic-alone")
    }

    pub fn deadline(&self) -> Option<Mono> {
        let held = self.held.iter().map(|held| held.until).min();
        let waiting = self.waiting.iter().map(|waiting| waiting.until).min();
        // Progress that waits for the slaves' logs is looked at whenever those grow.
        let progress = (!self.have.is_empty() && self.pending.is_none()).then_some(self.progress_due);
        earliest(earliest(held, waiting), progress)
    }
}

fn number(frame: &Frame<'_>, key: &str) -> Option<i64> {
    frame.ext_iter().find(|(name, _)| *name == key).and_then(|(_, text)| text.parse().ok())
}

impl<S: Store> Broker<S> {
    /// [`super::SYNC_METADATA`]: `brokerId`, `epoch`, and `since` with `boot`, the change up to which the slave
    /// has everything on its disk and the mastership that counted it.
    pub(in crate::broker) fn sync_metadata(&mut self, now: Now, to: ReplyTo, frame: &Frame<'_>) {
        let epoch = self.role_epoch();
        let (id, given) = (number(frame, "brokerId"), number(frame, "epoch"));
        let (Some(id), true, Some(epoch)) = (id, self.is_master(), epoch) else {
            return self.reply(to, Reply::error(response::SYSTEM_ERROR, "this broker is no master"));
        };
        if given != Some(epoch) {
            let remark = format!("this broker is master of epoch {epoch}, not of the one asked for");
            return self.reply(to, Reply::error(response::SYSTEM_ERROR, remark));
        }
        let known = number(frame, "boot") == Some(self.started.wall_ms);
        let since = number(frame, "since").filter(|_| known).and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        // What a slave says it has counts only if this master counted it.
        self.served.have.insert(id, since);
        // It may have waited for this to come into the set.
        self.confirm_and_propose(now);
        self.served.held.retain(|held| held.to.conn != to.conn);
        self.served.held.push(Held { to, since, until: now.mono.plus_ms(HOLD_MS) });
        self.serve_slaves(now);
    }

    fn role_epoch(&self) -> Option<i64> {
        self.replicas().and_then(Replicas::role).map(|role| role.epoch.into())
    }

    /// Tells slaves what is new to them, and lets go of replies they were waited for.
    pub(in crate::broker) fn serve_slaves(&mut self, now: Now) {
        if !self.served.have.is_empty() {
            self.look_at_progress(now);
            let newest = self.persist.number().max(self.served.shared_number);
            for held in core::mem::take(&mut self.served.held) {
                if newest > held.since || held.until <= now.mono {
                    let reply = self.news_since(held.since, newest);
                    self.reply(held.to, reply);
                } else {
                    self.served.held.push(held);
                }
            }
        }
        self.release_replicated(now);
    }

    fn news_since(&mut self, since: u64, newest: u64) -> Reply {
        let mut news = Bundle::default();
        if self.persist.changed(File::Topics) > since {
            news.topics = Some(self.topics.to_file());
        }
        if self.persist.changed(File::Groups) > since {
            news.groups = Some(self.groups.table().clone());
        }
        if self.persist.changed(File::RequestModes) > since {
            news.request_modes = Some(self.assignment.table().clone());
        }
        if self.served.shared_number > since {
            let shared = self.served.shared.clone();
            news = Bundle {
                topics: news.topics,
                groups: news.groups,
                request_modes: news.request_modes,
                ..shared
            };
        }
        let count = i64::try_from(newest).unwrap_or(i64::MAX);
        let ext = Ext::new().with("boot", self.started.wall_ms).with("since", count);
        Reply::success().with_ext(ext).with_body(json::to_vec(&news, Style::Fastjson))
    }

    /// Takes stock of progress, and shares what was taken when the log it speaks of is everywhere.
    fn look_at_progress(&mut self, now: Now) {
        let log_end = self.store.log_bounds().max;
        if self.served.pending.is_none() && self.served.progress_due <= now.mono {
            let seen = (self.offsets.changes(), self.schedule.changes());
            let point = fields(self.timers.checkpoint());
            if seen != self.served.seen || self.served.shared.timer_checkpoint.as_ref() != Some(&point) {
                self.served.seen = seen;
                let offsets = self.offsets.snapshot();
                let entries = offsets.offsets.values().map(BTreeMap::len).sum::<usize>();
                let wait = PROGRESS_MS.max((entries / ENTRIES_PER_MS) as u64);
                self.served.progress_due = now.mono.plus_ms(wait);
                let bundle = Bundle {
                    offsets: Some(offsets),
                    delay_offsets: Some(self.schedule.snapshot().clone()),
                    timer_metrics: Some(self.timers.metrics_table().clone()),
                    timer_checkpoint: Some(point),
                    ..Bundle::default()
                };
                self.served.pending = Some((log_end, bundle));
            } else {
                self.served.progress_due = now.mono.plus_ms(PROGRESS_MS);
            }
        }
        let confirm = self.replication_progress().confirm;
        if let Some((_, bundle)) = self.served.pending.take_if(|(end, _)| *end <= confirm) {
            self.served.shared = bundle;
            self.served.shared_number = self.persist.count();
        }
    }

    /// Our slaves in the SyncStateSet that do not have the change with this number; those that may be about to join it
    /// are in it.
    pub(in crate::broker) fn lacking(&self, number: u64) -> Vec<i64> {
        let Some(replicas) = self.replicas() else { return Vec::new() };
        let mut set = replicas.effective_set();
        set.extend(self.proposed_members());
        set.into_iter().filter(|id| self.served.lacks(*id, number)).collect()
    }

    /// Sends a reply to a change that is on this broker's disk, when our slaves have it too.
    pub(in crate::broker) fn answer_changed(
        &mut self,
        now: Now,
        to: ReplyTo,
        reply: Reply,
        record: StoredRecord,
    ) {
        let number = self.persist.number();
        if self.lacking(number).is_empty() {
            return self.answer_replicated(now, to, reply, record);
        }
        let until = now.mono.plus_ms(WAIT_MS);
        self.served.waiting.push(Waiting { number, until, to, reply, record });
    }

    fn answer_replicated(&mut self, now: Now, to: ReplyTo, reply: Reply, record: StoredRecord) {
        match record {
            _ if self.ack_terms(now) == Acks::Refused => self.reply(to, duty::not_acknowledged()),
            Some((end, wait)) => self.answer_record(now, to, reply, end, wait),
            None => self.reply(to, reply),
        }
    }

    fn release_replicated(&mut self, now: Now) {
        for waiting in core::mem::take(&mut self.served.waiting) {
            let lacking = self.lacking(waiting.number);
            let Waiting { number, until, to, mut reply, record } = waiting;
            if lacking.is_empty() || self.ack_terms(now) == Acks::Refused {
                self.answer_replicated(now, to, reply, record);
            } else if until > now.mono {
                self.served.waiting.push(Waiting { number, until, to, reply, record });
            } else if record.is_some() {
                reply.code = response::FLUSH_SLAVE_TIMEOUT;
                self.reply(to, reply);
            } else {
                let remark = format!(
                    "the change is stored on this broker, but of the replicas in sync {lacking:?} did not \
                     confirm it within {WAIT_MS} ms: repeat it, a failover now could lose it"
                );
                self.reply(to, Reply::error(response::SYSTEM_ERROR, remark));
            }
        }
    }

    /// This broker is no master any more: whoever waits is told.
    pub(in crate::broker) fn stop_serving(&mut self, now: Now) {
        for held in core::mem::take(&mut self.served.held) {
            self.reply(held.to, Reply::error(response::SYSTEM_ERROR, "this broker is no master any more"));
        }
        self.release_replicated(now);
        self.served.restart();
    }
}
