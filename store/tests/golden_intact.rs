//! Stores the reference broker left behind in good order (or killed without damage): everything it reads
//! from them must be read here, byte for byte.

mod common;

use std::collections::BTreeMap;

use common::golden::{Golden, unpack};
use common::{Scratch, drain, now, open, sha256};
use sansmq_core::message::{id, properties, record};
use sansmq_core::store::{Boundary, Store};
use sansmq_store::{FileStore, StoreConfig};
use serde_json::Value;

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn int(value: &Value, name: &str) -> i64 {
    value[name].as_i64().unwrap_or_else(|| panic!("{name} in {value}"))
}

fn check_messages(store: &FileStore, golden: &Golden) {
    for m in golden.list("messages") {
        let offset = int(m, "commitLogOffset") as u64;
        let bytes = store.record_at(offset).unwrap_or_else(|| panic!("no record at {offset}"));
        let r = record::decode(&bytes).unwrap();
        assert_eq!(sha256::hex(&bytes), text(m, "recordSha256"), "record at {offset}");
        assert_eq!(bytes.len() as i64, int(m, "storeSize"));
        assert_eq!(format!("{:08x}", r.version.magic()), text(m, "magic"));
        assert_eq!(i64::from(r.body_crc), int(m, "bodyCRC"));
        assert!(r.body_is_intact());
        assert_eq!(r.body.len() as i64, int(m, "bodyLen"));
        assert_eq!(sha256::hex(r.body), text(m, "bodySha256"));
        let topic = m["recordTopic"].as_str().unwrap_or(text(m, "topic"));
        assert_eq!(r.topic_str(), Some(topic));
        assert_eq!(r.born_timestamp, int(m, "bornTimestamp"));
        assert_eq!(r.store_timestamp, int(m, "storeTimestamp"));
        assert_eq!(i64::from(r.flag), int(m, "flag"));
        assert_eq!(i64::from(r.sys_flag), int(m, "sysFlag"));
        assert_eq!(i64::from(r.reconsume_times), int(m, "reconsumeTimes"));
        assert_eq!(r.prepared_transaction_offset, int(m, "preparedTransactionOffset"));
        assert_eq!(id::encode(r.store_host, offset), text(m, "offsetMsgId"));
        let found: BTreeMap<&str, &str> = properties::pairs(r.properties)
            .map(|(k, v)| (std::str::from_utf8(k).unwrap(), std::str::from_utf8(v).unwrap()))
            .collect();
        let expected: BTreeMap<&str, &str> = m["properties"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str().unwrap()))
            .filter(|(_, v)| !v.is_empty())
            .collect();
        assert_eq!(found, expected, "properties at {offset}");

        // a light queue numbers its messages itself, the record has the number in its own queue
        let elsewhere = m.get("recordTopic").is_some() || m.get("recordQueueId").is_some();
        if !elsewhere {
            let (queue_id, at) = (int(m, "queueId") as i32, int(m, "queueOffset"));
            let entry = store.queue_entry(text(m, "topic"), queue_id, at).unwrap();
            assert_eq!((entry.offset, u64::from(entry.size)), (offset, bytes.len() as u64));
            assert_eq!(store.store_time(text(m, "topic"), queue_id, at), Some(r.store_timestamp));
        }
    }
}

fn check_queues(store: &FileStore, golden: &Golden) {
    let mut known = 0;
    for q in golden.list("queues") {
        let (topic, queue_id) = (text(q, "topic"), int(q, "queueId") as i32);
        let bounds =
            store.queue_bounds(topic, queue_id, u64::MAX).unwrap_or_else(|| panic!("{topic}/{queue_id}"));
        assert_eq!(
            (bounds.min, bounds.max),
            (int(q, "minOffset"), int(q, "maxOffset")),
            "{topic}/{queue_id}"
        );
        let pulled: Vec<String> = drain(store, topic, queue_id).iter().map(|r| sha256::hex(r)).collect();
        let expected: Vec<&str> = golden
            .list("messages")
            .iter()
            .filter(|m| text(m, "topic") == topic && int(m, "queueId") == i64::from(queue_id))
            .map(|m| text(m, "recordSha256"))
            .collect();
        assert_eq!(pulled, expected, "pulled from {topic}/{queue_id}");
        known += 1;
    }
    assert_eq!(store.queues().len(), known, "no queue that the reference does not have");
}

