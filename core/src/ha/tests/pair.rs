//! A replica and its master, joined by byte queues.

use super::super::HaConfig;
use super::super::epoch::EpochCache;
use super::super::master::{Heard, Master, MasterError, MasterProtocol, Source as _, View};
use super::super::slave::{Slave, SlaveError, SlaveOut, SlaveProtocol};
use super::{Log, at, cache};

const AUTO: SlaveProtocol = SlaveProtocol::AutoSwitch { id: 2, from_last_file: false, async_learner: false };

struct Pair {
    slave: Slave,
    slave_log: Log,
    master: Master,
    master_log: Log,
    epochs: EpochCache,
    cuts: Vec<u64>,
    acked: Vec<u64>,
    saved: Vec<EpochCache>,
    /// A save of the epoch file is not answered.
    hold_saves: bool,
    closed: bool,
}

impl Pair {
    fn new(auto: bool, own: &[(i32, u64)], slave_log: &[u8], theirs: &[(i32, u64)], log: &[u8]) -> Self {
        let config = HaConfig { batch: 7, ..HaConfig::default() };
        let end = slave_log.len() as u64;
        let protocol = if auto { AUTO } else { SlaveProtocol::Classic };
        let mut slave = Slave::new(protocol, config, cache(own), end, end, at(0));
        slave.set_address(at(0), Some("m:1".into()));
        assert_eq!(slave.poll(), Some(SlaveOut::Dial("m:1".into())));
        let protocol = if auto { MasterProtocol::AutoSwitch } else { MasterProtocol::Classic };
        let master = Master::new(protocol, config, at(0));
        slave.connected(at(0));
        Pair {
            slave,
            slave_log: Log::new(slave_log),
            master,
            master_log: Log::new(log),
            epochs: cache(theirs),
            cuts: Vec::new(),
            acked: Vec::new(),
            saved: Vec::new(),
            hold_saves: false,
            closed: false,
        }
    }

    fn run(&mut self, ms: u64) -> Result<(), MasterError> {
        self.slave.tick(at(ms));
        loop {
            let mut busy = false;
            while let Some(out) = self.slave.poll() {
                busy = true;
                let view = View { log: &self.master_log, epochs: &self.epochs, confirm: 3 };
                match out {
                    SlaveOut::Send(bytes) => {
                        let (mut answer, acked) = (None, &mut self.acked);
                        self.master.received(at(ms), &bytes, &view, |heard| match heard {
                            Heard::Handshake(bytes) => answer = Some(bytes),
                            Heard::Acked(max) => acked.push(max),
                        })?;
                        // in two halves, as the network may
                        for half in answer.iter().flat_map(|a| [&a[..9], &a[9..]]) {
                            self.slave.received(at(ms), half);
                        }
                    }
                    SlaveOut::TruncateTo(to) => {
                        self.cuts.push(to);
                        let (start, end) = self.slave_log.bounds();
                        self.slave_log.bytes.truncate(to.clamp(start, end) as usize);
                        let end = self.slave_log.end();
                        // an empty log ends nowhere
                        self.slave.truncated(at(ms), Ok(if end == start { 0 } else { end }));
                    }
                    SlaveOut::SaveEpochs(epochs) => {
                        self.saved.push(epochs);
                        if !self.hold_saves {
                            self.slave.epochs_saved(at(ms), Ok(()));
                        }
                    }
                    SlaveOut::Append { at: from, data } => {
                        if self.slave_log.start == self.slave_log.end() {
                            self.slave_log.start = from;
                            self.slave_log.bytes.resize(from as usize, 0);
                        }
                        assert_eq!(from, self.slave_log.end());
                        self.slave_log.bytes.extend_from_slice(&data);
                        let end = self.slave_log.end();
                        self.slave.log(at(ms), end, end);
                    }
                    SlaveOut::Close => self.closed = true,
                    SlaveOut::Dial(_) | SlaveOut::Confirm(_) => {}
                }
            }
            let view = View { log: &self.master_log, epochs: &self.epochs, confirm: 3 };
            while let Some((head, body)) = self.master.pump(at(ms), 100, &view)? {
                busy = true;
                self.slave.received(at(ms), &head);
                self.slave.received(at(ms), &body);
            }
            if !busy {
                return Ok(());
            }
        }
    }
}

#[test]
fn a_new_replica_gets_log_and_epochs() {
    let mut pair = Pair::new(true, &[], b"", &[(1, 0), (2, 4), (6, 20)], b"0123456789abcdefghijklmnopq");
    pair.run(0).unwrap();
    assert_eq!(pair.slave_log.bytes, pair.master_log.bytes);
    assert_eq!(pair.slave.epochs(), &pair.epochs, "each byte under its own epoch");
    assert_eq!((pair.acked.first(), pair.acked.last()), (Some(&0), Some(&27)));
    // the same master gets a new epoch, then bytes of it: in-band (KF-03)
    pair.epochs.push(super::EpochEntry { epoch: 9, start: 27 }).unwrap();
    pair.master_log.bytes.extend_from_slice(b"new");
    pair.run(100).unwrap();
    assert_eq!((pair.slave.epochs(), pair.slave_log.end()), (&pair.epochs, 30));
    assert!(!pair.closed);
}

