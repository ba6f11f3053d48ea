//! Brokers in memory, the model of the controllers, a NameServer that only notes, and a clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use crate::broker::replicas::tests::model::Model;
use crate::broker::replicas::{Application, Identity};
use crate::broker::settings::Settings;
use crate::broker::{Broker, BrokerMeta, testing};
use crate::json::{self, FromJson};
use crate::store::memory::MemoryStore;
use crate::time::{Mono, Now};
use crate::wire::code::request;
use crate::wire::{
    Body, CallError, Command, ConnId, Encoding, Ext, Head, Peer, Reply, ReplyTo, ServerIn, ServerOut, Target,
    frame,
};

const BEGIN_MS: u64 = 100_000;
/// Connections of clients are numbered below, those of brokers from here.
const BROKERS: u64 = 1_000;

/// What a NameServer was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    pub broker: usize,
    pub id: i64,
    pub epoch: i64,
}

pub struct Cluster {
    pub model: Model,
    pub brokers: Vec<Option<Broker<MemoryStore>>>,
    pub ms: u64,
    pub registered: Vec<Registered>,
    pub files: Vec<BTreeMap<String, Bytes>>,
    /// Replies to clients: broker, opaque, reply.
    pub replies: Vec<(usize, i32, Reply)>,
    /// Brokers that do not reach the controllers.
    pub cut: BTreeSet<usize>,
    /// Brokers that do not know the requests of ours, as the reference's do not.
    pub foreign: BTreeSet<usize>,
    /// Brokers that cannot write files.
    pub failing: BTreeSet<usize>,
    /// Requests brokers made of brokers: from, to, code.
    pub between: Vec<(usize, usize, i32)>,
    calls: BTreeMap<(usize, ConnId, i32), (usize, u64)>,
    late: BTreeMap<(u64, usize, u64), CallError>,
    work: VecDeque<(usize, ServerOut)>,
    next_opaque: i32,
    change: fn(&mut crate::config::BrokerConfig, &mut crate::config::MessageStoreConfig),
}

pub fn address(broker: usize) -> String {
    format!("10.0.0.{broker}:10911")
}

impl Cluster {
    pub fn new(
        brokers: usize,
        change: fn(&mut crate::config::BrokerConfig, &mut crate::config::MessageStoreConfig),
    ) -> Self {
        Self::of(brokers, false, change)
    }

    /// The same, of brokers that answer as the reference's do.
    pub fn of(
        brokers: usize,
        foreign: bool,
        change: fn(&mut crate::config::BrokerConfig, &mut crate::config::MessageStoreConfig),
    ) -> Self {
        let mut cluster = Cluster {
            model: Model::default(),
            brokers: (0..brokers).map(|_| None).collect(),
            ms: BEGIN_MS,
            registered: Vec::new(),
            files: vec![BTreeMap::new(); brokers],
            replies: Vec::new(),
            cut: BTreeSet::new(),
            foreign: (0..brokers).filter(|_| foreign).collect(),
            failing: BTreeSet::new(),
            between: Vec::new(),
            calls: BTreeMap::new(),
            late: BTreeMap::new(),
            work: VecDeque::new(),
            next_opaque: 0,
            change,
        };
        (0..brokers).for_each(|broker| cluster.start(broker, MemoryStore::default()));
        cluster
    }

    pub fn now(&self) -> Now {
        let wall_ms = i64::try_from(self.ms).unwrap() + testing::BEGIN_MS;
        Now { mono: Mono(0).plus_ms(self.ms), wall_ms }
    }

    fn settings(&self, broker: usize) -> Settings {
        testing::settings(|config, store| {
            config.broker_name = "bb".into();
            config.broker_cluster_name = "C1".into();
            config.broker_ip1 = format!("10.0.0.{broker}");
            config.broker_ip2 = format!("10.0.0.{broker}");
            config.namesrv_addr = Some("ns:1".into());
            config.enable_controller_mode = true;
            config.controller_addr = "c0:1;c1:1;c2:1".into();
            (self.change)(config, store);
        })
    }

