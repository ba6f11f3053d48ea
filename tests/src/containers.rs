//! Containers across which brokers and their replicas are spread: container `n` has the master of broker `n` and a
//! slave of every other, as in the reference's `conf/container`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sansmq_core::body::{ClusterInfo, TopicRouteData};
use sansmq_core::json;
use sansmq_core::message::record;
use sansmq_core::wire::code::{request, response};
use sansmq_core::wire::{Command, Ext};

use crate::{
    Client, Folder, Frontend, Got, Pull, Server, Writers, Written, eventually, ext, free_ports, send,
};

/// What is written and read.
pub const TOPIC: &str = "T";
const PATIENCE: Duration = Duration::from_millis(500);
/// Longer than anything may take.
const LIMIT: Duration = Duration::from_secs(20);

/// A NameServer and as many containers as brokers have replicas.
pub struct Containers {
    pub namesrv: Server,
    /// Killed ones stay, to be started again.
    pub containers: Vec<Server>,
    /// Ports by broker, then by container.
    pub ports: Vec<Vec<u16>>,
    /// Last, so that it goes after the processes that write into it.
    pub folder: Folder,
}

/// What the loss of a container meant to others: how long after it something held; `None` for never.
#[derive(Clone, Copy, Debug)]
pub struct Loss {
    /// None of its brokers is in a route any more.
    pub routes: Option<Duration>,
    /// All that was acknowledged before can be read.
    pub readable: Option<Duration>,
    /// The masters of all other containers acknowledge what was sent afterwards.
    pub writes: Option<Duration>,
}

impl Loss {
    /// Whether the routes took less than 1 s, reading and writing less than 5 s each.
    #[must_use]
    pub fn is_short(&self) -> bool {
        let within = |time: Option<Duration>, seconds| time.is_some_and(|time| time.as_secs() < seconds);
        within(self.routes, 1) && within(self.readable, 5) && within(self.writes, 5)
    }
}

/// The name of a broker.
#[must_use]
pub fn broker_name(broker: usize) -> String {
    format!("broker-{}", char::from(b'a' + u8::try_from(broker).unwrap_or(0)))
}

impl Containers {
    /// Starts all of them; `more` goes into each broker's file, `container` into each container's.
    #[must_use]
    pub fn start(frontend: Frontend, replicas: usize, more: &str, container: &str) -> Self {
        let folder = Folder::new();
        let conf = "bindAddress=127.0.0.1\nsupportActingMaster=true\n";
        let namesrv = Server::start(frontend, "namesrv", conf, &[]);
        let ports = || (0..replicas).map(|_| free_ports()).collect();
        let ports = (0..replicas).map(|_| ports()).collect();
        let mut all = Containers { namesrv, containers: Vec::new(), ports, folder };
        for at in 0..replicas {
            let files: Vec<String> =
                (0..replicas).map(|broker| all.broker_file(broker, at, replicas, more)).collect();
            let text = format!(
                "bindAddress=127.0.0.1\nnamesrvAddr={}\nfetchNamesrvAddrByAddressServer=false\n\
                 brokerConfigPaths={}\n{container}",
                all.namesrv.addr(),
                files.join(":")
            );
            all.containers.push(Server::start(frontend, "container", &text, &[]));
        }
        all
    }

