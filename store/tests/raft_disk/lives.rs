//! Crashes at every operation, and random lives with several of them.

use sansmq_core::raft::{LogRecord, RaftWrite};
use sansmq_store::disk::SimDisk;

use super::model::{Model, open, record, sim};

/// Small random numbers from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    fn bytes(&mut self) -> Vec<u8> {
        // some longer than a sector, a few that fill a file soon
        let limit = [30, 30, 800, 3_000][self.roll(4) as usize];
        let (len, fill) = (self.roll(limit), self.roll(256) as u8);
        vec![fill; len as usize]
    }

    /// A group a member could ask for when its disk holds `model`.
    fn group(&mut self, model: &Model) -> Vec<RaftWrite> {
        let (mut next, mut start) = (model.next, model.start);
        let mut group = Vec::new();
        for _ in 0..=self.roll(4) {
            group.push(match self.roll(10) {
                0 => RaftWrite::Vote(self.bytes().into()),
                1 => RaftWrite::Snapshot(self.bytes().into()),
                2 => {
                    let back = self.roll(6);
                    let index = next.saturating_sub(back);
                    next = next.min(index).max(start);
                    RaftWrite::TruncateFrom(index)
                }
                3 => {
                    let upto = start + self.roll(next - start + 3);
                    (start, next) = (upto + 1, next.max(upto + 1));
                    RaftWrite::Purge { upto, mark: self.bytes().into() }
                }
                _ => {
                    let records: Vec<LogRecord> =
                        (next..next + self.roll(5)).map(|index| record(index, self.bytes())).collect();
                    next += records.len() as u64;
                    RaftWrite::Append(records)
                }
            });
        }
        group
    }
}

/// Opens the disk, which may crash meanwhile, and looks whether it holds one of the states it may hold.
fn reopen(disk: &SimDisk, states: &[Model], what: &str) -> (sansmq_store::RaftDisk, Model) {
    loop {
        match open(disk) {
            Ok((raft, image)) => {
                let found = states.iter().rev().find(|state| state.image == image);
                let Some(found) = found else {
                    let indexes =
                        |log: &[LogRecord]| log.iter().map(|record| record.index).collect::<Vec<_>>();
                    let allowed: Vec<_> = states.iter().map(|state| indexes(&state.image.log)).collect();
                    panic!("{what}: found {:?}, allowed {allowed:?}", indexes(&image.log));
                };
                return (raft, found.clone());
            }
            Err(_) if disk.is_off() => disk.power_on(),
            Err(error) => panic!("{what}: {error}"),
        }
    }
}

#[test]
fn a_crash_at_any_operation_breaks_no_promise() {
    let log = |from: u64, to: u64, len: usize| {
        RaftWrite::Append((from..to).map(|index| record(index, vec![index as u8 + 1; len])).collect())
    };
    let script: Vec<Vec<RaftWrite>> = vec![
        vec![RaftWrite::Vote("one".into()), log(0, 3, 700)],
        vec![log(3, 9, 1_000), log(9, 12, 10)],
        vec![RaftWrite::Vote("two".into()), RaftWrite::TruncateFrom(10), log(10, 11, 5)],
        vec![RaftWrite::TruncateFrom(2), log(2, 20, 600)],
        vec![
            RaftWrite::Snapshot(vec![9; 2_000].into()),
            RaftWrite::Purge { upto: 13, mark: "thirteen".into() },
        ],
        vec![log(20, 22, 40), RaftWrite::Purge { upto: 30, mark: "thirty".into() }, log(31, 33, 600)],
        vec![RaftWrite::TruncateFrom(0), log(31, 32, 1)],
    ];
    for seed in 1..=8 {
        let mut crash = 0;
        loop {
            let disk = sim(seed * 7_919 + crash);
            disk.crash_at(crash);
            let mut states = vec![Model::default()];
            if let Ok((mut raft, _)) = open(&disk) {
                for group in &script {
                    states = states[states.len() - 1].states(group);
                    if raft.write(group).is_err() {
                        break;
                    }
                    states.drain(..states.len() - 1);
                }
            }
            if !disk.is_off() {
                assert!(crash > 60, "the script has {crash} operations only");
                break;
            }
            disk.power_on();
            let what = format!("seed {seed}, crash before operation {crash}");
            let (raft, found) = reopen(&disk, &states, &what);
            drop(raft);
            disk.power_off();
            disk.power_on();
            // what was seen once is kept
            let (mut raft, again) = reopen(&disk, std::slice::from_ref(&found), &what);
            let more = [log(again.next, again.next + 2, 50)];
            raft.write(&more).expect(&what);
            drop(raft);
            reopen(&disk, &again.states(&more)[2..], &what);
            crash += 1;
        }
    }
}

fn life(seed: u64) -> u64 {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let disk = sim(seed);
    let mut states = vec![Model::default()];
    let mut acknowledged = 0;
    let failing = dice.roll(3) == 0;
    for start in 0..6 {
        let what = format!("seed {seed}, start {start}");
        disk.set_sync_failures(0);
        if dice.roll(2) == 0 {
            disk.crash_at(disk.operations() + dice.roll(12));
        }
        let (mut raft, mut model) = reopen(&disk, &states, &what);
        if failing {
            disk.set_sync_failures(20);
        }
        if dice.roll(4) > 0 {
            disk.crash_at(disk.operations() + dice.roll(60));
        }
        states = vec![model.clone()];
        for _ in 0..dice.roll(20) {
            let group = dice.group(&model);
            states = model.states(&group);
            if raft.write(&group).is_err() {
                assert!(raft.write(&[]).is_err(), "{what}: goes on after a failure");
                break;
            }
            states.drain(..states.len() - 1);
            model = states[0].clone();
            acknowledged += 1;
        }
        drop(raft);
        // otherwise only the process ends
        if dice.roll(2) == 0 {
            disk.power_off();
        }
        if disk.is_off() {
            disk.power_on();
        }
    }
    acknowledged
}

#[test]
fn no_random_life_breaks_a_promise() {
    let seeds = std::env::var("SANSMQ_SIM_SEEDS").ok().map_or(1_000, |text| text.parse().expect("a number"));
    let acknowledged: u64 = (0..seeds).map(life).sum();
    assert!(acknowledged > seeds * 5, "hardly anything was written: {acknowledged} groups in {seeds} lives");
}
