//! The loop: wait for sockets, helper threads or the node's deadline; feed the node; perform what it asks.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use sansmq_core::wire::ConnId;
use sansmq_host::{Clock, Completion, HostError, Input, Launch, Node, Output, Workers};

use crate::connections::{Got, Sockets, conn};

const WAKER: Token = Token(u16::MAX as usize);
/// One read takes at most this much.
const READ_BYTES: usize = 256 * 1024;
/// Reads of one connection before others get their turn.
const READS_PER_TURN: usize = 4;
/// After an accept failed for want of descriptors, the next try comes with the next event.
const ACCEPTS_PER_TURN: usize = 256;

/// Connections the kernel holds until they are accepted, as the reference has it.
const BACKLOG: i32 = 1024;

/// Everything that runs on the loop's thread.
pub struct EventLoop {
    launch: Launch,
    poll: Poll,
    /// By the node's index; `None` for one that is closed.
    listeners: Vec<Option<TcpListener>>,
    sockets: Sockets,
    workers: Workers,
    buffer: Vec<u8>,
    /// Connections that have more input than their turn allowed.
    ready: VecDeque<ConnId>,
    stopped: bool,
}

fn io_error(action: &str) -> impl FnOnce(io::Error) -> HostError {
    let action = action.to_owned();
    move |source| HostError::Io { action, source }
}

/// Binds, with a queue of the reference's length for connections not accepted yet.
fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpListener::bind(addr)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// Binds and watches the listener with this index.
fn watch(registry: &Registry, index: usize, bind: &str) -> io::Result<TcpListener> {
    let addr: SocketAddr = bind.parse().map_err(|_| io::Error::other("not an IP address and port"))?;
    let mut socket = listen(addr)?;
    registry.register(&mut socket, Token(index), Interest::READABLE)?;
    Ok(socket)
}

/// Runs a node until it has stopped.
pub fn run(launch: Launch) -> Result<(), HostError> {
    EventLoop::start(launch).and_then(EventLoop::run)
}

impl EventLoop {
    /// Binds every listener, then says so.
    pub fn start(mut launch: Launch) -> Result<Self, HostError> {
        let poll = Poll::new().map_err(io_error("create an event queue"))?;
        let waker = Waker::new(poll.registry(), WAKER).map_err(io_error("create a waker"))?;
        let waker = Arc::new(waker);
        let wake = Arc::new(move || {
            // It fails only when the queue is gone, and then nobody sleeps on it.
            let _ = waker.wake();
        });
        let workers = Workers::start(wake, &mut launch, run).map_err(io_error("start helper threads"))?;
        let mut listeners = Vec::new();
        for (index, listener) in launch.node.listeners().iter().enumerate() {
            let socket = watch(poll.registry(), index, &listener.bind)
                .map_err(|source| HostError::Listen { addr: listener.bind.clone(), source })?;
            listeners.push(Some(socket));
        }
        launch.is_up(workers.notify())?;
        Ok(EventLoop {
            launch,
            poll,
            listeners,
            sockets: Sockets::default(),
            workers,
            buffer: vec![0; READ_BYTES],
            ready: VecDeque::new(),
            stopped: false,
        })
    }

    fn clock(&self) -> Clock {
        self.launch.clock
    }

    fn node(&mut self) -> &mut Node {
        &mut self.launch.node
    }

