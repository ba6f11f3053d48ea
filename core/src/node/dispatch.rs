//! Input in, effects of the roles out.

use core::net::SocketAddr;

use super::calls::{Dialled, Waiting};
use super::slot::Phase;
use super::{DRAIN_MS, IDLE_SCAN_MS, Input, Node, OUTBOUND_HIGH_BYTES, Output};
use crate::store::Store;
use crate::time::Now;
use crate::wire::frame::{self, Frame, Split};
use crate::wire::preface::{self, Preface};
use crate::wire::{
    CallError, Command, ConnId, Connection, FrameError, Head, Peer, Reply, ReplyTo, ServerIn, ServerOut,
    StreamIn, Target, V5_3_1, code,
};

/// Why a connection is closed by this side.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("{0}")]
    Frame(#[from] FrameError),
    #[error("TLS is not served yet")]
    Tls,
    #[error("malformed HAProxy header")]
    Proxy,
}

/// Log lines written within carry the name of the broker.
fn within(span: Option<&tracing::Span>, action: impl FnOnce()) {
    match span {
        Some(span) => span.in_scope(action),
        None => action(),
    }
}

impl<S: Store> Node<S> {
    /// A frontend accepted a connection on the listener with this index.
    pub fn accept(&mut self, now: Now, listener: usize, peer: SocketAddr) -> ConnId {
        let id = self.allocate();
        let mut connection = Connection::new(id, peer, Some(listener), self.config.encoding, now.mono);
        connection.limits = self.config.limits;
        let stream = self.stream_listeners.contains(&listener);
        if stream {
            connection.stream = self.listeners.get(listener).map(|listener| listener.role);
            connection.preface_pending = false;
        }
        self.conns.insert(id, connection);
        if stream {
            self.stream_opened(now, id, None);
        }
        id
    }

    /// Takes one input; drain [`Node::poll`] afterwards.
    pub fn handle(&mut self, now: Now, input: Input<'_, S::Done>) {
        match input {
            Input::Tick => self.tick(now),
            Input::Received { conn, data } => self.received(now, conn, data),
            Input::Dialled { conn, peer } => self.dial_done(now, conn, peer),
            Input::DialFailed { conn, refused, error } => {
                tracing::debug!(error, "dial failed");
                let failure = if refused { CallError::Refused } else { CallError::Connect };
                self.drop_dialled(now, conn, failure);
            }
            Input::Closed { conn } => self.drop_connection(now, conn),
            Input::JobDone { role, done } => {
                self.came_back(role);
                if let (Some(machine), Some(slot)) = (self.roles.get_mut(role), self.slots.get(role)) {
                    within(slot.span.as_ref(), || machine.job_done(now, done));
                }
                self.drain_role(now, role);
            }
            Input::Saved { role, token, result } => {
                self.came_back(role);
                self.tell(now, role, ServerIn::Saved { token, result });
            }
            Input::FileRead { role, result } => {
                if let Some(super::Role::Container(machine)) = self.roles.get_mut(role) {
                    machine.file_read(result);
                }
                self.drain_role(now, role);
            }
            Input::RaftWritten { role, seq, result } => {
                if let Some(machine) = self.roles.get_mut(role) {
                    machine.raft_written(now, seq, result);
                }
                self.drain_role(now, role);
            }
            Input::Listening { listener, result } => self.listening(now, listener, result),
            Input::StoreClosed { role } => self.store_closed(now, role),
            Input::LoopStarted { id, result } => self.loop_started(now, id, result),
            Input::LoopEnded { id, why } => self.loop_ended(now, id, why),
            Input::LoopElected { id, broker_id } => self.loop_elected(now, id, broker_id),
            Input::Shutdown => self.shut_down(now),
        }
        self.settle(now);
        let stopped =
            || self.changing == 0 && self.loops.is_empty() && self.roles.iter().all(super::Role::is_stopped);
        if self.stopping && self.drain_by.is_none() && stopped() {
            self.drain_by = Some(now.mono.plus_ms(DRAIN_MS));
        }
    }

    pub(super) fn shut_down(&mut self, now: Now) {
        self.stopping = true;
        self.stop_loops();
        for role in 0..self.roles.len() {
            match &mut self.slots[role].phase {
                // It has not begun; its store is closed when the last port has answered.
                Phase::Binding { failed, .. } => *failed = Some("the process is stopping".to_owned()),
                Phase::Running => self.roles[role].shutdown(now),
                _ => {}
            }
            self.drain_role(now, role);
        }
    }

