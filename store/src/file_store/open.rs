//! Opening a store.

use std::path::Path;
use std::sync::Arc;

use sansmq_core::store::pull::LogSource;
use sansmq_core::time::Now;

use super::FileStore;
use super::fetch::Fetches;
use super::full_start::LeftOut;
use super::space::SpaceState;
use crate::abort;
use crate::checkpoint::{Checkpoint, DurablePositions};
use crate::commit_log::CommitLog;
use crate::config::StoreConfig;
use crate::deleted::DeletedTopics;
use crate::disk::{Disk, DiskRef, RealDisk, create_durable_dir};
use crate::error::StoreError;
use crate::flush::Flusher;
use crate::index::Index;
use crate::jobs::{self, FlushError, Job, Outcome, QueueFlush, Work};
use crate::lock::DirLock;
use crate::mapped::DRAFT;
use crate::queues::Queues;
use crate::recovery::{Parts, RecoveryProgress, RecoveryReport, recover};
use crate::timer_log::TimerLog;

impl FileStore {
    /// Opens or creates the store in `config.root`, brings its files into agreement and marks it as running.
    ///
    /// # Errors
    /// [`StoreError`] names the file; nothing has been changed when a file cannot be loaded.
    pub fn open(config: StoreConfig, now: Now) -> Result<(FileStore, RecoveryReport), StoreError> {
        Self::open_on(Arc::new(RealDisk::default()), config, now, &mut |_| {})
    }

    /// The same on a disk of your choice. `progress` hears about once a second how far a long recovery is.
    ///
    /// # Errors
    /// As [`FileStore::open`].
    pub fn open_on(
        disk: DiskRef,
        config: StoreConfig,
        now: Now,
        progress: &mut dyn FnMut(&RecoveryProgress),
    ) -> Result<(FileStore, RecoveryReport), StoreError> {
        let config = config.normalised()?;
        let root = config.root.as_path();
        let lock = DirLock::acquire(&*disk, root)?;
        let clean = abort::last_exit_was_clean(&*disk, root)?;
        let mut log = CommitLog::load(&disk, &config)?;
        let mut queues = Queues::load(&disk, &config, !clean)?;
        let mut index = match config.message_index_enable {
            true => Some(Index::load(&disk, root.join("index"), config.index_slots, config.index_entries)?),
            false => None,
        };
        let timer_sizes = (config.timer_log_file_size, config.timer_wheel_len);
        let mut timer = TimerLog::load(&disk, root, timer_sizes, !clean)?;
        let mut deleted = DeletedTopics::load(&disk, root)?;
        let checkpoint_path = root.join("checkpoint");
        let mut checkpoint =
            Checkpoint::read(&*disk, &checkpoint_path).map_err(StoreError::io("read", &checkpoint_path))?;

        // everything can be read; from here on files change
        let mut left_out = LeftOut {
            abort: LeftOut::tolerate(abort::create(&*disk, root, config.pid))?,
            ..LeftOut::default()
        };
        remove_trash(&*disk, &root.join("trash"));
        if left_out.abort {
            // with that room it may work; a rebuild that ends half-way must not be taken for an orderly end
            left_out.abort = LeftOut::tolerate(abort::create(&*disk, root, config.pid))?;
        }
        for dir in &config.commit_log_dirs {
            if LeftOut::tolerate(create_durable_dir(&*disk, dir).map_err(StoreError::io("create", dir)))? {
                left_out.dirs.push(dir.clone());
            }
            remove_drafts(&*disk, dir)?;
        }
        let index_part = index.as_mut();
        let parts = Parts {
            config: &config,
            deleted: &deleted,
            log: &mut log,
            queues: &mut queues,
            index: index_part,
            progress,
        };
        let mut report = recover(parts, clean, &checkpoint).map_err(StoreError::of_rebuild)?;
        let end = log.end();
        deleted.fit(log.start(), end);
        deleted.write_now(&*disk, root)?;
        if end > log.start() {
            // the last file may hold no record yet
            report.last_store_time = report.last_store_time.max(checkpoint.log_time);
        }
        checkpoint.log_time = report.last_store_time;
        checkpoint.queue_time = report.last_store_time;
        checkpoint.positions = Some(DurablePositions { log: end, queues: end, index: 0 });
        let known = u64::try_from(checkpoint.confirm_offset).unwrap_or(0);
        let confirmed = config.keep_confirmed.then(|| known.clamp(log.start().min(end), end));
        checkpoint.confirm_offset = i64::try_from(confirmed.unwrap_or(end)).unwrap_or(i64::MAX);
        left_out.checkpoint =
            make_durable(&disk, root, &log, &mut queues, index.as_mut(), &report, &mut checkpoint)?;

        timer.recover()?;

        let mut flusher = Flusher::new(now, &config, end, checkpoint);
        if left_out.checkpoint {
            flusher.written = Checkpoint::default(); // so that it is written again
        }
        let mut store = FileStore {
            append_limits: config.append_limits(),
            pull_limits: config.pull_limits(),
            stamp_rules: config.stamp_rules(),
            log,
            queues,
            index,
            timer,
            flusher,
            last_store_time: report.last_store_time,
            whole: end,
            confirmed,
            cut_waits: false,
            trash: Vec::new(),
            deleted,
            trash_count: 0,
            spare_in_flight: false,
            touch_in_flight: false,
            touch_behind: end + super::TOUCH_AFTER,
            spare_failed: None,
            closed: false,
            failed: false,
            space: SpaceState::new(left_out),
            fetches: Fetches::new(end),
            disk,
            _lock: lock,
            config,
        };
        store.look_at_start(now);
        tracing::info!(clean, end, records = report.records, stopped_by = ?report.stopped_by, "store opened");
        Ok((store, report))
    }
}

