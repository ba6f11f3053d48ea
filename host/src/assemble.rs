//! Core machines and stores, put together into a node.

use std::net::SocketAddr;

use sansmq_core::broker::settings::Settings as BrokerSettings;
use sansmq_core::config::{
    AuthConfig, BrokerConfig, BrokerRole, FlushDiskType, MessageStoreConfig, NamesrvConfig,
    NettyClientConfig, NettyServerConfig, Properties, Settings, Surroundings,
};
use sansmq_core::container::BrokerFile;
use sansmq_core::namesrv::Namesrv;
use sansmq_core::node::{Listener, NodeConfig, Opened, Role, broker_listeners, replication_listener};
use sansmq_core::store::Store;
use sansmq_core::store::retention::{Retention, parse_hours};
use sansmq_core::time::Now;
use sansmq_core::wire::Encoding;
use sansmq_store::{FileStore, FlushType, StoreConfig};

use crate::error::HostError;
use crate::load;
use crate::{Node, Site};

/// Settings of a NameServer process.
#[derive(Clone, Debug)]
pub struct NamesrvSetup {
    pub config: NamesrvConfig,
    pub server: NettyServerConfig,
    pub file: Properties,
}

/// Settings of a broker process.
#[derive(Clone, Debug)]
pub struct BrokerSetup {
    pub config: BrokerConfig,
    pub store: MessageStoreConfig,
    pub server: NettyServerConfig,
    pub client: NettyClientConfig,
    pub auth: AuthConfig,
    pub file: Properties,
}

impl NamesrvSetup {
    /// The defaults on this host, then the file.
    ///
    /// # Errors
    /// The file cannot be read or has mistakes.
    pub fn load(host: &Surroundings, path: Option<&str>) -> Result<Self, HostError> {
        let mut config = NamesrvConfig::for_host(host);
        let mut server = NettyServerConfig { listen_port: 9876, ..NettyServerConfig::default() };
        let mut file = Properties::default();
        if let Some(path) = path {
            file = load::properties(path)?;
            load::apply(&mut [&mut config, &mut server], &file, path)?;
            config.config_store_path = path.to_owned();
        }
        Ok(NamesrvSetup { config, server, file })
    }

    /// Keys and values in the order `-p` prints them.
    #[must_use]
    pub fn entries(&self) -> Vec<(&'static str, String)> {
        let client = NettyClientConfig::default();
        [self.config.entries(), self.server.entries(), client.entries()].concat()
    }
}

impl BrokerSetup {
    /// The defaults on this host, then the file.
    ///
    /// # Errors
    /// The file cannot be read or has mistakes.
    pub fn load(host: &Surroundings, path: Option<&str>) -> Result<Self, HostError> {
        let mut setup = BrokerSetup {
            config: BrokerConfig::for_host(host),
            store: MessageStoreConfig::for_host(host),
            server: NettyServerConfig::default(),
            client: NettyClientConfig::default(),
            auth: AuthConfig::default(),
            file: Properties::default(),
        };
        if let Some(path) = path {
            setup.file = load::properties(path)?;
            load::apply(
                &mut [
                    &mut setup.config,
                    &mut setup.store,
                    &mut setup.server,
                    &mut setup.client,
                    &mut setup.auth,
                ],
                &setup.file,
                path,
            )?;
            setup.config.broker_config_path = Some(path.to_owned());
        }
        Ok(setup)
    }

    #[must_use]
    pub fn entries(&self) -> Vec<(&'static str, String)> {
        [
            self.config.entries(),
            self.server.entries(),
            self.client.entries(),
            self.store.entries(),
            self.auth.entries(),
        ]
        .concat()
    }

