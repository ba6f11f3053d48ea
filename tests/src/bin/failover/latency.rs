//! How long a send takes that every member of a whole in-sync set has to have.

use std::time::{Duration, Instant};

use sansmq_tests::{Client, Got, send_to};

use crate::cluster::Cluster;
use crate::inquiry::replicas_soon;
use crate::load::{QUEUES, TOPIC, attempt};

const THREADS: i32 = 4;
/// Of each round; the first of the run is a warm-up.
const ROUND: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(5);

/// Prints the times of each round; threads send one message at a time.
pub fn measure(rounds: u32, cluster: &Cluster) {
    let (master, members) = replicas_soon(&cluster.addresses).expect("a leading controller knows the master");
    let addr = &cluster.addresses.brokers[master];
    for round in 0..=rounds {
        let mut times = std::thread::scope(|scope| {
            let senders: Vec<_> = (0..THREADS).map(|n| scope.spawn(move || send_for(addr, n))).collect();
            let each = senders.into_iter().map(|sender| sender.join().expect("senders do not panic"));
            each.flatten().collect::<Vec<Duration>>()
        });
        times.sort();
        let at = |share: usize| times.get(times.len() * share / 1_000).map_or(0, Duration::as_micros);
        println!(
            "latency {}: {} sends by {THREADS} threads, {members} members in sync, p50 {} us, p99 {} us",
            if round == 0 { "warm-up".to_owned() } else { round.to_string() },
            times.len(),
            at(500),
            at(990)
        );
    }
}

fn send_for(addr: &str, thread: i32) -> Vec<Duration> {
    let mut client = Client::connect(addr);
    let (begin, mut times) = (Instant::now(), Vec::new());
    while begin.elapsed() < ROUND {
        let sent = Instant::now();
        client.send(&send_to(TOPIC, thread % QUEUES, format!("latency-{}", attempt())));
        match client.wait(PATIENCE) {
            Got::Frame(answer) if answer.code == 0 => times.push(sent.elapsed()),
            // The reference refuses when a request had to wait.
            Got::Frame(_) => std::thread::sleep(Duration::from_millis(10)),
            other => panic!("a send without any fault failed: {other:?}"),
        }
    }
    times
}
