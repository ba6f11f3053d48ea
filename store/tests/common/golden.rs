//! The stores in `tests/golden/store`, written by the reference broker.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use sansmq_store::StoreConfig;
use serde_json::Value;

use super::Scratch;

pub struct Golden {
    pub dir: Scratch,
    pub expected: Value,
}

fn golden_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/store")
}

/// Unpacks a store into a directory of its own.
pub fn unpack(name: &str) -> Golden {
    let dir = Scratch::new();
    let archive = golden_dir().join(format!("{name}.tar.gz"));
    let status = Command::new("tar").arg("xzf").arg(&archive).arg("-C").arg(dir.path()).status().unwrap();
    assert!(status.success(), "cannot unpack {}", archive.display());
    let expected = File::open(golden_dir().join(format!("{name}.expected.json"))).unwrap();
    Golden { dir, expected: serde_json::from_reader(std::io::BufReader::new(expected)).unwrap() }
}

impl Golden {
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    /// The configuration the store was written with; `meta.config` of the expectations overrides.
    pub fn config(&self) -> StoreConfig {
        let config = &self.expected["meta"]["config"];
        let number = |name: &str, default: u64| config[name].as_str().map_or(default, |n| n.parse().unwrap());
        StoreConfig {
            commit_log_file_size: number("mappedFileSizeCommitLog", 131_072),
            consume_queue_file_size: number("mappedFileSizeConsumeQueue", 4_000),
            batch_queue_file_size: number("mapperFileSizeBatchConsumeQueue", 4_600),
            enable_ext: config["enableConsumeQueueExt"] == "true",
            ext_file_size: number("mappedFileSizeConsumeQueueExt", 8_192),
            timer_log_file_size: number("mappedFileSizeTimerLog", 5_200),
            index_slots: 200,
            index_entries: 400,
            enable_lmq: config["enableLmq"] == "true",
            ..StoreConfig::new(self.root())
        }
    }

    pub fn list(&self, name: &str) -> &[Value] {
        self.expected[name].as_array().unwrap()
    }
}