    /// Runs until the node has stopped.
    pub fn run(mut self) -> Result<(), HostError> {
        let mut events = Events::with_capacity(1024);
        self.perform();
        while !self.stopped {
            let timeout = self.timeout();
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(io_error("wait for events")(error)),
            }
            for event in &events {
                match event.token() {
                    WAKER => self.take_completions(),
                    token => match conn(token) {
                        Some(id) => self.socket_event(id, event),
                        None => self.accept(token.0),
                    },
                }
            }
            for _ in 0..self.ready.len() {
                if let Some(id) = self.ready.pop_front() {
                    self.read(id);
                }
            }
            let now = self.clock().now();
            if self.node().deadline().is_some_and(|deadline| deadline <= now.mono) {
                self.tell(Input::Tick);
            }
        }
        Launch::outcome(&self.launch.node)
    }

    fn timeout(&mut self) -> Option<Duration> {
        if !self.ready.is_empty() {
            return Some(Duration::ZERO);
        }
        let now = self.clock().now().mono;
        self.node().deadline().map(|deadline| deadline - now)
    }

    fn tell(&mut self, input: Input<'_>) {
        let now = self.launch.clock.now();
        self.launch.node.handle(now, input);
        self.perform();
    }

    fn take_completions(&mut self) {
        while let Some(completion) = self.workers.next() {
            match completion {
                Completion::Resolved { conn, result: Ok(addr) } => self.dial(conn, addr),
                Completion::Resolved { conn, result: Err(error) } => {
                    self.tell(Input::DialFailed { conn, refused: false, error });
                }
                other => {
                    let now = self.launch.clock.now();
                    self.workers.deliver(&mut self.launch.node, now, other);
                    self.perform();
                }
            }
        }
    }

    fn accept(&mut self, index: usize) {
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(Some(listener)) = self.listeners.get(index) else {
                return;
            };
            match listener.accept() {
                Ok((stream, peer)) => {
                    let now = self.launch.clock.now();
                    let id = self.launch.node.accept(now, index, peer);
                    if let Err(error) = self.sockets.add(self.poll.registry(), id, stream, false) {
                        tracing::warn!(%peer, %error, "a connection could not be watched");
                        self.tell(Input::Closed { conn: id });
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::error!(%error, "accepting a connection failed");
                    return;
                }
            }
        }
        // The edge is spent though connections wait: a zero-time poll must not lose them.
        if let Some(Some(listener)) = self.listeners.get_mut(index) {
            let watched = self.poll.registry().reregister(listener, Token(index), Interest::READABLE);
            if let Err(error) = watched {
                tracing::error!(%error, "a listener could not be watched again");
            }
        }
    }

    fn dial(&mut self, id: ConnId, addr: SocketAddr) {
        let added = TcpStream::connect(addr)
            .and_then(|stream| self.sockets.add(self.poll.registry(), id, stream, true));
        if let Err(error) = added {
            self.dial_failed(id, &error);
        }
    }

    fn dial_failed(&mut self, conn: ConnId, error: &io::Error) {
        let refused = error.kind() == io::ErrorKind::ConnectionRefused;
        self.tell(Input::DialFailed { conn, refused, error: error.to_string() });
    }

    fn socket_event(&mut self, id: ConnId, event: &mio::event::Event) {
        if self.sockets.get(id).is_some_and(|socket| socket.dialling) {
            self.dial_event(id);
        }
        if event.is_writable() {
            self.transmit(id);
            self.perform();
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            if let Some(socket) = self.sockets.get(id) {
                socket.readable = true;
                socket.ending |= event.is_read_closed() || event.is_error();
            }
            self.read(id);
        }
    }

    /// A dialled socket became writable: connected, or failed.
    fn dial_event(&mut self, id: ConnId) {
        let Some(socket) = self.sockets.get(id) else {
            return;
        };
        let failure = match socket.stream.take_error() {
            Ok(None) => None,
            Ok(Some(error)) | Err(error) => Some(error),
        };
        if let Some(error) = failure {
            self.sockets.remove(self.poll.registry(), id);
            return self.dial_failed(id, &error);
        }
        match socket.stream.peer_addr() {
            Ok(peer) => {
                socket.dialling = false;
                // As in `Sockets::add`.
                let _ = socket.stream.set_nodelay(true);
                self.tell(Input::Dialled { conn: id, peer });
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
            Err(error) => {
                self.sockets.remove(self.poll.registry(), id);
                self.dial_failed(id, &error);
            }
        }
    }

    fn read(&mut self, id: ConnId) {
        for _ in 0..READS_PER_TURN {
            match self.sockets.read(id, &mut self.buffer) {
                Got::Bytes { count, more } => {
                    let now = self.launch.clock.now();
                    let data = &mut self.buffer[..count];
                    self.launch.node.handle(now, Input::Received { conn: id, data });
                    self.perform();
                    if !more {
                        return;
                    }
                }
                Got::Nothing => return,
                Got::Closed => {
                    self.sockets.remove(self.poll.registry(), id);
                    return self.tell(Input::Closed { conn: id });
                }
            }
        }
        self.ready.push_back(id);
    }

    /// Does what the node asks for until it asks for nothing more.
    fn perform(&mut self) {
        while let Some(output) = self.launch.node.poll() {
            match output {
                Output::Transmit { conn } => self.transmit(conn),
                Output::Dial { conn, addr } => match addr.parse() {
                    Ok(addr) => self.dial(conn, addr),
                    Err(_) => self.workers.resolve(conn, addr),
                },
                Output::Close { conn } => self.sockets.remove(self.poll.registry(), conn),
                Output::PauseReading { conn } => {
                    if let Some(socket) = self.sockets.get(conn) {
                        socket.paused = true;
                    }
                }
                Output::ResumeReading { conn } => {
                    if let Some(socket) = self.sockets.get(conn) {
                        socket.paused = false;
                        self.ready.push_back(conn);
                    }
                }
                Output::Listen { listener, bind } => self.listen(listener, &bind),
                Output::Unlisten { listener } => {
                    if let Some(place) = self.listeners.get_mut(listener) {
                        *place = None;
                    }
                }
                Output::Stopped => self.stopped = true,
                other => self.workers.perform(&mut self.launch.node, self.launch.clock, other),
            }
        }
    }

    /// Binds a listener that came while running.
    fn listen(&mut self, index: usize, bind: &str) {
        let watched = watch(self.poll.registry(), index, bind).map(|socket| {
            if self.listeners.len() <= index {
                self.listeners.resize_with(index + 1, || None);
            }
            self.listeners[index] = Some(socket);
        });
        let result = watched.map_err(|error| error.to_string());
        let now = self.launch.clock.now();
        self.launch.node.handle(now, Input::Listening { listener: index, result });
    }

    /// Writes until everything is sent or the socket is full; the next writable event goes on.
    fn transmit(&mut self, id: ConnId) {
        loop {
            let Some(outbound) = self.launch.node.outbound(id).filter(|outbound| !outbound.is_empty()) else {
                return;
            };
            match self.sockets.write(id, outbound) {
                Ok(0) => return,
                Ok(written) => {
                    let now = self.launch.clock.now();
                    self.launch.node.sent(now, id, written);
                }
                Err(_) => {
                    self.sockets.remove(self.poll.registry(), id);
                    let now = self.launch.clock.now();
                    return self.launch.node.handle(now, Input::Closed { conn: id });
                }
            }
        }
    }
}
