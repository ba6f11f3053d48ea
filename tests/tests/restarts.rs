//! What survives the end of a broker.

use std::time::Duration;

use sansmq_core::wire::Command;
use sansmq_core::wire::code::request;
use sansmq_tests::{Frontend, Pull, Server, bodies, ext, on_both_frontends, send, send_to};

on_both_frontends!(
    killed_brokers_keep_what_was_flushed,
    stopped_brokers_keep_everything,
    committed_offsets_survive_a_stop,
    a_waiting_consumer_does_not_delay_the_stop,
    a_client_that_does_not_read_does_not_delay_the_stop,
);

/// All bodies of queue 0 of topic T.
fn stored(server: &Server) -> Vec<String> {
    let mut client = server.client();
    let mut all: Vec<String> = Vec::new();
    loop {
        let offset = i64::try_from(all.len()).unwrap_or(0);
        let answer = client.call(&Pull::from("T", offset).command());
        if answer.code != 0 {
            return all;
        }
        all.extend(bodies(&answer).iter().map(|body| String::from_utf8_lossy(body).into_owned()));
    }
}

fn killed_brokers_keep_what_was_flushed(frontend: Frontend) {
    let mut server = Server::broker(frontend, "");
    let mut sent = Vec::new();
    for round in 0..3 {
        let mut client = server.client();
        for number in 0..50 {
            let body = format!("{round}/{number}");
            client.must(&send("T", body.clone()));
            sent.push(body);
        }
        // More than one flush interval of the test configuration.
        std::thread::sleep(Duration::from_millis(300));
        server.kill();
        assert!(server.has("abort"));
        server.restart();
        assert_eq!(stored(&server), sent);
    }
}

fn stopped_brokers_keep_everything(frontend: Frontend) {
    let mut server = Server::broker(frontend, "");
    assert!(server.has("abort"), "a running broker says that it has not ended yet");
    let mut sent = Vec::new();
    for round in 0..3 {
        let mut client = server.client();
        for number in 0..50 {
            let body = format!("{round}/{number}");
            client.must(&send("T", body.clone()));
            sent.push(body);
        }
        let status = server.stop();
        assert_eq!(status.code(), Some(0));
        assert!(!server.has("abort"), "a clean end leaves no mark");
        server.restart();
        assert_eq!(stored(&server), sent);
    }
}

fn committed_offsets_survive_a_stop(frontend: Frontend) {
    let mut server = Server::broker(frontend, "");
    let mut client = server.client();
    for queue in 0..2 {
        for _ in 0..10 {
            client.must(&send_to("T", queue, "x"));
        }
    }
    // The first pull of a group makes it known.
    client.must(&Pull { group: "G", ..Pull::from("T", 0) }.command());
    let update = ext("consumerGroup=G topic=T queueId=0 commitOffset=7");
    client.must(&Command::request(request::UPDATE_CONSUMER_OFFSET, update));
    let pull = Pull { group: "G", queue: 1, commit: Some(4), ..Pull::from("T", 4) };
    client.must(&pull.command());
    let committed = |server: &Server, queue: i32| {
        let query = ext(&format!("consumerGroup=G topic=T queueId={queue}"));
        server.client().must(&Command::request(request::QUERY_CONSUMER_OFFSET, query)).ext_text("offset")
    };
    for _ in 0..2 {
        assert_eq!(committed(&server, 0).as_deref(), Some("7"));
        assert_eq!(committed(&server, 1).as_deref(), Some("4"));
        assert_eq!(server.stop().code(), Some(0));
        server.restart();
    }
}

fn a_waiting_consumer_does_not_delay_the_stop(frontend: Frontend) {
    let mut server = Server::broker(frontend, "");
    let mut client = server.client();
    client.must(&send("T", "x"));
    client.send(&Pull { suspend_ms: 20_000, ..Pull::from("T", 1) }.command());
    assert!(client.is_silent());
    assert_eq!(server.stop().code(), Some(0));
}

/// How much the sockets between take is not known, so that some attempts leave the server with the rest of an
/// answer and others with too much to go on reading.
fn a_client_that_does_not_read_does_not_delay_the_stop(frontend: Frontend) {
    let mut server = Server::broker(frontend, "");
    server.client().must(&send("T", vec![b'x'; 3 << 20]));
    for pulls in 1..=4 {
        let mut client = server.client();
        for _ in 0..pulls {
            client.send(&Pull { max: 1, ..Pull::from("T", 0) }.command());
        }
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(server.stop().code(), Some(0), "{pulls} pulls");
        assert!(!server.has("abort"));
        server.restart();
    }
}
