//! Three brokers joined by byte streams: transfer, cuts, changes of master, acknowledgements.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::{HaEvent, RoleCommand, RoleError};
use crate::broker::testing::{Rig, field};
use crate::config::{BrokerRole, MessageStoreConfig};
use crate::store::Store;
use crate::wire::code::{request, response};
use crate::wire::{ConnId, ServerIn, StreamIn, StreamOut};

enum Word {
    Opened(ConnId, Option<u64>),
    Failed(u64),
    Bytes(ConnId, Bytes),
    Closed(ConnId),
}

struct Cluster {
    rigs: Vec<Rig>,
    /// The other end of each connection.
    peers: BTreeMap<(usize, ConnId), (usize, ConnId)>,
    words: VecDeque<(usize, Word)>,
    conns: u64,
    /// Brokers nobody reaches.
    cut_off: BTreeSet<usize>,
    events: Vec<(usize, HaEvent)>,
}

impl Cluster {
    fn new(count: usize, controller: bool, change: impl Fn(usize, &mut MessageStoreConfig)) -> Self {
        let rig = |n: usize| {
            Rig::new(|broker, store| {
                broker.enable_controller_mode = controller;
                store.message_index_enable = true;
                change(n, store);
            })
        };
        let mut cluster = Cluster {
            rigs: (0..count).map(rig).collect(),
            peers: BTreeMap::new(),
            words: VecDeque::new(),
            conns: 1000,
            cut_off: BTreeSet::new(),
            events: Vec::new(),
        };
        cluster.settle();
        cluster
    }

    fn conn(&mut self) -> ConnId {
        self.conns += 1;
        ConnId(self.conns)
    }

    /// Carries bytes until nothing moves.
    fn settle(&mut self) {
        loop {
            for n in 0..self.rigs.len() {
                self.rigs[n].drain();
                while let Some(event) = self.rigs[n].broker.poll_ha_event() {
                    self.events.push((n, event));
                }
                for out in core::mem::take(&mut self.rigs[n].streams) {
                    self.take(n, out);
                }
            }
            let Some((to, word)) = self.words.pop_front() else { return };
            let rig = &mut self.rigs[to];
            let addr = "10.0.0.1:5".parse().unwrap();
            match word {
                Word::Opened(conn, token) => {
                    rig.handle(ServerIn::Stream(StreamIn::Opened { conn, addr, token }));
                }
                Word::Failed(token) => rig.handle(ServerIn::Stream(StreamIn::Failed { token })),
                Word::Bytes(conn, data) => {
                    for half in [&data[..data.len() / 2], &data[data.len() / 2..]] {
                        rig.handle(ServerIn::Stream(StreamIn::Bytes { conn, data: half }));
                    }
                    if let Some((from, theirs)) = self.peers.get(&(to, conn)) {
                        self.rigs[*from].handle(ServerIn::Stream(StreamIn::Drained(*theirs)));
                    }
                }
                Word::Closed(conn) => rig.handle(ServerIn::Closed(conn)),
            }
        }
    }

    fn take(&mut self, from: usize, out: Result<StreamOut, ConnId>) {
        match out {
            Ok(StreamOut::Connect { token, addr }) => {
                let to: usize = addr.trim_start_matches("node").trim_end_matches(":1").parse().unwrap();
                if self.cut_off.contains(&from) || self.cut_off.contains(&to) {
                    self.words.push_back((from, Word::Failed(token)));
                    return;
                }
                let (mine, theirs) = (self.conn(), self.conn());
                self.peers.insert((from, mine), (to, theirs));
                self.peers.insert((to, theirs), (from, mine));
                self.words.push_back((to, Word::Opened(theirs, None)));
                self.words.push_back((from, Word::Opened(mine, Some(token))));
            }
            Ok(StreamOut::Send { conn, head, body }) => {
                if let Some((to, theirs)) = self.peers.get(&(from, conn)) {
                    self.words.push_back((*to, Word::Bytes(*theirs, head)));
                    if !body.is_empty() {
                        self.words.push_back((*to, Word::Bytes(*theirs, body)));
                    }
                }
            }
            Err(conn) => {
                if let Some((to, theirs)) = self.peers.remove(&(from, conn)) {
                    self.peers.remove(&(to, theirs));
                    self.words.push_back((to, Word::Closed(theirs)));
                }
            }
        }
    }

