//! A controller: its settings, its disk, and its place in a node.

use std::path::Path;

use sansmq_core::config::{
    ControllerConfig, JraftConfig, NettyClientConfig, NettyServerConfig, Properties, Settings, Surroundings,
};
use sansmq_core::controller::{Controller, Group, Member};
use sansmq_core::node::{Listener, Role};
use sansmq_core::time::Now;
use sansmq_core::wire::Limits;
use sansmq_store::RaftDisk;

use crate::error::HostError;
use crate::load;
use crate::{Node, Site};

/// Settings of a controller, in a process of its own or beside a NameServer.
#[derive(Clone, Debug)]
pub struct ControllerSetup {
    pub config: ControllerConfig,
    pub jraft: JraftConfig,
    pub server: NettyServerConfig,
    pub file: Properties,
}

impl ControllerSetup {
    /// The defaults on this host, then the file.
    ///
    /// # Errors
    /// The file cannot be read or has mistakes.
    pub fn load(host: &Surroundings, path: Option<&str>) -> Result<Self, HostError> {
        let mut config = ControllerConfig::for_host(host);
        let mut jraft = JraftConfig::default();
        let mut server = NettyServerConfig { listen_port: 19_876, ..NettyServerConfig::default() };
        let mut file = Properties::default();
        if let Some(path) = path {
            file = load::properties(path)?;
            load::apply(&mut [&mut config, &mut jraft, &mut server], &file, path)?;
        }
        if config.controller_store_path.is_empty() {
            config.controller_store_path = format!("{}/{}Controller", host.user_home, config.controller_type);
        }
        Ok(ControllerSetup { config, jraft, server, file })
    }

    /// Keys and values in the order `-p` prints them.
    #[must_use]
    pub fn entries(&self) -> Vec<(&'static str, String)> {
        let client = NettyClientConfig::default();
        [self.own_entries(), self.server.entries(), client.entries()].concat()
    }

    /// Those of the controller alone.
    #[must_use]
    pub fn own_entries(&self) -> Vec<(&'static str, String)> {
        [self.config.entries(), self.jraft.entries()].concat()
    }
}

/// Opens a controller's disk and adds the controller to a node, listening on the port that the list of members
/// gives it; returns the disk for the thread that writes to it.
///
/// # Errors
/// The settings name no group or ask for what is not served, or the disk cannot be used.
pub fn add_controller(
    node: &mut Node,
    site: &Site,
    mut setup: ControllerSetup,
    now: Now,
) -> Result<RaftDisk, HostError> {
    if !setup.config.controller_type.eq_ignore_ascii_case("DLedger") {
        return Err(HostError::Value {
            key: "controllerType",
            value: setup.config.controller_type,
            why: "is not served; expected DLedger, with controllerDLegerPeers and controllerDLegerSelfId"
                .into(),
        });
    }
    let group = Group::parse(&setup.config)?;
    let addr = group.peers.get(&group.own).map_or("", String::as_str);
    let port = addr.rsplit_once(':').map_or("", |(_, port)| port);
    setup.server.listen_port = port.parse().unwrap_or(setup.server.listen_port);
    let bind = format!("{}:{port}", setup.server.bind_address);
    let store = Path::new(&setup.config.controller_store_path);
    let (disk, image) = match site.raft_file {
        None => RaftDisk::open(site.disk.clone(), store, group.own)?,
        Some(bytes) => RaftDisk::open_sized(site.disk.clone(), store, group.own, bytes)?,
    };
    for note in disk.notes() {
        tracing::warn!("{note}");
    }
    tracing::info!(path = %disk.path().display(), records = image.log.len(), "controller log is open");
    let controller = Controller::new(setup.config, setup.server, setup.file, now)?;
    let seed = site.seed(now) ^ group.own.0 << 56;
    let member = Member::start(controller, image, Limits::default(), seed, now)?;
    let role = node.add_role(Role::Controller(Box::new(member)));
    node.listen(Listener { bind, role, fast_port: false });
    Ok(disk)
}
