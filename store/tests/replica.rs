//! A replica's store: bytes of another log in any pieces, cuts, and crashes at every disk operation of both.

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{Scratch, drain, message, now, open, run_jobs, small_config};
use sansmq_core::store::{NewMessage, QueueBounds, RawError, Store, TagsCode, TruncateError};
use sansmq_store::disk::{Disk, SimConfig, SimDisk};
use sansmq_store::{FileStore, StoreConfig};

const TOPICS: [&str; 3] = ["Apples", "Pears", "Plums"];

/// A master's log with some messages, and where each of them ends.
fn master(root: &Path, count: u64, salt: u8) -> (FileStore, Vec<u64>) {
    let (mut store, _) = open(small_config(root));
    let ends = grow(&mut store, count, salt);
    (store, ends)
}

fn grow(store: &mut FileStore, count: u64, salt: u8) -> Vec<u64> {
    let mut ends = Vec::new();
    for n in 0..count {
        let body = vec![salt; 1 + (n * 37 % 400) as usize];
        let key = format!("{salt}-{n}");
        let topic = TOPICS[(n % 3) as usize];
        let properties = format!("UNIQ_KEY\x01{key}\x02");
        let parts: [&[u8]; 1] = [properties.as_bytes()];
        let plain = message(topic, (n % 2) as i32, &body, Some(&key));
        let message = NewMessage { properties: &parts, tags_code: TagsCode::Tags(0), ..plain };
        ends.push(store.append(now(n), &message).unwrap().end);
        run_jobs(store, now(n));
    }
    ends
}

/// Sends all that the replica lacks, in pieces.
fn follow(master: &FileStore, replica: &mut FileStore, piece: usize) -> Result<(), RawError> {
    let mut at = replica.log_bounds().max;
    while let Some(bytes) = master.log_slice(at, piece) {
        replica.append_raw(now(at), at, &bytes)?;
        run_jobs(replica, now(at));
        at += bytes.len() as u64;
    }
    Ok(())
}

fn whole_log(store: &FileStore) -> Vec<u8> {
    let (mut at, mut all) = (store.log_bounds().min, Vec::new());
    while let Some(bytes) = store.log_slice(at, 1 << 20) {
        all.extend_from_slice(&bytes);
        at += bytes.len() as u64;
    }
    all
}

fn queues(store: &FileStore) -> Vec<(String, i32, QueueBounds)> {
    let mut all = store.queues();
    all.retain(|(_, _, bounds)| bounds.max > 0);
    all.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    all
}

fn same(a: &FileStore, b: &FileStore) {
    assert_eq!(whole_log(a), whole_log(b));
    assert_eq!(queues(a), queues(b));
    for (topic, id, _) in queues(a) {
        assert_eq!(drain(a, &topic, id), drain(b, &topic, id));
    }
}

#[test]
fn any_pieces_give_the_same_store() {
    for piece in [1, 3, 7, 100, 4096] {
        let (left, right) = (Scratch::new(), Scratch::new());
        let (mut master, _) = master(left.path(), 60, 1);
        let (mut replica, _) = open(small_config(right.path()));
        follow(&master, &mut replica, piece).unwrap();
        assert_eq!(
            (replica.whole_end(), replica.log_bounds().max),
            (master.whole_end(), master.log_bounds().max)
        );
        same(&master, &replica);
        for key in ["1-3", "1-59"] {
            let found = replica.query_index(TOPICS[if key == "1-3" { 0 } else { 2 }], key, 8, 0, i64::MAX);
            assert_eq!(found.records.len(), 1, "{key}");
        }
        // the replica takes over: the next queue offsets follow (KF-07)
        drop(replica);
        let (mut replica, report) = open(small_config(right.path()));
        assert_eq!(report.log_end, master.log_bounds().max);
        grow(&mut replica, 9, 2);
        grow(&mut master, 9, 2);
        assert_eq!(queues(&master), queues(&replica));
    }
}

#[test]
fn a_replica_may_begin_with_a_later_file() {
    let (left, right) = (Scratch::new(), Scratch::new());
    let (master, _) = master(left.path(), 60, 1);
    let (mut replica, _) = open(small_config(right.path()));
    let from = master.last_file();
    assert!(from > 4096);
    let bytes = master.log_slice(from, 10_000).unwrap();
    let refused = replica.append_raw(now(0), from + 8, &bytes[8..]);
    assert_eq!(refused, Err(RawError::Misplaced { given: from + 8, file_size: 4096 }));
    replica.append_raw(now(0), from, &bytes).unwrap();
    let refused = replica.append_raw(now(0), from, &bytes);
    assert!(matches!(refused, Err(RawError::Gap { .. })));
    drop(replica);
    let (replica, _) = open(small_config(right.path()));
    assert_eq!(replica.log_bounds().min, from);
    assert_eq!(replica.log_bounds().max, master.log_bounds().max);
    for (topic, id, bounds) in queues(&replica) {
        let all = master.queue_bounds(&topic, id, u64::MAX).unwrap();
        assert!(bounds.max == all.max && bounds.min > 0);
    }
}

