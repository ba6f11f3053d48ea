use std::sync::Arc;

use sansmq_core::timer::MAGIC_DEFAULT;

use super::*;
use crate::disk::RealDisk;

const SIZE: u64 = 540;

fn scratch(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("sansmq-timer-log-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

fn open(root: &Path) -> TimerLog {
    let disk: DiskRef = Arc::new(RealDisk::default());
    let mut log = TimerLog::load(&disk, root, SIZE, true).unwrap();
    log.recover().unwrap();
    log
}

fn put(log: &mut TimerLog, n: i64) -> u64 {
    log.reserve(u64::try_from(n).unwrap() * 32).unwrap();
    let entry = TimerEntry { prev: -1, magic: MAGIC_DEFAULT, offset: n, size: 1, ..TimerEntry::default() };
    let position = log.push(&entry).unwrap();
    log.put_slot(u64::try_from(n).unwrap() * 32, &[7; SLOT_LEN]);
    position
}

fn all(log: &TimerLog) -> Vec<(u64, i64)> {
    let mut found = Vec::new();
    let mut position = 0;
    while let Some((at, entry)) = log.entry(position) {
        found.push((at, entry.offset));
        position = at + ENTRY;
    }
    found
}

#[test]
fn files_end_in_filler_as_the_reference_writes_it() {
    let root = scratch("filler");
    let mut log = open(&root);
    let positions: Vec<u64> = (0..12).map(|n| put(&mut log, n)).collect();
    assert_eq!(positions[8..], [416, 468, 540, 592]);
    let first = std::fs::read(root.join("timerlog/00000000000000000000")).unwrap();
    assert_eq!(
        (first.len(), &first[520..524], &first[532..536]),
        (540, &[0, 0, 0, 20][..], &[0xCB, 0xD4, 0x31, 0x94][..])
    );
    assert_eq!(std::fs::metadata(root.join("timerwheel")).unwrap().len(), 38_707_200);
    drop(log);
    let log = open(&root);
    assert_eq!(all(&log), positions.into_iter().zip(0..).collect::<Vec<_>>());
    assert_eq!((log.end(), log.durable()), (644, 644));
}

#[test]
fn nothing_behind_a_cut_comes_back() {
    let root = scratch("cut");
    let mut log = open(&root);
    (0..25).for_each(|n| {
        put(&mut log, n);
    });
    log.cut(592).unwrap();
    assert_eq!((all(&log).len(), log.end()), (11, 592));
    assert_eq!(put(&mut log, 99), 592);
    drop(log);
    let log = open(&root);
    assert_eq!((all(&log).len(), all(&log)[11]), (12, (592, 99)));
    assert!(!root.join("timerlog/00000000000000001080").exists());
}

#[test]
fn a_flush_that_was_under_way_says_nothing_of_what_replaced_a_cut() {
    let root = scratch("cut-in-flight");
    let mut log = open(&root);
    for n in 0..4 {
        put(&mut log, n);
    }
    log.want_flush();
    let flush = log.flush().expect("wanted");
    assert_eq!(flush.end, 4 * ENTRY);
    log.cut(ENTRY).unwrap();
    for n in 10..14 {
        put(&mut log, n);
    }
    log.want_flush();
    assert!(log.flush().is_none(), "one at a time");
    log.flushed(flush.end);
    assert_eq!(log.durable(), ENTRY, "the new entries were not in it");
    let next = log.flush().expect("still wanted");
    log.flushed(next.end);
    assert_eq!(log.durable(), 5 * ENTRY);
}

#[test]
fn what_a_crash_left_behind_a_gap_is_removed() {
    for emptied in [true, false] {
        let root = scratch("gap");
        let mut log = open(&root);
        for n in 0..25 {
            put(&mut log, n);
        }
        drop(log);
        let middle = segments::path_of(&root.join("timerlog"), SIZE);
        if emptied { std::fs::write(&middle, b"") } else { std::fs::remove_file(&middle) }.unwrap();
        let mut log = open(&root);
        assert_eq!(all(&log).len(), 10, "a file's worth");
        assert_eq!(log.end(), 540);
        assert_eq!(put(&mut log, 30), 540);
        drop(log);
        assert_eq!(all(&open(&root)).last(), Some(&(540, 30)));
    }
}

#[test]
fn a_damaged_entry_ends_the_log() {
    let root = scratch("damage");
    let mut log = open(&root);
    (0..25).for_each(|n| {
        put(&mut log, n);
    });
    drop(log);
    let path = root.join("timerlog/00000000000000000540");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[3] = 9;
    std::fs::write(&path, bytes).unwrap();
    let mut log = open(&root);
    assert_eq!((all(&log).len(), log.end()), (10, 540));
    assert_eq!(put(&mut log, 5), 540);
}

#[test]
fn flushes_and_expiry_follow_the_positions() {
    let root = scratch("expiry");
    let mut log = open(&root);
    (0..25).for_each(|n| {
        put(&mut log, n);
    });
    assert!(log.flush().is_none(), "nobody asked");
    assert!(log.take_expired(100).is_empty(), "not durable");
    log.want_flush();
    let flush = log.flush().unwrap();
    assert!(log.flush().is_none(), "one at a time");
    assert_eq!((flush.ranges.len(), flush.dirs.len()), (4, 2));
    log.flushed(flush.end);
    assert!(log.take_expired(9).is_empty());
    assert_eq!(log.take_expired(10).len(), 1);
    assert_eq!((log.min(), all(&log)[0]), (540, (540, 10)));
    assert_eq!(log.take_expired(u64::MAX).len(), 1, "the file being written stays");
}
