//! Consumer groups: their configuration on a broker.

use super::topic::{DataVersion, JavaMap};
use crate::{json_enum, json_struct};
use core::fmt;
use std::collections::BTreeMap;

json_enum! {
    /// How the delay before a retry grows.
    pub enum RetryPolicyType {
        /// By a table of delays.
        Customized = "CUSTOMIZED" | 1,
        /// By a factor.
        Exponential = "EXPONENTIAL" | 0,
    }
}

json_struct! {
    /// Delays that grow by a factor.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct ExponentialRetryPolicy {
        /// First delay, milliseconds.
        pub initial: i64 = "initial",
        /// Longest delay, milliseconds.
        pub max: i64 = "max",
        /// The factor.
        pub multiplier: i64 = "multiplier",
    }
}

impl Default for ExponentialRetryPolicy {
    fn default() -> Self {
        ExponentialRetryPolicy { initial: 5_000, max: 7_200_000, multiplier: 2 }
    }
}

json_struct! {
    /// Delays from a table.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct CustomizedRetryPolicy {
        /// The delays, milliseconds; the last one repeats.
        pub next: Vec<i64> = "next",
    }
}

impl Default for CustomizedRetryPolicy {
    fn default() -> Self {
        const SECOND: i64 = 1_000;
        const MINUTE: i64 = 60 * SECOND;
        const HOUR: i64 = 60 * MINUTE;
        let seconds = [1, 5, 10, 30].map(|n| n * SECOND);
        let minutes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30].map(|n| n * MINUTE);
        CustomizedRetryPolicy { next: seconds.into_iter().chain(minutes).chain([HOUR, 2 * HOUR]).collect() }
    }
}

json_struct! {
    /// The retry policy of a group.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct GroupRetryPolicy {
        /// Which one is in force.
        pub kind: RetryPolicyType = "type",
        /// The growing one.
        pub exponential: Option<ExponentialRetryPolicy> = "exponentialRetryPolicy",
        /// The table.
        pub customized: Option<CustomizedRetryPolicy> = "customizedRetryPolicy",
    }
}

json_struct! {
    /// A subscription configured on the broker rather than announced by clients.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct SimpleSubscriptionData {
        /// Topic.
        pub topic: String = "topic",
        /// `TAG` or `SQL92`.
        pub expression_type: String = "expressionType",
        /// The expression.
        pub expression: String = "expression",
        /// Its version.
        pub version: i64 = "version",
    }
}

json_struct! {
    /// What a broker knows about a consumer group.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct SubscriptionGroupConfig {
        /// Its name.
        pub group_name: String = "groupName",
        /// Whether it may consume at all.
        pub consume_enable: bool = "consumeEnable",
        /// Whether it may start from the oldest message.
        pub consume_from_min_enable: bool = "consumeFromMinEnable",
        /// Whether it may broadcast.
        pub consume_broadcast_enable: bool = "consumeBroadcastEnable",
        /// Whether POP delivers in order.
        pub consume_message_orderly: bool = "consumeMessageOrderly",
        /// Queues of its retry topic.
        pub retry_queue_nums: i32 = "retryQueueNums",
        /// Deliveries before the dead-letter topic.
        pub retry_max_times: i32 = "retryMaxTimes",
        /// Delays between them.
        pub group_retry_policy: GroupRetryPolicy = "groupRetryPolicy",
        /// Which replica to read from.
        pub broker_id: i64 = "brokerId",
        /// Which replica to read from when far behind.
        pub which_broker_when_consume_slowly: i64 = "whichBrokerWhenConsumeSlowly",
        /// Whether members hear of each other.
        pub notify_consumer_ids_changed_enable: bool = "notifyConsumerIdsChangedEnable",
        /// Flags.
        pub group_sys_flag: i32 = "groupSysFlag",
        /// Minutes until a message counts as stuck.
        pub consume_timeout_minute: i32 = "consumeTimeoutMinute",
        /// Configured subscriptions.
        pub subscription_data_set: Option<Vec<SimpleSubscriptionData>> = "subscriptionDataSet",
        /// Attributes.
        pub attributes: BTreeMap<String, String> = "attributes",
    }
}

