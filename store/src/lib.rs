//! The disk of a SansMQ broker: the file formats of Apache RocketMQ 5.3.3 behind the `Store` contract of
//! `sansmq-core`.
//!
//! Appends and reads touch memory-mapped files only; whatever may block is handed out as a [`Job`].
//! Formats: `spec/store.md`.

mod abort;
mod any_queue;
pub mod atomic;
mod batch_queue;
mod checkpoint;
mod commit_log;
mod config;
mod consume_queue;
mod deleted;
pub mod disk;
mod error;
mod ext_units;
mod file_store;
mod flush;
mod index;
mod jobs;
mod lock;
mod mapped;
mod queues;
mod raft;
mod recovery;
mod segments;
mod simple_queue;
mod sys;
mod timer_log;
pub mod tools;

pub use config::{FlushType, StoreConfig};
pub use error::StoreError;
pub use file_store::FileStore;
pub use jobs::{Done, Job};
pub use raft::{RaftDisk, RaftNote};
pub use recovery::{RecoveryProgress, RecoveryReport};