    /// As `conf/container/2container-2m-2s` has it, with small files.
    fn broker_file(&self, broker: usize, at: usize, replicas: usize, more: &str) -> String {
        let (name, port) = (broker_name(broker), self.ports[broker][at]);
        // Slaves are numbered in the order of the containers that follow the master's.
        let (id, role) = match (at + replicas - broker) % replicas {
            0 => (0, "SYNC_MASTER"),
            id => (id, "SLAVE"),
        };
        let root = self.folder.join(&format!("{name}-{at}"));
        let text = format!(
            "brokerClusterName=DefaultCluster\nbrokerName={name}\nbrokerId={id}\nbrokerRole={role}\n\
             deleteWhen=04\nfileReservedTime=48\nflushDiskType=ASYNC_FLUSH\nlistenPort={port}\n\
             brokerIP1=127.0.0.1\nbrokerIP2=127.0.0.1\nstorePathRootDir={root}\n\
             storePathCommitLog={root}/commitlog\ntotalReplicas={replicas}\ninSyncReplicas={replicas}\n\
             minInSyncReplicas=1\nenableAutoInSyncReplicas=true\nslaveReadEnable=true\n\
             brokerHeartbeatInterval=1000\nbrokerNotActiveTimeoutMillis=5000\n\
             sendHeartbeatTimeoutMillis=1000\nenableSlaveActingMaster=true\n\
             mappedFileSizeCommitLog=16777216\nmappedFileSizeConsumeQueue=60000\nmaxHashSlotNum=1000\n\
             maxIndexNum=5000\nregisterNameServerPeriod=10000\n{more}"
        );
        self.folder.write(&format!("{name}-in-container{at}.conf"), &text)
    }

    /// The address of a broker's replica in a container.
    #[must_use]
    pub fn addr(&self, broker: usize, at: usize) -> String {
        format!("127.0.0.1:{}", self.ports[broker][at])
    }

    /// The addresses of all masters, by broker.
    #[must_use]
    pub fn masters(&self) -> Vec<String> {
        (0..self.ports.len()).map(|broker| self.addr(broker, broker)).collect()
    }

    /// Makes the topic, and waits until all replicas know it and each other.
    pub fn wait_until_level(&self) {
        for addr in self.masters() {
            eventually(30, "a message is acknowledged", || {
                let Ok(mut client) = Client::try_connect(&addr, PATIENCE) else { return false };
                client.send(&send(TOPIC, "first"));
                matches!(client.wait(Duration::from_secs(5)), Got::Frame(answer) if answer.code == 0)
            });
        }
        eventually(60, "all replicas are in the route", || self.is_whole());
        eventually(60, "all replicas have everything", || self.is_level());
    }

    /// Kills a container while these write.
    pub fn lose(&mut self, at: usize, writers: &Writers) -> Loss {
        let killed = Instant::now();
        self.containers[at].kill();
        let before: Vec<Written> =
            writers.written().into_iter().filter(|one| one.received < killed).collect();
        let brokers = 0..self.ports.len();
        let wrote = |broker: usize| before.iter().any(|one| one.broker == broker);
        assert!(brokers.clone().all(wrote), "writers write");
        let gone: Vec<String> = brokers.clone().map(|broker| self.addr(broker, at)).collect();
        let routes = time_until(killed, || {
            let registered = self.registered();
            gone.iter().all(|addr| !registered.contains(addr))
        });
        let readable = time_until(killed, || self.missing(&before).is_empty());
        let writes = time_until(killed, || {
            let written = writers.written();
            let on = |broker: usize| written.iter().any(|one| one.broker == broker && one.sent > killed);
            brokers.clone().filter(|broker| *broker != at).all(on)
        });
        Loss { routes, readable, writes }
    }

    /// Starts a container again, and waits until its master is written to.
    pub fn bring_back(&mut self, at: usize, writers: &Writers) {
        self.containers[at].restart();
        eventually(60, "all replicas are in the route again", || self.is_whole());
        let back = Instant::now();
        eventually(20, "the master that came back is written to", || {
            writers.written().iter().any(|one| one.broker == at && one.sent > back)
        });
    }

    /// Where clients learn the topic's queues are.
    #[must_use]
    pub fn route(&self) -> TopicRouteData {
        let ask = Command::request(request::GET_ROUTEINFO_BY_TOPIC, Ext::new().with("topic", TOPIC));
        json::from_slice(&self.namesrv.client().call(&ask).body).unwrap_or_default()
    }

