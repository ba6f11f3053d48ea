//! What is written comes back: after a clean stop, after a kill, and after the tail was torn.

mod common;

use std::fs;
use std::os::unix::fs::FileExt;

use common::{Scratch, drain, message, now, open, read, small_config};
use sansmq_core::message::batch::{BatchItem, push_item};
use sansmq_core::message::{record, sysflag};
use sansmq_core::store::{AppendError, NewMessage, ReadStatus, Store};
use sansmq_store::FileStore;

fn body(n: usize) -> Vec<u8> {
    format!("message {n} ").into_bytes().repeat(1 + n % 40)
}

/// Appends `count` messages over three queues, starting with number `from`.
fn fill(store: &mut FileStore, from: usize, count: usize) -> Vec<u64> {
    let add = |n: usize| {
        let key = format!("key{n}");
        let properties = format!("UNIQ_KEY\x01{key}\x02TAGS\x01A\x02");
        let body = body(n);
        let parts: [&[u8]; 1] = [properties.as_bytes()];
        let message =
            NewMessage { properties: &parts, ..message("Topic", (n % 3) as i32, &body, Some(&key)) };
        store.append(now(n as u64), &message).unwrap().offset
    };
    (from..from + count).map(add).collect()
}

/// Checks that messages `0..count` of [`fill`] are all there, in order, once.
fn check(store: &FileStore, count: usize) {
    for queue_id in 0..3 {
        let numbers: Vec<usize> = (0..count).filter(|n| n % 3 == queue_id).collect();
        let records = drain(store, "Topic", queue_id as i32);
        assert_eq!(records.len(), numbers.len(), "queue {queue_id}");
        for (at, (bytes, n)) in records.iter().zip(numbers).enumerate() {
            let r = record::decode(bytes).unwrap();
            assert_eq!((r.queue_offset, r.body), (at as i64, body(n).as_slice()));
        }
    }
    for n in 0..count {
        let hits = store.query_index("Topic", &format!("key{n}"), 64, 0, i64::MAX);
        assert_eq!(hits.records.len(), 1, "key{n}");
    }
}

#[test]
fn clean_restart() {
    let dir = Scratch::new();
    let config = small_config(dir.path());
    let (mut store, report) = open(config.clone());
    assert!(report.clean && report.log_end == 0);
    assert_eq!(fs::read(dir.path().join("abort")).unwrap(), b"4711");
    fill(&mut store, 0, 100);
    check(&store, 100);
    let end = store.log_bounds().max;
    store.close(now(200));
    assert_eq!(store.append(now(201), &message("Topic", 0, b"x", None)), Err(AppendError::NotWritable));
    assert_eq!(store.log_bounds().durable, end);
    drop(store);
    assert!(!dir.path().join("abort").exists());

    let (mut store, report) = open(config);
    assert!(report.clean);
    assert_eq!((report.log_end, report.scans, store.log_bounds().durable), (end, 1, end));
    assert!(report.scanned_from > 0, "only the last file is looked at");
    check(&store, 100);
    fill(&mut store, 100, 50);
    check(&store, 150);
}

#[test]
fn killed_again_and_again() {
    let dir = Scratch::new();
    let config = small_config(dir.path());
    let mut count = 0;
    for step in [1, 7, 30, 0, 55, 2] {
        let (mut store, report) = open(config.clone());
        assert_eq!(report.clean, count == 0 && step == 1);
        check(&store, count);
        fill(&mut store, count, step);
        count += step;
        check(&store, count);
        if step == 30 {
            common::run_jobs(&mut store, now(1));
        }
        store.crash();
    }
    let (store, _) = open(config);
    check(&store, count);
}

