//! Brokers that come and go while the node runs, on behalf of a container role.
//!
//! Coming: read the file, open the store on a helper thread, bind the ports, then run. Until its last port is
//! bound nothing of a broker is visible, so a start that fails leaves nothing behind. Going: the broker stops
//! as a stand-alone one does, its peers get their last answers, its connections and ports are closed, a helper
//! thread closes the store. An index is given away again only when nothing under way can refer to it.

use core::net::SocketAddr;

use super::slot::Phase;
use super::{DRAIN_MS, Listener, Node, Output, Role};
use crate::broker::replicas::{Application, Identity, IdentityError};
use crate::broker::settings::Settings;
use crate::broker::{Broker, BrokerMeta};
use crate::container::{Place, StartError, Work};
use crate::store::Store;
use crate::time::Now;
use crate::wire::ConnId;

/// A broker's files, opened: the answer to [`Output::OpenBroker`].
#[derive(Debug)]
pub struct Opened<S> {
    pub settings: Settings,
    pub store: S,
    pub meta: BrokerMeta,
    /// What message ids are made of.
    pub store_host: SocketAddr,
    pub seed: u64,
    /// `cluster_name_id`, which its log lines are marked with.
    pub canonical: String,
    /// What its identity files say, for a broker with a controller.
    pub identity: (Option<Identity>, Option<Application>),
}

impl<S: Store> Opened<S> {
    /// The broker, looking for its controllers if it has any.
    ///
    /// # Errors
    /// The identity files are another broker's; the store is handed back to be closed.
    pub fn into_broker(self, now: Now) -> Result<Broker<S>, (IdentityError, S)> {
        let Opened { settings, store, meta, store_host, seed, identity, .. } = self;
        let controlled = settings.broker.enable_controller_mode;
        let mut broker = Broker::new(settings, store, meta, store_host, seed, now);
        match controlled.then(|| broker.join_controllers(now, identity.0, identity.1)) {
            Some(Err(error)) => Err((error, broker.into_store())),
            _ => Ok(broker),
        }
    }
}

/// The ports of a broker: its own and the fast one, two below.
#[must_use]
pub fn broker_listeners(settings: &Settings, role: usize) -> Vec<Listener> {
    let (ip, port) = (&settings.server.bind_address, settings.broker.listen_port);
    let mut all = vec![Listener { bind: format!("{ip}:{port}"), role, fast_port: false }];
    if port > 2 {
        all.push(Listener { bind: format!("{ip}:{}", port - 2), role, fast_port: true });
    }
    all
}

/// Where slaves connect to a broker.
#[must_use]
pub fn replication_listener(settings: &Settings, role: usize) -> Listener {
    let bind = format!("{}:{}", settings.server.bind_address, settings.ha_port());
    Listener { bind, role, fast_port: false }
}

impl<S: Store> Node<S> {
    /// Does what a container asks for.
    pub(super) fn perform(&mut self, now: Now, container: usize, work: Work) {
        match work {
            Work::Read { path } => self.outputs.push_back(Output::ReadFile { role: container, path }),
            Work::Start { file, canonical, owns_loop: true } => self.start_loop(container, file, canonical),
            Work::Start { file, canonical, owns_loop: false } => {
                self.outputs.push_back(Output::OpenBroker { role: container, file, canonical });
            }
            Work::Stop { place: Place::Role(role) } => self.retire(now, container, role),
            Work::Stop { place: Place::Loop(id) } => self.leave_loop(id),
            Work::Say(line) => self.outputs.push_back(Output::Say { line, is_error: false }),
            Work::Complain(line) => self.outputs.push_back(Output::Say { line, is_error: true }),
            Work::End { status, why } => {
                self.failure = Some((status, why));
                self.shut_down(now);
            }
        }
    }

