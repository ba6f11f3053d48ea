//! What the controllers and brokers say of themselves.

use std::time::{Duration, Instant};

use bytes::Bytes;
use sansmq_core::message::record;
use sansmq_core::wire::code::{request, response};
use sansmq_core::wire::{Command, Ext};
use sansmq_tests::{Client, Got, Pull};

use crate::cluster::{Addresses, BROKER_NAME};
use crate::load::TOPIC;

const PATIENCE: Duration = Duration::from_millis(500);

/// One question; `None` when there is no answer in time.
pub fn ask(addr: &str, command: &Command) -> Option<Command> {
    let mut client = Client::try_connect(addr, PATIENCE).ok()?;
    client.send(command);
    match client.wait(PATIENCE) {
        Got::Frame(answer) => Some(*answer),
        Got::Closed | Got::Silence => None,
    }
}

/// Which controller leads, by the word of one that answers.
pub fn leader(addresses: &Addresses) -> Option<usize> {
    addresses.controllers.iter().position(|addr| {
        let answer = ask(addr, &Command::request(request::CONTROLLER_GET_METADATA_INFO, Ext::new()));
        answer.is_some_and(|answer| answer.ext_text("isLeader").as_deref() == Some("true"))
    })
}

/// The same, with patience: a leader may be in doubt for a moment.
pub fn leader_soon(addresses: &Addresses) -> Option<usize> {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let known = leader(addresses);
        if known.is_some() || Instant::now() > end {
            return known;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What this controller, which leads, knows of the brokers.
fn replicas_info(controller: &str) -> Option<serde_json::Value> {
    let command = Command::request(request::CONTROLLER_GET_SYNC_STATE_DATA, Ext::new());
    let body = Bytes::from(format!("[\"{BROKER_NAME}\"]"));
    let answer = ask(controller, &command.with_body(body))?;
    let mut tree: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
    Some(tree["replicasInfoTable"][BROKER_NAME].take())
}

/// Asks for this broker, of the in-sync set, as master; `None` when it was refused, or there was no answer yet: a
/// controller waits for the lease of the old master to end.
pub fn designate(addresses: &Addresses, broker: usize) -> Option<()> {
    let controller = &addresses.controllers[leader(addresses)?];
    let info = replicas_info(controller)?;
    let members = info["inSyncReplicas"].as_array()?.iter();
    let mut wanted = members.filter(|one| one["brokerAddress"] == addresses.brokers[broker].as_str());
    let id = wanted.next()?["brokerId"].as_i64()?;
    let ext = Ext::new()
        .with("clusterName", "DefaultCluster")
        .with("brokerName", BROKER_NAME)
        .with("brokerId", id)
        .with("designateElect", true);
    let answer = ask(controller, &Command::request(request::CONTROLLER_ELECT_MASTER, ext))?;
    [response::SUCCESS, response::CONTROLLER_MASTER_STILL_EXIST].contains(&answer.code).then_some(())
}

/// The master's index and the members of the in-sync set, as the leading controller has them.
pub fn replicas(addresses: &Addresses) -> Option<(usize, usize)> {
    let leader = leader(addresses)?;
    let info = replicas_info(&addresses.controllers[leader])?;
    let master = info["masterAddress"].as_str()?;
    let master = addresses.brokers.iter().position(|addr| addr == master)?;
    let alive = info["inSyncReplicas"].as_array()?.iter().filter(|one| one["alive"].as_bool() == Some(true));
    Some((master, alive.count()))
}

/// The same, with patience: on a busy machine an answer may be late, or a leader in doubt for a moment.
pub fn replicas_soon(addresses: &Addresses) -> Option<(usize, usize)> {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let known = replicas(addresses);
        if known.is_some() || Instant::now() > end {
            return known;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until the in-sync set has at least this many living members, under another master than `not`; the time that took
/// since `since`.
pub fn wait_in_sync(
    addresses: &Addresses,
    not: Option<usize>,
    members: usize,
    since: Instant,
    limit: Duration,
) -> Option<Duration> {
    let end = Instant::now() + limit;
    while Instant::now() < end {
        if replicas(addresses).is_some_and(|(master, alive)| alive >= members && Some(master) != not) {
            return Some(since.elapsed());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    None
}

/// Where a broker's log ends.
pub fn log_end(addr: &str) -> Option<u64> {
    let answer = ask(addr, &Command::request(request::GET_BROKER_EPOCH_CACHE, Ext::new()))?;
    let tree: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
    tree["maxOffset"].as_u64()
}

/// The bodies of a queue from an offset on, as this broker gives them.
pub fn read_queue(addr: &str, queue: i32, from: i64) -> Vec<(i64, String)> {
    let mut next = from;
    let mut found = Vec::new();
    let Ok(mut client) = Client::try_connect(addr, PATIENCE) else {
        return found;
    };
    loop {
        client.send(&Pull { queue, ..Pull::from(TOPIC, next) }.command());
        let Got::Frame(answer) = client.wait(Duration::from_secs(5)) else {
            return found;
        };
        if answer.code != 0 {
            return found;
        }
        let mut rest = &answer.body[..];
        while let Ok(message) = record::decode(rest) {
            found.push((message.queue_offset, String::from_utf8_lossy(message.body).into_owned()));
            next = message.queue_offset + 1;
            rest = &rest[message.total_size..];
        }
    }
}
