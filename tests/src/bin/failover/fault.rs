//! What is done to the servers, and how the recovery is watched.

use core::fmt;
use std::time::{Duration, Instant};

use crate::LIMIT;
use crate::cluster::{Cluster, Process};
use crate::inquiry::{designate, leader_soon, replicas_soon, wait_in_sync};
use crate::load::{Ack, Load};
use crate::net::Net;
use crate::tally::Times;

/// So long after a fault without switch-over messages still have to be acknowledged: longer than any lease.
const GOES_ON: Duration = Duration::from_millis(2_500);
/// So long nobody may take the place of a master that dies when most controllers are down: longer than it takes to find
/// a hung one dead.
const NOBODY: Duration = Duration::from_millis(4_500);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// kill -9 of the master.
    Master,
    /// kill -9 of the leading controller.
    Controller,
    /// Both at once.
    Both,
    /// SIGSTOP of the master.
    Hang,
    /// An operator hands the mastership over.
    Designate,
    /// A controller that does not lead is down; then the master dies.
    Minority,
    /// Two controllers die: no switch-over, sending goes on; then the master dies: nobody takes its place until one
    /// of the two is back.
    Majority,
    /// All controllers die: sending goes on; they come back with what they knew.
    Controllers,
    /// No fault: times of sends that every member has.
    Latency,
    /// The master is cut off, both ways, one way, the other way.
    Partition,
}

const NAMES: [(&str, Fault); 10] = [
    ("master", Fault::Master),
    ("controller", Fault::Controller),
    ("both", Fault::Both),
    ("hang", Fault::Hang),
    ("designate", Fault::Designate),
    ("minority", Fault::Minority),
    ("majority", Fault::Majority),
    ("controllers", Fault::Controllers),
    ("latency", Fault::Latency),
    ("partition", Fault::Partition),
];

impl Fault {
    pub fn from_name(name: &str) -> Result<Self, String> {
        let found = NAMES.iter().find(|entry| entry.0 == name).map(|entry| entry.1);
        let known = NAMES.map(|entry| entry.0).join(", ");
        found.ok_or_else(|| format!("--fault {name}: expected some of {known}"))
    }

    /// Whether another broker becomes master at once.
    fn moves(self) -> bool {
        !matches!(self, Fault::Controller | Fault::Majority | Fault::Controllers | Fault::Latency)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAMES.iter().find(|entry| entry.1 == *self).map_or("", |entry| entry.0))
    }
}

/// Does the harm, waits for the recovery, repairs, and waits for all replicas.
pub fn strike(fault: Fault, round: u32, cluster: &mut Cluster, net: Option<&Net>, load: &Load) -> Times {
    let (master, _) = replicas_soon(&cluster.addresses).expect("a leading controller knows the master");
    let lead = leader_soon(&cluster.addresses).expect("a controller leads");
    let follower = (lead + 1 + round as usize % 2) % 3;
    let down: Vec<usize> = match fault {
        Fault::Controller | Fault::Both => vec![lead],
        Fault::Minority => vec![follower],
        Fault::Majority => vec![lead, follower],
        Fault::Controllers => vec![0, 1, 2],
        _ => Vec::new(),
    };
    let mut times = Times { needs_in_sync: fault.moves(), ..Times::default() };
    if fault == Fault::Minority {
        // Known to be down, before the master is.
        down.iter().for_each(|controller| cluster.controllers[*controller].kill());
        std::thread::sleep(Duration::from_millis(500));
    }
    let struck = Instant::now();
    down.iter().for_each(|controller| cluster.controllers[*controller].kill());
    match fault {
        Fault::Master | Fault::Both | Fault::Minority => cluster.brokers[master].kill(),
        Fault::Hang => cluster.brokers[master].signal(libc::SIGSTOP),
        Fault::Designate => {
            let successor = (master + 1 + round as usize % 2) % 3;
            // The answer comes when the successor is master, or with the reason why it is not.
            while designate(&cluster.addresses, successor).is_none() && struck.elapsed() < LIMIT {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Fault::Partition => part(net.expect("built for this fault"), master, round, Net::cut),
        Fault::Controller | Fault::Majority | Fault::Controllers | Fault::Latency => {}
    }
    let by_another = |ack: &Ack| ack.sent > struck && ack.broker != master;
    let next = match fault.moves() {
        true => load.wait_for(LIMIT, by_another),
        false => load.wait_for(LIMIT, |ack| ack.sent > struck),
    };
    times.outage = next.map(|ack| ack.received - struck);
    match fault {
        Fault::Controllers | Fault::Majority => {
            let later = load.wait_for(LIMIT, |ack| ack.sent > struck + GOES_ON && ack.broker == master);
            times.stopped = later.is_none_or(|ack| ack.received - struck > GOES_ON + Duration::from_secs(1));
        }
        _ if fault.moves() => {
            times.in_sync = wait_in_sync(&cluster.addresses, Some(master), 2, struck, LIMIT)
        }
        _ => {}
    }
    if fault == Fault::Majority {
        cluster.brokers[master].kill();
        let died = Instant::now();
        times.without_majority =
            load.wait_for(NOBODY, |ack| ack.sent > died && ack.broker != master).is_some();
        let back = Instant::now();
        cluster.controllers[lead].start();
        let next = load.wait_for(LIMIT, |ack| ack.sent > back && ack.broker != master);
        times.in_sync = next.map(|ack| ack.received - back);
        times.needs_in_sync = true;
    }
    // A while for a wrong master to show itself.
    std::thread::sleep(Duration::from_millis(500));
    let repaired = Instant::now();
    for controller in down {
        if !cluster.controllers[controller].runs() {
            cluster.controllers[controller].start();
        }
    }
    match fault {
        Fault::Hang => cluster.brokers[master].signal(libc::SIGCONT),
        Fault::Partition => part(net.expect("built for this fault"), master, round, Net::join),
        _ if !cluster.brokers[master].runs() => cluster.brokers[master].start(),
        _ => {}
    }
    times.whole = wait_in_sync(&cluster.addresses, None, 3, repaired, LIMIT);
    if fault == Fault::Controllers {
        // From their log, not from an election: nobody had a reason for one.
        times.forgotten = replicas_soon(&cluster.addresses).is_none_or(|(now, _)| now != master);
    }
    assert!(cluster.brokers.iter_mut().all(Process::runs), "a broker has ended by itself");
    assert!(cluster.controllers.iter_mut().all(Process::runs), "a controller has ended by itself");
    times
}

/// Cuts the links of a broker, or joins them: by turns both ways, what it hears, what it says.
fn part(net: &Net, broker: usize, round: u32, link: fn(&Net, usize, usize)) {
    let cut_off = 4 + broker;
    for other in (1..=6).filter(|host| *host != cut_off) {
        if round % 3 != 1 {
            link(net, cut_off, other);
        }
        if round % 3 != 2 {
            link(net, other, cut_off);
        }
    }
}
