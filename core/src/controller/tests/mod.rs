//! The controller through its front door, with raft played by a log that commits when it is told to.

mod failover;
mod golden;
mod member;
mod properties;

use super::*;
use crate::config::{ControllerConfig, NettyServerConfig, Properties};
use crate::raft::{NodeId, ProposeError, RaftState};
use crate::time::{Mono, Now};
use crate::wire::{
    CallError, Command, ConnId, Encoding, Ext, Peer, Reply, ServerIn, ServerOut, Target, frame,
};
use bytes::Bytes;

struct Bench {
    machine: Controller,
    state: ControllerState,
    now: Now,
    /// Proposals not committed yet.
    log: Vec<(u64, Bytes)>,
    /// Whether proposals are committed at once.
    prompt: bool,
    replies: Vec<(i32, Reply)>,
    told: Vec<(String, Command)>,
    probes: Vec<(u64, String)>,
    opaque: i32,
    term: u64,
}

impl Bench {
    /// A leader whose time of grace is over.
    fn new(change: impl FnOnce(&mut ControllerConfig)) -> Self {
        let mut config = ControllerConfig {
            controller_dleger_group: Some("group1".into()),
            controller_dleger_peers: Some("n0-127.0.0.1:21240".into()),
            controller_dleger_self_id: Some("n0".into()),
            ..ControllerConfig::default()
        };
        change(&mut config);
        let now = Now { mono: Mono(0).plus_ms(1_000), wall_ms: 1_700_000_000_000 };
        let machine =
            Controller::new(config, NettyServerConfig::default(), Properties::default(), now).unwrap();
        let mut bench = Bench {
            machine,
            state: ControllerState::default(),
            now,
            log: Vec::new(),
            prompt: true,
            replies: Vec::new(),
            told: Vec::new(),
            probes: Vec::new(),
            opaque: 0,
            term: 1,
        };
        bench.lead(true);
        bench.pass(3_000);
        bench
    }

    fn lead(&mut self, ready: bool) {
        let leader = if ready { NodeId(0) } else { NodeId(1) };
        self.give(ControllerIn::Leadership { leader: Some(leader), term: self.term, ready });
    }

