//! The recorded streams of the reference, each end replayed through our machine.

#![allow(clippy::disallowed_methods)] // golden data lies in files

use bytes::{Bytes, BytesMut};
use sansmq_core::ha::HaConfig;
use sansmq_core::ha::epoch::{EpochCache, EpochEntry};
use sansmq_core::ha::master::{Heard, Master, MasterProtocol, Source, View};
use sansmq_core::ha::slave::{Slave, SlaveOut, SlaveProtocol};
use sansmq_core::ha::wire::{self, FromMaster, FromSlave};
use sansmq_core::time::{Mono, Now};

fn at(ms: u64) -> Now {
    Now { mono: Mono(0).plus_ms(ms), wall_ms: i64::try_from(ms).unwrap() }
}

fn cache(entries: &[(i32, u64)]) -> EpochCache {
    let mut cache = EpochCache::default();
    for (epoch, start) in entries {
        cache.push(EpochEntry { epoch: *epoch, start: *start }).unwrap();
    }
    cache
}

/// A log of one file.
#[derive(Clone, Debug)]
struct Log {
    bytes: Vec<u8>,
}

impl Log {
    fn new(bytes: &[u8]) -> Self {
        Log { bytes: bytes.to_vec() }
    }

    fn end(&self) -> u64 {
        self.bytes.len() as u64
    }
}

impl Source for Log {
    fn bounds(&self) -> (u64, u64) {
        (0, self.end())
    }

    fn last_file(&self) -> u64 {
        0
    }

    fn slice(&self, from: u64, max: usize) -> Option<Bytes> {
        let to = (from + max as u64).min(self.end());
        (from < to).then(|| Bytes::copy_from_slice(&self.bytes[from as usize..to as usize]))
    }
}

struct Unit {
    ms: u64,
    from_slave: bool,
    bytes: Vec<u8>,
}

