//! What both frontends share: the command line, configuration files, log set-up, the assembly of core machines
//! and stores into a node, clocks, helper threads and the meaning of signals. No sockets, no event loops.

pub mod args;
pub mod assemble;
pub mod clock;
pub mod container;
pub mod controller;
pub mod error;
pub mod launch;
pub mod limits;
pub mod load;
pub mod logging;
pub mod own_loop;
pub mod raft_writer;
pub mod signals;
pub mod site;
pub mod surroundings;
pub mod usage;
pub mod workers;

pub use clock::Clock;
pub use error::HostError;
pub use launch::{Launch, launch};
pub use own_loop::RunLoop;
pub use site::Site;
pub use workers::{Completion, Workers};

/// The node both frontends drive.
pub type Node = sansmq_core::node::Node<sansmq_store::FileStore>;
/// What it asks of them.
pub type Output = sansmq_core::node::Output<sansmq_store::Job>;
/// What they tell it.
pub type Input<'a> = sansmq_core::node::Input<'a, sansmq_store::Done>;
