//! Without accidents.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use sansmq_core::raft::{RaftImage, RaftWrite};
use sansmq_store::disk::{Disk, DiskRef, RealDisk};
use sansmq_store::{RaftDisk, RaftNote, StoreError};

use super::model::{ID, open, record, sim};

#[test]
fn everything_comes_back_from_a_real_disk() {
    let dir = std::env::temp_dir().join(format!("sansmq-raft-disk-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let disk: DiskRef = Arc::new(RealDisk::default());
    let (mut raft, image) = RaftDisk::open(disk.clone(), &dir, ID).unwrap();
    assert_eq!((image, raft.notes()), (RaftImage::default(), &[][..]));
    assert_eq!(raft.path(), dir.join("sansmq-raft-n0"));
    let locked = RaftDisk::open(disk.clone(), &dir, ID).unwrap_err();
    assert!(
        matches!(&locked, StoreError::Locked { path } if path.ends_with("sansmq-raft-n0/lock")),
        "{locked}"
    );

    // more than one file, and a record that is longer than a file usually is
    let long = vec![7; 3 << 20];
    let mut log: Vec<_> = (0..300).map(|n| record(n, vec![n as u8; 10_000 + n as usize])).collect();
    log.push(record(300, long));
    log.push(record(301, ""));
    raft.write(&[RaftWrite::Vote("old".into()), RaftWrite::Vote("vote".into())]).unwrap();
    raft.write(&[RaftWrite::Append(log[..7].to_vec()), RaftWrite::Append(log[7..].to_vec())]).unwrap();
    drop(raft);
    std::fs::create_dir(dir.join("dledger-n0")).unwrap();
    let (mut raft, image) = RaftDisk::open(disk.clone(), &dir, ID).unwrap();
    assert_eq!(raft.notes(), [RaftNote::Dledger { path: dir.join("dledger-n0") }]);
    assert!(raft.notes()[0].to_string().contains("cannot be taken over"));
    assert_eq!((image.vote.as_deref(), &image.log), (Some(&b"vote"[..]), &log));

    raft.write(&[
        RaftWrite::TruncateFrom(290),
        RaftWrite::Append(vec![record(290, "other")]),
        RaftWrite::Snapshot("state".into()),
        RaftWrite::Purge { upto: 250, mark: "mark".into() },
    ])
    .unwrap();
    drop(raft);
    let (raft, image) = RaftDisk::open(disk.clone(), &dir, ID).unwrap();
    log.truncate(290);
    log.push(record(290, "other"));
    let expected = RaftImage {
        vote: Some("vote".into()),
        purged: Some("mark".into()),
        log: log.split_off(251),
        snapshot: Some("state".into()),
    };
    assert_eq!(image, expected);
    let files: Vec<_> = disk.list(&raft.path().join("log")).unwrap();
    let name = |at: usize| files[at].path.file_name().unwrap().to_str().unwrap().parse::<u64>().unwrap();
    assert!(files.len() <= 2 && name(0) <= 251 && files.len() as u64 > 0, "{files:?}");
    drop(raft);
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_group_of_appends_costs_one_sync() {
    let disk = sim(1);
    let (mut raft, _) = open(&disk).unwrap();
    let before = disk.operations();
    let group: Vec<_> = (0..50).map(|n| RaftWrite::Append(vec![record(n, "command")])).collect();
    raft.write(&group).unwrap();
    assert_eq!(disk.operations(), before + 1);
}

#[test]
fn a_log_goes_on_behind_its_purge_and_refuses_gaps() {
    let disk = sim(2);
    let (mut raft, _) = open(&disk).unwrap();
    raft.write(&[RaftWrite::Append(vec![record(0, "a"), record(1, "b")])]).unwrap();
    raft.write(&[RaftWrite::Purge { upto: 40, mark: "m".into() }]).unwrap();
    let files = disk.list(Path::new("/controller/sansmq-raft-n0/log")).unwrap();
    assert_eq!(files.len(), 1);
    assert!(files[0].path.ends_with("00000000000000000041"));
    raft.write(&[RaftWrite::TruncateFrom(3), RaftWrite::Append(vec![record(41, "c")])]).unwrap();
    let error = raft.write(&[RaftWrite::Append(vec![record(43, "e")])]).unwrap_err();
    assert!(matches!(error, StoreError::RaftOrder { expected: 42, found: 43 }), "{error}");
    let error = raft.write(&[RaftWrite::Vote(Bytes::new())]).unwrap_err().to_string();
    assert!(error.contains("goes on with record 42"), "{error}");
    drop(raft);
    let (_, image) = open(&disk).unwrap();
    assert_eq!(image.log, [record(41, "c")]);
    assert_eq!((image.purged, image.vote), (Some("m".into()), None));
}
