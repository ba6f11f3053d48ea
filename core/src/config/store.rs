//! The message store's keys, in the reference's order.

use super::settings::config;
use super::value::enum_value;

crate::json_enum! {
    /// What a broker is within its set of replicas.
    pub enum BrokerRole {
        /// Takes writes, does not wait for slaves.
        AsyncMaster = "ASYNC_MASTER" | 0,
        /// Takes writes, waits for slaves.
        SyncMaster = "SYNC_MASTER" | 1,
        /// Copies a master.
        Slave = "SLAVE" | 2,
    }
}
enum_value!(BrokerRole, "ASYNC_MASTER, SYNC_MASTER or SLAVE");

crate::json_enum! {
    /// When a message counts as written.
    pub enum FlushDiskType {
        /// When it is in memory.
        AsyncFlush = "ASYNC_FLUSH" | 1,
        /// When it is on disk.
        SyncFlush = "SYNC_FLUSH" | 0,
    }
}
enum_value!(FlushDiskType, "ASYNC_FLUSH or SYNC_FLUSH");

config! {
    /// `MessageStoreConfig`.
    MessageStoreConfig {
        store_path_root_dir: String = "storePathRootDir", String::new();
        store_path_commit_log: Option<String> = "storePathCommitLog", None;
        store_path_dledger_commit_log: Option<String> = "storePathDLedgerCommitLog", None;
        store_path_epoch_file: Option<String> = "storePathEpochFile", None;
        store_path_broker_identity: Option<String> = "storePathBrokerIdentity", None;
        read_only_commit_log_store_paths: Option<String> = "readOnlyCommitLogStorePaths", None;
        mapped_file_size_commit_log: i32 = "mappedFileSizeCommitLog", 1_073_741_824, 4_096..;
        compaction_mapped_file_size: i32 = "compactionMappedFileSize", 104_857_600;
        compaction_cq_mapped_file_size: i32 = "compactionCqMappedFileSize", 10_485_760;
        [live] compaction_schedule_internal: i32 = "compactionScheduleInternal", 900_000;
        max_offset_map_size: i32 = "maxOffsetMapSize", 104_857_600;
        compaction_thread_num: i32 = "compactionThreadNum", 6;
        enable_compaction: bool = "enableCompaction", true;
        mapped_file_size_timer_log: i32 = "mappedFileSizeTimerLog", 104_857_600;
        timer_precision_ms: i32 = "timerPrecisionMs", 1_000, 100..=1_000;
        timer_roll_window_slot: i32 = "timerRollWindowSlot", 172_800;
        [live] timer_flush_interval_ms: i32 = "timerFlushIntervalMs", 1_000, 1..;
        timer_get_message_thread_num: i32 = "timerGetMessageThreadNum", 3;
        timer_put_message_thread_num: i32 = "timerPutMessageThreadNum", 3;
        timer_enable_disruptor: bool = "timerEnableDisruptor", false;
        [live] timer_enable_check_metrics: bool = "timerEnableCheckMetrics", true;
        [live] timer_intercept_delay_level: bool = "timerInterceptDelayLevel", false;
        [live] timer_max_delay_sec: i32 = "timerMaxDelaySec", 259_200;
        timer_wheel_enable: bool = "timerWheelEnable", true;
        [live] disappear_time_after_start: i32 = "disappearTimeAfterStart", -1;
        [live] timer_stop_enqueue: bool = "timerStopEnqueue", false;
        [live] timer_check_metrics_when: String = "timerCheckMetricsWhen", "05".into();
        [live] timer_skip_unknown_error: bool = "timerSkipUnknownError", false;
        timer_warm_enable: bool = "timerWarmEnable", false;
        [live] timer_stop_dequeue: bool = "timerStopDequeue", false;
        [live] timer_enable_retry_until_success: bool = "timerEnableRetryUntilSuccess", false;
        [live] timer_congest_num_each_slot: i32 = "timerCongestNumEachSlot", i32::MAX;
        [live] timer_metric_small_threshold: i32 = "timerMetricSmallThreshold", 1_000_000;
        [live] timer_progress_log_interval_ms: i32 = "timerProgressLogIntervalMs", 10_000;
        store_type: String = "storeType", "default".into();
        mapped_file_size_consume_queue: i32 = "mappedFileSizeConsumeQueue", 6_000_000, 20..;
        enable_consume_queue_ext: bool = "enableConsumeQueueExt", false;
        mapped_file_size_consume_queue_ext: i32 = "mappedFileSizeConsumeQueueExt", 50_331_648;
        mapper_file_size_batch_consume_queue: i32 = "mapperFileSizeBatchConsumeQueue", 13_800_000;
        bit_map_length_consume_queue_ext: i32 = "bitMapLengthConsumeQueueExt", 64;
        [live] flush_interval_commit_log: i32 = "flushIntervalCommitLog", 500, 1..;
        [live] commit_interval_commit_log: i32 = "commitIntervalCommitLog", 200;
        [live] max_recovery_commitlog_files: i32 = "maxRecoveryCommitlogFiles", 30;
        [live] disk_space_warning_level_ratio: i32 = "diskSpaceWarningLevelRatio", 90, 1..=100;
        [live] disk_space_clean_forcibly_ratio: i32 = "diskSpaceCleanForciblyRatio", 85, 1..=100;
        use_reentrant_lock_when_put_message: bool = "useReentrantLockWhenPutMessage", true;
        [live] flush_commit_log_timed: bool = "flushCommitLogTimed", true;
        [live] flush_interval_consume_queue: i32 = "flushIntervalConsumeQueue", 1_000, 1..;
        [live] clean_resource_interval: i32 = "cleanResourceInterval", 10_000, 1..;
        [live] delete_commit_log_files_interval: i32 = "deleteCommitLogFilesInterval", 100;
        [live] delete_consume_queue_files_interval: i32 = "deleteConsumeQueueFilesInterval", 100;
        [live] destroy_maped_file_interval_forcibly: i32 = "destroyMapedFileIntervalForcibly", 120_000;
        [live] redelete_hanged_file_interval: i32 = "redeleteHangedFileInterval", 120_000;
        [live] delete_when: String = "deleteWhen", "04".into();
        [live] disk_max_used_space_ratio: i32 = "diskMaxUsedSpaceRatio", 75, 1..=100;
        [live] file_reserved_time: i32 = "fileReservedTime", 72, 0..=876_000;
        [live] delete_file_batch_max: i32 = "deleteFileBatchMax", 10;
        [live] put_msg_index_hight_water: i32 = "putMsgIndexHightWater", 600_000;
        [live] max_message_size: i32 = "maxMessageSize", 4_194_304, 1..;
        [live] max_filter_message_size: i32 = "maxFilterMessageSize", 16_000;
        [live] check_crc_on_recover: bool = "checkCRCOnRecover", true;
        [live] flush_commit_log_least_pages: i32 = "flushCommitLogLeastPages", 4;
        [live] commit_commit_log_least_pages: i32 = "commitCommitLogLeastPages", 4;
        [live] flush_least_pages_when_warm_maped_file: i32 = "flushLeastPagesWhenWarmMapedFile", 4_096;
        [live] flush_consume_queue_least_pages: i32 = "flushConsumeQueueLeastPages", 2;
        [live] flush_commit_log_thorough_interval: i32 = "flushCommitLogThoroughInterval", 10_000;
        [live] commit_commit_log_thorough_interval: i32 = "commitCommitLogThoroughInterval", 200;
        [live] flush_consume_queue_thorough_interval: i32 = "flushConsumeQueueThoroughInterval", 60_000;
        [live] max_transfer_bytes_on_message_in_memory: i32 = "maxTransferBytesOnMessageInMemory", 262_144;
        [live] max_transfer_count_on_message_in_memory: i32 = "maxTransferCountOnMessageInMemory", 32, 1..;
        [live] max_transfer_bytes_on_message_in_disk: i32 = "maxTransferBytesOnMessageInDisk", 65_536;
        [live] max_transfer_count_on_message_in_disk: i32 = "maxTransferCountOnMessageInDisk", 8, 1..;
        [live] access_message_in_memory_max_ratio: i32 = "accessMessageInMemoryMaxRatio", 40, 0..=100;
        [live] message_index_enable: bool = "messageIndexEnable", true;
        max_hash_slot_num: i32 = "maxHashSlotNum", 5_000_000, 1..;
        max_index_num: i32 = "maxIndexNum", 20_000_000, 2..;
        [live] max_msgs_num_batch: i32 = "maxMsgsNumBatch", 64;
        [live] message_index_safe: bool = "messageIndexSafe", false;
        ha_listen_port: i32 = "haListenPort", 10_912, 0..=65_535;
        [live] ha_send_heartbeat_interval: i32 = "haSendHeartbeatInterval", 5_000;
        [live] ha_housekeeping_interval: i32 = "haHousekeepingInterval", 20_000;
        [live] ha_transfer_batch_size: i32 = "haTransferBatchSize", 32_768, 1..;
        ha_master_address: Option<String> = "haMasterAddress", None;
        [live] ha_max_gap_not_in_sync: i32 = "haMaxGapNotInSync", 268_435_456;
        broker_role: BrokerRole = "brokerRole", BrokerRole::AsyncMaster;
        [live] flush_disk_type: FlushDiskType = "flushDiskType", FlushDiskType::AsyncFlush;
        [live] sync_flush_timeout: i32 = "syncFlushTimeout", 5_000;
        [live] put_message_timeout: i32 = "putMessageTimeout", 8_000;
        [live] slave_timeout: i32 = "slaveTimeout", 3_000;
        message_delay_level: String = "messageDelayLevel", "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h".into();
        [live] flush_delay_offset_interval: i64 = "flushDelayOffsetInterval", 10_000;
        [live] clean_file_forcibly_enable: bool = "cleanFileForciblyEnable", true;
        [live] warm_maped_file_enable: bool = "warmMapedFileEnable", false;
        [live] offset_check_in_slave: bool = "offsetCheckInSlave", false;
        [live] debug_lock_enable: bool = "debugLockEnable", false;
        duplication_enable: bool = "duplicationEnable", false;
        [live] disk_fall_recorded: bool = "diskFallRecorded", true;
        [live] os_page_cache_busy_time_out_mills: i64 = "osPageCacheBusyTimeOutMills", 1_000;
        [live] default_query_max_num: i32 = "defaultQueryMaxNum", 32;
        transient_store_pool_enable: bool = "transientStorePoolEnable", false;
        transient_store_pool_size: i32 = "transientStorePoolSize", 5;
        [live] fast_fail_if_no_buffer_in_store_pool: bool = "fastFailIfNoBufferInStorePool", false;
        enable_dleger_commit_log: bool = "enableDLegerCommitLog", false;
        dleger_group: Option<String> = "dLegerGroup", None;
        dleger_peers: Option<String> = "dLegerPeers", None;
        dleger_self_id: Option<String> = "dLegerSelfId", None;
        preferred_leader_id: Option<String> = "preferredLeaderId", None;
        enable_batch_push: bool = "enableBatchPush", false;
        [live] enable_schedule_message_stats: bool = "enableScheduleMessageStats", true;
        enable_lmq: bool = "enableLmq", false;
        enable_multi_dispatch: bool = "enableMultiDispatch", false;
        [live] max_lmq_consume_queue_num: i32 = "maxLmqConsumeQueueNum", 20_000;
        [live] enable_schedule_async_deliver: bool = "enableScheduleAsyncDeliver", false;
        [live] schedule_async_deliver_max_pending_limit: i32 = "scheduleAsyncDeliverMaxPendingLimit", 2_000;
        [live] schedule_async_deliver_max_resend_num2_blocked: i32 = "scheduleAsyncDeliverMaxResendNum2Blocked", 3;
        [live] max_batch_delete_files_num: i32 = "maxBatchDeleteFilesNum", 50;
        dispatch_cq_threads: i32 = "dispatchCqThreads", 10;
        [live] dispatch_cq_cache_num: i32 = "dispatchCqCacheNum", 4_096;
        [live] enable_async_reput: bool = "enableAsyncReput", true;
        [live] recheck_reput_offset_from_cq: bool = "recheckReputOffsetFromCq", false;
        [live] max_topic_length: i32 = "maxTopicLength", 127;
        [live] auto_message_version_on_topic_len: bool = "autoMessageVersionOnTopicLen", true;
        [live] enabled_append_prop_crc: bool = "enabledAppendPropCRC", false;
        [live] force_verify_prop_crc: bool = "forceVerifyPropCRC", false;
        [live] travel_cq_file_num_when_get_message: i32 = "travelCqFileNumWhenGetMessage", 1;
        [live] correct_logic_min_offset_sleep_interval: i32 = "correctLogicMinOffsetSleepInterval", 1;
        [live] correct_logic_min_offset_force_interval: i32 = "correctLogicMinOffsetForceInterval", 300_000;
        [live] mapped_file_swap_enable: bool = "mappedFileSwapEnable", true;
        [live] commit_log_force_swap_map_interval: i64 = "commitLogForceSwapMapInterval", 43_200_000;
        [live] commit_log_swap_map_interval: i64 = "commitLogSwapMapInterval", 3_600_000;
        [live] commit_log_swap_map_reserve_file_num: i32 = "commitLogSwapMapReserveFileNum", 100;
        [live] logic_queue_force_swap_map_interval: i64 = "logicQueueForceSwapMapInterval", 43_200_000;
        [live] logic_queue_swap_map_interval: i64 = "logicQueueSwapMapInterval", 3_600_000;
        [live] clean_swaped_map_interval: i64 = "cleanSwapedMapInterval", 300_000;
        [live] logic_queue_swap_map_reserve_file_num: i32 = "logicQueueSwapMapReserveFileNum", 20;
        [live] search_bcq_by_cache_enable: bool = "searchBcqByCacheEnable", true;
        [live] dispatch_from_sender_thread: bool = "dispatchFromSenderThread", false;
        [live] wake_commit_when_put_message: bool = "wakeCommitWhenPutMessage", true;
        [live] wake_flush_when_put_message: bool = "wakeFlushWhenPutMessage", false;
        [live] enable_clean_expired_offset: bool = "enableCleanExpiredOffset", false;
        [live] max_async_put_message_requests: i32 = "maxAsyncPutMessageRequests", 5_000;
        [live] pull_batch_max_message_count: i32 = "pullBatchMaxMessageCount", 160, 1..;
        [live] total_replicas: i32 = "totalReplicas", 1, 1..;
        [live] in_sync_replicas: i32 = "inSyncReplicas", 1, 1..;
        [live] min_in_sync_replicas: i32 = "minInSyncReplicas", 1, 1..;
        [live] all_ack_in_sync_state_set: bool = "allAckInSyncStateSet", false;
        [live] enable_auto_in_sync_replicas: bool = "enableAutoInSyncReplicas", false;
        [live] ha_flow_control_enable: bool = "haFlowControlEnable", false;
        [live] max_ha_transfer_byte_in_second: i64 = "maxHaTransferByteInSecond", 104_857_600;
        [live] ha_max_time_slave_not_catchup: i64 = "haMaxTimeSlaveNotCatchup", 15_000;
        [live] sync_master_flush_offset_when_startup: bool = "syncMasterFlushOffsetWhenStartup", false;
        [live] max_checksum_range: i64 = "maxChecksumRange", 1_073_741_824;
        replicas_per_disk_partition: i32 = "replicasPerDiskPartition", 1;
        [live] logical_disk_space_clean_forcibly_threshold: f64 = "logicalDiskSpaceCleanForciblyThreshold", 0.8, 0.0..=1.0;
        [live] max_slave_resend_length: i64 = "maxSlaveResendLength", 268_435_456;
        sync_from_last_file: bool = "syncFromLastFile", false;
        async_learner: bool = "asyncLearner", false;
        [live] max_consume_queue_scan: i32 = "maxConsumeQueueScan", 20_000;
        [live] sample_count_threshold: i32 = "sampleCountThreshold", 5_000;
        [live] cold_data_flow_control_enable: bool = "coldDataFlowControlEnable", false;
        [live] cold_data_scan_enable: bool = "coldDataScanEnable", false;
        [live] data_read_ahead_enable: bool = "dataReadAheadEnable", true;
        [live] timer_cold_data_check_interval_ms: i32 = "timerColdDataCheckIntervalMs", 60_000;
        [live] sample_steps: i32 = "sampleSteps", 32;
        [live] access_message_in_memory_hot_ratio: i32 = "accessMessageInMemoryHotRatio", 26, 0..=100;
        [live] enable_build_consume_queue_concurrently: bool = "enableBuildConsumeQueueConcurrently", false;
        batch_dispatch_request_thread_pool_nums: i32 = "batchDispatchRequestThreadPoolNums", 16;
        clean_rocksdb_dirty_cq_interval_min: i64 = "cleanRocksDBDirtyCQIntervalMin", 60;
        stat_rocksdb_cq_interval_sec: i64 = "statRocksDBCQIntervalSec", 10;
        [live] mem_table_flush_interval_ms: i64 = "memTableFlushIntervalMs", 3_600_000;
        real_time_persist_rocksdb_config: bool = "realTimePersistRocksDBConfig", true;
        enable_rocksdb_log: bool = "enableRocksDBLog", false;
        topic_queue_lock_num: i32 = "topicQueueLockNum", 32;
        [live] read_un_committed: bool = "readUnCommitted", false;
        [live] put_consume_queue_data_by_file_channel: bool = "putConsumeQueueDataByFileChannel", true;
        rocksdb_cq_double_write_enable: bool = "rocksdbCQDoubleWriteEnable", false;
        bottom_most_compression_type_for_consume_queue_store: String = "bottomMostCompressionTypeForConsumeQueueStore", "zstd".into();
        rocksdb_compression_type: String = "rocksdbCompressionType", "lz4".into();
        rocksdb_flush_wal_frequency: i32 = "rocksdbFlushWalFrequency", 1_024;
        rocksdb_wal_file_rolling_threshold: i64 = "rocksdbWalFileRollingThreshold", 1_073_741_824;
        spin_lock_collision_retreat_optimal_degree: i32 = "spinLockCollisionRetreatOptimalDegree", 1_000;
        use_abs_lock: bool = "useABSLock", false;
    }
}
