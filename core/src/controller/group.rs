//! The group of controllers as its settings name it: `controllerDLegerPeers=n0-host:port;n1-host:port`.

use crate::config::ControllerConfig;
use crate::raft::NodeId;
use std::collections::BTreeMap;

/// The members of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// `controllerDLegerGroup`.
    pub name: String,
    /// `controllerDLegerSelfId`.
    pub own: NodeId,
    /// `host:port` of every member.
    pub peers: BTreeMap<NodeId, String>,
}

/// Settings that do not make a group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    #[error("key \"{0}\" is missing")]
    Missing(&'static str),
    #[error("key \"controllerDLegerPeers\": \"{0}\" is not n<number>-<host>:<port>")]
    Peer(String),
    #[error("key \"controllerDLegerPeers\": {0} is listed twice")]
    Twice(NodeId),
    #[error("key \"controllerDLegerSelfId\": \"{0}\" is not n<number>")]
    OwnId(String),
    #[error("key \"controllerDLegerSelfId\": {0} is not in controllerDLegerPeers")]
    NotListed(NodeId),
}

fn node_id(text: &str) -> Option<NodeId> {
    text.strip_prefix('n')?.parse().ok().map(NodeId)
}

impl Group {
    /// # Errors
    /// Names the key, its value and what it should be.
    pub fn parse(config: &ControllerConfig) -> Result<Self, GroupError> {
        let list =
            config.controller_dleger_peers.as_deref().ok_or(GroupError::Missing("controllerDLegerPeers"))?;
        let own = config
            .controller_dleger_self_id
            .as_deref()
            .ok_or(GroupError::Missing("controllerDLegerSelfId"))?;
        let mut peers = BTreeMap::new();
        for entry in list.split(';').map(str::trim).filter(|entry| !entry.is_empty()) {
            let wrong = || GroupError::Peer(entry.to_owned());
            let (id, addr) = entry.split_once('-').ok_or_else(wrong)?;
            let id = node_id(id).ok_or_else(wrong)?;
            let (host, port) = addr.rsplit_once(':').ok_or_else(wrong)?;
            if host.is_empty() || port.parse::<u16>().is_err() {
                return Err(wrong());
            }
            if peers.insert(id, addr.to_owned()).is_some() {
                return Err(GroupError::Twice(id));
            }
        }
        let own = node_id(own.trim()).ok_or_else(|| GroupError::OwnId(own.to_owned()))?;
        if !peers.contains_key(&own) {
            return Err(GroupError::NotListed(own));
        }
        Ok(Group { name: config.controller_dleger_group.clone().unwrap_or_default(), own, peers })
    }

    /// The members as GET_METADATA_INFO lists them: `n0:host:port;`.
    #[must_use]
    pub fn peers_text(&self) -> String {
        self.peers.iter().map(|(id, addr)| format!("{id}:{addr};")).collect()
    }
}