    /// Breaks every connection of a broker and lets it have no other.
    fn isolate(&mut self, n: usize) {
        self.cut_off.insert(n);
        let ends: Vec<_> = self.peers.keys().copied().filter(|(at, _)| *at == n).collect();
        for (at, conn) in ends {
            if let Some((to, theirs)) = self.peers.remove(&(at, conn)) {
                self.peers.remove(&(to, theirs));
                self.words.push_back((at, Word::Closed(conn)));
                self.words.push_back((to, Word::Closed(theirs)));
            }
        }
        self.settle();
    }

    fn order(&mut self, n: usize, command: RoleCommand) {
        let now = self.rigs[n].now;
        self.rigs[n].broker.take_role(now, command).unwrap();
        self.settle();
    }

    /// Makes a broker master; ids are one more than the place in the list.
    fn master(&mut self, n: usize, epoch: i32, set: &[i64], set_epoch: i32) {
        let set = set.iter().copied().collect();
        self.order(n, RoleCommand::BecomeMaster { own: n as i64 + 1, epoch, set, set_epoch });
    }

    fn slave(&mut self, n: usize, epoch: i32, master: usize) {
        let (own, master, address) = (n as i64 + 1, master as i64 + 1, format!("node{master}:1"));
        self.order(n, RoleCommand::BecomeSlave { own, epoch, master, master_ha_address: Some(address) });
    }

    fn install(&mut self, n: usize, set: &[i64], set_epoch: i32) {
        let set = set.iter().copied().collect();
        self.order(n, RoleCommand::InstallSyncStateSet { set, set_epoch });
    }

    fn pass(&mut self, ms: u64) {
        for _ in 0..ms.div_ceil(500) {
            for n in 0..self.rigs.len() {
                self.rigs[n].pass(500);
            }
            self.settle();
        }
    }

    fn send(&mut self, n: usize, body: &str) -> Option<i32> {
        let before = self.rigs[n].replies.len();
        let rig = &mut self.rigs[n];
        let born = rig.now.wall_ms.to_string();
        let ext = [
            ("b", "T"),
            ("c", "TBW102"),
            ("d", "1"),
            ("e", "0"),
            ("f", "0"),
            ("g", born.as_str()),
            ("h", "0"),
            ("i", "KEYS\u{1}k\u{2}"),
            ("j", "0"),
            ("k", "false"),
            ("m", "false"),
            ("a", "pg"),
        ];
        let at_once = rig.call(request::SEND_MESSAGE_V2, &ext, body.as_bytes());
        self.settle();
        let later = (self.rigs[n].replies.len() > before).then(|| self.rigs[n].replies.pop()).flatten();
        at_once.or(later).map(|reply| reply.code)
    }

    fn log(&self, n: usize) -> Vec<u8> {
        let store = self.rigs[n].broker.store();
        store.log_slice(0, usize::MAX).map(|bytes| bytes.to_vec()).unwrap_or_default()
    }

    fn proposals(&mut self) -> Vec<Vec<i64>> {
        let sets = self.events.drain(..).filter_map(|(_, event)| match event {
            HaEvent::ProposeSyncStateSet { set, .. } => Some(set.into_iter().collect()),
            _ => None,
        });
        sets.collect()
    }
}

