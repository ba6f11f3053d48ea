//! The NameServer against captured conversations with the reference: the same requests get the same replies.
#![allow(clippy::disallowed_methods)] // golden data lies in files

use sansmq_core::config::{NamesrvConfig, NettyServerConfig, Properties, load};
use sansmq_core::namesrv::{KvConfig, Namesrv};
use sansmq_core::time::{Mono, Now};
use sansmq_core::wire::frame::{self, Head};
use sansmq_core::wire::{Body, Command, ConnId, Encoding, Ext, Peer, Reply, ServerIn, ServerOut};
use std::collections::BTreeMap;

/// Captured frames by the number their name begins with.
struct Golden(BTreeMap<u32, Command>);

impl Golden {
    fn load() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/remoting/frames.hex");
        let text = std::fs::read_to_string(path).expect("golden data is part of the repository");
        let frames = text.lines().filter_map(|line| {
            let (name, hex) = line.split_once(' ')?;
            let bytes: Vec<u8> = (0..hex.len() / 2)
                .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).expect("hex"))
                .collect();
            Some((name.get(..3)?.parse().ok()?, Command::decode(&bytes).expect("a frame")))
        });
        Golden(frames.collect())
    }

    fn body(&self, number: u32) -> String {
        String::from_utf8(self.0[&number].body.to_vec()).expect("text")
    }
}

struct Server {
    ns: Namesrv,
    oneway: Vec<(Option<Ext>, i32, i32)>,
}

impl Server {
    fn new(namesrv: NamesrvConfig, server: NettyServerConfig) -> Self {
        let now = Now { mono: Mono(0), wall_ms: 0 };
        Server {
            ns: Namesrv::new(namesrv, server, Properties::default(), KvConfig::default(), now),
            oneway: Vec::new(),
        }
    }

    fn ask(&mut self, conn: u64, request: &Command) -> Reply {
        let mut bytes = request.encode(Encoding::Json).to_vec();
        let mut head = Head::default();
        let frame = frame::decode(&mut bytes, &mut head).expect("a frame");
        let peer = Peer { conn: ConnId(conn), addr: ([127, 0, 0, 1], 1).into(), fast_port: false };
        self.ns.handle(Now::default(), ServerIn::Request { peer, frame });
        let mut answer = None;
        while let Some(out) = self.ns.poll() {
            match out {
                ServerOut::Reply { reply, .. } => answer = Some(reply),
                ServerOut::Oneway { command, .. } => {
                    self.oneway.push((command.ext, command.code, command.flag))
                }
                _ => {}
            }
        }
        answer.unwrap_or_else(Reply::success)
    }
}

fn fields(ext: Option<&Ext>) -> Option<BTreeMap<String, String>> {
    ext.map(|ext| ext.iter().map(|(k, v)| (k.to_owned(), v.to_string())).collect())
}

fn text(reply: &Reply) -> String {
    match &reply.body {
        Body::One(bytes) => String::from_utf8(bytes.to_vec()).expect("text"),
        _ => String::new(),
    }
}

/// Code, remark, header and body as captured.
fn same(reply: &Reply, golden: &Golden, number: u32) {
    let expected = &golden.0[&number];
    assert_eq!(reply.code, expected.code, "code of {number}");
    assert_eq!(reply.remark, expected.remark, "remark of {number}");
    assert_eq!(fields(reply.ext.as_ref()), fields(expected.ext.as_ref()), "header of {number}");
    assert_eq!(text(reply), golden.body(number), "body of {number}");
}

#[test]
fn a_captured_conversation() {
    let golden = Golden::load();
    let mut server = Server::new(NamesrvConfig::default(), NettyServerConfig::default());
    // (connection, request, response): master, first slave, clients and operators, farewell.
    let talk = [
        (1, 1, 2),
        (3, 3, 4),
        (2, 7, 8),
        (3, 12, 13),
        (3, 14, 15),
        (3, 20, 21),
        (3, 22, 23),
        (3, 117, 118),
        (3, 126, 127),
        (3, 128, 129),
        (3, 130, 131),
        (3, 176, 177),
        (3, 183, 184),
    ];
    for (conn, request, response) in talk {
        let reply = server.ask(conn, &golden.0[&request]);
        same(&reply, &golden, response);
    }
    let queues = "{\"queueDatas\":[{\"brokerName\":\"broker-a\",\"perm\":6,\"readQueueNums\":4,\"writeQueueNums\":4}]}";
    let topic = Command::request(217, Ext::new().with("topic", "GoldenTopic")).with_body(queues);
    assert_eq!(server.ask(3, &topic).code, 0);
    for (request, response) in [(111, 112), (114, 115), (257, 258)] {
        let reply = server.ask(3, &golden.0[&request]);
        same(&reply, &golden, response);
    }
    for (conn, request, response) in [(2, 300, 301), (1, 302, 303)] {
        let reply = server.ask(conn, &golden.0[&request]);
        same(&reply, &golden, response);
    }
    assert_eq!(text(&server.ask(3, &golden.0[&3])), "{\"brokerAddrTable\":{},\"clusterAddrTable\":{}}");
}

/// The reference cannot read these deflated registrations; here they count, and lead to the notifications
/// the reference sends in the same situation.
#[test]
fn deflated_registrations_and_minimum_ids() {
    let golden = Golden::load();
    let config = NamesrvConfig { notify_min_broker_id_changed: true, ..NamesrvConfig::default() };
    let mut server = Server::new(config, NettyServerConfig::default());
    assert_eq!(server.ask(2, &golden.0[&306]).code, 0);
    assert_eq!(server.ask(1, &golden.0[&309]).code, 0);
    let route = server.ask(3, &Command::request(105, Ext::new().with("topic", "TBW102")));
    assert!(text(&route).contains("{\"0\":\"127.0.0.2:21040\",\"1\":\"127.0.0.2:21050\"}"), "{route:?}");
    assert_eq!(server.ask(1, &golden.0[&518]).code, 0);
    let told: Vec<_> =
        server.oneway.iter().map(|(ext, code, flag)| (fields(ext.as_ref()), *code, *flag)).collect();
    let expected = [387, 483].map(|n| {
        let command = &golden.0[&n];
        (fields(command.ext.as_ref()), command.code, command.flag)
    });
    assert_eq!(told, expected);
}

#[test]
fn the_settings_of_a_running_reference() {
    let golden = Golden::load();
    let (mut namesrv, mut netty) = (NamesrvConfig::default(), NettyServerConfig::default());
    load(&mut [&mut namesrv, &mut netty], &Properties::parse(&golden.body(507)), "507", &[])
        .expect("known keys");
    let mut server = Server::new(namesrv, netty);
    let reply = server.ask(3, &golden.0[&506]);
    same(&reply, &golden, 507);
}
