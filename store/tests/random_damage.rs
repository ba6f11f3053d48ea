//! Random histories ended by a kill and random damage: what comes back is a prefix of what was written, and
//! the store works on from there.

mod common;

use std::fs;
use std::os::unix::fs::FileExt;

use common::{Scratch, drain, message, now, open, run_jobs, small_config};
use sansmq_core::message::record;
use sansmq_core::store::Store;

/// A small generator with a period long enough for a test (Marsaglia's xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

struct Written {
    queue_id: i32,
    offset: u64,
    end: u64,
    body: Vec<u8>,
}

fn check(store: &sansmq_store::FileStore, history: &[Written], seed: u64) {
    for queue_id in 0..4 {
        let expected: Vec<&Written> = history.iter().filter(|w| w.queue_id == queue_id).collect();
        let bounds = store.queue_bounds("Topic", queue_id, u64::MAX).unwrap_or_default();
        assert_eq!((bounds.min, bounds.max), (0, expected.len() as i64), "seed {seed} queue {queue_id}");
        for (bytes, written) in drain(store, "Topic", queue_id).iter().zip(expected) {
            let r = record::decode(bytes).unwrap();
            assert_eq!(
                (r.physical_offset as u64, r.body),
                (written.offset, written.body.as_slice()),
                "seed {seed}"
            );
        }
    }
}

fn run(seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let dir = Scratch::new();
    let config = small_config(dir.path());
    let mut history: Vec<Written> = Vec::new();
    let mut clock = 0;
    for _ in 0..4 {
        let (mut store, report) = open(config.clone());
        assert_eq!(report.log_end, store.log_bounds().max);
        check(&store, &history, seed);
        for _ in 0..dice.roll(60) {
            clock += dice.roll(9000);
            let body = vec![dice.roll(255) as u8 + 1; 1 + dice.roll(700) as usize];
            let queue_id = dice.roll(4) as i32;
            let done = store.append(now(clock), &message("Topic", queue_id, &body, None)).unwrap();
            history.push(Written { queue_id, offset: done.offset, end: done.end, body });
            if dice.roll(5) == 0 {
                store.tick(now(clock));
                run_jobs(&mut store, now(clock));
            }
        }
        let durable = store.log_bounds().durable;
        store.crash();
        // what was not durable may be lost in any combination
        let fresh: Vec<usize> = (0..history.len()).filter(|n| history[*n].offset >= durable).collect();
        if fresh.is_empty() || dice.roll(4) == 0 {
            continue;
        }
        let first = fresh[dice.roll(fresh.len() as u64) as usize];
        for hit in [first, fresh[fresh.len() - 1].max(first)] {
            let w = &history[hit];
            let (base, size) = (w.offset / 4096 * 4096, w.end - w.offset);
            let file = fs::File::options()
                .write(true)
                .open(dir.path().join(format!("commitlog/{base:020}")))
                .unwrap();
            // up to and including the body; the rest has no checksum
            let checked = 88 + w.body.len() as u64;
            let at = dice.roll(checked / 2);
            let len = size.min(1 + dice.roll(checked));
            let junk: Vec<u8> = (0..len).map(|_| if dice.roll(2) == 0 { 0 } else { 0xA5 }).collect();
            let junk = if at + len > 88 { vec![0; (size - at) as usize] } else { junk };
            file.write_all_at(&junk, w.offset - base + at).unwrap();
        }
        let (store, report) = open(config.clone());
        // harmless hits (say, on a time or a flag) leave the record acceptable
        let kept = history.iter().take_while(|w| w.end <= report.log_end).count();
        assert!(kept >= first, "seed {seed}: record {first} was damaged but only {kept} are left");
        let intact = |w: &Written| {
            let bytes = store.record_at(w.offset).unwrap();
            let r = record::decode(&bytes).unwrap();
            (r.queue_id, r.body) == (w.queue_id, w.body.as_slice()) && r.topic == b"Topic"
        };
        assert!(history[..first].iter().all(intact), "seed {seed}");
        if kept > first {
            return; // damage that no check can see has changed a header field; nothing more to compare
        }
        history.truncate(kept);
        check(&store, &history, seed);
        store.crash();
    }
    let (mut store, _) = open(config.clone());
    check(&store, &history, seed);
    store.close(now(clock));
    drop(store);
    let (store, report) = open(config);
    assert!(report.clean);
    check(&store, &history, seed);
}

#[test]
fn what_comes_back_is_a_prefix() {
    for seed in 1..=40 {
        run(seed);
    }
}

fn all_files(dir: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all_files(&path, found) } else { found.push(path) }
    }
}

/// Junk anywhere, in any file: opening never panics or hangs, and the store takes and gives messages after.
fn scribble(seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0xD134_2543_DE82_EF95) | 1);
    let dir = Scratch::new();
    let config = small_config(dir.path());
    let (mut store, _) = open(config.clone());
    for n in 0..60 {
        let body = vec![n as u8; 1 + dice.roll(600) as usize];
        store.append(now(n), &message("Topic", dice.roll(3) as i32, &body, Some("key"))).unwrap();
    }
    if dice.roll(2) == 0 {
        store.close(now(100));
    }
    drop(store);
    let mut files = Vec::new();
    all_files(dir.path(), &mut files);
    files.sort();
    for _ in 0..1 + dice.roll(6) {
        let path = &files[dice.roll(files.len() as u64) as usize];
        let size = fs::metadata(path).unwrap().len();
        if size < 100 {
            continue;
        }
        let at = dice.roll(size);
        let len = (1 + dice.roll(40)).min(size - at);
        let junk: Vec<u8> = (0..len).map(|_| dice.roll(256) as u8).collect();
        fs::File::options().write(true).open(path).unwrap().write_all_at(&junk, at).unwrap();
    }
    let (mut store, report) = open(config.clone());
    assert!(report.log_end <= 60 * 1000);
    for queue_id in 0..3 {
        drain(&store, "Topic", queue_id);
        store.offset_by_time("Topic", queue_id, now(30).wall_ms, sansmq_core::store::Boundary::Lower);
    }
    store.query_index("Topic", "key", 64, 0, i64::MAX);
    let before = store.queue_bounds("Topic", 0, u64::MAX).unwrap_or_default().max;
    let done = store.append(now(200), &message("Topic", 0, b"after", None)).unwrap();
    assert_eq!((done.queue_offset, done.offset >= report.log_end), (before, true), "seed {seed}");
    store.crash();
    let (store, _) = open(config);
    assert!(store.record_at(done.offset).is_some(), "seed {seed}");
}

#[test]
fn junk_anywhere_is_survived() {
    for seed in 1..=100 {
        scribble(seed);
    }
}
