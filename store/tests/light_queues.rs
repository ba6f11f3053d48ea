//! Light queues (LMQ) and the checksum of whole records: what appends give out is what a rebuild finds.

mod common;

use std::collections::BTreeMap;

use common::golden::unpack;
use common::{Scratch, message, now, open, small_config};
use sansmq_core::message::{light, properties, record};
use sansmq_core::store::{AppendError, NewMessage, QueueBounds, Store};
use sansmq_store::{FileStore, StoreConfig};

fn config(dir: &Scratch) -> StoreConfig {
    StoreConfig { enable_lmq: true, ..small_config(dir.path()) }
}

fn append(store: &mut FileStore, topic: &str, names: &str, body: &[u8]) -> Result<u64, AppendError> {
    let text = format!("WAIT\x01true\x02INNER_MULTI_DISPATCH\x01{names}");
    let parts: [&[u8]; 2] = [text.as_bytes(), b"\x02TAGS\x01A\x02"];
    let plain = message(topic, 0, body, None);
    store.append(now(1), &NewMessage { properties: &parts, ..plain }).map(|done| done.offset)
}

type Entries = BTreeMap<(String, i32), Vec<u64>>;

fn entries(store: &FileStore) -> Entries {
    let list = |topic: &str, id, bounds: QueueBounds| {
        (bounds.min..bounds.max).filter_map(|at| Some(store.queue_entry(topic, id, at)?.offset)).collect()
    };
    let all = store.queues();
    all.into_iter().map(|(topic, id, bounds)| ((topic.clone(), id), list(&topic, id, bounds))).collect()
}

fn offsets_given(store: &FileStore, at: u64) -> Option<String> {
    let bytes = store.record_at(at)?;
    let found = record::decode(&bytes).ok()?;
    properties::get(found.properties, light::OFFSETS).map(str::to_owned)
}

quickcheck::quickcheck! {
    fn offsets_are_unique_and_dense_and_survive_a_rebuild(history: Vec<(u8, u8, u8)>) -> bool {
        let dir = Scratch::new();
        let (mut store, _) = open(config(&dir));
        let mut expected = Entries::new();
        for (topic, names, body) in history.into_iter().take(150) {
            let topic = ["A", "B", "%LMQ%q0", "%RETRY%g"][usize::from(topic % 4)];
            let names: Vec<String> =
                (0..4).filter(|n| names >> n & 1 == 1).map(|n| format!("%LMQ%q{n}")).collect();
            let at = append(&mut store, topic, &names.join(","), &vec![7; usize::from(body) + 1]).unwrap();
            expected.entry((topic.to_owned(), 0)).or_default().push(at);
            let mut given = Vec::new();
            for name in names.iter().filter(|_| light::applies_to(topic)) {
                let queue = expected.entry((name.clone(), 0)).or_default();
                if topic != name {
                    queue.push(at);
                }
                given.push((queue.len() - 1).to_string());
            }
            let said = offsets_given(&store, at);
            assert_eq!(said, (!given.is_empty()).then(|| given.join(",")));
        }
        assert_eq!(entries(&store), expected);
        store.crash();
        for name in ["consumequeue", "index", "checkpoint"] {
            let path = dir.path().join(name);
            let _ = std::fs::remove_dir_all(&path);
            let _ = std::fs::remove_file(&path);
        }
        let (store, _) = open(config(&dir));
        entries(&store) == expected
    }
}

#[test]
fn no_message_for_light_queues_while_there_are_too_many() {
    let dir = Scratch::new();
    let (mut store, _) = open(StoreConfig { max_light_queues: 2, ..config(&dir) });
    append(&mut store, "A", "%LMQ%a,%LMQ%b,%LMQ%c", b"x").unwrap();
    assert_eq!(append(&mut store, "A", "%LMQ%a", b"x"), Err(AppendError::TooManyLightQueues));
    assert!(store.append(now(1), &message("A", 0, b"plain", None)).is_ok());
    store.delete_topic("%LMQ%c");
    assert!(append(&mut store, "A", "%LMQ%a", b"x").is_ok());
}

#[test]
fn a_rebuild_of_the_reference_s_light_queues_gives_the_same() {
    let golden = unpack("a2-clean-lmq");
    let (store, _) = open(golden.config());
    let found = entries(&store);
    assert!(found.keys().any(|(topic, _)| light::is_light(topic)));
    drop(store);
    std::fs::remove_dir_all(golden.root().join("consumequeue")).unwrap();
    let (store, _) = open(golden.config());
    assert_eq!(entries(&store), found);
}

#[test]
fn checksums_of_whole_records_are_written_and_checked() {
    let golden = unpack("f-options");
    let config = StoreConfig { append_prop_crc: true, verify_prop_crc: true, ..golden.config() };
    std::fs::write(golden.root().join("abort"), "1").unwrap();
    let (mut store, report) = open(config.clone());
    assert_eq!(report.stopped_by, None, "the reference's checksums are right");
    let before = report.log_end;
    let first = store.append(now(1), &message("CrcTopic", 0, b"first", Some("k"))).unwrap();
    let second = store.append(now(1), &message("CrcTopic", 0, b"second", None)).unwrap();
    store.crash();
    let (store, report) = open(config.clone());
    assert_eq!((report.stopped_by, report.log_end), (None, second.end));
    store.crash();

    // one bit of a property: the body's checksum does not see it
    let size = config.commit_log_file_size;
    let file = golden.root().join(format!("commitlog/{:020}", second.offset / size * size));
    let mut bytes = std::fs::read(&file).unwrap();
    let at = (second.end - first.offset.min(second.offset / size * size)) as usize;
    let at = at.min((second.end % size) as usize) - 22;
    bytes[at] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let unchecked = StoreConfig { verify_prop_crc: false, ..config.clone() };
    let (store, report) = open(unchecked);
    assert_eq!(report.log_end, second.end);
    store.crash();
    let (_, report) = open(config);
    assert_eq!(report.log_end, first.end, "{report:?}");
    assert!(report.stopped_by.is_some_and(|why| why.contains("checksum")) && before < first.end);
}

#[test]
fn batches_get_a_checksum_for_each_record_and_no_forged_offsets() {
    use sansmq_core::message::batch::{BatchItem, push_item};
    use sansmq_core::message::prop_crc;
    let dir = Scratch::new();
    let (mut store, _) = open(StoreConfig { append_prop_crc: true, ..config(&dir) });
    let mut body = Vec::new();
    let text = b"INNER_MULTI_DISPATCH\x01%LMQ%a\x02INNER_MULTI_QUEUE_OFFSET\x019";
    for _ in 0..3 {
        push_item(&mut body, &BatchItem { flag: 0, body: b"item", properties: text });
    }
    let mut offsets = Vec::new();
    store.append_batch(now(1), &message("A", 0, &body, None), &mut offsets).unwrap();
    assert_eq!(offsets.len(), 3);
    for at in offsets {
        let bytes = store.record_at(at).unwrap();
        let found = record::decode(&bytes).unwrap();
        assert_eq!(prop_crc::is_intact(&bytes, &found), Some(true));
        assert_eq!(found.property(light::OFFSETS), None);
    }
    assert_eq!(store.queues().len(), 1);
}
