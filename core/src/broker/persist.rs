//! The broker's tables on disk: which file has changed, which write is under way, who waits for it.
//!
//! A file is written at most once at a time; changes that come meanwhile go into the next write.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::settings::Settings;
use super::{Broker, Stopping};
use crate::json;
use crate::store::Store;
use crate::time::{Mono, Now};
use crate::wire::ServerOut;

/// The tables kept in `config/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum File {
    Topics = 0,
    Groups = 1,
    Offsets = 2,
    DelayOffsets = 3,
    RequestModes = 4,
    /// The `-c` file, rewritten by UPDATE_BROKER_CONFIG.
    Config = 5,
    TimerCheck = 6,
    TimerMetrics = 7,
    TransactionMetrics = 8,
    /// `epochFileCheckpoint`, beside `config/`.
    Epochs = 9,
}

const FILES: [(File, &str); 10] = [
    (File::Topics, "topics.json"),
    (File::Groups, "subscriptionGroup.json"),
    (File::Offsets, "consumerOffset.json"),
    (File::DelayOffsets, "delayOffset.json"),
    (File::RequestModes, "messageRequestMode.json"),
    (File::Config, ""),
    (File::TimerCheck, "timercheck"),
    (File::TimerMetrics, "timermetrics"),
    (File::TransactionMetrics, "transactionMetrics"),
    (File::Epochs, "epochFileCheckpoint"),
];

/// Takes the place of `consumerOffset.json` with `enableLmq`.
const LIGHT_OFFSETS: &str = "lmqConsumerOffset.json";

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// Token of the write that will carry the changes made so far.
    next: Option<u64>,
    in_flight: Option<u64>,
    /// The last write failed (a full disk, say); it is tried again with the next period.
    failed: bool,
}

/// A topic since its creation.
#[derive(Clone, Copy, Debug)]
struct Fresh {
    /// The write that carries it; `None` once that is done.
    save: Option<u64>,
    /// The number of the change.
    number: u64,
}

/// What an answer waits for, because the topic it is about is new: a topic that is in no table is unknown after a crash, or
/// a failover, and what was stored in it cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TableWait {
    /// The write with this token.
    Save(u64),
    /// It is written here; replicas in sync do not have it.
    Replicas,
}

/// A table of progress in the log, to be written when the log is durable as far as it was then. Otherwise a power failure
/// leaves progress behind the end of the log: a half message that was checked and stored again, say, would be passed over.
#[derive(Debug)]
struct Held {
    log_end: u64,
    token: u64,
    path: String,
    data: Bytes,
}

/// Writes due and under way.
#[derive(Debug)]
pub(super) struct Persist {
    states: [State; FILES.len()],
    held: Vec<Held>,
    next_token: u64,
    /// Changes of the tables so far, and the number of the last one of each.
    changes: u64,
    changed: [u64; FILES.len()],
    /// Topics that may not be in every table yet.
    fresh: BTreeMap<String, Fresh>,
    period_ms: u64,
    next_period: Mono,
}

impl Persist {
    pub fn new(settings: &Settings, now: Now) -> Self {
        let period_ms =
            u64::try_from(settings.broker.flush_consumer_offset_interval).unwrap_or(5_000).max(100);
        Persist {
            states: [State::default(); FILES.len()],
            held: Vec::new(),
            next_token: 0,
            changes: 0,
            changed: [0; FILES.len()],
            fresh: BTreeMap::new(),
            period_ms,
            next_period: now.mono.plus_ms(period_ms),
        }
    }

    pub fn deadline(&self) -> Option<Mono> {
        Some(self.next_period)
    }

    /// Notes a change; the token names the write that will carry it.
    pub fn mark(&mut self, file: File) -> u64 {
        if matches!(file, File::Topics | File::Groups | File::RequestModes) {
            self.changed[file as usize] = self.count();
        }
        let next = &mut self.states[file as usize].next;
        *next.get_or_insert_with(|| {
            self.next_token += 1;
            self.next_token
        })
    }

    /// Notes a topic that is new.
    pub fn created(&mut self, topic: &str) -> TableWait {
        let token = self.mark(File::Topics);
        let number = self.changed(File::Topics);
        self.fresh.insert(topic.to_owned(), Fresh { save: Some(token), number });
        TableWait::Save(token)
    }

