//! Producers that never give up, one for each broker of [`crate::containers`], noting what was acknowledged where and when.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::containers::TOPIC;
use crate::{Client, Got, send_to};

const PATIENCE: Duration = Duration::from_millis(500);
const QUEUES: i32 = 4;

/// One acknowledged message.
#[derive(Clone, Debug)]
pub struct Written {
    pub broker: usize,
    pub sent: Instant,
    pub received: Instant,
    pub queue: i32,
    pub offset: i64,
    /// Unique, and short.
    pub body: String,
}

/// Running producers; their threads end with the value.
pub struct Writers {
    stop: Arc<AtomicBool>,
    written: Arc<Mutex<Vec<Written>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Writers {
    /// Writes to these masters, about as often as `pause` says.
    #[must_use]
    pub fn start(masters: &[String], pause: Duration) -> Self {
        let (stop, written) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Vec<Written>>>::default());
        let threads = masters.iter().enumerate().map(|(broker, addr)| {
            let (stop, written) = (Arc::clone(&stop), Arc::clone(&written));
            let addr = addr.clone();
            std::thread::spawn(move || write(broker, &addr, pause, &stop, &written))
        });
        Writers { threads: threads.collect(), stop, written }
    }

    /// What was acknowledged up to now.
    #[must_use]
    pub fn written(&self) -> Vec<Written> {
        self.written.lock().expect("producers do not panic").clone()
    }

    /// Ends the producers; all that was acknowledged.
    #[must_use]
    pub fn end(mut self) -> Vec<Written> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("producers do not panic");
        }
        self.written()
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn write(broker: usize, addr: &str, pause: Duration, stop: &AtomicBool, written: &Mutex<Vec<Written>>) {
    let mut client: Option<Client> = None;
    let mut attempt = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(pause);
        let Some(open) = client.as_mut() else {
            client = Client::try_connect(addr, PATIENCE).ok();
            continue;
        };
        attempt += 1;
        let queue = i32::try_from(attempt % 4).unwrap_or(0) % QUEUES;
        let body = format!("{broker}-{attempt}");
        let sent = Instant::now();
        let opaque = open.send(&send_to(TOPIC, queue, body.clone()));
        match open.wait(PATIENCE) {
            Got::Frame(answer) if answer.opaque == opaque => {
                let offset = answer.ext_text("queueOffset").and_then(|text| text.parse().ok());
                if let (0, Some(offset)) = (answer.code, offset) {
                    let one = Written { broker, sent, received: Instant::now(), queue, offset, body };
                    written.lock().expect("producers do not panic").push(one);
                }
            }
            // A late answer to an earlier message, or no answer at all: the next one is sent over a new connection.
            Got::Frame(_) | Got::Closed | Got::Silence => client = None,
        }
    }
}