    /// A helper thread has finished something for this role.
    fn came_back(&mut self, role: usize) {
        if let Some(slot) = self.slots.get_mut(role) {
            slot.under_way = slot.under_way.saturating_sub(1);
        }
    }

    pub(super) fn tell(&mut self, now: Now, role: usize, input: ServerIn<'_>) {
        if let (Some(machine), Some(slot)) = (self.roles.get_mut(role), self.slots.get(role)) {
            within(slot.span.as_ref(), || machine.handle(now, input));
        }
        self.drain_role(now, role);
    }

    fn tick(&mut self, now: Now) {
        for role in 0..self.roles.len() {
            let active = self.slots[role].is_active();
            if active && self.roles[role].deadline().is_some_and(|deadline| deadline <= now.mono) {
                self.tell(now, role, ServerIn::Tick);
            }
        }
        while let Some(conn) = self.calls.due(now.mono) {
            let expired = self.conns.get_mut(&conn).map(|c| c.expire(now.mono)).unwrap_or_default();
            for (token, error) in expired {
                self.answer(now, token, Err(error));
            }
        }
        while let Some(&(deadline, conn)) = self.dial_deadlines.first() {
            if deadline > now.mono {
                break;
            }
            self.dial_deadlines.remove(&(deadline, conn));
            self.outputs.push_back(Output::Close { conn });
            self.drop_connection(now, conn);
        }
        self.drain_over = self.drain_by.is_some_and(|end| end <= now.mono);
        if self.next_idle_scan <= now.mono {
            self.next_idle_scan = now.mono.plus_ms(IDLE_SCAN_MS);
            self.close_idle(now);
        }
    }

    fn close_idle(&mut self, now: Now) {
        let idle_ms = self.config.idle_ms;
        if idle_ms == 0 {
            return;
        }
        // streams have keep-alives of their own
        let frames = self.conns.values().filter(|c| c.stream.is_none());
        let idle = frames.filter(|c| now.mono.ms_since(c.last_activity) >= idle_ms);
        let mut idle: Vec<ConnId> = idle.map(|c| c.id).collect();
        idle.sort_unstable();
        for conn in idle {
            tracing::info!(conn = conn.0, idle_ms, "closing idle connection");
            self.close(now, conn);
        }
    }

    pub(super) fn received(&mut self, now: Now, conn: ConnId, data: &mut [u8]) {
        let Some(connection) = self.conns.get_mut(&conn) else {
            return;
        };
        connection.last_activity = now.mono;
        if let Some(role) = connection.stream {
            self.tell(now, role, ServerIn::Stream(StreamIn::Bytes { conn, data }));
            return;
        }
        let mut head = core::mem::take(&mut self.head);
        let result = if connection.inbound.is_empty() && !connection.preface_pending {
            self.frames(now, conn, data, &mut head).map(|used| {
                if let Some(connection) = self.conns.get_mut(&conn) {
                    connection.inbound.extend_from_slice(&data[used..]);
                }
            })
        } else {
            connection.inbound.extend_from_slice(data);
            let mut gathered = core::mem::take(&mut connection.inbound);
            match self.preface(conn, &gathered) {
                Ok(None) => Ok(0),
                Ok(Some(skip)) => {
                    let _ = gathered.split_to(skip);
                    self.frames(now, conn, &mut gathered, &mut head)
                }
                Err(refusal) => Err(refusal),
            }
            .map(|used| {
                let _ = gathered.split_to(used);
                if let Some(connection) = self.conns.get_mut(&conn) {
                    connection.inbound = if gathered.is_empty() { Default::default() } else { gathered };
                }
            })
        };
        self.head = head;
        if let Err(refusal) = result {
            self.refused_frames += 1;
            if let Some(connection) = self.conns.get(&conn) {
                tracing::warn!(peer = %connection.peer, %refusal, "closing connection");
            }
            self.close(now, conn);
        }
    }

    /// How many bytes to skip before frames begin; `None` while undecided.
    fn preface(&mut self, conn: ConnId, bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        let Some(connection) = self.conns.get_mut(&conn).filter(|c| c.preface_pending) else {
            return Ok(Some(0));
        };
        let skip = match preface::detect(bytes) {
            Preface::Undecided => return Ok(None),
            Preface::None => 0,
            Preface::Proxied { length, client } => {
                connection.peer = client.unwrap_or(connection.peer);
                length
            }
            Preface::Tls => return Err(Refusal::Tls),
            Preface::Malformed => return Err(Refusal::Proxy),
        };
        connection.preface_pending = false;
        Ok(Some(skip))
    }