    /// The outcome of [`Output::OpenBroker`].
    pub fn broker_opened(&mut self, now: Now, container: usize, result: Result<Box<Opened<S>>, String>) {
        let opened = match result {
            Ok(opened) => *opened,
            Err(why) => {
                self.broker_started(now, container, Err(StartError::Open(why)));
                return self.settle(now);
            }
        };
        let role = self.vacant_slot();
        let mut listeners = broker_listeners(&opened.settings, role);
        listeners.push(replication_listener(&opened.settings, role));
        let replication = listeners.len() - 1;
        let span = tracing::error_span!("broker", broker = opened.canonical);
        let elections = opened.settings.broker.enable_controller_mode;
        match span.in_scope(|| opened.into_broker(now)) {
            Ok(broker) => self.roles[role] = Role::Broker(Box::new(broker)),
            Err((error, store)) => {
                self.changing += 1;
                let slot = &mut self.slots[role];
                slot.container = Some(container);
                slot.store = Some(store);
                slot.phase = Phase::Closing { why: Some(StartError::Open(error.to_string())) };
                return self.outputs.push_back(Output::CloseStore { role });
            }
        }
        let failed = self.stopping.then(|| "the process is stopping".to_owned());
        let slot = &mut self.slots[role];
        slot.span = Some(span);
        slot.container = Some(container);
        (slot.elections, slot.elected) = (elections, None);
        slot.phase = Phase::Binding { waiting: listeners.len(), failed };
        self.changing += 1;
        for (at, listener) in listeners.into_iter().enumerate() {
            let bind = listener.bind.clone();
            let index = self.place_listener(listener);
            if at == replication {
                self.stream_listeners.insert(index);
            } else {
                self.stream_listeners.remove(&index);
            }
            self.slots[role].binding.push(index);
            self.outputs.push_back(Output::Listen { listener: index, bind });
        }
    }

    /// The outcome of [`Output::Listen`].
    pub(super) fn listening(&mut self, now: Now, listener: usize, result: Result<(), String>) {
        let Some(role) = self.listeners.get(listener).map(|listener| listener.role) else {
            return;
        };
        let Some(slot) = self.slots.get_mut(role) else {
            return;
        };
        let Phase::Binding { waiting, failed } = &mut slot.phase else {
            return;
        };
        *waiting -= 1;
        slot.binding.retain(|index| *index != listener);
        match result {
            Ok(()) => slot.listeners.push(listener),
            Err(why) => {
                let bind = &self.listeners[listener].bind;
                *failed = Some(format!("cannot listen on {bind}: {why}"));
                self.free_listeners.push(listener);
            }
        }
        if *waiting > 0 {
            return;
        }
        match failed.take() {
            Some(why) => self.close_store(role, Some(StartError::Listen(why))),
            None => {
                slot.phase = Phase::Running;
                self.changing -= 1;
                let container = slot.container;
                self.drain_role(now, role);
                if let Some(container) = container {
                    self.broker_started(now, container, Ok(role));
                }
            }
        }
    }

    fn broker_started(&mut self, now: Now, container: usize, result: Result<usize, StartError>) {
        if let Some(Role::Container(machine)) = self.roles.get_mut(container) {
            machine.started(result.map(Place::Role));
        }
        self.drain_role(now, container);
    }

    fn retire(&mut self, now: Now, container: usize, role: usize) {
        let slot = self.slots.get_mut(role);
        let slot = slot.filter(|s| s.container == Some(container) && s.phase == Phase::Running);
        let (Some(slot), Some(Role::Broker(machine))) = (slot, self.roles.get_mut(role)) else {
            return;
        };
        slot.phase = Phase::Retiring;
        self.changing += 1;
        machine.retire(now);
        self.drain_role(now, role);
    }

