//! What is around the brokers under test.

use std::collections::{BTreeMap, VecDeque};

use crate::broker::testing::{Rig, SERVERS};
use crate::config::{BrokerConfig, BrokerRole, MessageStoreConfig};
use crate::message::record;
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::wire::code::{request, response};
use crate::wire::{
    Body, CallError, Command, ConnId, Encoding, Ext, Head, Peer, Reply, ServerIn, StreamIn, StreamOut, frame,
};

pub(super) const NAMES: &str = "10.0.0.7:9876";
pub(super) const OTHER: &str = "10.0.0.8:10911";

fn addr_of(id: usize) -> String {
    format!("10.0.0.{}:10911", id + 1)
}

/// What the other master was given.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub topic: String,
    pub properties: String,
    pub sys_flag: i32,
    pub queue: i32,
    pub reconsume_times: i32,
    pub body: String,
}

impl Given {
    pub fn property(&self, name: &str) -> Option<&str> {
        crate::message::properties::get(self.properties.as_bytes(), name)
    }
}

/// Broker 0 is the master, broker 1 its slave.
pub(super) struct World {
    pub rigs: [Option<Rig>; 2],
    files: [Option<(BTreeMap<String, bytes::Bytes>, MemoryStore)>; 2],
    change: fn(&mut BrokerConfig, &mut MessageStoreConfig),
    peers: BTreeMap<(usize, ConnId), (usize, ConnId)>,
    streams: VecDeque<(usize, Word)>,
    next: u64,
    /// Calls among the brokers: who asked with which token.
    asked: BTreeMap<u64, (usize, u64)>,
    /// The NameServer tells of these, which registered and live.
    registered: [bool; 2],
    pub other_is_up: bool,
    /// The other master has the topic.
    pub has_topic: bool,
    /// So many answers of the other master are lost on the way.
    pub lost_answers: u32,
    /// Bodies whose answers were lost.
    pub unanswered: Vec<String>,
    pub given: Vec<Given>,
}

enum Word {
    Opened(ConnId, Option<u64>),
    Failed(u64),
    Bytes(ConnId, bytes::Bytes),
    Closed(ConnId),
}

impl World {
    pub fn new(change: fn(&mut BrokerConfig, &mut MessageStoreConfig)) -> Self {
        let mut world = World {
            rigs: [None, None],
            files: [None, None],
            change,
            peers: BTreeMap::new(),
            streams: VecDeque::new(),
            next: SERVERS,
            asked: BTreeMap::new(),
            registered: [false; 2],
            other_is_up: true,
            has_topic: true,
            lost_answers: 0,
            unanswered: Vec::new(),
            given: Vec::new(),
        };
        world.start(0);
        world.pass(1_500);
        world.start(1);
        world.pass(1_500);
        world
    }

    pub fn master(&mut self) -> &mut Rig {
        self.rigs[0].as_mut().expect("the master lives")
    }

    pub fn slave(&mut self) -> &mut Rig {
        self.rigs[1].as_mut().expect("the slave lives")
    }

    /// Starts a broker on what it has left.
    pub fn start(&mut self, id: usize) {
        let change = self.change;
        let now = self.rigs[1 - id].as_ref().map(|other| other.now);
        let (files, store) = self.files[id].take().unwrap_or_default();
        let rig = Rig::on(store, files, now, |broker, store| {
            broker.broker_id = i64::try_from(id).unwrap();
            (broker.broker_ip1, broker.broker_ip2) = (host(id), host(id));
            broker.namesrv_addr = Some(NAMES.into());
            broker.enable_slave_acting_master = true;
            broker.enable_remote_escape = true;
            broker.slave_read_enable = true;
            store.total_replicas = 2;
            store.message_index_enable = true;
            store.broker_role = if id == 0 { BrokerRole::AsyncMaster } else { BrokerRole::Slave };
            change(broker, store);
        });
        self.rigs[id] = Some(rig);
        self.settle();
    }

    /// kill -9.
    pub fn kill(&mut self, id: usize) {
        let rig = self.rigs[id].take().expect("it lives");
        self.files[id] = Some((rig.files, rig.broker.into_store().reopened()));
        self.registered[id] = false;
        self.asked.retain(|_, (asker, _)| *asker != id);
        let ends: Vec<_> = self.peers.extract_if(.., |end, _| end.0 == id).map(|(_, other)| other).collect();
        for other in ends {
            self.peers.remove(&other);
            self.streams.push_back((other.0, Word::Closed(other.1)));
        }
        self.settle();
    }

    /// What a NameServer shows: writable with a live master.
    pub fn is_online(&self, id: usize) -> bool {
        self.registered[id]
    }

