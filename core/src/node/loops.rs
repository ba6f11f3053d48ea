//! Brokers of a container that own a loop: each is in a node of its own, on a thread of its own, whose listeners have
//! been its own from the start, so that no connection ever changes threads and nothing is shared that needs a lock.
//!
//! The container's node knows a number for each and exchanges a handful of messages with it in its life: start
//! ([`Output::StartLoop`]), up or not ([`Input::LoopStarted`]), stop ([`Output::StopLoop`], which that node takes as
//! [`Input::Shutdown`]), gone ([`Input::LoopEnded`]).

use std::collections::BTreeMap;

use super::{Node, Output, Role};
use crate::container::{BrokerFile, Container, Place, StartError};
use crate::store::Store;
use crate::time::Now;

/// Where a loop stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting,
    Running,
    /// Its container wants the broker to leave.
    Leaving,
    /// The whole process stops.
    Stopping,
    /// It came up when the process was stopping already.
    TooLate,
}

#[derive(Debug)]
struct Loop {
    container: usize,
    phase: Phase,
}

/// All loops that have been asked for and are not gone.
#[derive(Debug, Default)]
pub(super) struct Loops {
    all: BTreeMap<usize, Loop>,
    next: usize,
}

impl Loops {
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

impl<S: Store> Node<S> {
    pub(super) fn start_loop(&mut self, container: usize, file: Box<BrokerFile>, canonical: String) {
        let id = self.loops.next;
        self.loops.next += 1;
        self.loops.all.insert(id, Loop { container, phase: Phase::Starting });
        self.outputs.push_back(Output::StartLoop { id, file, canonical, config: self.config });
    }

    /// Has the broker on a loop leave, on behalf of its container.
    pub(super) fn leave_loop(&mut self, id: usize) {
        if let Some(one) = self.loops.all.get_mut(&id).filter(|one| one.phase == Phase::Running) {
            one.phase = Phase::Leaving;
            self.outputs.push_back(Output::StopLoop { id });
        }
    }

    /// The process stops: those that run are told; those that are starting, when they have started.
    pub(super) fn stop_loops(&mut self) {
        for (id, one) in &mut self.loops.all {
            if one.phase == Phase::Running {
                one.phase = Phase::Stopping;
                self.outputs.push_back(Output::StopLoop { id: *id });
            }
        }
    }

    pub(super) fn loop_started(&mut self, now: Now, id: usize, result: Result<(), StartError>) {
        let Some(one) = self.loops.all.get_mut(&id).filter(|one| one.phase == Phase::Starting) else {
            return;
        };
        let container = one.container;
        let result = match result {
            Ok(()) if self.stopping => {
                one.phase = Phase::TooLate;
                return self.outputs.push_back(Output::StopLoop { id });
            }
            Ok(()) => {
                one.phase = Phase::Running;
                Ok(Place::Loop(id))
            }
            Err(error) => {
                self.loops.all.remove(&id);
                Err(error)
            }
        };
        self.with_container(now, container, |machine| machine.started(result));
    }

    pub(super) fn loop_ended(&mut self, now: Now, id: usize, why: Option<String>) {
        let Some(Loop { container, phase }) = self.loops.all.remove(&id) else { return };
        self.with_container(now, container, |machine| match phase {
            Phase::Starting => {
                machine.started(Err(StartError::Open(why.unwrap_or_else(|| "its loop has ended".into()))));
            }
            Phase::TooLate => machine.started(Err(StartError::Listen("the process is stopping".into()))),
            Phase::Leaving => machine.stopped(),
            Phase::Stopping => {}
            Phase::Running => {
                machine.ended(Place::Loop(id), why.as_deref().unwrap_or("its loop was stopped"));
            }
        });
    }

    pub(super) fn loop_elected(&mut self, now: Now, id: usize, broker_id: i64) {
        if let Some(container) = self.loops.all.get(&id).map(|one| one.container) {
            self.with_container(now, container, |machine| machine.elected(Place::Loop(id), broker_id));
        }
    }

    fn with_container(&mut self, now: Now, container: usize, action: impl FnOnce(&mut Container)) {
        if let Some(Role::Container(machine)) = self.roles.get_mut(container) {
            action(machine);
        }
        self.drain_role(now, container);
    }

    /// Whoever started this node wants to hear which ids a controller gives this role's broker
    /// ([`Output::Elected`]).
    pub fn watch_elections(&mut self, role: usize) {
        if let Some(slot) = self.slots.get_mut(role) {
            slot.elections = true;
        }
    }

    /// Passes on the id that a controller gave a broker, when it is a new one.
    pub(super) fn note_election(&mut self, now: Now, role: usize) {
        let (Some(slot), Some(Role::Broker(machine))) = (self.slots.get_mut(role), self.roles.get(role))
        else {
            return;
        };
        let Some(id) = machine.elected_id().filter(|id| slot.elected != Some(*id)) else { return };
        slot.elected = Some(id);
        match slot.container {
            Some(container) => {
                self.with_container(now, container, |machine| machine.elected(Place::Role(role), id));
            }
            None => self.outputs.push_back(Output::Elected { role, id }),
        }
    }
}
