//! Full disks and retention, on a simulated disk.

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{drain, message, now, read, run_jobs};
use sansmq_core::store::retention::Retention;
use sansmq_core::store::{AppendError, Store};
use sansmq_store::disk::{Disk, SimConfig, SimDisk};
use sansmq_store::{FileStore, StoreConfig};

const HOUR: u64 = 3_600_000;

fn config() -> StoreConfig {
    let retention = Retention { delete_when: Vec::new(), ..Retention::default() };
    StoreConfig { retention, ..common::small_config(Path::new("/store")) }
}

fn disk() -> SimDisk {
    let disk = SimDisk::new(SimConfig::default());
    disk.create_dir(Path::new("/store")).unwrap();
    disk.set_time(now(0).wall_ms);
    disk
}

fn open(disk: &SimDisk, config: StoreConfig, at: u64) -> FileStore {
    FileStore::open_on(Arc::new(disk.clone()), config, now(at), &mut |_| {}).unwrap().0
}

/// Appends messages of about 1 KiB: three fill a log file.
fn fill(store: &mut FileStore, disk: &SimDisk, at: u64, count: usize) {
    disk.set_time(now(at).wall_ms);
    for n in 0..count {
        let key = format!("key{n}");
        let properties = format!("UNIQ_KEY\x01{key}\x02");
        let parts: [&[u8]; 1] = [properties.as_bytes()];
        let message = sansmq_core::store::NewMessage {
            properties: &parts,
            ..message("T", (n % 2) as i32, &[1; 1000], Some(&key))
        };
        store.append(now(at), &message).unwrap();
    }
}

/// Ticks every ten seconds and does what is asked for.
fn pass(store: &mut FileStore, from: u64, to: u64) {
    for at in (from..=to).step_by(10_000) {
        store.tick(now(at));
        run_jobs(store, now(at));
        store.tick(now(at));
        run_jobs(store, now(at));
    }
}

fn names(disk: &SimDisk, dir: &str) -> Vec<PathBuf> {
    disk.list(Path::new(dir)).unwrap().into_iter().map(|entry| entry.path).collect()
}

#[test]
fn a_full_disk_is_an_error_at_every_place_and_never_worse() {
    // every amount of room from none to enough for everything below, so that each kind of file runs out of it
    for blocks in 0..24 {
        let disk = disk();
        let mut config = config();
        (config.retention.warning, config.retention.force) = (2.0, 2.0);
        let mut store = open(&disk, config.clone(), 0);
        fill(&mut store, &disk, 1, 1);
        pass(&mut store, 1, 60_001);
        disk.set_space(disk.used() + blocks * 4096);
        let mut refused = false;
        let mut stored = 1;
        for n in 0..40 {
            let at = now(60_010 + n);
            let before = store.log_bounds();
            match store.append(at, &message(["T", "U", "V"][n as usize % 3], 7, &[2; 700], Some("key"))) {
                Ok(_) => stored += 1,
                Err(error) => {
                    assert_eq!((error, store.log_bounds()), (AppendError::NotWritable, before));
                    assert!(!store.is_writable());
                    refused = true;
                    break;
                }
            }
            store.request_flush();
            store.tick(at);
            run_jobs(&mut store, at);
        }
        assert!(refused || blocks > 10, "{blocks} blocks");
        // creating the next file ahead may have failed without a message being refused
        let waiting = !store.is_writable();
        pass(&mut store, 61_000, 90_000);
        assert!(!waiting || !store.is_writable(), "no room has come back yet");
        let waiting = !store.is_writable();
        disk.set_space(1 << 30);
        assert!(
            !waiting || store.deadline().unwrap() <= now(91_100).mono,
            "it looks every second while it waits"
        );
        pass(&mut store, 91_100, 92_000);
        assert!(store.is_writable(), "{blocks} blocks");
        fill(&mut store, &disk, 93_000, 8);
        store.close(now(94_000));
        drop(store);
        let store = open(&disk, config, 95_000);
        let count: i64 = store.queues().iter().map(|(_, _, bounds)| bounds.max - bounds.min).sum();
        assert_eq!(count, stored + 8, "everything accepted is there");
    }
}

