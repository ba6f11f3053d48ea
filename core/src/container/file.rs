//! A broker's configuration file: what it says, whether a container takes it, and what the container decides.

use super::members::{Identity, Kind, Member, plain_path};
use super::{Container, ContainerSettings};
use crate::config::{
    AuthConfig, BrokerConfig, BrokerRole, ConfigError, MessageStoreConfig, NettyClientConfig,
    NettyServerConfig, Properties, Surroundings, load,
};

/// The port of a broker in a container whose file names none.
const DEFAULT_PORT: i32 = 6_888;
/// By how much a slave keeps less of its log in memory than a master, in percent of RAM.
const SLAVE_MEMORY_LESS: i32 = 10;

/// The settings of a broker of a container.
#[derive(Clone, Debug)]
pub struct BrokerFile {
    pub broker: BrokerConfig,
    pub store: MessageStoreConfig,
    /// The container's: its brokers share one transport.
    pub server: NettyServerConfig,
    pub client: NettyClientConfig,
    pub auth: AuthConfig,
    pub file: Properties,
}

/// Why a container does not take a broker, in the reference's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub remark: String,
    /// Exit status when this happens at start; `None` when the start goes on.
    pub exit: Option<i32>,
}

impl Refusal {
    pub fn new(remark: impl Into<String>) -> Self {
        Refusal { remark: remark.into(), exit: Some(-1) }
    }
}

impl BrokerFile {
    /// Reads the text of a file; what a container has for all its brokers replaces what the file says of it.
    ///
    /// # Errors
    /// All mistakes of the file.
    pub fn parse(
        text: &str,
        path: &str,
        container: &ContainerSettings,
        host: &Surroundings,
    ) -> Result<Self, Vec<ConfigError>> {
        let file = Properties::parse(text);
        let mut broker = BrokerConfig { listen_port: DEFAULT_PORT, ..BrokerConfig::for_host(host) };
        let mut store = MessageStoreConfig::for_host(host);
        let mut auth = AuthConfig::default();
        // Read for their mistakes only: keys of the transport are the container's.
        let (mut server, mut client) = (NettyServerConfig::default(), NettyClientConfig::default());
        load(&mut [&mut broker, &mut store, &mut auth, &mut server, &mut client], &file, path, &[])?;
        broker.namesrv_addr.clone_from(&container.container.namesrv_addr);
        broker.broker_config_path = Some(path.to_owned());
        broker.is_in_broker_container = true;
        store.ha_listen_port = broker.listen_port + 1;
        let server = NettyServerConfig { listen_port: broker.listen_port, ..container.server.clone() };
        Ok(BrokerFile { broker, store, server, client: container.client.clone(), auth, file })
    }

    /// What kind of broker this is and who, as far as the file alone tells.
    pub(super) fn examine(&mut self) -> Result<Member, Refusal> {
        let (broker, store) = (&mut self.broker, &mut self.store);
        let dledger = store.enable_dleger_commit_log;
        let slave = store.broker_role == BrokerRole::Slave;
        if !dledger {
            if !broker.enable_controller_mode {
                if slave && broker.broker_id <= 0 {
                    let remark = "slave broker id must be > 0".to_owned();
                    return Err(Refusal { remark, exit: Some(-3) });
                }
                if !slave {
                    broker.broker_id = 0;
                }
            }
            let (total, wanted, least) =
                (store.total_replicas, store.in_sync_replicas, store.min_in_sync_replicas);
            if total < wanted || total < least || wanted < least {
                return Err(Refusal { remark: "invalid replicas number".to_owned(), exit: Some(-3) });
            }
        }
        if store.duplication_enable {
            return Err(Refusal::new(
                "Can not add broker to container when duplicationEnable is true currently",
            ));
        }
        let kind = match (dledger, slave) {
            (true, _) => {
                let id = store.dleger_self_id.as_deref().and_then(|id| id.get(1..)?.parse().ok());
                let Some(id) = id else {
                    let given = store.dleger_self_id.as_deref().unwrap_or("");
                    return Err(Refusal::new(format!(
                        "dLegerSelfId \"{given}\" is not a letter and a number, such as n0"
                    )));
                };
                broker.broker_id = id;
                Kind::DLedger
            }
            (false, true) if broker.broker_id != 0 => Kind::Slave,
            (false, false) if broker.broker_id == 0 => Kind::Master,
            _ => return Err(Refusal { remark: "add broker return null".to_owned(), exit: None }),
        };
        if kind == Kind::Slave {
            let ratio = &mut store.access_message_in_memory_max_ratio;
            *ratio = (*ratio - SLAVE_MEMORY_LESS).max(0);
        }
        let logs = store.commit_log_path();
        let mut folders = vec![plain_path(&store.store_path_root_dir)];
        folders.extend(logs.split(',').map(str::trim).filter(|path| !path.is_empty()).map(plain_path));
        Ok(Member {
            kind,
            identity: self.identity(),
            listen_port: self.broker.listen_port,
            folders,
            place: None,
            elected_id: None,
        })
    }

    pub(super) fn identity(&self) -> Identity {
        let BrokerConfig { broker_cluster_name, broker_name, broker_id, .. } = &self.broker;
        Identity { cluster: broker_cluster_name.clone(), name: broker_name.clone(), id: *broker_id }
    }
}

impl Container {
    /// Whether the container can take the broker, given who is there already.
    pub(super) fn admit(&self, newcomer: &Member) -> Result<(), Refusal> {
        let Member { kind, identity, listen_port, .. } = newcomer;
        if self.members.holds(*kind, identity) {
            return Err(Refusal::new(format!(
                "{identity} has already been added to current broker container"
            )));
        }
        let initialize =
            |why: String| Err(Refusal::new(format!("Failed to initialize {kind} broker {identity}, {why}")));
        if !(3..=65_534).contains(listen_port) {
            return initialize(format!(
                "listenPort {listen_port} leaves no room for the fast port, two below it, or the port of \
                 replication, one above it"
            ));
        }
        if let Some((port, holder)) = self.members.port_clash(newcomer) {
            return initialize(format!("the port {port} already in use by {holder}"));
        }
        if let Some((folder, holder)) = self.members.folder_clash(newcomer) {
            return Err(Refusal::new(format!(
                "start broker failed, Lock failed,MQ already started: {folder} belongs to {holder}"
            )));
        }
        Ok(())
    }
}
