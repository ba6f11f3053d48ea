//! Names with a meaning: system topics and groups, prefixes, and what a name may look like (`TopicValidator`).

use std::borrow::Cow;

pub const AUTO_CREATE_TOPIC: &str = "TBW102";
pub use crate::message::delay::SCHEDULE_TOPIC;
pub const SELF_TEST_TOPIC: &str = "SELF_TEST_TOPIC";
pub const BENCHMARK_TOPIC: &str = "BenchmarkTest";
pub const OFFSET_MOVED_EVENT: &str = "OFFSET_MOVED_EVENT";
pub const TRACE_TOPIC: &str = "RMQ_SYS_TRACE_TOPIC";
pub const HALF_TOPIC: &str = "RMQ_SYS_TRANS_HALF_TOPIC";
pub const OP_TOPIC: &str = "RMQ_SYS_TRANS_OP_HALF_TOPIC";
pub const TRANS_CHECK_MAX_TIME_TOPIC: &str = "TRANS_CHECK_MAX_TIME_TOPIC";
pub const TIMER_TOPIC: &str = "rmq_sys_wheel_timer";
pub const RETRY_PREFIX: &str = "%RETRY%";
pub const DLQ_PREFIX: &str = "%DLQ%";
pub const SYSTEM_PREFIX: &str = "rmq_sys_";
pub const REVIVE_PREFIX: &str = "rmq_sys_REVIVE_LOG_";

/// Keeps the progress of the service that revives what was handed out and not acknowledged.
pub const REVIVE_GROUP: &str = "CID_RMQ_SYS_REVIVE_GROUP";

/// Keeps the progress of the check service on half and op topic.
pub const TRANSACTION_GROUP: &str = "CID_RMQ_SYS_TRANS";

/// Longest topic name in bytes.
pub const TOPIC_MAX_LENGTH: usize = 127;
/// Longest group name in bytes.
pub const GROUP_MAX_LENGTH: usize = 255;

/// Groups that exist without being created.
pub const SYSTEM_GROUPS: [&str; 8] = [
    "TOOLS_CONSUMER",
    "FILTERSRV_CONSUMER",
    "SELF_TEST_C_GROUP",
    "CID_ONS-HTTP-PROXY",
    "CID_ONSAPI_PULL",
    "CID_ONSAPI_PERMISSION",
    "CID_ONSAPI_OWNER",
    "CID_RMQ_SYS_TRANS",
];

/// Prefix of groups the broker itself may create on demand.
pub const SYSTEM_GROUP_PREFIX: &str = "CID_RMQ_SYS_";

const FIXED_SYSTEM_TOPICS: [&str; 10] = [
    AUTO_CREATE_TOPIC,
    SCHEDULE_TOPIC,
    BENCHMARK_TOPIC,
    HALF_TOPIC,
    TRACE_TOPIC,
    OP_TOPIC,
    TRANS_CHECK_MAX_TIME_TOPIC,
    SELF_TEST_TOPIC,
    OFFSET_MOVED_EVENT,
    "CHECKPOINT_TOPIC",
];

/// Topics clients may never send to.
#[must_use]
pub fn is_not_sendable(topic: &str) -> bool {
    matches!(
        topic,
        SCHEDULE_TOPIC
            | HALF_TOPIC
            | OP_TOPIC
            | TRANS_CHECK_MAX_TIME_TOPIC
            | SELF_TEST_TOPIC
            | OFFSET_MOVED_EVENT
    )
}

/// Topics the broker owns, whatever its cluster is called.
#[must_use]
pub fn is_system_topic(topic: &str) -> bool {
    FIXED_SYSTEM_TOPICS.contains(&topic) || topic.starts_with(SYSTEM_PREFIX)
}

#[must_use]
pub fn retry_topic(group: &str) -> String {
    format!("{RETRY_PREFIX}{group}")
}

/// The topic of check points of handed-out messages.
#[must_use]
pub fn revive_topic(cluster: &str) -> String {
    format!("{REVIVE_PREFIX}{cluster}")
}

#[must_use]
pub fn dlq_topic(group: &str) -> String {
    format!("{DLQ_PREFIX}{group}")
}

/// The characters of topics and groups.
#[must_use]
pub fn has_legal_characters(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"%|_-".contains(&byte))
}

/// Why a topic name is refused, in the reference's words; `None` for a good one.
#[must_use]
pub fn topic_fault(topic: &str) -> Option<Cow<'static, str>> {
    if topic.trim().is_empty() {
        return Some("The specified topic is blank.".into());
    }
    if !has_legal_characters(topic) {
        return Some(
            "The specified topic contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$".into(),
        );
    }
    (topic.len() > TOPIC_MAX_LENGTH).then(|| "The specified topic is longer than topic max length.".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_as_the_reference_does() {
        assert_eq!(topic_fault("Good_Topic-1%x|y"), None);
        assert!(topic_fault("a.b").is_some_and(|why| why.contains("illegal characters")));
        assert!(topic_fault(" ").is_some_and(|why| why.contains("blank")));
        assert!(topic_fault(&"x".repeat(128)).is_some_and(|why| why.contains("longer")));
        assert!(is_system_topic("rmq_sys_anything") && !is_system_topic("TopicTest"));
    }
}
