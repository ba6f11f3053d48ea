//! Disk space and retention: looking at the disks, refusing writes while there is no room, deleting what has
//! expired (`spec/store.md` section 14, `spec/known-failures.md` KF-39).
//!
//! Looking and deleting are jobs. Files leave the store's books at once and the disk one after the other, the
//! oldest first and each durably, so that no crash leaves a gap behind them. Readers that still hold parts of
//! a deleted log file keep its mapping alive.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use sansmq_core::store::AppendError;
use sansmq_core::store::pull::LogSource;
use sansmq_core::store::retention::{self, Flags};
use sansmq_core::time::{Mono, Now};

use super::FileStore;
use super::full_start::LeftOut;
use crate::disk::Space;
use crate::error::StoreError;
use crate::jobs::{SurveyAsk, SurveyResult};
use crate::sys;

/// Rounds an administrator's wish holds for.
const MANUAL_ROUNDS: u32 = 20;
/// Nothing is deleted this soon after the start, unless asked for, in milliseconds.
const GRACE_MS: u64 = 60_000;
/// Queues looked at per turn once the log has lost its beginning.
const QUEUES_PER_TURN: usize = 64;
/// Bytes that must be free again, besides what was asked for in vain, before writes are accepted.
const MARGIN: u64 = 64 * 1024;

/// What the store knows about its room.
#[derive(Debug, Default)]
pub(super) struct SpaceState {
    pub flags: Flags,
    /// A file operation found the disk full; this many bytes have to be free again.
    pub wanted: Option<u64>,
    pub survey_due: bool,
    /// What the start could not write.
    pub left_out: LeftOut,
    pub prepare_due: bool,
    survey_in_flight: bool,
    manual_rounds: u32,
    /// Files to be removed, in this order.
    pub removals: VecDeque<PathBuf>,
    removal_in_flight: bool,
    /// The file being removed is of this topic, which was deleted meanwhile: a new file of the same name must not
    /// be created before that has ended.
    removing_from: Option<String>,
    /// The first of them cannot be removed; it is tried again with the next survey.
    removal_failed: bool,
    /// Queues that may have expired files.
    queues_to_clean: Vec<(String, i32)>,
    index_to_clean: bool,
    started: Option<Mono>,
}

impl SpaceState {
    pub fn new(left_out: LeftOut) -> Self {
        SpaceState { left_out, ..SpaceState::default() }
    }

    /// A topic and the directories `dirs` of its queues are going away: what was to be removed from them need not
    /// be, and must not, since the topic may come again with files of the same names.
    pub fn forget_removals(&mut self, topic: &str, dirs: &[PathBuf]) {
        let of_topic = |path: &PathBuf| dirs.iter().any(|dir| path.starts_with(dir));
        let first = if self.removal_in_flight { self.removals.pop_front() } else { None };
        self.removals.retain(|path| !of_topic(path));
        if let Some(first) = first {
            if of_topic(&first) {
                self.removing_from = Some(topic.to_owned());
            }
            self.removals.push_front(first);
        }
    }

    /// Whether a file of an earlier topic of this name is just being removed.
    pub fn is_removing_from(&self, topic: &str) -> bool {
        self.removing_from.as_deref() == Some(topic)
    }

    /// Whether there is room for writes as far as is known.
    pub fn allows_writes(&self) -> bool {
        self.wanted.is_none() && !self.flags.refuse_writes()
    }
}

impl FileStore {
    /// The answer to an append that failed before anything was written.
    pub(super) fn refuse(&mut self, now: Now, error: &StoreError, bytes: u64) -> AppendError {
        if !error.is_full() {
            tracing::error!(%error, "no room for a message");
            return AppendError::CreateFileFailed;
        }
        self.space_ran_out(error, bytes);
        self.flusher.space_wanted(now);
        AppendError::NotWritable
    }

    pub(super) fn space_ran_out(&mut self, error: &dyn std::fmt::Display, bytes: u64) {
        if self.space.wanted.is_none() {
            tracing::error!(%error, bytes, "the disk is full; writes are refused until there is room again");
        }
        self.space.wanted = Some(self.space.wanted.unwrap_or(0).max(bytes));
    }

    pub(super) fn clean_soon(&mut self) {
        self.space.manual_rounds = MANUAL_ROUNDS;
        self.space.survey_due = true;
    }

    pub(super) fn tick_space(&mut self, now: Now, survey_due: bool) {
        self.space.started.get_or_insert(now.mono);
        self.space.survey_due |= survey_due;
        if self.space.wanted.is_some() {
            self.flusher.space_wanted(now);
        }
        let more = self.space.queues_to_clean.len().saturating_sub(QUEUES_PER_TURN);
        let (start, durable) = (self.log.start(), self.safe_to_lose());
        for (topic, queue_id) in self.space.queues_to_clean.split_off(more) {
            if let Some(queue) = self.queues.get_mut(&topic, queue_id) {
                self.space.removals.extend(queue.take_expired(start, durable));
                queue.correct_min(start);
            }
        }
        if std::mem::take(&mut self.space.index_to_clean)
            && let Some(index) = &mut self.index
        {
            self.space.removals.extend(index.take_expired(start));
            self.space.removals.extend(self.timer.take_expired(start));
        }
    }

