//! Containers across which brokers and their replicas are spread: container `n` has the master of broker `n` and a slave of
//! every other, as in the reference's `conf/container`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sansmq_core::body::{ClusterInfo, TopicRouteData};
use sansmq_core::json;
use sansmq_core::message::record;
use sansmq_core::wire::code::request;
use sansmq_core::wire::{Command, Ext};

use crate::{Client, Folder, Frontend, Got, Pull, Server, ext, free_ports};

const PATIENCE: Duration = Duration::from_millis(500);

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
        let mut all = Containers {
            namesrv,
            containers: Vec::new(),
            ports: (0..replicas).map(|_| ports()).collect(),
            folder,
        };
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
             brokerIP1=127.0.0.1\nbrokerIP2=127.0.0.1\nstorePathRootDir={root}\nstorePathCommitLog={root}/commitlog\n\
             totalReplicas={replicas}\ninSyncReplicas={replicas}\nminInSyncReplicas=1\nenableAutoInSyncReplicas=true\n\
             slaveReadEnable=true\nbrokerHeartbeatInterval=1000\nbrokerNotActiveTimeoutMillis=5000\n\
             sendHeartbeatTimeoutMillis=1000\nenableSlaveActingMaster=true\nmappedFileSizeCommitLog=16777216\n\
             mappedFileSizeConsumeQueue=60000\nmaxHashSlotNum=1000\nmaxIndexNum=5000\n{more}"
        );
        self.folder.write(&format!("{name}-in-container{at}.conf"), &text)
    }

    /// The address of a broker's replica in a container.
    #[must_use]
    pub fn addr(&self, broker: usize, at: usize) -> String {
        format!("127.0.0.1:{}", self.ports[broker][at])
    }

    /// Where clients learn a topic's queues are.
    #[must_use]
    pub fn route(&self, topic: &str) -> TopicRouteData {
        let ask =
            Command::request(request::GET_ROUTEINFO_BY_TOPIC, Ext::new().with("topic", topic.to_owned()));
        json::from_slice(&self.namesrv.client().call(&ask).body).unwrap_or_default()
    }

    /// All addresses the NameServer knows.
    #[must_use]
    pub fn registered(&self) -> Vec<String> {
        let answer = self.namesrv.client().must(&Command::request(request::GET_BROKER_CLUSTER_INFO, ext("")));
        let info: ClusterInfo = json::from_slice(&answer.body).unwrap_or_default();
        info.brokers.into_values().flat_map(|broker| broker.broker_addrs.into_values()).collect()
    }

    /// Whether all replicas are in the route of a topic, and each broker can be written to.
    #[must_use]
    pub fn is_whole(&self, topic: &str) -> bool {
        let (route, replicas) = (self.route(topic), self.ports.len());
        route.broker_datas.len() == replicas
            && route.broker_datas.iter().all(|broker| broker.broker_addrs.len() == replicas)
            && route.queue_datas.len() == replicas
            && route.queue_datas.iter().all(|queue| queue.perm == 6)
    }

    /// Whether every replica has all of its master's log and knows the topic.
    #[must_use]
    pub fn is_level(&self, topic: &str) -> bool {
        self.ports.iter().enumerate().all(|(broker, ports)| {
            let of = |at: usize| max_offsets(&self.addr(broker, at), topic);
            let master = of(broker);
            master.is_some() && (0..ports.len()).all(|at| of(at) == master)
        })
    }

    /// The messages of a broker's queue as a consumer reads them that follows the route: from the address with id 0,
    /// or whichever is there. Ends where nothing comes.
    #[must_use]
    pub fn read(&self, topic: &str, broker: usize, queue: i32) -> BTreeMap<i64, String> {
        let name = broker_name(broker);
        let route = self.route(topic);
        let known = route.broker_datas.iter().find(|data| data.broker_name == name);
        known
            .and_then(|data| data.first())
            .map(|(_, addr)| read_queue(addr, topic, queue))
            .unwrap_or_default()
    }
}

/// The maximum offsets of a topic's four queues, once the broker knows it.
fn max_offsets(addr: &str, topic: &str) -> Option<Vec<String>> {
    let mut client = Client::try_connect(addr, PATIENCE).ok()?;
    let mut ask = |queue: i32| {
        let fields = format!("topic={topic} queueId={queue} committed=false");
        client.send(&Command::request(request::GET_MAX_OFFSET, ext(&fields)));
        match client.wait(PATIENCE) {
            Got::Frame(answer) if answer.code == 0 => answer.ext_text("offset"),
            _ => None,
        }
    };
    let offsets: Option<Vec<String>> = (0..4).map(&mut ask).collect();
    client.send(&Pull::from(topic, 0).command());
    matches!(client.wait(PATIENCE), Got::Frame(answer) if answer.code != 17).then_some(offsets).flatten()
}

/// Everything in a queue of this broker, body by offset; ends where nothing comes.
#[must_use]
pub fn read_queue(addr: &str, topic: &str, queue: i32) -> BTreeMap<i64, String> {
    let mut found = BTreeMap::new();
    let Ok(mut client) = Client::try_connect(addr, PATIENCE) else { return found };
    let mut next = 0;
    loop {
        client.send(&Pull { queue, ..Pull::from(topic, next) }.command());
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
pub fn time_until(since: Instant, limit: Duration, mut holds: impl FnMut() -> bool) -> Option<Duration> {
    while !holds() {
        if since.elapsed() > limit {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Some(since.elapsed())
}
