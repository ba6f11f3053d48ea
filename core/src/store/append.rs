//! What every store checks and derives when it appends or indexes a record, kept apart from where the bytes
//! go (`spec/store.md` sections 3 to 6).

use super::{AppendError, NewMessage, TagsCode};
use crate::message::record::Record;
use crate::message::{batch, delay, encode, properties, tags};

/// Room a record may take above the largest body, in bytes: `maxMessageSize + 64 KiB`.
const RECORD_OVERHEAD: usize = 64 * 1024;

/// Limits an append is checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendLimits {
    /// `maxMessageSize`: largest body in bytes.
    pub max_body: usize,
    /// Bytes of a log file: a record and the filler header behind it must fit into one.
    pub file_size: usize,
    /// `autoMessageVersionOnTopicLen`: long topics get a V2 record instead of a refusal.
    pub allow_v2: bool,
}

/// Checks a message and gives the bytes its record takes.
///
/// # Errors
/// [`AppendError::MessageIllegal`] or [`AppendError::PropertiesTooLong`].
pub fn checked_len(message: &NewMessage<'_>, limits: &AppendLimits) -> Result<usize, AppendError> {
    if message.body.is_empty() || message.body.len() > limits.max_body || message.queue_id < 0 {
        return Err(AppendError::MessageIllegal);
    }
    record_len(message, limits)
}

fn record_len(message: &NewMessage<'_>, limits: &AppendLimits) -> Result<usize, AppendError> {
    let len = encode::encoded_len(message, limits.allow_v2)?;
    let fits = len <= limits.max_body.saturating_add(RECORD_OVERHEAD)
        && len + crate::message::record::BLANK_LEN <= limits.file_size;
    if fits { Ok(len) } else { Err(AppendError::MessageIllegal) }
}

/// Checks a batch and gives the number of its records and the bytes they take together.
///
/// # Errors
/// [`AppendError::MessageIllegal`] also for a malformed or empty batch, a delayed or transactional one, and
/// one that does not fit one log file.
pub fn checked_batch(message: &NewMessage<'_>, limits: &AppendLimits) -> Result<(u32, usize), AppendError> {
    let plain = crate::message::sysflag::transaction(message.sys_flag) == 0
        && matches!(message.tags_code, TagsCode::Tags(_));
    if message.body.is_empty() || message.body.len() > limits.max_body || message.queue_id < 0 || !plain {
        return Err(AppendError::MessageIllegal);
    }
    let (mut count, mut total) = (0u32, 0usize);
    for_each_item(message, |item| {
        total += record_len(item, limits)?;
        count += 1;
        Ok(())
    })?;
    if total + crate::message::record::BLANK_LEN > limits.file_size {
        return Err(AppendError::MessageIllegal);
    }
    Ok((count, total))
}

/// Visits the items of a batch as messages of their own: flag, body, tags and keys from the item, the
/// header's properties behind the item's, everything else from the header.
///
/// # Errors
/// [`AppendError::MessageIllegal`] for a malformed item, or what `visit` returns.
pub fn for_each_item(
    message: &NewMessage<'_>,
    mut visit: impl FnMut(&NewMessage<'_>) -> Result<(), AppendError>,
) -> Result<(), AppendError> {
    let mut parts: Vec<&[u8]> = Vec::with_capacity(message.properties.len() + 2);
    for item in batch::items(message.body) {
        let item = item.map_err(|_| AppendError::MessageIllegal)?;
        parts.clear();
        parts.push(item.properties);
        parts.push(properties::missing_separator(item.properties));
        parts.extend_from_slice(message.properties);
        visit(&NewMessage {
            flag: item.flag,
            body: item.body,
            properties: &parts,
            tags_code: TagsCode::Tags(tags::tags_code(properties::get(item.properties, "TAGS"))),
            uniq_key: properties::get(item.properties, "UNIQ_KEY"),
            keys: properties::get(item.properties, "KEYS"),
            ..*message
        })?;
    }
    Ok(())
}

/// The tags field of the consume-queue entry for a message stored at `store_timestamp`.
#[must_use]
pub fn entry_tags(code: TagsCode, store_timestamp: i64) -> i64 {
    match code {
        TagsCode::Tags(code) => code,
        TagsCode::DeliverAfterMs(ms) => store_timestamp.saturating_add(ms),
    }
}

/// The tags field for a record read back from the log: the delivery time in the schedule topic, else the hash
/// of `TAGS` (`spec/store.md` section 4). `delay_levels` are milliseconds per level.
#[must_use]
pub fn record_tags(record: &Record<'_>, delay_levels: &[i64]) -> i64 {
    if record.topic == delay::SCHEDULE_TOPIC.as_bytes() {
        let level = record.property("DELAY").and_then(|level| level.parse().ok()).unwrap_or(0);
        if let Some(ms) = delay::level_ms(delay_levels, level) {
            return record.store_timestamp.saturating_add(ms);
        }
    }
    tags::tags_code(record.property("TAGS"))
}

/// Visits what is entered into the key index: the unique key first, then every non-empty part of the keys.
pub fn for_each_key(uniq_key: Option<&str>, keys: Option<&str>, mut visit: impl FnMut(&str)) {
    uniq_key.into_iter().filter(|key| !key.is_empty()).for_each(&mut visit);
    keys.unwrap_or_default().split(' ').filter(|key| !key.is_empty()).for_each(visit);
}

/// The hash under which `topic#key` is indexed: the absolute value of Java's string hash, 0 where it has none
/// (`spec/store.md` section 5).
#[must_use]
pub fn key_hash(topic: &str, key: &str) -> i32 {
    let hash = tags::java_hash_onto(tags::java_hash_onto(tags::java_hash(topic), "#"), key);
    hash.checked_abs().unwrap_or(0)
}
