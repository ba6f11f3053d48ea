//! A consumer far behind reads from the disk; whoever sends and reads at the end of the log does not wait for it.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::{Duration, Instant};

use sansmq_core::wire::code::request;
use sansmq_core::wire::{Command, Ext};
use sansmq_tests::{Frontend, Pull, Server, bodies, on_both_frontends, send};

on_both_frontends!(a_catch_up_from_the_disk_does_not_hold_up_senders);

const MESSAGES: usize = 500;
const BODY: usize = 32 * 1024;

/// Takes every file below `dir` out of the page cache, as far as the kernel listens.
fn drop_from_memory(dir: &Path) {
    for entry in std::fs::read_dir(dir).expect("the store's folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            drop_from_memory(&path);
            continue;
        }
        let file = File::open(&path).expect("a file of the store");
        file.sync_all().expect("a sync");
        // SAFETY: plain call on an open descriptor.
        unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
    }
}

fn body_of(number: usize) -> Vec<u8> {
    let mut body = vec![(number % 251) as u8; BODY];
    body[..8].copy_from_slice(&(number as u64).to_be_bytes());
    body
}

fn a_catch_up_from_the_disk_does_not_hold_up_senders(frontend: Frontend) {
    let mut server = Server::broker(frontend, "maxTransferBytesOnMessageInMemory=1048576\n");
    let mut producer = server.client();
    for number in 0..MESSAGES {
        producer.must(&send("Backlog", body_of(number)));
    }
    producer.must(&send("Hot", "first"));
    assert!(server.stop().success());
    drop_from_memory(&server.folder.path().join("data/store"));
    server.restart();

    let addr = server.addr();
    let reader = std::thread::spawn(move || {
        let mut consumer = sansmq_tests::Client::connect(&addr);
        let mut next = 0;
        while next < MESSAGES {
            let offset = i64::try_from(next).expect("a small number");
            let answer = consumer.must(&Pull::from("Backlog", offset).command());
            for body in bodies(&answer) {
                assert_eq!(body, body_of(next), "message {next}");
                next += 1;
            }
        }
    });
    let (mut producer, mut slowest, mut sent) = (server.client(), Duration::ZERO, 0u32);
    while !reader.is_finished() {
        let began = Instant::now();
        producer.must(&send("Hot", "more"));
        slowest = slowest.max(began.elapsed());
        sent += 1;
    }
    reader.join().expect("the backlog is read");
    println!(
        "{sent} sends while {} MiB were read from the disk; the slowest took {slowest:?}",
        (MESSAGES * BODY) >> 20
    );
    assert!(sent > 0 && slowest < Duration::from_secs(5), "{slowest:?}");

    // single messages from the disk, and an orderly end with a read under way
    let store = server.folder.path().join("data/store");
    assert!(server.stop().success());
    drop_from_memory(&store);
    server.restart();
    let mut client = server.client();
    let view = Command::request(request::VIEW_MESSAGE_BY_ID, Ext::new().with("offset", "0"));
    assert!(client.must(&view).body.len() > BODY);
    client.send(&Pull::from("Backlog", 400).command());
    assert!(server.stop().success());
}
