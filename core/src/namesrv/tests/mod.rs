//! The NameServer through its front door: frames in, outputs out.

mod actions;
mod brokers;
mod operators;
mod properties;

use super::*;
use crate::config::{NamesrvConfig, NettyServerConfig, Properties};
use crate::time::{Mono, Now};
use crate::wire::{
    Body, Command, ConnId, Encoding, Ext, Peer, Reply, ServerIn, ServerOut, Target, VERSION, frame,
};

/// A NameServer with a clock and a stack of what it put out besides the last reply.
struct Bench {
    ns: Namesrv,
    now: Now,
    /// What came out besides replies since it was last looked at.
    other: Vec<ServerOut>,
    version: i32,
}

impl Bench {
    fn new(config: NamesrvConfig) -> Self {
        let now = Now { mono: Mono(0).plus_ms(1_000), wall_ms: 1_700_000_000_000 };
        let ns = Namesrv::new(
            config,
            NettyServerConfig::default(),
            Properties::default(),
            KvConfig::default(),
            now,
        );
        Bench { ns, now, other: Vec::new(), version: VERSION }
    }

    fn handle(&mut self, input: ServerIn<'_>) -> Option<Reply> {
        self.ns.handle(self.now, input);
        let mut answer = None;
        while let Some(out) = self.ns.poll() {
            match out {
                ServerOut::Reply { reply, .. } => answer = Some(reply),
                other => self.other.push(other),
            }
        }
        self.ns.tables().check().expect("tables are consistent");
        answer
    }

    fn ask_over(&mut self, conn: u64, code: i32, ext: &[(&'static str, &str)], body: &[u8]) -> Reply {
        let fields = ext.iter().fold(Ext::new(), |all, (k, v)| all.with(*k, (*v).to_owned()));
        let command = Command { version: self.version, ..Command::request(code, fields) };
        let mut bytes = command.with_body(body.to_vec()).encode(Encoding::Json).to_vec();
        let mut head = frame::Head::default();
        let frame = frame::decode(&mut bytes, &mut head).expect("a whole frame");
        let peer = Peer { conn: ConnId(conn), addr: ([127, 0, 0, 1], 4_000).into(), fast_port: false };
        self.handle(ServerIn::Request { peer, frame }).expect("an answer")
    }

    fn ask(&mut self, code: i32, ext: &[(&'static str, &str)], body: &[u8]) -> Reply {
        self.ask_over(99, code, ext, body)
    }

    /// Lets time pass, ticking when the machine wants it.
    fn pass(&mut self, ms: u64) {
        let end = self.now.mono.plus_ms(ms);
        while let Some(at) = self.ns.deadline().filter(|at| *at <= end) {
            self.now.mono = at;
            self.handle(ServerIn::Tick);
        }
        self.now.mono = end;
    }

    /// Addresses of the one-way requests since the last look, with their header fields.
    fn told(&mut self) -> Vec<(String, Vec<(String, String)>)> {
        let all = std::mem::take(&mut self.other).into_iter();
        all.filter_map(|out| match out {
            ServerOut::Oneway { to: Target::Addr(addr), command } => {
                assert_eq!((command.code, command.flag), (905, 2));
                let ext = command.ext.unwrap_or_default();
                Some((addr, ext.iter().map(|(k, v)| (k.to_owned(), v.to_string())).collect()))
            }
            _ => None,
        })
        .collect()
    }
}

/// A broker to register.
#[derive(Clone, Copy)]
struct B {
    cluster: &'static str,
    name: &'static str,
    id: i64,
    addr: &'static str,
    conn: u64,
    acting: Option<bool>,
    epoch: i64,
    counter: i64,
    topics: &'static [&'static str],
    timeout_ms: Option<i64>,
    zone: Option<&'static str>,
}

const MASTER: B = B {
    cluster: "C",
    name: "broker-a",
    id: 0,
    addr: "10.0.0.1:10911",
    conn: 1,
    acting: Some(false),
    epoch: 0,
    counter: 1,
    topics: &["T1", "T2"],
    timeout_ms: None,
    zone: None,
};

const SLAVE: B = B { id: 1, addr: "10.0.0.2:10911", conn: 2, ..MASTER };

impl B {
    fn body(&self) -> String {
        let topics: Vec<String> = self
            .topics
            .iter()
            .map(|t| {
                format!(
                    "\"{t}\":{{\"topicName\":\"{t}\",\"perm\":6,\"readQueueNums\":4,\"writeQueueNums\":4}}"
                )
            })
            .collect();
        format!(
            "{{\"filterServerList\":[],\"topicConfigSerializeWrapper\":{{\"dataVersion\":{{\"counter\":{},\
             \"stateVersion\":{},\"timestamp\":1}},\"topicConfigTable\":{{{}}}}}}}",
            self.counter,
            self.epoch,
            topics.join(",")
        )
    }

    fn register(&self, bench: &mut Bench) -> Reply {
        let (id, acting, timeout) =
            (self.id.to_string(), self.acting.map(|b| b.to_string()), self.timeout_ms.map(|n| n.to_string()));
        let ha = format!("ha-{}", self.addr);
        let mut ext = vec![
            ("brokerName", self.name),
            ("brokerAddr", self.addr),
            ("clusterName", self.cluster),
            ("haServerAddr", &ha),
            ("brokerId", &id),
        ];
        ext.extend(acting.as_deref().map(|text| ("enableActingMaster", text)));
        ext.extend(timeout.as_deref().map(|text| ("heartbeatTimeoutMillis", text)));
        ext.extend(self.zone.map(|text| ("__ZONE_NAME", text)));
        bench.ask_over(self.conn, 103, &ext, self.body().as_bytes())
    }

    fn unregister(&self, bench: &mut Bench, conn: u64) -> Reply {
        let id = self.id.to_string();
        let ext = [
            ("brokerName", self.name),
            ("brokerAddr", self.addr),
            ("clusterName", self.cluster),
            ("brokerId", &id),
        ];
        bench.ask_over(conn, 104, &ext, b"")
    }
}

fn text(reply: &Reply) -> String {
    match &reply.body {
        Body::One(bytes) => String::from_utf8(bytes.to_vec()).expect("text"),
        _ => String::new(),
    }
}

fn field(reply: &Reply, key: &str) -> Option<String> {
    reply.ext.as_ref().and_then(|ext| ext.get(key)).map(ToString::to_string)
}

fn remark(reply: &Reply) -> (i32, &str) {
    (reply.code, reply.remark.as_deref().unwrap_or(""))
}