/// KF-38: its master has thrown away what it would need next, so it is emptied and goes on where the master's log begins;
/// queues go on with the offsets the master has there.
#[test]
fn kf_38_an_emptied_replica_goes_on_at_a_later_file() {
    let (left, right) = (Scratch::new(), Scratch::new());
    let (mut master, _) = master(left.path(), 30, 1);
    let (mut replica, _) = open(small_config(right.path()));
    follow(&master, &mut replica, 100).unwrap();
    let old_end = replica.log_bounds().max;
    grow(&mut master, 90, 2);
    let from = master.last_file();
    assert!(from > old_end);
    let start = replica.log_bounds().min;
    replica.truncate_to(now(1), start).unwrap();
    assert_eq!((replica.log_bounds().min, replica.log_bounds().max), (start, start));
    // A crash here leaves an empty log, which may go on anywhere as well.
    drop(replica);
    let (mut replica, _) = open(small_config(right.path()));
    let bounds = replica.log_bounds();
    assert_eq!(bounds.min, bounds.max);
    let bytes = master.log_slice(from, 1 << 20).unwrap();
    replica.append_raw(now(2), from, &bytes).unwrap();
    run_jobs(&mut replica, now(2));
    follow(&master, &mut replica, 100).unwrap();
    for _ in 0..2 {
        assert_eq!((replica.log_bounds().min, replica.log_bounds().max), (from, master.log_bounds().max));
        for (topic, id, bounds) in queues(&replica) {
            let all = master.queue_bounds(&topic, id, u64::MAX).unwrap();
            assert!(bounds.max == all.max && bounds.min > 0, "{topic}-{id}: {bounds:?} of {all:?}");
            let (own, theirs) = (drain(&replica, &topic, id), drain(&master, &topic, id));
            assert!(theirs.ends_with(&own) && own.len() as i64 == bounds.max - bounds.min, "{topic}-{id}");
        }
        assert!(replica.query_index(TOPICS[0], "1-3", 8, 0, i64::MAX).records.is_empty());
        assert_eq!(replica.query_index(TOPICS[2], "2-89", 8, 0, i64::MAX).records.len(), 1);
        drop(replica);
        replica = open(small_config(right.path())).0;
    }
}

#[test]
fn damage_on_the_way_is_named_and_can_be_cut() {
    let (left, right) = (Scratch::new(), Scratch::new());
    let (master, ends) = master(left.path(), 9, 1);
    let (mut replica, _) = open(small_config(right.path()));
    let mut bytes = master.log_slice(0, 4096).unwrap().to_vec();
    let hit = ends[3] as usize + 90;
    bytes[hit] ^= 1;
    let error = replica.append_raw(now(0), 0, &bytes);
    assert!(matches!(error, Err(RawError::Damaged { at, .. }) if at == ends[3]), "{error:?}");
    run_jobs(&mut replica, now(0));
    replica.truncate_to(now(0), replica.whole_end()).unwrap();
    follow(&master, &mut replica, 50).unwrap();
    same(&master, &replica);
}

#[test]
fn a_cut_is_refused_where_no_record_begins() {
    let left = Scratch::new();
    let (mut store, ends) = master(left.path(), 30, 1);
    assert_eq!(store.truncate_to(now(0), ends[4] + 1), Err(TruncateError::NotABoundary(ends[4] + 1)));
    assert_eq!(store.truncate_to(now(0), u64::MAX), Ok(()));
    store.request_flush();
    let job = store.poll_job().unwrap();
    assert_eq!(store.truncate_to(now(0), ends[4]), Err(TruncateError::Busy));
    assert!(store.poll_job().is_none(), "no more work until then");
    let done = FileStore::run(job);
    store.complete(now(0), done);
    store.truncate_to(now(0), ends[4]).unwrap();
    let bounds = store.log_bounds();
    assert_eq!((bounds.max, store.whole_end()), (ends[4], ends[4]));
    assert!(bounds.durable <= ends[4]);
}

#[test]
fn who_reads_what_is_cut_reads_on() {
    let (left, right) = (Scratch::new(), Scratch::new());
    let (mut store, ends) = master(left.path(), 10, 1);
    let held = store.log_slice(ends[4], 500).unwrap();
    let before = held.to_vec();
    store.truncate_to(now(0), ends[4]).unwrap();
    grow(&mut store, 5, 9);
    assert_eq!(held, before);
    let (mut other, _) = open(small_config(right.path()));
    follow(&store, &mut other, 1000).unwrap();
    drop(store);
    let (store, report) = open(small_config(left.path()));
    assert_eq!(report.stopped_by, None);
    same(&store, &other);
}

fn sim_config() -> StoreConfig {
    StoreConfig {
        commit_log_file_size: 4096,
        consume_queue_file_size: 200,
        index_slots: 8,
        index_entries: 16,
        max_message_size: 2048,
        flush_log_pages: 1,
        pid: 1,
        keep_confirmed: true,
        receives: true,
        ..StoreConfig::new("/store")
    }
}