    /// Starts a broker's process from its files.
    pub fn start(&mut self, broker: usize, store: MemoryStore) {
        fn table<T: FromJson + Default>(files: &BTreeMap<String, Bytes>, name: &str) -> T {
            files
                .get(&format!("root/config/{name}"))
                .map_or_else(T::default, |bytes| json::from_slice(bytes).unwrap())
        }
        let (now, settings) = (self.now(), self.settings(broker));
        let files = &self.files[broker];
        let meta = BrokerMeta {
            topics: table(files, "topics.json"),
            groups: table(files, "subscriptionGroup.json"),
            offsets: table(files, "consumerOffset.json"),
            delay_offsets: table(files, "delayOffset.json"),
            request_modes: table(files, "messageRequestMode.json"),
            ..BrokerMeta::default()
        };
        let text = |name: &str| {
            let bytes = files.get(&format!("root/{name}")).map(|bytes| bytes.to_vec());
            String::from_utf8(bytes.unwrap_or_default()).unwrap()
        };
        let identity = Identity::read("i", &text("brokerIdentity")).unwrap();
        let application = Application::read("t", &text("brokerIdentity-temp")).unwrap();
        let host = ([10, 0, 0, u8::try_from(broker).unwrap()], 10_911).into();
        let mut machine = Broker::new(settings, store, meta, host, broker as u64, now);
        machine.join_controllers(now, identity, application).unwrap();
        self.brokers[broker] = Some(machine);
        self.drain();
    }

    /// Ends a broker's process without a word.
    pub fn kill(&mut self, broker: usize) -> MemoryStore {
        let gone = self.brokers[broker].take().unwrap();
        let theirs: Vec<_> =
            self.calls.iter().filter(|(key, _)| key.0 == broker).map(|(k, v)| (*k, *v)).collect();
        for (key, (from, token)) in theirs {
            self.calls.remove(&key);
            let result = Err(CallError::Closed(address(broker)));
            self.tell(from, ServerIn::Answer { token, result });
            self.tell(from, ServerIn::Lost(address(broker)));
        }
        gone.into_store().reopened()
    }

    pub fn broker(&self, broker: usize) -> &Broker<MemoryStore> {
        self.brokers[broker].as_ref().unwrap()
    }

    pub fn masters(&self) -> Vec<usize> {
        let master = |broker: &Option<Broker<MemoryStore>>| broker.as_ref().is_some_and(Broker::is_master);
        (0..self.brokers.len()).filter(|index| master(&self.brokers[*index])).collect()
    }

