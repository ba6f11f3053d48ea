//! A half message: how it is stored, and what it says when it is read again.

use std::borrow::Cow;

use crate::broker::names;
use crate::broker::properties::name;
use crate::broker::put::Placed;
use crate::message::record::Record;
use crate::message::{properties, tags};
use crate::store::TagsCode;

/// Where a half message goes, with what it needs to be delivered later.
pub(in crate::broker) fn half_place<'a>(
    topic: &str,
    queue_id: i32,
    own: Cow<'a, [u8]>,
    uniq_key: Option<&str>,
) -> Placed<'a> {
    let stale = [name::REAL_TOPIC, name::REAL_QUEUE_ID, name::TRANSACTION_ID];
    let forged = properties::pairs(&own).any(|(key, _)| stale.iter().any(|s| s.as_bytes() == key));
    let own = if forged { properties::remove(&own, &stale).into() } else { own };
    let tags_code = TagsCode::Tags(tags::tags_code(properties::get(&own, name::TAGS)));
    let mut extra = Vec::new();
    if let Some(key) = uniq_key {
        properties::push(&mut extra, name::TRANSACTION_ID, key);
    }
    properties::push(&mut extra, name::REAL_TOPIC, topic);
    properties::push(&mut extra, name::REAL_QUEUE_ID, &queue_id.to_string());
    Placed { topic: Cow::Borrowed(names::HALF_TOPIC), queue_id: 0, tags_code, own, extra }
}

/// The properties of a half message that decide about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Half<'a> {
    pub record: Record<'a>,
    pub real_topic: &'a str,
    pub real_queue_id: i32,
    pub group: &'a str,
    /// The same for all copies of a half message; empty when the producer gave no key.
    pub id: &'a str,
    /// How often a producer was asked.
    pub checks: i32,
    /// `Some` when the message sets its own time before the first check, in milliseconds.
    pub immunity_ms: Option<i64>,
    /// Queue offset of the first copy, where a copy was stored to make room.
    pub first_offset: Option<i64>,
}

impl<'a> Half<'a> {
    /// `None` for what is no half message.
    pub fn read(record: Record<'a>, timeout_ms: i64) -> Option<Self> {
        if record.topic != names::HALF_TOPIC.as_bytes() {
            return None;
        }
        let text = |name| record.property(name);
        let id = Half::id_of(&record).unwrap_or("");
        Some(Half {
            record,
            real_topic: text(name::REAL_TOPIC)?,
            real_queue_id: text(name::REAL_QUEUE_ID)?.parse().ok()?,
            group: text(name::PRODUCER_GROUP).unwrap_or(""),
            id,
            checks: text(name::TRANSACTION_CHECK_TIMES).and_then(|n| n.parse().ok()).unwrap_or(0),
            immunity_ms: text(name::CHECK_IMMUNITY_SECONDS).map(|text| immunity_ms(text, timeout_ms)),
            first_offset: text(name::PREPARED_QUEUE_OFFSET).and_then(|n| n.parse().ok()),
        })
    }

    /// What a half message, its copies and the committed message have in common.
    pub fn id_of(record: &Record<'a>) -> Option<&'a str> {
        record.property(name::TRANSACTION_ID).or(record.property(name::UNIQ_KEY))
    }
}

/// `CHECK_IMMUNITY_TIME_IN_SECONDS`; what is no time counts as the broker's own.
fn immunity_ms(text: &str, timeout_ms: i64) -> i64 {
    match text.parse::<i64>() {
        Ok(-1) | Err(_) => timeout_ms,
        Ok(seconds) => seconds.saturating_mul(1_000),
    }
}
