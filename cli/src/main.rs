//! `mqadmin`: administration of name servers and brokers over the remoting protocol, and a load generator.
//!
//! Commands, options and output follow the reference's tool; a failed command exits with status 1 and one
//! line on stderr, where the reference exits with 0 and a stack trace.

mod admin;
mod app;
mod bench;
mod bodies;
mod client;
mod clock;
mod cmd;
mod failure;
mod message;
mod options;
mod store;
mod text;

#[cfg(test)]
mod tests;

use sansmq_core::wire::Encoding;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let encoding = match std::env::var("ROCKETMQ_SERIALIZE_TYPE") {
        Err(_) => Encoding::default(),
        Ok(name) => match Encoding::from_name(&name) {
            Some(encoding) => encoding,
            None => {
                eprintln!("mqadmin: ROCKETMQ_SERIALIZE_TYPE is {name:?}, expected JSON or ROCKETMQ");
                return ExitCode::FAILURE;
            }
        },
    };
    ExitCode::from(app::run(&words, &mut app::World::real(encoding)))
}
