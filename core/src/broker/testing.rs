//! A broker on a store in memory with a clock of its own, for tests: requests in, answers out, time passes
//! on demand, and the process ends in good order or not.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::settings::Settings;
use super::{Broker, BrokerMeta};
use crate::config::{AuthConfig, BrokerConfig, MessageStoreConfig, NettyClientConfig, NettyServerConfig};
use crate::ha::epoch::EpochCache;
use crate::json::{self, FromJson};
use crate::message::record::{self, Record};
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::time::{Mono, Now};
use crate::timer::TimerCheckpoint;
use crate::wire::code::request;
use crate::wire::{
    Command, ConnId, Encoding, Ext, Head, Peer, Reply, ReplyTo, ServerIn, ServerOut, StreamOut, Target, frame,
};

/// Wall time of every first start: a whole second.
pub(super) const BEGIN_MS: i64 = 1_795_000_000_000;

pub(super) struct Rig {
    pub broker: Broker<MemoryStore>,
    pub now: Now,
    /// One-way requests the broker has sent.
    pub oneways: Vec<(ConnId, Command)>,
    pub files: BTreeMap<String, Bytes>,
    /// What the broker wants of its streams, `Err` for a close.
    pub streams: Vec<Result<StreamOut, ConnId>>,
    pub replies: Vec<Reply>,
    /// Calls to other servers: address, token, request.
    pub calls: Vec<(String, u64, Command)>,
    /// Answers to requests from connections of [`SERVERS`] on: they may come late.
    pub answers: Vec<(ReplyTo, Reply)>,
    settings: Settings,
}

/// Connections of other servers.
pub(super) const SERVERS: u64 = 1 << 40;

pub(super) fn settings(change: impl FnOnce(&mut BrokerConfig, &mut MessageStoreConfig)) -> Settings {
    let (mut broker, mut store) = (BrokerConfig::default(), MessageStoreConfig::default());
    broker.broker_name = "broker-a".into();
    store.store_path_root_dir = "root".into();
    change(&mut broker, &mut store);
    let (server, client) = (NettyServerConfig::default(), NettyClientConfig::default());
    Settings::new(broker, store, server, client, AuthConfig::default(), 1 << 30).unwrap()
}

pub(super) fn peer(conn: u64) -> Peer {
    Peer { conn: ConnId(conn), addr: "10.0.0.9:4000".parse().unwrap(), fast_port: false }
}

impl Rig {
    pub fn new(change: impl FnOnce(&mut BrokerConfig, &mut MessageStoreConfig)) -> Self {
        let now = Now { mono: Mono(1_000_000_000), wall_ms: BEGIN_MS };
        Rig::start(settings(change), MemoryStore::default(), BTreeMap::new(), now)
    }

    /// A broker on what another one left, at a time.
    pub fn on(
        store: MemoryStore,
        files: BTreeMap<String, Bytes>,
        now: Option<Now>,
        change: impl FnOnce(&mut BrokerConfig, &mut MessageStoreConfig),
    ) -> Self {
        let first = Now { mono: Mono(1_000_000_000), wall_ms: BEGIN_MS };
        Rig::start(settings(change), store, files, now.unwrap_or(first))
    }

    fn start(settings: Settings, store: MemoryStore, files: BTreeMap<String, Bytes>, now: Now) -> Self {
        fn table<T: FromJson + Default>(files: &BTreeMap<String, Bytes>, name: &str) -> T {
            files
                .get(&format!("root/config/{name}"))
                .map_or_else(T::default, |bytes| json::from_slice(bytes).unwrap())
        }
        let meta = BrokerMeta {
            topics: table(&files, "topics.json"),
            offsets: table(&files, "consumerOffset.json"),
            delay_offsets: table(&files, "delayOffset.json"),
            timer_checkpoint: files
                .get("root/config/timercheck")
                .and_then(|bytes| TimerCheckpoint::decode(bytes)),
            timer_metrics: table(&files, "timermetrics"),
            transaction_metrics: table(&files, "transactionMetrics"),
            epochs: files.get("root/epochFileCheckpoint").map_or_else(EpochCache::default, |bytes| {
                EpochCache::from_file(core::str::from_utf8(bytes).unwrap()).unwrap()
            }),
            ..BrokerMeta::default()
        };
        let host = "127.0.0.1:10911".parse().unwrap();
        let broker = Broker::new(settings.clone(), store, meta, host, 7, now);
        let mut rig = Rig {
            broker,
            now,
            oneways: Vec::new(),
            files,
            streams: Vec::new(),
            replies: Vec::new(),
            calls: Vec::new(),
            answers: Vec::new(),
            settings,
        };
        rig.drain();
        rig
    }

    /// Takes all effects; files are written at once.
    pub fn drain(&mut self) {
        while let Some(out) = self.broker.poll() {
            match out {
                ServerOut::Reply { to, reply } if to.conn.0 >= SERVERS => self.answers.push((to, reply)),
                ServerOut::Call { to: Target::Addr(addr), token, command, .. } => {
                    self.calls.push((addr, token, command));
                }
                ServerOut::Reply { to, reply } if !to.oneway => self.replies.push(reply),
                ServerOut::Oneway { to: Target::Conn(conn), command } => self.oneways.push((conn, command)),
                ServerOut::Save { token, path, data } => {
                    self.files.insert(path, data);
                    self.broker.handle(self.now, ServerIn::Saved { token, result: Ok(()) });
                }
                ServerOut::Stream(out) => self.streams.push(Ok(out)),
                ServerOut::Close(conn) => self.streams.push(Err(conn)),
                _ => {}
            }
        }
    }

