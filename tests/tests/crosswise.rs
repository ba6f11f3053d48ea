//! Containers that hold each other's replicas: one is killed under load, and comes back.

use std::time::Duration;

use sansmq_tests::containers::{Containers, broker_name};
use sansmq_tests::{Frontend, Writers, eventually, on_both_frontends};

on_both_frontends!(two_containers_survive_the_loss_of_one, three_containers_survive_the_loss_of_one);

fn two_containers_survive_the_loss_of_one(frontend: Frontend) {
    survive(frontend, 2, "");
}

fn three_containers_survive_the_loss_of_one(frontend: Frontend) {
    survive(frontend, 3, "brokerOwnsLoop=true\n");
}

/// `container` are further lines of the containers' files.
fn survive(frontend: Frontend, replicas: usize, container: &str) {
    let mut all = Containers::start(frontend, replicas, "", container);
    all.wait_until_level();
    let writers = Writers::start(&all.masters(), Duration::from_millis(2));
    std::thread::sleep(Duration::from_millis(500));
    let loss = all.lose(0, &writers);
    eprintln!("{replicas} containers: {loss:?}");
    assert!(loss.is_short(), "{loss:?}");
    let name = broker_name(0);
    eventually(10, "the lost master's queues can only be read", || {
        all.route().queue_datas.iter().any(|queue| queue.broker_name == name && queue.perm == 4)
    });
    all.bring_back(0, &writers);
    let written = writers.end();
    eventually(40, "all replicas have everything again", || all.is_level());
    let lost = all.missing(&written);
    assert!(lost.is_empty(), "{} of {} are lost, {:?} first", lost.len(), written.len(), lost[0]);
}
