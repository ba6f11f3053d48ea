//! The server machines a node can run, behind one face.

use crate::broker::Broker;
use crate::container::{Container, Work};
use crate::controller::Member;
use crate::namesrv::Namesrv;
use crate::raft::RaftWrite;
use crate::store::Store;
use crate::time::{Mono, Now};
use crate::wire::{ServerIn, ServerOut};

/// A server machine.
pub enum Role<S: Store> {
    Namesrv(Box<Namesrv>),
    Broker(Box<Broker<S>>),
    Container(Box<Container>),
    /// The place of a broker that is gone.
    Vacant,
    Controller(Box<Member>),
}

impl<S: Store> Role<S> {
    pub(super) fn handle(&mut self, now: Now, input: ServerIn<'_>) {
        match self {
            Role::Namesrv(machine) => machine.handle(now, input),
            Role::Broker(machine) => machine.handle(now, input),
            Role::Container(machine) => machine.handle(now, input),
            Role::Vacant => {}
            Role::Controller(machine) => machine.handle(now, input),
        }
    }

    pub(super) fn poll(&mut self) -> Option<ServerOut> {
        match self {
            Role::Namesrv(machine) => machine.poll(),
            Role::Broker(machine) => machine.poll(),
            Role::Container(machine) => machine.poll(),
            Role::Vacant => None,
            Role::Controller(machine) => machine.poll(),
        }
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        match self {
            Role::Namesrv(machine) => machine.deadline(),
            Role::Broker(machine) => machine.deadline(),
            Role::Container(machine) => machine.deadline(),
            Role::Vacant => None,
            Role::Controller(machine) => machine.deadline(),
        }
    }

    pub(super) fn poll_job(&mut self) -> Option<S::Job> {
        match self {
            Role::Broker(machine) => machine.poll_job(),
            Role::Namesrv(_) | Role::Controller(_) | Role::Container(_) | Role::Vacant => None,
        }
    }

    pub(super) fn poll_work(&mut self) -> Option<Work> {
        match self {
            Role::Container(machine) => machine.poll_work(),
            _ => None,
        }
    }

    pub(super) fn poll_raft_write(&mut self) -> Option<(u64, RaftWrite)> {
        match self {
            Role::Controller(machine) => machine.poll_write(),
            _ => None,
        }
    }

    pub(super) fn raft_written(&mut self, now: Now, seq: u64, result: Result<(), String>) {
        if let Role::Controller(machine) = self {
            machine.written(now, seq, result);
        }
    }

    pub(super) fn job_done(&mut self, now: Now, done: S::Done) {
        if let Role::Broker(machine) = self {
            machine.job_done(now, done);
        }
    }

    pub(super) fn shutdown(&mut self, now: Now) {
        match self {
            Role::Broker(machine) => machine.shutdown(now),
            Role::Container(machine) => machine.shutdown(),
            Role::Namesrv(_) | Role::Vacant => {}
            Role::Controller(machine) => machine.shutdown(now),
        }
    }

    /// A NameServer keeps nothing that has to be written at the end.
    pub(super) fn is_stopped(&self) -> bool {
        match self {
            Role::Namesrv(_) | Role::Vacant => true,
            Role::Broker(machine) => machine.is_stopped(),
            Role::Container(machine) => machine.is_stopped(),
            Role::Controller(machine) => machine.is_stopped(),
        }
    }
}