#[test]
fn what_the_new_master_never_had_is_cut() {
    let mut pair =
        Pair::new(true, &[(1, 0), (3, 8)], b"01234567LOST", &[(1, 0), (3, 8), (4, 10)], b"01234567LOnew");
    pair.run(0).unwrap();
    assert_eq!((pair.cuts.as_slice(), &pair.slave_log.bytes[..]), (&[10][..], &b"01234567LOnew"[..]));
    assert_eq!(pair.slave.epochs(), &pair.epochs);
}

#[test]
fn nothing_is_acknowledged_before_its_epoch_is_on_disk() {
    let mut pair = Pair::new(true, &[(1, 0)], b"0123", &[(1, 0), (2, 4)], b"0123456");
    pair.hold_saves = true;
    pair.run(0).unwrap();
    assert_eq!((pair.acked.len(), pair.saved.len()), (0, 1));
    pair.slave.epochs_saved(at(1), Ok(()));
    pair.run(1).unwrap();
    assert_eq!(pair.acked, [4, 7]);
    // a file that cannot be written ends the connection, and is written before anything else the next time
    pair.epochs.push(super::EpochEntry { epoch: 5, start: 7 }).unwrap();
    pair.master_log.bytes.extend_from_slice(b"89");
    pair.run(2).unwrap();
    assert_eq!(pair.acked, [4, 7]);
    pair.slave.epochs_saved(at(3), Err("disk".into()));
    pair.run(3).unwrap();
    assert!(pair.closed && matches!(pair.slave.take_error(), Some(SlaveError::Local(_))));
}

#[test]
fn only_what_is_durable_is_acknowledged() {
    let mut pair = Pair::new(false, &[], b"0123", &[], b"0123");
    pair.run(0).unwrap();
    pair.slave.log(at(1), 9, 6);
    pair.master_log.bytes.extend_from_slice(b"45678");
    pair.slave_log.bytes.extend_from_slice(b"45678");
    while let Some(SlaveOut::Send(report)) = pair.slave.poll() {
        let view = View { log: &pair.master_log, epochs: &pair.epochs, confirm: 0 };
        pair.master.received(at(1), &report, &view, |_| {}).unwrap();
    }
    assert_eq!(pair.master.acked(), Some(6));
    pair.slave.log(at(2), 9, 9);
    assert_eq!(pair.slave.poll(), Some(SlaveOut::Send(super::super::wire::classic_report(9))));
}

#[test]
fn the_classic_protocol_starts_an_empty_log_at_the_last_file() {
    let mut pair = Pair::new(false, &[], b"", &[], b"0123456789abcdefghijklmnopq");
    pair.master_log.file = 10;
    pair.slave.poll(); // its first report is made with the connection
    let view = View { log: &pair.master_log, epochs: &pair.epochs, confirm: 0 };
    pair.master.received(at(0), &[0; 8], &view, |_| {}).unwrap();
    let (head, body) = pair.master.pump(at(0), 100, &view).unwrap().unwrap();
    assert_eq!((&head[..], &body[..]), (&[0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0, 7][..], &b"klmnopq"[..]));
    pair.slave.received(at(0), &head);
    pair.slave.received(at(0), &body);
    assert!(matches!(pair.slave.poll(), Some(SlaveOut::Append { at: 20, .. })));
}

#[test]
fn lies_end_the_session() {
    let mut pair = Pair::new(true, &[(1, 0)], b"0123456", &[(1, 0)], b"0123");
    // the replica is longer in the same epoch: cut to the master's end, which is all there is
    pair.run(0).unwrap();
    assert_eq!((pair.cuts.as_slice(), pair.slave_log.end()), (&[4][..], 4));
    let view = View { log: &pair.master_log, epochs: &pair.epochs, confirm: 0 };
    let beyond = super::super::wire::FromSlave::Report(5).encode();
    let error = pair.master.received(at(1), &beyond, &view, |_| {});
    assert_eq!(error, Err(MasterError::BeyondEnd { said: 5, end: 4 }));

    let mut fresh = Master::new(MasterProtocol::AutoSwitch, HaConfig::default(), at(0));
    let error = fresh.received(at(0), &super::super::wire::FromSlave::Report(0).encode(), &view, |_| {});
    assert_eq!(error, Err(MasterError::NoHandshake));
    // and who says nothing at all goes too (KF-43)
    let mut fresh = Master::new(MasterProtocol::AutoSwitch, HaConfig::default(), at(0));
    assert_eq!(fresh.pump(at(20_000), 100, &view), Ok(None));
    assert!(matches!(fresh.pump(at(20_001), 100, &view), Err(MasterError::Silent(_))));
}

