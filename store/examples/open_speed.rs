//! How long opening a large store takes after a clean stop.
//!
//! `cargo run -p sansmq-store --release --example open_speed -- DIR [GIB] [BODY_BYTES] [QUEUES]`
//!
//! Fills a new store in DIR with queues and index, closes it, takes its files out of the page cache as far as
//! the kernel lets it, and opens it; then once more with everything in memory. DIR is left for a look.

use std::path::Path;
use std::time::Instant;

use sansmq_core::store::{NewMessage, Store};
use sansmq_core::time::{Mono, Now};
use sansmq_store::{FileStore, StoreConfig};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some(dir) = args.first() else {
        eprintln!("usage: open_speed DIR [GIB] [BODY_BYTES] [QUEUES]");
        std::process::exit(2);
    };
    let number = |at: usize, default: u64| args.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (gib, body_len, queues) = (number(1, 10), number(2, 1024), number(3, 64).max(1));
    let root = Path::new(dir);
    if !root.exists() {
        fill(root, gib, body_len, queues);
    }
    for place in ["out of the page cache", "in the page cache"] {
        if place.starts_with("out") {
            drop_from_memory(root);
        }
        let began = Instant::now();
        let (mut store, report) = FileStore::open(StoreConfig::new(root), Now::default()).expect("a store");
        println!(
            "{place}: opened {} bytes in {:.3} s",
            store.log_bounds().max,
            began.elapsed().as_secs_f64()
        );
        println!("  scanned from {} to {}", report.scanned_from, report.log_end);
        store.close(Now::default());
    }
}

fn fill(root: &Path, gib: u64, body_len: u64, queues: u64) {
    let mut store = FileStore::open(StoreConfig::new(root), Now::default()).expect("a new store").0;
    let body: Vec<u8> = (0..body_len).map(|n| (n * 31 % 251) as u8).collect();
    let began = Instant::now();
    let mut count = 0u64;
    while store.log_bounds().max < gib << 30 {
        let topic = format!("Topic{}", count % queues / 4);
        let key = format!("key{count}");
        let properties = format!("UNIQ_KEY\x01{key}\x02");
        let at =
            Now { mono: Mono(0).plus_ms(count / 100), wall_ms: 1_700_000_000_000 + (count / 100) as i64 };
        let message = NewMessage {
            born_timestamp: 1,
            properties: &[properties.as_bytes()],
            uniq_key: Some(&key),
            ..NewMessage::plain(&topic, (count % 4) as i32, &body)
        };
        store.append(at, &message).expect("room for a message");
        count += 1;
        if count.is_multiple_of(50_000) {
            store.tick(at);
            while let Some(job) = store.poll_job() {
                store.complete(at, FileStore::run(job));
            }
        }
    }
    println!(
        "appended {count} messages, {} bytes: {:.0} MB/s",
        store.log_bounds().max,
        store.log_bounds().max as f64 / 1e6 / began.elapsed().as_secs_f64()
    );
    let began = Instant::now();
    store.close(Now::default());
    println!("closed in {:.2} s", began.elapsed().as_secs_f64());
}

fn drop_from_memory(dir: &Path) {
    use std::os::fd::AsRawFd;
    for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            drop_from_memory(&path);
            continue;
        }
        let file = std::fs::File::open(&path).expect("a file");
        file.sync_all().expect("a sync");
        // SAFETY: plain call on an open descriptor.
        unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
    }
}
