//! Directories that cannot be opened say why, and unusual names do not leave the store's directory.

mod common;

use std::fs;

use common::{Scratch, message, now, open, small_config};
use sansmq_core::store::{AppendError, Store};
use sansmq_store::{FileStore, StoreConfig, StoreError};

fn refusal(config: StoreConfig) -> StoreError {
    FileStore::open(config, now(0)).map(|_| ()).unwrap_err()
}

#[test]
fn a_directory_is_opened_once() {
    let dir = Scratch::new();
    let config = small_config(dir.path());
    let (store, _) = open(config.clone());
    let error = refusal(config.clone());
    assert!(matches!(error, StoreError::Locked { .. }));
    assert!(error.to_string().contains(&dir.path().join("lock").display().to_string()));
    drop(store);
    open(config);
}

#[test]
fn other_sizes_are_named() {
    let dir = Scratch::new();
    let config = small_config(dir.path());
    let (mut store, _) = open(config.clone());
    store.append(now(1), &message("T", 0, b"x", Some("k"))).unwrap();
    store.close(now(2));
    drop(store);
    let log = StoreConfig { commit_log_file_size: 8192, ..config.clone() };
    let queue = StoreConfig { consume_queue_file_size: 400, ..config.clone() };
    let index = StoreConfig { index_slots: 9, ..config.clone() };
    for (config, dir_name) in [(log, "commitlog"), (queue, "consumequeue/T/0"), (index, "index")] {
        let error = refusal(config);
        assert!(
            matches!(error, StoreError::WrongSize { .. }) && error.to_string().contains(dir_name),
            "{error}"
        );
        assert!(!dir.path().join("abort").exists(), "a refused start leaves no trace");
    }
    open(config);
}

#[test]
fn what_is_no_directory_is_named() {
    let dir = Scratch::new();
    fs::write(dir.path().join("commitlog"), b"a file").unwrap();
    let error = refusal(small_config(dir.path()));
    assert!(error.to_string().contains("commitlog"), "{error}");
    let below_a_file = small_config(&dir.path().join("commitlog/store"));
    assert!(matches!(refusal(below_a_file), StoreError::Io { .. }));
}

#[test]
fn a_missing_file_in_the_middle_is_named() {
    let dir = Scratch::new();
    let config = small_config(dir.path());
    let (mut store, _) = open(config.clone());
    for n in 0..20 {
        store.append(now(n), &message("T", 0, &[1; 1000], None)).unwrap();
    }
    drop(store);
    fs::remove_file(dir.path().join("commitlog/00000000000000004096")).unwrap();
    assert!(matches!(refusal(config), StoreError::Gap { expected: 4096, .. }));
}

#[test]
fn impossible_settings_are_refused() {
    let dir = Scratch::new();
    let base = small_config(dir.path());
    for config in [
        StoreConfig { commit_log_file_size: 0, ..base.clone() },
        StoreConfig { consume_queue_file_size: 0, ..base.clone() },
        StoreConfig { index_slots: 0, ..base.clone() },
        StoreConfig { index_entries: 1, ..base.clone() },
    ] {
        assert!(matches!(refusal(config), StoreError::Config(_)));
    }
}

#[test]
fn messages_that_cannot_be_stored_change_nothing() {
    let dir = Scratch::new();
    let (mut store, _) = open(small_config(dir.path()));
    let long = "t".repeat(256);
    let big = vec![1; 2049];
    for (topic, body) in
        [("../evil", &b"x"[..]), ("a/b", b"x"), ("..", b"x"), (&long, b"x"), ("T", b""), ("T", &big)]
    {
        let refused = store.append(now(1), &message(topic, 0, body, None));
        assert_eq!(refused, Err(AppendError::MessageIllegal), "{topic}");
    }
    assert_eq!(store.append(now(1), &message("T", -1, b"x", None)), Err(AppendError::MessageIllegal));
    assert_eq!((store.log_bounds().max, store.queues().len()), (0, 0));
    assert!(!dir.path().join("consumequeue").exists());
}

#[test]
fn a_log_file_that_cannot_be_created_refuses_the_message_only() {
    let dir = Scratch::new();
    let (mut store, _) = open(small_config(dir.path()));
    let big = [1; 1500];
    store.append(now(1), &message("T", 0, &big, None)).unwrap();
    store.append(now(1), &message("T", 0, &big, None)).unwrap();
    let end = store.log_bounds().max;
    fs::create_dir(dir.path().join("commitlog/00000000000000004096")).unwrap();
    assert_eq!(store.append(now(2), &message("T", 0, &big, None)), Err(AppendError::CreateFileFailed));
    assert_eq!(store.log_bounds().max, end);
    fs::remove_dir(dir.path().join("commitlog/00000000000000004096")).unwrap();
    let third = store.append(now(3), &message("T", 0, &big, None)).unwrap();
    assert_eq!((third.queue_offset, third.offset), (2, 4096));
}
