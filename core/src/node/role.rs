//! The server machines a node can run, behind one face.

use crate::broker::Broker;
use crate::namesrv::Namesrv;
use crate::store::Store;
use crate::time::{Mono, Now};
use crate::wire::{ServerIn, ServerOut};

/// A server machine.
pub enum Role<S: Store> {
    Namesrv(Box<Namesrv>),
    Broker(Box<Broker<S>>),
}

impl<S: Store> Role<S> {
    pub(super) fn handle(&mut self, now: Now, input: ServerIn<'_>) {
        match self {
            Role::Namesrv(machine) => machine.handle(now, input),
            Role::Broker(machine) => machine.handle(now, input),
        }
    }

    pub(super) fn poll(&mut self) -> Option<ServerOut> {
        match self {
            Role::Namesrv(machine) => machine.poll(),
            Role::Broker(machine) => machine.poll(),
        }
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        match self {
            Role::Namesrv(machine) => machine.deadline(),
            Role::Broker(machine) => machine.deadline(),
        }
    }

    pub(super) fn poll_job(&mut self) -> Option<S::Job> {
        match self {
            Role::Namesrv(_) => None,
            Role::Broker(machine) => machine.poll_job(),
        }
    }

    pub(super) fn job_done(&mut self, now: Now, done: S::Done) {
        if let Role::Broker(machine) = self {
            machine.job_done(now, done);
        }
    }

    pub(super) fn shutdown(&mut self, now: Now) {
        if let Role::Broker(machine) = self {
            machine.shutdown(now);
        }
    }

    /// A NameServer keeps nothing that has to be written at the end.
    pub(super) fn is_stopped(&self) -> bool {
        match self {
            Role::Namesrv(_) => true,
            Role::Broker(machine) => machine.is_stopped(),
        }
    }
}