fn open_sim(disk: &SimDisk) -> FileStore {
    FileStore::open_on(Arc::new(disk.clone()), sim_config(), now(0), &mut |_| {}).unwrap().0
}

/// One life: follow an old master, cut, follow the new one; the power fails before operation `crash` of the
/// cut and what follows. Gives the number of operations, and whether the cut was reported as done.
fn life(
    old: &FileStore,
    (new, new_ends): (&FileStore, &[u64]),
    cut: u64,
    boundaries: &[u64],
    crash: Option<u64>,
    seed: u64,
    hold: bool,
) -> u64 {
    let disk = SimDisk::new(SimConfig { seed, ..SimConfig::default() });
    disk.create_dir(Path::new("/store")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    let mut store = open_sim(&disk);
    follow(old, &mut store, 333).unwrap();
    store.request_flush();
    run_jobs(&mut store, now(1));
    store.tick(now(120_000));
    run_jobs(&mut store, now(120_000));
    let held = hold.then(|| store.log_slice(cut, 100));
    let begin = disk.operations();
    if let Some(crash) = crash {
        disk.crash_at(begin + crash);
    }
    let done = store.truncate_to(now(2), cut).is_ok() && !disk.is_off();
    let mut followed = cut;
    if done {
        // the new master's bytes, with flushes in between
        let mut at = cut;
        while let Some(bytes) = new.log_slice(at, 700).filter(|_| !disk.is_off()) {
            followed = at + bytes.len() as u64;
            if store.append_raw(now(3), at, &bytes).is_err() {
                break;
            }
            at = followed;
            store.request_flush();
            run_jobs(&mut store, now(3));
            store.tick(now(at * 1000));
            run_jobs(&mut store, now(at * 1000));
        }
    }
    let durable = store.log_bounds().durable;
    let operations = disk.operations() - begin;
    drop(held);
    disk.power_off();
    drop(store);
    disk.power_on();

    let mut store = open_sim(&disk);
    let end = store.log_bounds().max;
    if done {
        // the front of a record that was still arriving goes at a restart
        let whole = new_ends.iter().copied().filter(|end| *end <= durable).max().unwrap_or(0);
        // the head of a filler tells its end, so the rest of it need not have come
        let reached = (cut.max(whole)..=followed).contains(&end) || end == followed.next_multiple_of(4096);
        assert!(reached, "{end} after a cut at {cut} that was done");
        let len = end as usize;
        assert!(whole_log(&store) == whole_log(new)[..len], "remains of the old log have come back");
    } else {
        assert!(end >= cut && boundaries.contains(&end), "{end} is neither before nor after a cut at {cut}");
        assert!(whole_log(&store) == whole_log(old)[..end as usize]);
        store.truncate_to(now(0), cut).unwrap();
    }
    follow(new, &mut store, 500).unwrap();
    same(new, &store);
    store.close(now(9));
    operations
}

#[test]
fn no_crash_brings_back_what_was_cut() {
    let (left, right) = (Scratch::new(), Scratch::new());
    let (mut old, mut boundaries) = master(left.path(), 40, 1);
    boundaries.push(0);
    boundaries.extend((1..40).map(|n| n * 4096));
    for at in [3, 11, 24, 38] {
        // the new master has the same front and goes on in its own way
        let right = Scratch::new();
        let (mut new, _) = open(small_config(right.path()));
        let cut = boundaries[at];
        let mut upto = 0;
        while upto < cut {
            let bytes = old.log_slice(upto, (cut - upto) as usize).unwrap();
            new.append_raw(now(0), upto, &bytes).unwrap();
            upto += bytes.len() as u64;
        }
        let ends = grow(&mut new, 12, 2);
        let new = (&new, ends.as_slice());
        let all = life(&old, new, cut, &boundaries, None, 1, false);
        for crash in 0..=all {
            for seed in 0..3 {
                life(&old, new, cut, &boundaries, Some(crash), seed * 1000 + crash, seed == 1);
            }
        }
    }
    old.close(now(0));
    drop(right);
}

#[test]
fn the_confirmed_offset_outlives_a_restart() {
    let left = Scratch::new();
    let config = StoreConfig { keep_confirmed: true, ..small_config(left.path()) };
    let (mut store, _) = open(config.clone());
    let ends = grow(&mut store, 9, 1);
    assert_eq!(store.confirmed(), 0);
    store.set_confirmed(ends[6]);
    store.close(now(1));
    drop(store);
    let (mut store, _) = open(config.clone());
    assert_eq!((store.confirmed(), store.log_bounds().max), (ends[6], ends[8]));
    store.truncate_to(now(0), ends[2]).unwrap();
    assert_eq!(store.confirmed(), ends[2]);
    store.crash();
    let (store, _) = open(config);
    assert_eq!((store.confirmed(), store.log_bounds().max), (ends[2], ends[2]));
}
