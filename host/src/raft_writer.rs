//! The thread that writes a controller's raft log: what piled up during one write goes out with the next.

use std::sync::mpsc::{Sender, channel};

use sansmq_core::raft::RaftWrite;
use sansmq_store::RaftDisk;

use crate::workers::{Completion, Notify};

/// A write and its number.
struct Task {
    role: usize,
    seq: u64,
    op: RaftWrite,
}

/// The thread's queue.
pub struct RaftWriter(Sender<Task>);

impl RaftWriter {
    /// # Errors
    /// The thread cannot be started.
    pub fn start(mut disk: RaftDisk, notify: Notify) -> std::io::Result<Self> {
        let (sender, tasks) = channel::<Task>();
        std::thread::Builder::new().name("raft".to_owned()).spawn(move || {
            while let Ok(first) = tasks.recv() {
                let (role, mut seq) = (first.role, first.seq);
                let mut group = vec![first.op];
                while let Ok(more) = tasks.try_recv() {
                    seq = more.seq;
                    group.push(more.op);
                }
                let result = disk.write(&group).map_err(|error| error.to_string());
                notify.send(Completion::RaftWritten { role, seq, result });
            }
        })?;
        Ok(RaftWriter(sender))
    }

    /// Writes in the order of the calls; false when the thread is gone.
    #[must_use]
    pub fn write(&self, role: usize, seq: u64, op: RaftWrite) -> bool {
        self.0.send(Task { role, seq, op }).is_ok()
    }
}
