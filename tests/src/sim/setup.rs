//! The servers' configuration files, and their start.

use std::sync::Arc;

use sansmq_core::body::DataVersion;
use sansmq_core::broker::Broker;
pub use sansmq_core::broker::replicas::Replicas;
use sansmq_core::config::{
    AuthConfig, BrokerConfig, BrokerContainerConfig, ContainerExtensions, ControllerConfig, JraftConfig,
    MessageStoreConfig, NamesrvConfig, NettyClientConfig, NettyServerConfig, Properties, Surroundings,
};
use sansmq_core::container::{BrokerFile, ContainerSettings};
use sansmq_core::controller::Member;
use sansmq_core::node::{NodeConfig, Opened, Role};
use sansmq_core::time::Now;
use sansmq_host::assemble::{self, BrokerSetup, NamesrvSetup};
use sansmq_host::controller::{ControllerSetup, add_controller};
use sansmq_host::{HostError, Node, Site, load};
use sansmq_store::disk::SimDisk;
use sansmq_store::{FileStore, RaftDisk, atomic};

use super::CONTROLLERS;

pub type AnyBroker = Broker<FileStore>;

pub const NAMESRV_PORT: u16 = 9_876;
pub const CONTROLLER_PORT: u16 = 9_878;
pub const BROKER_PORT: u16 = 10_911;
pub const CONTAINER_PORT: u16 = 10_811;
pub const BROKER_NAME: &str = "broker-a";

/// A set of brokers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set {
    pub name: &'static str,
    pub port: u16,
    root: &'static str,
    /// Where a container finds what its broker is to be.
    pub file: &'static str,
}

/// The one everything is about.
pub const MAIN: Set =
    Set { name: BROKER_NAME, port: BROKER_PORT, root: "/store", file: "/store/broker.conf" };
/// Another, in the same containers.
pub const NEIGHBOUR: Set =
    Set { name: "broker-b", port: 10_931, root: "/store-b", file: "/store-b/broker.conf" };

#[must_use]
pub fn ip(machine: usize) -> String {
    format!("10.0.0.{}", machine + 1)
}

fn addresses(machines: std::ops::Range<usize>, port: u16) -> Vec<String> {
    machines.map(|machine| format!("{}:{port}", ip(machine))).collect()
}

#[must_use]
pub fn name_servers() -> Vec<String> {
    addresses(CONTROLLERS, NAMESRV_PORT)
}

fn host(machine: usize) -> Surroundings {
    Surroundings {
        user_home: "/home".to_owned(),
        rocketmq_home: None,
        namesrv_addr: None,
        host_name: format!("host-{machine}"),
        local_ip: ip(machine),
        cpus: 2,
    }
}

fn site(disk: &SimDisk, machine: usize, life: u64) -> Site {
    Site {
        disk: Arc::new(disk.clone()),
        memory: 1 << 30,
        pid: u32::try_from(life * 10).unwrap_or(0) + u32::try_from(machine).unwrap_or(0) + 1,
        raft_file: Some(16 << 10),
        say: |_| {},
    }
}

/// A NameServer with a controller in its process.
///
/// # Errors
/// What would keep the process from starting.
pub fn controller(
    disk: &SimDisk,
    machine: usize,
    life: u64,
    extra: &str,
    now: Now,
) -> Result<(Node, RaftDisk), HostError> {
    let peers: Vec<String> = CONTROLLERS.map(|n| format!("n{n}-{}:{CONTROLLER_PORT}", ip(n))).collect();
    let text = format!(
        "listenPort={NAMESRV_PORT}\nbindAddress=0.0.0.0\nenableControllerInNamesrv=true\ncontrollerDLegerGroup=group1\n\
         controllerDLegerPeers={}\ncontrollerDLegerSelfId=n{machine}\ncontrollerStorePath=/store/controller\n\
         kvConfigPath=/store/kvConfig.json\n{extra}",
        peers.join(";"),
    );
    let file = Properties::parse(&text);
    let mut namesrv = NamesrvConfig::for_host(&host(machine));
    let mut config = ControllerConfig::for_host(&host(machine));
    let mut jraft = JraftConfig::default();
    let mut server = NettyServerConfig::default();
    load::apply(&mut [&mut namesrv, &mut config, &mut jraft, &mut server], &file, "namesrv.conf")?;
    let mut node = Node::new(NodeConfig::default(), now);
    let site = site(disk, machine, life);
    let setup = NamesrvSetup { config: namesrv, server: server.clone(), file: file.clone() };
    assemble::add_namesrv(&mut node, &site, setup, now)?;
    let raft = add_controller(&mut node, &site, ControllerSetup { config, jraft, server, file }, now)?;
    Ok((node, raft))
}