    /// What this build cannot do yet is refused at start, never ignored.
    fn check(&mut self) -> Result<(), HostError> {
        let refuse = |key: &'static str, value: String, why: &str| {
            Err(HostError::Value { key, value, why: why.to_owned() })
        };
        match self.store.broker_role {
            // the controller decides
            _ if self.config.enable_controller_mode => self.config.broker_id = 0,
            BrokerRole::Slave if self.config.broker_id <= 0 => {
                let value = self.config.broker_id.to_string();
                return refuse("brokerId", value, "is that of a master; a SLAVE needs one above 0");
            }
            BrokerRole::Slave => {}
            BrokerRole::SyncMaster | BrokerRole::AsyncMaster => self.config.broker_id = 0,
        }
        if self.config.enable_controller_mode && self.store.enable_dleger_commit_log {
            return refuse(
                "enableControllerMode",
                "true".into(),
                "does not go with enableDLegerCommitLog=true",
            );
        }
        if self.config.enable_controller_mode && self.config.fetch_controller_addr_by_dns_lookup {
            return refuse(
                "fetchControllerAddrByDnsLookup",
                "true".into(),
                "is not served; expected false, and the controllers in controllerAddr",
            );
        }
        if self.config.enable_controller_mode && self.config.controller_addr.trim().is_empty() {
            let value = self.config.controller_addr.clone();
            return refuse(
                "controllerAddr",
                value,
                "names no controller, which enableControllerMode=true needs",
            );
        }
        let is_addr = |addr: &str| {
            addr.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        };
        for addr in self.config.controller_addr.split(';').map(str::trim).filter(|addr| !addr.is_empty()) {
            if !is_addr(addr) {
                let why = "is not host:port (several are separated by ;)";
                return refuse("controllerAddr", addr.to_owned(), why);
            }
        }
        if self.store.enable_dleger_commit_log {
            return refuse("enableDLegerCommitLog", "true".into(), "is not served yet; expected false");
        }
        if self.store.store_type != "default" {
            let value = self.store.store_type.clone();
            return refuse("storeType", value, "is not served; expected default");
        }
        load::check_name_servers(self.config.namesrv_addr.as_deref())
    }
}

/// How a node talks, from the environment (`rocketmq.serialize.type`).
///
/// # Errors
/// The environment names an unknown serialize type.
pub fn node_config(server: &NettyServerConfig) -> Result<NodeConfig, HostError> {
    let name = std::env::var("ROCKETMQ_SERIALIZE_TYPE").unwrap_or_else(|_| "JSON".to_owned());
    let encoding = Encoding::from_name(&name).ok_or_else(|| HostError::Value {
        key: "ROCKETMQ_SERIALIZE_TYPE",
        value: name.clone(),
        why: "is no serialize type; expected JSON or ROCKETMQ".to_owned(),
    })?;
    let idle_s = u64::try_from(server.server_channel_max_idle_time_seconds).unwrap_or(120);
    Ok(NodeConfig {
        encoding,
        idle_ms: idle_s * 1_000,
        sends_away: server.enable_shutdown_gracefully,
        ..NodeConfig::default()
    })
}

/// Adds a NameServer to a node; returns the address it will listen on.
///
/// # Errors
/// Its key-value table cannot be read.
pub fn add_namesrv(node: &mut Node, site: &Site, setup: NamesrvSetup, now: Now) -> Result<String, HostError> {
    let kv = load::read_table(site.disk.as_ref(), &setup.config.kv_config_path)?;
    let bind = format!("{}:{}", setup.server.bind_address, setup.server.listen_port);
    let machine = Namesrv::new(setup.config, setup.server, setup.file, kv, now);
    let role = node.add_role(Role::Namesrv(Box::new(machine)));
    node.listen(Listener { bind: bind.clone(), role, fast_port: false });
    Ok(bind)
}

impl From<BrokerFile> for BrokerSetup {
    fn from(file: BrokerFile) -> Self {
        let BrokerFile { broker, store, server, client, auth, file } = file;
        BrokerSetup { config: broker, store, server, client, auth, file }
    }
}

