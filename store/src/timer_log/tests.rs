use std::sync::Arc;

use sansmq_core::timer::{MAGIC_DEFAULT, WHEEL_LEN};

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
    let mut log = TimerLog::load(&disk, root, (SIZE, WHEEL_LEN), true).unwrap();
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

#[test]
fn slots_that_say_what_the_log_does_not_are_put_right() {
    let root = scratch("wheel");
    let mut log = open(&root);
    (0..300).for_each(|n| {
        put(&mut log, n);
    });
    drop(log);
    let mut log = open(&root);
    // one is right, one wrong, one missing; all others have no entries any more
    let slots = BTreeMap::from([(32, [7; SLOT_LEN]), (4096, [8; SLOT_LEN]), (1 << 20, [9; SLOT_LEN])]);
    log.repair_wheel(&slots).unwrap();
    let there = || {
        let bytes = std::fs::read(root.join("timerwheel")).unwrap();
        let slots = (0u64..).step_by(SLOT_LEN).zip(bytes.chunks_exact(SLOT_LEN));
        let used = slots.filter(|(_, slot)| slot.iter().any(|b| *b != 0));
        used.map(|(at, slot)| (at, slot.try_into().unwrap())).collect::<BTreeMap<u64, [u8; SLOT_LEN]>>()
    };
    assert_eq!(there(), slots);
    assert!(!log.doubts_wheel(), "until something is cut off");
    log.cut(52).unwrap();
    assert!(log.doubts_wheel());
    log.repair_wheel(&BTreeMap::new()).unwrap();
    assert_eq!(there(), BTreeMap::new());
}

#[test]
fn the_last_file_stays_though_its_messages_are_gone() {
    let root = scratch("expired");
    let mut log = open(&root);
    (0..20).for_each(|n| {
        put(&mut log, n);
    });
    // the third file cannot be created
    std::fs::create_dir_all(root.join("timerlog/00000000000000001080")).unwrap();
    assert!(log.reserve(0).is_err());
    log.want_flush();
    let end = log.flush().expect("wanted").end;
    assert_eq!(end, 1080);
    log.flushed(end);
    for path in log.take_expired(1_000) {
        std::fs::remove_file(path).unwrap();
    }
    std::fs::remove_dir(root.join("timerlog/00000000000000001080")).unwrap();
    drop(log);
    let log = open(&root);
    assert_eq!((log.min(), log.end()), (540, 1080), "positions are not given out again");
}
