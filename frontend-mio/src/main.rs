//! SansMQ on a hand-rolled `mio` event loop.

mod connections;
mod event_loop;

use sansmq_host::launch::fail;

fn main() {
    let launch = match sansmq_host::launch(std::env::args()) {
        Ok(Some(launch)) => launch,
        Ok(None) => return,
        Err(error) => fail(&error),
    };
    if let Err(error) = event_loop::run(launch) {
        fail(&error);
    }
}