    /// Whether a tick has something left to do at once.
    pub(super) fn cleaning(&self) -> bool {
        !self.space.queues_to_clean.is_empty()
    }

    /// The survey that is due.
    pub(super) fn survey(&mut self) -> Option<SurveyAsk> {
        if self.space.survey_in_flight || !std::mem::take(&mut self.space.survey_due) {
            return None;
        }
        self.space.survey_in_flight = true;
        Some(SurveyAsk {
            files: self.log.oldest(self.config.retention.batch_max, self.safe_to_lose()),
            log_dirs: self.log.dirs().to_vec(),
            queue_dir: self.queues.dir().to_path_buf(),
        })
    }

    /// Byte of the log below which the queues can do without it: their entries are durable. Otherwise a crash
    /// could leave a queue without any trace of the offsets it has given out.
    fn safe_to_lose(&self) -> u64 {
        let queues = self.flusher.written.positions.map_or(0, |positions| positions.queues);
        queues.min(self.flusher.durable)
    }

    /// The file that is to be removed next.
    pub(super) fn removal(&mut self) -> Option<PathBuf> {
        if self.space.removal_in_flight || self.space.removal_failed {
            return None;
        }
        let path = self.space.removals.front()?.clone();
        self.space.removal_in_flight = true;
        Some(path)
    }

    pub(super) fn removed(&mut self, path: &Path, result: std::io::Result<()>) {
        self.space.removal_in_flight = false;
        let superseded = self.space.removing_from.take().is_some();
        match result {
            _ if superseded => _ = self.space.removals.pop_front(),
            Ok(()) => {
                tracing::info!(path = %path.display(), "deleted");
                self.space.removals.pop_front();
            }
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "cannot delete; later files have to wait");
                self.space.removal_failed = true;
            }
        }
    }

    /// Takes a survey's result: sets the flags and starts deletions.
    pub(super) fn surveyed(&mut self, now: Now, found: &SurveyResult) {
        self.space.survey_in_flight = false;
        self.space.removal_failed = false;
        let used = |space: &Option<Space>| space.map_or(-1.0, |space| space.used_ratio());
        let waiting = now.mono.ms_since(self.space.started.unwrap_or(now.mono)) < GRACE_MS;
        let manual = self.space.manual_rounds > 0;
        self.space.manual_rounds = self.space.manual_rounds.saturating_sub(1);
        let survey = retention::Survey {
            now_ms: now.wall_ms,
            hour: sys::local_hour(now.wall_ms),
            modified_ms: found.files.iter().map_while(|(_, modified)| *modified).collect(),
            log_used: found.log_spaces.iter().map(used).collect(),
            queue_used: used(&found.queue_space),
            store_bytes: self.bytes_on_disk(),
            disk_bytes: found.log_spaces.first().copied().flatten().map_or(0, |space| space.total),
            manual,
        };
        let verdict = retention::decide(&self.config.retention, &survey, self.space.flags);
        if verdict.flags != self.space.flags {
            tracing::warn!(log = ?survey.log_used, queues = survey.queue_used, flags = ?verdict.flags, "disk use crossed a limit");
        }
        self.space.flags = verdict.flags;
        self.log.set_full_dirs(&verdict.full_dirs);
        self.look_for_room(found);
        if !waiting || manual || verdict.forced {
            self.delete_oldest(verdict.delete, verdict.forced, found);
        }
        if manual {
            self.clean_queues();
        }
    }

    fn look_for_room(&mut self, found: &SurveyResult) {
        let Some(wanted) = self.space.wanted else { return };
        let enough =
            |space: &Option<Space>| space.is_some_and(|s| s.available >= wanted.saturating_add(MARGIN));
        if enough(&found.queue_space) && found.log_spaces.iter().any(enough) && !self.must_prepare() {
            tracing::warn!("there is room on the disk again; writes are accepted");
            self.space.wanted = None;
            self.spare_failed = None;
        }
    }

    fn delete_oldest(&mut self, count: usize, forced: bool, found: &SurveyResult) {
        if count == 0 {
            return;
        }
        let bases: Vec<u64> = found.files.iter().take(count).map(|(base, _)| *base).collect();
        for path in self.log.remove_oldest(&bases) {
            if forced {
                tracing::warn!(path = %path.display(), "the disk is nearly full: deleting a log file by force");
            }
            self.space.removals.push_back(path);
        }
        // what looked full may have room now; look again soon
        self.space.survey_due |= forced;
        self.clean_queues();
    }

    pub(super) fn clean_queues(&mut self) {
        self.space.queues_to_clean =
            self.queues.iter().map(|(topic, id, _)| (topic.to_owned(), id)).collect();
        self.space.index_to_clean = true;
    }

    fn bytes_on_disk(&self) -> u64 {
        let queues: u64 = self.queues.iter().map(|(_, _, queue)| queue.bytes_on_disk()).sum();
        let log = self.log.end().saturating_sub(self.log.start());
        log + queues + self.index.as_ref().map_or(0, |index| index.bytes_on_disk())
    }
}