#[test]
fn expired_files_go_with_their_queue_and_index_files() {
    let disk = disk();
    let mut store = open(&disk, config(), 0);
    fill(&mut store, &disk, 1000, 60);
    pass(&mut store, 1000, 70_000);
    fill(&mut store, &disk, 50 * HOUR, 30);
    pass(&mut store, 50 * HOUR, 50 * HOUR + 70_000);
    let held = store.record_at(0).unwrap();
    let copy = held.to_vec();
    let before = (names(&disk, "/store/index").len(), store.queue_bounds("T", 0, u64::MAX).unwrap());
    assert_eq!(before.1.min, 0);

    pass(&mut store, 73 * HOUR, 73 * HOUR + 100_000);
    assert_eq!(store.log_bounds().min, 0, "it is not the hour");
    store.clean_now();
    pass(&mut store, 74 * HOUR, 74 * HOUR + 300_000);
    let min = store.log_bounds().min;
    assert!((15 * 4096..=20 * 4096).contains(&min), "the log starts at {min}");
    let first = names(&disk, "/store/commitlog").remove(0);
    assert_eq!(first, PathBuf::from(format!("/store/commitlog/{min:020}")));
    let bounds = store.queue_bounds("T", 0, u64::MAX).unwrap();
    assert!(bounds.min > 20 && bounds.max == before.1.max);
    assert!(store.queue_entry("T", 0, bounds.min).unwrap().offset >= min);
    assert_eq!(store.queue_entry("T", 0, bounds.min - 1), None);
    assert_eq!(drain(&store, "T", 0).len() as i64, bounds.max - bounds.min);
    let queue_files = names(&disk, "/store/consumequeue/T/0");
    assert!(queue_files[0].ends_with(format!("{:020}", bounds.min / 10 * 200)), "{queue_files:?}");
    assert!(names(&disk, "/store/index").len() < before.0);
    assert!(store.query_index("T", "key59", 9, 0, i64::MAX).records.len() == 1 || min > 59 * 1000);
    assert_eq!(held[..], copy[..], "what readers hold stays valid");
    assert_eq!(store.record_at(0), None);

    store.crash();
    let store = open(&disk, config(), 75 * HOUR);
    assert_eq!((store.log_bounds().min, store.queue_bounds("T", 0, u64::MAX).unwrap()), (min, bounds));
    assert_eq!(read(&store, "T", 0, 0).next_offset, bounds.min);
}

#[test]
fn the_hour_comes_and_young_files_stay() {
    let disk = disk();
    let mut config = config();
    config.retention.delete_when = (0..24).collect();
    let mut store = open(&disk, config, 0);
    fill(&mut store, &disk, 1000, 60);
    pass(&mut store, 1000, 70_000);
    pass(&mut store, 71 * HOUR, 71 * HOUR + 70_000);
    assert_eq!(store.log_bounds().min, 0);
    pass(&mut store, 73 * HOUR, 73 * HOUR + 10_000);
    let min = store.log_bounds().min;
    assert!(min > 0 && min <= 20 * 4096, "no more than a batch at a time: {min}");
    pass(&mut store, 73 * HOUR + 20_000, 73 * HOUR + 100_000);
    assert!(store.log_bounds().max - store.log_bounds().min <= 4096, "all but the last");
    assert_eq!(store.queue_bounds("T", 0, u64::MAX).unwrap().max, 30, "offsets go on where they were");
}

#[test]
fn a_disk_about_to_fill_up_loses_its_oldest_files() {
    let disk = disk();
    let mut store = open(&disk, config(), 0);
    fill(&mut store, &disk, 1000, 90);
    pass(&mut store, 1000, 70_000);
    disk.set_space(disk.used() * 100 / 93);
    pass(&mut store, 80_000, 80_000);
    assert!(store.log_bounds().min > 0);
    pass(&mut store, 90_000, 110_000);
    assert!(store.is_writable());
    let ratio = store.disk_use().commit_log_ratio;
    assert!(ratio <= 0.86, "{ratio}");

    let disk = self::disk();
    let mut config = config();
    config.retention.force_enabled = false;
    let mut store = open(&disk, config, 0);
    fill(&mut store, &disk, 1000, 90);
    pass(&mut store, 1000, 70_000);
    disk.set_space(disk.used() * 100 / 93);
    pass(&mut store, 80_000, 110_000);
    assert_eq!((store.log_bounds().min, store.is_writable()), (0, false), "kept, but closed to writes");
    disk.set_space(1 << 30);
    pass(&mut store, 120_000, 130_000);
    assert!(store.is_writable());
}

#[test]
fn new_files_avoid_read_only_directories() {
    let disk = disk();
    let mut config = config();
    config.commit_log_dirs = vec!["/store/a".into(), "/store/b".into(), "/store/c".into()];
    config.read_only_commit_log_dirs = vec!["/store/b".into()];
    let mut store = open(&disk, config, 0);
    fill(&mut store, &disk, 1000, 30);
    pass(&mut store, 1000, 70_000);
    let count = |dir: &str| names(&disk, dir).len();
    assert!(count("/store/a") > 3 && count("/store/c") > 3 && count("/store/b") == 0);
}