    pub fn tell(&mut self, broker: usize, input: ServerIn<'_>) {
        let now = self.now();
        if let Some(machine) = &mut self.brokers[broker] {
            machine.handle(now, input);
        }
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            for (index, broker) in self.brokers.iter_mut().enumerate() {
                while let Some(out) = broker.as_mut().and_then(Broker::poll) {
                    self.work.push_back((index, out));
                }
            }
            let Some((from, out)) = self.work.pop_front() else { return };
            self.carry_out(from, out);
        }
    }

    fn carry_out(&mut self, from: usize, out: ServerOut) {
        let now = self.now();
        let answer = match out {
            ServerOut::Save { token, .. } if self.failing.contains(&from) => {
                ServerIn::Saved { token, result: Err("disk full".to_owned()) }
            }
            ServerOut::Save { token, path, data } => {
                self.files[from].insert(path, data);
                ServerIn::Saved { token, result: Ok(()) }
            }
            ServerOut::Reply { to, reply } => return self.replied(from, to, reply),
            ServerOut::Call { to: Target::Addr(addr), token, command, timeout_ms } => {
                match self.called(from, &addr, token, &command) {
                    Some(result) => ServerIn::Answer { token, result },
                    None => {
                        let error = CallError::Timeout { addr, timeout_ms };
                        self.late.insert((self.ms + timeout_ms, from, token), error);
                        return;
                    }
                }
            }
            _ => return,
        };
        if let Some(machine) = &mut self.brokers[from] {
            machine.handle(now, answer);
        }
    }

    /// The outcome of a call, if it is known at once.
    fn called(
        &mut self,
        from: usize,
        addr: &str,
        token: u64,
        command: &Command,
    ) -> Option<Result<Command, CallError>> {
        if let Some(index) = addr.strip_prefix('c') {
            let index: usize = index[..1].parse().unwrap();
            return (!self.cut.contains(&from)).then(|| Ok(self.model.handle(index, self.ms, command)));
        }
        if addr == "ns:1" {
            if command.code == request::REGISTER_BROKER {
                let id = command.ext_text("brokerId").unwrap().parse().unwrap();
                let body: crate::body::RegisterBrokerBody = json::from_slice(&command.body).unwrap();
                let epoch = body.wrapper.data_version.state_version;
                self.registered.push(Registered { broker: from, id, epoch });
            }
            return Some(Ok(Command::response(0, 0)));
        }
        let to: usize = addr["10.0.0.".len()..].split(':').next().unwrap().parse().unwrap();
        if self.brokers[to].is_none() {
            return Some(Err(CallError::Connect(addr.to_owned())));
        }
        self.between.push((from, to, command.code));
        if self.foreign.contains(&to) && command.code > 300_000 {
            let refusal = Reply::not_supported(command.code);
            return Some(Ok(Command { remark: refusal.remark, ..Command::response(refusal.code, 0) }));
        }
        let conn = ConnId(BROKERS + from as u64);
        let opaque = self.request(to, conn, command);
        self.calls.insert((to, conn, opaque), (from, token));
        None
    }

    fn request(&mut self, to: usize, conn: ConnId, command: &Command) -> i32 {
        self.next_opaque += 1;
        let command = Command { opaque: self.next_opaque, ..command.clone() };
        let mut bytes = command.encode(Encoding::Json).to_vec();
        let mut head = Head::default();
        let frame = frame::decode(&mut bytes, &mut head).unwrap();
        let peer = Peer { conn, addr: ([10, 0, 9, 9], 4_000).into(), fast_port: false };
        let now = self.now();
        if let Some(machine) = &mut self.brokers[to] {
            machine.handle(now, ServerIn::Request { peer, frame });
        }
        self.next_opaque
    }

    fn replied(&mut self, by: usize, to: ReplyTo, reply: Reply) {
        let Some((from, token)) = self.calls.remove(&(by, to.conn, to.opaque)) else {
            self.replies.push((by, to.opaque, reply));
            return;
        };
        self.late.retain(|key, _| (key.1, key.2) != (from, token));
        let body: Vec<u8> = match reply.body {
            Body::Empty => Vec::new(),
            Body::One(bytes) => bytes.to_vec(),
            Body::Many(parts) => parts.concat(),
        };
        let (remark, ext) = (reply.remark, reply.ext);
        let result = Ok(Command { remark, ext, ..Command::response(reply.code, 0) }.with_body(body));
        let now = self.now();
        if let Some(machine) = &mut self.brokers[from] {
            machine.handle(now, ServerIn::Answer { token, result });
        }
    }

    /// A client's request; its opaque.
    pub fn ask(&mut self, broker: usize, code: i32, ext: &[(&'static str, &str)], body: &[u8]) -> i32 {
        let ext = ext.iter().fold(Ext::new(), |all, (key, value)| all.with(*key, (*value).to_owned()));
        let command = Command::request(code, ext).with_body(Bytes::copy_from_slice(body));
        let opaque = self.request(broker, ConnId(1), &command);
        self.drain();
        opaque
    }

    /// The reply to a client's request, if it is there.
    pub fn reply(&mut self, opaque: i32) -> Option<Reply> {
        let index = self.replies.iter().position(|(_, known, _)| *known == opaque)?;
        Some(self.replies.remove(index).2)
    }

    /// Sends a message; the code of the answer, if there is one at once.
    pub fn send(&mut self, broker: usize) -> Option<i32> {
        let born = self.now().wall_ms.to_string();
        let ext = [
            ("a", "pg"),
            ("b", "T"),
            ("c", "TBW102"),
            ("d", "4"),
            ("e", "0"),
            ("f", "0"),
            ("g", born.as_str()),
            ("h", "0"),
            ("i", ""),
            ("j", "0"),
            ("k", "false"),
            ("m", "false"),
        ];
        let opaque = self.ask(broker, request::SEND_MESSAGE_V2, &ext, b"body");
        self.reply(opaque).map(|reply| reply.code)
    }

    pub fn pass(&mut self, ms: u64) {
        let end = self.ms + ms;
        loop {
            self.drain();
            let due = |index: usize| {
                let at = self.brokers[index].as_ref().and_then(Broker::deadline);
                at.map_or(u64::MAX, |at| at.0.div_ceil(1_000_000))
            };
            let tick = (0..self.brokers.len()).map(|index| (due(index), index)).min().unwrap();
            let late = self.late.first_key_value().map_or(u64::MAX, |(key, _)| key.0);
            let scan = (self.ms / 100 + 1) * 100;
            let next = tick.0.min(late).min(scan);
            if next > end {
                break;
            }
            self.ms = self.ms.max(next);
            if late <= self.ms {
                let ((_, from, token), error) = self.late.pop_first().unwrap();
                self.calls.retain(|_, waiting| *waiting != (from, token));
                self.tell(from, ServerIn::Answer { token, result: Err(error) });
            } else if tick.0 <= self.ms {
                self.tell(tick.1, ServerIn::Tick);
            } else {
                self.model.scan(self.ms);
            }
        }
        self.ms = end;
    }
}