#[test]
fn two_replicas_follow_and_join_the_set() {
    let mut c = Cluster::new(3, true, |_, store| store.all_ack_in_sync_state_set = true);
    assert_eq!(c.send(0, "too early"), Some(response::SYSTEM_BUSY));
    c.master(0, 1, &[1], 1);
    assert!(c.events.contains(&(0, HaEvent::RoleInForce { epoch: 1, master: true })));
    assert_eq!(c.send(0, "a"), Some(0));
    c.slave(1, 1, 0);
    c.slave(2, 1, 0);
    assert_eq!(c.proposals(), [[1, 2]], "one change at a time");
    c.install(0, &[1, 2], 2);
    assert_eq!(c.proposals(), [[1, 2, 3]]);
    c.install(0, &[1, 2, 3], 3);
    assert_eq!(c.send(0, "b"), Some(0));
    assert_eq!(c.log(1), c.log(0));
    assert_eq!(c.log(2), c.log(0));
    assert_eq!(c.rigs[2].bodies("T"), ["a", "b"]);
    let progress = c.rigs[0].broker.log_progress();
    assert_eq!((progress.max, progress.epoch), (progress.confirm, 1));
    assert_eq!(
        c.rigs[1].files["root/epochFileCheckpoint"], "1\n1725254278\n1-0\n",
        "as the reference writes it"
    );
    // a replica takes nothing from producers and gives nothing to consumers
    assert_eq!(c.send(1, "x"), Some(response::SYSTEM_BUSY));
}

/// Who is in the set may be elected: with the log it needs the master's tables.
#[test]
fn a_replica_without_the_masters_tables_is_not_in_sync() {
    let mut c = Cluster::new(2, true, |_, _| {});
    c.master(0, 1, &[1], 1);
    let now = c.rigs[1].now;
    c.rigs[1].broker.follow_tables(now, Some(("10.0.0.0:10911".to_owned(), 1, 2)));
    c.slave(1, 1, 0);
    c.pass(1_000);
    assert!(c.proposals().is_empty());
    let now = c.rigs[1].now;
    c.rigs[1].broker.follow_tables(now, None);
    c.settle();
    assert_eq!(c.proposals(), [[1, 2]]);
}

#[test]
fn acknowledgements_wait_for_every_member() {
    let mut c = Cluster::new(3, true, |_, store| {
        store.all_ack_in_sync_state_set = true;
        store.min_in_sync_replicas = 2;
    });
    c.master(0, 1, &[1], 1);
    assert_eq!(c.send(0, "a"), Some(response::SYSTEM_ERROR), "alone is not enough");
    c.slave(1, 1, 0);
    c.install(0, &[1, 2], 2);
    assert_eq!(c.send(0, "b"), Some(0));
    c.isolate(1);
    assert_eq!(c.send(0, "c"), None);
    let visible = c.rigs[0].broker.visible_end();
    assert_eq!(visible, c.rigs[0].broker.log_progress().confirm);
    assert!(visible < c.rigs[0].broker.log_progress().max, "consumers do not see it either (KF-09)");
    c.pass(3_000);
    assert_eq!(c.rigs[0].replies.pop().map(|reply| reply.code), Some(response::FLUSH_SLAVE_TIMEOUT));
    // who left is proposed out at once; with it out, the rest is confirmed
    assert!(c.proposals().contains(&vec![1]));
    c.install(0, &[1], 3);
    let progress = c.rigs[0].broker.log_progress();
    assert_eq!(progress.max, progress.confirm);
}

#[test]
fn a_master_that_was_cut_off_loses_what_nobody_has() {
    let mut c = Cluster::new(3, true, |_, _| {});
    c.master(0, 1, &[1], 1);
    c.slave(1, 1, 0);
    c.slave(2, 1, 0);
    c.install(0, &[1, 2], 2);
    c.install(0, &[1, 2, 3], 3);
    for body in ["a", "b"] {
        assert_eq!(c.send(0, body), Some(0));
    }
    c.isolate(0);
    c.send(0, "lost-1");
    c.send(0, "lost-2");
    // 2 is elected where nothing is written, then 3 in the next epoch (KF-02)
    c.master(1, 2, &[2, 3], 4);
    c.master(2, 3, &[2, 3], 5);
    c.slave(1, 3, 2);
    assert_eq!(c.send(2, "c"), Some(0));
    c.rigs[0].broker.offsets.commit(0, "g", "T", 0, 4);
    c.cut_off.clear();
    c.slave(0, 3, 2);
    assert_eq!(c.log(0), c.log(2));
    assert_eq!(c.log(1), c.log(2));
    assert_eq!(c.rigs[0].bodies("T"), ["a", "b", "c"]);
    // what consumers had passed of the lost ones does not hide what comes (KF-15)
    assert_eq!(c.rigs[0].broker.offsets.get("g", "T", 0), Some(2));
    for n in 0..3 {
        assert_eq!(c.rigs[n].broker.ha.epochs().to_file(), c.rigs[2].broker.ha.epochs().to_file());
    }
    let own = c.rigs[0].now;
    let stale = RoleCommand::BecomeMaster { own: 1, epoch: 2, set: [1].into(), set_epoch: 9 };
    assert_eq!(c.rigs[0].broker.take_role(own, stale), Err(RoleError::StaleEpoch { own: 3, given: 2 }));
}