#[test]
fn torn_tails_cut_the_last_record_and_nothing_else() {
    for damage in 0..8 {
        let dir = Scratch::new();
        let config = small_config(dir.path());
        let (mut store, _) = open(config.clone());
        let offsets = fill(&mut store, 0, 60);
        let end = store.log_bounds().max;
        store.crash();
        let last = *offsets.last().unwrap();
        let base = last / 4096 * 4096;
        let path = dir.path().join(format!("commitlog/{base:020}"));
        let log = fs::File::options().write(true).open(path).unwrap();
        let at = last - base;
        match damage {
            0 => log.write_all_at(&[0; 8], at), // header never written
            1 => log.write_all_at(&vec![0; (end - last - 100) as usize], at + 100), // cut inside the body
            2 => log.write_all_at(&[0xFF; 4], at), // negative size
            3 => log.write_all_at(&[0x7F; 4], at), // size behind the file
            4 => log.write_all_at(&[1], at + 5), // magic
            5 => log.write_all_at(&[1], at + 28), // another position
            6 => log.write_all_at(&[0xAA], at + 90), // body
            _ => log.write_all_at(&[0xFF; 4], at + 84), // body length
        }
        .unwrap();
        let (mut store, report) = open(config.clone());
        assert_eq!(report.log_end, last, "damage {damage}");
        assert_eq!(store.log_bounds().max, last);
        check(&store, 59);
        // the cut is durable: the remains are zeros now
        assert_eq!(
            fs::read(dir.path().join(format!("commitlog/{base:020}"))).unwrap()[at as usize..][..8],
            [0; 8]
        );
        fill(&mut store, 59, 20);
        check(&store, 79);
        store.crash();
        check(&open(config).0, 79);
    }
}

#[test]
fn stale_records_behind_the_tail_are_not_revived() {
    let dir = Scratch::new();
    let config = small_config(dir.path());
    let (mut store, _) = open(config.clone());
    for n in 0..8 {
        store.append(now(n), &message("Topic", 0, &[1; 100], None)).unwrap();
    }
    store.crash();
    // the second record is damaged: it and everything behind it go
    let log =
        fs::File::options().write(true).open(dir.path().join("commitlog/00000000000000000000")).unwrap();
    let size = 91 + 5 + 100 + 7;
    log.write_all_at(&[9], size + 100).unwrap();
    let (mut store, report) = open(config.clone());
    assert_eq!(report.log_end, size);
    // a new record of the same size ends exactly where the old third one began
    store.append(now(50), &message("Topic", 0, &[2; 100], None)).unwrap();
    store.crash();
    let (store, report) = open(config);
    assert_eq!((report.log_end, report.stopped_by), (2 * size, None));
    assert_eq!(store.queue_bounds("Topic", 0, u64::MAX).unwrap().max, 2);
}

#[test]
fn damaged_queues_are_repaired_after_a_kill() {
    let dir = Scratch::new();
    let config = small_config(dir.path());
    let (mut store, _) = open(config.clone());
    fill(&mut store, 0, 90);
    store.crash();
    // zero an entry in the middle of one queue, scramble one, remove another's last file and the index
    let queue = |id: u32, base: u64| dir.path().join(format!("consumequeue/Topic/{id}/{base:020}"));
    fs::File::options().write(true).open(queue(0, 200)).unwrap().write_all_at(&[0; 60], 20).unwrap();
    fs::File::options().write(true).open(queue(1, 400)).unwrap().write_all_at(&[5; 33], 7).unwrap();
    fs::remove_file(queue(2, 400)).unwrap();
    fs::remove_dir_all(dir.path().join("index")).unwrap();
    let (store, _) = open(config);
    check(&store, 90);
}

