//! Containers that hold each other's replicas: one is killed under load, and comes back.

use std::time::{Duration, Instant};

use sansmq_core::wire::Command;
use sansmq_core::wire::code::request;
use sansmq_tests::containers::{Containers, broker_name, time_until};
use sansmq_tests::{Frontend, Writers, Written, eventually, ext, on_both_frontends, send};

on_both_frontends!(two_containers_survive_the_loss_of_one, three_containers_survive_the_loss_of_one);

const TOPIC: &str = "T";

fn two_containers_survive_the_loss_of_one(frontend: Frontend) {
    survive(frontend, 2);
}

fn three_containers_survive_the_loss_of_one(frontend: Frontend) {
    survive(frontend, 3);
}

fn survive(frontend: Frontend, replicas: usize) {
    let mut all = Containers::start(frontend, replicas, "registerNameServerPeriod=10000\n", "");
    let masters: Vec<String> = (0..replicas).map(|broker| all.addr(broker, broker)).collect();
    for master in &masters {
        let mut client = connect(master);
        eventually(30, "a message is acknowledged", || client.call(&send(TOPIC, "first")).code == 0);
    }
    eventually(40, "all replicas are in the route", || all.is_whole(TOPIC));
    eventually(40, "all replicas have everything", || all.is_level(TOPIC));
    let writers = Writers::start(&masters, TOPIC, Duration::from_millis(2));
    std::thread::sleep(Duration::from_millis(500));

    let killed = Instant::now();
    all.containers[0].kill();
    let before: Vec<Written> = writers.written().into_iter().filter(|one| one.received < killed).collect();
    assert!((0..replicas).all(|broker| before.iter().any(|one| one.broker == broker)), "writers write");
    let gone: Vec<String> = (0..replicas).map(|broker| all.addr(broker, 0)).collect();
    let left = time_until(killed, Duration::from_secs(20), || {
        let registered = all.registered();
        gone.iter().all(|addr| !registered.contains(addr))
    });
    let read = time_until(killed, Duration::from_secs(20), || missing(&all, &before).is_empty());
    let on = time_until(killed, Duration::from_secs(20), || {
        let written = writers.written();
        (1..replicas).all(|broker| written.iter().any(|one| one.broker == broker && one.sent > killed))
    });
    eprintln!("{replicas} containers: brokers off the route {left:?}, all readable {read:?}, writes {on:?}");
    assert!(read.is_some(), "never readable: {:?}", missing(&all, &before).first());
    assert!(left < Some(Duration::from_secs(1)) && left.is_some(), "brokers stay in the route: {left:?}");
    assert!(read < Some(Duration::from_secs(5)), "messages stay unreadable: {read:?}");
    assert!(on.is_some() && on < Some(Duration::from_secs(5)), "writes do not go on: {on:?}");
    let name = broker_name(0);
    eventually(10, "the lost master's queues can only be read", || {
        all.route(TOPIC).queue_datas.iter().any(|queue| queue.broker_name == name && queue.perm == 4)
    });

    all.containers[0].restart();
    eventually(40, "all replicas are in the route again", || all.is_whole(TOPIC));
    let back = Instant::now();
    eventually(20, "the master that came back is written to", || {
        writers.written().iter().any(|one| one.broker == 0 && one.sent > back)
    });
    let written = writers.end();
    eventually(40, "all replicas have everything again", || all.is_level(TOPIC));
    let lost = missing(&all, &written);
    assert!(lost.is_empty(), "{} of {} are lost, {:?} first", lost.len(), written.len(), lost[0]);
}

fn connect(addr: &str) -> sansmq_tests::Client {
    eventually(20, "the broker listens", || std::net::TcpStream::connect(addr).is_ok());
    let mut client = sansmq_tests::Client::connect(addr);
    client.must(&Command::request(request::GET_BROKER_RUNTIME_INFO, ext("")));
    client
}

/// What was acknowledged and cannot be read where it should be, by a consumer that follows the route.
fn missing(all: &Containers, written: &[Written]) -> Vec<Written> {
    let brokers = 0..all.ports.len();
    let queues: Vec<Vec<_>> =
        brokers.map(|broker| (0..4).map(|queue| all.read(TOPIC, broker, queue)).collect()).collect();
    let there = |one: &&Written| {
        let queue = usize::try_from(one.queue).unwrap_or(0);
        queues[one.broker][queue].get(&one.offset) == Some(&one.body)
    };
    written.iter().filter(|one| !there(one)).cloned().collect()
}
