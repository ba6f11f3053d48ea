//! The node with a NameServer behind it: connections, calls, backpressure, orderly ends.

mod brokers;
mod ending;

use quickcheck::quickcheck;
use std::io::IoSlice;

use super::*;
use crate::broker::settings::Settings;
use crate::broker::{Broker, BrokerMeta};
use crate::config::{
    AuthConfig, BrokerConfig, MessageStoreConfig, NamesrvConfig, NettyClientConfig, NettyServerConfig,
    Properties,
};
use crate::namesrv::{KvConfig, Namesrv};
use crate::store::memory::MemoryStore;
use crate::wire::code::{request, response};
use crate::wire::{Command, Ext};

struct Bench {
    node: Node<MemoryStore>,
    now: Now,
    /// Outputs other than transmissions, in order.
    asked: Vec<String>,
}

impl Bench {
    fn with_namesrv() -> Self {
        let now = Now { mono: Mono(0).plus_ms(1_000), wall_ms: 1_700_000_000_000 };
        let mut node = Node::new(NodeConfig::default(), now);
        let namesrv = Namesrv::new(
            NamesrvConfig::default(),
            NettyServerConfig::default(),
            Properties::default(),
            KvConfig::default(),
            now,
        );
        let role = node.add_role(Role::Namesrv(Box::new(namesrv)));
        node.listen(Listener { bind: "127.0.0.1:9876".into(), role, fast_port: false });
        Bench { node, now, asked: Vec::new() }
    }

    /// A broker that registers with a NameServer elsewhere.
    fn with_broker() -> Self {
        let now = Now { mono: Mono(0).plus_ms(1_000), wall_ms: 1_700_000_000_000 };
        let mut node = Node::new(NodeConfig::default(), now);
        let config = BrokerConfig {
            namesrv_addr: Some("127.0.0.1:1".into()),
            broker_ip1: "127.0.0.1".into(),
            ..BrokerConfig::default()
        };
        let settings = Settings::new(
            config,
            MessageStoreConfig::default(),
            NettyServerConfig::default(),
            NettyClientConfig::default(),
            AuthConfig::default(),
            1 << 34,
        )
        .expect("delay levels");
        let host = ([127, 0, 0, 1], 10_911).into();
        let broker = Broker::new(settings, MemoryStore::default(), BrokerMeta::default(), host, 1, now);
        let role = node.add_role(Role::Broker(Box::new(broker)));
        node.listen(Listener { bind: "127.0.0.1:10911".into(), role, fast_port: false });
        Bench { node, now, asked: Vec::new() }
    }

    fn connect(&mut self) -> ConnId {
        self.node.accept(self.now, 0, ([127, 0, 0, 1], 4_000).into())
    }

    fn handle(&mut self, input: Input<'_, crate::store::memory::Warming>) {
        self.node.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.node.poll() {
            match output {
                Output::Transmit { .. } => {}
                Output::Save { role, token, .. } => {
                    self.node.handle(self.now, Input::Saved { role, token, result: Ok(()) });
                }
                other => self.asked.push(format!("{other:?}")),
            }
        }
    }

    fn feed(&mut self, conn: ConnId, bytes: &[u8]) {
        self.handle(Input::Received { conn, data: &mut bytes.to_vec() });
    }

    /// Takes what the node has to send, `most` bytes of it.
    fn take(&mut self, conn: ConnId, most: usize) -> Vec<u8> {
        let mut sent = Vec::new();
        while let Some(outbound) = self.node.outbound(conn).filter(|outbound| !outbound.is_empty()) {
            let mut slices = [IoSlice::new(&[]); 8];
            let count = outbound.slices(&mut slices);
            let chunk: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
            let step = chunk.len().min(most - sent.len());
            sent.extend_from_slice(&chunk[..step]);
            self.node.sent(self.now, conn, step);
            self.drain();
            if sent.len() == most {
                break;
            }
        }
        sent
    }

    fn replies(&mut self, conn: ConnId) -> Vec<Command> {
        let bytes = self.take(conn, usize::MAX);
        let mut rest = bytes.as_slice();
        let mut found = Vec::new();
        while let Some(length) = rest.first_chunk::<4>() {
            let whole = u32::from_be_bytes(*length) as usize + 4;
            found.push(Command::decode(&rest[..whole]).expect("a whole frame"));
            rest = &rest[whole..];
        }
        found
    }

