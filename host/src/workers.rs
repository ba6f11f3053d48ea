//! Helper threads for what may block: the store's jobs, writes of small files, name lookups.
//!
//! Results come back through one channel; `wake` gets the event loop to look at it.

use std::cell::Cell;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use bytes::Bytes;
use sansmq_core::store::Store;
use sansmq_core::wire::ConnId;
use sansmq_store::{Done, FileStore, Job, atomic};

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
    Resolved {
        conn: ConnId,
        result: Result<SocketAddr, String>,
    },
    /// SIGTERM or SIGINT.
    Shutdown,
}

enum Task {
    Job { role: usize, job: Job },
    Save { role: usize, token: u64, path: String, data: Bytes },
    Resolve { conn: ConnId, addr: String },
}

/// Threads for reads that clients wait for.
const READERS: usize = 2;

/// Gets the event loop out of its sleep.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// The helper threads.
pub struct Workers {
    jobs: Sender<Task>,
    /// Reads a client waits for: they go past flushes, and one slow one does not stop the others.
    reads: Vec<Sender<Task>>,
    next_read: Cell<usize>,
    files: Sender<Task>,
    names: Sender<Task>,
    completions: Receiver<Completion>,
    notify: Notify,
}

/// Where threads put what they have finished.
#[derive(Clone)]
pub struct Notify {
    sender: Sender<Completion>,
    wake: Wake,
}

impl Notify {
    /// Hands a completion to the event loop.
    pub fn send(&self, completion: Completion) {
        if self.sender.send(completion).is_ok() {
            (self.wake)();
        }
    }
}

impl Workers {
    /// Starts the threads.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(wake: Wake) -> std::io::Result<Self> {
        let (sender, completions) = channel();
        let notify = Notify { sender, wake };
        Ok(Workers {
            jobs: spawn("store", &notify)?,
            reads: (0..READERS).map(|_| spawn("reads", &notify)).collect::<Result<_, _>>()?,
            next_read: Cell::new(0),
            files: spawn("files", &notify)?,
            names: spawn("names", &notify)?,
            completions,
            notify,
        })
    }

    /// For signal handling and the like.
    #[must_use]
    pub fn notify(&self) -> Notify {
        self.notify.clone()
    }

    /// Runs a store's job.
    pub fn job(&self, role: usize, job: Job) {
        let lane = if job.is_fetch() {
            let turn = self.next_read.get();
            self.next_read.set(turn.wrapping_add(1));
            self.reads.get(turn % self.reads.len().max(1))
        } else {
            None
        };
        hand(lane.unwrap_or(&self.jobs), Task::Job { role, job });
    }

    /// Replaces a file atomically; files are written in the order of the calls.
    pub fn save(&self, role: usize, token: u64, path: String, data: Bytes) {
        hand(&self.files, Task::Save { role, token, path, data });
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
}

/// A worker lives as long as its queue; a closed queue means that a thread died of a panic, after which the
/// node waits for an answer that never comes, so the process says so and ends.
fn hand(queue: &Sender<Task>, task: Task) {
    if queue.send(task).is_err() {
        tracing::error!("a helper thread is gone; stopping without a clean shutdown");
        std::process::abort();
    }
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
        Task::Resolve { conn, addr } => {
            let result = match addr.to_socket_addrs() {
                Ok(mut found) => found.next().ok_or_else(|| format!("{addr} has no address")),
                Err(error) => Err(format!("{addr}: {error}")),
            };
            Completion::Resolved { conn, result }
        }
    }
}