impl Default for SubscriptionGroupConfig {
    fn default() -> Self {
        SubscriptionGroupConfig {
            group_name: String::new(),
            consume_enable: true,
            consume_from_min_enable: true,
            consume_broadcast_enable: true,
            consume_message_orderly: false,
            retry_queue_nums: 1,
            retry_max_times: 16,
            group_retry_policy: GroupRetryPolicy::default(),
            broker_id: 0,
            which_broker_when_consume_slowly: 1,
            notify_consumer_ids_changed_enable: true,
            group_sys_flag: 0,
            consume_timeout_minute: 15,
            subscription_data_set: None,
            attributes: BTreeMap::new(),
        }
    }
}

json_struct! {
    /// All groups of a broker: the answer to GET_ALL_SUBSCRIPTIONGROUP_CONFIG and the file.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct SubscriptionGroupTable {
        /// By name.
        pub groups: BTreeMap<String, SubscriptionGroupConfig> = "subscriptionGroupTable",
        /// Group to topic to forbidden bits.
        pub forbidden: BTreeMap<String, BTreeMap<String, i32>> = "forbiddenTable",
        /// Version of the table.
        pub data_version: DataVersion = "dataVersion",
    }
}

/// An optional value as Java prints it.
struct OrNull<'a, T>(&'a Option<T>);

impl<T: fmt::Display> fmt::Display for OrNull<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("null"),
        }
    }
}

impl fmt::Display for ExponentialRetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ExponentialRetryPolicy{{initial={}, max={}, multiplier={}}}",
            self.initial, self.max, self.multiplier
        )
    }
}

impl fmt::Display for CustomizedRetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let delays: Vec<String> = self.next.iter().map(i64::to_string).collect();
        write!(f, "CustomizedRetryPolicy{{next=[{}]}}", delays.join(", "))
    }
}

impl fmt::Display for GroupRetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "GroupRetryPolicy{{type={}, exponentialRetryPolicy={}, customizedRetryPolicy={}}}",
            self.kind,
            OrNull(&self.exponential),
            OrNull(&self.customized)
        )
    }
}

impl fmt::Display for SimpleSubscriptionData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SimpleSubscriptionData{{topic={}, expressionType={}, expression={}, version={}}}",
            self.topic, self.expression_type, self.expression, self.version
        )
    }
}

impl SubscriptionGroupConfig {
    /// Names and printed values of all fields in declaration order (absent subscriptions print `null`).
    #[must_use]
    pub fn entries(&self) -> Vec<(&'static str, String)> {
        let subscriptions = self.subscription_data_set.as_ref().map_or_else(
            || "null".to_owned(),
            |set| {
                let all: Vec<String> = set.iter().map(ToString::to_string).collect();
                format!("[{}]", all.join(", "))
            },
        );
        vec![
            ("groupName", self.group_name.clone()),
            ("consumeEnable", self.consume_enable.to_string()),
            ("consumeFromMinEnable", self.consume_from_min_enable.to_string()),
            ("consumeBroadcastEnable", self.consume_broadcast_enable.to_string()),
            ("consumeMessageOrderly", self.consume_message_orderly.to_string()),
            ("retryQueueNums", self.retry_queue_nums.to_string()),
            ("retryMaxTimes", self.retry_max_times.to_string()),
            ("groupRetryPolicy", self.group_retry_policy.to_string()),
            ("brokerId", self.broker_id.to_string()),
            ("whichBrokerWhenConsumeSlowly", self.which_broker_when_consume_slowly.to_string()),
            ("notifyConsumerIdsChangedEnable", self.notify_consumer_ids_changed_enable.to_string()),
            ("groupSysFlag", self.group_sys_flag.to_string()),
            ("consumeTimeoutMinute", self.consume_timeout_minute.to_string()),
            ("subscriptionDataSet", subscriptions),
            ("attributes", JavaMap(&self.attributes).to_string()),
        ]
    }
}

impl fmt::Display for SubscriptionGroupConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<String> =
            self.entries().iter().map(|(name, value)| format!("{name}={value}")).collect();
        write!(f, "SubscriptionGroupConfig{{{}}}", fields.join(", "))
    }
}
