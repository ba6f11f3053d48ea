//! When flushes happen, what they cover, and what the checkpoint says afterwards.

mod common;

use std::fs;

use common::{Scratch, message, now, open, run_jobs, small_config};
use sansmq_core::store::{Store, TagFilter};
use sansmq_store::{FileStore, FlushType, StoreConfig};

fn put(store: &mut FileStore, at: u64, len: usize) -> u64 {
    store.append(now(at), &message("T", 0, &vec![1; len], None)).unwrap().end
}

#[test]
fn requests_coalesce_behind_the_flush_under_way() {
    let dir = Scratch::new();
    let (mut store, _) = open(small_config(dir.path()));
    let first = put(&mut store, 1, 100);
    assert!(store.poll_job().is_none(), "nothing is due yet");
    store.request_flush();
    let job = store.poll_job().unwrap();
    let mut last = 0;
    for n in 0..5 {
        last = put(&mut store, 2 + n, 100);
        store.request_flush();
    }
    assert!(store.poll_job().is_none(), "one flush at a time");
    assert_eq!(store.log_bounds().durable, 0);
    let done = std::thread::spawn(move || FileStore::run(job)).join().unwrap();
    store.complete(now(10), done);
    assert_eq!(store.log_bounds().durable, first);
    assert_eq!(run_jobs(&mut store, now(11)), 1);
    assert_eq!(store.log_bounds().durable, last);
    store.request_flush();
    assert!(store.poll_job().is_none(), "nothing new, nothing to do");
}

#[test]
fn sync_stores_ask_for_a_flush_with_every_append() {
    let dir = Scratch::new();
    let config = StoreConfig { flush_type: FlushType::Sync, ..small_config(dir.path()) };
    let (mut store, _) = open(config);
    let end = put(&mut store, 1, 10);
    let seen = |store: &FileStore| {
        let visible_end = store.log_bounds().durable;
        let request = sansmq_core::store::ReadRequest {
            topic: "T",
            queue_id: 0,
            offset: 0,
            max_count: 9,
            visible_end,
            filter: TagFilter::All,
        };
        store.read(&request).count
    };
    assert_eq!(seen(&store), 0, "not visible before it is durable");
    assert_eq!(run_jobs(&mut store, now(2)), 1);
    assert_eq!((store.log_bounds().durable, seen(&store)), (end, 1));
}

#[test]
fn intervals_follow_the_settings() {
    let dir = Scratch::new();
    let config =
        StoreConfig { commit_log_file_size: 1 << 20, max_message_size: 1 << 18, ..small_config(dir.path()) };
    let (mut store, _) = open(config);
    let small = put(&mut store, 1, 100);
    assert_eq!(store.deadline(), Some(now(500).mono));
    store.tick(now(500));
    assert!(store.poll_job().is_none(), "one dirty page is too few");
    let end = put(&mut store, 600, 20_000);
    store.tick(now(999));
    assert!(store.poll_job().is_none(), "not before the interval is over");
    store.tick(now(1000));
    run_jobs(&mut store, now(1000));
    assert_eq!(store.log_bounds().durable, end);
    let end = put(&mut store, 1100, 10);
    for at in (1500..10_500).step_by(500) {
        store.tick(now(at));
        run_jobs(&mut store, now(at));
    }
    assert!(store.log_bounds().durable > small && store.log_bounds().durable < end);
    for at in [10_500, 11_000] {
        store.tick(now(at));
        run_jobs(&mut store, now(at));
    }
    assert_eq!(store.log_bounds().durable, end, "after ten seconds everything goes");
}

#[test]
fn next_log_file_is_created_ahead_of_need() {
    let dir = Scratch::new();
    let (mut store, _) = open(small_config(dir.path()));
    let next = dir.path().join("commitlog/00000000000000004096");
    put(&mut store, 1, 1000);
    run_jobs(&mut store, now(1));
    assert!(!next.exists());
    put(&mut store, 2, 1500);
    assert_eq!(run_jobs(&mut store, now(2)), 1);
    assert_eq!(fs::metadata(&next).unwrap().len(), 4096);
    put(&mut store, 3, 1500);
    assert_eq!(store.log_bounds().max, 4096 + 1500 + 91 + 1 + 7);
    // a file that is finished after the log has moved on without it is dropped
    put(&mut store, 4, 1500);
    let late = store.poll_job().unwrap();
    put(&mut store, 5, 1500);
    let end = store.log_bounds().max;
    let done = FileStore::run(late);
    store.complete(now(6), done);
    assert_eq!(put(&mut store, 7, 10), end + 10 + 91 + 1 + 7);
    store.close(now(8));
    drop(store);
    assert!(open(small_config(dir.path())).1.stopped_by.is_none());
}

#[test]
fn a_clean_stop_removes_the_spare_file() {
    let dir = Scratch::new();
    let (mut store, _) = open(small_config(dir.path()));
    put(&mut store, 1, 2000);
    put(&mut store, 1, 1000);
    run_jobs(&mut store, now(2));
    let spare = dir.path().join("commitlog/00000000000000004096");
    assert!(spare.exists());
    store.close(now(3));
    assert!(!spare.exists());
}

#[test]
fn the_checkpoint_lags_behind_the_data() {
    let dir = Scratch::new();
    let (mut store, _) = open(small_config(dir.path()));
    let read = || fs::read(dir.path().join("checkpoint")).unwrap();
    let long = |bytes: &[u8], at: usize| i64::from_be_bytes(bytes[at..at + 8].try_into().unwrap());
    assert_eq!(read().len(), 4096);
    put(&mut store, 5, 100);
    store.tick(now(1000));
    run_jobs(&mut store, now(1000));
    assert_eq!(long(&read(), 0), 0, "nothing is durable yet");
    store.request_flush();
    run_jobs(&mut store, now(1001));
    store.tick(now(2000));
    run_jobs(&mut store, now(2000));
    assert_eq!((long(&read(), 0), long(&read(), 8)), (now(5).wall_ms, 0), "log flushed, queues not");
    store.tick(now(61_000));
    run_jobs(&mut store, now(61_000));
    assert_eq!(long(&read(), 8), now(5).wall_ms);
    assert_eq!(long(&read(), 32), store.log_bounds().max as i64);
}
