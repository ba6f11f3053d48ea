//! A store that is opened on a full disk serves readers, and writers as soon as there is room.

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{drain, message, now, run_jobs};
use sansmq_core::store::{AppendError, Store};
use sansmq_store::disk::{Disk, SimConfig, SimDisk};
use sansmq_store::{FileStore, StoreConfig, StoreError};

fn config() -> StoreConfig {
    common::small_config(Path::new("/store"))
}

fn disk() -> SimDisk {
    let disk = SimDisk::new(SimConfig::default());
    disk.create_dir(Path::new("/store")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

fn open(disk: &SimDisk, config: StoreConfig, at: u64) -> FileStore {
    FileStore::open_on(Arc::new(disk.clone()), config, now(at), &mut |_| {}).unwrap().0
}

fn pass(store: &mut FileStore, from: u64, to: u64) {
    for at in (from..=to).step_by(1_000) {
        store.tick(now(at));
        run_jobs(store, now(at));
    }
}

/// Leaves a store with ten messages behind, in order or as after a crash.
fn leave(disk: &SimDisk, in_order: bool) {
    let mut store = open(disk, config(), 0);
    for n in 0..10 {
        store.append(now(n), &message("T", 0, &[1; 1000], Some("k"))).unwrap();
    }
    pass(&mut store, 1_000, 61_000);
    if in_order { store.close(now(62_000)) } else { store.crash() }
}

#[test]
fn whatever_room_is_missing_at_the_start_is_only_missing_for_writes() {
    let mut read_only = 0;
    for in_order in [true, false] {
        for sectors in 0..40 {
            let mut config = config();
            (config.retention.warning, config.retention.force) = (2.0, 2.0);
            let disk = disk();
            leave(&disk, in_order);
            // the checkpoint's sectors may be gone as well
            if sectors % 2 == 1 {
                disk.remove(Path::new("/store/checkpoint")).unwrap();
            }
            disk.set_space(disk.used() + sectors * 512);
            let mut store = open(&disk, config.clone(), 100_000);
            assert_eq!(drain(&store, "T", 0).len(), 10, "readers are served");
            let mut stored = 10;
            let refused = loop {
                match store.append(now(100_001), &message("T", 0, &[1; 1000], Some("k"))) {
                    Ok(_) => stored += 1,
                    Err(error) => break error,
                }
                run_jobs(&mut store, now(100_001));
            };
            assert_eq!(refused, AppendError::NotWritable);
            read_only += u32::from(stored == 10);
            pass(&mut store, 101_000, 105_000);
            assert!(!store.is_writable(), "no room has come back");
            disk.set_space(1 << 30);
            pass(&mut store, 106_000, 109_000);
            assert!(store.is_writable(), "{sectors} sectors");
            store.append(now(110_000), &message("T", 0, &[1; 1000], Some("k"))).unwrap();
            assert!(disk.entry(Path::new("/store/abort")).unwrap().is_some(), "a crash now is seen as one");
            assert!(disk.entry(Path::new("/store/checkpoint")).unwrap().is_some());
            store.request_flush();
            run_jobs(&mut store, now(110_001));
            drop(store);
            disk.power_off();
            disk.power_on();
            let store = open(&disk, config, 120_000);
            assert_eq!(drain(&store, "T", 0).len(), stored + 1, "{sectors} sectors");
        }
    }
    assert!(read_only > 10, "some of them had no room at all: {read_only}");
}

#[test]
fn a_disk_over_the_limit_is_noticed_before_the_first_message() {
    let disk = disk();
    leave(&disk, true);
    disk.set_space(disk.used() * 100 / 93);
    let mut config = config();
    config.retention.force_enabled = false;
    let mut store = open(&disk, config, 100_000);
    assert!(!store.is_writable());
    let refused = store.append(now(100_001), &message("T", 0, b"x", None));
    assert_eq!(refused, Err(AppendError::NotWritable));
    assert_eq!(drain(&store, "T", 0).len(), 10);
    disk.set_space(1 << 30);
    pass(&mut store, 101_000, 103_000);
    assert!(store.is_writable(), "it looks again soon");
}

/// The store's messages, from queues that are all there.
fn assert_whole(store: &FileStore) {
    let known = store.queue_bounds("T", 0, u64::MAX).map(|bounds| (bounds.min, bounds.max));
    assert_eq!(known, Some((0, 40)));
    let record = |n| store.queue_entry("T", 0, n).and_then(|entry| store.record_at(entry.offset));
    assert!((0..40).all(|n| record(n).is_some()));
}

#[test]
fn queues_that_cannot_be_rebuilt_end_the_start_and_lose_nothing() {
    let (mut refused, mut opened) = (0, 0);
    for (in_order, power_fails) in [(true, false), (true, true), (false, false), (false, true)] {
        for sectors in 0..60 {
            let mut config = config();
            (config.retention.warning, config.retention.force) = (2.0, 2.0);
            let disk = disk();
            let mut store = open(&disk, config.clone(), 0);
            for n in 0..40 {
                store.append(now(n), &message("T", 0, &[1; 200], Some("k"))).unwrap();
            }
            pass(&mut store, 1_000, 61_000);
            if in_order {
                store.close(now(62_000));
                drop(store);
            } else {
                store.crash();
            }
            disk.remove_tree(Path::new("/store/consumequeue")).unwrap();
            disk.sync_dir(Path::new("/store")).unwrap();
            // what a deleted topic has left is room, too
            if sectors % 3 == 0 {
                disk.create_dir(Path::new("/store/trash")).unwrap();
                disk.write(Path::new("/store/trash/old"), &[1; 1500]).unwrap();
            }
            disk.set_space(disk.used() + sectors * 512);
            let result =
                FileStore::open_on(Arc::new(disk.clone()), config.clone(), now(100_000), &mut |_| {});
            match result {
                Ok((store, _)) => {
                    assert_whole(&store);
                    opened += 1;
                }
                Err(error) => {
                    let said = error.to_string();
                    assert!(matches!(error, StoreError::NoRoomToRebuild { .. }), "{said}");
                    assert!(said.contains("/store/") && said.contains("make room"), "{said}");
                    refused += 1;
                }
            }
            if power_fails {
                disk.power_off();
                disk.power_on();
            }
            disk.set_space(1 << 30);
            let mut store = open(&disk, config, 110_000);
            assert_whole(&store);
            store.append(now(110_001), &message("T", 0, &[1; 200], Some("k"))).unwrap();
        }
    }
    assert!(refused > 10 && opened > 10, "{refused} refused, {opened} opened");
}