    /// Handles the whole frames at the start of `data`; returns how many bytes they took.
    fn frames(&mut self, now: Now, conn: ConnId, data: &mut [u8], head: &mut Head) -> Result<usize, Refusal> {
        let mut used = 0;
        while let Some(connection) = self.conns.get(&conn) {
            if connection.reading_paused {
                break;
            }
            let whole = match frame::split(&data[used..], connection.limits)? {
                Split::Whole(whole) => whole,
                Split::Need(_) => break,
            };
            let found = frame::decode(&mut data[used..used + whole], head)?;
            used += whole;
            if found.is_response() {
                let token = self.conns.get_mut(&conn).and_then(|c| c.answered(found.opaque()));
                if let Some(token) = token {
                    self.answer(now, token, Ok(Command::from(&found)));
                }
            } else {
                self.request(now, conn, found);
            }
        }
        Ok(used)
    }

    fn request(&mut self, now: Now, conn: ConnId, frame: Frame<'_>) {
        let Some(connection) = self.conns.get(&conn) else {
            return;
        };
        let to = ReplyTo::new(conn, &frame);
        let Some(listener) = connection.listener.and_then(|index| self.listeners.get(index)) else {
            // A server we dialled asks back: nobody here serves that yet.
            self.reply(to, &Reply::not_supported(frame.code()));
            return;
        };
        let (role, fast_port) = (listener.role, listener.fast_port);
        let Some(slot) = self.slots.get(role) else {
            return self.close(now, conn);
        };
        let leaving = self.stopping || slot.phase != Phase::Running;
        if leaving && frame.version() > V5_3_1 {
            // The Java client comes back at once when it is sent away, to a port that is about to close: the connection
            // ends before it is set up, the client's own error on that way loses the request, and a queue is not pulled
            // for two minutes. The end of the connection it takes well.
            if !self.stopping || self.config.sends_away {
                self.reply(to, &Reply::error(code::response::GO_AWAY, "please go away"));
            }
            return;
        }
        if matches!(slot.phase, Phase::Draining { .. }) {
            let remark = "the broker is being removed from its container";
            self.reply(to, &Reply::error(code::response::SERVICE_NOT_AVAILABLE, remark));
            return;
        }
        let peer = Peer { conn, addr: connection.peer, fast_port };
        self.tell(now, role, ServerIn::Request { peer, frame });
    }

    fn answer(&mut self, now: Now, token: u64, result: Result<Command, CallError>) {
        if let Some((role, token)) = self.calls.owner(token) {
            self.tell(now, role, ServerIn::Answer { token, result });
        }
    }

    pub(super) fn drain_role(&mut self, now: Now, role: usize) {
        if !self.slots.get(role).is_some_and(super::slot::Slot::is_active) {
            return;
        }
        while let Some(output) = self.roles.get_mut(role).and_then(super::Role::poll) {
            match output {
                ServerOut::Reply { to, reply } => self.reply(to, &reply),
                ServerOut::Call { to, token, command, timeout_ms } => {
                    let token = self.calls.own(role, token);
                    self.send(now, to, Waiting { call: Some((token, timeout_ms)), command });
                }
                ServerOut::Oneway { to, command } => self.send(now, to, Waiting { call: None, command }),
                ServerOut::Close(conn) => self.close(now, conn),
                ServerOut::HangUp(addr) => self.hang_up(now, &addr),
                ServerOut::Stream(out) => self.stream(now, role, out),
                ServerOut::Save { token, path, data } => {
                    self.slots[role].under_way += 1;
                    self.outputs.push_back(Output::Save { role, token, path, data });
                }
            }
        }
        while let Some(work) = self.roles.get_mut(role).and_then(super::Role::poll_work) {
            self.perform(now, role, work);
        }
        if self.slots[role].elections {
            self.note_election(now, role);
        }
    }

    fn reply(&mut self, to: ReplyTo, reply: &Reply) {
        if to.oneway {
            return;
        }
        if let Some(connection) = self.conns.get_mut(&to.conn) {
            connection.outbound.push_reply(to.opaque, reply, connection.encoding);
        }
        self.announce(to.conn);
    }

    /// Tells the frontend once that there is output, and holds the peer's input back when it piles up.
    pub(super) fn announce(&mut self, conn: ConnId) {
        let Some(connection) = self.conns.get_mut(&conn) else {
            return;
        };
        if !connection.transmit_announced && !connection.outbound.is_empty() {
            connection.transmit_announced = true;
            self.outputs.push_back(Output::Transmit { conn });
        }
        if !connection.reading_paused && connection.outbound.len() > OUTBOUND_HIGH_BYTES {
            connection.reading_paused = true;
            self.outputs.push_back(Output::PauseReading { conn });
        }
    }