    /// The number of the next change.
    pub fn count(&mut self) -> u64 {
        self.changes += 1;
        self.changes
    }

    /// The number of the last change of a table that operators change.
    pub fn number(&self) -> u64 {
        self.changed.iter().copied().max().unwrap_or(0)
    }

    pub fn changed(&self, file: File) -> u64 {
        self.changed[file as usize]
    }

    /// What waits for a part of the log that is gone waits no longer for it; what it says of that is written over.
    pub fn log_was_cut(&mut self, end: u64) {
        let beyond = self.held.iter_mut().filter(|held| held.log_end > end);
        if beyond.map(|held| held.log_end = end).count() > 0 {
            self.mark(File::Offsets);
            self.mark(File::DelayOffsets);
        }
    }

    fn is_idle(&self) -> bool {
        self.states.iter().all(|state| state.next.is_none() && state.in_flight.is_none())
    }
}

impl<S: Store> Broker<S> {
    /// What a message in this topic has to wait for beside its own record.
    pub(super) fn table_wait(&mut self, topic: &str) -> Option<TableWait> {
        if self.persist.fresh.is_empty() {
            return None;
        }
        let Fresh { save, number } = *self.persist.fresh.get(topic)?;
        let Some(token) = save else {
            if !self.lacking(number).is_empty() {
                return Some(TableWait::Replicas);
            }
            self.persist.fresh.remove(topic);
            return None;
        };
        let State { next, in_flight, .. } = self.persist.states[File::Topics as usize];
        // a write that failed carries nothing
        let is_coming = next == Some(token) || in_flight == Some(token);
        Some(if is_coming { TableWait::Save(token) } else { self.persist.created(topic) })
    }

    /// Starts the writes that are due and not held up by an earlier one.
    pub(super) fn start_saves(&mut self, now: Now) {
        for (index, (file, name)) in FILES.into_iter().enumerate() {
            let state = &mut self.persist.states[index];
            if state.in_flight.is_some() {
                continue;
            }
            let Some(token) = state.next.take() else {
                continue;
            };
            let path = match (file, &self.settings.config_path) {
                (File::Config, Some(path)) => path.clone(),
                (File::Config, None) => {
                    self.release_saved(now, token, &Ok(()));
                    continue;
                }
                // the reference keeps all offsets elsewhere then
                (File::Offsets, _) if self.settings.store.enable_lmq => {
                    format!("{}/config/{LIGHT_OFFSETS}", self.settings.store_root)
                }
                (File::Epochs, _) => self.settings.epoch_file(),
                _ => format!("{}/config/{name}", self.settings.store_root),
            };
            self.persist.states[index].in_flight = Some(token);
            let data = self.file_content(file, now);
            if matches!(file, File::Offsets | File::DelayOffsets) && self.settings.sync_flush {
                let bounds = self.store.log_bounds();
                self.persist.held.push(Held { log_end: bounds.max, token, path, data });
                if bounds.durable < bounds.max && self.store.is_writable() {
                    self.store.request_flush();
                }
            } else {
                self.out.push_back(ServerOut::Save { token, path, data });
            }
        }
        self.release_held_saves(now);
    }

    /// Writes the tables that have waited for the log. A log that failed will never be durable, and its tables count as not
    /// written; one whose disk is full is by the next period.
    pub(super) fn release_held_saves(&mut self, now: Now) {
        if self.persist.held.is_empty() {
            return;
        }
        let durable = self.store.log_bounds().durable;
        let writable = self.store.is_writable();
        for held in core::mem::take(&mut self.persist.held) {
            if held.log_end <= durable {
                let Held { token, path, data, .. } = held;
                self.out.push_back(ServerOut::Save { token, path, data });
            } else if writable {
                self.persist.held.push(held);
            } else {
                self.saved(now, held.token, &Err("the log before it cannot be made durable".to_owned()));
            }
        }
    }

