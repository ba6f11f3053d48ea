//! One file of the log. Its name is the index of its first record in 20 digits, its size is fixed when it is
//! made, and it takes its name only when its head is durable.
//!
//! | byte | content, big-endian |
//! |---|---|
//! | 0 | `SMQRLOG` and the format, 1 |
//! | 8 | index of the first record, 8 bytes |
//! | 16 | CRC-32 of the bytes before, 4 bytes |
//! | 24 | the mark: CRC-32 of the index above and the number below, 4 bytes, and bytes of this file that are durable, 4 bytes |
//! | 4096 | records |
//!
//! The mark is set after each sync and reaches the device whenever the kernel likes. It may lag behind, then; it
//! never promises too much.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sansmq_core::raft::LogRecord;

use super::record::{self, Scan};
use crate::disk::Disk;
use crate::error::StoreError;
use crate::mapped::{DRAFT, Table};
use crate::segments::path_of;

const MAGIC: &[u8; 8] = b"SMQRLOG1";
const MARK_AT: usize = 24;
/// Where records begin.
pub(super) const HEAD: usize = 4096;
/// No file is larger: the mark has 4 bytes.
const LARGEST: usize = 1 << 31;

fn mark(first: u64, durable: u32) -> [u8; 8] {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&first.to_be_bytes());
    sum.update(&durable.to_be_bytes());
    (u64::from(sum.finalize()) << 32 | u64::from(durable)).to_be_bytes()
}

fn head(first: u64) -> [u8; MARK_AT] {
    let mut out = [0; MARK_AT];
    out[..8].copy_from_slice(MAGIC);
    out[8..16].copy_from_slice(&first.to_be_bytes());
    let sum = crc32fast::hash(&out[..16]);
    out[16..20].copy_from_slice(&sum.to_be_bytes());
    out
}

/// Reads a file of the log.
pub(super) fn load(disk: &dyn Disk, path: &Path, first: u64) -> Result<(Bytes, Scan, u64), StoreError> {
    let damaged = |offset: usize, why: String| StoreError::RaftDamaged {
        path: path.to_path_buf(),
        offset: offset as u64,
        why,
    };
    let bytes = disk.read(path).map_err(StoreError::io("read", path))?.unwrap_or_default();
    if bytes.len() < HEAD {
        return Err(damaged(bytes.len(), format!("it ends within its head of {HEAD} bytes")));
    }
    if bytes[..MARK_AT] != head(first) {
        return Err(damaged(
            0,
            format!("this is not the head of a log file that begins with record {first}"),
        ));
    }
    let stored: [u8; 8] = bytes[MARK_AT..].first_chunk().copied().unwrap_or_default();
    let [.., a, b, c, d] = stored;
    let durable = u32::from_be_bytes([a, b, c, d]);
    if stored != mark(first, durable) {
        return Err(damaged(MARK_AT, "the mark of what is durable does not match its checksum".to_owned()));
    }
    let bytes = Bytes::from(bytes);
    let scan = record::scan(&bytes, HEAD, first, u64::from(durable));
    if let Some(missing) = scan.missing {
        let index = first.saturating_add(scan.records.len() as u64);
        let why =
            format!("record {index} cannot be read, though everything up to byte {missing} was acknowledged");
        return Err(damaged(scan.end(), why));
    }
    Ok((bytes, scan, u64::from(durable)))
}

/// The file that grows.
#[derive(Debug)]
pub(super) struct Segment {
    path: PathBuf,
    first: u64,
    table: Table,
    size: usize,
    written: usize,
    durable: usize,
}

impl Segment {
    /// Opens a file that ends at byte `end` in records that are durable.
    pub fn open(
        disk: &dyn Disk,
        path: PathBuf,
        first: u64,
        size: usize,
        end: usize,
    ) -> Result<Self, StoreError> {
        let build = || {
            let mut table = Table::open(disk, &path, size as u64)?;
            // a copy of the directory may have lost the space that was taken when the file was made
            table.allocate(disk, || &path, 0, size as u64, 0)?;
            Ok(table)
        };
        let table = build().map_err(StoreError::io("open", &path))?;
        Ok(Segment { path, first, table, size, written: end, durable: end })
    }

    /// Makes the file that begins with record `first`, of at least `least` bytes, with `records` (encoded) in it
    /// and room for `room` bytes more, and puts it in the place of one of that name. Durable on return.
    pub fn create(
        disk: &dyn Disk,
        dir: &Path,
        least: usize,
        first: u64,
        records: &[u8],
        room: usize,
    ) -> Result<Self, StoreError> {
        let path = path_of(dir, first);
        let end = HEAD + records.len();
        let size = least.max(end.saturating_add(room).next_multiple_of(HEAD));
        if size > LARGEST {
            return Err(StoreError::RaftTooLong { bytes: room, limit: LARGEST - HEAD });
        }
        let draft = path.with_extension(DRAFT);
        let build = || {
            disk.remove(&draft)?;
            let mut table = Table::create(disk, &draft, size as u64)?;
            table.allocate(disk, || &draft, 0, size as u64, 0)?;
            table.put(0, &head(first));
            table.put(MARK_AT as u64, &mark(first, end as u32));
            table.put(HEAD as u64, records);
            table.dirty(0, end as u64).sync()?;
            disk.sync_file(&draft)?;
            disk.rename(&draft, &path)?;
            disk.sync_dir(dir)?;
            Ok(table)
        };
        let table = build().map_err(StoreError::io("create", &path))?;
        Ok(Segment { path, first, table, size, written: end, durable: end })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn first(&self) -> u64 {
        self.first
    }

    /// Whether a record of this many bytes still fits.
    pub fn fits(&self, bytes: usize) -> bool {
        bytes <= self.size - self.written
    }

    /// Adds a record that fits; `buffer` is scratch space.
    pub fn push(&mut self, record: &LogRecord, buffer: &mut Vec<u8>) -> Result<(), StoreError> {
        buffer.clear();
        record::encode(record, self.durable as u64, buffer);
        if !self.table.put(self.written as u64, buffer) {
            return Err(StoreError::io("write", &self.path)(io::ErrorKind::WriteZero.into()));
        }
        self.written += buffer.len();
        Ok(())
    }

    /// Makes all records durable.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        if self.durable == self.written {
            return Ok(());
        }
        let range = self.table.dirty(self.durable as u64, self.written as u64);
        range.sync().map_err(StoreError::io("sync", &self.path))?;
        self.durable = self.written;
        self.table.put(MARK_AT as u64, &mark(self.first, self.durable as u32));
        Ok(())
    }
}
