//! What the timer log counts for at a start.
//!
//! Up to where the checkpoint speaks of it, it is true. Behind that a crash may have torn entries, which have no
//! checksum, and may have kept an entry while it took what was done for a message in front of it: one that was
//! due is delivered at once and leaves no entry. So entries there count only while they fit the messages they
//! name, and those follow one another in the timer topic; from the first that does not on, the topic is read
//! again.

use crate::broker::names;
use crate::broker::properties::name;
use crate::message::{record, tags};
use crate::store::{QueueBounds, Store};
use crate::timer::{ENTRY_LEN, TimerCheckpoint, TimerEntry};

/// What the record an entry names says of it.
enum Named {
    /// It is gone from the front of the log and tells nothing.
    Expired,
    /// The queue offset of the message.
    Message(i64),
    /// It is none of the timer's, or not the one the entry was made for.
    Other,
}

fn named<S: Store>(store: &S, entry: &TimerEntry) -> Named {
    let Ok(offset) = u64::try_from(entry.offset) else { return Named::Other };
    if offset < store.log_bounds().min {
        return Named::Expired;
    }
    let bytes = store.record_at(offset);
    let found = bytes.as_deref().and_then(|bytes| record::decode(bytes).ok());
    let fits = |found: &record::Record<'_>| {
        found.topic == names::TIMER_TOPIC.as_bytes()
            && i32::try_from(found.total_size) == Ok(entry.size)
            && found
                .property(name::REAL_TOPIC)
                .is_some_and(|topic| tags::java_hash(topic) == entry.topic_hash)
    };
    found.filter(fits).map_or(Named::Other, |found| Named::Message(found.queue_offset))
}

fn cut<S: Store>(store: &mut S, at: u64, why: &str) {
    tracing::warn!(at, "the timer log {why} and is cut");
    if let Err(error) = store.timer_cut(at) {
        tracing::error!(%error, "the timer log cannot be cut");
    }
}

pub(super) fn queue_offset_of<S: Store>(store: &S, entry: &TimerEntry) -> Option<i64> {
    let bytes = store.record_at(u64::try_from(entry.offset).ok()?)?;
    Some(record::decode(&bytes).ok()?.queue_offset)
}

/// Cuts off what does not count, gives every entry that does, with its position, to `each`, and tells the queue
/// offset of the first message of the timer topic that is to be taken in.
pub fn replay<S: Store>(
    store: &mut S,
    checkpoint: Option<&TimerCheckpoint>,
    mut each: impl FnMut(&S, u64, &TimerEntry),
) -> i64 {
    let flushed = checkpoint.map_or(0, |point| u64::try_from(point.flushed).unwrap_or(0));
    let bounds: QueueBounds = store.queue_bounds(names::TIMER_TOPIC, 0, u64::MAX).unwrap_or_default();
    let first = store.timer_bounds().min;
    if first > flushed {
        // Files are given back long after a checkpoint has spoken of them: the first ones are lost, and all that
        // came since the checkpoint is read again.
        cut(store, first, "has lost its first files");
    }
    let log_end = i64::try_from(store.log_bounds().max).unwrap_or(i64::MAX);
    let mut expected = checkpoint.map_or(0, |point| point.queue_offset).max(bounds.min);
    let mut position = store.timer_bounds().min;
    let mut last = None;
    while let Some((at, entry)) = store.timer_entry(position) {
        if entry.offset.saturating_add(entry.size.into()) > log_end {
            cut(store, at, "is ahead of the message log");
            break;
        }
        if at >= flushed {
            match named(store, &entry) {
                Named::Message(offset) if offset > expected => {
                    cut(store, at, "lacks an entry behind the checkpoint");
                    break;
                }
                Named::Message(offset) => expected = expected.max(offset.saturating_add(1)),
                Named::Expired => {}
                Named::Other => {
                    cut(store, at, "has an entry that is not of the message it names");
                    break;
                }
            }
        }
        each(store, at, &entry);
        last = Some(entry);
        position = at + ENTRY_LEN as u64;
    }
    let after_last = last.and_then(|entry| queue_offset_of(store, &entry)).map_or(0, |offset| offset + 1);
    // With entries lost behind the last one the checkpoint is ahead of the log and does not count.
    let whole = flushed <= store.timer_bounds().end;
    let known = checkpoint.filter(|_| whole).map_or(0, |point| point.queue_offset);
    after_last.max(known).clamp(bounds.min, bounds.max.max(bounds.min))
}
