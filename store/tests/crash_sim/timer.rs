//! The timer of a broker in a history: its messages, its log, its wheel and its checkpoint.
//!
//! As the broker does, it takes the messages of the timer topic in, in order of the queue; delivers those that
//! are due, and slots that are over, as copies in other topics; and writes a checkpoint when log and timer log
//! are durable as far as that speaks of them. Looked at after every start:
//!
//! - every entry of the timer log is one that was put there, whole, and none has come back after a cut;
//! - a message is in the wheel, or behind the next queue offset to be read, or its copy is there; never both of
//!   the first two;
//! - what the checkpoint calls delivered is not due again;
//! - the wheel file says what the timer log says.

#[path = "timer_oracle.rs"]
mod oracle;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use sansmq_core::broker::names::TIMER_TOPIC;
use sansmq_core::broker::replay_timers;
use sansmq_core::message::record::{self, Record};
use sansmq_core::message::tags;
use sansmq_core::store::{AppendError, NewMessage, Store};
use sansmq_core::time::Now;
use sansmq_core::timer::{
    MAGIC_DEFAULT, MAGIC_ROLL, Route, SLOT_LEN, TimerCheckpoint, TimerEntry, Wheel, Window, out_time, tick,
};
use sansmq_store::atomic::{Found, read_with_backup, write_atomic_on};
use sansmq_store::disk::SimDisk;
use sansmq_store::{FileStore, StoreConfig};

use super::life::Dice;
use super::model::Model;

const CHECKPOINT: &str = "/store/config/timercheck";
const PRECISION: i64 = 1_000;
const WINDOW: Window = Window { precision_ms: PRECISION, slots: 40 };
/// Bytes of the wheel file.
const WHEEL_LEN: u64 = 512 * SLOT_LEN as u64;
const REAL_TOPIC: &str = "Apples";

pub fn configure(dice: &mut Dice, config: StoreConfig) -> StoreConfig {
    StoreConfig { timer_log_file_size: 68 + dice.roll(500), timer_wheel_len: WHEEL_LEN, ..config }
}

/// Keys of messages that need nothing more: delivered, slot by slot.
type Finished = BTreeSet<String>;

#[derive(Default)]
pub struct Timer {
    /// The process.
    wheel: Wheel,
    next: i64,
    floor: i64,
    batch: Option<(i64, VecDeque<TimerEntry>)>,
    pending: Option<(TimerCheckpoint, u64)>,
    finished: Finished,
    /// What was done in all lives: entries by position, places of slots in the wheel file, and what every
    /// checkpoint calls finished, by its counter.
    pushed: BTreeMap<u64, TimerEntry>,
    places: BTreeMap<i64, u64>,
    promised: BTreeMap<i64, Finished>,
    keys: u64,
    /// Messages below this byte of the log have expired; a crash may bring their file back, not their delivery.
    expired: u64,
}

fn key_of<'a>(r: &Record<'a>) -> Option<&'a str> {
    r.property("UNIQ_KEY")
}

/// The slot a message asks for; none when its properties were torn.
fn due(r: &Record<'_>) -> Option<i64> {
    r.property("TIMER_OUT_MS")?.parse().ok()
}