/// Removes files whose creation was cut short by a crash.
fn remove_drafts(disk: &dyn Disk, dir: &Path) -> Result<(), StoreError> {
    for entry in disk.list(dir).map_err(StoreError::io("list", dir))? {
        if !entry.is_dir && entry.path.extension().is_some_and(|extension| extension == DRAFT) {
            disk.remove(&entry.path).map_err(StoreError::io("remove", &entry.path))?;
        }
    }
    Ok(())
}

fn remove_trash(disk: &dyn Disk, dir: &Path) {
    if let Err(error) = disk.remove_tree(dir) {
        tracing::warn!(path = %dir.display(), %error, "cannot remove the files of deleted topics");
    }
}

/// Writes back what recovery accepted or rebuilt, so that the checkpoint can speak of it. True when there was no
/// room for the checkpoint; without it a crash costs time, nothing else.
fn make_durable(
    disk: &DiskRef,
    root: &Path,
    log: &CommitLog,
    queues: &mut Queues,
    index: Option<&mut Index>,
    report: &RecoveryReport,
    checkpoint: &mut Checkpoint,
) -> Result<bool, StoreError> {
    if !report.clean {
        log.sync_names()?;
    }
    let flush = Work::FlushLog { ranges: log.dirty(report.scanned_from), end: log.end() };
    if let Outcome::FlushLog { result, .. } = jobs::run(Job(flush, disk.clone())).0 {
        result.map_err(StoreError::io("flush the log of", root))?;
    }
    let mut left_out = false;
    let (mut ranges, mut dirs) = queues.take_dirty(1);
    if let Some(index) = index {
        let (index_ranges, dir, full_until) = index.take_dirty(false);
        ranges.extend(index_ranges);
        dirs.extend(dir);
        let (time, name) = full_until.unwrap_or_default();
        checkpoint.index_time = time;
        if let Some(positions) = &mut checkpoint.positions {
            positions.index = name;
        }
        checkpoint.cover(index);
    }
    let flush =
        QueueFlush { ranges, dirs, checkpoint: *checkpoint, checkpoint_path: root.join("checkpoint") };
    if let Outcome::FlushQueues { result, .. } = jobs::run(Job(Work::FlushQueues(flush), disk.clone())).0 {
        let result = result.map_err(|error| match error {
            FlushError::Full(error) => (true, error),
            FlushError::Data(error) => (false, error),
        });
        match result {
            Err((false, error)) => return Err(StoreError::io("flush the queues of", root)(error)),
            Err((true, error)) => {
                left_out = LeftOut::tolerate(Err(StoreError::io("write the checkpoint of", root)(error)))?;
            }
            Ok(()) => {}
        }
    }
    for (_, _, queue) in queues.iter_mut() {
        queue.close_mappings();
    }
    Ok(left_out)
}
