//! Light queues (LMQ): one message that is in the queues of several names besides its own
//! (`spec/store.md` section 3, LMQ / multi-dispatch; `MultiDispatchUtils`, `LmqDispatch`).

use super::delay::SCHEDULE_TOPIC;

/// What every name of a light queue begins with.
pub const PREFIX: &str = "%LMQ%";
/// The property that names the queues, separated by commas.
pub const NAMES: &str = "INNER_MULTI_DISPATCH";
/// The property with the message's offset in each of them, in the same order.
pub const OFFSETS: &str = "INNER_MULTI_QUEUE_OFFSET";
/// Between names, and between offsets.
pub const SEPARATOR: char = ',';
/// The only queue of a light name.
pub const QUEUE_ID: i32 = 0;

/// Whether this can be the name of a light queue: it also has to be a directory's name.
#[must_use]
pub fn is_light(name: &str) -> bool {
    name.starts_with(PREFIX) && name.len() <= 255 && !name.contains(['/', '\0'])
}

/// Whether messages of a topic can be in light queues. Those that wait there for something else cannot: they
/// come again in their real topic.
#[must_use]
pub fn applies_to(topic: &str) -> bool {
    let waiting = topic == SCHEDULE_TOPIC || topic.starts_with("RMQ_SYS_TRANS_");
    !waiting && !topic.starts_with("%RETRY%") && !topic.starts_with("rmq_sys_")
}

/// Light queues of a stored record with its offset in each; nothing for damaged lists.
pub fn places<'a>(names: &'a str, offsets: &'a str) -> impl Iterator<Item = (&'a str, i64)> {
    let offsets = offsets.split(SEPARATOR).map(|offset| offset.parse().ok());
    names.split(SEPARATOR).zip(offsets).filter_map(|(name, offset)| {
        let offset = offset.filter(|offset: &i64| *offset >= 0)?;
        is_light(name).then_some((name, offset))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_light_names_with_offsets_count() {
        let all: Vec<_> = places("%LMQ%a,other,%LMQ%b/c,%LMQ%d,%LMQ%e", "3,,4,x,7").collect();
        assert_eq!(all, [("%LMQ%a", 3), ("%LMQ%e", 7)]);
        assert_eq!(places("%LMQ%a,%LMQ%b", "1").count(), 1);
        assert_eq!(places("%LMQ%a", "-1").count(), 0);
    }

    #[test]
    fn waiting_messages_are_in_no_light_queue() {
        assert!(applies_to("Topic") && applies_to("%DLQ%group") && applies_to("%LMQ%x"));
        for topic in [SCHEDULE_TOPIC, "%RETRY%g", "rmq_sys_wheel_timer", "RMQ_SYS_TRANS_HALF_TOPIC"] {
            assert!(!applies_to(topic), "{topic}");
        }
    }
}