#[test]
fn the_same_master_is_elected_again_and_again() {
    // KF-03: data of the new epochs goes out under their own name on the connection that is there
    let mut c = Cluster::new(2, true, |_, _| {});
    c.master(0, 1, &[1], 1);
    c.slave(1, 1, 0);
    c.send(0, "a");
    for epoch in 2..6 {
        c.master(0, epoch, &[1], epoch);
        c.send(0, "b");
    }
    assert_eq!(c.rigs[1].broker.ha.epochs(), c.rigs[0].broker.ha.epochs());
    assert_eq!(c.rigs[1].broker.ha.epochs().entries().len(), 5);
    assert_eq!(c.log(1), c.log(0));
}

#[test]
fn a_restarted_replica_goes_on_where_it_was() {
    let mut c = Cluster::new(2, true, |_, _| {});
    c.master(0, 1, &[1], 1);
    c.slave(1, 1, 0);
    c.send(0, "a");
    c.isolate(1);
    c.send(0, "b");
    let rig = c.rigs.pop().unwrap().restart(false);
    c.rigs.push(rig);
    c.cut_off.clear();
    c.slave(1, 1, 0);
    assert_eq!((c.log(1), c.rigs[1].bodies("T").len()), (c.log(0), 2));
    // the master restarts into its own epoch and goes on with it: nobody has to fetch what he has
    c.isolate(0);
    let rig = c.rigs.remove(0).restart(false);
    c.rigs.insert(0, rig);
    c.cut_off.clear();
    c.master(0, 1, &[1], 2);
    assert_eq!(c.send(0, "c"), Some(0));
    c.pass(6_000);
    assert_eq!(c.log(1), c.log(0));
    assert_eq!(c.rigs[1].broker.ha.epochs(), c.rigs[0].broker.ha.epochs());
}

#[test]
fn a_stale_master_parts_with_its_end_also_when_the_new_one_has_restarted() {
    // KF-02: were the restarted master's own bytes to count as the epoch's before, the stale one would keep its own
    let mut c = Cluster::new(2, true, |_, _| {});
    c.master(0, 1, &[1], 1);
    c.slave(1, 1, 0);
    c.send(0, "a");
    c.isolate(1);
    c.send(0, "stale");
    c.master(1, 2, &[2], 2);
    c.send(1, "valid");
    c.send(1, "and more");
    let rig = c.rigs.pop().unwrap().restart(false);
    c.rigs.push(rig);
    c.master(1, 2, &[2], 3);
    c.cut_off.clear();
    c.slave(0, 2, 1);
    c.pass(6_000);
    assert_eq!(c.rigs[0].bodies("T"), c.rigs[1].bodies("T"));
    assert_eq!(c.log(0), c.log(1));
    assert_eq!(c.rigs[0].broker.ha.epochs(), c.rigs[1].broker.ha.epochs());
}

