//! kill -9 under load: a broker with synchronous flush is killed again and again while producers send; after
//! each restart everything acknowledged must be where the acknowledgement said, once, and the consumer goes on.
//!
//!     cargo run --release -p sansmq-tests --bin torture -- [--rounds 200] [--frontend mio|async]
//!
//! Prints a tally, and stops at the first round in which something is wrong; the exit status is 0 only if nothing was
//! lost or doubled.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sansmq_core::message::record;
use sansmq_core::wire::code::{request, response};
use sansmq_core::wire::{Command, Ext};
use sansmq_tests::{Client, Frontend, Got, Pull, Server, send_to};

const QUEUES: i32 = 4;
const TOPIC: &str = "Torture";
/// Queues of a topic that is new in each round: what is acknowledged there is nothing worth when the topic is unknown
/// after the kill.
const NEW_QUEUES: i32 = 2;

/// What was acknowledged: topic, queue and offset, and the body.
type Acknowledged = BTreeMap<(String, i32, i64), Vec<u8>>;

#[derive(Debug, Default)]
struct Tally {
    acknowledged: u64,
    stored: u64,
    lost: u64,
    moved: u64,
    doubled: u64,
    gaps: u64,
    consumer_ahead: u64,
}

impl Tally {
    fn is_good(&self) -> bool {
        self.lost + self.moved + self.doubled + self.gaps + self.consumer_ahead == 0
    }
}

/// What one queue is known to hold.
#[derive(Debug, Default)]
struct Queue {
    /// Next offset to check.
    next: i64,
    seen: HashSet<Vec<u8>>,
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let value = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1)).cloned();
    let rounds: u64 = value("--rounds").and_then(|text| text.parse().ok()).unwrap_or(200);
    let frontend = match value("--frontend").as_deref() {
        Some("async") => Frontend::AsyncStd,
        _ => Frontend::Mio,
    };
    let mut server = Server::broker(frontend, "flushDiskType=SYNC_FLUSH\nflushConsumerOffsetInterval=100\n");
    let mut queues: Vec<Queue> = (0..QUEUES).map(|_| Queue::default()).collect();
    let mut tally = Tally::default();
    for round in 0..rounds {
        let acknowledged = produce_until_killed(&mut server, round);
        server.restart();
        let mut client = server.client();
        for (id, queue) in (0..).zip(&mut queues) {
            check(&mut client, TOPIC, id, queue, &acknowledged, &mut tally);
        }
        for id in 0..NEW_QUEUES {
            check(&mut client, &new_topic(round), id, &mut Queue::default(), &acknowledged, &mut tally);
        }
        if !tally.is_good() {
            println!("round {round}: {tally:?}");
            // what is not to be seen now and is a little later was not lost, which is no excuse
            std::thread::sleep(Duration::from_secs(3));
            for (id, queue) in (0..).zip(&mut queues) {
                let before = queue.next;
                check(&mut client, TOPIC, id, queue, &BTreeMap::new(), &mut tally);
                println!("queue {id}: read up to {before}, 3 s later up to {}", queue.next);
            }
            println!("the server's log:\n{}", server.log());
            server.keep_folder();
            break;
        }
        if round % 10 == 9 {
            println!("{} rounds: {tally:?}", round + 1);
        }
    }
    println!(
        "{rounds} kills: {} acknowledged, {} stored, {} lost, {} at another place, {} doubled, {} gaps, consumer ahead {} times",
        tally.acknowledged,
        tally.stored,
        tally.lost,
        tally.moved,
        tally.doubled,
        tally.gaps,
        tally.consumer_ahead
    );
    let status = i32::from(!tally.is_good());
    drop(server);
    std::process::exit(status);
}

/// One producer per queue, each with several messages under way; what was acknowledged, by queue and offset.
fn produce_until_killed(server: &mut Server, round: u64) -> Acknowledged {
    let stop = AtomicBool::new(false);
    let mut acknowledged = BTreeMap::new();
    std::thread::scope(|scope| {
        let old = (0..QUEUES).map(|queue| (TOPIC.to_owned(), queue));
        let new = (0..NEW_QUEUES).map(|queue| (new_topic(round), queue));
        let producers: Vec<_> = old
            .chain(new)
            .map(|(topic, queue)| {
                let client = server.client();
                let stop = &stop;
                scope.spawn(move || produce(client, &topic, queue, round, stop))
            })
            .collect();
        // Between 20 and 220 ms, another time in each round.
        std::thread::sleep(Duration::from_millis(20 + round * 37 % 200));
        server.kill();
        stop.store(true, Ordering::Relaxed);
        for producer in producers {
            acknowledged.extend(producer.join().expect("producers do not panic"));
        }
    });
    acknowledged
}

