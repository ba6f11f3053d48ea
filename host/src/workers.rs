//! Helper threads for what may block: the store's jobs, small files, opening and closing stores, name lookups.
//!
//! Every role has threads of its own, so that the slow disk of one broker holds up no other. Results come back
//! through one channel; `wake` gets the event loop to look at it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use bytes::Bytes;
use sansmq_core::container::{BrokerFile, StartError};
use sansmq_core::node::Opened;
use sansmq_core::raft::RaftWrite;
use sansmq_core::store::Store;
use sansmq_core::time::Now;
use sansmq_core::wire::ConnId;
use sansmq_store::{Done, FileStore, Job, atomic};

use crate::own_loop::{Order, RunLoop, Upward};
use crate::raft_writer::RaftWriter;
use crate::{Clock, Input, Launch, Node, Output, Site, assemble, own_loop};

/// Something a helper thread has finished, or a signal.
#[derive(Debug)]
pub enum Completion {
    JobDone {
        role: usize,
        done: Done,
    },
    Saved {
        role: usize,
        token: u64,
        result: Result<(), String>,
    },
    FileRead {
        role: usize,
        result: Result<String, String>,
    },
    Opened {
        role: usize,
        result: Result<Box<Opened<FileStore>>, String>,
    },
    StoreClosed {
        role: usize,
    },
    /// All writes of a raft log up to and including this one, or none after the last success.
    RaftWritten {
        role: usize,
        seq: u64,
        result: Result<(), String>,
    },
    Resolved {
        conn: ConnId,
        result: Result<SocketAddr, String>,
    },
    /// A loop's broker serves; `own` reaches that loop.
    LoopUp {
        id: usize,
        own: Notify,
    },
    /// It never got that far.
    LoopFailed {
        id: usize,
        error: StartError,
    },
    /// Its thread is gone.
    LoopEnded {
        id: usize,
        why: Option<String>,
    },
    /// A controller gave its broker an id.
    LoopElected {
        id: usize,
        broker_id: i64,
    },
    /// SIGTERM or SIGINT, or the container's loop wants this one to end.
    Shutdown,
}

enum Task {
    Job { role: usize, job: Job },
    Save { role: usize, token: u64, path: String, data: Bytes },
    Read { role: usize, path: String },
    Open { role: usize, file: Box<BrokerFile>, canonical: String, clock: Clock },
    Close { role: usize, store: Box<FileStore>, clock: Clock },
    Resolve { conn: ConnId, addr: String },
}

/// Threads for reads that clients wait for.
const READERS: usize = 2;

/// Gets the event loop out of its sleep.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// A thread of a role. Reads a client waits for go past flushes, and one slow one does not stop the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    Jobs,
    Files,
    Read(usize),
}

/// The helper threads; those of a role start when they are first needed.
pub struct Workers {
    own: BTreeMap<(usize, Lane), Sender<Task>>,
    next_read: usize,
    names: Sender<Task>,
    /// In a process with a controller.
    raft: Option<RaftWriter>,
    /// Loops that run beside this one.
    loops: BTreeMap<usize, Notify>,
    run_loop: RunLoop,
    upward: Option<Upward>,
    completions: Receiver<Completion>,
    notify: Notify,
}

/// Where threads put what they have finished.
#[derive(Clone)]
pub struct Notify {
    sender: Sender<Completion>,
    wake: Wake,
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notify")
    }
}

impl Notify {
    /// A place for completions, and where they come out.
    pub(crate) fn new(wake: Wake) -> (Self, Receiver<Completion>) {
        let (sender, completions) = channel();
        (Notify { sender, wake }, completions)
    }

    /// Hands a completion to the event loop.
    pub fn send(&self, completion: Completion) {
        if self.sender.send(completion).is_ok() {
            (self.wake)();
        }
    }
}

