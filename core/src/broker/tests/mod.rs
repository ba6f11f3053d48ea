//! The broker through its front door: frames in, outputs out, over an in-memory store.

mod admin;
mod clients;
mod cold;
mod lifecycle;
mod light;
mod pulling;
mod redelivery;
mod sending;
mod slave;

use super::settings::Settings;
use super::{Broker, BrokerMeta};
use crate::config::{
    AuthConfig, BrokerConfig, FlushDiskType, MessageStoreConfig, NettyClientConfig, NettyServerConfig,
};
use crate::message::record::{self, Record};
use crate::store::memory::MemoryStore;
use crate::time::{Mono, Now};
use crate::wire::code::request;
use crate::wire::{
    Body, Command, ConnId, Encoding, Ext, Peer, Reply, ServerIn, ServerOut, Target, VERSION, frame,
};

/// A broker with a clock; saves succeed as soon as they are asked for.
struct Bench {
    broker: Broker<MemoryStore>,
    now: Now,
    /// Replies not yet taken: connection, opaque, reply.
    replies: Vec<(u64, i32, Reply)>,
    /// What came out besides replies and saves.
    other: Vec<ServerOut>,
    /// Paths written, in order.
    saved: Vec<String>,
    next_opaque: i32,
    version: i32,
}

fn config() -> BrokerConfig {
    BrokerConfig {
        broker_name: "broker-a".into(),
        broker_ip1: "127.0.0.1".into(),
        broker_ip2: "127.0.0.1".into(),
        ..BrokerConfig::default()
    }
}

impl Bench {
    fn new() -> Self {
        Self::with(config(), MessageStoreConfig::default())
    }

    fn with_sync_flush() -> Self {
        let store = MessageStoreConfig { flush_disk_type: FlushDiskType::SyncFlush, ..Default::default() };
        let mut bench = Self::with(config(), store);
        bench.broker.store.hold_durable();
        bench
    }

    fn with(broker: BrokerConfig, store: MessageStoreConfig) -> Self {
        let now = Now { mono: Mono(0).plus_ms(1_000), wall_ms: 1_700_000_000_000 };
        let (server, client, auth) =
            (NettyServerConfig::default(), NettyClientConfig::default(), AuthConfig::default());
        let settings = Settings::new(broker, store, server, client, auth, 1 << 34).expect("delay levels");
        let host = ([127, 0, 0, 1], 10_911).into();
        let broker = Broker::new(settings, MemoryStore::default(), BrokerMeta::default(), host, 7, now);
        let mut bench = Bench {
            broker,
            now,
            replies: Vec::new(),
            other: Vec::new(),
            saved: Vec::new(),
            next_opaque: 0,
            version: VERSION,
        };
        bench.drain();
        bench
    }

    /// Takes all outputs; a save is answered at once, which may bring more.
    fn drain(&mut self) {
        while let Some(out) = self.broker.poll() {
            match out {
                ServerOut::Reply { to, reply } => self.replies.push((to.conn.0, to.opaque, reply)),
                ServerOut::Save { token, path, .. } => {
                    self.saved.push(path);
                    self.broker.handle(self.now, ServerIn::Saved { token, result: Ok(()) });
                }
                other => self.other.push(other),
            }
        }
    }

    fn handle(&mut self, input: ServerIn<'_>) {
        self.broker.handle(self.now, input);
        self.drain();
    }

    /// Sends a request from a connection; the reply, if there is one now, is taken by [`Bench::reply_to`].
    fn send_from(&mut self, conn: u64, command: Command, fast_port: bool) -> i32 {
        self.next_opaque += 1;
        let command = Command { version: self.version, opaque: self.next_opaque, ..command };
        let mut bytes = command.encode(Encoding::Json).to_vec();
        let mut head = frame::Head::default();
        let frame = frame::decode(&mut bytes, &mut head).expect("a whole frame");
        let peer = Peer { conn: ConnId(conn), addr: ([127, 0, 0, 1], 4_000).into(), fast_port };
        self.handle(ServerIn::Request { peer, frame });
        self.next_opaque
    }

    fn reply_to(&mut self, opaque: i32) -> Option<Reply> {
        let at = self.replies.iter().position(|(_, known, _)| *known == opaque)?;
        Some(self.replies.remove(at).2)
    }