#[test]
fn classic_master_and_slave() {
    let mut c = Cluster::new(2, false, |n, store| {
        store.broker_role = if n == 0 { BrokerRole::SyncMaster } else { BrokerRole::Slave };
        store.ha_master_address = (n == 1).then(|| "node0:1".to_owned());
        store.in_sync_replicas = 2;
    });
    assert_eq!(c.send(0, "a"), Some(0));
    assert_eq!(c.log(1), c.log(0));
    assert_eq!(c.send(1, "x"), Some(response::SYSTEM_BUSY));
    let pull = c.rigs[1].call(request::PULL_MESSAGE, &[], b"").unwrap();
    assert_eq!(pull.code, response::SYSTEM_BUSY);
    c.isolate(1);
    assert_eq!(c.send(0, "b"), None);
    c.pass(3_000);
    let late = c.rigs[0].replies.pop().unwrap();
    assert_eq!((late.code, field(&late, "queueOffset")), (response::FLUSH_SLAVE_TIMEOUT, "1".to_owned()));
    c.cut_off.clear();
    c.pass(5_500);
    assert_eq!(c.log(1), c.log(0));
    let status = c.rigs[0].call(request::GET_BROKER_HA_STATUS, &[], b"").unwrap();
    let crate::wire::Body::One(body) = status.body else { panic!("no body") };
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert!(text.contains(r#""inSyncSlaveNums":1,"master":true"#) && text.contains(r#""diff":0"#), "{text}");
}

#[test]
fn sync_flush_acknowledges_what_is_durable_only() {
    // KF-10: the replica's disk is slow
    let mut c = Cluster::new(2, false, |n, store| {
        store.broker_role = if n == 0 { BrokerRole::SyncMaster } else { BrokerRole::Slave };
        store.ha_master_address = (n == 1).then(|| "node0:1".to_owned());
        store.in_sync_replicas = 2;
        if n == 1 {
            store.flush_disk_type = crate::config::FlushDiskType::SyncFlush;
        }
    });
    c.rigs[1].broker.store.hold_durable();
    assert_eq!(c.send(0, "a"), None);
    assert_eq!(c.log(1), c.log(0), "it is there, but not on disk");
    c.rigs[1].broker.store.sync();
    let now = c.rigs[1].now;
    c.rigs[1].broker.log_moved(now);
    c.settle();
    assert_eq!(c.rigs[0].replies.pop().map(|reply| reply.code), Some(0));
}

/// The tables of a replica wait for its disk to have the log they speak of; where that is cut off they wait no longer.
#[test]
fn tables_do_not_wait_for_a_part_of_the_log_that_is_gone() {
    let mut c = Cluster::new(2, true, |_, store| {
        store.flush_disk_type = crate::config::FlushDiskType::SyncFlush;
    });
    c.master(0, 1, &[1], 1);
    c.slave(1, 1, 0);
    assert_eq!(c.send(0, "a"), Some(0));
    c.isolate(0);
    c.rigs[0].broker.store.hold_durable();
    assert_eq!(c.send(0, "nobody has it"), None);
    c.rigs[0].files.clear();
    let now = c.rigs[0].now;
    c.rigs[0].broker.persist.mark(crate::broker::persist::File::Offsets);
    c.rigs[0].broker.start_saves(now);
    c.settle();
    assert!(!c.rigs[0].files.contains_key("root/config/consumerOffset.json"));
    c.cut_off.clear();
    c.master(1, 2, &[2], 2);
    c.slave(0, 2, 1);
    c.pass(5_000);
    assert_eq!(c.log(0), c.log(1));
    assert!(c.rigs[0].files.contains_key("root/config/consumerOffset.json"));
}

#[test]
fn who_joins_while_the_masters_disk_is_slow_is_waited_for() {
    let mut c = Cluster::new(3, true, |_, store| {
        store.all_ack_in_sync_state_set = true;
        store.flush_disk_type = crate::config::FlushDiskType::SyncFlush;
    });
    c.master(0, 1, &[1], 1);
    c.slave(1, 1, 0);
    c.install(0, &[1, 2], 2);
    assert_eq!(c.send(0, "a"), Some(0));
    c.rigs[0].broker.store.hold_durable();
    assert_eq!(c.send(0, "b"), None, "the second replica has it, the master's disk does not");
    // a third has everything that is confirmed, so it may come into the set; without "b" it could be elected
    c.install(0, &[1, 2, 3], 3);
    let sync = |c: &mut Cluster| {
        c.rigs[0].broker.store.sync();
        let now = c.rigs[0].now;
        c.rigs[0].broker.release_durable(now);
        c.settle();
    };
    sync(&mut c);
    assert!(c.rigs[0].replies.is_empty(), "acknowledged without the third");
    c.pass(3_000);
    assert_eq!(c.rigs[0].replies.pop().map(|reply| reply.code), Some(response::FLUSH_SLAVE_TIMEOUT));
}

#[test]
fn garbage_on_the_port_ends_the_connection() {
    let mut c = Cluster::new(1, true, |_, _| {});
    c.master(0, 1, &[1], 1);
    let addr = "10.0.0.9:9".parse().unwrap();
    let conn = ConnId(7);
    c.rigs[0].handle(ServerIn::Stream(StreamIn::Opened { conn, addr, token: None }));
    c.rigs[0].handle(ServerIn::Stream(StreamIn::Bytes { conn, data: b"GET / HTTP/1.1\r\n" }));
    assert!(c.rigs[0].streams.iter().any(|out| matches!(out, Err(closed) if *closed == conn)));
    // and one that says nothing is closed in time (KF-43)
    c.rigs[0].handle(ServerIn::Stream(StreamIn::Opened { conn: ConnId(8), addr, token: None }));
    c.rigs[0].pass(21_000);
    assert!(c.rigs[0].streams.iter().any(|out| matches!(out, Err(closed) if *closed == ConnId(8))));
    assert!(c.rigs[0].broker.ha.sessions.is_empty());
}

quickcheck::quickcheck! {
    /// Elections, writes, partitions and rejoins in any order: in the end all logs are the same, and whatever any
    /// master called confirmed is in them.
    fn replicas_end_equal(events: Vec<(u8, u8)>) -> bool {
        let mut c = Cluster::new(3, true, |_, store| store.all_ack_in_sync_state_set = true);
        let (mut epoch, mut master, mut set, mut set_epoch) = (1, 0usize, vec![1i64], 1);
        c.master(0, 1, &set, 1);
        let mut confirmed: Vec<u8> = Vec::new();
        for (step, (kind, which)) in events.iter().take(16).enumerate() {
            let n = usize::from(which % 3);
            match kind % 6 {
                0 | 1 => {
                    c.send(master, &format!("{step}-{which}"));
                }
                // also masters of before go on writing
                2 if c.rigs[n].broker.ha.is_master() => {
                    c.send(n, &format!("stale {step}"));
                }
                3 => c.isolate(n),
                4 => {
                    c.cut_off.remove(&n);
                    if n != master {
                        c.slave(n, epoch, master);
                    }
                }
                // an election among the in-sync members that are reached
                5 if set.contains(&(n as i64 + 1)) => {
                    c.cut_off.remove(&n);
                    epoch += 1;
                    set_epoch += 1;
                    master = n;
                    set = vec![n as i64 + 1];
                    c.master(n, epoch, &set, set_epoch);
                }
                _ => c.pass(1_000),
            }
            // the controller takes proposals of the master only
            let proposals: Vec<_> = c.events.drain(..).filter_map(|(from, event)| match event {
                HaEvent::ProposeSyncStateSet { set, set_epoch } if from == master => Some((set, set_epoch)),
                _ => None,
            }).collect();
            for (wanted, on) in proposals {
                if on == set_epoch {
                    set_epoch += 1;
                    set = wanted.into_iter().collect();
                    let (set, now) = (set.clone(), set_epoch);
                    c.install(master, &set, now);
                }
            }
            let confirm = c.rigs[master].broker.log_progress().confirm as usize;
            if confirm > confirmed.len() {
                confirmed = c.log(master)[..confirm].to_vec();
            }
            if !c.log(master).starts_with(&confirmed) {
                return false;
            }
        }
        c.cut_off.clear();
        for n in (0..3).filter(|n| *n != master) {
            c.slave(n, epoch, master);
        }
        c.send(master, "last");
        c.pass(12_000);
        let log = c.log(master);
        log.starts_with(&confirmed) && (0..3).all(|n| c.log(n) == log)
    }
}
