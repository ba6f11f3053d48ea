//! What has left the page cache is fetched by a job before anybody touches it.

mod common;

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;

use common::{Scratch, message, now, run_jobs, small_config};
use sansmq_core::store::fetch::Lookup;
use sansmq_core::store::{Boundary, NewMessage, ReadRequest, ReadStatus, Store, TagFilter};
use sansmq_store::{FileStore, StoreConfig};

const MESSAGES: i64 = 12_000;

fn config(root: &Path) -> StoreConfig {
    StoreConfig {
        commit_log_file_size: 4 << 20,
        consume_queue_file_size: 20 * 5_000,
        index_slots: 1_000,
        index_entries: 100_000,
        ..small_config(root)
    }
}

fn pull_at(offset: i64) -> ReadRequest<'static> {
    ReadRequest {
        topic: "T",
        queue_id: 0,
        offset,
        max_count: 32,
        visible_end: u64::MAX,
        filter: TagFilter::All,
    }
}

/// Takes every file below `dir` out of the page cache, as far as the kernel listens.
fn drop_from_memory(dir: &Path) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            drop_from_memory(&path);
            continue;
        }
        let file = File::open(&path).unwrap();
        file.sync_all().unwrap();
        // SAFETY: plain call on an open descriptor.
        unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
    }
}

/// Runs the fetches a lookup asks for, one after the other; how many there were.
fn warm_up(store: &mut FileStore, lookup: &Lookup<'_>) -> u32 {
    let mut rounds = 0;
    while let Some(id) = store.prefetch(lookup) {
        rounds += 1;
        assert!(rounds < 64, "the same is asked for over and over: {lookup:?}");
        let job = store.poll_job().expect("a job for the fetch");
        assert!(job.is_fetch());
        let done = FileStore::run(job);
        store.complete(now(0), done);
        assert_eq!(store.next_fetched(), Some((id, Ok(()))));
    }
    rounds
}

#[test]
fn cold_positions_are_fetched_by_jobs_and_hot_ones_are_not_asked_about() {
    let dir = Scratch::new();
    let root = dir.path();
    let mut store = FileStore::open(config(root), now(0)).unwrap().0;
    for n in 0..MESSAGES {
        let key = format!("key{n}");
        let properties = format!("UNIQ_KEY\x01{key}\x02");
        let parts: [&[u8]; 1] = [properties.as_bytes()];
        let message = NewMessage { properties: &parts, ..message("T", 0, &[1; 1000], Some(&key)) };
        store.append(now(n as u64), &message).unwrap();
    }
    assert_eq!(store.prefetch(&Lookup::Read(&pull_at(0))), None, "written by this process and not long ago");
    assert!(store.poll_job().is_none_or(|job| !job.is_fetch()));
    run_jobs(&mut store, now(10));
    store.close(now(20));
    drop(store);

    drop_from_memory(root);
    let mut store = FileStore::open(config(root), now(0)).unwrap().0;
    let first = pull_at(0);
    if warm_up(&mut store, &Lookup::Read(&first)) == 0 {
        println!("NOT RUN: the file system of {} keeps everything in memory (tmpfs?)", root.display());
        return;
    }
    let result = store.read(&first);
    assert_eq!((result.status, result.count), (ReadStatus::Found, 32));
    assert_eq!(store.prefetch(&Lookup::Read(&pull_at(32))), None, "read ahead of the consumer");

    // far behind what was read ahead, in another file: the queue, then the log
    let middle = pull_at(6_000);
    assert!(warm_up(&mut store, &Lookup::Read(&middle)) >= 1);
    assert_eq!(store.read(&middle).count, 32);

    let far = store.queue_entry("T", 0, 3_500).unwrap().offset;
    assert!(warm_up(&mut store, &Lookup::Record(far)) >= 1);
    assert!(store.record_at(far).is_some());

    let time = now(9_000).wall_ms;
    let by_time = Lookup::Time { topic: "T", queue_id: 0, timestamp_ms: time, boundary: Boundary::Lower };
    assert!(warm_up(&mut store, &by_time) >= 2, "one fetch for each step of the search");
    assert_eq!(store.offset_by_time("T", 0, time, Boundary::Lower), 9_000);

    let by_key = Lookup::Key { topic: "T", key: "key8000", max: 8, begin: 0, end: i64::MAX };
    assert!(warm_up(&mut store, &by_key) >= 1);
    assert_eq!(store.query_index("T", "key8000", 8, 0, i64::MAX).records.len(), 1);

    // a log file that is gone when the read comes is the lookup's business
    assert_eq!(store.prefetch(&Lookup::Record(u64::MAX)), None);
    let cold = pull_at(10_500);
    if let Some(id) = store.prefetch(&Lookup::Read(&cold)) {
        let job = store.poll_job().unwrap();
        std::fs::remove_dir_all(root.join("commitlog")).unwrap();
        let done = FileStore::run(job);
        store.complete(now(0), done);
        assert_eq!(store.next_fetched(), Some((id, Ok(()))));
    }
    store.crash();
}