fn stream(name: &str) -> Vec<Unit> {
    let path = format!("{}/../tests/golden/ha/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    let text = String::from_utf8(std::fs::read(&path).unwrap()).unwrap();
    let unit = |line: &str| {
        let mut parts = line.split(' ');
        let ms = parts.next().unwrap().parse().unwrap();
        let from_slave = parts.next().unwrap() == "slave->master";
        let hex = parts.next().unwrap().trim();
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        Unit { ms, from_slave, bytes: (0..hex.len()).step_by(2).map(byte).collect() }
    };
    text.lines().map(unit).collect()
}

/// Stream, replica, learner, where its log ended and its epochs when it connected.
type Case = (&'static str, i64, bool, u64, &'static [(i32, u64)]);

const CASES: [Case; 8] = [
    ("autoswitch/b2-fresh-slave-of-b1", 2, false, 0, &[]),
    ("autoswitch/b3-learner-of-b1", 3, true, 0, &[]),
    ("autoswitch/b1-diverged-rejoins-b2", 1, false, 2799, &[(1, 0)]),
    ("autoswitch/b3-learner-rejoins-b2", 3, true, 1923, &[(1, 0)]),
    ("autoswitch/b2-demoted-slave-of-b1", 2, false, 2990, &[(1, 0), (5, 1923)]),
    ("autoswitch/b3-learner-of-b1-epoch6", 3, true, 2990, &[(1, 0), (5, 1923)]),
    ("autoswitch/b1-rejoins-b2-epoch7", 1, false, 3416, &[(1, 0), (5, 1923), (6, 2990)]),
    ("autoswitch/b3-learner-of-b2-epoch7", 3, true, 3416, &[(1, 0), (5, 1923), (6, 2990)]),
];

/// Reports without the repetitions of keep-alives.
fn distinct(reports: Vec<u64>) -> Vec<u64> {
    let mut reports = reports;
    reports.dedup();
    reports
}

#[test]
fn our_replica_answers_as_the_recorded_one() {
    for (name, id, learner, end, epochs) in CASES {
        let units = stream(name);
        let protocol = SlaveProtocol::AutoSwitch { id, from_last_file: false, async_learner: learner };
        let mut slave = Slave::new(protocol, HaConfig::default(), cache(epochs), end, end, at(0));
        slave.set_address(at(0), Some("m:1".into()));
        slave.poll();
        slave.connected(at(0));
        let (mut sent, mut log_end) = (Vec::new(), end);
        let mut last = EpochCache::default();
        for unit in &units {
            let now = at(unit.ms);
            slave.tick(now);
            if !unit.from_slave {
                slave.received(now, &unit.bytes);
                let mut copy = BytesMut::from(&unit.bytes[..]);
                if let Ok(Some(FromMaster::Answer { epochs, .. })) = FromMaster::decode(&mut copy) {
                    last = epochs;
                }
            }
            while let Some(out) = slave.poll() {
                match out {
                    SlaveOut::Send(bytes) => sent.push(bytes),
                    SlaveOut::TruncateTo(to) => {
                        log_end = log_end.min(to);
                        slave.truncated(now, Ok(log_end));
                    }
                    SlaveOut::SaveEpochs(_) => slave.epochs_saved(now, Ok(())),
                    SlaveOut::Append { at: from, data } => {
                        assert!(from == log_end, "{name}: {from} after {log_end}");
                        log_end += data.len() as u64;
                        slave.log(now, log_end, log_end);
                    }
                    SlaveOut::Dial(_) | SlaveOut::Confirm(_) => {}
                    SlaveOut::Close => panic!("{name} at {} ms: {:?}", unit.ms, slave.take_error()),
                }
            }
        }
        let recorded: Vec<&Unit> = units.iter().filter(|unit| unit.from_slave).collect();
        assert_eq!(sent[0][..], recorded[0].bytes[..], "{name}: the handshake");
        let parse = |bytes: &[u8]| match FromSlave::decode(bytes) {
            Ok(Some((FromSlave::Report(max), _))) => Some(max),
            _ => None,
        };
        assert_eq!(
            sent.iter().filter(|bytes| parse(bytes).is_none()).count(),
            1,
            "{name}: shakes hands once"
        );
        let ours = distinct(sent.iter().filter_map(|bytes| parse(bytes)).collect());
        let theirs = distinct(recorded.iter().filter_map(|unit| parse(&unit.bytes)).collect());
        assert_eq!(ours, theirs, "{name}: reports");
        assert!(slave.epochs().last_epoch() >= last.last_epoch(), "{name}: epochs");
    }
}

#[test]
fn our_master_sends_what_the_recorded_one_sent() {
    for (name, id, learner, ..) in CASES {
        let units = stream(name);
        let config = HaConfig { housekeeping_ms: 600_000, ..HaConfig::default() };
        let mut master = Master::new(MasterProtocol::AutoSwitch, config, at(0));
        let (mut log, mut epochs) = (Log::new(&[]), EpochCache::default());
        let mut answers = 0;
        for unit in &units {
            let now = at(unit.ms);
            let mut copy = BytesMut::from(&unit.bytes[..]);
            if unit.from_slave {
                // the answer comes next in the recording and tells what the master knew
                if answers == 0 {
                    let answer = units.iter().find(|unit| !unit.from_slave).unwrap();
                    let mut answer = BytesMut::from(&answer.bytes[..]);
                    if let Ok(Some(FromMaster::Answer { max, epochs: known, .. })) =
                        FromMaster::decode(&mut answer)
                    {
                        epochs = known;
                        log.bytes.resize(max as usize, 0);
                    }
                }
                let mut said = None;
                let view = View { log: &log, epochs: &epochs, confirm: 0 };
                let heard = master.received(now, &unit.bytes, &view, |heard| {
                    if let Heard::Handshake(bytes) = heard {
                        said = Some(bytes);
                    }
                });
                assert_eq!(heard, Ok(()), "{name} at {} ms", unit.ms);
                if let Some(said) = said {
                    let first = units.iter().find(|unit| !unit.from_slave).unwrap();
                    assert_eq!(said[..], first.bytes[..], "{name}: the answer, in one piece");
                    answers += 1;
                }
                continue;
            }
            let Ok(Some(FromMaster::Frame(head, body))) = FromMaster::decode(&mut copy) else { continue };
            let from = head.offset.unwrap() as usize;
            log.bytes.resize(log.bytes.len().max(from + body.len()), 0);
            log.bytes[from..from + body.len()].copy_from_slice(&body);
            let _ = epochs.push(head.epoch);
            if body.is_empty() {
                let view = View { log: &log, epochs: &epochs, confirm: head.confirm };
                // whether a keep-alive is due at this very moment is a matter of milliseconds
                if log.end() == master.next_offset()
                    && let Some((sent, nothing)) = master.pump(now, 1 << 20, &view).unwrap()
                {
                    assert!(nothing.is_empty());
                    assert_eq!(sent[..], unit.bytes[..], "{name} at {} ms", unit.ms);
                }
                continue;
            }
            let mut upto = log.clone();
            upto.bytes.truncate(from + body.len());
            let view = View { log: &upto, epochs: &epochs, confirm: head.confirm };
            let (sent, bytes) = master.pump(now, 1 << 20, &view).unwrap().unwrap();
            assert_eq!(bytes, body, "{name} at {} ms", unit.ms);
            assert_eq!(sent[..], unit.bytes[..36], "{name} at {} ms", unit.ms);
        }
        assert_eq!((answers, master.slave_id(), master.is_learner()), (1, Some(id), learner), "{name}");
    }
}

#[test]
fn the_classic_streams() {
    for (name, end) in [("default/slave-empty", 0), ("default/slave-resume", 1725)] {
        let units = stream(name);
        let mut slave =
            Slave::new(SlaveProtocol::Classic, HaConfig::default(), EpochCache::default(), end, end, at(0));
        slave.set_address(at(0), Some("m:1".into()));
        slave.poll();
        slave.connected(at(0));
        let mut master = Master::new(MasterProtocol::Classic, HaConfig::default(), at(0));
        let (mut log, mut sent, mut theirs) = (Log::new(&vec![0; end as usize]), Vec::new(), Vec::new());
        let epochs = EpochCache::default();
        for unit in &units {
            let now = at(unit.ms);
            slave.tick(now);
            if unit.from_slave {
                let (max, _) = wire::decode_classic_report(&unit.bytes).unwrap().unwrap();
                theirs.push(max);
                let view = View { log: &log, epochs: &epochs, confirm: 0 };
                master.received(now, &unit.bytes, &view, |_| {}).unwrap();
            } else {
                slave.received(now, &unit.bytes);
                let (first, body) =
                    wire::decode_classic(&mut BytesMut::from(&unit.bytes[..])).unwrap().unwrap();
                assert_eq!(first, log.end());
                log.bytes.extend_from_slice(&body);
                let view = View { log: &log, epochs: &epochs, confirm: 0 };
                if let Some((head, bytes)) = master.pump(now, 1 << 20, &view).unwrap() {
                    assert_eq!([&head[..], &bytes[..]].concat(), unit.bytes, "{name} at {} ms", unit.ms);
                } else {
                    assert!(body.is_empty(), "{name} at {} ms", unit.ms);
                }
            }
            while let Some(out) = slave.poll() {
                match out {
                    SlaveOut::Send(bytes) => {
                        sent.push(wire::decode_classic_report(&bytes).unwrap().unwrap().0)
                    }
                    SlaveOut::Append { at: from, data } => {
                        let end = from + data.len() as u64;
                        slave.log(now, end, end);
                    }
                    other => panic!("{name} at {} ms: {other:?}", unit.ms),
                }
            }
        }
        assert_eq!(distinct(sent), distinct(theirs), "{name}");
    }
}

#[test]
fn the_recorded_epoch_files_are_written_as_they_are() {
    for name in ["s0/b1", "s4/b2", "s5/b2", "s6/b3", "s7/b1"] {
        let path =
            format!("{}/../tests/golden/ha/files/{name}.epochFileCheckpoint", env!("CARGO_MANIFEST_DIR"));
        let text = String::from_utf8(std::fs::read(path).unwrap()).unwrap();
        assert_eq!(EpochCache::from_file(&text).unwrap().to_file(), text, "{name}");
    }
}
