//! Many connections, and many topics.

use sansmq_core::body::TopicConfig;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::case::Case;
use super::probe::{Probe, Seen, resident};
use crate::admin::Queue;
use crate::app::World;
use crate::bench::engine::Outcome;
use crate::bench::options::Plan;
use crate::bench::producer;
use crate::failure::Failure;

pub(super) const QUEUES: i32 = 8;
/// Topics are made for no longer than this.
const MAKING: Duration = Duration::from_secs(120);

/// Connections that are open and say nothing: this many, or as many as can be had.
pub(super) fn idle(addr: &str, count: usize) -> Vec<TcpStream> {
    allow_files(u64::try_from(count).unwrap_or(0) + 1_000);
    let open = std::iter::repeat_with(|| TcpStream::connect(addr)).take(count);
    open.map_while(Result::ok).collect()
}

/// As many open files as the system lets this process have, up to this number.
fn allow_files(wanted: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure outlives both calls.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 && limit.rlim_cur < wanted {
            limit.rlim_cur = wanted.min(limit.rlim_max);
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}

/// Makes topics and sends to all of their queues in turn; what making them cost goes with it.
///
/// # Errors
/// When a topic is refused, or sending fails.
pub(super) fn topics(
    world: &mut World,
    plan: &Plan,
    case: &Case,
    count: usize,
) -> Result<(Outcome, String, Seen), Failure> {
    let broker = plan.broker.clone().unwrap_or_default();
    let memory = || plan.pid.and_then(resident).map_or(0, |(all, files)| all - files);
    let (begun, before) = (Instant::now(), memory());
    let mut queues = Vec::new();
    let mut made = 0;
    for number in 0..count {
        if begun.elapsed() > MAKING {
            break;
        }
        let name = format!("{}-{number}", plan.topic);
        world.put_topic(&broker, &TopicConfig::new(name.as_str(), QUEUES, 6), "")?;
        queues.extend((0..QUEUES).map(|id| queue(&broker, &name, id)));
        made += 1;
    }
    let making = begun.elapsed();
    let grown = memory().saturating_sub(before);
    let now = (world.now)();
    // The first message of a queue makes its files: that is not what is measured.
    let first = Plan { seconds: None, messages: Some(queues.len() as u64), ..plan.clone() };
    producer::measure(&first, &[(broker.clone(), queues.clone())], case.size, now, usize::MAX)?;
    let probe = Probe::start(plan.pid);
    let outcome = producer::measure(plan, &[(broker, queues)], case.size, now, usize::MAX)?;
    let seen = probe.end();
    let note = format!(
        "{made} topics of {QUEUES} queues, made in {} s; grown by {} MB then and {} MB with all",
        making.as_secs(),
        grown / 1_000_000,
        memory().saturating_sub(before) / 1_000_000
    );
    Ok((outcome, note, seen))
}

pub(super) fn queue(broker: &str, topic: &str, id: i32) -> Queue {
    Queue { broker: broker.to_owned(), broker_name: String::new(), topic: topic.to_owned(), id }
}
