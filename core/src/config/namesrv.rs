//! The NameServer's own keys, in the reference's order.

use super::settings::config;

config! {
    /// `NamesrvConfig`.
    NamesrvConfig {
        rocketmq_home: Option<String> = "rocketmqHome", None;
        kv_config_path: String = "kvConfigPath", String::new();
        config_store_path: String = "configStorePath", String::new();
        product_env_name: String = "productEnvName", "center".into();
        [live] cluster_test: bool = "clusterTest", false, false..=false;
        [live] order_message_enable: bool = "orderMessageEnable", false;
        [live] return_order_topic_config_to_broker: bool = "returnOrderTopicConfigToBroker", true;
        client_request_thread_pool_nums: i32 = "clientRequestThreadPoolNums", 8;
        default_thread_pool_nums: i32 = "defaultThreadPoolNums", 16;
        client_request_thread_pool_queue_capacity: i32 = "clientRequestThreadPoolQueueCapacity", 50_000;
        default_thread_pool_queue_capacity: i32 = "defaultThreadPoolQueueCapacity", 10_000;
        [live] scan_not_active_broker_interval: i64 = "scanNotActiveBrokerInterval", 5_000, 100..=600_000;
        un_register_broker_queue_capacity: i32 = "unRegisterBrokerQueueCapacity", 3_000;
        [live] support_acting_master: bool = "supportActingMaster", false;
        [live] enable_all_topic_list: bool = "enableAllTopicList", true;
        [live] enable_topic_list: bool = "enableTopicList", true;
        [live] notify_min_broker_id_changed: bool = "notifyMinBrokerIdChanged", false;
        enable_controller_in_namesrv: bool = "enableControllerInNamesrv", false;
        [live] need_wait_for_service: bool = "needWaitForService", false;
        [live] wait_seconds_for_service: i32 = "waitSecondsForService", 45, 0..=3_600;
        [live] delete_topic_with_broker_registration: bool = "deleteTopicWithBrokerRegistration", false;
        config_black_list: String = "configBlackList", "configBlackList;configStorePath;kvConfigPath".into();
    }
}
