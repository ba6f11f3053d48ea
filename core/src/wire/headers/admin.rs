//! Administration of topics, groups and brokers.

use crate::header;

header! {
    /// `CreateTopicRequestHeader` (code 17).
    CreateTopic {
        topic: Option<&'a str> = "topic",
        default_topic: Option<&'a str> = "defaultTopic",
        read_queue_nums: Option<i32> = "readQueueNums",
        write_queue_nums: Option<i32> = "writeQueueNums",
        perm: Option<i32> = "perm",
        topic_filter_type: Option<&'a str> = "topicFilterType",
        topic_sys_flag: Option<i32> = "topicSysFlag",
        order: Option<bool> = "order",
        attributes: Option<&'a str> = "attributes",
        force: Option<bool> = "force",
    }
}

header! {
    /// `AddBrokerRequestHeader` (code 902).
    AddBroker {
        config_path: Option<&'a str> = "configPath",
    }
}

header! {
    /// `RemoveBrokerRequestHeader` (code 903).
    RemoveBroker {
        broker_cluster_name: Option<&'a str> = "brokerClusterName",
        broker_name: Option<&'a str> = "brokerName",
        broker_id: Option<i64> = "brokerId",
    }
}

header! {
    /// Requests that name one topic (codes 202, 215, 300, 351).
    Topic {
        topic: Option<&'a str> = "topic",
    }
}

header! {
    /// Requests that name one group as `group` (codes 343, 352).
    Group {
        group: Option<&'a str> = "group",
    }
}

header! {
    /// `DeleteSubscriptionGroupRequestHeader` (code 207).
    DeleteSubscriptionGroup {
        group_name: Option<&'a str> = "groupName",
        clean_offset: bool = "cleanOffset",
    }
}

header! {
    /// `UpdateGroupForbiddenRequestHeader` (code 353).
    UpdateGroupForbidden {
        group: Option<&'a str> = "group",
        topic: Option<&'a str> = "topic",
        readable: Option<bool> = "readable",
    }
}

header! {
    /// `GetProducerConnectionListRequestHeader` (code 204).
    ProducerGroup {
        producer_group: Option<&'a str> = "producerGroup",
    }
}

header! {
    /// `GetConsumeStatsRequestHeader` (code 208).
    GetConsumeStats {
        consumer_group: Option<&'a str> = "consumerGroup",
        topic: Option<&'a str> = "topic",
        /// Several topics, separated by `;`.
        topic_list: Option<&'a str> = "topicList",
    }
}

header! {
    /// `ResetOffsetRequestHeader` (code 222).
    ResetOffset {
        group: Option<&'a str> = "group",
        topic: Option<&'a str> = "topic",
        queue_id: i32 = "queueId" or -1,
        offset: Option<i64> = "offset",
        timestamp: i64 = "timestamp",
        is_force: bool = "isForce",
    }
}

header! {
    /// `ViewBrokerStatsDataRequestHeader` (code 315).
    ViewBrokerStats {
        stats_name: Option<&'a str> = "statsName",
        stats_key: Option<&'a str> = "statsKey",
    }
}

header! {
    /// Requests that concern one group on one topic (codes 303, 345, 308 and the like).
    GroupTopic {
        group: Option<&'a str> = "group",
        topic: Option<&'a str> = "topic",
        filter_groups: Option<&'a str> = "filterGroups",
        compare_group: Option<&'a str> = "compareGroup",
    }
}

header! {
    /// `CloneGroupOffsetRequestHeader` (code 314).
    CloneGroupOffset {
        src_group: Option<&'a str> = "srcGroup",
        dest_group: Option<&'a str> = "destGroup",
        topic: Option<&'a str> = "topic",
        offline: bool = "offline",
    }
}

header! {
    /// `QueryConsumeQueueRequestHeader` (code 321).
    QueryConsumeQueue {
        topic: Option<&'a str> = "topic",
        queue_id: i32 = "queueId",
        index: i64 = "index",
        count: i32 = "count",
        consumer_group: Option<&'a str> = "consumerGroup",
    }
}

header! {
    /// Requests relayed to a consumer (codes 307, 309).
    RelayToConsumer {
        consumer_group: Option<&'a str> = "consumerGroup",
        client_id: Option<&'a str> = "clientId",
        /// Offset id of a stored message (309).
        msg_id: Option<&'a str> = "msgId",
        topic: Option<&'a str> = "topic",
    }
}
