//! The broker's keys, in the reference's order.

use super::settings::config;
use super::value::enum_value;

crate::json_enum! {
    /// Whether clients pull or are handed messages, unless set per topic and group.
    pub enum MessageRequestMode {
        /// Clients pull.
        Pull = "PULL" | 0,
        /// The broker hands out.
        Pop = "POP" | 1,
    }
}
enum_value!(MessageRequestMode, "PULL or POP");

crate::json_enum! {
    /// Where metrics go.
    pub enum MetricsExporterType {
        /// Nowhere.
        Disable = "DISABLE" | 0,
        /// Pushed to a collector.
        OtlpGrpc = "OTLP_GRPC" | 1,
        /// Scraped.
        Prom = "PROM" | 2,
        /// Into the log.
        Log = "LOG" | 3,
    }
}
enum_value!(MetricsExporterType, "DISABLE, OTLP_GRPC, PROM or LOG");

config! {
    /// `BrokerConfig` with `BrokerIdentity`.
    BrokerConfig {
        broker_config_path: Option<String> = "brokerConfigPath", None;
        rocketmq_home: Option<String> = "rocketmqHome", None;
        namesrv_addr: Option<String> = "namesrvAddr", None;
        listen_port: i32 = "listenPort", 10_911, 0..=65_535;
        broker_ip1: String = "brokerIP1", String::new();
        broker_ip2: String = "brokerIP2", String::new();
        recover_concurrently: bool = "recoverConcurrently", false;
        [live] broker_permission: i32 = "brokerPermission", 6, 0..=7;
        [live] default_topic_queue_nums: i32 = "defaultTopicQueueNums", 8, 1..=65_536;
        [live] auto_create_topic_enable: bool = "autoCreateTopicEnable", true;
        [live] cluster_topic_enable: bool = "clusterTopicEnable", true;
        [live] broker_topic_enable: bool = "brokerTopicEnable", true;
        [live] auto_create_subscription_group: bool = "autoCreateSubscriptionGroup", true;
        message_store_plug_in: String = "messageStorePlugIn", String::new();
        msg_trace_topic_name: String = "msgTraceTopicName", "RMQ_SYS_TRACE_TOPIC".into();
        [live] trace_topic_enable: bool = "traceTopicEnable", false;
        send_message_thread_pool_nums: i32 = "sendMessageThreadPoolNums", 2;
        put_message_future_thread_pool_nums: i32 = "putMessageFutureThreadPoolNums", 2;
        pull_message_thread_pool_nums: i32 = "pullMessageThreadPoolNums", 20;
        lite_pull_message_thread_pool_nums: i32 = "litePullMessageThreadPoolNums", 20;
        ack_message_thread_pool_nums: i32 = "ackMessageThreadPoolNums", 16;
        process_reply_message_thread_pool_nums: i32 = "processReplyMessageThreadPoolNums", 20;
        query_message_thread_pool_nums: i32 = "queryMessageThreadPoolNums", 10;
        admin_broker_thread_pool_nums: i32 = "adminBrokerThreadPoolNums", 16;
        client_manage_thread_pool_nums: i32 = "clientManageThreadPoolNums", 32;
        consumer_manage_thread_pool_nums: i32 = "consumerManageThreadPoolNums", 32;
        load_balance_processor_thread_pool_nums: i32 = "loadBalanceProcessorThreadPoolNums", 32;
        heartbeat_thread_pool_nums: i32 = "heartbeatThreadPoolNums", 2;
        recover_thread_pool_nums: i32 = "recoverThreadPoolNums", 32;
        end_transaction_thread_pool_nums: i32 = "endTransactionThreadPoolNums", 12;
        [live] flush_consumer_offset_interval: i32 = "flushConsumerOffsetInterval", 5_000, 1..;
        [live] flush_consumer_offset_history_interval: i32 = "flushConsumerOffsetHistoryInterval", 60_000;
        [live] reject_transaction_message: bool = "rejectTransactionMessage", false;
        fetch_name_srv_addr_by_dns_lookup: bool = "fetchNameSrvAddrByDnsLookup", false;
        fetch_namesrv_addr_by_address_server: bool = "fetchNamesrvAddrByAddressServer", false;
        send_thread_pool_queue_capacity: i32 = "sendThreadPoolQueueCapacity", 10_000;
        put_thread_pool_queue_capacity: i32 = "putThreadPoolQueueCapacity", 10_000;
        pull_thread_pool_queue_capacity: i32 = "pullThreadPoolQueueCapacity", 100_000;
        lite_pull_thread_pool_queue_capacity: i32 = "litePullThreadPoolQueueCapacity", 100_000;
        ack_thread_pool_queue_capacity: i32 = "ackThreadPoolQueueCapacity", 100_000;
        reply_thread_pool_queue_capacity: i32 = "replyThreadPoolQueueCapacity", 10_000;
        query_thread_pool_queue_capacity: i32 = "queryThreadPoolQueueCapacity", 20_000;
        client_manager_thread_pool_queue_capacity: i32 = "clientManagerThreadPoolQueueCapacity", 1_000_000;
        consumer_manager_thread_pool_queue_capacity: i32 = "consumerManagerThreadPoolQueueCapacity", 1_000_000;
        heartbeat_thread_pool_queue_capacity: i32 = "heartbeatThreadPoolQueueCapacity", 50_000;
        end_transaction_pool_queue_capacity: i32 = "endTransactionPoolQueueCapacity", 100_000;
        admin_broker_thread_pool_queue_capacity: i32 = "adminBrokerThreadPoolQueueCapacity", 10_000;
        load_balance_thread_pool_queue_capacity: i32 = "loadBalanceThreadPoolQueueCapacity", 100_000;
        [live] long_polling_enable: bool = "longPollingEnable", true;
        [live] short_polling_time_mills: i64 = "shortPollingTimeMills", 1_000;
        [live] notify_consumer_ids_changed_enable: bool = "notifyConsumerIdsChangedEnable", true;
        [live] high_speed_mode: bool = "highSpeedMode", false;
        [live] commercial_base_count: i32 = "commercialBaseCount", 1;
        [live] commercial_size_per_msg: i32 = "commercialSizePerMsg", 4_096;
        [live] account_stats_enable: bool = "accountStatsEnable", true;
        [live] account_stats_print_zero_values: bool = "accountStatsPrintZeroValues", true;
        [live] max_stats_idle_time_in_minutes: i32 = "maxStatsIdleTimeInMinutes", -1;
        [live] transfer_msg_by_heap: bool = "transferMsgByHeap", true;
        region_id: String = "regionId", "DefaultRegion".into();
        [live] register_broker_timeout_mills: i32 = "registerBrokerTimeoutMills", 24_000;
        [live] send_heartbeat_timeout_millis: i32 = "sendHeartbeatTimeoutMillis", 1_000;
        [live] slave_read_enable: bool = "slaveReadEnable", false;
        [live] disable_consume_if_consumer_read_slowly: bool = "disableConsumeIfConsumerReadSlowly", false;
        [live] consumer_fallbehind_threshold: i64 = "consumerFallbehindThreshold", 17_179_869_184;
        [live] broker_fast_failure_enable: bool = "brokerFastFailureEnable", true;
        [live] wait_time_mills_in_send_queue: i64 = "waitTimeMillsInSendQueue", 200;
        [live] wait_time_mills_in_pull_queue: i64 = "waitTimeMillsInPullQueue", 5_000;
        [live] wait_time_mills_in_lite_pull_queue: i64 = "waitTimeMillsInLitePullQueue", 5_000;
        [live] wait_time_mills_in_heartbeat_queue: i64 = "waitTimeMillsInHeartbeatQueue", 31_000;
        [live] wait_time_mills_in_transaction_queue: i64 = "waitTimeMillsInTransactionQueue", 3_000;
        [live] wait_time_mills_in_ack_queue: i64 = "waitTimeMillsInAckQueue", 3_000;
        [live] wait_time_mills_in_admin_broker_queue: i64 = "waitTimeMillsInAdminBrokerQueue", 5_000;
        [live] start_accept_send_request_time_stamp: i64 = "startAcceptSendRequestTimeStamp", 0;
        [live] trace_on: bool = "traceOn", true;
        [live] enable_calc_filter_bit_map: bool = "enableCalcFilterBitMap", false;
        [live] reject_pull_consumer_enable: bool = "rejectPullConsumerEnable", false;
        [live] expect_consumer_num_use_filter: i32 = "expectConsumerNumUseFilter", 32;
        [live] max_error_rate_of_bloom_filter: i32 = "maxErrorRateOfBloomFilter", 20;
        [live] filter_data_clean_time_span: i64 = "filterDataCleanTimeSpan", 86_400_000;
        [live] filter_support_retry: bool = "filterSupportRetry", false;
        [live] enable_property_filter: bool = "enablePropertyFilter", false;
        [live] compressed_register: bool = "compressedRegister", false;
        [live] force_register: bool = "forceRegister", true;
        [live] register_name_server_period: i32 = "registerNameServerPeriod", 30_000, 1..;
        update_name_server_addr_period: i32 = "updateNameServerAddrPeriod", 120_000;
        [live] broker_heartbeat_interval: i32 = "brokerHeartbeatInterval", 1_000, 1..;
        [live] broker_not_active_timeout_millis: i64 = "brokerNotActiveTimeoutMillis", 10_000;
        [live] enable_net_work_flow_control: bool = "enableNetWorkFlowControl", false;
        [live] enable_broadcast_offset_store: bool = "enableBroadcastOffsetStore", true;
        [live] broadcast_offset_expire_second: i64 = "broadcastOffsetExpireSecond", 120;
        [live] broadcast_offset_expire_max_second: i64 = "broadcastOffsetExpireMaxSecond", 300;
        [live] pop_polling_size: i32 = "popPollingSize", 1_024;
        [live] pop_polling_map_size: i32 = "popPollingMapSize", 100_000;
        [live] max_pop_polling_size: i64 = "maxPopPollingSize", 100_000;
        revive_queue_num: i32 = "reviveQueueNum", 8, 1..=1_024;
        [live] revive_interval: i64 = "reviveInterval", 1_000, 1..;
        [live] revive_max_slow: i64 = "reviveMaxSlow", 3;
        [live] revive_scan_time: i64 = "reviveScanTime", 10_000;
        [live] enable_skip_long_awaiting_ack: bool = "enableSkipLongAwaitingAck", false;
        [live] revive_ack_wait_ms: i64 = "reviveAckWaitMs", 180_000;
        [live] enable_pop_log: bool = "enablePopLog", false;
        [live] enable_pop_buffer_merge: bool = "enablePopBufferMerge", false;
        [live] pop_ck_stay_buffer_time: i32 = "popCkStayBufferTime", 10_000;
        [live] pop_ck_stay_buffer_time_out: i32 = "popCkStayBufferTimeOut", 3_000;
        [live] pop_ck_max_buffer_size: i32 = "popCkMaxBufferSize", 200_000;
        [live] pop_ck_offset_max_queue_size: i32 = "popCkOffsetMaxQueueSize", 20_000;
        [live] enable_pop_batch_ack: bool = "enablePopBatchAck", false;
        [live] pop_long_polling_force_notify_interval: i64 = "popLongPollingForceNotifyInterval", 800;
        [live] enable_notify_before_pop_calculate_lag: bool = "enableNotifyBeforePopCalculateLag", true;
        [live] enable_notify_after_pop_order_lock_release: bool = "enableNotifyAfterPopOrderLockRelease", true;
        [live] init_pop_offset_by_check_msg_in_mem: bool = "initPopOffsetByCheckMsgInMem", true;
        [live] retrieve_message_from_pop_retry_topic_v1: bool = "retrieveMessageFromPopRetryTopicV1", true;
        [live] enable_retry_topic_v2: bool = "enableRetryTopicV2", false;
        [live] pop_from_retry_probability: i32 = "popFromRetryProbability", 20, 0..=100;
        pop_consumer_fs_service_init: bool = "popConsumerFSServiceInit", true;
        pop_consumer_kv_service_log: bool = "popConsumerKVServiceLog", false;
        pop_consumer_kv_service_init: bool = "popConsumerKVServiceInit", false;
        pop_consumer_kv_service_enable: bool = "popConsumerKVServiceEnable", false;
        [live] pop_revive_max_return_size_per_read: i32 = "popReviveMaxReturnSizePerRead", 16_384;
        [live] pop_revive_max_attempt_times: i32 = "popReviveMaxAttemptTimes", 16;
        [live] real_time_notify_consumer_change: bool = "realTimeNotifyConsumerChange", true;
        [live] lite_pull_message_enable: bool = "litePullMessageEnable", true;
        [live] sync_broker_member_group_period: i32 = "syncBrokerMemberGroupPeriod", 1_000;
        [live] load_balance_poll_name_server_interval: i64 = "loadBalancePollNameServerInterval", 30_000;
        [live] clean_offline_broker_interval: i32 = "cleanOfflineBrokerInterval", 30_000;
        [live] server_load_balancer_enable: bool = "serverLoadBalancerEnable", true;
        [live] default_message_request_mode: MessageRequestMode = "defaultMessageRequestMode", MessageRequestMode::Pull;
        [live] default_pop_share_queue_num: i32 = "defaultPopShareQueueNum", -1;
        [live] transaction_time_out: i64 = "transactionTimeOut", 6_000;
        [live] transaction_check_max: i32 = "transactionCheckMax", 15;
        [live] transaction_check_interval: i64 = "transactionCheckInterval", 30_000, 100..;
        [live] transaction_metric_flush_interval: i64 = "transactionMetricFlushInterval", 3_000;
        [live] transaction_op_msg_max_size: i32 = "transactionOpMsgMaxSize", 4_096;
        [live] transaction_op_batch_interval: i32 = "transactionOpBatchInterval", 3_000;
        acl_enable: bool = "aclEnable", false;
        [live] store_reply_message_enable: bool = "storeReplyMessageEnable", true;
        [live] enable_detail_stat: bool = "enableDetailStat", true;
        [live] auto_delete_unused_stats: bool = "autoDeleteUnusedStats", true;
        isolate_log_enable: bool = "isolateLogEnable", false;
        [live] forward_timeout: i64 = "forwardTimeout", 3_000;
        enable_slave_acting_master: bool = "enableSlaveActingMaster", false;
        enable_remote_escape: bool = "enableRemoteEscape", false;
        [live] skip_pre_online: bool = "skipPreOnline", false;
        [live] async_send_enable: bool = "asyncSendEnable", true;
        [live] use_server_side_reset_offset: bool = "useServerSideResetOffset", true;
        [live] consumer_offset_update_version_step: i64 = "consumerOffsetUpdateVersionStep", 500;
        [live] delay_offset_update_version_step: i64 = "delayOffsetUpdateVersionStep", 200;
        [live] lock_in_strict_mode: bool = "lockInStrictMode", false;
        [live] compatible_with_old_name_srv: bool = "compatibleWithOldNameSrv", true;
        enable_controller_mode: bool = "enableControllerMode", false;
        controller_addr: String = "controllerAddr", String::new();
        fetch_controller_addr_by_dns_lookup: bool = "fetchControllerAddrByDnsLookup", false;
        [live] sync_broker_metadata_period: i64 = "syncBrokerMetadataPeriod", 5_000;
        [live] check_sync_state_set_period: i64 = "checkSyncStateSetPeriod", 5_000;
        [live] sync_controller_metadata_period: i64 = "syncControllerMetadataPeriod", 10_000;
        [live] controller_heart_beat_timeout_mills: i64 = "controllerHeartBeatTimeoutMills", 3_000, 300..=600_000;
        [live] validate_system_topic_when_update_topic: bool = "validateSystemTopicWhenUpdateTopic", true;
        [live] broker_election_priority: i32 = "brokerElectionPriority", i32::MAX;
        [live] use_static_subscription: bool = "useStaticSubscription", false;
        metrics_exporter_type: MetricsExporterType = "metricsExporterType", MetricsExporterType::Disable;
        metrics_otel_cardinality_limit: i32 = "metricsOtelCardinalityLimit", 50_000;
        metrics_grpc_exporter_target: String = "metricsGrpcExporterTarget", String::new();
        metrics_grpc_exporter_header: String = "metricsGrpcExporterHeader", String::new();
        metric_grpc_exporter_time_out_in_mills: i64 = "metricGrpcExporterTimeOutInMills", 3_000;
        metric_grpc_exporter_interval_in_mills: i64 = "metricGrpcExporterIntervalInMills", 60_000;
        metric_logging_exporter_interval_in_mills: i64 = "metricLoggingExporterIntervalInMills", 10_000;
        metrics_prom_exporter_port: i32 = "metricsPromExporterPort", 5_557, 0..=65_535;
        metrics_prom_exporter_host: String = "metricsPromExporterHost", String::new();
        metrics_label: String = "metricsLabel", String::new();
        metrics_in_delta: bool = "metricsInDelta", false;
        [live] channel_expired_timeout: i64 = "channelExpiredTimeout", 120_000, 1_000..;
        [live] subscription_expired_timeout: i64 = "subscriptionExpiredTimeout", 600_000;
        [live] estimate_accumulation: bool = "estimateAccumulation", true;
        [live] cold_ctr_strategy_enable: bool = "coldCtrStrategyEnable", false;
        [live] use_pid_cold_ctr_strategy: bool = "usePIDColdCtrStrategy", true;
        [live] cg_cold_read_threshold: i64 = "cgColdReadThreshold", 3_145_728;
        [live] global_cold_read_threshold: i64 = "globalColdReadThreshold", 104_857_600;
        fetch_namesrv_addr_interval: i64 = "fetchNamesrvAddrInterval", 10_000;
        [live] pop_response_return_actual_retry_topic: bool = "popResponseReturnActualRetryTopic", false;
        [live] enable_single_topic_register: bool = "enableSingleTopicRegister", false;
        [live] enable_mixed_message_type: bool = "enableMixedMessageType", false;
        [live] enable_split_registration: bool = "enableSplitRegistration", false;
        [live] pop_inflight_message_threshold: i64 = "popInflightMessageThreshold", 10_000;
        [live] enable_pop_message_threshold: bool = "enablePopMessageThreshold", false;
        [live] enable_fast_channel_event_process: bool = "enableFastChannelEventProcess", false;
        [live] print_channel_groups: bool = "printChannelGroups", false;
        [live] print_channel_groups_min_num: i32 = "printChannelGroupsMinNum", 5;
        [live] split_registration_size: i32 = "splitRegistrationSize", 800;
        config_black_list: String = "configBlackList", "configBlackList;brokerConfigPath".into();
        [live] skip_when_ck_re_put_reach_max_times: bool = "skipWhenCKRePutReachMaxTimes", false;
        [live] append_ack_async: bool = "appendAckAsync", false;
        [live] append_ck_async: bool = "appendCkAsync", false;
        [live] clear_retry_topic_when_delete_topic: bool = "clearRetryTopicWhenDeleteTopic", true;
        [live] enable_lmq_stats: bool = "enableLmqStats", false;
        config_manager_version: String = "configManagerVersion", "v1".into();
        [live] allow_recall_when_broker_not_writeable: bool = "allowRecallWhenBrokerNotWriteable", true;
        [live] recall_message_enable: bool = "recallMessageEnable", false;
        [live] enable_register_producer: bool = "enableRegisterProducer", true;
        [live] enable_create_sys_group: bool = "enableCreateSysGroup", true;
        broker_name: String = "brokerName", String::new();
        broker_cluster_name: String = "brokerClusterName", "DefaultCluster".into();
        broker_id: i64 = "brokerId", 0, -1..;
        is_broker_container: bool = "isBrokerContainer", false;
        is_in_broker_container: bool = "isInBrokerContainer", false;
    }
}