    pub fn pass(&mut self, ms: u64) {
        for _ in 0..ms.div_ceil(50) {
            for id in 0..2 {
                if let Some(rig) = &mut self.rigs[id] {
                    rig.pass(50);
                }
            }
            self.settle();
        }
    }

    /// Carries requests, answers and bytes until nothing moves.
    pub fn settle(&mut self) {
        loop {
            let mut moved = false;
            for id in 0..2 {
                let Some(rig) = &mut self.rigs[id] else { continue };
                rig.drain();
                let (calls, answers) = (core::mem::take(&mut rig.calls), core::mem::take(&mut rig.answers));
                let streams = core::mem::take(&mut rig.streams);
                moved |= !(calls.is_empty() && answers.is_empty() && streams.is_empty());
                for (addr, token, command) in calls {
                    self.call(id, &addr, token, &command);
                }
                for (to, reply) in answers {
                    if let Some((asker, token)) = self.asked.remove(&to.conn.0) {
                        self.answer(asker, token, Ok(command_of(reply)));
                    }
                }
                for out in streams {
                    self.stream(id, out);
                }
            }
            if let Some((to, word)) = self.streams.pop_front() {
                self.word(to, word);
                moved = true;
            }
            if !moved {
                return;
            }
        }
    }

    fn answer(&mut self, id: usize, token: u64, result: Result<Command, CallError>) {
        if let Some(rig) = &mut self.rigs[id] {
            rig.handle(ServerIn::Answer { token, result });
        }
    }

    fn call(&mut self, from: usize, addr: &str, token: u64, command: &Command) {
        if addr == NAMES {
            let reply = self.name_server(from, command);
            return self.answer(from, token, Ok(reply));
        }
        if addr == OTHER {
            let result = self.other(command);
            return self.answer(from, token, result);
        }
        let port = |id: usize| [addr_of(id), format!("{}:10909", host(id))].iter().any(|known| known == addr);
        let to = (0..2).find(|id| port(*id)).and_then(|id| self.rigs[id].as_mut());
        let Some(rig) = to else {
            return self.answer(from, token, Err(CallError::Refused(addr.to_owned())));
        };
        self.next += 1;
        self.asked.insert(self.next, (from, token));
        let bytes = command.encode(Encoding::Json);
        let (mut buffer, mut head) = (bytes.to_vec(), Head::default());
        let frame = frame::decode(&mut buffer, &mut head).unwrap();
        let peer = Peer { conn: ConnId(self.next), addr: "10.0.0.9:5".parse().unwrap(), fast_port: false };
        rig.handle(ServerIn::Request { peer, frame });
    }

    fn name_server(&mut self, from: usize, command: &Command) -> Command {
        let ok =
            |ext: Ext, body: String| command_of(Reply::success().with_ext(ext).with_body(body.into_bytes()));
        match command.code {
            request::REGISTER_BROKER => {
                self.registered[from] = true;
                let mut ext = Ext::new();
                if self.registered[0] && from != 0 {
                    ext.put("masterAddr", addr_of(0));
                    ext.put("haServerAddr", format!("{}:10912", host(0)));
                }
                ok(ext, String::new())
            }
            request::GET_BROKER_MEMBER_GROUP => {
                let members = (0..2).filter(|id| self.registered[*id]);
                let members: Vec<String> = members.map(|id| format!("{id}:\"{}\"", addr_of(id))).collect();
                let members = members.join(",");
                ok(
                    Ext::new(),
                    format!(
                        "{{\"brokerMemberGroup\":{{\"cluster\":\"C\",\"brokerName\":\"broker-a\",\
                         \"brokerAddrs\":{{{members}}}}}}}"
                    ),
                )
            }
            request::GET_ROUTEINFO_BY_TOPIC => {
                let there = self.has_topic;
                let queue = |name: &str, perm: i32| {
                    format!(
                        "{{\"brokerName\":\"{name}\",\"perm\":{perm},\"readQueueNums\":2,\
                         \"writeQueueNums\":2,\"topicSysFlag\":0}}"
                    )
                };
                let broker = |name: &str, addr: &str| {
                    format!(
                        "{{\"brokerName\":\"{name}\",\"cluster\":\"C\",\"brokerAddrs\":{{0:\"{addr}\"}}}}"
                    )
                };
                let mut queues = vec![queue("broker-a", 4)];
                queues.extend(there.then(|| queue("broker-b", 6)));
                let brokers = [broker("broker-a", &addr_of(1)), broker("broker-b", OTHER)].join(",");
                let queues = queues.join(",");
                ok(Ext::new(), format!("{{\"queueDatas\":[{queues}],\"brokerDatas\":[{brokers}]}}"))
            }
            _ => ok(Ext::new(), String::new()),
        }
    }

