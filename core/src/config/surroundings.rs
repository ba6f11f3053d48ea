//! Defaults that depend on the machine, handed in by whoever can look.

use super::{BrokerConfig, BrokerContainerConfig, ControllerConfig, MessageStoreConfig, NamesrvConfig};

/// What the reference finds out by itself at start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The user's home directory.
    pub user_home: String,
    /// `ROCKETMQ_HOME`, if set.
    pub rocketmq_home: Option<String>,
    /// `NAMESRV_ADDR`, if set.
    pub namesrv_addr: Option<String>,
    /// The host's name.
    pub host_name: String,
    /// The address others reach this host at.
    pub local_ip: String,
    /// Processors.
    pub cpus: i32,
}

impl NamesrvConfig {
    /// The defaults on this host.
    #[must_use]
    pub fn for_host(host: &Surroundings) -> Self {
        NamesrvConfig {
            rocketmq_home: host.rocketmq_home.clone(),
            kv_config_path: format!("{}/namesrv/kvConfig.json", host.user_home),
            config_store_path: format!("{}/namesrv/namesrv.properties", host.user_home),
            ..NamesrvConfig::default()
        }
    }
}

impl BrokerConfig {
    /// The defaults on this host.
    #[must_use]
    pub fn for_host(host: &Surroundings) -> Self {
        let cpus = host.cpus.max(1);
        let send = cpus.min(4);
        BrokerConfig {
            rocketmq_home: host.rocketmq_home.clone(),
            namesrv_addr: host.namesrv_addr.clone(),
            broker_name: host.host_name.clone(),
            broker_ip1: host.local_ip.clone(),
            broker_ip2: host.local_ip.clone(),
            send_message_thread_pool_nums: send,
            put_message_future_thread_pool_nums: send,
            pull_message_thread_pool_nums: 16 + 2 * cpus,
            lite_pull_message_thread_pool_nums: 16 + 2 * cpus,
            process_reply_message_thread_pool_nums: 16 + 2 * cpus,
            query_message_thread_pool_nums: 8 + cpus,
            heartbeat_thread_pool_nums: cpus.min(32),
            end_transaction_thread_pool_nums: (8 + 2 * cpus).max(4 * send),
            ..BrokerConfig::default()
        }
    }
}

impl MessageStoreConfig {
    /// The defaults on this host.
    #[must_use]
    pub fn for_host(host: &Surroundings) -> Self {
        MessageStoreConfig {
            store_path_root_dir: format!("{}/store", host.user_home),
            ..MessageStoreConfig::default()
        }
    }

    /// Where the commit log is: below the root unless said otherwise.
    #[must_use]
    pub fn commit_log_path(&self) -> String {
        self.store_path_commit_log
            .clone()
            .unwrap_or_else(|| format!("{}/commitlog", self.store_path_root_dir))
    }
}

impl ControllerConfig {
    /// The defaults on this host.
    #[must_use]
    pub fn for_host(host: &Surroundings) -> Self {
        ControllerConfig {
            rocketmq_home: host.rocketmq_home.clone(),
            config_store_path: format!("{}/controller/controller.properties", host.user_home),
            ..ControllerConfig::default()
        }
    }
}

impl BrokerContainerConfig {
    /// The defaults on this host.
    #[must_use]
    pub fn for_host(host: &Surroundings) -> Self {
        BrokerContainerConfig {
            rocketmq_home: host.rocketmq_home.clone(),
            namesrv_addr: host.namesrv_addr.clone(),
            broker_container_ip: host.local_ip.clone(),
            ..BrokerContainerConfig::default()
        }
    }
}