    fn give(&mut self, input: ControllerIn<'_>) {
        self.machine.handle(self.now, &self.state, input);
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            while let Some(out) = self.machine.poll() {
                match out {
                    ControllerOut::Propose { token, command } => self.log.push((token, command)),
                    ControllerOut::Server(ServerOut::Reply { to, reply }) => {
                        self.replies.push((to.opaque, reply));
                    }
                    ControllerOut::Server(ServerOut::Oneway { to: Target::Addr(addr), command }) => {
                        self.told.push((addr, command));
                    }
                    ControllerOut::Server(ServerOut::Call { to: Target::Addr(addr), token, .. }) => {
                        self.probes.push((token, addr));
                    }
                    ControllerOut::Server(_) => {}
                }
            }
            if !self.prompt || self.log.is_empty() {
                return;
            }
            self.commit();
        }
    }

    /// Commits the oldest proposal.
    fn commit(&mut self) {
        if self.log.is_empty() {
            return;
        }
        let (token, command) = self.log.remove(0);
        let result = Ok(self.state.apply(0, &command));
        self.machine.handle(self.now, &self.state, ControllerIn::Proposed { token, result });
    }

    /// The oldest proposal has no result.
    fn fail(&mut self) {
        if !self.log.is_empty() {
            let (token, _) = self.log.remove(0);
            let result = Err(ProposeError::Unknown);
            self.machine.handle(self.now, &self.state, ControllerIn::Proposed { token, result });
        }
    }

    fn send(&mut self, conn: u64, mut command: Command) -> i32 {
        self.opaque += 1;
        command.opaque = self.opaque;
        let mut bytes = command.encode(Encoding::Json).to_vec();
        let mut head = frame::Head::default();
        let frame = frame::decode(&mut bytes, &mut head).unwrap();
        let peer = Peer { conn: ConnId(conn), addr: ([127, 0, 0, 1], 4_000).into(), fast_port: false };
        self.give(ControllerIn::Server(ServerIn::Request { peer, frame }));
        self.opaque
    }

    fn answer(&mut self, opaque: i32) -> Option<Reply> {
        let at = self.replies.iter().position(|(of, _)| *of == opaque)?;
        Some(self.replies.remove(at).1)
    }

    fn ask(&mut self, code: i32, ext: &[(&'static str, &str)], body: &str) -> Reply {
        let fields = ext.iter().fold(Ext::new(), |all, (k, v)| all.with(*k, (*v).to_owned()));
        let opaque = self.send(99, Command::request(code, fields).with_body(body.as_bytes().to_vec()));
        self.answer(opaque).expect("an answer")
    }

    /// A heartbeat of replica `id` of "bb" with a time-out of 3 s; two-way unless `oneway`.
    fn beat(&mut self, id: i64, max_offset: i64, oneway: bool) -> Option<Reply> {
        let ext = Ext::new()
            .with("clusterName", "C1")
            .with("brokerName", "bb")
            .with("brokerId", id)
            .with("heartbeatTimeoutMills", 3_000)
            .with("epoch", 1)
            .with("maxOffset", max_offset);
        let command = Command::request(904, ext);
        let opaque = self.send(id as u64, if oneway { command.oneway() } else { command });
        self.answer(opaque)
    }

    fn apply(&mut self, id: i64) -> Reply {
        let (id, code) = (id.to_string(), format!("h{id}:1;7"));
        let fields = [
            ("clusterName", "C1"),
            ("brokerName", "bb"),
            ("appliedBrokerId", &*id),
            ("registerCheckCode", &*code),
        ];
        self.ask(1013, &fields, "")
    }

    fn elect(&mut self, id: i64, designate: bool) -> Reply {
        let id = id.to_string();
        let flag = if designate { "true" } else { "false" };
        self.ask(1002, &[("brokerName", "bb"), ("brokerId", &id), ("designateElect", flag)], "")
    }

    fn alter(&mut self, master: i64, set: &str) -> Reply {
        let sync = self.state.get("bb").unwrap().sync.clone();
        let (master, epoch) = (master.to_string(), sync.master_epoch.to_string());
        let body = format!("{{\"syncStateSet\":{set},\"syncStateSetEpoch\":{}}}", sync.set_epoch);
        self.ask(1001, &[("brokerName", "bb"), ("masterBrokerId", &master), ("masterEpoch", &epoch)], &body)
    }

    /// Replicas 1 to 3 of "bb" are alive and in sync; 1 is master.
    fn trio(&mut self) {
        for id in 1..=3 {
            assert_eq!(self.apply(id).code, 0);
            self.beat(id, 100, true);
        }
        assert_eq!(self.elect(1, false).code, 0);
        assert_eq!(self.alter(1, "[1,2,3]").code, 0);
        self.told.clear();
    }

    fn close(&mut self, id: i64) {
        self.give(ControllerIn::Server(ServerIn::Closed(ConnId(id as u64))));
    }

    fn probe_ends(&mut self, result: fn(String) -> CallError) {
        for (token, addr) in std::mem::take(&mut self.probes) {
            self.give(ControllerIn::Server(ServerIn::Answer { token, result: Err(result(addr)) }));
        }
    }

    fn master(&self) -> (Option<i64>, i32) {
        self.state.get("bb").map_or((None, 0), |set| (set.sync.master, set.sync.master_epoch))
    }

    /// Lets time pass, ticking when the machine wants it.
    fn pass(&mut self, ms: u64) {
        let end = self.now.mono.plus_ms(ms);
        while let Some(at) = self.machine.deadline().filter(|at| *at <= end) {
            self.now.mono = at.max(Mono(self.now.mono.0 + 1));
            self.give(ControllerIn::Server(ServerIn::Tick));
        }
        self.now.mono = end;
    }

    /// Time passes while these replicas send heartbeats.
    fn pass_alive(&mut self, ms: u64, ids: &[i64]) {
        for _ in 0..ms / 500 {
            ids.iter().for_each(|id| drop(self.beat(*id, 100, true)));
            self.pass(500);
        }
    }
}

fn field(reply: &Reply, key: &str) -> Option<String> {
    reply.ext.as_ref().and_then(|ext| ext.get(key)).map(ToString::to_string)
}
