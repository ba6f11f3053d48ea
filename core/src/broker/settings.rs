//! A broker's configuration in one place: the reference's settings objects, and what follows from them.

use std::collections::BTreeSet;

use crate::body::DataVersion;
use crate::config::{
    AuthConfig, BrokerConfig, FlushDiskType, MessageStoreConfig, NettyClientConfig, NettyServerConfig,
    Properties, Refusal, Settings as _, plain_text, update,
};
use crate::message::delay::{self, DelayLevelError};

/// Everything a broker is configured with.
#[derive(Clone, Debug)]
pub struct Settings {
    pub broker: BrokerConfig,
    pub store: MessageStoreConfig,
    pub server: NettyServerConfig,
    pub client: NettyClientConfig,
    pub auth: AuthConfig,
    /// The `-c` file, which run-time changes are written to.
    pub config_path: Option<String>,
    /// Keys of the file that belong to other parts; kept and shown as they are.
    pub others: Vec<(String, String)>,
    pub version: DataVersion,
    /// `brokerId` as configured: a controller gives a broker another one, which is nothing to write into its file.
    pub configured_id: i64,
    /// Bytes from the end of the log that count as being in memory.
    pub memory_bytes_for_messages: u64,
    pub(super) sync_flush: bool,
    pub(super) sync_flush_timeout_ms: u64,
    /// Milliseconds of delay levels 1, 2, ...
    pub delay_levels: Vec<i64>,
    pub(super) store_root: String,
}

impl Settings {
    /// Derives what the machine needs; `total_memory_bytes` is the host's.
    ///
    /// # Errors
    /// `messageDelayLevel` does not parse.
    pub fn new(
        broker: BrokerConfig,
        store: MessageStoreConfig,
        server: NettyServerConfig,
        client: NettyClientConfig,
        auth: AuthConfig,
        total_memory_bytes: u64,
    ) -> Result<Self, DelayLevelError> {
        let delay_levels = delay::parse_levels(&store.message_delay_level)?;
        let percent = u64::try_from(store.access_message_in_memory_max_ratio).unwrap_or(40);
        let mut settings = Settings {
            memory_bytes_for_messages: total_memory_bytes / 100 * percent,
            sync_flush: false,
            sync_flush_timeout_ms: 0,
            store_root: store.store_path_root_dir.clone(),
            delay_levels,
            config_path: broker.broker_config_path.clone(),
            others: Vec::new(),
            version: DataVersion::default(),
            configured_id: broker.broker_id,
            broker,
            store,
            server,
            client,
            auth,
        };
        settings.derive();
        Ok(settings)
    }

    fn derive(&mut self) {
        self.sync_flush = self.store.flush_disk_type == FlushDiskType::SyncFlush;
        self.sync_flush_timeout_ms = u64::try_from(self.store.sync_flush_timeout).unwrap_or(5_000);
    }