    pub fn handle(&mut self, input: ServerIn<'_>) {
        self.broker.handle(self.now, input);
        self.drain();
    }

    pub fn request(&mut self, conn: u64, command: &Command) -> Option<Reply> {
        let bytes = command.encode(Encoding::Json);
        let mut buffer = bytes.to_vec();
        let mut head = Head::default();
        let frame = frame::decode(&mut buffer, &mut head).unwrap();
        self.broker.handle(self.now, ServerIn::Request { peer: peer(conn), frame });
        self.drain();
        self.replies.pop()
    }

    pub fn call(&mut self, code: i32, ext: &[(&'static str, &str)], body: &[u8]) -> Option<Reply> {
        let ext = ext.iter().fold(Ext::new(), |all, (key, value)| all.with(*key, (*value).to_owned()));
        self.request(1, &Command::request(code, ext).with_body(Bytes::copy_from_slice(body)))
    }

    /// Sends a message with these properties (`name=value`, blank separated).
    pub fn send(&mut self, topic: &str, properties: &str, body: &str) -> Reply {
        let mut text = String::new();
        for (name, value) in properties.split_whitespace().filter_map(|pair| pair.split_once('=')) {
            text.push_str(&format!("{name}\u{1}{value}\u{2}"));
        }
        let born = self.now.wall_ms.to_string();
        let ext = [
            ("b", topic),
            ("c", "TBW102"),
            ("d", "4"),
            ("e", "0"),
            ("f", "0"),
            ("g", born.as_str()),
            ("h", "0"),
            ("i", text.as_str()),
            ("j", "0"),
            ("k", "false"),
            ("m", "false"),
            ("a", "pg"),
        ];
        self.call(request::SEND_MESSAGE_V2, &ext, body.as_bytes()).unwrap()
    }

    pub fn heartbeat(&mut self, conn: u64, group: &str) {
        let body = format!(
            r#"{{"clientID":"c{conn}","producerDataSet":[{{"groupName":"{group}"}}],"consumerDataSet":[]}}"#
        );
        let command = Command::request(request::HEART_BEAT, Ext::new()).with_body(body.into_bytes());
        assert_eq!(self.request(conn, &command).map(|reply| reply.code), Some(0));
    }

    /// Lets time pass, in the steps the broker asks for.
    pub fn pass(&mut self, ms: u64) {
        let end = self.now.mono.plus_ms(ms);
        loop {
            let due = self.broker.deadline().map_or(end, |due| due.max(self.now.mono).min(end));
            let step = due.ms_since(self.now.mono).max(u64::from(due > self.now.mono));
            self.now.mono = self.now.mono.plus_ms(step).min(end);
            self.now.wall_ms += i64::try_from(step).unwrap();
            self.broker.handle(self.now, ServerIn::Tick);
            self.drain();
            let next = self.broker.deadline();
            if self.now.mono >= end && next.is_none_or(|next| next > self.now.mono) {
                return;
            }
        }
    }

    /// Ends the process, orderly or not, and starts another.
    pub fn restart(mut self, orderly: bool) -> Self {
        if orderly {
            self.broker.shutdown(self.now);
            self.drain();
            while !self.broker.is_stopped() {
                self.pass(1_000);
            }
        }
        Rig::start(self.settings, self.broker.into_store().reopened(), self.files, self.now)
    }

    /// Ends the process as a loss of power does, which may take something from the store.
    pub fn restart_with(self, change: impl FnOnce(&mut MemoryStore)) -> Self {
        let mut store = self.broker.into_store().reopened();
        change(&mut store);
        Rig::start(self.settings, store, self.files, self.now)
    }

    pub fn max(&self, topic: &str, queue_id: i32) -> i64 {
        self.broker.store().queue_bounds(topic, queue_id, u64::MAX).unwrap_or_default().max
    }

    /// Looks at every record of a queue.
    pub fn each(&self, topic: &str, queue_id: i32, mut visit: impl FnMut(&Record<'_>)) {
        for offset in 0..self.max(topic, queue_id) {
            let entry = self.broker.store().queue_entry(topic, queue_id, offset).unwrap();
            let bytes = self.broker.store().record_at(entry.offset).unwrap();
            visit(&record::decode(&bytes).unwrap());
        }
    }

    pub fn bodies(&self, topic: &str) -> Vec<String> {
        let mut all = Vec::new();
        self.each(topic, 0, |found| all.push(String::from_utf8(found.body.to_vec()).unwrap()));
        all
    }
}

pub(super) fn field(reply: &Reply, name: &str) -> String {
    let value = reply.ext.as_ref().and_then(|ext| ext.get(name));
    value.map(ToString::to_string).unwrap_or_default()
}