impl Workers {
    /// Starts the threads of a node that is about to be run; `run_loop` runs those it may ask for beside it.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(wake: Wake, launch: &mut Launch, run_loop: RunLoop) -> std::io::Result<Self> {
        let (notify, completions) = Notify::new(wake);
        Ok(Workers {
            own: BTreeMap::new(),
            next_read: 0,
            names: spawn("names", &notify)?,
            raft: launch.raft.take().map(|disk| RaftWriter::start(disk, notify.clone())).transpose()?,
            loops: BTreeMap::new(),
            run_loop,
            upward: launch.upward.clone(),
            completions,
            notify,
        })
    }

    /// For signal handling and the like.
    #[must_use]
    pub fn notify(&self) -> Notify {
        self.notify.clone()
    }

    /// Does what a node asks for, as far as it concerns no sockets; the rest is none of its business.
    pub fn perform(&mut self, node: &mut Node, clock: Clock, output: Output) {
        match output {
            Output::Job { role, job } => {
                let lane = if job.is_urgent() {
                    self.next_read = (self.next_read + 1) % READERS;
                    Lane::Read(self.next_read)
                } else {
                    Lane::Jobs
                };
                self.hand(role, lane, Task::Job { role, job });
            }
            // Files of a role are written in the order they come.
            Output::Save { role, token, path, data } => {
                self.hand(role, Lane::Files, Task::Save { role, token, path, data });
            }
            Output::RaftWrite { role, seq, op } => self.raft_write(role, seq, op),
            Output::ReadFile { role, path } => self.hand(role, Lane::Files, Task::Read { role, path }),
            Output::OpenBroker { role, file, canonical } => {
                self.hand(role, Lane::Jobs, Task::Open { role, file, canonical, clock });
            }
            Output::CloseStore { role } => match node.take_store(role).map(Box::new) {
                Some(store) => self.hand(role, Lane::Jobs, Task::Close { role, store, clock }),
                None => self.notify.send(Completion::StoreClosed { role }),
            },
            Output::StartLoop { id, file, canonical, config } => {
                let order = Order { id, file, canonical, config, clock, run: self.run_loop };
                own_loop::start(order, self.notify());
            }
            Output::StopLoop { id } => {
                if let Some(own) = self.loops.get(&id) {
                    own.send(Completion::Shutdown);
                }
            }
            Output::Elected { id, .. } => {
                if let Some(upward) = &self.upward {
                    upward.elected(id);
                }
            }
            Output::Say { line, is_error: false } => {
                println!("{line}");
                tracing::info!("{line}");
            }
            Output::Say { line, is_error: true } => eprintln!("{line}"),
            _ => {}
        }
    }

    fn hand(&mut self, role: usize, lane: Lane, task: Task) {
        let (notify, names) = (&self.notify, &self.names);
        let queue = self.own.entry((role, lane)).or_insert_with(|| {
            let name = match lane {
                Lane::Jobs => "store",
                Lane::Files => "files",
                Lane::Read(_) => "reads",
            };
            spawn(name, notify).unwrap_or_else(|error| {
                tracing::warn!(role, name, %error, "the role has to share a helper thread");
                names.clone()
            })
        });
        hand(queue, task);
    }

    /// Writes to the controller's log, in the order of the calls.
    fn raft_write(&self, role: usize, seq: u64, op: RaftWrite) {
        if !self.raft.as_ref().is_some_and(|raft| raft.write(role, seq, op)) {
            thread_is_gone();
        }
    }

    /// Looks a `host:port` up.
    pub fn resolve(&self, conn: ConnId, addr: String) {
        hand(&self.names, Task::Resolve { conn, addr });
    }

    /// The next thing finished, if any.
    #[must_use]
    pub fn next(&self) -> Option<Completion> {
        self.completions.try_recv().ok()
    }

    /// Tells the node what was finished; addresses found are for whoever dials.
    pub fn deliver(&mut self, node: &mut Node, now: Now, completion: Completion) {
        match completion {
            Completion::JobDone { role, done } => node.handle(now, Input::JobDone { role, done }),
            Completion::Saved { role, token, result } => {
                node.handle(now, Input::Saved { role, token, result });
            }
            Completion::RaftWritten { role, seq, result } => {
                node.handle(now, Input::RaftWritten { role, seq, result });
            }
            Completion::FileRead { role, result } => node.handle(now, Input::FileRead { role, result }),
            Completion::Opened { role, result } => node.broker_opened(now, role, result),
            Completion::StoreClosed { role } => {
                // Its threads end with their queues.
                self.own.retain(|(owner, _), _| *owner != role);
                node.handle(now, Input::StoreClosed { role });
            }
            Completion::LoopUp { id, own } => {
                self.loops.insert(id, own);
                node.handle(now, Input::LoopStarted { id, result: Ok(()) });
            }
            Completion::LoopFailed { id, error } => {
                node.handle(now, Input::LoopStarted { id, result: Err(error) });
            }
            Completion::LoopEnded { id, why } => {
                self.loops.remove(&id);
                node.handle(now, Input::LoopEnded { id, why });
            }
            Completion::LoopElected { id, broker_id } => {
                node.handle(now, Input::LoopElected { id, broker_id });
            }
            Completion::Shutdown => node.handle(now, Input::Shutdown),
            Completion::Resolved { .. } => {}
        }
    }
}

/// A worker lives as long as its queue; a closed queue means that a thread died of a panic, after which the
/// node waits for an answer that never comes, so the process says so and ends.
fn hand(queue: &Sender<Task>, task: Task) {
    if queue.send(task).is_err() {
        thread_is_gone();
    }
}

fn thread_is_gone() -> ! {
    tracing::error!("a helper thread is gone; stopping without a clean shutdown");
    std::process::abort();
}

fn spawn(name: &str, notify: &Notify) -> std::io::Result<Sender<Task>> {
    let (sender, tasks) = channel::<Task>();
    let notify = notify.clone();
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        for task in tasks {
            notify.send(perform(task));
        }
    })?;
    Ok(sender)
}

fn perform(task: Task) -> Completion {
    match task {
        Task::Job { role, job } => Completion::JobDone { role, done: FileStore::run(job) },
        Task::Save { role, token, path, data } => {
            let result = atomic::write_atomic(Path::new(&path), &data);
            Completion::Saved { role, token, result: result.map_err(|error| format!("{path}: {error}")) }
        }
        Task::Read { role, path } => {
            let result = std::fs::read_to_string(&path);
            Completion::FileRead { role, result: result.map_err(|error| format!("{path}: {error}")) }
        }
        Task::Open { role, file, canonical, clock } => {
            let span = tracing::error_span!("broker", broker = canonical);
            let opened = span
                .in_scope(|| assemble::open_broker(&Site::here(), (*file).into(), canonical, clock.now()));
            let result = opened.map(Box::new).map_err(|error| error.to_string());
            Completion::Opened { role, result }
        }
        Task::Close { role, mut store, clock } => {
            store.close(clock.now());
            drop(store);
            Completion::StoreClosed { role }
        }
        Task::Resolve { conn, addr } => {
            let result = match addr.to_socket_addrs() {
                Ok(mut found) => found.next().ok_or_else(|| format!("{addr} has no address")),
                Err(error) => Err(format!("{addr}: {error}")),
            };
            Completion::Resolved { conn, result }
        }
    }
}
