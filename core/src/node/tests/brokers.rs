//! Brokers that come and go in a running node.

mod loops;

use super::*;
use crate::config::ContainerExtensions;
use crate::container::{Container, ContainerSettings, StartError};
use crate::store::memory::Warming;

const CONF: &str = "brokerName=a\nlistenPort=20000\nbrokerIP1=127.0.0.1\nstorePathRootDir=/s/a\n";

struct Yard {
    node: Node<MemoryStore>,
    now: Now,
    outputs: Vec<Output<Warming>>,
    /// A connection to the container.
    admin: ConnId,
    opaque: i32,
}

impl Yard {
    fn new() -> Self {
        Self::with_loops(false)
    }

    fn with_loops(owns_loop: bool) -> Self {
        let now = Now { mono: Mono(0).plus_ms(1_000), wall_ms: 1_700_000_000_000 };
        let mut node = Node::new(NodeConfig::default(), now);
        let settings = ContainerSettings {
            container: Default::default(),
            extensions: ContainerExtensions { broker_owns_loop: owns_loop },
            server: NettyServerConfig { listen_port: 10_811, ..Default::default() },
            client: NettyClientConfig::default(),
            file: Properties::default(),
            path: None,
            serialize_type: "JSON".into(),
            version: Default::default(),
        };
        let container = Container::new(settings, Default::default(), Vec::new());
        let role = node.add_role(Role::Container(Box::new(container)));
        node.listen(Listener { bind: "127.0.0.1:10811".into(), role, fast_port: false });
        let admin = node.accept(now, 0, ([127, 0, 0, 1], 4_000).into());
        let mut yard = Yard { node, now, outputs: Vec::new(), admin, opaque: 0 };
        yard.drain();
        yard
    }

    fn drain(&mut self) {
        while let Some(output) = self.node.poll() {
            match output {
                Output::Save { role, token, .. } => {
                    self.node.handle(self.now, Input::Saved { role, token, result: Ok(()) });
                }
                Output::Transmit { .. } => {}
                other => self.outputs.push(other),
            }
        }
    }

    fn handle(&mut self, input: Input<'_, Warming>) {
        self.node.handle(self.now, input);
        self.drain();
    }

    fn send(&mut self, conn: ConnId, code: i32, ext: Ext) {
        self.opaque += 1;
        let mut bytes = ask(code, self.opaque, ext);
        self.handle(Input::Received { conn, data: &mut bytes });
    }

    /// Answers a connection has got; they count as taken.
    fn answers(&mut self, conn: ConnId) -> Vec<Command> {
        let mut bytes = Vec::new();
        while let Some(outbound) = self.node.outbound(conn).filter(|outbound| !outbound.is_empty()) {
            let mut slices = [IoSlice::new(&[]); 8];
            let count = outbound.slices(&mut slices);
            let before = bytes.len();
            slices[..count].iter().for_each(|slice| bytes.extend_from_slice(slice));
            self.node.sent(self.now, conn, bytes.len() - before);
        }
        self.drain();
        let mut rest = bytes.as_slice();
        std::iter::from_fn(|| {
            let whole = u32::from_be_bytes(*rest.first_chunk::<4>()?) as usize + 4;
            let (frame, after) = rest.split_at(whole);
            rest = after;
            Command::decode(frame).ok()
        })
        .collect()
    }

    fn add(&mut self, text: &str) {
        self.outputs.clear();
        self.send(self.admin, request::ADD_BROKER, Ext::new().with("configPath", "a.conf"));
        assert!(matches!(self.outputs[..], [Output::ReadFile { role: 0, .. }]), "{:?}", self.outputs);
        self.outputs.clear();
        self.handle(Input::FileRead { role: 0, result: Ok(text.to_owned()) });
    }

    /// Opens the store the node asked for; returns the listeners to be bound.
    fn open(&mut self) -> Vec<usize> {
        let Some(Output::OpenBroker { role, file, canonical }) = self.outputs.pop() else {
            panic!("{:?}", self.outputs);
        };
        let settings =
            Settings::new(file.broker, file.store, file.server, file.client, file.auth, 1 << 34).unwrap();
        let opened = Opened {
            settings,
            store: MemoryStore::default(),
            meta: BrokerMeta::default(),
            store_host: ([127, 0, 0, 1], 20_000).into(),
            seed: 1,
            canonical,
            identity: (None, None),
        };
        self.node.broker_opened(self.now, role, Ok(Box::new(opened)));
        self.drain();
        let listens = self.outputs.drain(..).map(|output| match output {
            Output::Listen { listener, .. } => listener,
            other => panic!("before it listens it does nothing: {other:?}"),
        });
        listens.collect()
    }

    fn bind(&mut self, listeners: &[usize]) {
        for listener in listeners {
            self.handle(Input::Listening { listener: *listener, result: Ok(()) });
        }
    }

    /// A broker that runs; its listeners.
    fn running(&mut self) -> Vec<usize> {
        self.add(CONF);
        let listeners = self.open();
        self.bind(&listeners);
        assert_eq!(self.answers(self.admin).last().map(|answer| answer.code), Some(0));
        listeners
    }

    fn remove(&mut self) {
        self.outputs.clear();
        let ext = Ext::new()
            .with("brokerClusterName", "DefaultCluster")
            .with("brokerName", "a")
            .with("brokerId", 0);
        self.send(self.admin, request::REMOVE_BROKER, ext);
    }

