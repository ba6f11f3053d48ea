//! Bytes that are not what they were.

use std::path::{Path, PathBuf};

use sansmq_core::raft::{RaftImage, RaftWrite};
use sansmq_store::disk::{Disk, SimDisk};
use sansmq_store::{RaftNote, StoreError};

use super::model::{open, record, sim};

fn file(name: &str) -> PathBuf {
    Path::new("/controller/sansmq-raft-n0").join(name)
}

const FIRST: &str = "log/00000000000000000000";
/// Where records begin.
const HEAD: usize = 4096;
/// A record with 100 bytes of data.
const RECORD: usize = 128;

/// A disk with everything on it: records 0 to 7 of 100 bytes, written two at a time, and one more that needs a
/// file of its own.
fn full() -> (SimDisk, RaftImage) {
    let disk = sim(3);
    let (mut raft, _) = open(&disk).unwrap();
    raft.write(&[RaftWrite::Vote("vote".into()), RaftWrite::Snapshot("snapshot".into())]).unwrap();
    for n in 0..4 {
        let two = vec![record(2 * n, [n as u8 + 1; 100]), record(2 * n + 1, [n as u8 + 1; 100])];
        raft.write(&[RaftWrite::Append(two)]).unwrap();
    }
    raft.write(&[RaftWrite::Append(vec![record(8, vec![9; 8 << 10])])]).unwrap();
    raft.write(&[RaftWrite::Purge { upto: 1, mark: "mark".into() }]).unwrap();
    drop(raft);
    let (raft, image) = open(&disk).unwrap();
    drop(raft);
    assert_eq!((image.log.len(), image.log[0].index), (7, 2));
    (disk, image)
}

fn change(disk: &SimDisk, name: &str, act: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = disk.read(&file(name)).unwrap().expect(name);
    act(&mut bytes);
    disk.write(&file(name), &bytes).unwrap();
}

/// Asserts that the disk is refused, twice and unchanged, and returns where and why.
fn refused(disk: &SimDisk, name: &str) -> (u64, String) {
    let before = disk.read(&file(name)).unwrap();
    let first = open(disk).expect_err(name);
    let second = open(disk).expect_err(name);
    assert_eq!(first.to_string(), second.to_string());
    assert_eq!(disk.read(&file(name)).unwrap(), before);
    match first {
        StoreError::RaftDamaged { path, offset, why } => {
            assert_eq!(path, file(name));
            (offset, why)
        }
        other => panic!("{name}: {other}"),
    }
}

#[test]
fn no_changed_byte_of_a_small_file_goes_unnoticed() {
    for name in ["vote", "snapshot", "purge"] {
        let len = full().0.read(&file(name)).unwrap().unwrap().len();
        for at in 0..len {
            let (disk, _) = full();
            change(&disk, name, |bytes| bytes[at] ^= 1);
            refused(&disk, name);
            let (disk, _) = full();
            change(&disk, name, |bytes| bytes.truncate(at));
            refused(&disk, name);
        }
        let (disk, _) = full();
        change(&disk, name, |bytes| bytes.push(0));
        assert_eq!(refused(&disk, name).0, 8);
    }
    let (disk, _) = full();
    let vote = disk.read(&file("vote")).unwrap().unwrap();
    disk.write(&file("snapshot"), &vote).unwrap();
    assert!(refused(&disk, "snapshot").1.contains("checksum"), "another file under this name");
}

#[test]
fn a_broken_record_between_others_is_refused() {
    for n in 0..8 {
        for at in [0, 7, 15, 23, 24, 123] {
            let (disk, _) = full();
            let start = HEAD + n * RECORD;
            change(&disk, FIRST, |bytes| bytes[start + at] ^= 1);
            let (offset, why) = refused(&disk, FIRST);
            assert_eq!(offset, start as u64);
            assert!(why.contains(&format!("record {n} cannot be read")), "{why}");
        }
    }
}