    fn other(&mut self, command: &Command) -> Result<Command, CallError> {
        assert_eq!(command.code, request::SEND_MESSAGE_V2);
        if !self.other_is_up {
            return Err(CallError::Refused(OTHER.to_owned()));
        }
        let text = |key: &str| command.ext_text(key).unwrap_or_default();
        self.given.push(Given {
            topic: text("b"),
            properties: text("i"),
            sys_flag: text("f").parse().unwrap(),
            queue: text("e").parse().unwrap(),
            reconsume_times: text("j").parse().unwrap(),
            body: String::from_utf8(command.body.to_vec()).unwrap(),
        });
        if self.lost_answers > 0 {
            self.lost_answers -= 1;
            self.unanswered.extend(self.given.last().map(|given| given.body.clone()));
            return Err(CallError::Timeout { addr: OTHER.to_owned(), timeout_ms: 3_000 });
        }
        Ok(Command::response(response::SUCCESS, 0))
    }

    fn stream(&mut self, from: usize, out: Result<StreamOut, ConnId>) {
        match out {
            Ok(StreamOut::Connect { token, addr }) => {
                let to = (0..2).find(|id| addr == format!("{}:10912", host(*id)));
                let Some(to) = to.filter(|to| self.rigs[*to].is_some()) else {
                    return self.streams.push_back((from, Word::Failed(token)));
                };
                let (near, far) = (ConnId(self.next + 1), ConnId(self.next + 2));
                self.next += 2;
                self.peers.insert((from, near), (to, far));
                self.peers.insert((to, far), (from, near));
                self.streams.push_back((to, Word::Opened(far, None)));
                self.streams.push_back((from, Word::Opened(near, Some(token))));
            }
            Ok(StreamOut::Send { conn, head, body }) => {
                if let Some((to, far)) = self.peers.get(&(from, conn)) {
                    self.streams.push_back((*to, Word::Bytes(*far, [head, body].concat().into())));
                }
            }
            Err(conn) => {
                if let Some(other) = self.peers.remove(&(from, conn)) {
                    self.peers.remove(&other);
                    self.streams.push_back((other.0, Word::Closed(other.1)));
                }
                self.streams.push_back((from, Word::Closed(conn)));
            }
        }
    }

    fn word(&mut self, to: usize, word: Word) {
        let Some(rig) = &mut self.rigs[to] else { return };
        let addr = format!("{}:5", host(1 - to)).parse().unwrap();
        match word {
            Word::Opened(conn, token) => {
                rig.handle(ServerIn::Stream(StreamIn::Opened { conn, addr, token }));
            }
            Word::Failed(token) => rig.handle(ServerIn::Stream(StreamIn::Failed { token })),
            Word::Bytes(conn, data) => {
                rig.handle(ServerIn::Stream(StreamIn::Bytes { conn, data: &data }));
                rig.handle(ServerIn::Stream(StreamIn::Drained(conn)));
            }
            Word::Closed(conn) => rig.handle(ServerIn::Closed(conn)),
        }
    }

    /// Bodies the other master was given, sorted.
    pub fn given(&self) -> Vec<&str> {
        let mut all: Vec<&str> = self.given.iter().map(|given| given.body.as_str()).collect();
        all.sort_unstable();
        all
    }

    /// Bodies of a topic's first queue in the master's log.
    pub fn stored(&mut self, topic: &str) -> Vec<String> {
        let mut all = self.master().bodies(topic);
        all.sort_unstable();
        all
    }
}

fn host(id: usize) -> String {
    format!("10.0.0.{}", id + 1)
}

fn command_of(reply: Reply) -> Command {
    let body = match reply.body {
        Body::Empty => bytes::Bytes::new(),
        Body::One(body) => body,
        Body::Many(parts) => parts.concat().into(),
    };
    let mut command = Command::request(reply.code, reply.ext.unwrap_or_default()).with_body(body);
    command.remark = reply.remark;
    command
}

/// Commits an offset as a consumer does.
pub(super) fn commit(rig: &mut Rig, offset: i64) {
    let offset = offset.to_string();
    let fields =
        [("consumerGroup", "CG"), ("topic", "T"), ("queueId", "0"), ("commitOffset", offset.as_str())];
    let reply = rig.call(request::UPDATE_CONSUMER_OFFSET, &fields, b"").unwrap();
    assert_eq!(reply.code, 0, "{:?}", reply.remark);
}

/// Where the first half message's record lies.
pub(super) fn first_record(rig: &Rig, topic: &str) -> (i64, i64) {
    let entry = rig.broker.store().queue_entry(topic, 0, 0).unwrap();
    let bytes = rig.broker.store().record_at(entry.offset).unwrap();
    let found = record::decode(&bytes).unwrap();
    (found.physical_offset, found.queue_offset)
}
