//! Controllers with their raft members, connected by hand.

use super::*;
use crate::controller::Member;
use crate::raft::RaftImage;
use crate::wire::{Limits, code};

const ADDRS: [&str; 3] = ["127.0.0.1:21240", "127.0.0.1:21241", "127.0.0.1:21242"];

/// Some members, what they sent, and who is cut off.
struct Net {
    members: Vec<Member>,
    now: Now,
    cut: Option<usize>,
    replies: Vec<(usize, i32, Reply)>,
    hung_up: usize,
    opaque: i32,
}

impl Net {
    fn new(count: usize) -> Self {
        let now = Now { mono: Mono(0).plus_ms(1_000), wall_ms: 1_700_000_000_000 };
        let peers: Vec<String> = (0..count).map(|n| format!("n{n}-{}", ADDRS[n])).collect();
        let member = |n: usize| {
            let config = ControllerConfig {
                controller_dleger_group: Some("group1".into()),
                controller_dleger_peers: Some(peers.join(";")),
                controller_dleger_self_id: Some(format!("n{n}")),
                ..ControllerConfig::default()
            };
            let controller =
                Controller::new(config, NettyServerConfig::default(), Properties::default(), now).unwrap();
            let seed = 7 + u64::try_from(n).unwrap();
            Member::start(controller, RaftImage::default(), Limits::default(), seed, now).unwrap()
        };
        let members = (0..count).map(member).collect();
        Net { members, now, cut: None, replies: Vec::new(), hung_up: 0, opaque: 0 }
    }

    fn ask(&mut self, to: usize, command: &Command) -> i32 {
        self.opaque += 1;
        let command = Command { opaque: self.opaque, ..command.clone() };
        self.give(to, &command);
        self.opaque
    }

    fn give(&mut self, to: usize, command: &Command) {
        let mut bytes = command.encode(Encoding::Json).to_vec();
        let mut head = frame::Head::default();
        let frame = frame::decode(&mut bytes, &mut head).unwrap();
        let peer = Peer { conn: ConnId(1), addr: ([127, 0, 0, 1], 4_000).into(), fast_port: false };
        self.members[to].handle(self.now, ServerIn::Request { peer, frame });
    }

    /// Does what the members ask for until nothing is left to do.
    fn drain(&mut self) {
        let mut idle = false;
        while !idle {
            idle = true;
            for n in 0..self.members.len() {
                let mut last = None;
                while let Some((seq, _)) = self.members[n].poll_write() {
                    last = Some(seq);
                }
                if let Some(seq) = last {
                    idle = false;
                    self.members[n].written(self.now, seq, Ok(()));
                }
                while let Some(out) = self.members[n].poll() {
                    idle = false;
                    self.carry(n, out);
                }
            }
        }
    }

    fn carry(&mut self, from: usize, out: ServerOut) {
        match out {
            ServerOut::Reply { to, reply } => self.replies.push((from, to.opaque, reply)),
            ServerOut::HangUp(_) => self.hung_up += 1,
            ServerOut::Oneway { to: Target::Addr(addr), command } => {
                let to = ADDRS.iter().position(|known| *known == addr).unwrap();
                if self.cut != Some(from) && self.cut != Some(to) {
                    self.give(to, &command);
                }
            }
            _ => {}
        }
    }

    fn pass(&mut self, ms: u64) {
        let end = self.now.mono.plus_ms(ms);
        self.drain();
        while self.now.mono < end {
            self.now.mono = self.now.mono.plus_ms(10);
            self.now.wall_ms += 10;
            for member in &mut self.members {
                if member.deadline().is_some_and(|at| at <= self.now.mono) {
                    member.handle(self.now, ServerIn::Tick);
                }
            }
            self.drain();
        }
    }

    fn leader(&mut self) -> usize {
        for _ in 0..100 {
            let leads = |n: &usize| self.cut != Some(*n) && self.members[*n].is_leader();
            if let Some(leader) = (0..self.members.len()).find(leads) {
                return leader;
            }
            self.pass(100);
        }
        panic!("nobody leads");
    }

    fn reply(&self, opaque: i32) -> Option<&Reply> {
        self.replies.iter().find(|(_, number, _)| *number == opaque).map(|(.., reply)| reply)
    }

    fn code(&self, opaque: i32) -> Option<i32> {
        self.reply(opaque).map(|reply| reply.code)
    }
}

fn apply_id(id: i64) -> Command {
    let ext = Ext::new()
        .with("clusterName", "C1")
        .with("brokerName", "b")
        .with("appliedBrokerId", id)
        .with("registerCheckCode", format!("127.0.0.1:{};1", 30_000 + id));
    Command::request(code::request::CONTROLLER_APPLY_BROKER_ID, ext)
}

#[test]
fn one_member_decides_alone() {
    let mut net = Net::new(1);
    let leader = net.leader();
    let applied = net.ask(leader, &apply_id(1));
    net.drain();
    assert_eq!(net.code(applied), Some(0));
}

#[test]
fn a_decision_survives_its_leader_and_a_cut_off_one_decides_nothing() {
    let mut net = Net::new(3);
    let first = net.leader();
    net.pass(3_000);
    let applied = net.ask(first, &apply_id(1));
    net.pass(500);
    assert_eq!(net.code(applied), Some(0));
    let other = net.ask((first + 1) % 3, &apply_id(2));
    net.drain();
    assert_eq!(net.code(other), Some(code::response::CONTROLLER_NOT_LEADER));

    net.cut = Some(first);
    let lost = net.ask(first, &apply_id(2));
    let second = net.leader();
    assert_ne!(first, second);
    let applied = net.ask(second, &apply_id(2));
    net.pass(4_000);
    assert_eq!(net.code(applied), Some(0), "two of three decide");
    assert!(net.code(lost).is_some_and(|code| code != 0), "one of three answers, and does not decide");
    assert!(!net.members[first].is_leader());
    assert!(net.hung_up > 0, "connections that answer nothing are given up");

    net.cut = None;
    net.pass(3_000);
    let leader = net.leader();
    let again = net.ask(leader, &apply_id(2));
    net.pass(500);
    assert_eq!(net.code(again), Some(0), "the same application again is no mistake");
}

#[test]
fn messages_that_do_not_fit_are_refused() {
    let mut net = Net::new(3);
    net.pass(1_000);
    for (group, from, to) in
        [("group1", "n7", "n0"), ("group1", "n0", "n0"), ("g", "n1", "n0"), ("group1", "n1", "n2")]
    {
        let ext = Ext::new().with("group", group).with("from", from).with("to", to);
        let refused = net.ask(0, &Command::request(code::request::CONTROLLER_RAFT_MESSAGE, ext));
        net.drain();
        assert_eq!(net.code(refused), Some(code::response::NO_PERMISSION), "{group} {from} {to}");
    }
}

#[test]
fn a_failed_write_ends_leadership_and_a_stop_waits_for_writes() {
    let mut net = Net::new(1);
    let leader = net.leader();
    net.ask(leader, &apply_id(1));
    let (seq, _) = net.members[0].poll_write().expect("it is to be written");
    net.members[0].shutdown(net.now);
    assert!(!net.members[0].is_stopped());
    net.members[0].written(net.now, seq, Err("no space".into()));
    assert!(net.members[0].is_stopped());
    let refused = net.ask(0, &apply_id(1));
    net.drain();
    assert_eq!(net.code(refused), Some(code::response::CONTROLLER_NOT_LEADER));
}
