//! Faults against three controllers and three brokers under load; nothing acknowledged may be lost, and never
//! may two brokers acknowledge at a time.
//!
//!     cargo run --release -p sansmq-tests --bin failover -- [--rounds 20] [--frontend mio|async]
//!         [--fault master,controller,both,hang,designate,minority,majority,controllers,latency,partition]
//!         [--bin-dir DIR] [--port PORT] [--min-in-sync 2]
//!         [--java-jars DIR [--java-clients no] [--controllers java] [--brokers java|ours,java,ours]]
//!
//! With `--java-jars`, a Java producer and a Java consumer live through all rounds as well. `--brokers` takes one kind or
//! three; of brokers of both kinds one of ours is made master before every other round, and one of Java's before the
//! others. Without `--bin-dir` the servers are built. `partition` needs root. Prints each round's times and a tally; the
//! exit status is 0 only if nothing was lost, moved or doubled, no two masters acknowledged, and the replicas' logs are
//! equal; what is left of a failed run is kept.

mod cluster;
mod fault;
mod inquiry;
mod java;
mod latency;
mod load;
mod net;
mod tally;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sansmq_tests::Frontend;

use cluster::{Cluster, Make, PORTS};
use fault::{Fault, strike};
use inquiry::{designate, replicas, wait_in_sync};
use java::JavaClients;
use load::Load;
use net::Net;
use tally::Tally;

/// Longer than the reference needs: its dispatcher does not stop while the log goes on behind the confirm offset (it looks
/// only once whether there is anything to do), and a slave that has to truncate its log waits 90 s for it to stop.
const LIMIT: Duration = Duration::from_secs(150);
/// Acknowledgements count only when every in-sync replica has the message.
const SAFE: &str = "allAckInSyncStateSet=true\nminInSyncReplicas=";

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let value = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1)).cloned();
    let rounds: u32 = value("--rounds").and_then(|text| text.parse().ok()).unwrap_or(20);
    let frontend = match value("--frontend").as_deref() {
        Some("async") => Frontend::AsyncStd,
        _ => Frontend::Mio,
    };
    let program = match value("--bin-dir") {
        Some(folder) => Path::new(&folder).join(frontend.program()),
        None => frontend.binary(),
    };
    let make = |kind: &str| match (kind, value("--java-jars")) {
        ("java", Some(jars)) => Make::Java(jars.into()),
        ("java", None) => stop("java servers need --java-jars DIR"),
        ("ours", _) => Make::Ours(program.clone()),
        _ => stop(&format!("{kind} is no kind of servers: expected ours or java")),
    };
    let controllers = make(value("--controllers").as_deref().unwrap_or("ours"));
    let kinds = value("--brokers").unwrap_or_else(|| "ours".to_owned());
    let makes: Vec<Make> = kinds.split(',').map(make).collect();
    let brokers = match <[Make; 3]>::try_from(makes) {
        Ok(three) => three,
        Err(one) if one.len() == 1 => std::array::from_fn(|_| one[0].clone()),
        Err(_) => stop(&format!("--brokers {kinds}: expected one kind or three")),
    };
    let names = value("--fault").unwrap_or_else(|| "master,controller,both,hang".to_owned());
    let faults: Vec<Fault> =
        names.split(',').map(|name| Fault::from_name(name).unwrap_or_else(|why| stop(&why))).collect();
    let base: u16 = value("--port").and_then(|text| text.parse().ok()).unwrap_or_else(free_base);
    if base.saturating_add(PORTS) > first_ephemeral_port() {
        // A client that knocks at a dead server's port could be given just that one.
        stop(&format!(
            "--port {base}: ports up to {} are handed out to clients here",
            base.saturating_add(PORTS)
        ));
    }
    let config = format!("{SAFE}{}\n", value("--min-in-sync").unwrap_or_else(|| "2".to_owned()));
    let jars = value("--java-jars").map(PathBuf::from);
    let jars = jars.filter(|_| value("--java-clients").as_deref() != Some("no"));
    // Links are cut on a network of its own; all other faults are survived by one and the same cluster.
    let (cutting, others): (Vec<Fault>, Vec<Fault>) =
        faults.iter().partition(|fault| **fault == Fault::Partition);
    let mut bad = false;
    for faults in [others, cutting].into_iter().filter(|faults| !faults.is_empty()) {
        let net = (faults[0] == Fault::Partition).then(|| Net::build(6).unwrap_or_else(|why| stop(&why)));
        let mut cluster = Cluster::new(&controllers, &brokers, base, &config, net.as_ref());
        start(&mut cluster);
        for fault in faults {
            let tally = run(fault, rounds, &mut cluster, net.as_ref(), jars.as_deref());
            println!("{fault}: {tally}");
            bad |= tally.is_bad();
        }
        if bad {
            cluster.folder.keep();
        }
    }
    std::process::exit(i32::from(bad));
}