    /// Takes the next step of every broker that comes or goes, if what it waits for is there.
    pub(super) fn settle(&mut self, now: Now) {
        if self.changing == 0 {
            return;
        }
        for role in 0..self.slots.len() {
            if matches!(self.slots[role].phase, Phase::Retiring) && self.roles[role].is_stopped() {
                self.slots[role].phase = Phase::Draining { until: now.mono.plus_ms(DRAIN_MS) };
                self.unlisten(role);
            }
            if let Phase::Draining { until } = self.slots[role].phase {
                let conns = self.conns_of(role);
                let quiet = |conn: &ConnId| {
                    let conn = self.conns.get(conn);
                    conn.is_none_or(|conn| conn.outbound.is_empty() || conn.stream.is_some())
                };
                if until <= now.mono || conns.iter().all(quiet) {
                    self.close_store(role, None);
                }
            }
        }
    }

    /// Connections accepted on the ports of a role, and its streams.
    fn conns_of(&self, role: usize) -> Vec<ConnId> {
        let served = |listener: usize| self.listeners.get(listener).is_some_and(|l| l.role == role);
        let all = self.conns.values();
        let all = all.filter(|conn| conn.listener.is_some_and(served) || conn.stream == Some(role));
        let mut found: Vec<ConnId> = all.map(|conn| conn.id).collect();
        found.sort_unstable();
        found
    }

    fn unlisten(&mut self, role: usize) {
        for listener in &self.slots[role].listeners {
            self.outputs.push_back(Output::Unlisten { listener: *listener });
        }
    }

    /// Closes what a broker has, its store on a helper thread.
    fn close_store(&mut self, role: usize, why: Option<StartError>) {
        if why.is_some() {
            self.unlisten(role);
        }
        for conn in self.conns_of(role) {
            self.outputs.push_back(Output::Close { conn });
            if let Some(mut connection) = self.conns.remove(&conn) {
                // The machine that would want to know is gone.
                for (token, _) in connection.abandon() {
                    self.calls.owner(token);
                }
            }
        }
        let dials = self.stream_dials.iter().filter(|(_, dial)| dial.0 == role);
        let dials: Vec<ConnId> = dials.map(|(conn, _)| *conn).collect();
        for conn in dials {
            self.stream_dials.remove(&conn);
            self.dial_deadlines.retain(|entry| entry.1 != conn);
            self.outputs.push_back(Output::Close { conn });
        }
        self.calls.forget(role);
        let freed = core::mem::take(&mut self.slots[role].listeners);
        for listener in freed {
            self.listeners[listener].role = usize::MAX;
            self.free_listeners.push(listener);
        }
        if let Role::Broker(machine) = core::mem::replace(&mut self.roles[role], Role::Vacant) {
            self.slots[role].store = Some(machine.into_store());
        }
        self.slots[role].phase = Phase::Closing { why };
        self.outputs.push_back(Output::CloseStore { role });
    }

    /// The store to be closed after [`Output::CloseStore`]; answer with `Input::StoreClosed`.
    pub fn take_store(&mut self, role: usize) -> Option<S> {
        self.slots.get_mut(role)?.store.take()
    }

    pub(super) fn store_closed(&mut self, now: Now, role: usize) {
        let Some(slot) = self.slots.get_mut(role) else {
            return;
        };
        let Phase::Closing { why } = &mut slot.phase else {
            return;
        };
        let why = why.take();
        slot.phase = Phase::Vacant;
        slot.span = None;
        slot.elections = false;
        self.changing -= 1;
        let Some(container) = slot.container.take() else {
            return;
        };
        match why {
            Some(why) => self.broker_started(now, container, Err(why)),
            None => {
                if let Some(Role::Container(machine)) = self.roles.get_mut(container) {
                    machine.stopped();
                }
                self.drain_role(now, container);
            }
        }
    }

    /// An index nothing refers to.
    fn vacant_slot(&mut self) -> usize {
        match self.slots.iter().position(super::slot::Slot::is_free) {
            Some(role) => role,
            None => self.add_role(Role::Vacant),
        }
    }

    fn place_listener(&mut self, listener: Listener) -> usize {
        match self.free_listeners.pop() {
            Some(index) => {
                self.listeners[index] = listener;
                index
            }
            None => {
                self.listeners.push(listener);
                self.listeners.len() - 1
            }
        }
    }
}