    /// All addresses the NameServer knows.
    fn registered(&self) -> Vec<String> {
        let ask = Command::request(request::GET_BROKER_CLUSTER_INFO, ext(""));
        let info: ClusterInfo = json::from_slice(&self.namesrv.client().must(&ask).body).unwrap_or_default();
        info.brokers.into_values().flat_map(|broker| broker.broker_addrs.into_values()).collect()
    }

    /// Whether all replicas are in the route, and each broker can be written to.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let (route, replicas) = (self.route(), self.ports.len());
        route.broker_datas.len() == replicas
            && route.broker_datas.iter().all(|broker| broker.broker_addrs.len() == replicas)
            && route.queue_datas.len() == replicas
            && route.queue_datas.iter().all(|queue| queue.perm == 6)
    }

    /// Whether every replica has all of its master's queues and knows the topic.
    #[must_use]
    pub fn is_level(&self) -> bool {
        self.ports.iter().enumerate().all(|(broker, ports)| {
            let of = |at: usize| max_offsets(&self.addr(broker, at));
            let master = of(broker);
            master.is_some() && (0..ports.len()).all(|at| of(at) == master)
        })
    }

    /// What was acknowledged and cannot be read where it should be, by a consumer that follows the route.
    #[must_use]
    pub fn missing(&self, written: &[Written]) -> Vec<Written> {
        let brokers = 0..self.ports.len();
        let queues: Vec<Vec<_>> =
            brokers.map(|broker| (0..4).map(|queue| self.read(broker, queue)).collect()).collect();
        let there = |one: &&Written| {
            let queue = usize::try_from(one.queue).unwrap_or(0);
            queues[one.broker][queue].get(&one.offset) == Some(&one.body)
        };
        written.iter().filter(|one| !there(one)).cloned().collect()
    }

    /// The messages of a broker's queue, body by offset, from the address that has id 0 in the route, or the smallest.
    fn read(&self, broker: usize, queue: i32) -> BTreeMap<i64, String> {
        let name = broker_name(broker);
        let route = self.route();
        let known = route.broker_datas.iter().find(|data| data.broker_name == name);
        known.and_then(|data| data.first()).map(|(_, addr)| read_queue(addr, queue)).unwrap_or_default()
    }
}

/// The maximum offsets of the topic's four queues, once the broker knows it.
fn max_offsets(addr: &str) -> Option<Vec<String>> {
    let mut client = Client::try_connect(addr, PATIENCE).ok()?;
    client.send(&Pull::from(TOPIC, 0).command());
    let known =
        matches!(client.wait(PATIENCE), Got::Frame(answer) if answer.code != response::TOPIC_NOT_EXIST);
    let mut ask = |queue: i32| {
        let fields = format!("topic={TOPIC} queueId={queue} committed=false");
        client.send(&Command::request(request::GET_MAX_OFFSET, ext(&fields)));
        match client.wait(PATIENCE) {
            Got::Frame(answer) if answer.code == 0 => answer.ext_text("offset"),
            _ => None,
        }
    };
    if known { (0..4).map(&mut ask).collect() } else { None }
}

/// Everything in a queue of this broker; ends where nothing comes.
fn read_queue(addr: &str, queue: i32) -> BTreeMap<i64, String> {
    let mut found = BTreeMap::new();
    let Ok(mut client) = Client::try_connect(addr, PATIENCE) else { return found };
    let mut next = 0;
    loop {
        client.send(&Pull { queue, ..Pull::from(TOPIC, next) }.command());
        let Got::Frame(answer) = client.wait(Duration::from_secs(5)) else { return found };
        if answer.code != 0 {
            return found;
        }
        let mut rest = &answer.body[..];
        while let Ok(message) = record::decode(rest) {
            found.insert(message.queue_offset, String::from_utf8_lossy(message.body).into_owned());
            next = message.queue_offset + 1;
            rest = &rest[message.total_size..];
        }
    }
}

/// How long until something holds; `None` when it does not within the limit.
fn time_until(since: Instant, mut holds: impl FnMut() -> bool) -> Option<Duration> {
    while !holds() {
        if since.elapsed() > LIMIT {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Some(since.elapsed())
}
