//! Random things that happen to a NameServer.

use super::*;
use quickcheck::{Arbitrary, Gen};

/// One thing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    Register {
        cluster: u8,
        name: u8,
        id: u8,
        addr: u8,
        conn: u8,
        epoch: u8,
        topics: u8,
        acting: u8,
        zone: bool,
    },
    Unregister {
        cluster: u8,
        name: u8,
        addr: u8,
        conn: u8,
    },
    Closed(u8),
    Pass(u16),
    Beat(u8),
    Wipe(u8),
    Delete(u8),
    AddTopic {
        topic: u8,
        name: u8,
    },
}

impl Arbitrary for Action {
    fn arbitrary(g: &mut Gen) -> Self {
        let mut pick = |n: u8| u8::arbitrary(g) % n;
        match pick(12) {
            0..=4 => Action::Register {
                cluster: pick(6) / 5,
                name: pick(3),
                id: pick(3),
                addr: pick(4),
                conn: pick(5),
                epoch: pick(3),
                topics: pick(4),
                acting: pick(3),
                zone: pick(2) == 0,
            },
            5 | 6 => Action::Unregister { cluster: pick(6) / 5, name: pick(3), addr: pick(4), conn: pick(5) },
            7 => Action::Closed(pick(5)),
            8 => Action::Pass(u16::from(pick(255)) * 100),
            9 => Action::Beat(pick(4)),
            10 => Action::Wipe(pick(3)),
            _ if pick(2) == 0 => Action::Delete(pick(4)),
            _ => Action::AddTopic { topic: pick(4), name: pick(3) },
        }
    }
}

const CLUSTERS: [&str; 2] = ["C", "D"];
const NAMES: [&str; 3] = ["a", "b", "c"];
const ADDRS: [&str; 4] = ["h:1", "h:2", "h:3", "h:4"];
const TOPICS: [&[&str]; 4] = [&[], &["T0"], &["T0", "T1"], &["T1", "T2", "T3"]];
const TOPIC: [&str; 4] = ["T0", "T1", "T2", "T3"];

impl Action {
    pub(super) fn run(self, bench: &mut Bench) {
        match self {
            Action::Register { cluster, name, id, addr, conn, epoch, topics, acting, zone } => {
                let broker = B {
                    cluster: CLUSTERS[usize::from(cluster)],
                    name: NAMES[usize::from(name)],
                    id: i64::from(id),
                    addr: ADDRS[usize::from(addr)],
                    conn: u64::from(conn),
                    acting: [None, Some(false), Some(true)][usize::from(acting)],
                    epoch: i64::from(epoch),
                    counter: i64::from(topics),
                    topics: TOPICS[usize::from(topics)],
                    timeout_ms: [None, Some(5_000)][usize::from(zone)],
                    zone: zone.then_some("z"),
                };
                broker.register(bench);
            }
            Action::Unregister { cluster, name, addr, conn } => {
                let broker = B {
                    cluster: CLUSTERS[usize::from(cluster)],
                    name: NAMES[usize::from(name)],
                    addr: ADDRS[usize::from(addr)],
                    ..MASTER
                };
                broker.unregister(bench, u64::from(conn));
            }
            Action::Closed(conn) => drop(bench.handle(ServerIn::Closed(ConnId(u64::from(conn))))),
            Action::Pass(ms) => bench.pass(u64::from(ms)),
            Action::Beat(addr) => {
                let ext =
                    [("clusterName", "C"), ("brokerAddr", ADDRS[usize::from(addr)]), ("brokerName", "a")];
                bench.ask(904, &ext, b"");
            }
            Action::Wipe(name) => drop(bench.ask(205, &[("brokerName", NAMES[usize::from(name)])], b"")),
            Action::Delete(topic) => drop(bench.ask(216, &[("topic", TOPIC[usize::from(topic)])], b"")),
            Action::AddTopic { topic, name } => {
                let body = format!(
                    "{{\"queueDatas\":[{{\"brokerName\":\"{}\",\"perm\":6}}]}}",
                    NAMES[usize::from(name)]
                );
                bench.ask(217, &[("topic", TOPIC[usize::from(topic)])], body.as_bytes());
            }
        }
    }
}
