//! Sending, pulling and looking up messages.

use crate::header;

header! {
    /// `SendMessageRequestHeader` (code 10).
    SendMessage {
        producer_group: Option<&'a str> = "producerGroup",
        topic: Option<&'a str> = "topic",
        default_topic: Option<&'a str> = "defaultTopic",
        default_topic_queue_nums: Option<i32> = "defaultTopicQueueNums",
        queue_id: Option<i32> = "queueId",
        sys_flag: Option<i32> = "sysFlag",
        born_timestamp: Option<i64> = "bornTimestamp",
        flag: Option<i32> = "flag",
        properties: Option<&'a str> = "properties",
        reconsume_times: Option<i32> = "reconsumeTimes",
        unit_mode: Option<bool> = "unitMode",
        max_reconsume_times: Option<i32> = "maxReconsumeTimes",
        batch: Option<bool> = "batch",
        broker_name: Option<&'a str> = "bname",
    }
}

header! {
    /// `SendMessageRequestHeaderV2` (codes 310, 320, 325): the fields of code 10 under one-letter names.
    SendMessageV2 {
        producer_group: Option<&'a str> = "a",
        topic: Option<&'a str> = "b",
        default_topic: Option<&'a str> = "c",
        default_topic_queue_nums: Option<i32> = "d",
        queue_id: Option<i32> = "e",
        sys_flag: Option<i32> = "f",
        born_timestamp: Option<i64> = "g",
        flag: Option<i32> = "h",
        properties: Option<&'a str> = "i",
        reconsume_times: Option<i32> = "j",
        unit_mode: Option<bool> = "k",
        max_reconsume_times: Option<i32> = "l",
        batch: Option<bool> = "m",
        broker_name: Option<&'a str> = "n",
    }
}

impl<'a> From<SendMessageV2<'a>> for SendMessage<'a> {
    fn from(v2: SendMessageV2<'a>) -> Self {
        SendMessage {
            producer_group: v2.producer_group,
            topic: v2.topic,
            default_topic: v2.default_topic,
            default_topic_queue_nums: v2.default_topic_queue_nums,
            queue_id: v2.queue_id,
            sys_flag: v2.sys_flag,
            born_timestamp: v2.born_timestamp,
            flag: v2.flag,
            properties: v2.properties,
            reconsume_times: v2.reconsume_times,
            unit_mode: v2.unit_mode,
            max_reconsume_times: v2.max_reconsume_times,
            batch: v2.batch,
            broker_name: v2.broker_name,
            borrowed: core::marker::PhantomData,
        }
    }
}

header! {
    /// `SendMessageResponseHeader`.
    SendMessageResponse {
        msg_id: Option<&'a str> = "msgId",
        queue_id: Option<i32> = "queueId",
        queue_offset: Option<i64> = "queueOffset",
        transaction_id: Option<&'a str> = "transactionId",
        batch_uniq_id: Option<&'a str> = "batchUniqId",
        recall_handle: Option<&'a str> = "recallHandle",
    }
}

header! {
    /// `PullMessageRequestHeader` (codes 11 and 361).
    PullMessage {
        consumer_group: Option<&'a str> = "consumerGroup",
        topic: Option<&'a str> = "topic",
        queue_id: Option<i32> = "queueId",
        queue_offset: Option<i64> = "queueOffset",
        max_msg_nums: Option<i32> = "maxMsgNums",
        /// 1 commit offset, 2 suspend, 4 subscription, 8 class filter, 16 lite pull.
        sys_flag: Option<i32> = "sysFlag",
        commit_offset: Option<i64> = "commitOffset",
        suspend_timeout_millis: Option<i64> = "suspendTimeoutMillis",
        subscription: Option<&'a str> = "subscription",
        sub_version: Option<i64> = "subVersion",
        expression_type: Option<&'a str> = "expressionType",
        max_msg_bytes: Option<i32> = "maxMsgBytes",
    }
}

header! {
    /// `PullMessageResponseHeader`.
    PullMessageResponse {
        suggest_which_broker_id: Option<i64> = "suggestWhichBrokerId",
        next_begin_offset: Option<i64> = "nextBeginOffset",
        min_offset: Option<i64> = "minOffset",
        max_offset: Option<i64> = "maxOffset",
        offset_delta: Option<i64> = "offsetDelta",
        topic_sys_flag: Option<i32> = "topicSysFlag",
        group_sys_flag: Option<i32> = "groupSysFlag",
        forbidden_type: Option<i32> = "forbiddenType",
    }
}

header! {
    /// `ConsumerSendMsgBackRequestHeader` (code 36).
    ConsumerSendMsgBack {
        /// Log offset of the message, in bytes.
        offset: Option<i64> = "offset",
        group: Option<&'a str> = "group",
        delay_level: Option<i32> = "delayLevel",
        origin_msg_id: Option<&'a str> = "originMsgId",
        origin_topic: Option<&'a str> = "originTopic",
        unit_mode: bool = "unitMode",
        max_reconsume_times: Option<i32> = "maxReconsumeTimes",
    }
}

header! {
    /// `QueryMessageRequestHeader` (code 12).
    QueryMessage {
        topic: Option<&'a str> = "topic",
        key: Option<&'a str> = "key",
        max_num: Option<i32> = "maxNum",
        begin_timestamp: Option<i64> = "beginTimestamp",
        end_timestamp: Option<i64> = "endTimestamp",
        unique_key: bool = "_UNIQUE_KEY_QUERY",
    }
}

header! {
    /// `ViewMessageRequestHeader` (code 33).
    ViewMessage {
        topic: Option<&'a str> = "topic",
        /// Log offset in bytes.
        offset: Option<i64> = "offset",
    }
}

header! {
    /// `EndTransactionRequestHeader` (code 37).
    EndTransaction {
        topic: Option<&'a str> = "topic",
        producer_group: Option<&'a str> = "producerGroup",
        /// Queue offset of the half message.
        tran_state_table_offset: Option<i64> = "tranStateTableOffset",
        /// Log offset of the half message, in bytes.
        commit_log_offset: Option<i64> = "commitLogOffset",
        /// 0 unknown, 8 commit, 12 rollback.
        commit_or_rollback: Option<i32> = "commitOrRollback",
        from_transaction_check: bool = "fromTransactionCheck",
        msg_id: Option<&'a str> = "msgId",
        transaction_id: Option<&'a str> = "transactionId",
    }
}

header! {
    /// `ResumeCheckHalfMessageRequestHeader` (code 323).
    ResumeCheckHalfMessage {
        topic: Option<&'a str> = "topic",
        msg_id: Option<&'a str> = "msgId",
    }
}

header! {
    /// `RecallMessageRequestHeader` (code 370).
    RecallMessage {
        producer_group: Option<&'a str> = "producerGroup",
        topic: Option<&'a str> = "topic",
        recall_handle: Option<&'a str> = "recallHandle",
    }
}
