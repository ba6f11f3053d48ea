//! What cannot be provoked from outside: flushes that fail.

use std::io;

use sansmq_core::store::TagsCode;

use super::*;

fn open(name: &str) -> FileStore {
    let dir = std::env::temp_dir().join(format!("sansmq-file-store-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let config =
        StoreConfig { commit_log_file_size: 8192, index_slots: 4, index_entries: 8, ..StoreConfig::new(dir) };
    FileStore::open(config, Now::default()).unwrap().0
}

fn append(store: &mut FileStore) -> Result<Appended, AppendError> {
    let message = NewMessage {
        topic: "T",
        queue_id: 0,
        flag: 0,
        sys_flag: 0,
        born_timestamp: 0,
        born_host: "1.2.3.4:5".parse().unwrap(),
        store_host: "1.2.3.4:6".parse().unwrap(),
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: b"body",
        properties: &[],
        tags_code: TagsCode::Tags(0),
        uniq_key: Some("k"),
        keys: None,
    };
    store.append(Now::default(), &message)
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