#[test]
fn batches_are_whole_and_survive() {
    let dir = Scratch::new();
    let config = small_config(dir.path());
    let (mut store, _) = open(config.clone());
    fill(&mut store, 0, 6);
    let mut batch = Vec::new();
    for n in 0..12 {
        let props = format!("UNIQ_KEY\x01b{n}");
        push_item(&mut batch, &BatchItem { flag: n, body: &[n as u8; 90], properties: props.as_bytes() });
    }
    let mut offsets = Vec::new();
    let first = store.append_batch(now(9), &message("Batch", 0, &batch, None), &mut offsets).unwrap();
    let second = store.append_batch(now(9), &message("Batch", 0, &batch, None), &mut offsets).unwrap();
    assert_eq!((first.queue_offset, second.queue_offset, offsets.len()), (0, 12, 24));
    assert_eq!(second.offset / 4096, (second.end - 1) / 4096, "a batch lies in one file");
    let mut cut = batch.clone();
    cut.truncate(batch.len() - 1);
    let before = store.log_bounds();
    let refused = store.append_batch(now(9), &message("Batch", 0, &cut, None), &mut offsets);
    assert_eq!((refused, store.log_bounds()), (Err(AppendError::MessageIllegal), before));
    store.crash();
    let (store, _) = open(config);
    let records = drain(&store, "Batch", 0);
    assert_eq!(records.len(), 24);
    assert!((0..24).all(|n| record::decode(&records[n]).unwrap().flag == n as i32 % 12));
    assert_eq!(store.query_index("Batch", "b3", 9, 0, i64::MAX).records.len(), 2);
}

#[test]
fn half_messages_stay_out_of_queues_across_restarts() {
    let dir = Scratch::new();
    let config = small_config(dir.path());
    let (mut store, _) = open(config.clone());
    let half = NewMessage { sys_flag: sysflag::TRANSACTION_PREPARED, ..message("T", 0, b"half", Some("h")) };
    let offset = store.append(now(1), &half).unwrap().offset;
    store.append(now(2), &message("T", 0, b"plain", None)).unwrap();
    store.crash();
    let (store, _) = open(config);
    assert_eq!(store.queue_bounds("T", 0, u64::MAX).unwrap().max, 1);
    assert!(store.record_at(offset).is_some());
}

#[test]
fn pulls_end_at_file_borders_and_limits() {
    let dir = Scratch::new();
    let (mut store, _) = open(small_config(dir.path()));
    for n in 0..25 {
        store.append(now(n), &message("Topic", 0, &[1; 50], None)).unwrap();
    }
    let first = read(&store, "Topic", 0, 0);
    assert_eq!((first.status, first.count, first.next_offset), (ReadStatus::Found, 10, 10));
    assert_eq!(first.records.len(), 1, "neighbours in the log come as one slice");
    assert_eq!(read(&store, "Topic", 0, 25).status, ReadStatus::OffsetOverflowOne);
    assert_eq!(drain(&store, "Topic", 0).len(), 25);
    store.delete_topic("Topic");
    assert_eq!(store.queue_bounds("Topic", 0, u64::MAX), None);
    assert_eq!(first.records[0].len() as u64, first.bytes, "what was read stays valid");
    assert_eq!(common::run_jobs(&mut store, now(1)) > 0, !dir.path().join("trash/0").exists());
    assert_eq!(store.append(now(99), &message("Topic", 0, b"again", None)).unwrap().queue_offset, 0);
}

/// A crash in the middle of a deletion can leave the directories of a topic that comes again as one of the other type.
#[test]
fn empty_directories_do_not_say_what_type_a_topic_is() {
    let dir = Scratch::new();
    fs::create_dir_all(dir.path().join("consumequeue/Topic/0")).unwrap();
    let (mut store, _) = open(small_config(dir.path()));
    let mut items = Vec::new();
    for n in 0..3 {
        push_item(&mut items, &BatchItem { flag: 0, body: &[n + 1; 20], properties: b"a\x01b" });
    }
    let parts: [&[u8]; 1] = [b"INNER_NUM\x013\x02"];
    let batch = NewMessage {
        sys_flag: sysflag::INNER_BATCH | sysflag::NEED_UNWRAP,
        properties: &parts,
        ..message("Topic", 0, &items, None)
    };
    assert_eq!(store.append(now(1), &batch).map(|done| done.queue_offset), Ok(0));
    let plain = store.append(now(2), &message("Topic", 0, b"one", None)).map(|done| done.offset);
    assert_eq!(plain, Err(AppendError::MessageIllegal), "now it is a topic of batches");
}
