//! Sending and pulling through raw frames.

use std::time::{Duration, Instant};

use sansmq_core::body::TopicRouteData;
use sansmq_core::json;
use sansmq_core::wire::code::{request, response};
use sansmq_core::wire::{Command, Encoding};
use sansmq_tests::{Frontend, Pull, Server, bodies, eventually, ext, on_both_frontends, send, send_to};

on_both_frontends!(
    what_is_sent_is_pulled,
    large_messages_arrive_whole,
    a_waiting_pull_is_answered_by_the_next_message,
    a_waiting_pull_ends_when_its_time_is_up,
    brokers_register_by_host_name,
    half_closed_connections_are_closed,
);

fn what_is_sent_is_pulled(frontend: Frontend) {
    let server = Server::broker(frontend, "");
    let (mut producer, mut consumer) = (server.client(), server.client());
    producer.must(&send("T", "message 0"));
    // The rest at once.
    let sent: Vec<String> = (0..100).map(|number| format!("message {number}")).collect();
    let opaques: Vec<i32> = sent[1..].iter().map(|body| producer.send(&send("T", body.clone()))).collect();
    for (offset, opaque) in (1..).zip(opaques) {
        let answer = producer.receive();
        assert_eq!((answer.code, answer.opaque), (0, opaque), "{answer:?}");
        assert_eq!(answer.ext_text("queueOffset"), Some(i32::to_string(&offset)));
    }
    let mut pulled = Vec::new();
    while pulled.len() < sent.len() {
        let offset = i64::try_from(pulled.len()).unwrap_or(0);
        let encoding = if offset == 0 { Encoding::Json } else { Encoding::RocketMq };
        consumer.send_as(&Pull::from("T", offset).command(), encoding);
        let answer = consumer.receive();
        assert_eq!(answer.code, 0, "{answer:?}");
        pulled.extend(bodies(&answer).into_iter().map(|body| String::from_utf8_lossy(&body).into_owned()));
    }
    assert_eq!(pulled, sent);
    assert_eq!(consumer.call(&Pull::from("T", 100).command()).code, response::PULL_NOT_FOUND);
}

fn large_messages_arrive_whole(frontend: Frontend) {
    let server = Server::broker(frontend, "");
    let mut client = server.client();
    let body: Vec<u8> = (0..3_000_000u32).map(|number| (number / 7 % 251) as u8).collect();
    for _ in 0..4 {
        client.must(&send("T", body.clone()));
    }
    let answer = client.must(&Pull::from("T", 0).command());
    let bodies = bodies(&answer);
    assert!(bodies.len() > 1 && bodies.iter().all(|pulled| *pulled == body), "{}", bodies.len());
}

fn a_waiting_pull_is_answered_by_the_next_message(frontend: Frontend) {
    let server = Server::broker(frontend, "");
    let (mut producer, mut consumer) = (server.client(), server.client());
    producer.must(&send("T", "first"));
    let waiting = Pull { suspend_ms: 10_000, ..Pull::from("T", 1) };
    let begun = Instant::now();
    consumer.send(&waiting.command());
    assert!(consumer.is_silent());
    producer.must(&send_to("T", 1, "another queue wakes nobody"));
    assert!(consumer.is_silent());
    producer.must(&send("T", "second"));
    assert_eq!(bodies(&consumer.receive())[0], b"second");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

fn a_waiting_pull_ends_when_its_time_is_up(frontend: Frontend) {
    let server = Server::broker(frontend, "");
    let mut client = server.client();
    client.must(&send("T", "first"));
    let begun = Instant::now();
    let answer = client.call(&Pull { suspend_ms: 700, ..Pull::from("T", 1) }.command());
    assert_eq!(answer.code, response::PULL_NOT_FOUND);
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(600) && took < Duration::from_secs(6), "{took:?}");
}

/// The broker looks its NameServer's name up, dials, and comes back after the NameServer was away.
fn brokers_register_by_host_name(frontend: Frontend) {
    let mut namesrv = Server::namesrv(frontend);
    let broker = Server::broker(frontend, &format!("namesrvAddr=localhost:{}\n", namesrv.port));
    broker.client().must(&send("T", "x"));
    let wanted = Command::request(request::GET_ROUTEINFO_BY_TOPIC, ext("topic=T"));
    for _ in 0..2 {
        let mut client = namesrv.client();
        eventually(10, "the topic has a route", || client.call(&wanted).code == 0);
        let route: TopicRouteData =
            json::from_slice(&client.must(&wanted).body).expect("routes are well-formed");
        let addr =
            route.broker_datas.first().and_then(|broker| broker.first()).map(|(_, addr)| addr.to_owned());
        assert_eq!(addr, Some(broker.addr()));
        namesrv.restart();
    }
}

/// Data and the end of the stream may arrive as one event; the end must not be missed.
fn half_closed_connections_are_closed(frontend: Frontend) {
    let server = Server::namesrv(frontend);
    let request = Command::request(request::GET_BROKER_CLUSTER_INFO, ext(""));
    for _ in 0..200 {
        let mut client = server.client();
        client.send(&request.clone().oneway());
        client.stream.shutdown(std::net::Shutdown::Write).expect("the connection stands");
        assert!(client.is_closed());
    }
}