/// The file of a broker in controller mode.
fn broker_file(set: Set, machine: usize, extra: &str) -> String {
    let Set { name, port, root, .. } = set;
    format!(
        "brokerClusterName=DefaultCluster\nbrokerName={name}\nbrokerId=-1\nbrokerRole=SLAVE\n\
         listenPort={port}\nhaListenPort={}\nbrokerIP1={ip}\nbrokerIP2={ip}\nstorePathRootDir={root}\n\
         storePathCommitLog={root}/commitlog\nnamesrvAddr={}\nenableControllerMode=true\ncontrollerAddr={}\n\
         mappedFileSizeCommitLog=32768\nmappedFileSizeConsumeQueue=2000\nmaxHashSlotNum=10\nmaxIndexNum=50\n\
         mappedFileSizeTimerLog=5200\nmaxMessageSize=4096\ntransactionTimeOut=2000\n\
         transactionCheckInterval=1000\ntransactionCheckMax=1000\n{extra}",
        port + 1,
        name_servers().join(";"),
        addresses(CONTROLLERS, CONTROLLER_PORT).join(";"),
        ip = ip(machine),
    )
}

/// A broker in a process of its own.
///
/// # Errors
/// What would keep the process from starting.
pub fn broker(disk: &SimDisk, machine: usize, life: u64, extra: &str, now: Now) -> Result<Node, HostError> {
    let text = broker_file(MAIN, machine, extra);
    let host = host(machine);
    let mut setup = BrokerSetup {
        config: BrokerConfig::for_host(&host),
        store: MessageStoreConfig::for_host(&host),
        server: NettyServerConfig::default(),
        client: NettyClientConfig::default(),
        auth: AuthConfig::default(),
        file: Properties::parse(&text),
    };
    let file = setup.file.clone();
    load::apply(
        &mut [&mut setup.config, &mut setup.store, &mut setup.server, &mut setup.client, &mut setup.auth],
        &file,
        "broker.conf",
    )?;
    let mut node = Node::new(NodeConfig::default(), now);
    assemble::add_broker(&mut node, &site(disk, machine, life), setup, now)?;
    Ok(node)
}

/// A container that begins with the same broker and one of the other set, by their files.
///
/// # Errors
/// What would keep the process from starting.
pub fn container(disk: &SimDisk, machine: usize, extra: &str, now: Now) -> Result<Node, HostError> {
    // a container looks whether there can be as many replicas as are asked for
    for set in [MAIN, NEIGHBOUR] {
        let text = broker_file(set, machine, extra) + "totalReplicas=3\n";
        let written = atomic::write_atomic_on(disk, set.file.as_ref(), text.as_bytes());
        written.map_err(HostError::ReadTable)?;
    }
    let host = host(machine);
    let mut settings = ContainerSettings {
        container: BrokerContainerConfig::for_host(&host),
        extensions: ContainerExtensions::default(),
        server: NettyServerConfig::default(),
        client: NettyClientConfig::default(),
        file: Properties::parse(&format!(
            "listenPort={CONTAINER_PORT}\nbindAddress=0.0.0.0\nnamesrvAddr={}\n",
            name_servers().join(";")
        )),
        path: None,
        serialize_type: "JSON".to_owned(),
        version: DataVersion::default(),
    };
    let file = settings.file.clone();
    load::apply(
        &mut [&mut settings.container, &mut settings.extensions, &mut settings.server, &mut settings.client],
        &file,
        "container.conf",
    )?;
    let mut node = Node::new(NodeConfig::default(), now);
    sansmq_host::container::add(
        &mut node,
        settings,
        host,
        [MAIN, NEIGHBOUR].map(|set| set.file.to_owned()).to_vec(),
    );
    Ok(node)
}

/// Opens the store of a container's broker.
///
/// # Errors
/// What keeps the broker from starting.
pub fn open(
    disk: &SimDisk,
    (machine, life): (usize, u64),
    file: BrokerFile,
    canonical: String,
    now: Now,
) -> Result<Box<Opened<FileStore>>, String> {
    let opened = assemble::open_broker(&site(disk, machine, life), file.into(), canonical, now);
    opened.map(Box::new).map_err(|error| error.to_string())
}

/// The broker of a node, of the set everything is about.
#[must_use]
pub fn broker_of(node: &Node) -> Option<&AnyBroker> {
    broker_in(node, MAIN)
}

/// The broker of a node that belongs to a set.
#[must_use]
pub fn broker_in(node: &Node, set: Set) -> Option<&AnyBroker> {
    node.roles().iter().find_map(|role| match role {
        Role::Broker(broker) if broker.settings().broker.broker_name == set.name => Some(&**broker),
        _ => None,
    })
}

/// The controller of a node.
#[must_use]
pub fn member_of(node: &Node) -> Option<&Member> {
    node.roles()
        .iter()
        .find_map(|role| if let Role::Controller(member) = role { Some(&**member) } else { None })
}
