//! Stores of the reference broker with damage done by hand. What it recovers from them is recovered here too;
//! where this store does better on purpose, the test says so.

mod common;

use common::golden::{Golden, unpack};
use common::{message, now, open, sha256};
use sansmq_core::message::record;
use sansmq_core::store::Store;
use sansmq_store::{FileStore, RecoveryReport, StoreError};

const BATCH_QUEUE_TOPIC: &str = "TopicInnerBatch";

/// The entries of all queues, written as the golden files write them, in order of queue.
fn entries(store: &FileStore) -> Vec<String> {
    let mut queues = store.queues();
    queues.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    let mut out = Vec::new();
    for (topic, queue_id, bounds) in queues {
        for at in bounds.min..bounds.max {
            let entry = store.queue_entry(&topic, queue_id, at).unwrap();
            let bytes = store.record_at(entry.offset).unwrap();
            assert_eq!(bytes.len(), entry.size as usize);
            let keys = record::decode(&bytes).unwrap().property("KEYS").unwrap_or("null");
            let digest = &sha256::hex(&bytes)[..16];
            let (offset, size, tags) = (entry.offset, entry.size, entry.tags_code);
            out.push(format!("{topic}|{queue_id}|{at}|{offset}|{size}|{tags}|{keys}|{digest}"));
        }
    }
    out
}

fn expected_entries(golden: &Golden) -> Vec<String> {
    let all = golden.list("entries").iter().map(|e| e.as_str().unwrap().to_owned());
    all.filter(|e| !e.starts_with(BATCH_QUEUE_TOPIC)).collect()
}

fn check(golden: &Golden, store: &FileStore, report: &RecoveryReport, clean: bool) {
    assert_eq!(report.clean, clean);
    let bounds = store.log_bounds();
    assert_eq!(Some(bounds.min), golden.expected["minPhyOffset"].as_u64());
    assert_eq!(Some(bounds.max), golden.expected["maxPhyOffset"].as_u64());
    assert_eq!(bounds.durable, bounds.max, "what was recovered has been written back");
    for q in golden.list("queues").iter().filter(|q| q["topic"] != BATCH_QUEUE_TOPIC) {
        let queue_id = q["queueId"].as_i64().unwrap() as i32;
        let found = store.queue_bounds(q["topic"].as_str().unwrap(), queue_id, u64::MAX).unwrap();
        assert_eq!((found.min, found.max), (q["min"].as_i64().unwrap(), q["max"].as_i64().unwrap()), "{q}");
    }
    let (mut found, expected) = (entries(store), expected_entries(golden));
    // one line per message here, one per batch there
    found.retain(|entry| !entry.starts_with(BATCH_QUEUE_TOPIC));
    let different: Vec<_> = found.iter().zip(&expected).filter(|(a, b)| a != b).collect();
    assert!(different.is_empty(), "{different:?}");
    assert_eq!(found.len(), expected.len());
}

/// Recovers, then makes sure that recovery is stable and that appending goes on seamlessly.
fn check_as_expected(name: &str, clean: bool) -> RecoveryReport {
    let golden = unpack(name);
    let (store, report) = open(golden.config());
    check(&golden, &store, &report, clean);
    store.crash();
    let (mut store, again) = open(golden.config());
    check(&golden, &store, &again, false);
    append_after(&mut store);
    report
}

fn append_after(store: &mut FileStore) {
    let end = store.log_bounds().max;
    let before = store.queue_bounds("TopicLoad", 2, u64::MAX).unwrap_or_default();
    for n in 0..30 {
        let done = store.append(now(n), &message("TopicLoad", 2, &[7; 900], Some("fresh"))).unwrap();
        assert_eq!(done.queue_offset, before.max + n as i64);
        assert!(done.offset >= end);
    }
    assert_eq!(store.query_index("TopicLoad", "fresh", 64, 0, i64::MAX).records.len(), 30);
}

#[test]
fn tail_torn_inside_the_properties_is_accepted() {
    // The body checksum does not cover them. The tags went with the properties: the reference keeps the hash
    // in the queue entry, here the entry says what the record says, as a full rebuild would.
    let mut golden = unpack("e1");
    let torn = golden.expected["entries"].as_array_mut().unwrap().iter_mut();
    for entry in torn.filter(|e| e.as_str().unwrap().contains("|852555|1004|")) {
        *entry = entry.as_str().unwrap().replace("|1004|2652|", "|1004|0|").into();
    }
    let (store, report) = open(golden.config());
    check(&golden, &store, &report, false);
}

#[test]
fn tail_torn_inside_header_or_body_is_cut() {
    for name in ["e2", "e9"] {
        let report = check_as_expected(name, false);
        assert!(report.stopped_by.unwrap().starts_with("byte 852555"));
    }
}

#[test]
fn flipped_body_byte_ends_the_log_there() {
    let report = check_as_expected("e3", false);
    assert!(report.stopped_by.unwrap().contains("checksum"));
}

#[test]
fn flipped_byte_in_durable_files_goes_unnoticed() {
    check_as_expected("e6", false);
}

#[test]
fn lost_queues_and_index_are_rebuilt_from_the_first_file() {
    // The reference rebuilds from its scan start only and loses the older entries (e5 expects 532). Here all
    // of the log is read when no queue has an entry, so the result is that of the undamaged store.
    let golden = unpack("e5");
    let (store, report) = open(golden.config());
    assert_eq!(report.scanned_from, 0);
    assert_eq!(
        entries(&store),
        expected_entries(&unpack("e6")).iter().map(|e| fix_e6(e)).collect::<Vec<_>>()
    );
    for entry in golden.list("entries") {
        let found = store.query_index(
            "TopicLoad",
            entry.as_str().unwrap().split('|').nth(6).unwrap(),
            9,
            0,
            i64::MAX,
        );
        assert!(!found.records.is_empty(), "{entry} can be found by key");
    }
}

/// The only record in which e5 and e6 differ is the one with the flipped byte.
fn fix_e6(entry: &str) -> String {
    let place: Vec<&str> = entry.split('|').take(5).collect();
    if place[3] != "8872" {
        return entry.to_owned();
    }
    let place = place.join("|");
    expected_entries(&unpack("e11")).into_iter().find(|e| e.starts_with(&place)).unwrap()
}

#[test]
fn file_of_wrong_size_is_refused_and_nothing_changes() {
    let golden = unpack("e7");
    let before = std::fs::read(golden.root().join("abort")).unwrap();
    let error = FileStore::open(golden.config(), now(0)).unwrap_err();
    assert!(matches!(error, StoreError::WrongSize { actual: 130_072, expected: 131_072, .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("commitlog/00000000000000786432 has 130072 bytes"), "{text}");
    assert_eq!(std::fs::read(golden.root().join("abort")).unwrap(), before);
    assert!(golden.root().join("commitlog/00000000000000917504").exists());
}

#[test]
fn queues_ahead_of_a_cleanly_closed_log_are_cut() {
    check_as_expected("e10", true);
}

#[test]
fn lost_queues_are_rebuilt_after_a_clean_stop() {
    check_as_expected("e11", true);
    let golden = unpack("e13");
    let mut config = golden.config();
    config.consume_queue_file_size = 400;
    let (store, report) = open(config);
    check(&golden, &store, &report, true);
}

#[test]
fn lost_log_takes_queues_and_index_along() {
    let golden = unpack("b-kill9");
    std::fs::remove_dir_all(golden.root().join("commitlog")).unwrap();
    let (mut store, report) = open(golden.config());
    assert_eq!((report.log_end, store.log_bounds().max, store.queues().len()), (0, 0, 0));
    append_after(&mut store);
}