    fn file_content(&mut self, file: File, _now: Now) -> Bytes {
        Bytes::from(match file {
            File::Topics => json::to_pretty(&self.topics.to_file()),
            File::Groups => json::to_pretty(self.groups.table()),
            File::Offsets => json::to_pretty(&self.offsets.take_file()),
            File::DelayOffsets => json::to_pretty(&self.schedule.take_file()),
            File::RequestModes => json::to_pretty(self.assignment.table()),
            File::Config => self.settings.to_file(),
            File::TimerCheck => return self.timers.checkpoint_file(),
            File::Epochs => self.ha.epochs().to_file(),
            File::TimerMetrics => return self.timers.metrics_file(),
            File::TransactionMetrics => return self.transaction_metrics_file(),
        })
    }

    pub(super) fn saved(&mut self, now: Now, token: u64, result: &Result<(), String>) {
        if self.identity_saved(now, token, result) {
            return;
        }
        let index = self.persist.states.iter().position(|state| state.in_flight == Some(token));
        if let Some(index) = index {
            self.persist.states[index].in_flight = None;
            if result.is_ok() && index == File::Topics as usize {
                let carried = |fresh: &&mut Fresh| fresh.save == Some(token);
                self.persist.fresh.values_mut().filter(carried).for_each(|fresh| fresh.save = None);
            }
            if let Err(why) = result {
                tracing::error!(file = FILES[index].1, why, "a table could not be written");
                match FILES[index].0 {
                    File::Offsets => self.offsets.mark_dirty(),
                    File::TimerCheck => self.timers.mark_dirty(),
                    File::TransactionMetrics => self.transaction_metrics_not_saved(),
                    _ => self.persist.states[index].failed = true,
                }
            }
        }
        if index == Some(File::Epochs as usize) {
            self.epochs_saved(now, token, result);
        }
        self.release_saved(now, token, result);
        self.table_saved(now, token, result);
        self.start_saves(now);
        self.advance_stop(now);
    }

    /// Offsets are written when they changed, once a period.
    pub(super) fn save_periodically(&mut self, now: Now) {
        if self.persist.next_period > now.mono {
            return;
        }
        self.persist.next_period = now.mono.plus_ms(self.persist.period_ms);
        self.mark_progress();
    }

    fn mark_progress(&mut self) {
        for (index, (file, _)) in FILES.into_iter().enumerate() {
            if core::mem::take(&mut self.persist.states[index].failed) {
                self.persist.mark(file);
            }
        }
        if self.offsets.is_dirty() {
            self.persist.mark(File::Offsets);
        }
        if self.schedule.is_dirty() {
            self.persist.mark(File::DelayOffsets);
        }
    }

    /// Begins an orderly stop.
    pub fn shutdown(&mut self, now: Now) {
        if self.stopping == Stopping::No {
            self.answer_all_held(now);
            self.end_cold_reads();
            if self.is_master() {
                self.stop_transactions(now);
            }
            self.stopping = Stopping::Unregistering(now.mono.plus_ms(3_000));
            self.unregister_everywhere();
            self.advance_stop(now);
        }
    }

    /// As [`Broker::shutdown`], but leaves closing the store to whoever takes it out of the stopped broker
    /// ([`Broker::into_store`]): that may block, and others may be at work beside this broker.
    pub fn retire(&mut self, now: Now) {
        self.store_is_closed_elsewhere = true;
        self.shutdown(now);
    }

    /// Takes the next step of an orderly stop, if what it waits for is there.
    pub(super) fn advance_stop(&mut self, now: Now) {
        if let Stopping::Unregistering(by) = self.stopping
            && (self.registration.is_unregistered() || by <= now.mono)
        {
            self.stopping = Stopping::Saving;
            self.stop_timers(now);
            self.mark_progress();
            self.persist.mark(File::Topics);
            self.persist.mark(File::Groups);
            self.start_saves(now);
        }
        if self.stopping == Stopping::Saving && self.persist.is_idle() && self.timers_are_saved() {
            // Jobs go on until what was promised is durable or late.
            if self.store_is_closed_elsewhere && self.waiting.has_stored() {
                return;
            }
            if self.is_master() {
                self.stop_transactions(now);
            }
            if !self.store_is_closed_elsewhere {
                self.store.close(now);
                self.release_durable(now);
            }
            self.end_cold_reads();
            self.stopping = Stopping::Done;
        }
    }
}