fn check_keys(store: &FileStore, golden: &Golden) {
    for q in golden.list("byKey") {
        let hits = store.query_index(text(q, "topic"), text(q, "key"), 64, 0, i64::MAX);
        let offsets: Vec<i64> =
            hits.records.iter().map(|r| record::decode(r).unwrap().physical_offset).collect();
        let expected: Vec<i64> =
            q["commitLogOffsets"].as_array().unwrap().iter().map(|o| o.as_i64().unwrap()).collect();
        assert_eq!(offsets, expected, "{q}");
        assert_eq!(hits.last_update_offset.to_string(), text(q, "indexLastUpdatePhyoffset"));
    }
}

fn check_times(store: &FileStore, golden: &Golden) {
    for q in golden.list("byTime") {
        let find = |boundary| {
            store.offset_by_time(text(q, "topic"), int(q, "queueId") as i32, int(q, "timestamp"), boundary)
        };
        assert_eq!((find(Boundary::Lower), find(Boundary::Upper)), (int(q, "lower"), int(q, "upper")), "{q}");
    }
}

fn check_everything(store: &FileStore, golden: &Golden) {
    if let Some(end) = golden.expected["commitLogMaxOffset"].as_u64() {
        assert_eq!((store.log_bounds().min, store.log_bounds().max), (0, end));
    }
    check_messages(store, golden);
    check_queues(store, golden);
    check_keys(store, golden);
    check_times(store, golden);
}

/// Opens, checks, closes in order, opens again and checks again; then once more after a kill.
fn check_golden(name: &str, config: impl Fn(&Golden) -> StoreConfig) {
    let golden = unpack(name);
    for stage in ["as found", "after a clean stop", "after a kill"] {
        let (mut store, report) = open(config(&golden));
        assert_eq!(report.stopped_by, None, "{name} {stage}");
        check_everything(&store, &golden);
        if stage == "as found" {
            store.close(now(1));
            assert!(!golden.root().join("abort").exists());
        } else {
            store.crash();
            assert!(golden.root().join("abort").exists());
        }
    }
}

#[test]
fn clean_stop_with_all_kinds_of_messages() {
    check_golden("a-clean", Golden::config);
}

#[test]
fn a_rebuild_gives_the_same_batch_queue() {
    let golden = unpack("a-clean");
    let units = golden.root().join("batchconsumequeue/TopicInnerBatch/0/00000000000000000000");
    let before = std::fs::read(&units).unwrap();
    std::fs::remove_dir_all(golden.root().join("batchconsumequeue")).unwrap();
    std::fs::remove_dir_all(golden.root().join("consumequeue")).unwrap();
    let (mut store, _) = open(golden.config());
    check_queues(&store, &golden);
    store.close(now(1));
    assert_eq!(std::fs::read(&units).unwrap(), before, "byte for byte");
}

#[test]
fn light_queues_and_long_topics() {
    check_golden("a2-clean-lmq", Golden::config);
}

#[test]
fn killed_while_sending() {
    check_golden("b-kill9", Golden::config);
}

#[test]
fn log_spread_over_directories() {
    check_golden("c-multipath", |golden| {
        let dir = |name: &str| golden.dir.path().join(name);
        StoreConfig {
            commit_log_dirs: vec![dir("cl1"), dir("cl2"), dir("cl3")],
            read_only_commit_log_dirs: vec![dir("cl1")],
            ..golden.config()
        }
    });
}

#[test]
fn ipv6_hosts() {
    check_golden("f-options", Golden::config);
}

#[test]
fn digests_are_computed_right() {
    let _unused = Scratch::new();
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(sha256::hex(b""), empty);
}
