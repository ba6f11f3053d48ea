//! A whole cluster in one thread: three NameServers with a controller inside, three brokers, clients, a network and
//! disks, with virtual time and one seed for everything.
//!
//! The servers are the `Node`s both frontends drive, assembled by `sansmq-host`, over `SimDisk`s. What the frontends
//! do with sockets and threads is done by [`World`] with a queue of events. Nothing reads a clock, draws a random
//! number or starts a thread, so the same [`Plan`] lives the same [`history`](run) again, to the last bit of its
//! [`Report::trace`].
//!
//! - `machine`: a process on a computer with a disk, helper threads, a clock that is wrong and runs at its own speed
//! - `container`: what a process with a broker container in it asks for beside
//! - `net`: connections as TCP has them; a cut holds bytes back, a reset loses them
//! - `clients`: producers, consumers and operators, on the wire; `ledger`: what they have sent
//! - `faults`: what can go wrong; `swarm`: which kinds of it a history has; `schedule`: when they come;
//!   `scenarios`: what a history is about
//! - `invariants`: what has to hold, told of every step by `watch` and the clients through `oracle`; `examine`: a last look
//! - `trace`, `story`: what happened, to the bit and to be read; `coverage`: what the cluster was at when faults struck
//! - `tally`: many histories; `shrink`: a shorter one that fails as well; `timeline`, `page`: a picture of one
//! - `planted`: bugs that histories have to find

mod clients;
mod container;
mod coverage;
mod dice;
mod examine;
mod faults;
mod history;
mod invariants;
mod ledger;
mod machine;
mod net;
mod oracle;
mod page;
mod perform;
mod picture;
pub mod planted;
mod scenarios;
mod schedule;
mod setup;
mod shrink;
mod story;
mod swarm;
mod tally;
mod timeline;
mod trace;
mod watch;
mod world;

pub use coverage::{Coverage, State};
pub use dice::Dice;
pub use faults::Fault;
pub use history::{Plan, Report, run, run_caught};
pub use page::page;
pub use scenarios::Scenario;
pub use schedule::{Schedule, Strike};
pub use shrink::{Shrunk, shrink};
pub use story::{BIN_MS, Mark, Story, What};
pub use swarm::{Class, Classes};
pub use tally::{Tally, run_many};
pub use world::World;

/// Machines: controllers 0 to 2, brokers 3 to 5, and the computer of the clients.
pub const CONTROLLERS: std::ops::Range<usize> = 0..3;
pub const BROKERS: std::ops::Range<usize> = 3..6;
pub const CLIENT: usize = 6;

/// Virtual nanoseconds.
pub const MS: u64 = 1_000_000;
