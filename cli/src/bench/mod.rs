//! `benchmark producer` and `benchmark consumer`: as much load as one thread can make, and what it took.
//!
//! [`engine`] keeps requests in flight over many connections from one thread; [`producer`] and [`consumer`]
//! say what is sent and what an answer is worth; [`report`] prints rate, latency, errors and, with `--pid`,
//! the processor time the server took per message.

mod consumer;
mod cpu;
mod engine;
mod histogram;
mod options;
mod producer;
mod ratios;
mod reply;
mod report;
mod suite;
mod targets;
mod template;

pub use consumer::BenchmarkConsumer;
pub use producer::BenchmarkProducer;
pub use ratios::BenchmarkRatios;
pub use suite::BenchmarkSuite;