/// Opens a broker's store and reads its tables; may take as long as recovery does.
///
/// # Errors
/// The configuration asks for what is not served, or the files cannot be used.
pub fn open_broker(
    site: &Site,
    mut setup: BrokerSetup,
    canonical: String,
    now: Now,
) -> Result<Opened<FileStore>, HostError> {
    let configured_id = setup.config.broker_id;
    setup.check()?;
    let file = setup.file.clone();
    let mut settings =
        BrokerSettings::new(setup.config, setup.store, setup.server, setup.client, setup.auth, site.memory)?;
    settings.configured_id = configured_id;
    settings.others = file.iter().map(|p| (p.key.clone(), p.value.clone())).collect();
    if settings.store.transient_store_pool_enable {
        tracing::info!(
            "transientStorePoolEnable: the log is mapped and needs no pool of buffers; what the pool would delay is \
             flushed as flushIntervalCommitLog says"
        );
    }
    let root = settings.store.store_path_root_dir.clone();
    let disk = site.disk.as_ref();
    let store_host = store_host(&settings)?;
    let (mut store, report) =
        FileStore::open_on(site.disk.clone(), store_config(&settings, site), now, &mut { site.say })?;
    tracing::info!(?report, root, "message store is open");
    let tables = load::broker_meta(disk, &root, settings.store.enable_lmq).and_then(|mut meta| {
        meta.epochs = load::epochs(disk, &settings.epoch_file())?;
        Ok((meta, load::identity(disk, &settings)?))
    });
    let (meta, identity) = match tables {
        Ok(tables) => tables,
        Err(error) => {
            // Nothing was added; the next start need not recover.
            store.close(now);
            return Err(error);
        }
    };
    Ok(Opened { settings, store, meta, store_host, seed: site.seed(now), canonical, identity })
}

/// Opens a broker's store and adds the broker to a node; returns its settings.
///
/// # Errors
/// The configuration asks for what is not served, or the files cannot be used.
pub fn add_broker(
    node: &mut Node,
    site: &Site,
    setup: BrokerSetup,
    now: Now,
) -> Result<BrokerSettings, HostError> {
    let opened = open_broker(site, setup, String::new(), now)?;
    let known = opened.settings.clone();
    add_opened(node, opened, now)?;
    Ok(known)
}

/// Adds a broker whose files are open to a node; returns its role.
///
/// # Errors
/// Its identity files are another broker's.
pub fn add_opened(node: &mut Node, opened: Opened<FileStore>, now: Now) -> Result<usize, HostError> {
    let settings = opened.settings.clone();
    let broker = opened.into_broker(now).map_err(|(error, mut store)| {
        // Nothing was added; the next start need not recover.
        store.close(now);
        HostError::Identity(error)
    })?;
    tracing::info!(max = broker.store().log_bounds().max, "broker is ready");
    let role = node.add_role(Role::Broker(Box::new(broker)));
    for listener in broker_listeners(&settings, role) {
        node.listen(listener);
    }
    node.listen_stream(replication_listener(&settings, role));
    Ok(role)
}

/// `brokerIP1:listenPort`, which message ids are made of.
fn store_host(settings: &BrokerSettings) -> Result<SocketAddr, HostError> {
    let bad = |why: &str| HostError::Value {
        key: "brokerIP1",
        value: settings.broker.broker_ip1.clone(),
        why: why.to_owned(),
    };
    let ip = settings
        .broker
        .broker_ip1
        .trim_matches(['[', ']'])
        .parse()
        .map_err(|_| bad("is not an IP address"))?;
    let port =
        u16::try_from(settings.broker.listen_port).map_err(|_| bad("has a listenPort that is none"))?;
    Ok(SocketAddr::new(ip, port))
}

