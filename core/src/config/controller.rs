//! Keys of the controller and of the broker container, in the reference's order.

use super::MetricsExporterType;
use super::settings::config;

config! {
    /// `ControllerConfig`.
    ControllerConfig {
        rocketmq_home: Option<String> = "rocketmqHome", None;
        config_store_path: String = "configStorePath", String::new();
        controller_type: String = "controllerType", "DLedger".into();
        [live] scan_not_active_broker_interval: i64 = "scanNotActiveBrokerInterval", 5_000, 100..=600_000;
        controller_thread_pool_nums: i32 = "controllerThreadPoolNums", 16;
        controller_request_thread_pool_queue_capacity: i32 = "controllerRequestThreadPoolQueueCapacity", 50_000;
        controller_dleger_group: Option<String> = "controllerDLegerGroup", None;
        controller_dleger_peers: Option<String> = "controllerDLegerPeers", None;
        controller_dleger_self_id: Option<String> = "controllerDLegerSelfId", None;
        mapped_file_size: i32 = "mappedFileSize", 1_073_741_824;
        controller_store_path: String = "controllerStorePath", String::new();
        [live] elect_master_max_retry_count: i32 = "electMasterMaxRetryCount", 3;
        [live] enable_elect_unclean_master: bool = "enableElectUncleanMaster", false;
        [live] is_process_read_event: bool = "isProcessReadEvent", false;
        [live] notify_broker_role_changed: bool = "notifyBrokerRoleChanged", true;
        [live] scan_inactive_master_interval: i64 = "scanInactiveMasterInterval", 5_000;
        metrics_exporter_type: MetricsExporterType = "metricsExporterType", MetricsExporterType::Disable;
        metrics_grpc_exporter_target: String = "metricsGrpcExporterTarget", String::new();
        metrics_grpc_exporter_header: String = "metricsGrpcExporterHeader", String::new();
        metric_grpc_exporter_time_out_in_mills: i64 = "metricGrpcExporterTimeOutInMills", 3_000;
        metric_grpc_exporter_interval_in_mills: i64 = "metricGrpcExporterIntervalInMills", 60_000;
        metric_logging_exporter_interval_in_mills: i64 = "metricLoggingExporterIntervalInMills", 10_000;
        metrics_prom_exporter_port: i32 = "metricsPromExporterPort", 5_557, 0..=65_535;
        metrics_prom_exporter_host: String = "metricsPromExporterHost", String::new();
        metrics_label: String = "metricsLabel", String::new();
        metrics_in_delta: bool = "metricsInDelta", false;
        config_black_list: String = "configBlackList", "configBlackList;configStorePath".into();
    }
}

config! {
    /// `JraftConfig`: accepted, not used.
    JraftConfig {
        jraft_election_timeout_ms: i32 = "jRaftElectionTimeoutMs", 1_000;
        jraft_scan_wait_timeout_ms: i32 = "jRaftScanWaitTimeoutMs", 1_000;
        jraft_snapshot_interval_secs: i32 = "jRaftSnapshotIntervalSecs", 3_600;
        jraft_group_id: String = "jRaftGroupId", "jRaft-Controller".into();
        jraft_server_id: String = "jRaftServerId", "localhost:9880".into();
        jraft_init_conf: String = "jRaftInitConf", "localhost:9880,localhost:9881,localhost:9882".into();
        jraft_controller_rpc_addr: String = "jRaftControllerRPCAddr", "localhost:9770,localhost:9771,localhost:9772".into();
    }
}

config! {
    /// `BrokerContainerConfig`.
    BrokerContainerConfig {
        rocketmq_home: Option<String> = "rocketmqHome", None;
        namesrv_addr: Option<String> = "namesrvAddr", None;
        fetch_name_srv_addr_by_dns_lookup: bool = "fetchNameSrvAddrByDnsLookup", false;
        fetch_namesrv_addr_by_address_server: bool = "fetchNamesrvAddrByAddressServer", false;
        broker_container_ip: String = "brokerContainerIP", String::new();
        broker_config_paths: Option<String> = "brokerConfigPaths", None;
        [live] fetch_namesrv_addr_interval: i64 = "fetchNamesrvAddrInterval", 10_000, 100..;
        [live] update_namesrv_addr_interval: i64 = "updateNamesrvAddrInterval", 120_000, 100..;
        config_black_list: String = "configBlackList", "configBlackList;brokerConfigPaths".into();
    }
}

config! {
    /// What the reference's container does not have. These keys are shown only where the file has them.
    ContainerExtensions {
        broker_owns_loop: bool = "brokerOwnsLoop", false;
    }
}
