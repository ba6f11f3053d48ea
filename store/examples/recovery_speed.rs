//! How fast a store recovers after a kill without a checkpoint, when the whole log has to be read.
//!
//! `cargo run -p sansmq-store --release --example recovery_speed -- DIR [GIB] [BODY_BYTES]`
//!
//! Fills a new store in DIR, kills it, removes the checkpoint and opens it again, twice: with queues and index
//! in place, and without them. The log is in the page cache, so this measures the work, not the device. The
//! last line is the checksum alone over the same bytes: what the scan could reach at best.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use sansmq_core::store::{NewMessage, Store};
use sansmq_core::time::Now;
use sansmq_store::disk::RealDisk;
use sansmq_store::{FileStore, StoreConfig};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some(dir) = args.first() else {
        eprintln!("usage: recovery_speed DIR [GIB] [BODY_BYTES]");
        std::process::exit(2);
    };
    let number = |at: usize, default: u64| args.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (gib, body_len) = (number(1, 1), number(2, 1024));
    let root = Path::new(dir);
    assert!(!root.exists(), "{dir} exists already");
    let config = StoreConfig { index_slots: 500_000, index_entries: 5_000_000, ..StoreConfig::new(root) };

    let mut store = FileStore::open(config.clone(), Now::default()).expect("a new store").0;
    let body: Vec<u8> = (0..body_len).map(|n| (n * 31 % 251) as u8).collect();
    let began = Instant::now();
    let mut count = 0u64;
    while store.log_bounds().max < gib << 30 {
        let topic = ["Apples", "Pears", "Plums"][count as usize % 3];
        let key = format!("key{count}");
        let properties = format!("UNIQ_KEY\x01{key}\x02");
        let message = NewMessage {
            born_timestamp: 1,
            properties: &[properties.as_bytes()],
            uniq_key: Some(&key),
            ..NewMessage::plain(topic, (count % 4) as i32, &body)
        };
        store.append(Now::default(), &message).expect("room for a message");
        count += 1;
    }
    let bytes = store.log_bounds().max;
    let rate = |bytes: u64, began: Instant| bytes as f64 / 1e6 / began.elapsed().as_secs_f64();
    println!("appended {count} messages, {bytes} bytes: {:.0} MB/s", rate(bytes, began));
    store.request_flush();
    while let Some(job) = store.poll_job() {
        store.complete(Now::default(), FileStore::run(job));
    }
    store.crash();

    for what in ["queues and index in place", "queues and index rebuilt"] {
        let _ = std::fs::remove_file(root.join("checkpoint"));
        if what.ends_with("rebuilt") {
            let _ = std::fs::remove_dir_all(root.join("consumequeue"));
            let _ = std::fs::remove_dir_all(root.join("index"));
        }
        let began = Instant::now();
        let mut scan = 0.0;
        let mut tell = |progress: &sansmq_store::RecoveryProgress| {
            scan = progress.megabytes_per_second();
            println!("  {progress}");
        };
        let disk = Arc::new(RealDisk::default());
        let (store, report) =
            FileStore::open_on(disk, config.clone(), Now::default(), &mut tell).expect("a store");
        assert_eq!((report.records, report.scanned_from, report.log_end), (count, 0, bytes));
        println!(
            "{what}: scan {:.0} MB/s; open took {:.2} s in all",
            bytes as f64 / 1e6 / report.scan_time.as_secs_f64(),
            began.elapsed().as_secs_f64()
        );
        store.crash();
    }

    let sum = |file: std::fs::DirEntry| {
        let data = std::fs::read(file.path()).expect("a log file");
        let began = Instant::now();
        let sum = data.chunks(body.len().max(1)).fold(0, |all, part| all ^ crc32fast::hash(part));
        println!(
            "checksum alone over {} bytes: {:.0} MB/s ({sum:08x})",
            data.len(),
            rate(data.len() as u64, began)
        );
    };
    std::fs::read_dir(root.join("commitlog")).expect("the log").flatten().take(1).for_each(sum);
}