fn decoded<R>(store: &FileStore, offset: i64, f: impl FnOnce(&Record<'_>) -> R) -> Option<R> {
    let bytes = store.record_at(u64::try_from(offset).ok()?)?;
    record::decode(&bytes).ok().map(|r| f(&r))
}

impl Timer {
    fn place(&mut self, time: i64) -> u64 {
        let fresh = self.places.len() as u64 * SLOT_LEN as u64;
        assert!(fresh < WHEEL_LEN, "a longer wheel is needed");
        *self.places.entry(time).or_insert(fresh)
    }

    fn read_time(&self) -> i64 {
        self.batch.as_ref().map_or(self.floor, |(time, _)| *time)
    }

    /// Stores a message for the timer, or a copy of one. Refusals leave nothing behind.
    fn put(
        &mut self,
        (store, now): (&mut FileStore, Now),
        model: &mut Model,
        topic: &str,
        rest: &str,
    ) -> Result<(), AppendError> {
        let key = format!("t{}", self.keys);
        self.keys += 1;
        let properties = format!("UNIQ_KEY\x01{key}\x02{rest}");
        let parts: [&[u8]; 1] = [properties.as_bytes()];
        let message =
            NewMessage { properties: &parts, uniq_key: Some(&key), ..NewMessage::plain(topic, 0, &[9; 30]) };
        let done = store.append(now, &message)?;
        model.push(store, done.offset);
        Ok(())
    }

    /// A producer's message.
    pub fn send(
        &mut self,
        dice: &mut Dice,
        store: &mut FileStore,
        now: Now,
        model: &mut Model,
    ) -> Result<(), AppendError> {
        let most = if dice.one_in(5) { 200_000 } else { 20_000 };
        let out = out_time(now.wall_ms + dice.roll(most) as i64, PRECISION);
        let rest = format!("REAL_TOPIC\x01{REAL_TOPIC}\x02TIMER_OUT_MS\x01{out}\x02");
        self.put((store, now), model, TIMER_TOPIC, &rest)
    }

    /// One turn: takes in, delivers, and now and then begins or ends a checkpoint.
    pub fn turn(
        &mut self,
        dice: &mut Dice,
        (store, now): (&mut FileStore, Now),
        (model, disk): (&mut Model, &SimDisk),
        visible_end: u64,
    ) -> Result<(), AppendError> {
        self.expired = self.expired.max(store.log_bounds().min);
        for _ in 0..dice.roll(5) {
            if !self.take_in((store, now), (model, disk), visible_end)? {
                break;
            }
        }
        if dice.one_in(2) {
            self.deliver(store, now, model, dice.roll(4))?;
        }
        if dice.one_in(2) {
            self.checkpoint(store, now);
        }
        self.save(store, disk);
        Ok(())
    }

    /// Takes the next message of the timer topic in; false when there is none.
    fn take_in(
        &mut self,
        (store, now): (&mut FileStore, Now),
        (model, disk): (&mut Model, &SimDisk),
        visible_end: u64,
    ) -> Result<bool, AppendError> {
        let bounds = store.queue_bounds(TIMER_TOPIC, 0, visible_end).unwrap_or_default();
        self.next = self.next.max(bounds.min);
        if self.next >= bounds.max {
            return Ok(false);
        }
        let Some(place) = store.queue_entry(TIMER_TOPIC, 0, self.next) else {
            assert!(disk.is_off(), "no entry {} of {bounds:?}", self.next);
            return Ok(false);
        };
        let offset = place.offset as i64;
        if let Some(out) = decoded(store, offset, due).flatten() {
            match WINDOW.route(now.wall_ms, out, self.floor) {
                Route::Due => self.copy(store, now, model, offset, false).map(|key| {
                    self.finished.extend(key);
                })?,
                Route::Slot { time, rolled } => {
                    self.push(store, now, (time, rolled), (offset, place.size as i32))?;
                }
            }
        }
        self.next += 1;
        Ok(true)
    }

    fn push(
        &mut self,
        store: &mut FileStore,
        now: Now,
        (time, rolled): (i64, bool),
        (offset, size): (i64, i32),
    ) -> Result<(), AppendError> {
        let write_time = tick(now.wall_ms, PRECISION);
        let entry = TimerEntry {
            prev: self.wheel.last(time),
            magic: MAGIC_DEFAULT | if rolled { MAGIC_ROLL } else { 0 },
            write_time,
            delay: (time - write_time) as i32,
            offset,
            size,
            topic_hash: tags::java_hash(REAL_TOPIC),
        };
        let slot_at = self.place(time);
        let wheel = &mut self.wheel;
        let position = store.timer_append(now, &entry, slot_at, |position| {
            wheel.put(position as i64, &entry).encode(PRECISION)
        })?;
        assert!(self.pushed.insert(position, entry).is_none(), "two entries at {position}");
        Ok(())
    }

    /// Delivers the message at `offset`, or puts it off; its key, if it is still there.
    fn copy(
        &mut self,
        store: &mut FileStore,
        now: Now,
        model: &mut Model,
        offset: i64,
        rolled: bool,
    ) -> Result<Option<String>, AppendError> {
        let found =
            decoded(store, offset, |r| Some((key_of(r)?.to_owned(), r.property("TIMER_OUT_MS")?.to_owned())));
        let Some((key, out)) = found.flatten() else { return Ok(None) };
        assert!(!self.finished.contains(&key), "{key} is delivered a second time");
        let (topic, rest) = match rolled {
            true => (TIMER_TOPIC, format!("TIMER_OUT_MS\x01{out}\x02")),
            false => (REAL_TOPIC, String::new()),
        };
        let rest = format!("COPY_OF\x01{key}\x02REAL_TOPIC\x01{REAL_TOPIC}\x02{rest}");
        self.put((store, now), model, topic, &rest)?;
        Ok(Some(key))
    }

    /// Delivers up to `most` messages of slots that are over.
    fn deliver(
        &mut self,
        store: &mut FileStore,
        now: Now,
        model: &mut Model,
        most: u64,
    ) -> Result<(), AppendError> {
        for _ in 0..most {
            if self.batch.as_ref().is_some_and(|(_, rest)| rest.is_empty()) {
                let (time, _) = self.batch.take().expect("looked at");
                let keys = self.pushed.values().filter(|entry| entry.slot_time() == time);
                let keys = keys.filter_map(|e| decoded(store, e.offset, |r| key_of(r).map(str::to_owned))?);
                self.finished.extend(keys);
            }
            let Some((time, rest)) = &self.batch else {
                let Some(held) = self.wheel.take_before(tick(now.wall_ms, PRECISION)) else { break };
                let mut entries = VecDeque::new();
                let (mut at, min) = (held.slot.last, store.timer_bounds().min);
                // files whose messages have all expired are given back, with entries that others name
                while let Some(position) = u64::try_from(at).ok().filter(|position| *position >= min) {
                    let (found, entry) = store.timer_entry(position).expect("a chain ends in the air");
                    assert_eq!((found, entry.slot_time()), (position, held.slot.time), "a chain is broken");
                    at = entry.prev;
                    entries.push_front(entry);
                }
                assert!(entries.len() as u64 == held.entries || at >= 0, "a chain has lost entries");
                self.floor = self.floor.max(held.slot.time + PRECISION);
                self.batch = Some((held.slot.time, entries));
                continue;
            };
            let (time, entry) = (*time, rest[0]);
            self.copy(store, now, model, entry.offset, entry.is_rolled())?;
            if let Some((_, rest)) = self.batch.as_mut().filter(|batch| batch.0 == time) {
                rest.pop_front();
            }
        }
        Ok(())
    }

    pub fn checkpoint(&mut self, store: &mut FileStore, now: Now) {
        if self.pending.is_some() {
            return;
        }
        if self.batch.is_none()
            && self.wheel.first().is_none_or(|first| first >= tick(now.wall_ms, PRECISION))
        {
            self.floor = self.floor.max(tick(now.wall_ms, PRECISION));
        }
        let mut point = TimerCheckpoint {
            read_time: self.read_time(),
            flushed: store.timer_bounds().end as i64,
            queue_offset: self.next,
            ..TimerCheckpoint::default()
        };
        point.version.counter = self.promised.len() as i64;
        self.promised.insert(point.version.counter, self.finished.clone());
        self.pending = Some((point, store.log_bounds().max));
        store.timer_sync();
        store.request_flush();
    }

    /// Writes the checkpoint whose promises the disk has kept; whatever comes of it, the file is old or new.
    pub fn save(&mut self, store: &FileStore, disk: &SimDisk) {
        let kept = |(point, log_end): &mut (TimerCheckpoint, u64)| {
            store.log_bounds().durable >= *log_end
                && store.timer_bounds().durable >= u64::try_from(point.flushed).unwrap()
        };
        if let Some((point, _)) = self.pending.take_if(kept) {
            let _ = write_atomic_on(disk, Path::new(CHECKPOINT), &point.to_file());
        }
    }

    fn found_checkpoint(disk: &SimDisk) -> Option<TimerCheckpoint> {
        let whole = |bytes: &[u8]| TimerCheckpoint::decode(bytes).is_some();
        match read_with_backup(disk, Path::new(CHECKPOINT), whole).expect("a checkpoint can be read") {
            Found::Current(bytes) | Found::Backup(bytes) => TimerCheckpoint::decode(&bytes),
            Found::Nothing => None,
        }
    }

    /// The broker starts on what a crash or an orderly end has left.
    pub fn start(&mut self, store: &mut FileStore, now: Now, model: &Model, disk: &SimDisk, clean: bool) {
        let point = Self::found_checkpoint(disk);
        let bounds = store.timer_bounds();
        if let Some(point) = &point {
            assert!(bounds.end as i64 >= point.flushed, "{bounds:?} but {} was durable", point.flushed);
        }
        let read_time = point.map_or(0, |point| point.read_time);
        (self.wheel, self.batch, self.pending) = (Wheel::default(), None, None);
        let wheel = &mut self.wheel;
        self.next = replay_timers(store, point.as_ref(), |_, at, entry| {
            if entry.slot_time() >= read_time {
                wheel.put(at as i64, entry);
            }
        });
        drop(self.pushed.split_off(&store.timer_bounds().end));
        let (wheel, places) = (&self.wheel, &self.places);
        store.timer_wheel(|| {
            wheel.iter().map(|held| (places[&held.slot.time], held.slot.encode(PRECISION))).collect()
        });
        let fresh = self.wheel.first().unwrap_or(i64::MAX).min(tick(now.wall_ms, PRECISION));
        self.floor = if read_time > 0 { read_time } else { fresh };
        self.finished = point.map_or_else(Finished::new, |p| self.promised[&p.version.counter].clone());
        self.expired = self.expired.max(store.log_bounds().min);
        self.check(store, model, read_time);
        self.check_file(disk, clean.then(|| store.timer_bounds().min));
    }
}