fn new_topic(round: u64) -> String {
    format!("{TOPIC}-{round}")
}

fn produce(mut client: Client, topic: &str, queue: i32, round: u64, stop: &AtomicBool) -> Acknowledged {
    const IN_FLIGHT: usize = 8;
    let mut sent: BTreeMap<i32, Vec<u8>> = BTreeMap::new();
    let mut acknowledged = Acknowledged::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let body = format!("{round}/{queue}/{number} {}", "x".repeat(number % 700)).into_bytes();
        sent.insert(client.send(&send_to(topic, queue, body.clone())), body);
        if sent.len() < IN_FLIGHT {
            continue;
        }
        match client.wait(Duration::from_secs(10)) {
            Got::Frame(answer) if answer.code == 0 => {
                let offset = answer.ext_text("queueOffset").and_then(|text| text.parse().ok());
                if let (Some(body), Some(offset)) = (sent.remove(&answer.opaque), offset) {
                    acknowledged.insert((topic.to_owned(), queue, offset), body);
                }
            }
            Got::Frame(answer) => drop(sent.remove(&answer.opaque)),
            Got::Closed | Got::Silence => break,
        }
    }
    acknowledged
}

/// Reads what a queue got since the last check.
fn check(
    client: &mut Client,
    topic: &str,
    id: i32,
    queue: &mut Queue,
    acknowledged: &Acknowledged,
    tally: &mut Tally,
) {
    let start = queue.next;
    let committed = committed_offset(client, topic, id);
    if committed.is_some_and(|committed| committed > queue.next) {
        tally.consumer_ahead += 1;
    }
    let mut found = BTreeMap::new();
    loop {
        let pull = Pull { queue: id, ..Pull::from(topic, queue.next) };
        let answer = client.call(&pull.command());
        if answer.code != 0 {
            if answer.code != response::PULL_NOT_FOUND {
                println!("{topic} {id} at {}: code {}, {:?}", queue.next, answer.code, answer.remark);
            }
            break;
        }
        let mut rest = &answer.body[..];
        while let Ok(message) = record::decode(rest) {
            if message.queue_offset != queue.next {
                tally.gaps += 1;
            }
            if !queue.seen.insert(message.body.to_vec()) {
                tally.doubled += 1;
            }
            found.insert(message.queue_offset, message.body.to_vec());
            queue.next = message.queue_offset + 1;
            tally.stored += 1;
            rest = &rest[message.total_size..];
        }
    }
    let own = (topic.to_owned(), id, i64::MIN)..=(topic.to_owned(), id, i64::MAX);
    for ((_, _, offset), body) in acknowledged.range(own) {
        tally.acknowledged += 1;
        match found.get(offset) {
            Some(stored) if stored == body => {}
            Some(_) => tally.moved += 1,
            None => tally.lost += 1,
        }
    }
    if start != queue.next {
        commit(client, topic, id, queue.next);
    }
}

fn offset_ext(topic: &str, queue: i32) -> Ext {
    Ext::new().with("consumerGroup", "tests").with("topic", topic.to_owned()).with("queueId", queue)
}

fn committed_offset(client: &mut Client, topic: &str, queue: i32) -> Option<i64> {
    let ext = offset_ext(topic, queue).with("setZeroIfNotFound", false);
    let answer = client.call(&Command::request(request::QUERY_CONSUMER_OFFSET, ext));
    answer.ext_text("offset").and_then(|text| text.parse().ok())
}

fn commit(client: &mut Client, topic: &str, queue: i32, offset: i64) {
    let ext = offset_ext(topic, queue).with("commitOffset", offset);
    client.must(&Command::request(request::UPDATE_CONSUMER_OFFSET, ext));
}
