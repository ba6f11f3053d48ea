//! The node, its sockets and the tasks around them.
//!
//! Everything lives in one `Rc<RefCell<_>>` that is borrowed within a poll and never across an await. Each
//! turn ends with [`Shared::turn`] having done what the node asks for; connections then wait for nothing but
//! their wakers.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use async_std::channel::{Receiver, Sender, bounded};
use async_std::net::TcpListener;
use async_std::task;
use sansmq_core::wire::ConnId;
use sansmq_host::{Clock, HostError, Input, Launch, Node, Output, Workers};

use crate::links::Link;
use crate::listen;
use crate::timer::{self, Alarm};

/// One read takes at most this much.
const READ_BYTES: usize = 256 * 1024;

/// What the tasks share.
pub struct World {
    pub node: Node,
    pub clock: Clock,
    pub links: HashMap<ConnId, Link>,
    /// Every connection reads into this.
    pub buffer: Vec<u8>,
    pub alarm: Alarm,
    /// Listeners are open as long as their channels are.
    listening: HashMap<usize, Sender<()>>,
    workers: Workers,
    stopped: Sender<()>,
}

/// A handle to the world; one for each task.
#[derive(Clone)]
pub struct Shared(Rc<RefCell<World>>);

pub fn io_error(action: &str) -> impl FnOnce(io::Error) -> HostError {
    let action = action.to_owned();
    move |source| HostError::Io { action, source }
}

/// Runs a node on this thread until it has stopped.
pub fn run(launch: Launch) -> Result<(), HostError> {
    task::block_on(serve(launch))
}

/// Binds every listener, says so and runs until the node has stopped.
async fn serve(mut launch: Launch) -> Result<(), HostError> {
    let (wake, woken) = bounded(1);
    let wake = Arc::new(move || {
        // A full channel means that the task will look anyway.
        let _ = wake.try_send(());
    });
    let workers = Workers::start(wake, &mut launch, run).map_err(io_error("start helper threads"))?;
    let listeners = listen::bind(launch.node.listeners())?;
    launch.is_up(workers.notify())?;
    let (stopped, stop) = bounded(1);
    // The rest of `launch` stays here: the log is written out when this function ends.
    let shared = Shared(Rc::new(RefCell::new(World {
        node: launch.node,
        clock: launch.clock,
        links: HashMap::new(),
        buffer: vec![0; READ_BYTES],
        alarm: Alarm::default(),
        listening: HashMap::new(),
        workers,
        stopped,
    })));
    for (index, listener) in listeners.into_iter().enumerate() {
        shared.look(|world| shared.accept(world, index, listener));
    }
    task::spawn_local(take_completions(shared.clone(), woken));
    task::spawn_local(timer::run(shared.clone()));
    shared.turn(|_| ());
    // It can only fail when the sender is gone, and the world holds it.
    let _ = stop.recv().await;
    shared.look(|world| Launch::outcome(&world.node))
}

async fn take_completions(shared: Shared, woken: Receiver<()>) {
    while woken.recv().await.is_ok() {
        while let Some(completion) = shared.look(|world| world.workers.next()) {
            // Names are looked up while dialling; none is ever resolved apart from that.
            shared.turn(|world| {
                let now = world.clock.now();
                world.workers.deliver(&mut world.node, now, completion);
            });
        }
    }
}

impl Shared {
    /// Borrows the world for something that gives the node no input.
    pub fn look<R>(&self, action: impl FnOnce(&mut World) -> R) -> R {
        action(&mut self.0.borrow_mut())
    }

    /// Borrows the world for something that may give the node input, then does what the node asks for.
    pub fn turn<R>(&self, action: impl FnOnce(&mut World) -> R) -> R {
        let mut world = self.0.borrow_mut();
        let result = action(&mut world);
        self.perform(&mut world);
        result
    }

    /// Binds a listener that came while running.
    fn listen(&self, world: &mut World, index: usize, bind: &str) {
        let bound = listen::bind_one(bind).map(|socket| self.accept(world, index, socket));
        let result = bound.map_err(|error| error.to_string());
        world.tell(Input::Listening { listener: index, result });
    }

    /// Takes connections in until the listener's channel is closed.
    fn accept(&self, world: &mut World, index: usize, socket: TcpListener) {
        let (open, closed) = bounded(1);
        world.listening.insert(index, open);
        task::spawn_local(listen::accept(self.clone(), index, socket, closed));
    }

    fn perform(&self, world: &mut World) {
        while let Some(output) = world.node.poll() {
            match output {
                Output::Transmit { conn } => {
                    if let Some(link) = world.links.get(&conn) {
                        link.write_more();
                    }
                }
                Output::Dial { conn, addr } => {
                    task::spawn_local(listen::dial(self.clone(), conn, addr));
                }
                Output::Close { conn } => world.drop_link(conn),
                Output::PauseReading { conn } => {
                    if let Some(link) = world.links.get_mut(&conn) {
                        link.paused = true;
                    }
                }
                Output::ResumeReading { conn } => {
                    if let Some(link) = world.links.get_mut(&conn) {
                        link.paused = false;
                        link.read_more();
                    }
                }
                Output::Listen { listener, bind } => self.listen(world, listener, &bind),
                Output::Unlisten { listener } => {
                    // The task that accepts finds its channel closed, and ends with its socket.
                    world.listening.remove(&listener);
                }
                Output::Stopped => {
                    // The channel has room for the one message it ever takes.
                    let _ = world.stopped.try_send(());
                }
                other => world.workers.perform(&mut world.node, world.clock, other),
            }
        }
        world.alarm.rearm(world.node.deadline());
    }
}

impl World {
    pub fn tell(&mut self, input: Input<'_>) {
        let now = self.clock.now();
        self.node.handle(now, input);
    }

    /// Closes a socket; its tasks find it gone and end.
    pub fn drop_link(&mut self, conn: ConnId) {
        if let Some(link) = self.links.remove(&conn) {
            link.read_more();
            link.write_more();
        }
    }

    /// The peer closed, or the socket failed.
    pub fn lost(&mut self, conn: ConnId) {
        self.drop_link(conn);
        self.tell(Input::Closed { conn });
    }
}