#[test]
fn acknowledged_records_at_the_end_are_missed_too() {
    let (disk, _) = full();
    let last = "log/00000000000000000008";
    change(&disk, last, |bytes| bytes[HEAD..].fill(0));
    let (offset, why) = refused(&disk, last);
    assert_eq!(offset, HEAD as u64);
    assert!(why.contains("was acknowledged"), "{why}");
    // a mark that never reached the device: what follows a record still vouches for it
    let (disk, _) = full();
    disk.remove(&file(last)).unwrap();
    let (disk, unmarked) = {
        let fresh = sim(4);
        let (mut raft, _) = open(&fresh).unwrap();
        let unmarked = fresh.read(&file(FIRST)).unwrap().unwrap()[..HEAD].to_vec();
        for n in 0..4 {
            raft.write(&[RaftWrite::Append(vec![record(n, [n as u8; 100])])]).unwrap();
        }
        drop((raft, disk));
        (fresh, unmarked)
    };
    change(&disk, FIRST, |bytes| {
        bytes[..HEAD].copy_from_slice(&unmarked);
        bytes[HEAD + 2 * RECORD + 50] ^= 1;
    });
    assert_eq!(refused(&disk, FIRST).0, (HEAD + 2 * RECORD) as u64);
}

#[test]
fn a_torn_tail_is_cut_and_reported() {
    for torn in ["end of the last record", "first of two in one group", "zeros"] {
        let disk = sim(5);
        let (mut raft, _) = open(&disk).unwrap();
        raft.write(&[RaftWrite::Append(vec![record(0, [1; 100]), record(1, [2; 100])])]).unwrap();
        let mark = disk.read(&file(FIRST)).unwrap().unwrap()[..HEAD].to_vec();
        raft.write(&[RaftWrite::Append(vec![record(2, [3; 100]), record(3, [4; 100])])]).unwrap();
        drop(raft);
        let kept = if torn == "end of the last record" { 3 } else { 2 };
        let end = HEAD + kept * RECORD;
        change(&disk, FIRST, |bytes| {
            bytes[..HEAD].copy_from_slice(&mark);
            match torn {
                "zeros" => bytes[end..end + RECORD].fill(0),
                _ => bytes[end + 50] ^= 1,
            }
        });
        let (mut raft, image) = open(&disk).unwrap();
        assert_eq!(image.log.len(), kept, "{torn}");
        let [RaftNote::TornTail { path, offset, bytes }] = raft.notes() else { panic!("{:?}", raft.notes()) };
        assert_eq!((path, *offset), (&file(FIRST), end as u64));
        assert_eq!(*bytes, ((4 - kept) * RECORD - 4) as u64, "{torn}");
        assert!(raft.notes()[0].to_string().contains(&format!("from byte {end} on")));
        raft.write(&[RaftWrite::Append(vec![record(kept as u64, "new")])]).unwrap();
        drop(raft);
        let (raft, image) = open(&disk).unwrap();
        assert_eq!((image.log.len(), raft.notes()), (kept + 1, &[][..]));
    }
}

#[test]
fn heads_and_missing_files_are_noticed() {
    for at in (0..32).filter(|at| !(20..24).contains(at)) {
        let (disk, _) = full();
        change(&disk, FIRST, |bytes| bytes[at] ^= 1);
        assert_eq!(refused(&disk, FIRST).0, if at < 24 { 0 } else { 24 });
    }
    let (disk, _) = full();
    change(&disk, FIRST, |bytes| bytes.truncate(100));
    assert_eq!(refused(&disk, FIRST), (100, "it ends within its head of 4096 bytes".to_owned()));

    let (disk, _) = full();
    disk.remove(&file(FIRST)).unwrap();
    let (_, why) = refused(&disk, "log/00000000000000000008");
    assert!(why.contains("begins with record 8, expected 2"), "{why}");

    let (disk, _) = full();
    disk.remove_tree(&file("log")).unwrap();
    let error = open(&disk).unwrap_err().to_string();
    assert!(error.contains("sansmq-raft-n0/log is damaged") && error.contains("missing"), "{error}");

    let (disk, image) = full();
    disk.write(&file("log/notes.txt"), b"not ours").unwrap();
    disk.write(&file("log/00000000000000000009.draft"), b"half made").unwrap();
    assert_eq!(open(&disk).unwrap().1, image);
    assert!(disk.read(&file("log/notes.txt")).unwrap().is_some());
}
