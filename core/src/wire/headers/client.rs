//! Consumers, producers and their offsets.

use crate::header;

header! {
    /// `UnregisterClientRequestHeader` (code 35).
    UnregisterClient {
        client_id: Option<&'a str> = "clientID",
        producer_group: Option<&'a str> = "producerGroup",
        consumer_group: Option<&'a str> = "consumerGroup",
    }
}

header! {
    /// Requests that name one consumer group (codes 38, 203).
    ConsumerGroup {
        consumer_group: Option<&'a str> = "consumerGroup",
    }
}

header! {
    /// `QueryConsumerOffsetRequestHeader` (code 14).
    QueryConsumerOffset {
        consumer_group: Option<&'a str> = "consumerGroup",
        topic: Option<&'a str> = "topic",
        queue_id: Option<i32> = "queueId",
        set_zero_if_not_found: Option<bool> = "setZeroIfNotFound",
    }
}

header! {
    /// `UpdateConsumerOffsetRequestHeader` (code 15).
    UpdateConsumerOffset {
        consumer_group: Option<&'a str> = "consumerGroup",
        topic: Option<&'a str> = "topic",
        queue_id: Option<i32> = "queueId",
        commit_offset: Option<i64> = "commitOffset",
    }
}

header! {
    /// `SearchOffsetRequestHeader`, `GetMaxOffsetRequestHeader`, `GetMinOffsetRequestHeader`,
    /// `GetEarliestMsgStoretimeRequestHeader` (codes 29 to 32).
    QueueOffset {
        topic: Option<&'a str> = "topic",
        queue_id: Option<i32> = "queueId",
        /// Milliseconds since the Unix epoch (29 only).
        timestamp: Option<i64> = "timestamp",
        boundary_type: Option<&'a str> = "boundaryType",
    }
}

header! {
    /// `NotifyConsumerIdsChangedRequestHeader` (code 40, to clients).
    NotifyConsumerIdsChanged {
        consumer_group: Option<&'a str> = "consumerGroup",
    }
}
