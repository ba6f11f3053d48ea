//! A NameServer, a Broker and a client talk in one thread with no IO at all: time is a number, connections are
//! entries of a map, bytes are carried by hand. `cargo run -p sansmq-core --example in_memory`
use sansmq_core::body::TopicRouteData;
use sansmq_core::broker::{Broker, settings::Settings};
use sansmq_core::message::record;
use sansmq_core::namesrv::Namesrv;
use sansmq_core::node::{Input, Listener, Node, NodeConfig, Output, Role};
use sansmq_core::store::{Store, memory::MemoryStore};
use sansmq_core::wire::{Command, ConnId, Encoding, Ext, code::request};
use sansmq_core::{config, json, time::Now};
use std::collections::HashMap;

const NAMESRV: &str = "127.0.0.1:9876";
const BROKER: &str = "127.0.0.1:10911";
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// One node with both roles, and the wires between them.
struct Room {
    node: Node<MemoryStore>,
    now: Now,
    wires: HashMap<ConnId, ConnId>,
    inbox: Vec<u8>,
}

impl Room {
    fn perform(&mut self, output: Output<<MemoryStore as Store>::Job>) {
        match output {
            Output::Dial { conn, addr } => {
                let far = self.connect(&addr);
                self.wires.extend([(conn, far), (far, conn)]);
                self.node.handle(self.now, Input::Dialled { conn, peer: ([127, 0, 0, 1], 1).into() });
            }
            Output::Transmit { conn } => {
                let mut slices = [std::io::IoSlice::new(&[]); 16];
                self.node.outbound(conn).map(|bytes| bytes.slices(&mut slices));
                self.inbox = slices.iter().flat_map(|slice| slice.to_vec()).collect();
                self.node.sent(self.now, conn, self.inbox.len());
                if let Some(&conn) = self.wires.get(&conn) {
                    self.node.handle(self.now, Input::Received { conn, data: &mut self.inbox });
                }
            }
            Output::Save { role, token, .. } => {
                self.node.handle(self.now, Input::Saved { role, token, result: Ok(()) })
            }
            _ => {}
        }
    }

    fn connect(&mut self, addr: &str) -> ConnId {
        self.node.accept(self.now, usize::from(addr == BROKER), ([127, 0, 0, 1], 2).into())
    }

    /// Lets time pass, and the node do what it wants to.
    fn pass(&mut self, ms: u64) {
        self.now.mono = self.now.mono.plus_ms(ms);
        self.node.handle(self.now, Input::Tick);
        while self.node.poll().map(|output| self.perform(output)).is_some() {}
    }

    /// The client: one request with fields given as `name=value name=value`, one answer.
    fn ask(&mut self, addr: &str, code: i32, fields: &'static str, body: &'static str) -> Outcome<Command> {
        let pairs = fields.split(' ').filter_map(|field| field.split_once('='));
        let ext = pairs.fold(Ext::new(), |ext, (name, value)| ext.with(name, value));
        let mut data = Command::request(code, ext).with_body(body).encode(Encoding::Json).to_vec();
        let conn = self.connect(addr);
        self.node.handle(self.now, Input::Received { conn, data: &mut data });
        self.pass(0);
        let answer = Command::decode(&self.inbox)?;
        if answer.code == 0 { Ok(answer) } else { Err(format!("{answer:?}").into()) }
    }
}

pub fn main() -> Outcome<()> {
    let (now, mut config) = (Now::default(), config::BrokerConfig::default());
    (config.broker_ip1, config.namesrv_addr) = ("127.0.0.1".into(), Some(NAMESRV.into()));
    let (store, listen, client, auth, meta, names, server, file, kv) = Default::default();
    let settings = Settings::new(config, store, listen, client, auth, 0)?;
    let broker = Broker::new(settings, MemoryStore::default(), meta, BROKER.parse()?, 1, now);
    let namesrv = Namesrv::new(names, server, file, kv, now);
    let mut node = Node::new(NodeConfig::default(), now);
    for role in [Role::Namesrv(namesrv.into()), Role::Broker(broker.into())] {
        let role = node.add_role(role);
        node.listen(Listener { bind: String::new(), role, fast_port: false });
    }
    let mut room = Room { node, now, wires: HashMap::new(), inbox: Vec::new() };
    let send =
        "producerGroup=P topic=Hello defaultTopic=TBW102 defaultTopicQueueNums=1 queueId=0 bornTimestamp=1";
    room.ask(BROKER, request::SEND_MESSAGE, send, "no socket was opened")?;
    room.pass(2_000); // The broker registers the new topic a moment later.
    let answer = room.ask(NAMESRV, request::GET_ROUTEINFO_BY_TOPIC, "topic=Hello", "")?;
    let route: TopicRouteData = json::from_slice(&answer.body)?;
    let (_, address) = route.broker_datas[0].first().ok_or("no master")?;
    let pull = "consumerGroup=C topic=Hello queueId=0 queueOffset=0 maxMsgNums=9 sysFlag=4 subscription=*";
    let answer = room.ask(address, request::PULL_MESSAGE, pull, "")?;
    let message = record::decode(&answer.body)?;
    println!("{address}, offset {}: {}", message.queue_offset, String::from_utf8_lossy(message.body));
    assert_eq!(message.body, b"no socket was opened");
    Ok(())
}
