//! A replica's side of the store: bytes of another log, and cutting what the master never had.

use std::path::Path;

use sansmq_core::store::pull::LogSource;
use sansmq_core::store::raw::{Piece, is_boundary, next_piece};
use sansmq_core::store::{RawError, Store, TruncateError};
use sansmq_core::time::Now;

use super::FileStore;
use crate::checkpoint::DurablePositions;
use crate::config::FlushType;
use crate::error::StoreError;
use crate::recovery::{Parts, Plan, dispatch, reindex};

impl FileStore {
    /// What the checkpoint says is confirmed, never more than there is.
    pub(super) fn confirm_offset(&self) -> i64 {
        let offset = self.confirmed.map_or(self.flusher.durable, |confirmed| confirmed.min(self.log.end()));
        i64::try_from(offset).unwrap_or(i64::MAX)
    }

    pub(super) fn append_received(&mut self, now: Now, offset: u64, bytes: &[u8]) -> Result<(), RawError> {
        if !self.is_writable() || self.cut_waits {
            return Err(RawError::NotWritable);
        }
        let (start, end) = (self.log.start(), self.log.end());
        if offset != end {
            if start != end {
                return Err(RawError::Gap { given: offset, end });
            }
            self.begin_at(offset)?;
        }
        if let Err(error) = self.log.append_raw(bytes) {
            self.refuse(now, &error, self.config.commit_log_file_size);
            return Err(RawError::Io(error.to_string()));
        }
        let entered = self.enter_whole_records();
        if self.config.flush_type == FlushType::Sync {
            self.request_flush();
        }
        entered
    }

    fn begin_at(&mut self, offset: u64) -> Result<(), RawError> {
        let file_size = self.log.file_size();
        if !offset.is_multiple_of(file_size) {
            return Err(RawError::Misplaced { given: offset, file_size });
        }
        // Queues may still hold entries of records that retention has taken; they would have to be joined to the next
        // ones by entries that lead nowhere.
        let emptied = self.queues.iter_mut().try_for_each(|(_, _, queue)| queue.drop_from(0));
        emptied.and_then(|()| self.log.begin_at(offset)).map_err(|error| {
            self.fail("empty log", &error);
            RawError::Io(error.to_string())
        })?;
        (self.whole, self.flusher.durable, self.flusher.wanted) = (offset, offset, offset);
        let positions = self.flusher.current.positions.unwrap_or_default();
        self.flusher.current.positions = Some(DurablePositions { log: offset, queues: offset, ..positions });
        Ok(())
    }

    /// Enters the records whose last byte has come into queues and index.
    fn enter_whole_records(&mut self) -> Result<(), RawError> {
        while let Some(rest) = self.log.written_from(self.whole) {
            match next_piece(rest, self.whole, self.log.file_end(self.whole)) {
                Piece::Incomplete => break,
                Piece::Filler(size) => self.whole += size as u64,
                Piece::Damaged(why) => return Err(RawError::Damaged { at: self.whole, why }),
                Piece::Record(record) => {
                    let index = self.index.as_mut();
                    let rules = (&self.config, &self.deleted);
                    let entered = dispatch(rules, &mut self.queues, index, &Plan::LIVE, &record, self.whole);
                    self.last_store_time = self.last_store_time.max(record.store_timestamp);
                    self.whole += record.total_size as u64;
                    if let Err(error) = entered {
                        self.fail("queue or index of a received record", &error);
                        return Err(RawError::Io(error.to_string()));
                    }
                }
            }
        }
        Ok(())
    }

    /// Cuts the log. The checkpoint goes first, so that no recovery relies on what is about to go, then what can
    /// be rebuilt, and the log itself last: wherever a crash comes, the next start finds a log that ends at or
    /// behind the cut, and after this has returned, at the cut.
    pub(super) fn cut_to(&mut self, offset: u64) -> Result<(), TruncateError> {
        if offset >= self.log.end() {
            self.cut_waits = false;
            return Ok(());
        }
        if offset < self.log.start() {
            return Err(TruncateError::BelowStart { asked: offset, start: self.log.start() });
        }
        let bytes = self.log.written_from(offset).unwrap_or_default();
        if offset < self.whole && !is_boundary(bytes, offset, self.log.file_size()) {
            return Err(TruncateError::NotABoundary(offset));
        }
        if self.failed || self.closed {
            return Err(TruncateError::Io("the store is closed or has failed".into()));
        }
        if self.flusher.log_in_flight.is_some() || self.flusher.queues_in_flight || self.spare_in_flight {
            self.cut_waits = true;
            return Err(TruncateError::Busy);
        }
        self.cut_waits = false;
        self.cut_files(offset).map_err(|error| {
            self.fail("cutting the log", &error);
            TruncateError::Io(error.to_string())
        })?;
        self.whole = self.whole.min(offset);
        Ok(())
    }

    fn cut_files(&mut self, offset: u64) -> Result<(), StoreError> {
        let whole = offset.min(self.whole);
        let flusher = &mut self.flusher;
        flusher.durable = flusher.durable.min(offset);
        flusher.wanted = flusher.wanted.min(offset);
        self.confirmed = self.confirmed.map(|confirmed| confirmed.min(whole));
        let mut positions = self.flusher.current.positions.unwrap_or_default();
        positions.log = positions.log.min(offset);
        positions.queues = positions.queues.min(offset);
        self.flusher.current.positions = Some(positions);
        self.flusher.current.confirm_offset = self.confirm_offset();
        // what is about to be dropped counts as to be rebuilt already
        let doomed = self.index.as_ref().and_then(|i| i.begin_time_where(|file| file.end_offset >= whole));
        let queue_time = &mut self.flusher.current.queue_time;
        *queue_time = doomed.map_or(*queue_time, |doomed| doomed.min(*queue_time));
        self.write_checkpoint()?;
        if let Some(index) = &mut self.index
            && index.remove_where(|file| file.end_offset >= whole)?
        {
            let (time, name) = index.newest_full();
            self.flusher.current.index_time = self.flusher.current.index_time.min(time);
            positions.index = positions.index.min(name);
            self.flusher.current.positions = Some(positions);
            self.write_checkpoint()?;
        }
        for (_, _, queue) in self.queues.iter_mut() {
            queue.drop_from(whole)?;
        }
        self.log.cut(offset)?;
        self.whole = whole;
        self.deleted.fit(self.log.start(), offset);
        self.deleted.write_now(&*self.disk, &self.config.root)?;
        let parts = Parts {
            config: &self.config,
            deleted: &self.deleted,
            log: &mut self.log,
            queues: &mut self.queues,
            index: self.index.as_mut(),
            progress: &mut |_| {},
        };
        if parts.index.is_some() && parts.log.end() > parts.log.start() { reindex(parts) } else { Ok(()) }
    }

    fn write_checkpoint(&mut self) -> Result<(), StoreError> {
        let path = self.checkpoint_path();
        let checkpoint = self.flusher.current;
        checkpoint.write(&*self.disk, &path).map_err(StoreError::io("write", &path))?;
        path.parent()
            .map_or(Ok(()), |dir: &Path| self.disk.sync_dir(dir))
            .map_err(StoreError::io("write", &path))?;
        self.flusher.written = checkpoint;
        Ok(())
    }
}