    fn ask_from(&mut self, conn: u64, code: i32, fields: &[(&'static str, &str)], body: &[u8]) -> Reply {
        let opaque = self.send_from(conn, command(code, fields, body), false);
        self.reply_to(opaque).expect("an answer")
    }

    fn ask(&mut self, code: i32, fields: &[(&'static str, &str)], body: &[u8]) -> Reply {
        self.ask_from(1, code, fields, body)
    }

    /// Lets time pass, ticking when the machine wants it.
    fn pass(&mut self, ms: u64) {
        let end = self.now.mono.plus_ms(ms);
        let mut late = 0;
        while let Some(at) = self.broker.deadline().filter(|at| *at <= end) {
            late = if at <= self.now.mono { late + 1 } else { 0 };
            assert!(late < 1_000, "a deadline that does not move would spin");
            self.at(at.max(self.now.mono));
            self.handle(ServerIn::Tick);
        }
        self.at(end);
    }

    fn at(&mut self, mono: Mono) {
        self.now.wall_ms += i64::try_from(mono.ms_since(self.now.mono)).unwrap_or(0);
        self.now.mono = mono;
    }

    /// Sends `body` to a queue of a topic.
    fn put(&mut self, topic: &str, queue: i32, properties: &str, body: &str) -> Reply {
        let opaque = self.put_later(topic, queue, properties, body);
        self.reply_to(opaque).expect("an answer")
    }

    fn put_later(&mut self, topic: &str, queue: i32, properties: &str, body: &str) -> i32 {
        let command = send_command(topic, queue, properties, body);
        self.send_from(1, command, false)
    }

    /// Pulls with a subscription of its own, without waiting.
    fn pull(&mut self, topic: &str, queue: i32, offset: i64, tags: &str) -> Reply {
        let fields = pull_fields(topic, queue, offset, tags, 4, 0);
        let fields: Vec<(&'static str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
        self.ask(request::PULL_MESSAGE, &fields, b"")
    }

    fn oneways(&mut self) -> Vec<(u64, Command)> {
        let mut found = Vec::new();
        self.other.retain(|out| match out {
            ServerOut::Oneway { to: Target::Conn(conn), command } => {
                found.push((conn.0, command.clone()));
                false
            }
            _ => true,
        });
        found
    }

    /// Calls to NameServers not yet answered: address, token, request.
    fn calls(&mut self) -> Vec<(String, u64, Command)> {
        let mut found = Vec::new();
        self.other.retain(|out| match out {
            ServerOut::Call { to: Target::Addr(addr), token, command, .. } => {
                found.push((addr.clone(), *token, command.clone()));
                false
            }
            _ => true,
        });
        found
    }
}

fn command(code: i32, fields: &[(&'static str, &str)], body: &[u8]) -> Command {
    let ext = fields.iter().fold(Ext::new(), |all, (k, v)| all.with(*k, (*v).to_owned()));
    Command::request(code, ext).with_body(body.to_vec())
}

fn send_command(topic: &str, queue: i32, properties: &str, body: &str) -> Command {
    let queue = queue.to_string();
    command(
        request::SEND_MESSAGE_V2,
        &[
            ("a", "pg"),
            ("b", topic),
            ("c", "TBW102"),
            ("d", "4"),
            ("e", &queue),
            ("f", "0"),
            ("g", "1700000000000"),
            ("h", "0"),
            ("i", properties),
            ("j", "0"),
            ("k", "false"),
            ("m", "false"),
        ],
        body.as_bytes(),
    )
}

fn pull_fields(
    topic: &str,
    queue: i32,
    offset: i64,
    tags: &str,
    sys_flag: i32,
    suspend_ms: i64,
) -> Vec<(&'static str, String)> {
    vec![
        ("consumerGroup", "cg".into()),
        ("topic", topic.into()),
        ("queueId", queue.to_string()),
        ("queueOffset", offset.to_string()),
        ("maxMsgNums", "32".into()),
        ("sysFlag", sys_flag.to_string()),
        ("commitOffset", "0".into()),
        ("suspendTimeoutMillis", suspend_ms.to_string()),
        ("subscription", tags.into()),
        ("subVersion", "0".into()),
        ("expressionType", "TAG".into()),
    ]
}

fn text(reply: &Reply, key: &str) -> String {
    reply.ext.as_ref().and_then(|ext| ext.get(key)).map(ToString::to_string).unwrap_or_default()
}

fn remark(reply: &Reply) -> String {
    reply.remark.as_deref().unwrap_or("").to_owned()
}

fn bytes(reply: &Reply) -> Vec<u8> {
    match &reply.body {
        Body::Empty => Vec::new(),
        Body::One(bytes) => bytes.to_vec(),
        Body::Many(parts) => parts.iter().flat_map(|part| part.to_vec()).collect(),
    }
}

/// Bodies of the records in a pull's answer.
fn bodies(reply: &Reply) -> Vec<String> {
    records(&bytes(reply)).iter().map(|r| String::from_utf8_lossy(r.body).into_owned()).collect()
}

fn records(mut rest: &[u8]) -> Vec<Record<'_>> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        let record = record::decode(rest).expect("whole records");
        rest = &rest[record.total_size..];
        found.push(record);
    }
    found
}