    /// `brokerIP1:listenPort`, the address clients are told.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}:{}", self.broker.broker_ip1, self.broker.listen_port)
    }

    /// `brokerIP2:haListenPort`; the HA port is the one behind the listening port unless set.
    #[must_use]
    pub fn ha_address(&self) -> String {
        format!("{}:{}", self.broker.broker_ip2, self.ha_port())
    }

    #[must_use]
    pub fn ha_port(&self) -> i32 {
        let default = MessageStoreConfig::default().ha_listen_port;
        let set = self.store.ha_listen_port;
        if set > 0 && set != default { set } else { self.broker.listen_port + 1 }
    }

    /// `storePathEpochFile`, in the store's root unless set.
    #[must_use]
    pub fn epoch_file(&self) -> String {
        let set = self.store.store_path_epoch_file.clone().filter(|path| !path.is_empty());
        set.unwrap_or_else(|| format!("{}/epochFileCheckpoint", self.store_root))
    }

    /// The NameServers to register with.
    #[must_use]
    pub fn name_servers(&self) -> Vec<String> {
        let text = self.broker.namesrv_addr.as_deref().unwrap_or("");
        text.split(';').map(str::trim).filter(|addr| !addr.is_empty()).map(str::to_owned).collect()
    }

    /// The controllers of `controllerAddr`.
    #[must_use]
    pub fn controllers(&self) -> Vec<String> {
        let text = &self.broker.controller_addr;
        text.split(';').map(str::trim).filter(|addr| !addr.is_empty()).map(str::to_owned).collect()
    }

    /// `brokerIdentity`, or `brokerIdentity-temp` while the id is applied for.
    #[must_use]
    pub fn identity_path(&self, temporary: bool) -> String {
        let default = || format!("{}/brokerIdentity", self.store_root);
        let path = self.store.store_path_broker_identity.clone().unwrap_or_else(default);
        if temporary { format!("{path}-temp") } else { path }
    }

    #[must_use]
    pub fn max_delay_level(&self) -> i32 {
        i32::try_from(self.delay_levels.len()).unwrap_or(i32::MAX)
    }

    /// All keys and values sorted by key, each key once (GET_BROKER_CONFIG, 26).
    #[must_use]
    pub fn sorted_entries(&self) -> Vec<(String, String)> {
        let own = [
            self.broker.entries(),
            self.server.entries(),
            self.client.entries(),
            self.store.entries(),
            self.visible_auth(),
        ];
        let mut all: Vec<(String, String)> =
            own.into_iter().flatten().map(|(key, value)| (key.to_owned(), value)).collect();
        let known: BTreeSet<&String> = all.iter().map(|(key, _)| key).collect();
        let others: Vec<_> = self.others.iter().filter(|(key, _)| !known.contains(key)).cloned().collect();
        all.extend(others);
        all.sort();
        all.dedup_by(|later, earlier| later.0 == earlier.0);
        all
    }

    /// Secrets are for the file only, never for the wire.
    fn visible_auth(&self) -> Vec<(&'static str, String)> {
        let secret = |key: &str| key.contains("Credentials") || key.contains("AuthenticationUser");
        self.auth.entries().into_iter().filter(|(key, _)| !secret(key)).collect()
    }

    /// The `-c` file after a run-time change. With a controller `brokerId` stays what it was there: a container takes no
    /// such broker with another id than -1 (the reference writes the one of the moment, and cannot add the broker again).
    #[must_use]
    pub fn to_file(&self) -> String {
        let mut entries = self.sorted_entries();
        let secrets = self.auth.entries().into_iter().map(|(key, value)| (key.to_owned(), value));
        entries.extend(
            secrets.filter(|(key, _)| key.contains("Credentials") || key.contains("AuthenticationUser")),
        );
        entries.sort();
        entries.dedup_by(|later, earlier| later.0 == earlier.0);
        if self.broker.enable_controller_mode {
            let id = entries.iter_mut().find(|(key, _)| key == "brokerId");
            id.into_iter().for_each(|(_, value)| *value = self.configured_id.to_string());
        }
        plain_text(entries.iter().map(|(key, value)| (key.as_str(), value.as_str())))
    }

    /// Applies run-time changes; all or none.
    ///
    /// # Errors
    /// A key that may not change, or a value it does not take.
    pub fn update(&mut self, wall_ms: i64, changes: &Properties) -> Result<Vec<String>, Refusal> {
        let black_list = self.broker.config_black_list.clone();
        let mut targets: [&mut dyn crate::config::Settings; 5] =
            [&mut self.broker, &mut self.store, &mut self.server, &mut self.client, &mut self.auth];
        let set = update(&mut targets, changes, &black_list)?;
        if set.iter().any(|key| key == "brokerId") {
            self.configured_id = self.broker.broker_id;
        }
        self.version.bump(wall_ms, 0);
        self.derive();
        Ok(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_a_controller_gave_is_not_written_into_the_file() {
        let broker = BrokerConfig { enable_controller_mode: true, broker_id: -1, ..BrokerConfig::default() };
        let (store, server) = (MessageStoreConfig::default(), NettyServerConfig::default());
        let (client, auth) = (NettyClientConfig::default(), AuthConfig::default());
        let Ok(mut settings) = Settings::new(broker, store, server, client, auth, 1 << 30) else {
            panic!("these are the defaults");
        };
        settings.broker.broker_id = 3;
        assert!(settings.to_file().lines().any(|line| line == "brokerId=-1"), "{}", settings.to_file());
        settings.broker.enable_controller_mode = false;
        assert!(settings.to_file().lines().any(|line| line == "brokerId=3"));
    }
}