    fn hang_up(&mut self, now: Now, addr: &str) {
        if let Some(conn) = self.calls.dialled.get(addr).map(|dialled| dialled.conn) {
            tracing::debug!(addr, "no answers: giving the connection up");
            self.close(now, conn);
        }
    }

    fn send(&mut self, now: Now, to: Target, waiting: Waiting) {
        match to {
            Target::Conn(conn) => self.send_on(now, conn, waiting),
            Target::Addr(addr) => match self.calls.dialled.get_mut(&addr) {
                Some(dialled) if dialled.connected => {
                    let conn = dialled.conn;
                    self.send_on(now, conn, waiting);
                }
                Some(dialled) => dialled.waiting.push(waiting),
                None => {
                    let conn = self.allocate();
                    let dialled = Dialled { conn, connected: false, waiting: vec![waiting] };
                    self.calls.dialled.insert(addr.clone(), dialled);
                    self.dial_deadlines.insert((now.mono.plus_ms(self.config.connect_timeout_ms), conn));
                    self.outputs.push_back(Output::Dial { conn, addr });
                }
            },
        }
    }

    fn send_on(&mut self, now: Now, conn: ConnId, waiting: Waiting) {
        let Some(connection) = self.conns.get_mut(&conn) else {
            if let Some((token, _)) = waiting.call {
                self.answer(now, token, Err(CallError::Closed(String::new())));
            }
            return;
        };
        match waiting.call {
            Some((token, timeout_ms)) => {
                connection.call(now.mono, token, waiting.command, timeout_ms);
                self.calls.expect_by(now.mono.plus_ms(timeout_ms), conn);
            }
            None => connection.oneway(waiting.command),
        }
        self.announce(conn);
    }

    fn dial_done(&mut self, now: Now, conn: ConnId, peer: SocketAddr) {
        self.dial_deadlines.retain(|entry| entry.1 != conn);
        if let Some((role, token)) = self.stream_dials.remove(&conn) {
            let mut connection = Connection::new(conn, peer, None, self.config.encoding, now.mono);
            connection.stream = Some(role);
            self.conns.insert(conn, connection);
            self.stream_opened(now, conn, Some(token));
            return;
        }
        let Some((_, dialled)) = self.calls.by_conn(conn) else {
            // It took too long and was given up.
            self.outputs.push_back(Output::Close { conn });
            return;
        };
        dialled.connected = true;
        let waiting = core::mem::take(&mut dialled.waiting);
        let mut connection = Connection::new(conn, peer, None, self.config.encoding, now.mono);
        connection.limits = self.config.limits;
        self.conns.insert(conn, connection);
        for command in waiting {
            self.send_on(now, conn, command);
        }
    }

    /// Closes a connection from this side.
    fn close(&mut self, now: Now, conn: ConnId) {
        self.outputs.push_back(Output::Close { conn });
        self.drop_connection(now, conn);
    }

    fn drop_connection(&mut self, now: Now, conn: ConnId) {
        self.drop_dialled(now, conn, CallError::Connect);
    }

    /// `failure` is what calls learn that waited for the connection.
    fn drop_dialled(&mut self, now: Now, conn: ConnId, failure: fn(String) -> CallError) {
        self.dial_deadlines.retain(|entry| entry.1 != conn);
        let mut failed = Vec::new();
        let mut lost = None;
        if let Some((addr, _)) = self.calls.by_conn(conn)
            && let Some(dialled) = self.calls.dialled.remove(&addr)
        {
            lost = Some(addr.clone());
            let tokens = dialled.waiting.iter().filter_map(|waiting| waiting.call);
            failed.extend(tokens.map(|(token, _)| (token, failure(addr.clone()))));
        }
        let role = match self.conns.remove(&conn) {
            Some(mut connection) => {
                failed.extend(connection.abandon());
                let accepted =
                    connection.listener.and_then(|index| self.listeners.get(index)).map(|l| l.role);
                connection.stream.or(accepted)
            }
            None => None,
        };
        for (token, error) in failed {
            self.answer(now, token, Err(error));
        }
        if let Some(role) = role {
            self.tell(now, role, ServerIn::Closed(conn));
        }
        if let Some((role, token)) = self.stream_dials.remove(&conn) {
            self.tell(now, role, ServerIn::Stream(StreamIn::Failed { token }));
        }
        if let Some(addr) = lost {
            for role in 0..self.roles.len() {
                self.tell(now, role, ServerIn::Lost(addr.clone()));
            }
        }
    }
}
