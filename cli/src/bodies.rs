//! Bodies that only administration reads.

use sansmq_core::body::{ConsumeFromWhere, ConsumeType, MessageModel, MessageQueue, SubscriptionData};
use sansmq_core::json::Json;
use sansmq_core::json_struct;
use std::collections::BTreeMap;

json_struct! {
    /// Where a group stands in one queue.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct QueueProgress {
        pub broker_offset: i64 = "brokerOffset",
        pub consumer_offset: i64 = "consumerOffset",
        pub pull_offset: i64 = "pullOffset",
        /// Store time of the last message consumed, milliseconds since the Unix epoch.
        pub last_timestamp: i64 = "lastTimestamp",
    }
}

json_struct! {
    /// The answer to GET_CONSUME_STATS.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct ConsumeStats {
        pub offsets: BTreeMap<MessageQueue, QueueProgress> = "offsetTable",
        pub consume_tps: f64 = "consumeTps",
    }
}

impl ConsumeStats {
    /// How many messages the group has not consumed.
    #[must_use]
    pub fn diff(&self) -> i64 {
        self.offsets.values().map(|q| q.broker_offset.saturating_sub(q.consumer_offset)).sum()
    }

    /// How many messages are pulled but not consumed.
    #[must_use]
    pub fn inflight(&self) -> i64 {
        self.offsets.values().map(|q| q.pull_offset.saturating_sub(q.consumer_offset)).sum()
    }
}

json_struct! {
    /// The range of one queue.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct QueueRange {
        pub min_offset: i64 = "minOffset",
        pub max_offset: i64 = "maxOffset",
        /// Milliseconds since the Unix epoch.
        pub last_update: i64 = "lastUpdateTimestamp",
    }
}

json_struct! {
    /// The answer to GET_TOPIC_STATS_INFO.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct TopicStats {
        pub offsets: BTreeMap<MessageQueue, QueueRange> = "offsetTable",
        pub put_tps: f64 = "topicPutTps",
    }
}

json_struct! {
    /// One client of a group.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct ClientConnection {
        pub client_id: String = "clientId",
        pub client_addr: String = "clientAddr",
        pub language: String = "language",
        pub version: i32 = "version",
    }
}

json_struct! {
    /// The answer to GET_CONSUMER_CONNECTION_LIST.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct ConsumerConnection {
        pub clients: Vec<ClientConnection> = "connectionSet",
        pub subscriptions: BTreeMap<String, SubscriptionData> = "subscriptionTable",
        pub consume_type: ConsumeType = "consumeType",
        pub message_model: MessageModel = "messageModel",
        pub consume_from_where: ConsumeFromWhere = "consumeFromWhere",
    }
}

impl ConsumerConnection {
    /// The oldest client's version.
    #[must_use]
    pub fn min_version(&self) -> i32 {
        self.clients.iter().map(|client| client.version).min().unwrap_or(i32::MAX)
    }
}

json_struct! {
    /// The answer to GET_PRODUCER_CONNECTION_LIST.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct ProducerConnection {
        pub clients: Vec<ClientConnection> = "connectionSet",
    }
}

json_struct! {
    /// The answer to QUERY_TOPIC_CONSUME_BY_WHO.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct GroupList {
        pub groups: Vec<String> = "groupList",
    }
}

json_struct! {
    /// What a consumer tells about itself (GET_CONSUMER_RUNNING_INFO), as far as it is printed.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct RunningInfo {
        pub properties: BTreeMap<String, String> = "properties",
        pub queues: BTreeMap<MessageQueue, Json> = "mqTable",
        pub pop_queues: BTreeMap<MessageQueue, Json> = "mqPopTable",
    }
}

json_struct! {
    /// The answer to CONSUME_MESSAGE_DIRECTLY.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct DirectResult {
        pub order: bool = "order",
        pub auto_commit: bool = "autoCommit",
        pub consume_result: Option<String> = "consumeResult",
        pub remark: Option<String> = "remark",
        pub spent_ms: i64 = "spentTimeMills",
    }
}

json_struct! {
    /// The answer to INVOKE_BROKER_TO_RESET_OFFSET.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct ResetOffsets {
        pub offsets: BTreeMap<MessageQueue, i64> = "offsetTable",
    }
}

json_struct! {
    /// One span of a counter.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct StatsSpan {
        pub sum: i64 = "sum",
        pub tps: f64 = "tps",
    }
}

json_struct! {
    /// The answer to VIEW_BROKER_STATS_DATA.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct BrokerStats {
        pub minute: StatsSpan = "statsMinute",
        pub hour: StatsSpan = "statsHour",
        pub day: StatsSpan = "statsDay",
    }
}

json_struct! {
    /// One entry of a consume queue.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct QueueEntry {
        pub physic_offset: i64 = "physicOffset",
        pub physic_size: i32 = "physicSize",
        pub tags_code: i64 = "tagsCode",
        pub extend_data: Option<String> = "extendDataJson",
        pub bit_map: Option<String> = "bitMap",
        pub eval: bool = "eval",
        pub msg: Option<String> = "msg",
    }
}

json_struct! {
    /// The answer to QUERY_CONSUME_QUEUE.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct QueueEntries {
        pub subscription: Option<Json> = "subscriptionData",
        pub filter_data: Option<String> = "filterData",
        pub entries: Vec<QueueEntry> = "queueData",
        pub max: i64 = "maxQueueIndex",
        pub min: i64 = "minQueueIndex",
    }
}

json_struct! {
    /// One producer of GET_ALL_PRODUCER_INFO.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct ProducerInfo {
        pub client_id: String = "clientId",
        pub remote: String = "remoteIP",
        pub language: String = "language",
        pub version: i32 = "version",
        /// Milliseconds since the Unix epoch.
        pub last_update: i64 = "lastUpdateTimestamp",
    }
}

json_struct! {
    /// The answer to GET_ALL_PRODUCER_INFO.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct ProducerTable {
        pub groups: BTreeMap<String, Vec<ProducerInfo>> = "data",
    }
}
