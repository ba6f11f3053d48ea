//! Appending and looking up, on the file system of the temporary directory: `cargo bench -p sansmq-tests --bench store`.

use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sansmq_core::store::{Boundary, NewMessage, ReadRequest, Store, TagFilter};
use sansmq_core::time::{Mono, Now};
use sansmq_store::{FileStore, StoreConfig};

const QUEUES: u64 = 8;
const STORED: u64 = 200_000;

/// A store in a directory that goes with it.
struct Scratch {
    dir: PathBuf,
    store: FileStore,
    appended: u64,
}

impl Scratch {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("sansmq-bench-{}-{name}", std::process::id()));
        let config = StoreConfig { commit_log_file_size: 64 << 20, ..StoreConfig::new(&dir) };
        let (store, _) = FileStore::open(config, Now::default()).expect("a new store");
        Scratch { dir, store, appended: 0 }
    }

    fn now(&self) -> Now {
        let ms = self.appended / 100;
        Now { mono: Mono(0).plus_ms(ms), wall_ms: 1_700_000_000_000 + ms as i64 }
    }

    fn append(&mut self, body: &[u8]) {
        let now = self.now();
        let key = format!("{:032X}", self.appended);
        let properties = format!("UNIQ_KEY\u{1}{key}\u{2}");
        let parts: [&[u8]; 1] = [properties.as_bytes()];
        let queue = (self.appended % QUEUES) as i32;
        let message = NewMessage {
            born_timestamp: now.wall_ms,
            properties: &parts,
            uniq_key: Some(&key),
            ..NewMessage::plain("Bench", queue, body)
        };
        self.store.append(now, &message).expect("room for a message");
        self.appended += 1;
    }

    /// What helper threads do beside it.
    fn work(&mut self) {
        let now = self.now();
        self.store.tick(now);
        while let Some(job) = self.store.poll_job() {
            let done = FileStore::run(job);
            self.store.complete(now, done);
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Record, queue entry and index entries of a message; files are made and flushed outside of the time that counts.
fn append(c: &mut Criterion) {
    let mut group = c.benchmark_group("append");
    group.throughput(Throughput::Elements(1)).sample_size(20).measurement_time(Duration::from_secs(3));
    for len in [128, 1024, 65_536] {
        let body = vec![b'x'; len];
        group.bench_function(format!("{len} B"), |b| {
            b.iter_custom(|count| {
                let mut scratch = Scratch::new("append");
                let (mut left, mut spent) = (count, Duration::ZERO);
                while left > 0 {
                    let some = left.min((16 << 20) / (len as u64 + 256));
                    let begun = Instant::now();
                    (0..some).for_each(|_| scratch.append(&body));
                    spent += begun.elapsed();
                    scratch.work();
                    left -= some;
                }
                spent
            });
        });
    }
    group.finish();
}

fn lookup(c: &mut Criterion) {
    let mut scratch = Scratch::new("lookup");
    for number in 0..STORED {
        scratch.append(&[b'x'; 128]);
        if number.is_multiple_of(20_000) {
            scratch.work();
        }
    }
    let store = &scratch.store;
    let each = (STORED / QUEUES) as i64;
    let mut at = 0;
    let mut next = move || {
        // over the whole queue, in an order without pattern
        at = (at + 7_919) % (each - 32);
        at
    };
    let read = |offset: i64, max_count: u32| {
        let filter = TagFilter::All;
        store.read(&ReadRequest {
            topic: "Bench",
            queue_id: 3,
            offset,
            max_count,
            visible_end: u64::MAX,
            filter,
        })
    };
    let mut group = c.benchmark_group("lookup");
    group.bench_function("by offset", |b| b.iter(|| black_box(read(next(), 1)).count));
    group.throughput(Throughput::Elements(32));
    group.bench_function("32 messages for a pull", |b| b.iter(|| black_box(read(next(), 32)).count));
    group.throughput(Throughput::Elements(1));
    group.bench_function("by time", |b| {
        b.iter(|| {
            let time = 1_700_000_000_000 + next() * QUEUES as i64 / 100;
            black_box(store.offset_by_time("Bench", 3, time, Boundary::Lower))
        });
    });
    group.bench_function("by key", |b| {
        b.iter(|| {
            let key = format!("{:032X}", next());
            black_box(store.query_index("Bench", &key, 32, 0, i64::MAX))
        });
    });
    group.finish();
}

criterion_group!(benches, append, lookup);
criterion_main!(benches);