    fn pass(&mut self, ms: u64) {
        let end = self.now.mono.plus_ms(ms);
        while let Some(at) = self.node.deadline().filter(|at| *at <= end) {
            self.now.mono = at.max(self.now.mono);
            self.handle(Input::Tick);
        }
        self.now.mono = end;
    }
}

fn ask(code: i32, opaque: i32, ext: Ext) -> Vec<u8> {
    Command { opaque, ..Command::request(code, ext) }.encode(Encoding::Json).to_vec()
}

#[test]
fn requests_are_answered_in_one_go_with_their_opaques() {
    let mut bench = Bench::with_namesrv();
    let conn = bench.connect();
    let mut bytes = Vec::new();
    for opaque in 0..5 {
        bytes.extend(ask(request::GET_BROKER_CLUSTER_INFO, opaque, Ext::new()));
    }
    bench.feed(conn, &bytes);
    let opaques: Vec<i32> = bench.replies(conn).iter().map(|reply| reply.opaque).collect();
    assert_eq!(opaques, [0, 1, 2, 3, 4]);
}

#[test]
fn garbage_closes_the_connection_and_is_counted() {
    let mut bench = Bench::with_namesrv();
    let (bad, good) = (bench.connect(), bench.connect());
    bench.feed(bad, b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(bench.asked, [format!("Close {{ conn: {bad:?} }}")]);
    assert_eq!((bench.node.refused_frames(), bench.node.connections()), (1, 1));
    bench.feed(good, &ask(9999, 1, Ext::new()));
    assert_eq!(bench.replies(good)[0].code, response::REQUEST_CODE_NOT_SUPPORTED);
}

#[test]
fn a_proxy_header_names_the_client() {
    let mut bench = Bench::with_namesrv();
    let conn = bench.connect();
    bench.feed(conn, b"PROXY TCP4 10.9.8.7 127.0.0.1 1111 98");
    bench.feed(conn, b"76\r\n");
    bench.feed(conn, &ask(9999, 3, Ext::new()));
    assert_eq!(bench.replies(conn)[0].opaque, 3);
    assert_eq!(bench.node.conns[&conn].peer.to_string(), "10.9.8.7:1111");
    let tls = bench.connect();
    bench.feed(tls, &[0x16, 3, 1, 0, 5]);
    assert!(bench.node.outbound(tls).is_none());
}

#[test]
fn a_peer_that_does_not_read_is_not_read_from_until_it_does() {
    let mut bench = Bench::with_namesrv();
    let conn = bench.connect();
    let value = "v".repeat(100_000);
    let put = Ext::new().with("namespace", "n").with("key", "k").with("value", value);
    bench.feed(conn, &ask(request::PUT_KV_CONFIG, 0, put));
    bench.replies(conn);
    let get = Ext::new().with("namespace", "n").with("key", "k");
    let requests: Vec<u8> = (1..=200).flat_map(|n| ask(request::GET_KV_CONFIG, n, get.clone())).collect();
    bench.feed(conn, &requests);
    let queued = bench.node.outbound(conn).map_or(0, crate::wire::Outbound::len);
    assert!(queued > OUTBOUND_HIGH_BYTES && queued < OUTBOUND_HIGH_BYTES + 200_000, "{queued}");
    assert!(bench.asked.iter().any(|line| line.starts_with("PauseReading")));
    let mut bytes = bench.take(conn, 3_500_000);
    assert!(bench.asked.iter().any(|line| line.starts_with("ResumeReading")));
    bytes.extend(bench.take(conn, usize::MAX));
    let whole = bytes.len();
    let mut at = 0;
    let mut count = 0;
    while at < whole {
        at += u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize + 4;
        count += 1;
    }
    assert_eq!((count, at), (200, whole));
}

#[test]
fn calls_wait_for_the_dial_and_fail_with_it() {
    let mut bench = Bench::with_broker();
    bench.handle(Input::Tick);
    bench.pass(10);
    assert!(bench.asked[0].starts_with("Dial { conn: ConnId(1), addr: \"127.0.0.1:1\""), "{:?}", bench.asked);
    bench.asked.clear();
    bench.handle(Input::DialFailed { conn: ConnId(1), refused: false, error: "no route".into() });
    bench.pass(1_100);
    assert!(bench.asked[0].starts_with("Dial { conn: ConnId(2)"), "it tries again: {:?}", bench.asked);
    bench.asked.clear();
    bench.handle(Input::Dialled { conn: ConnId(2), peer: ([127, 0, 0, 1], 1).into() });
    let sent = bench.replies(ConnId(2));
    assert_eq!(sent[0].code, request::REGISTER_BROKER);
    let answer = Command::response(0, sent[0].opaque).encode(Encoding::Json);
    bench.feed(ConnId(2), &answer);
    bench.handle(Input::Closed { conn: ConnId(2) });
    bench.pass(1_100);
    assert!(bench.asked.iter().any(|line| line.starts_with("Dial")), "a lost NameServer is dialled again");
}

#[test]
fn a_dial_that_hangs_is_given_up() {
    let mut bench = Bench::with_broker();
    bench.pass(10);
    bench.asked.clear();
    bench.pass(3_100);
    assert_eq!(bench.asked[0], "Close { conn: ConnId(1) }");
    bench.handle(Input::Dialled { conn: ConnId(1), peer: ([127, 0, 0, 1], 1).into() });
    assert_eq!(bench.asked.iter().filter(|line| *line == "Close { conn: ConnId(1) }").count(), 2);
}

#[test]
fn idle_connections_are_closed_after_two_minutes() {
    let mut bench = Bench::with_namesrv();
    let (idle, busy) = (bench.connect(), bench.connect());
    for _ in 0..13 {
        bench.pass(10_000);
        bench.feed(busy, &ask(9999, 1, Ext::new()));
        bench.replies(busy);
    }
    assert!(bench.node.outbound(idle).is_none());
    assert!(bench.node.outbound(busy).is_some());
}

#[test]
fn a_node_that_stops_answers_nothing_new_and_says_when_it_is_done() {
    let mut bench = Bench::with_broker();
    let conn = bench.connect();
    bench.handle(Input::Shutdown);
    assert_eq!(bench.asked.last().map(String::as_str), Some("Stopped"));
    bench.feed(conn, &ask(request::HEART_BEAT, 4, Ext::new()));
    assert!(bench.replies(conn).is_empty());
}

#[test]
fn a_node_that_is_to_stop_gracefully_sends_clients_away() {
    let mut bench = Bench::with_broker();
    bench.node.config.sends_away = true;
    let conn = bench.connect();
    bench.handle(Input::Shutdown);
    bench.feed(conn, &ask(request::HEART_BEAT, 4, Ext::new()));
    assert_eq!(bench.replies(conn)[0].code, response::GO_AWAY);
}

quickcheck! {
    /// However the bytes arrive, the answers are the same bytes.
    fn chunking_does_not_change_the_answers(codes: Vec<u8>, cuts: Vec<u8>, garbage: Vec<u8>) -> bool {
        let mut input = Vec::new();
        for (opaque, code) in (0..).zip(codes) {
            let ext = Ext::new().with("topic", "T").with("namespace", "n").with("key", "k").with("value", "v");
            input.extend(ask(100 + i32::from(code) % 8, opaque, ext));
        }
        input.extend(garbage);
        let whole = {
            let mut bench = Bench::with_namesrv();
            let conn = bench.connect();
            bench.feed(conn, &input);
            (bench.take(conn, usize::MAX), bench.node.connections())
        };
        let mut bench = Bench::with_namesrv();
        let conn = bench.connect();
        let mut rest = input.as_slice();
        let mut answers = Vec::new();
        for cut in cuts {
            let (chunk, after) = rest.split_at(usize::from(cut).min(rest.len()));
            bench.feed(conn, chunk);
            answers.extend(bench.take(conn, usize::MAX));
            rest = after;
        }
        bench.feed(conn, rest);
        answers.extend(bench.take(conn, usize::MAX));
        // A refused connection keeps no answers, so only what was kept is compared.
        let parts = (answers, bench.node.connections());
        whole.1 == parts.1 && (whole.1 == 0 || whole.0 == parts.0)
    }
}
