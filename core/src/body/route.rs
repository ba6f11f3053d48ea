//! Routes: where a topic's queues are, and who the brokers are.

use super::register::TopicQueueMappingInfo;
use crate::json_struct;
use std::collections::{BTreeMap, BTreeSet};

json_struct! {
    /// The queues of one topic on one set of replicas.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct QueueData {
        /// Which set of replicas.
        pub broker_name: String = "brokerName",
        /// Queues to read from.
        pub read_queue_nums: i32 = "readQueueNums",
        /// Queues to write to.
        pub write_queue_nums: i32 = "writeQueueNums",
        /// See [`perm`](super::perm).
        pub perm: i32 = "perm",
        /// Bit 1 unit, bit 2 unit subscription.
        pub topic_sys_flag: i32 = "topicSysFlag",
    }
}

json_struct! {
    /// One set of replicas.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct BrokerData {
        /// Its cluster.
        pub cluster: String = "cluster",
        /// Its name.
        pub broker_name: String = "brokerName",
        /// Addresses by broker id; 0 is the master.
        pub broker_addrs: BTreeMap<i64, String> = "brokerAddrs",
        /// Where it stands.
        pub zone_name: Option<String> = "zoneName",
        /// Whether a slave may act as master.
        pub enable_acting_master: bool = "enableActingMaster",
    }
}

impl BrokerData {
    /// The smallest broker id, with its address.
    #[must_use]
    pub fn first(&self) -> Option<(i64, &str)> {
        self.broker_addrs.iter().next().map(|(id, addr)| (*id, addr.as_str()))
    }
}

json_struct! {
    /// The answer to GET_ROUTEINFO_BY_TOPIC.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct TopicRouteData {
        /// The order configuration of the topic, when there is one.
        pub order_topic_conf: Option<String> = "orderTopicConf",
        /// Queues per set of replicas.
        pub queue_datas: Vec<QueueData> = "queueDatas",
        /// The sets of replicas.
        pub broker_datas: Vec<BrokerData> = "brokerDatas",
        /// Filter servers by broker address.
        pub filter_server_table: BTreeMap<String, Vec<String>> = "filterServerTable",
        /// Static topics: mapping per set of replicas.
        pub topic_queue_mapping_by_broker: Option<BTreeMap<String, TopicQueueMappingInfo>> =
            "topicQueueMappingByBroker",
    }
}

json_struct! {
    /// `{"topicList":[..]}`, for GET_SYSTEM_TOPIC_LIST_FROM_NS with an address.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct TopicList {
        /// The topics.
        pub topics: Vec<String> = "topicList",
        /// The address of some broker.
        pub broker_addr: Option<String> = "brokerAddr",
    }
}

json_struct! {
    /// `{"table":{..}}`: key-value lists and run-time information.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct KvTable {
        /// The pairs.
        pub table: BTreeMap<String, String> = "table",
    }
}

json_struct! {
    /// The answer to GET_BROKER_CLUSTER_INFO.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct ClusterInfo {
        /// Replica sets by name.
        pub brokers: BTreeMap<String, BrokerData> = "brokerAddrTable",
        /// Names of replica sets by cluster.
        pub clusters: BTreeMap<String, BTreeSet<String>> = "clusterAddrTable",
    }
}

json_struct! {
    /// The inner part of the answer to GET_BROKER_MEMBER_GROUP.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct BrokerMemberGroup {
        /// The cluster asked for.
        pub cluster: String = "cluster",
        /// The set of replicas asked for.
        pub broker_name: String = "brokerName",
        /// Its addresses by broker id.
        pub broker_addrs: BTreeMap<i64, String> = "brokerAddrs",
    }
}

json_struct! {
    /// The answer to GET_BROKER_MEMBER_GROUP.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct BrokerMemberGroupBody {
        /// Who is there.
        pub group: BrokerMemberGroup = "brokerMemberGroup",
    }
}
