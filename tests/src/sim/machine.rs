//! A computer with a process on it: disk, helper threads, clocks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use sansmq_core::container::BrokerFile;
use sansmq_core::raft::RaftWrite;
use sansmq_core::time::{Mono, Now};
use sansmq_core::wire::ConnId;
use sansmq_host::{Completion, Node};
use sansmq_store::disk::SimDisk;
use sansmq_store::{FileStore, Job, RaftDisk};

use super::MS;
use super::story::Seen;

/// Wall clock at the beginning of a history, milliseconds since the epoch.
pub const WALL_MS: i64 = 1_700_000_000_000;

/// Work for a helper thread.
pub enum Task {
    Job(usize, Job),
    Save(usize, u64, String, Bytes),
    Raft(usize, u64, RaftWrite),
    /// Of a container: read a broker's file, open its store, close it.
    Read(usize, String),
    Open(usize, Box<BrokerFile>, String),
    Close(usize, Box<FileStore>),
}

/// A helper thread: one task after the other.
#[derive(Default)]
pub struct Lane {
    pub tasks: VecDeque<Task>,
    /// An event will come when the task at the front is done.
    pub busy: bool,
}

/// Helper threads: jobs of the store, its reads, small files, the raft log.
pub const LANES: usize = 4;

pub struct Machine {
    pub name: String,
    pub ip: String,
    pub node: Option<Node>,
    pub raft: Option<RaftDisk>,
    pub disk: SimDisk,
    /// The computer has power and a kernel that answers.
    pub powered: bool,
    /// Counts processes.
    pub life: u64,
    /// When the process started: where its steady clock begins.
    pub born: u64,
    /// Speed of its clocks, in thousandths.
    pub rate: u64,
    /// What was added to the wall clock by hand, milliseconds.
    pub wall_step: i64,
    /// Stopped by a signal until somebody lets it go on.
    pub hung: bool,
    /// What helper threads would say to a stopped process.
    pub inbox: VecDeque<Completion>,
    /// Connections the kernel has taken for a stopped process, and dials it knows the outcome of.
    pub backlog: VecDeque<Pending>,
    pub conns: BTreeMap<ConnId, (u64, usize)>,
    pub lanes: [Lane; LANES],
    /// Listeners nobody serves any more.
    pub unbound: BTreeSet<usize>,
    /// Nanoseconds a write to the disk takes, from and to.
    pub disk_ns: (u64, u64),
    /// What was last told of its process.
    pub(super) seen: Seen,
}

/// What the kernel has to tell a process about connections.
#[derive(Clone, Debug)]
pub enum Pending {
    Accept(u64),
    Dialled(u64),
    DialFailed(ConnId, bool),
}

impl Machine {
    pub fn new(name: String, ip: String, disk: SimDisk, rate: u64) -> Self {
        Machine {
            name,
            ip,
            node: None,
            raft: None,
            disk,
            powered: true,
            life: 0,
            born: 0,
            rate,
            wall_step: 0,
            hung: false,
            inbox: VecDeque::new(),
            backlog: VecDeque::new(),
            conns: BTreeMap::new(),
            lanes: Default::default(),
            unbound: BTreeSet::new(),
            disk_ns: (MS / 20, 2 * MS),
            seen: Seen::default(),
        }
    }

    /// Its clocks at a virtual time.
    pub fn now(&self, time: u64) -> Now {
        let mono = (time - self.born) * self.rate / 1_000;
        let wall = i64::try_from(time * self.rate / 1_000 / MS).unwrap_or(0);
        Now { mono: Mono(mono), wall_ms: WALL_MS + self.wall_step + wall }
    }

    /// The virtual time at which its steady clock shows this.
    pub fn time_of(&self, mono: Mono) -> u64 {
        let scaled = u128::from(mono.0) * 1_000;
        let ns = scaled.div_ceil(u128::from(self.rate));
        self.born.saturating_add(u64::try_from(ns).unwrap_or(u64::MAX / 2))
    }

    /// When its process has to be called, if that is due to time alone.
    pub fn deadline(&self) -> Option<u64> {
        let node = self.node.as_ref().filter(|_| !self.hung)?;
        node.deadline().map(|mono| self.time_of(mono))
    }

    pub fn runs(&self) -> bool {
        self.node.is_some()
    }
}