fn store_config(settings: &BrokerSettings, site: &Site) -> StoreConfig {
    let keys = &settings.store;
    let dirs = |text: Option<&String>| {
        let parts = text.map_or("", String::as_str).split(',').map(str::trim);
        parts.filter(|dir| !dir.is_empty()).map(Into::into).collect()
    };
    let at_least_0 = |number: i32| u64::try_from(number).unwrap_or(0);
    let as_u32 = |number: i32| u32::try_from(number).unwrap_or(0);
    StoreConfig {
        commit_log_dirs: dirs(keys.store_path_commit_log.as_ref()),
        read_only_commit_log_dirs: dirs(keys.read_only_commit_log_store_paths.as_ref()),
        commit_log_file_size: at_least_0(keys.mapped_file_size_commit_log),
        consume_queue_file_size: at_least_0(keys.mapped_file_size_consume_queue),
        enable_ext: keys.enable_consume_queue_ext,
        ext_file_size: at_least_0(keys.mapped_file_size_consume_queue_ext),
        batch_queue_file_size: at_least_0(keys.mapper_file_size_batch_consume_queue),
        timer_log_file_size: at_least_0(keys.mapped_file_size_timer_log),
        flush_type: match keys.flush_disk_type {
            FlushDiskType::SyncFlush => FlushType::Sync,
            FlushDiskType::AsyncFlush => FlushType::Async,
        },
        flush_log_interval_ms: at_least_0(keys.flush_interval_commit_log),
        flush_log_pages: at_least_0(keys.flush_commit_log_least_pages),
        flush_log_thorough_ms: at_least_0(keys.flush_commit_log_thorough_interval),
        flush_queue_interval_ms: at_least_0(keys.flush_interval_consume_queue),
        flush_queue_pages: at_least_0(keys.flush_consume_queue_least_pages),
        flush_queue_thorough_ms: at_least_0(keys.flush_consume_queue_thorough_interval),
        message_index_enable: keys.message_index_enable,
        index_slots: as_u32(keys.max_hash_slot_num),
        index_entries: as_u32(keys.max_index_num),
        max_message_size: usize::try_from(keys.max_message_size).unwrap_or(0),
        delay_levels: settings.delay_levels.clone(),
        check_crc_on_recover: keys.check_crc_on_recover,
        auto_message_version: keys.auto_message_version_on_topic_len,
        enable_lmq: keys.enable_lmq && keys.enable_multi_dispatch,
        max_light_queues: usize::try_from(keys.max_lmq_consume_queue_num).unwrap_or(0),
        append_prop_crc: keys.enabled_append_prop_crc,
        verify_prop_crc: keys.force_verify_prop_crc,
        in_memory_ratio: at_least_0(keys.access_message_in_memory_max_ratio),
        total_memory: site.memory,
        max_transfer_bytes_memory: at_least_0(keys.max_transfer_bytes_on_message_in_memory),
        max_transfer_bytes_disk: at_least_0(keys.max_transfer_bytes_on_message_in_disk),
        max_transfer_count_memory: as_u32(keys.max_transfer_count_on_message_in_memory),
        max_transfer_count_disk: as_u32(keys.max_transfer_count_on_message_in_disk),
        max_filter_message_size: as_u32(keys.max_filter_message_size),
        max_msgs_num_batch: as_u32(keys.max_msgs_num_batch),
        clean_interval_ms: at_least_0(keys.clean_resource_interval).max(1),
        retention: Retention {
            delete_when: parse_hours(&keys.delete_when),
            reserved_ms: i64::from(keys.file_reserved_time).saturating_mul(3_600_000),
            force_enabled: keys.clean_file_forcibly_enable,
            batch_max: usize::try_from(keys.delete_file_batch_max).unwrap_or(0),
            replicas_per_partition: as_u32(keys.replicas_per_disk_partition),
            logical_force: keys.logical_disk_space_clean_forcibly_threshold,
            ..Retention::default()
        }
        .with_percentages(
            keys.disk_max_used_space_ratio,
            keys.disk_space_warning_level_ratio,
            keys.disk_space_clean_forcibly_ratio,
        ),
        keep_confirmed: settings.broker.enable_controller_mode,
        receives: settings.broker.enable_controller_mode || keys.broker_role == BrokerRole::Slave,
        pid: site.pid,
        ..StoreConfig::new(&keys.store_path_root_dir)
    }
}
