//! What the process-level tests share: building and starting the servers, and a client that speaks frames.
//!
//! Every test runs against both frontends ([`on_both_frontends!`]); every server has its own ports on
//! 127.0.0.1 and its own folder, which goes away with it.

mod binaries;
mod client;
pub mod containers;
mod folder;
mod messages;
mod server;
pub mod sim;
mod writers;

pub use binaries::Frontend;
pub use client::{Client, Got};
pub use folder::Folder;
pub use messages::{Pull, bodies, ext, send, send_to};
pub use server::{Server, free_ports};
pub use writers::{Writers, Written};

/// Declares test functions `fn name(frontend: Frontend)` as a test for each frontend.
#[macro_export]
macro_rules! on_both_frontends {
    ($($name:ident),* $(,)?) => {
        mod mio {
            $(#[test] fn $name() { super::$name($crate::Frontend::Mio); })*
        }
        mod async_std {
            $(#[test] fn $name() { super::$name($crate::Frontend::AsyncStd); })*
        }
    };
}

/// Tries until it works or the time is up.
pub fn eventually(seconds: u64, what: &str, mut attempt: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(seconds);
    while !attempt() {
        assert!(std::time::Instant::now() < end, "not within {seconds} s: {what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
