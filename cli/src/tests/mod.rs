//! Commands against captures of the reference: usage texts, messages of the option parser, and whole runs
//! replayed against servers that give the captured answers.

mod bench;
mod controller;
mod fake;
mod golden;
mod messages;
mod replay;
mod store;
mod usage;
