//! One random history.

use std::path::Path;
use std::sync::Arc;

use sansmq_core::message::batch::{BatchItem, push_item};
use sansmq_core::store::retention::Retention;
use sansmq_core::store::{AppendError, NewMessage, Store};
use sansmq_core::time::{Mono, Now};
use sansmq_store::disk::{Disk, SimConfig, SimDisk};
use sansmq_store::{Done, FileStore, FlushType, Job, RecoveryReport, StoreConfig, StoreError};

use super::kinds;
use super::model::Model;
use super::timer::{self, Timer};

pub const LOG_FILE: u64 = 4096;
const TOPICS: [&str; 3] = ["Apples", "Pears", "Plums"];

/// What happened in all.
#[derive(Debug, Default)]
pub struct Totals {
    pub starts: u64,
    pub appended: u64,
    pub survived: u64,
    pub crashes_in_recovery: u64,
    pub clean_stops: u64,
    pub kills: u64,
    pub failed_syncs: u64,
    pub disk_full: u64,
    pub files_expired: u64,
    pub operations: u64,
}

impl Totals {
    pub fn add(&mut self, other: &Totals) {
        self.starts += other.starts;
        self.appended += other.appended;
        self.survived += other.survived;
        self.crashes_in_recovery += other.crashes_in_recovery;
        self.clean_stops += other.clean_stops;
        self.kills += other.kills;
        self.failed_syncs += other.failed_syncs;
        self.disk_full += other.disk_full;
        self.files_expired += other.files_expired;
        self.operations += other.operations;
    }
}

/// Marsaglia's xorshift.
pub struct Dice(u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides.max(1)
    }

    pub fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }
}

struct Life {
    dice: Dice,
    /// In two histories of five the process may be killed while the power stays: what was written is there, and nothing
    /// more of it is durable than before. Drawn from a stream of its own.
    kills: Option<Dice>,
    disk: SimDisk,
    config: StoreConfig,
    mono_ms: u64,
    /// Added to the steady clock; jumps now and then.
    wall_offset: i64,
    keys: u64,
    model: Model,
    /// One history in three has timer messages.
    timer: Option<Timer>,
    totals: Totals,
    /// This history has a small disk, or one whose syncs fail.
    small: bool,
    failing: bool,
}

pub fn live(seed: u64) -> Totals {
    let mut dice = Dice(seed.wrapping_mul(0xD134_2543_DE82_EF95) | 1);
    dice.roll(2);
    let disk = SimDisk::new(SimConfig { seed: seed ^ 0x5EED, ..SimConfig::default() });
    disk.create_dir(Path::new("/store")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    let hours = if dice.one_in(3) { (0..24).collect() } else { Vec::new() };
    let config = StoreConfig {
        commit_log_file_size: LOG_FILE,
        consume_queue_file_size: 20 * (2 + dice.roll(12)),
        index_slots: 1 + dice.roll(12) as u32,
        index_entries: 2 + dice.roll(24) as u32,
        max_message_size: 2048,
        flush_type: if dice.one_in(2) { FlushType::Sync } else { FlushType::Async },
        delay_levels: Vec::new(),
        flush_log_pages: 1,
        flush_queue_thorough_ms: 1_000 + dice.roll(20_000),
        retention: Retention {
            delete_when: hours,
            reserved_ms: 20_000,
            force: 2.0,
            warning: 2.0,
            ..Retention::default()
        },
        pid: 1,
        ..StoreConfig::new("/store")
    };
    let config = kinds::configure(&mut dice, config);
    let config = timer::configure(&mut dice, config);
    let timer = dice.one_in(3).then(Timer::default);
    let (small, failing) = (dice.one_in(6), dice.one_in(6));
    // what the kernel has after a sync that failed is not what the device has, and the next process cannot know that
    let killed = matches!(seed % 5, 0 | 4) && !failing;
    let kills = killed.then(|| Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1));
    let mut life = Life {
        dice,
        kills,
        disk,
        config,
        mono_ms: 0,
        wall_offset: 1_700_000_000_000,
        keys: 0,
        model: Model::default(),
        timer,
        totals: Totals::default(),
        small,
        failing,
    };
    for _ in 0..2 + life.dice.roll(4) {
        life.run();
    }
    life.totals.operations += life.disk.operations();
    life.totals
}