/// Ports nobody uses, below those that clients are given.
fn free_base() -> u16 {
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let bases = (0..60).map(|n| 12_000 + u16::try_from((std::process::id() + n) % 120).unwrap_or(0) * PORTS);
    let found = bases.into_iter().find(|base| (*base..*base + PORTS).all(|port| free(&port)));
    found.unwrap_or_else(|| stop("no ports are free; give some with --port"))
}

/// Where the ports begin that the system gives to whoever connects.
fn first_ephemeral_port() -> u16 {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    range.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(32_768)
}

fn stop(why: &str) -> ! {
    eprintln!("{why}");
    std::process::exit(2)
}

fn start(cluster: &mut Cluster) {
    cluster.controllers.iter_mut().for_each(cluster::Process::start);
    cluster.controllers.iter().for_each(|process| process.wait_up(120));
    cluster.brokers.iter_mut().for_each(cluster::Process::start);
    cluster.brokers.iter().for_each(|process| process.wait_up(120));
    assert!(
        wait_in_sync(&cluster.addresses, None, 3, Instant::now(), LIMIT).is_some(),
        "the replicas do not get in sync"
    );
}

fn run(fault: Fault, rounds: u32, cluster: &mut Cluster, net: Option<&Net>, jars: Option<&Path>) -> Tally {
    if fault == Fault::Latency {
        latency::measure(rounds, cluster);
        return Tally::default();
    }
    let mut java = jars.map(|jars| JavaClients::start(jars, cluster));
    let mut tally = Tally::default();
    let mixed = cluster.brokers.iter().any(|broker| broker.kind != cluster.brokers[0].kind);
    for round in 0..rounds {
        if mixed {
            choose_master(cluster, ["ours", "java"][round as usize % 2]);
        }
        let load = Load::start(&cluster.addresses.brokers);
        let started = Instant::now();
        assert!(load.wait_for(LIMIT, |ack| ack.sent > started).is_some(), "no message gets through");
        // Another moment in each round.
        std::thread::sleep(Duration::from_millis(300 + u64::from(round) * 37 % 200));
        let before = master_kind(cluster);
        let times = strike(fault, round, cluster, net, &load);
        let acks = load.stop();
        if let Some(java) = &mut java {
            java.pause();
        }
        tally.check(cluster, &acks, &times);
        if let Some(java) = &mut java {
            java.resume();
        }
        let masters = if mixed { format!(" ({before} to {})", master_kind(cluster)) } else { String::new() };
        println!("{fault} {}{masters}: {} acknowledged, {times}", round + 1, acks.len());
    }
    tally.check_all(cluster);
    tally.java_clients_lost = java.is_some_and(|clients| !clients.finish());
    tally
}

fn master_kind(cluster: &Cluster) -> &'static str {
    replicas(&cluster.addresses).map_or("none", |(master, _)| cluster.brokers[master].kind)
}

/// Has a broker of this kind elected, and waits until all replicas follow it.
fn choose_master(cluster: &Cluster, kind: &str) {
    let wanted = cluster.brokers.iter().position(|broker| broker.kind == kind).expect("there are both kinds");
    let end = Instant::now() + LIMIT;
    while master_kind(cluster) != kind {
        assert!(Instant::now() < end, "no broker of {kind} becomes master");
        // Refused while it is not in sync.
        let _ = designate(&cluster.addresses, wanted);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(
        wait_in_sync(&cluster.addresses, None, 3, Instant::now(), LIMIT).is_some(),
        "the replicas do not follow a master of {kind}"
    );
}
