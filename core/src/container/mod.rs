//! A broker container: one process, one transport, many brokers (`spec/container.md`).
//!
//! The container is a role of its own on its own ports. It takes brokers in and lets them go, one at a time
//! ([`steps`]), after checks that need nothing but what it knows ([`file`], [`members`]); what it cannot do
//! itself leaves as [`Work`] for the node, and comes back through [`Container::file_read`],
//! [`Container::started`] and [`Container::stopped`]. Brokers share the node's transport and its connections to
//! other servers, and nothing else: each is a role with its own ports, store and threads, and what happens to
//! one of them does not concern the others (`spec/known-failures.md` KF-42). With `brokerOwnsLoop` they do not even
//! share that: each has a node on a thread of its own ([`Place`]).

mod config_requests;
mod file;
mod members;
mod steps;
#[cfg(test)]
mod tests;

pub use config_requests::ContainerSettings;
pub use file::BrokerFile;
pub use members::{Identity, Kind};

use std::collections::{BTreeMap, VecDeque};

use crate::config::Surroundings;
use crate::time::{Mono, Now};
use crate::wire::code::{request as code, response};
use crate::wire::{Frame, Peer, Reply, ReplyTo, ServerIn, ServerOut};
use members::Members;
use steps::{Ask, Step};

/// Requests that wait for their turn; the reference's pool has a queue of its own length.
const MOST_WAITING: usize = 10_000;

/// What a container asks of its node.
#[derive(Debug)]
pub enum Work {
    /// Read a text file; answered by [`Container::file_read`].
    Read { path: String },
    /// Open the store, bind the ports, start the broker; answered by [`Container::started`].
    Start { file: Box<BrokerFile>, canonical: String, owns_loop: bool },
    /// Stop the broker in order and let go of all it has; answered by [`Container::stopped`].
    Stop { place: Place },
    /// A line for the console.
    Say(String),
    /// A line for the console's error stream.
    Complain(String),
    /// End the process in order, with this exit status.
    End { status: i32, why: String },
}

/// Where a broker runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A role of the container's own node.
    Role(usize),
    /// The node on the loop with this number.
    Loop(usize),
}

/// Why a broker does not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// Its files cannot be used, or its configuration asks for what is not served.
    #[error("{0}")]
    Open(String),
    /// A port cannot be bound.
    #[error("{0}")]
    Listen(String),
}

/// The machine.
#[derive(Debug)]
pub struct Container {
    settings: ContainerSettings,
    host: Surroundings,
    members: Members,
    asks: VecDeque<Ask>,
    step: Option<Step>,
    /// Brokers named at start that have come up, and those that have not.
    booted: (usize, usize),
    begun: bool,
    stopping: bool,
    out: VecDeque<ServerOut>,
    work: VecDeque<Work>,
    next_token: u64,
    /// Changes of the container's own settings that wait for their file.
    saving: BTreeMap<u64, ReplyTo>,
}

impl Container {
    /// An empty container. `paths` are configuration files of brokers to begin with, in order; `host` gives
    /// the defaults of their settings.
    #[must_use]
    pub fn new(settings: ContainerSettings, host: Surroundings, paths: Vec<String>) -> Self {
        let mut asks: VecDeque<Ask> = paths.into_iter().map(|path| Ask::Add { path, to: None }).collect();
        if !asks.is_empty() {
            asks.push_back(Ask::Booted);
        }
        let members = Members::new(settings.server.listen_port);
        Container {
            settings,
            host,
            members,
            asks,
            step: None,
            booted: (0, 0),
            begun: false,
            stopping: false,
            out: VecDeque::new(),
            work: VecDeque::new(),
            next_token: 0,
            saving: BTreeMap::new(),
        }
    }

    /// Takes one input; drain [`Container::poll`] and [`Container::poll_work`] afterwards.
    pub fn handle(&mut self, now: Now, input: ServerIn<'_>) {
        match input {
            ServerIn::Tick => {
                self.begun = true;
                self.advance();
            }
            ServerIn::Request { peer, frame } => self.request(now, peer, &frame),
            ServerIn::Saved { token, result } => self.saved(token, result),
            ServerIn::Answer { .. } | ServerIn::Closed(_) | ServerIn::Lost(_) | ServerIn::Stream(_) => {}
        }
    }

    /// The next effect of the kind every server has.
    pub fn poll(&mut self) -> Option<ServerOut> {
        self.out.pop_front()
    }

    /// The next effect of a container's own.
    pub fn poll_work(&mut self) -> Option<Work> {
        self.work.pop_front()
    }

    /// At once, to begin with the brokers named at start; nothing is due later.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        (!self.begun && !self.asks.is_empty()).then_some(Mono(0))
    }

    /// No broker comes or goes from now on.
    pub fn shutdown(&mut self) {
        self.stopping = true;
        for ask in core::mem::take(&mut self.asks) {
            if let Some(to) = ask.reply_to() {
                self.reply(to, Reply::error(response::SYSTEM_ERROR, "the container is shutting down"));
            }
        }
    }

    /// Whether nothing is under way.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopping && self.step.is_none() && self.saving.is_empty()
    }

    /// The brokers it holds.
    pub fn brokers(&self) -> impl Iterator<Item = (&Identity, Kind)> {
        self.members.iter().map(|member| (&member.identity, member.kind))
    }

    fn request(&mut self, now: Now, peer: Peer, frame: &Frame<'_>) {
        let to = ReplyTo::new(peer.conn, frame);
        let reply = match frame.code() {
            code::ADD_BROKER | code::REMOVE_BROKER if self.asks.len() >= MOST_WAITING => {
                Some(Reply::error(response::SYSTEM_BUSY, "too many brokers wait to be added or removed"))
            }
            code::ADD_BROKER => self.ask_to_add(frame, to),
            code::REMOVE_BROKER => self.ask_to_remove(frame, to),
            code::GET_BROKER_CONFIG => Some(self.settings.shown()),
            code::UPDATE_BROKER_CONFIG => self.update_config(now, to, frame),
            other => Some(Reply::not_supported(other)),
        };
        if let Some(reply) = reply {
            self.reply(to, reply);
        }
        self.advance();
    }

    fn reply(&mut self, to: ReplyTo, reply: Reply) {
        if !to.oneway {
            self.out.push_back(ServerOut::Reply { to, reply });
        }
    }
}