/// KF-38: what the replica lacks is gone on its master. It begins anew where the master's log begins, whether the two
/// still have an epoch in common or not.
#[test]
fn kf_38_a_replica_outside_the_master_s_log_begins_anew() {
    for theirs in [&[(1, 0), (4, 8)][..], &[(4, 8)]] {
        let mut pair = Pair::new(true, &[(1, 0)], b"0123", theirs, b"0123456789abcdef");
        pair.master_log.start = 10;
        pair.run(0).unwrap();
        assert_eq!(pair.cuts.last(), Some(&0), "emptied");
        let told = pair.slave.take_error();
        assert_eq!(told, Some(SlaveError::Outside { end: 4, start: 10 }));
        assert!(pair.slave_log.bytes.is_empty() && pair.slave.epochs().entries().is_empty());
        // It comes again at once, and is sent what there is, under the epochs that are true of it.
        pair.master =
            Master::new(MasterProtocol::AutoSwitch, HaConfig { batch: 7, ..HaConfig::default() }, at(1));
        pair.slave.tick(at(1));
        assert_eq!(pair.slave.poll(), Some(SlaveOut::Dial("m:1".into())));
        pair.slave.connected(at(1));
        pair.run(1).unwrap();
        assert_eq!(pair.slave_log.bytes[10..], *b"abcdef");
        assert_eq!(pair.slave.epochs().entries(), [super::EpochEntry { epoch: 4, start: 8 }]);
        assert_eq!(pair.acked.last(), Some(&16));
        assert_eq!(pair.slave.take_error(), None);
    }
}

/// Only a log that ends before the master's begins is given up: one that overlaps it, with nothing in common, may hold
/// what is nowhere else.
#[test]
fn a_log_with_nothing_in_common_is_not_emptied() {
    let mut pair = Pair::new(true, &[(2, 0)], b"01234567", &[(4, 8)], b"0123456789abcdef");
    pair.master_log.start = 4;
    pair.run(0).unwrap();
    assert_eq!(pair.slave.take_error(), Some(SlaveError::NothingInCommon));
    assert_eq!((pair.cuts.len(), &pair.slave_log.bytes[..]), (0, &b"01234567"[..]));
    // Nor is one that retention overtakes while it follows; it comes again and is told where to begin.
    let mut slow = Pair::new(true, &[(1, 0)], b"0123", &[(1, 0)], b"0123456789");
    let view = View { log: &slow.master_log.clone(), epochs: &slow.epochs.clone(), confirm: 0 };
    let shake =
        super::super::wire::FromSlave::Handshake { from_last_file: false, async_learner: false, id: 2 };
    slow.master.received(at(0), &shake.encode(), &view, |_| {}).unwrap();
    slow.master.received(at(0), &super::super::wire::FromSlave::Report(4).encode(), &view, |_| {}).unwrap();
    slow.master_log.start = 6;
    let view = View { log: &slow.master_log, epochs: &slow.epochs, confirm: 0 };
    assert_eq!(slow.master.pump(at(1), 100, &view), Err(MasterError::Pruned { asked: 4, start: 6 }));
}

#[test]
fn a_hung_master_and_a_changed_address_end_a_connection() {
    let mut slave = Slave::new(AUTO, HaConfig::default(), EpochCache::default(), 0, 0, at(0));
    slave.set_address(at(0), Some("a:1".into()));
    slave.poll();
    slave.connected(at(10));
    assert!(matches!(slave.poll(), Some(SlaveOut::Send(_))));
    let due = slave.deadline().unwrap();
    assert_eq!(due, at(20_011).mono);
    slave.tick(at(20_011));
    assert_eq!(slave.poll(), Some(SlaveOut::Close));
    slave.tick(at(24_000));
    assert_eq!(slave.poll(), None, "not before 5 s");
    slave.tick(at(25_011));
    assert_eq!(slave.poll(), Some(SlaveOut::Dial("a:1".into())));
    slave.connected(at(25_012));
    slave.poll();
    slave.set_address(at(26_000), Some("b:1".into()));
    assert_eq!(slave.poll(), Some(SlaveOut::Close));
    assert_eq!(slave.poll(), Some(SlaveOut::Dial("b:1".into())), "at once");
}

#[test]
fn flow_control_bounds_a_second() {
    let config = HaConfig { bytes_per_second: Some(50), batch: 10, ..HaConfig::default() };
    let mut master = Master::new(MasterProtocol::Classic, config, at(0));
    let log = Log::new(&[1; 1000]);
    let epochs = EpochCache::default();
    let view = View { log: &log, epochs: &epochs, confirm: 0 };
    master.received(at(0), &super::super::wire::classic_report(500), &view, |_| {}).unwrap();
    let mut sent = 0;
    while let Some((head, body)) = master.pump(at(1), 1000, &view).unwrap() {
        sent += head.len() + body.len();
    }
    assert!((50..75).contains(&sent), "{sent}");
    assert_eq!(master.deadline(), Some(at(1000).mono));
    assert!(master.pump(at(1000), 1000, &view).unwrap().is_some());
    assert_eq!(master.bytes_per_second(), sent as u64);
}
