//! Helpers shared by the tests of the store. Not every test file uses all of them.
#![allow(dead_code)]

pub mod golden;
pub mod sha256;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use sansmq_core::message::{record, tags};
use sansmq_core::store::{NewMessage, ReadRequest, ReadResult, Store, TagFilter, TagsCode};
use sansmq_core::time::{Mono, Now};
use sansmq_store::{FileStore, RecoveryReport, StoreConfig};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A directory of its own, removed when the test ends.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("sansmq-store-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        Scratch(dir)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Small files, so that a few messages cross their borders.
pub fn small_config(root: &Path) -> StoreConfig {
    StoreConfig {
        commit_log_file_size: 4096,
        consume_queue_file_size: 200,
        batch_queue_file_size: 46 * 4,
        ext_file_size: 70,
        index_slots: 8,
        index_entries: 16,
        max_message_size: 2048,
        pid: 4711,
        ..StoreConfig::new(root)
    }
}

pub fn open(config: StoreConfig) -> (FileStore, RecoveryReport) {
    FileStore::open(config, now(0)).unwrap()
}

/// Both clocks at `ms`.
pub fn now(ms: u64) -> Now {
    Now { mono: Mono(0).plus_ms(ms), wall_ms: 1_700_000_000_000 + ms as i64 }
}

pub fn message<'a>(topic: &'a str, queue_id: i32, body: &'a [u8], key: Option<&'a str>) -> NewMessage<'a> {
    NewMessage {
        born_timestamp: 1,
        properties: &[b"TAGS\x01A\x02"],
        tags_code: TagsCode::Tags(tags::tags_code(Some("A"))),
        uniq_key: key,
        born_host: "10.0.0.1:1000".parse().unwrap(),
        store_host: "10.0.0.2:10911".parse().unwrap(),
        ..NewMessage::plain(topic, queue_id, body)
    }
}

pub fn read(store: &FileStore, topic: &str, queue_id: i32, offset: i64) -> ReadResult {
    let filter = TagFilter::All;
    store.read(&ReadRequest { topic, queue_id, offset, max_count: 32, visible_end: u64::MAX, filter })
}

/// Every record of a queue, by pulling.
pub fn drain(store: &FileStore, topic: &str, queue_id: i32) -> Vec<Bytes> {
    let mut all = Vec::new();
    let mut offset = store.queue_bounds(topic, queue_id, u64::MAX).map_or(0, |bounds| bounds.min);
    loop {
        let result = read(store, topic, queue_id, offset);
        if result.count == 0 && result.next_offset <= offset {
            return all;
        }
        for mut run in result.records {
            while !run.is_empty() {
                let record::Head::Record { size, .. } = record::peek(&run).unwrap() else { panic!("filler") };
                all.push(run.split_to(size));
            }
        }
        offset = result.next_offset;
    }
}

/// Runs what the store asks for until it asks for nothing.
pub fn run_jobs(store: &mut FileStore, at: Now) -> usize {
    let mut count = 0;
    while let Some(job) = store.poll_job() {
        let done = FileStore::run(job);
        store.complete(at, done);
        count += 1;
    }
    count
}