impl Life {
    fn now(&self) -> Now {
        Now { mono: Mono(0).plus_ms(self.mono_ms), wall_ms: self.wall_offset + self.mono_ms as i64 }
    }

    fn pass(&mut self, ms: u64) {
        self.mono_ms += ms;
        if self.dice.one_in(20) {
            // somebody sets the clock
            self.wall_offset += self.dice.roll(7_200_000) as i64 - 3_600_000;
        }
        self.disk.set_time(self.now().wall_ms);
    }

    fn open(&mut self, disk: &SimDisk) -> Result<(FileStore, RecoveryReport), StoreError> {
        FileStore::open_on(Arc::new(disk.clone()), self.config.clone(), self.now(), &mut |_| {})
    }

    /// Starts the store, with power failures during the attempts.
    fn start(&mut self) -> (FileStore, RecoveryReport) {
        while self.dice.one_in(3) {
            self.disk.crash_at(self.disk.operations() + self.dice.roll(120));
            match self.open(&self.disk.clone()) {
                Ok((store, _)) => store.crash(),
                Err(error) => assert!(self.disk.is_off(), "a start failed: {error}"),
            }
            self.totals.crashes_in_recovery += u64::from(self.disk.is_off());
            self.disk.power_on();
        }
        self.totals.starts += 1;
        self.open(&self.disk.clone()).unwrap_or_else(|error| panic!("the store does not start: {error}"))
    }

    /// One life from start to stop or crash.
    fn run(&mut self) {
        self.disk.set_sync_failures(0);
        self.disk.set_space(1 << 30);
        let (mut store, report) = self.start();
        if std::env::var_os("SANSMQ_SIM_SEED").is_some() {
            eprintln!(
                "started: {report:?}, durable before {}, failing {} small {}",
                self.model.acked, self.failing, self.small
            );
        }
        assert_eq!(report.log_end, store.log_bounds().max);
        self.model.settle(&store);
        self.totals.survived += self.model.records.len() as u64;
        self.model.check(&store, false);
        let now = self.now();
        if let Some(timer) = &mut self.timer {
            timer.start(&mut store, now, &self.model, &self.disk, report.clean);
        }
        self.compare_with_rebuild();
        if self.failing {
            self.disk.set_sync_failures(10 + self.dice.roll(40));
        }
        if self.small {
            self.disk.set_space(self.disk.used() + self.dice.roll(40_000));
        }
        let crashes = !self.dice.one_in(5);
        if crashes && self.dice.one_in(2) {
            self.disk.crash_at(self.disk.operations() + self.dice.roll(150));
        }
        let mut jobs = Vec::new();
        let mut done = Vec::new();
        for _ in 0..self.dice.roll(70) {
            if self.disk.is_off() {
                break;
            }
            self.step(&mut store, &mut jobs, &mut done);
            self.model.acked = self.model.acked.max(store.log_bounds().durable);
        }
        if crashes && !self.disk.is_off() && self.kills.as_mut().is_some_and(|dice| dice.one_in(2)) {
            self.totals.kills += 1;
            self.disk.crash_at(u64::MAX);
            return store.crash();
        }
        if crashes || self.disk.is_off() {
            self.disk.power_off();
        } else {
            self.stop(&mut store, jobs, done);
        }
        drop(store);
        self.disk.power_on();
    }

