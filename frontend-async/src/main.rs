//! SansMQ on `async-std`: the node of the other frontend, driven by a handful of tasks on one thread.
//!
//! This crate decides nothing. What it uses of `async-std` is listed here, so that a move to another runtime
//! stays small: `block_on`, `spawn_local`, `yield_now`, `sleep`, `timeout`, `channel`, TCP listeners and streams.

mod links;
mod listen;
mod server;
mod timer;

use sansmq_host::launch::fail;

fn main() {
    let launch = match sansmq_host::launch(std::env::args()) {
        Ok(Some(launch)) => launch,
        Ok(None) => return,
        Err(error) => fail(&error),
    };
    if let Err(error) = server::run(launch) {
        fail(&error);
    }
}
