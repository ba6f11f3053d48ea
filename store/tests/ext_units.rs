//! Extension units (`enableConsumeQueueExt`): those of the reference are read, ours have its bytes, and entries
//! and units agree after kills, cuts, deletions and expiry.

mod common;

use std::path::PathBuf;

use common::golden::unpack;
use common::{Scratch, message, now, open, small_config};
use sansmq_core::message::tags;
use sansmq_core::store::{NewMessage, ReadRequest, Store, TagFilter, TagsCode};
use sansmq_store::{FileStore, StoreConfig};

fn files(config: &StoreConfig, below: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let dir = config.root.join(below);
    let Ok(listing) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut found: Vec<PathBuf> = listing.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

fn config(dir: &Scratch) -> StoreConfig {
    StoreConfig { enable_ext: true, ..small_config(dir.path()) }
}

fn append(store: &mut FileStore, n: i64) {
    let tag = ["A", "B", "C"][(n % 3) as usize];
    let text = format!("TAGS\x01{tag}\x02");
    let parts: [&[u8]; 1] = [text.as_bytes()];
    let tags_code = TagsCode::Tags(tags::tags_code(Some(tag)));
    let tagged = NewMessage { tags_code, properties: &parts, ..message("T", 0, b"body", None) };
    store.append(now(1), &tagged).unwrap();
}

/// Offsets of the messages that pass the filter for the tag of every third message.
fn matching(store: &FileStore, tag: usize) -> Vec<i64> {
    let code = tags::java_hash(["A", "B", "C"][tag]);
    let mut request = ReadRequest {
        topic: "T",
        queue_id: 0,
        offset: 0,
        max_count: 32,
        filter: TagFilter::Codes(&[code]),
        visible_end: u64::MAX,
    };
    let bounds = store.queue_bounds("T", 0, u64::MAX).unwrap();
    let mut found = Vec::new();
    request.offset = bounds.min;
    while request.offset < bounds.max {
        request.max_count = 1;
        let result = store.read(&request);
        if result.count > 0 {
            found.push(result.next_offset - 1);
        }
        request.offset = result.next_offset;
    }
    found
}

#[test]
fn the_units_of_the_reference_tell_the_tags() {
    let golden = unpack("f-options");
    let (mut store, _) = open(golden.config());
    for m in golden.list("messages").iter().filter(|m| m["topic"] == "TopicA") {
        let place = (m["queueId"].as_i64().unwrap() as i32, m["queueOffset"].as_i64().unwrap());
        let entry = store.queue_entry("TopicA", place.0, place.1).unwrap();
        let expected = tags::tags_code(m["properties"]["TAGS"].as_str());
        assert_eq!(entry.tags_code, expected, "{place:?}");
    }
    store.close(now(1));
    drop(store);
    let plain = StoreConfig { enable_ext: false, ..golden.config() };
    let (store, _) = open(plain);
    assert!(
        store.queue_entry("TopicA", 0, 0).unwrap().tags_code < i64::from(i32::MIN),
        "an address stays one"
    );
}

#[test]
fn a_rebuild_writes_the_bytes_of_the_reference() {
    let golden = unpack("f-options");
    let config = golden.config();
    let read = || {
        let all = (0..4)
            .flat_map(|id| [format!("consumequeue_ext/TopicA/{id}"), format!("consumequeue/TopicA/{id}")]);
        all.map(|below| files(&config, &below)).collect::<Vec<_>>()
    };
    let before = read();
    assert!(before.iter().all(|files| !files.is_empty()));
    std::fs::remove_dir_all(config.root.join("consumequeue")).unwrap();
    let (mut store, _) = open(config.clone());
    store.close(now(1));
    drop(store);
    assert!(read() == before, "byte for byte");
}

#[test]
fn units_survive_kills_and_lost_ones_are_written_again() {
    let dir = Scratch::new();
    let config = config(&dir);
    let (mut store, _) = open(config.clone());
    (0..40).for_each(|n| append(&mut store, n));
    let expected: Vec<i64> = (0..40).filter(|n| n % 3 == 1).collect();
    assert_eq!(matching(&store, 1), expected);
    store.crash();
    let (mut store, _) = open(config.clone());
    assert_eq!(matching(&store, 1), expected);
    store.close(now(1));
    drop(store);
    let whole = files(&config, "consumequeue_ext/T/0");

    // a unit in the middle is gone, as after a power failure
    let (path, bytes) = &whole[1];
    std::fs::write(path, [&[0; 20], &bytes[20..]].concat()).unwrap();
    std::fs::write(config.root.join("abort"), "1").unwrap();
    std::fs::remove_file(config.root.join("checkpoint")).unwrap();
    let (mut store, _) = open(config.clone());
    assert_eq!(matching(&store, 1), expected);
    store.close(now(1));
    drop(store);
    assert!(files(&config, "consumequeue_ext/T/0") == whole);

    // after an orderly end nothing is rebuilt: filters let everything pass, and no address is used twice
    std::fs::remove_dir_all(config.root.join("consumequeue_ext")).unwrap();
    let (mut store, _) = open(config.clone());
    assert_eq!(matching(&store, 1).len(), 40);
    (40..43).for_each(|n| append(&mut store, n));
    assert_eq!(matching(&store, 1), (0..40).chain([40]).collect::<Vec<_>>());
    store.close(now(1));
}

#[test]
fn switched_on_and_off_and_on_again() {
    let dir = Scratch::new();
    let on = config(&dir);
    let off = StoreConfig { enable_ext: false, ..on.clone() };
    for (round, config) in [&off, &on, &off, &on].into_iter().enumerate() {
        let (mut store, _) = open(config.clone());
        (0..9).for_each(|n| append(&mut store, n));
        if config.enable_ext {
            let every = (round as i64 + 1) * 9;
            let expected: Vec<i64> = (0..every).filter(|n| n % 3 == 2).collect();
            assert_eq!(matching(&store, 2), expected);
        }
        store.close(now(1));
    }
}

#[test]
fn units_go_with_the_topic() {
    let dir = Scratch::new();
    let config = config(&dir);
    let (mut store, _) = open(config.clone());
    (0..20).for_each(|n| append(&mut store, n));
    store.delete_topic("T");
    assert!(!config.root.join("consumequeue_ext/T").exists());
    while let Some(job) = store.poll_job() {
        store.complete(now(1), FileStore::run(job));
    }
    assert!(std::fs::read_dir(config.root.join("trash")).map_or(true, |mut left| left.next().is_none()));
    append(&mut store, 1);
    assert_eq!(matching(&store, 1), [0]);
    assert_eq!(files(&config, "consumequeue_ext/T/0").len(), 1);
}