    fn stop(&mut self, store: &mut FileStore, jobs: Vec<Job>, done: Vec<Done>) {
        for job in jobs {
            let report = FileStore::run(job);
            store.complete(self.now(), report);
        }
        done.into_iter().for_each(|report| store.complete(self.now(), report));
        let now = self.now();
        if let Some(timer) = &mut self.timer {
            timer.save(store, &self.disk);
            timer.checkpoint(store, now);
            while let Some(job) = store.poll_job() {
                store.complete(now, FileStore::run(job));
            }
            timer.save(store, &self.disk);
        }
        store.close(now);
        let bounds = store.log_bounds();
        self.model.acked = self.model.acked.max(bounds.durable);
        if self.disk.entry(Path::new("/store/abort")).unwrap().is_none() {
            self.totals.clean_stops += 1;
            self.model.short_lived.jobs_are_done();
            assert_eq!(bounds.durable, bounds.max, "an orderly end makes everything durable");
        }
    }

    fn step(&mut self, store: &mut FileStore, jobs: &mut Vec<Job>, done: &mut Vec<Done>) {
        let wait = self.dice.roll(1_500);
        self.pass(wait);
        let before = store.log_bounds().min;
        self.timers(store);
        match self.dice.roll(20) {
            0..=6 => self.append(store),
            7..=9 => self.append_special(store),
            10 => self.append_batch(store),
            11 => store.request_flush(),
            12 if self.dice.one_in(4) => store.clean_now(),
            13 => self.pass(30_000),
            _ => store.tick(self.now()),
        }
        // jobs are started, finished and reported at different moments
        while self.dice.one_in(2)
            && let Some(job) = store.poll_job()
        {
            jobs.push(job);
        }
        if self.dice.one_in(16) {
            jobs.extend(std::iter::from_fn(|| store.poll_job()));
            done.extend(jobs.drain(..).map(FileStore::run));
            done.drain(..).for_each(|report| store.complete(self.now(), report));
            if store.is_writable() && !self.disk.is_off() {
                self.model.short_lived.jobs_are_done();
            }
        }
        while !jobs.is_empty() && !self.dice.one_in(3) {
            let pick = self.dice.roll(jobs.len() as u64) as usize;
            done.push(FileStore::run(jobs.swap_remove(pick)));
        }
        while !done.is_empty() && !self.dice.one_in(4) {
            store.complete(self.now(), done.remove(0));
        }
        self.totals.files_expired += (store.log_bounds().min - before) / LOG_FILE;
    }

    fn append(&mut self, store: &mut FileStore) {
        let len = if self.dice.one_in(4) { 600 + self.dice.roll(1000) } else { 1 + self.dice.roll(250) };
        let body = vec![1 + self.dice.roll(255) as u8; len as usize];
        self.keys += 1;
        // some keys are used again
        let key = format!("k{}", if self.dice.one_in(10) { self.keys / 2 } else { self.keys });
        let properties =
            format!("UNIQ_KEY\x01{key}\x02color\x01{}\x02", "red".repeat(self.dice.roll(30) as usize + 1));
        let parts: [&[u8]; 1] = [properties.as_bytes()];
        let (topic, queue_id) = self.place();
        let message = message(topic, queue_id, &body, &parts, Some(&key));
        match store.append(self.now(), &message) {
            Ok(appended) => self.appended(store, &[appended.offset]),
            Err(error) => self.refused(store, error),
        }
    }

    fn append_batch(&mut self, store: &mut FileStore) {
        let mut batch = Vec::new();
        for _ in 0..1 + self.dice.roll(8) {
            self.keys += 1;
            let properties = format!("UNIQ_KEY\x01k{}", self.keys);
            let body = vec![7; 1 + self.dice.roll(90) as usize];
            push_item(&mut batch, &BatchItem { flag: 0, body: &body, properties: properties.as_bytes() });
        }
        let mut offsets = Vec::new();
        let (topic, queue_id) = self.place();
        let parts: [&[u8]; 1] = [b"CLUSTER\x01c\x02"];
        let result =
            store.append_batch(self.now(), &message(topic, queue_id, &batch, &parts, None), &mut offsets);
        match result {
            Ok(_) => self.appended(store, &offsets),
            Err(error) => self.refused(store, error),
        }
    }

    /// A crash may come in the middle of a call, behind the record and before its extension unit. Nobody gets
    /// an answer then, and the record may be there afterwards or not.
    fn appended(&mut self, store: &FileStore, offsets: &[u64]) {
        if !self.disk.is_off() {
            self.totals.appended += offsets.len() as u64;
        }
        offsets.iter().for_each(|offset| self.model.push(store, *offset));
    }

