//! The node without any IO: connections that misbehave, and the end.

use super::super::*;
use crate::namesrv::{KvConfig, Namesrv};
use crate::store::memory::MemoryStore;
use crate::wire::{Command, Ext, code::request};

struct Bench {
    node: Node<MemoryStore>,
    now: Now,
}

impl Bench {
    fn new(config: NodeConfig) -> Self {
        let now = Now { mono: Mono(0).plus_ms(1_000), wall_ms: 1_700_000_000_000 };
        let mut node = Node::new(config, now);
        let (names, server, file) = Default::default();
        let role = Role::Namesrv(Box::new(Namesrv::new(names, server, file, KvConfig::default(), now)));
        let role = node.add_role(role);
        node.listen(Listener { bind: "127.0.0.1:9876".to_owned(), role, fast_port: false });
        Bench { node, now }
    }

    /// A connection that has sent one request and does not read the answer.
    fn unread_answer(&mut self) -> ConnId {
        let conn = self.node.accept(self.now, 0, ([127, 0, 0, 1], 4_000).into());
        let command = Command::request(request::GET_BROKER_CLUSTER_INFO, Ext::new());
        let mut data = command.encode(Encoding::Json).to_vec();
        self.node.handle(self.now, Input::Received { conn, data: &mut data });
        assert!(self.node.outbound(conn).is_some_and(|outbound| !outbound.is_empty()));
        conn
    }

    fn pass(&mut self, ms: u64) {
        self.now.mono = self.now.mono.plus_ms(ms);
        self.node.handle(self.now, Input::Tick);
    }

    fn has_stopped(&mut self) -> bool {
        std::iter::from_fn(|| self.node.poll()).any(|output| matches!(output, Output::Stopped))
    }
}

#[test]
fn the_end_waits_for_answers_but_not_for_ever() {
    let mut bench = Bench::new(NodeConfig::default());
    let conn = bench.unread_answer();
    bench.node.handle(bench.now, Input::Shutdown);
    assert!(!bench.has_stopped(), "the answer may still be taken");
    let end = bench.node.deadline();
    assert!(end.is_some_and(|end| end <= bench.now.mono.plus_ms(DRAIN_MS)), "{end:?}");
    let mut other = Bench::new(NodeConfig::default());
    bench.pass(DRAIN_MS);
    assert!(bench.has_stopped(), "{conn:?} never reads");

    let conn = other.unread_answer();
    other.node.handle(other.now, Input::Shutdown);
    let bytes = other.node.outbound(conn).map_or(0, Outbound::len);
    other.node.sent(other.now, conn, bytes);
    assert!(other.has_stopped(), "all is said");
}

#[test]
fn idle_connections_are_closed_unless_the_limit_is_zero() {
    for (idle_ms, left) in [(30_000, 0), (0, 1)] {
        let mut bench = Bench::new(NodeConfig { idle_ms, ..NodeConfig::default() });
        bench.unread_answer();
        bench.pass(15_000);
        assert_eq!(bench.node.connections(), 1);
        bench.pass(31_000);
        assert_eq!(bench.node.connections(), left, "limit {idle_ms} ms");
    }
}
