//! The commands, one file each, and the table of them in the reference's order.

mod broker_status;
mod clean_broker_metadata;
mod clean_expired_cq;
mod clean_unused_topic;
mod cluster_list;
mod consume_message;
mod consumer_connection;
mod consumer_progress;
mod container;
mod delete_expired_commit_log;
mod delete_kv_config;
mod delete_sub_group;
mod delete_topic;
mod elect_master;
mod get_broker_config;
mod get_broker_epoch;
mod get_consumer_config;
mod get_controller_config;
mod get_controller_metadata;
mod get_namesrv_config;
mod get_sync_state_set;
mod ha_status;
mod print_msg;
mod print_msg_by_queue;
mod producer;
mod producer_connection;
mod query_cq;
mod query_msg_by_id;
mod query_msg_by_key;
mod query_msg_by_offset;
mod query_msg_by_unique_key;
mod reset_offset_by_time;
mod rounds;
mod send_message;
mod skip_accumulated_message;
mod stats_all;
mod topic_cluster_list;
mod topic_list;
mod topic_route;
mod topic_status;
mod update_broker_config;
mod update_controller_config;
mod update_kv_config;
mod update_namesrv_config;
mod update_order_conf;
mod update_sub_group;
mod update_topic;
mod update_topic_perm;
mod values;
mod write_perm;

use crate::app::Command;
use crate::bench;

/// Every command there is.
pub static ALL: &[&dyn Command] = &[
    &update_topic::UpdateTopic,
    &delete_topic::DeleteTopic,
    &update_sub_group::UpdateSubGroup,
    &delete_sub_group::DeleteSubGroup,
    &update_broker_config::UpdateBrokerConfig,
    &update_topic_perm::UpdateTopicPerm,
    &topic_route::TopicRoute,
    &topic_status::TopicStatus,
    &topic_cluster_list::TopicClusterList,
    &container::AddBroker,
    &container::RemoveBroker,
    &broker_status::BrokerStatus,
    &query_msg_by_id::QueryMsgById,
    &query_msg_by_key::QueryMsgByKey,
    &query_msg_by_unique_key::QueryMsgByUniqueKey,
    &query_msg_by_offset::QueryMsgByOffset,
    &print_msg::PrintMsg,
    &print_msg_by_queue::PrintMsgByQueue,
    &producer_connection::ProducerConnection,
    &consumer_connection::ConsumerConnection,
    &consumer_progress::ConsumerProgress,
    &producer::Producer,
    &cluster_list::ClusterList,
    &topic_list::TopicList,
    &update_kv_config::UpdateKvConfig,
    &delete_kv_config::DeleteKvConfig,
    &write_perm::WipeWritePerm,
    &write_perm::AddWritePerm,
    &reset_offset_by_time::ResetOffsetByTime,
    &skip_accumulated_message::SkipAccumulatedMessage,
    &update_order_conf::UpdateOrderConf,
    &clean_expired_cq::CleanExpiredCq,
    &delete_expired_commit_log::DeleteExpiredCommitLog,
    &clean_unused_topic::CleanUnusedTopic,
    &stats_all::StatsAll,
    &get_namesrv_config::GetNamesrvConfig,
    &update_namesrv_config::UpdateNamesrvConfig,
    &get_broker_config::GetBrokerConfig,
    &get_consumer_config::GetConsumerConfig,
    &query_cq::QueryCq,
    &send_message::SendMessage,
    &consume_message::ConsumeMessage,
    &ha_status::HaStatus,
    &get_sync_state_set::GetSyncStateSet,
    &get_broker_epoch::GetBrokerEpoch,
    &get_controller_metadata::GetControllerMetaData,
    &get_controller_config::GetControllerConfig,
    &update_controller_config::UpdateControllerConfig,
    &elect_master::ElectMaster,
    &clean_broker_metadata::CleanBrokerMetadata,
    &bench::BenchmarkProducer,
    &bench::BenchmarkConsumer,
    &bench::BenchmarkSuite,
    &bench::BenchmarkRatios,
];
