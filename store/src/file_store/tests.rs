//! What cannot be provoked from outside: flushes that fail.

use std::collections::BTreeMap;
use std::io;

use super::*;

fn open(name: &str) -> FileStore {
    let dir = std::env::temp_dir().join(format!("sansmq-file-store-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let config =
        StoreConfig { commit_log_file_size: 8192, index_slots: 4, index_entries: 8, ..StoreConfig::new(dir) };
    FileStore::open(config, Now::default()).unwrap().0
}

fn append(store: &mut FileStore) -> Result<Appended, AppendError> {
    append_at(store, Now::default())
}

fn append_at(store: &mut FileStore, now: Now) -> Result<Appended, AppendError> {
    let message = NewMessage { uniq_key: Some("k"), ..NewMessage::plain("T", 0, b"body") };
    store.append(now, &message)
}

#[test]
fn stores_and_jobs_may_move_to_other_threads() {
    fn is_send<T: Send + 'static>() {}
    is_send::<FileStore>();
    is_send::<Job>();
    is_send::<Done>();
}

#[test]
fn a_failed_log_flush_is_final() {
    let mut store = open("log");
    append(&mut store).unwrap();
    store.request_flush();
    let Some(Job(Work::FlushLog { end, .. }, _)) = store.poll_job() else { panic!("a log flush is due") };
    assert_eq!(end, store.log_bounds().max);
    let result = Err(io::Error::from_raw_os_error(libc::EIO));
    store.complete(Now::default(), Done(Outcome::FlushLog { end, result }));
    assert_eq!(store.log_bounds().durable, 0, "a failed flush makes nothing durable");
    assert!(!store.is_writable());
    assert_eq!(append(&mut store), Err(AppendError::NotWritable));
    store.request_flush();
    assert!(store.poll_job().is_none(), "no second attempt: the kernel may have dropped the pages");
    store.close(Now::default());
    assert!(store.config.root.join("abort").exists(), "the next start has to recover");
}

#[test]
fn a_failed_queue_flush_keeps_the_old_checkpoint() {
    let mut store = open("queues");
    append(&mut store).unwrap();
    store.flusher.queues_due = Some(true);
    let Some(Job(Work::FlushQueues(flush), _)) = store.poll_job() else { panic!("a queue flush is due") };
    let before = store.flusher.written;
    let result = Err(FlushError::Data(io::Error::from_raw_os_error(libc::EIO)));
    store.complete(Now::default(), Done(Outcome::FlushQueues { checkpoint: flush.checkpoint, result }));
    assert_eq!(store.flusher.written, before);
    assert!(!store.is_writable());
}

/// Runs the survey that the next look at the disk asks for.
fn look(store: &mut FileStore) {
    store.space.survey_due = true;
    while let Some(job) = store.poll_job() {
        store.complete(Now::default(), FileStore::run(job));
    }
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room() {
    let mut store = open("disk");
    (store.config.retention.warning, store.config.retention.force) = (-2.0, -2.0);
    look(&mut store);
    assert_eq!(append(&mut store), Err(AppendError::NotWritable));
    (store.config.retention.warning, store.config.retention.force) = (2.0, 2.0);
    look(&mut store);
    assert!(append(&mut store).is_ok());
    assert!(store.disk_use().total_bytes > 0);
}

/// The reference goes by times alone: it drops index files that end after the checkpoint's index time, and enters
/// records again from the newest log file on that began three seconds before the other two times.
#[test]
fn the_reference_rebuilds_every_index_file_that_it_drops() {
    let mut store = open("checkpoint-times");
    let (mut begins, mut times, mut rolled) = (BTreeMap::new(), Vec::new(), false);
    for second in 1..400_i64 {
        let now = Now { wall_ms: second * 1000, ..Now::default() };
        let at = append_at(&mut store, now).unwrap().offset;
        begins.entry(at / 8192).or_insert(second * 1000);
        times.push((at, second * 1000));
        if second % 3 > 0 {
            continue;
        }
        store.request_flush();
        store.flusher.queues_due = Some(second % 2 == 0);
        while let Some(job) = store.poll_job() {
            store.complete(now, FileStore::run(job));
        }
        let point = store.flusher.written;
        let limit = point.log_time.min(point.queue_time) - 3000;
        let from = begins.iter().rev().find(|(_, begin)| **begin <= limit).map_or(0, |(file, _)| file * 8192);
        // seven records fit into an index file, so those up to its last full one are kept
        let kept = times.iter().filter(|(_, time)| *time <= point.index_time).count();
        assert!(kept.is_multiple_of(7) && times.len() - kept <= 21, "{kept} of {} records kept", times.len());
        let lost = times.iter().skip(kept).find(|(at, _)| *at < from);
        assert_eq!(lost, None, "second {second}: {point:?}, rebuilt from {from}");
        rolled |= from > 0;
    }
    assert!(rolled, "the log is not read from its very start each time");
}
