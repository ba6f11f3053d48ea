//! What a store should hold, and the comparison with what it holds.

use std::collections::{BTreeMap, BTreeSet};

use sansmq_core::message::record::{self, Record};
use sansmq_core::store::append::record_tags;
use sansmq_core::store::{QueueEntry, Store};
use sansmq_store::FileStore;

use super::kinds::{self, ShortLived};
use super::life::LOG_FILE;

/// A record as it was appended.
pub struct Kept {
    pub offset: u64,
    pub end: u64,
    pub bytes: Vec<u8>,
}

impl Kept {
    pub fn record(&self) -> Record<'_> {
        record::decode(&self.bytes).unwrap()
    }
}

/// The history of a log.
#[derive(Default)]
pub struct Model {
    /// In order of the log.
    pub records: Vec<Kept>,
    /// Promised to survive.
    pub acked: u64,
    /// The topic that comes and goes.
    pub short_lived: ShortLived,
    /// Keys whose records were lost, with their topics.
    pub lost_keys: Vec<(String, String)>,
}

/// Whether a record is the one that was appended, but for properties cut short at its end.
fn torn_properties(found: &Record<'_>, appended: &Record<'_>) -> bool {
    let zeros = found.properties.iter().rev().take_while(|b| **b == 0).count();
    let intact = found.properties.len() - zeros;
    (found.body, found.topic, found.queue_offset, found.physical_offset, found.queue_id)
        == (appended.body, appended.topic, appended.queue_offset, appended.physical_offset, appended.queue_id)
        && zeros > 0
        && found.store_timestamp == appended.store_timestamp
        && found.properties.len() == appended.properties.len()
        && found.properties[..intact] == appended.properties[..intact]
}

impl Model {
    pub fn push(&mut self, store: &FileStore, offset: u64) {
        let bytes = store.record_at(offset).unwrap().to_vec();
        self.records.push(Kept { offset, end: offset + bytes.len() as u64, bytes });
    }

    /// What some say of themselves.
    pub fn all<R: Ord>(&self, what: impl Fn(&Record<'_>) -> Option<R>) -> BTreeSet<R> {
        self.records.iter().filter_map(|kept| what(&kept.record())).collect()
    }

    /// Gives up what the store has not brought back. Panics when it had promised to.
    pub fn settle(&mut self, store: &FileStore) {
        let bounds = store.log_bounds();
        assert!(bounds.max >= self.acked, "the log ends at {} but {} was durable", bounds.max, self.acked);
        let kept = self.records.partition_point(|r| r.end <= bounds.max);
        for lost in self.records.split_off(kept) {
            assert!(lost.offset >= bounds.max, "the log ends inside a record");
            let r = lost.record();
            if let Some(key) = r.property("UNIQ_KEY") {
                self.lost_keys.push((r.topic_str().unwrap().to_owned(), key.to_owned()));
            }
        }
        let end = self.records.last().map_or(0, |r| r.end);
        let filled = bounds.max.is_multiple_of(LOG_FILE) && bounds.max - end < LOG_FILE;
        assert!(bounds.max == end || filled, "the log ends at {}, the last record at {end}", bounds.max);
        for kept in self.records.iter_mut().filter(|r| r.offset >= bounds.min) {
            let found = store.record_at(kept.offset).expect("a record is missing");
            if found[..] != kept.bytes[..] {
                let again = record::decode(&found).unwrap();
                assert!(torn_properties(&again, &kept.record()), "the record at {} differs", kept.offset);
                assert!(kept.end > self.acked, "a durable record is damaged");
                kept.bytes = found.to_vec();
            }
        }
        self.acked = bounds.max;
        let name = self.short_lived.name();
        let of_it = |kept: &&Kept| kept.record().topic == name.as_bytes();
        let last = self.records.iter().rev().find(of_it).map(|kept| kept.offset);
        self.short_lived.settle(bounds.max, last);
    }

    /// Compares queues and index with the log. A store built from the log alone knows nothing of queues whose
    /// records have all expired, nor of the number of entries before the first that is left.
    pub fn check(&self, store: &FileStore, rebuilt: bool) {
        let min = store.log_bounds().min;
        let mut queues: BTreeMap<(String, i32), Vec<(i64, QueueEntry)>> = BTreeMap::new();
        let mut keys: BTreeMap<(String, String), Vec<u64>> = BTreeMap::new();
        for kept in &self.records {
            let r = kept.record();
            let topic = r.topic_str().unwrap().to_owned();
            let size = kept.bytes.len() as u32;
            let entry = QueueEntry { offset: kept.offset, size, tags_code: record_tags(&r, &[]) };
            let places = kinds::places(&r).into_iter();
            let places = places.filter(|(name, ..)| self.short_lived.counts(name, kept.offset));
            for (name, queue_id, first, count) in places {
                let queue = queues.entry((name, queue_id)).or_default();
                queue.extend((first..first + count).map(|offset| (offset, entry)));
            }
            if let Some(key) = r.property("UNIQ_KEY").filter(|key| !key.is_empty()) {
                keys.entry((topic, key.to_owned())).or_default().push(kept.offset);
            }
        }
        for ((topic, queue_id), entries) in &queues {
            let dense = entries.iter().enumerate().all(|(n, (offset, _))| *offset == n as i64);
            assert!(dense, "{topic}/{queue_id}: offsets given out are not dense");
            let first = entries.iter().position(|(_, e)| e.offset >= min).unwrap_or(entries.len());
            if rebuilt && first == entries.len() {
                continue;
            }
            let bounds = store.queue_bounds(topic, *queue_id, u64::MAX).expect("a queue is missing");
            let expected = (first as i64, entries.len() as i64);
            assert_eq!((bounds.min, bounds.max), expected, "{topic}/{queue_id}, log from {min}");
            for (offset, entry) in &entries[first..] {
                assert_eq!(store.queue_entry(topic, *queue_id, *offset), Some(*entry), "{topic}/{queue_id}");
            }
        }
        for (topic, queue_id, bounds) in store.queues() {
            if self.short_lived.is_given_up(&topic) {
                continue;
            }
            let known = queues.get(&(topic.clone(), queue_id)).map_or(0, Vec::len) as i64;
            assert_eq!(bounds.max, known, "{topic}/{queue_id} has entries without records");
        }
        for ((topic, key), offsets) in &keys {
            let expected: Vec<u64> = offsets.iter().copied().filter(|offset| *offset >= min).collect();
            assert_eq!(hits(store, topic, key), expected, "records with key {key} of {topic}");
        }
        for (topic, key) in &self.lost_keys {
            if !keys.contains_key(&(topic.clone(), key.clone())) {
                assert!(hits(store, topic, key).is_empty(), "key {key} of {topic} leads to lost records");
            }
        }
    }
}

fn hits(store: &FileStore, topic: &str, key: &str) -> Vec<u64> {
    let records = store.query_index(topic, key, 64, 0, i64::MAX).records;
    let mine = records.iter().filter_map(|bytes| {
        let r = record::decode(bytes).unwrap();
        let same = r.topic_str() == Some(topic) && r.property("UNIQ_KEY") == Some(key);
        same.then_some(r.physical_offset as u64)
    });
    mine.collect()
}
