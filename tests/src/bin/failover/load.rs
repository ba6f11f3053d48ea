//! Producers that never give up: some pinned to each broker, so that two brokers that both acknowledge are
//! seen, all of them noting what was acknowledged where and when.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use sansmq_tests::Written as Ack;
use sansmq_tests::{Client, Got, send_to};

pub const TOPIC: &str = "Failover";
pub const QUEUES: i32 = 4;
/// Producers per broker.
const PRODUCERS: u64 = 2;
const PATIENCE: Duration = Duration::from_millis(500);

/// Running producers.
pub struct Load {
    stop: Arc<AtomicBool>,
    acks: Arc<Mutex<Vec<Ack>>>,
    threads: Vec<JoinHandle<()>>,
}

/// Numbers attempts over all rounds, so that no body is ever used twice.
static ATTEMPT: AtomicU64 = AtomicU64::new(0);

/// A number no other message of this run has.
pub fn attempt() -> u64 {
    ATTEMPT.fetch_add(1, Ordering::Relaxed)
}

impl Load {
    pub fn start(brokers: &[String]) -> Self {
        let load = Load { stop: Arc::default(), acks: Arc::default(), threads: Vec::new() };
        let mut threads = Vec::new();
        for (broker, addr) in brokers.iter().enumerate() {
            for _ in 0..PRODUCERS {
                let (stop, acks, addr) = (Arc::clone(&load.stop), Arc::clone(&load.acks), addr.clone());
                threads.push(std::thread::spawn(move || produce(broker, &addr, &stop, &acks)));
            }
        }
        Load { threads, ..load }
    }

    /// Waits for an acknowledgement that `wanted` accepts; `None` when the time is up.
    pub fn wait_for(&self, limit: Duration, wanted: impl Fn(&Ack) -> bool) -> Option<Ack> {
        let end = Instant::now() + limit;
        let mut from = 0;
        loop {
            {
                let acks = self.acks.lock().expect("producers do not panic");
                if let Some(found) = acks[from..].iter().find(|ack| wanted(ack)) {
                    return Some(found.clone());
                }
                from = acks.len();
            }
            if Instant::now() > end {
                return None;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn stop(self) -> Vec<Ack> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("producers do not panic");
        }
        std::mem::take(&mut self.acks.lock().expect("producers do not panic"))
    }
}

fn produce(broker: usize, addr: &str, stop: &AtomicBool, acks: &Mutex<Vec<Ack>>) {
    let mut client: Option<Client> = None;
    while !stop.load(Ordering::Relaxed) {
        let Some(open) = client.as_mut() else {
            client = Client::try_connect(addr, PATIENCE).ok();
            if client.is_none() {
                std::thread::sleep(Duration::from_millis(5));
            }
            continue;
        };
        let attempt = attempt();
        let queue = i32::try_from(attempt % 4).unwrap_or(0) % QUEUES;
        let body = format!("{broker}-{attempt}");
        let sent = Instant::now();
        let opaque = open.send(&send_to(TOPIC, queue, body.clone()));
        match open.wait(PATIENCE) {
            Got::Frame(answer) if answer.opaque == opaque && answer.code == 0 => {
                let received = Instant::now();
                if let Some(offset) = answer.ext_text("queueOffset").and_then(|text| text.parse().ok()) {
                    let ack = Ack { broker, sent, received, queue, offset, body };
                    acks.lock().expect("producers do not panic").push(ack);
                }
            }
            // Refused: this broker is no master, or has lost its replicas.
            Got::Frame(_) => std::thread::sleep(Duration::from_millis(2)),
            Got::Closed | Got::Silence => client = None,
        }
    }
}
