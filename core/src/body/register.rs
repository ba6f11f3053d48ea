//! What a broker tells a NameServer about itself.

use super::topic::{DataVersion, TopicConfig};
use crate::json::Json;
use crate::json_struct;
use std::collections::BTreeMap;

json_struct! {
    /// The short form of a static topic's mapping on one broker.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct TopicQueueMappingInfo {
        /// Topic.
        pub topic: String = "topic",
        /// Scope, `__global__` by default.
        pub scope: String = "scope",
        /// Global queues in all.
        pub total_queues: i32 = "totalQueues",
        /// The set of replicas.
        pub broker_name: String = "bname",
        /// Version of the mapping.
        pub epoch: i64 = "epoch",
        /// Changed since the last save.
        pub dirty: bool = "dirty",
        /// Global queue to physical queue, for the queues led here.
        pub current: BTreeMap<i32, i32> = "currIdMap",
    }
}

impl Default for TopicQueueMappingInfo {
    fn default() -> Self {
        TopicQueueMappingInfo {
            topic: String::new(),
            scope: "__global__".to_owned(),
            total_queues: 0,
            broker_name: String::new(),
            epoch: 0,
            dirty: false,
            current: BTreeMap::new(),
        }
    }
}

json_struct! {
    /// A topic table as a broker stores it (`topics.json`).
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct TopicConfigTable {
        /// Topics by name.
        pub topics: BTreeMap<String, TopicConfig> = "topicConfigTable",
        /// Version of the table.
        pub data_version: DataVersion = "dataVersion",
    }
}

json_struct! {
    /// A topic table with the mappings of static topics: the answer to GET_ALL_TOPIC_CONFIG and the main
    /// part of a registration.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct TopicConfigWrapper {
        /// Topics by name.
        pub topics: BTreeMap<String, TopicConfig> = "topicConfigTable",
        /// Version of the topic table.
        pub data_version: DataVersion = "dataVersion",
        /// Static topics, short form.
        pub mapping_infos: BTreeMap<String, TopicQueueMappingInfo> = "topicQueueMappingInfoMap",
        /// Static topics, long form.
        pub mapping_details: BTreeMap<String, Json> = "topicQueueMappingDetailMap",
        /// Version of the mapping table.
        pub mapping_data_version: DataVersion = "mappingDataVersion",
    }
}

json_struct! {
    /// The body of REGISTER_BROKER.
    #[derive(Clone, Debug, PartialEq)]
    pub struct RegisterBrokerBody {
        /// Topics.
        pub wrapper: TopicConfigWrapper = "topicConfigSerializeWrapper",
        /// Filter servers: none keeps what is known, empty forgets it.
        pub filter_servers: Option<Vec<String>> = "filterServerList",
    }
}

impl Default for RegisterBrokerBody {
    fn default() -> Self {
        RegisterBrokerBody { wrapper: TopicConfigWrapper::default(), filter_servers: Some(Vec::new()) }
    }
}