    /// Light queues, inner batches, and now and then the end of a topic.
    fn append_special(&mut self, store: &mut FileStore) {
        if self.dice.one_in(30) {
            store.delete_topic(&self.model.short_lived.name());
            self.model.short_lived.delete(store.log_bounds().max);
            return;
        }
        self.keys += 1;
        let special = kinds::Special::new(&mut self.dice, &self.config, self.keys, &self.model.short_lived);
        let parts: [&[u8]; 1] = [special.properties.as_bytes()];
        let plain = message(&special.topic, special.queue_id, &special.body, &parts, Some(&special.key));
        let message = NewMessage { sys_flag: special.sys_flag, ..plain };
        match store.append(self.now(), &message) {
            Ok(appended) => self.appended(store, &[appended.offset]),
            Err(error) => self.refused(store, error),
        }
    }

    fn timers(&mut self, store: &mut FileStore) {
        let (now, bounds) = (self.now(), store.log_bounds());
        let visible = if self.config.flush_type == FlushType::Sync { bounds.durable } else { bounds.max };
        let Some(timer) = &mut self.timer else { return };
        let done = match self.dice.roll(6) {
            0 | 1 => timer.send(&mut self.dice, store, now, &mut self.model),
            2 | 3 => timer.turn(&mut self.dice, (store, now), (&mut self.model, &self.disk), visible),
            _ => Ok(()),
        };
        if let Err(error) = done {
            self.refused(store, error);
        }
    }

    fn place(&mut self) -> (&'static str, i32) {
        (TOPICS[self.dice.roll(3) as usize], self.dice.roll(2) as i32)
    }

    /// A refused message must have a cause; one for want of space ends when there is space.
    fn refused(&mut self, store: &mut FileStore, error: AppendError) {
        if self.disk.is_off() {
            return;
        }
        if self.failing {
            self.totals.failed_syncs += 1;
            return;
        }
        assert!(self.small && error == AppendError::NotWritable, "refused without cause: {error}");
        assert!(!store.is_writable());
        self.totals.disk_full += 1;
        self.disk.set_space(1 << 30);
        let mut rounds = 0;
        while !store.is_writable() && !self.disk.is_off() {
            rounds += 1;
            assert!(rounds < 100, "there is room but writes are still refused");
            if rounds > 90 {
                break; // a job of ours is still held back
            }
            self.mono_ms += 1_000;
            store.tick(self.now());
            while let Some(job) = store.poll_job() {
                let done = FileStore::run(job);
                store.complete(self.now(), done);
            }
        }
    }

    /// The same log without queues, index and checkpoint gives the same store; a second recovery changes
    /// nothing.
    fn compare_with_rebuild(&mut self) {
        if !self.dice.one_in(4) {
            return;
        }
        let copy = self.disk.copy();
        let rebuild = self.dice.one_in(2);
        if rebuild {
            copy.remove_tree(Path::new("/store/consumequeue")).unwrap();
            copy.remove_tree(Path::new("/store/batchconsumequeue")).unwrap();
            copy.remove_tree(Path::new("/store/index")).unwrap();
            copy.remove(Path::new("/store/checkpoint")).unwrap();
        }
        let (mut store, report) = self.open(&copy).unwrap();
        assert_eq!(report.log_end, self.model.acked, "a second recovery ends elsewhere");
        self.model.check(&store, rebuild);
        if let Some(timer) = self.timer.as_ref().filter(|_| !rebuild) {
            timer.check_again(&mut store, &copy);
        }
    }
}

fn message<'a>(
    topic: &'a str,
    queue_id: i32,
    body: &'a [u8],
    properties: &'a [&'a [u8]],
    key: Option<&'a str>,
) -> NewMessage<'a> {
    NewMessage { born_timestamp: 1, properties, uniq_key: key, ..NewMessage::plain(topic, queue_id, body) }
}