    fn close_store(&mut self) -> usize {
        let at = self.outputs.iter().position(|output| matches!(output, Output::CloseStore { .. }));
        let Output::CloseStore { role } = self.outputs.remove(at.expect("a store to close")) else {
            unreachable!("just found")
        };
        assert!(self.node.take_store(role).is_some());
        self.handle(Input::StoreClosed { role });
        role
    }
}

#[test]
fn a_broker_serves_once_its_ports_are_bound_and_leaves_with_its_connections() {
    let mut yard = Yard::new();
    let listeners = yard.running();
    let client = yard.node.accept(yard.now, listeners[0], ([127, 0, 0, 1], 5_000).into());
    yard.send(client, request::GET_BROKER_CONFIG, Ext::new());
    let answer = yard.answers(client).pop().expect("an answer");
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(text.contains("isInBrokerContainer=true\n") && text.contains("haListenPort=20001\n"), "{text}");
    yard.remove();
    yard.send(client, request::GET_BROKER_CONFIG, Ext::new());
    yard.answers(client);
    let unlistened = yard.outputs.iter().filter(|output| matches!(output, Output::Unlisten { .. })).count();
    assert_eq!(unlistened, 3, "{:?}", yard.outputs);
    assert!(yard.outputs.iter().any(|output| matches!(output, Output::Close { conn } if *conn == client)));
    assert!(yard.answers(yard.admin).is_empty(), "its store is not closed yet");
    yard.close_store();
    assert_eq!(yard.answers(yard.admin).pop().map(|answer| answer.code), Some(0));
    assert_eq!(yard.node.connections(), 1);
}

#[test]
fn a_port_that_is_taken_undoes_everything() {
    let mut yard = Yard::new();
    yard.add(CONF);
    let listeners = yard.open();
    yard.handle(Input::Listening { listener: listeners[0], result: Ok(()) });
    yard.handle(Input::Listening { listener: listeners[1], result: Err("Address in use".into()) });
    yard.handle(Input::Listening { listener: listeners[2], result: Ok(()) });
    assert!(
        yard.outputs.iter().any(|o| matches!(o, Output::Unlisten { listener } if *listener == listeners[0]))
    );
    yard.close_store();
    let answer = yard.answers(yard.admin).pop().expect("an answer");
    let remark = answer.remark.unwrap_or_default();
    assert!(remark.starts_with("start broker failed, cannot listen on 0.0.0.0:19998: Address"), "{remark}");
    yard.running();
}

#[test]
fn places_are_used_again_when_nothing_refers_to_them() {
    let mut yard = Yard::new();
    yard.running();
    let (roles, listeners) = (yard.node.roles.len(), yard.node.listeners.len());
    for _ in 0..50 {
        yard.remove();
        let role = yard.close_store();
        // An answer that comes late finds nobody, and harms nobody.
        yard.handle(Input::Saved { role, token: 1, result: Ok(()) });
        assert_eq!(yard.answers(yard.admin).pop().map(|answer| answer.code), Some(0));
        yard.running();
    }
    assert_eq!((yard.node.roles.len(), yard.node.listeners.len()), (roles, listeners));
    assert_eq!(yard.node.changing, 0);
    // Work that has not come back keeps the place.
    yard.remove();
    let role = yard.close_store();
    yard.node.slots[role].under_way = 1;
    yard.running();
    assert_eq!(yard.node.roles.len(), roles + 1);
}

#[test]
fn a_client_that_does_not_read_does_not_hold_up_a_removal() {
    let mut yard = Yard::new();
    let listeners = yard.running();
    let client = yard.node.accept(yard.now, listeners[0], ([127, 0, 0, 1], 5_000).into());
    yard.send(client, request::GET_BROKER_CONFIG, Ext::new());
    yard.remove();
    assert!(!yard.outputs.iter().any(|output| matches!(output, Output::CloseStore { .. })));
    yard.send(client, request::GET_BROKER_CONFIG, Ext::new());
    let end = yard.node.deadline().expect("a deadline");
    assert!(end <= yard.now.mono.plus_ms(DRAIN_MS));
    yard.now.mono = yard.now.mono.plus_ms(DRAIN_MS);
    yard.handle(Input::Tick);
    yard.close_store();
}

#[test]
fn a_node_stops_when_the_broker_that_was_coming_is_gone() {
    let mut yard = Yard::new();
    yard.add(CONF);
    yard.handle(Input::Shutdown);
    yard.now.mono = yard.now.mono.plus_ms(10_000);
    yard.handle(Input::Tick);
    assert!(!yard.outputs.iter().any(|output| matches!(output, Output::Stopped)), "a store is being opened");
    let at = yard.outputs.iter().position(|output| matches!(output, Output::OpenBroker { .. }));
    let open = yard.outputs.remove(at.expect("asked for"));
    yard.outputs = vec![open];
    let listeners = yard.open();
    yard.bind(&listeners);
    yard.close_store();
    yard.answers(yard.admin);
    yard.now.mono = yard.now.mono.plus_ms(DRAIN_MS);
    yard.handle(Input::Tick);
    assert!(yard.outputs.iter().any(|output| matches!(output, Output::Stopped)), "{:?}", yard.outputs);
}
