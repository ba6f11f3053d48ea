//! The offline tools on the reference's stores and on damage of every kind; they never change anything.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use common::golden::unpack;
use common::{Scratch, message, now, open, small_config};
use sansmq_core::store::Store;
use sansmq_store::tools::{Report, for_each_record, look};

fn snapshot(dir: &Path, all: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            snapshot(&path, all);
        } else {
            let bytes = fs::read(&path).unwrap();
            let modified = fs::metadata(&path).unwrap().modified().unwrap();
            let digest = format!("{} {modified:?}", crc32fast::hash(&bytes));
            all.insert(path, digest);
        }
    }
}

fn verify(root: &Path) -> Report {
    let log: Vec<PathBuf> = Vec::new();
    look(root, &log, true).unwrap()
}

#[test]
fn intact_stores_of_the_reference_verify() {
    for name in ["a-clean", "a2-clean-lmq", "b-kill9", "f-options"] {
        let golden = unpack(name);
        let mut before = BTreeMap::new();
        snapshot(&golden.root(), &mut before);
        let report = verify(&golden.root());
        assert!(!report.is_damaged(), "{name}: {:?}", report.findings);
        let bounds = |key: &str, found| golden.expected[key].as_u64().unwrap_or(found);
        assert_eq!(report.log_start, bounds("commitLogMinOffset", report.log_start), "{name}");
        assert_eq!(report.log_end, bounds("commitLogMaxOffset", report.log_end), "{name}");
        let units: u64 = report.queues.iter().map(|queue| queue.ext_units).sum();
        assert_eq!(units > 0, name == "f-options", "{name}");
        for q in golden.list("queues") {
            let place = (q["topic"].as_str().unwrap(), q["queueId"].as_i64().unwrap() as i32);
            let found = report.queues.iter().find(|found| (found.topic.as_str(), found.queue_id) == place);
            let bounds = found.map(|found| (found.min, found.max));
            let expected = (q["minOffset"].as_i64().unwrap(), q["maxOffset"].as_i64().unwrap());
            assert!(bounds == Some(expected) || expected.1 == 0, "{name} {place:?} {bounds:?} {expected:?}");
        }
        let mut count = 0;
        for_each_record(&golden.root(), &[], 0, &mut |_| {
            count += 1;
            Ok(true)
        })
        .unwrap();
        assert_eq!((count, report.records), (report.records, count), "{name}");
        let mut after = BTreeMap::new();
        snapshot(&golden.root(), &mut after);
        assert_eq!(before, after, "looking changes nothing");
    }
}

#[test]
fn damaged_stores_of_the_reference_are_found_out() {
    // a flipped body byte, another one, a file of wrong length, queues ahead of a cleanly closed log
    for (name, word) in [
        ("e3", "checksum"),
        ("e6", "checksum"),
        ("e7", "130072 bytes"),
        ("e10", "the log ends at"),
        ("e11", "records for this queue"),
    ] {
        let report = verify(&unpack(name).root());
        let found = report.findings.iter().any(|finding| finding.what.contains(word));
        assert!(found, "{name}: {:?}", report.findings);
    }
    for name in ["e3", "e6", "e7", "e10"] {
        assert!(verify(&unpack(name).root()).is_damaged(), "{name}");
    }
    // what the next start repairs is no damage
    let torn = verify(&unpack("e2").root());
    assert!(!torn.is_damaged() && !torn.findings.is_empty(), "{:?}", torn.findings);
}

#[test]
fn missing_entries_of_light_and_batch_queues_and_missing_units_are_found() {
    let cases = [
        ("a2-clean-lmq", "consumequeue/%LMQ%alpha/0", "records for this queue"),
        ("a-clean", "batchconsumequeue/TopicInnerBatch/0", "records for this queue"),
        ("f-options", "consumequeue_ext/TopicA/0", "which is not there"),
    ];
    for (name, below, what) in cases {
        let golden = unpack(name);
        let dir = golden.root().join(below);
        assert!(dir.is_dir(), "{below}");
        for file in fs::read_dir(&dir).unwrap() {
            fs::remove_file(file.unwrap().path()).unwrap();
        }
        let report = verify(&golden.root());
        let found = report.findings.iter().any(|f| f.is_damage && f.what.contains(what));
        assert!(found, "{name}: {:?}", report.findings);
    }
}

#[test]
fn own_stores_verify_and_damage_is_located() {
    let dir = Scratch::new();
    let (mut store, _) = open(small_config(dir.path()));
    for n in 0..60 {
        store.append(now(n), &message("Topic", (n % 3) as i32, &[n as u8 + 1; 300], Some("key"))).unwrap();
    }
    store.close(now(61));
    drop(store);
    let report = verify(dir.path());
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!((report.records, report.queues.len(), report.clean), (60, 3, true));
    assert_eq!(report.durable, Some((report.log_end, report.log_end)));

    let open = |path: &str| fs::File::options().write(true).open(dir.path().join(path)).unwrap();
    open("commitlog/00000000000000004096").write_all_at(&[0xEE], 200).unwrap();
    open("consumequeue/Topic/1/00000000000000000200").write_all_at(&[1], 7).unwrap();
    fs::remove_file(dir.path().join("commitlog/00000000000000008192")).unwrap();
    let report = verify(dir.path());
    let has = |path: &str, what: &str| {
        let mut all = report.findings.iter();
        all.any(|f| f.path.ends_with(path) && f.what.contains(what) && f.is_damage)
    };
    assert!(has("commitlog/00000000000000004096", "checksum"), "{:?}", report.findings);
    assert!(has("commitlog/00000000000000012288", "a gap"), "{:?}", report.findings);
    assert!(has("Topic/1/00000000000000000200", "entry 10 leads"), "{:?}", report.findings);
    assert!(look(&dir.path().join("nowhere"), &[], false).is_err());
}

#[test]
fn junk_never_stops_the_walk() {
    let mut dice = 88_172_645_463_325_252u64;
    let mut roll = move |sides: u64| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice % sides
    };
    let dir = Scratch::new();
    let (mut store, _) = open(small_config(dir.path()));
    for n in 0..40 {
        store.append(now(n), &message("Topic", 0, &[1; 300], Some("key"))).unwrap();
    }
    store.crash();
    let mut files = BTreeMap::new();
    snapshot(dir.path(), &mut files);
    let files: Vec<PathBuf> = files.into_keys().collect();
    for _ in 0..200 {
        let path = &files[roll(files.len() as u64) as usize];
        let len = fs::metadata(path).unwrap().len().max(1);
        let junk: Vec<u8> = (0..1 + roll(30)).map(|_| roll(256) as u8).collect();
        fs::File::options().write(true).open(path).unwrap().write_all_at(&junk, roll(len)).unwrap();
        verify(dir.path());
    }
}
