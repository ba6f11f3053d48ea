//! What clients tell a broker about themselves.

use crate::json::{Key, MapKey, ShapeError, ToJson, struct_from_key};
use crate::{json_enum, json_struct};
use core::fmt;
use std::collections::BTreeSet;

json_struct! {
    /// One queue of a topic on one set of replicas; also the key of many tables.
    #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct MessageQueue {
        /// Topic.
        pub topic: String = "topic",
        /// Set of replicas.
        pub broker_name: String = "brokerName",
        /// Queue.
        pub queue_id: i32 = "queueId",
    }
}

impl MapKey for MessageQueue {
    fn to_key(&self) -> Key {
        Key::Object(Box::new(self.to_json()))
    }

    fn from_key(key: &Key) -> Result<Self, ShapeError> {
        struct_from_key(key)
    }
}

impl fmt::Display for MessageQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "MessageQueue [topic={}, brokerName={}, queueId={}]",
            self.topic, self.broker_name, self.queue_id
        )
    }
}

json_enum! {
    /// How a group gets its messages.
    pub enum ConsumeType {
        /// The application pulls.
        Actively = "CONSUME_ACTIVELY" | 0,
        /// The client pulls for the application.
        Passively = "CONSUME_PASSIVELY" | 1,
        /// The broker hands out.
        Pop = "CONSUME_POP" | 2,
    }
}

json_enum! {
    /// Whether each message goes to one member or to all.
    pub enum MessageModel {
        /// To one.
        Clustering = "CLUSTERING" | 1,
        /// To all.
        Broadcasting = "BROADCASTING" | 0,
    }
}

json_enum! {
    /// Where a group without offsets starts.
    pub enum ConsumeFromWhere {
        /// At the end.
        LastOffset = "CONSUME_FROM_LAST_OFFSET" | 0,
        /// Out of use, as [`ConsumeFromWhere::LastOffset`].
        LastOffsetAndMinAtBoot = "CONSUME_FROM_LAST_OFFSET_AND_FROM_MIN_WHEN_BOOT_FIRST" | 1,
        /// Out of use, as [`ConsumeFromWhere::LastOffset`].
        MinOffset = "CONSUME_FROM_MIN_OFFSET" | 2,
        /// Out of use, as [`ConsumeFromWhere::LastOffset`].
        MaxOffset = "CONSUME_FROM_MAX_OFFSET" | 3,
        /// At the beginning.
        FirstOffset = "CONSUME_FROM_FIRST_OFFSET" | 4,
        /// At a point in time.
        Timestamp = "CONSUME_FROM_TIMESTAMP" | 5,
    }
}

/// The default expression type.
const TAG: &str = "TAG";

json_struct! {
    /// A subscription to one topic.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct SubscriptionData {
        /// Topic.
        pub topic: String = "topic",
        /// The expression.
        pub sub_string: String = "subString",
        /// `TAG` or `SQL92`; see [`SubscriptionData::is_tag`].
        pub expression_type: String = "expressionType",
        /// Tags of a tag expression; empty for `*`.
        pub tags_set: BTreeSet<String> = "tagsSet",
        /// Their hash codes.
        pub code_set: BTreeSet<i32> = "codeSet",
        /// Grows with each change.
        pub sub_version: i64 = "subVersion",
        /// Out of use.
        pub class_filter_mode: bool = "classFilterMode",
    }
}

impl Default for SubscriptionData {
    fn default() -> Self {
        SubscriptionData {
            topic: String::new(),
            sub_string: String::new(),
            expression_type: TAG.to_owned(),
            tags_set: BTreeSet::new(),
            code_set: BTreeSet::new(),
            sub_version: 0,
            class_filter_mode: false,
        }
    }
}

impl SubscriptionData {
    /// Whether the expression is made of tags; an empty type says so too.
    #[must_use]
    pub fn is_tag(&self) -> bool {
        self.expression_type.is_empty() || self.expression_type == TAG
    }
}

json_struct! {
    /// One consumer group of a client.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct ConsumerData {
        /// Its name.
        pub group_name: String = "groupName",
        /// How it consumes.
        pub consume_type: ConsumeType = "consumeType",
        /// To one or to all.
        pub message_model: MessageModel = "messageModel",
        /// Where it starts.
        pub consume_from_where: ConsumeFromWhere = "consumeFromWhere",
        /// What it subscribes to.
        pub subscription_data_set: Vec<SubscriptionData> = "subscriptionDataSet",
        /// Unit mode.
        pub unit_mode: bool = "unitMode",
    }
}

json_struct! {
    /// One producer group of a client.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct ProducerData {
        /// Its name.
        pub group_name: String = "groupName",
    }
}

json_struct! {
    /// The body of HEART_BEAT.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct HeartbeatData {
        /// The client.
        pub client_id: String = "clientID",
        /// Its producer groups.
        pub producers: Vec<ProducerData> = "producerDataSet",
        /// Its consumer groups.
        pub consumers: Vec<ConsumerData> = "consumerDataSet",
        /// Hash of the subscriptions, 0 for the first version of the protocol.
        pub heartbeat_fingerprint: i32 = "heartbeatFingerprint",
        /// The subscriptions are left out, as they have not changed.
        pub without_sub: bool = "withoutSub",
    }
}
