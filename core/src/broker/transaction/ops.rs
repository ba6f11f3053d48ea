//! Op messages: queue offsets of half messages that need no more attention, gathered for a while and then
//! written as one message (`spec/broker-pop-txn-timer.md` A.3).

use super::{RETRY_MS, positive};
use crate::broker::{Broker, names};
use crate::message::tags;
use crate::store::{NewMessage, Store, TagsCode};
use crate::time::{Mono, Now};

/// The tag of every op message.
const DONE_TAG: &str = "d";
const PROPERTIES: &[u8] = b"TAGS\x01d\x02WAIT\x01false\x02";

/// Marks not written yet.
#[derive(Debug, Default)]
pub(super) struct OpBuffer {
    text: String,
    due: Option<Mono>,
}

impl OpBuffer {
    pub fn deadline(&self) -> Option<Mono> {
        self.due
    }

    fn push(&mut self, now: Now, offset: i64, most_bytes: usize, interval_ms: u64) {
        use core::fmt::Write as _;
        if write!(self.text, "{offset},").is_ok() {
            self.due.get_or_insert(now.mono.plus_ms(interval_ms));
        }
        if self.text.len() > most_bytes {
            self.due = Some(now.mono);
        }
    }
}

/// The half offsets an op message names.
pub(super) fn offsets(body: &[u8]) -> impl Iterator<Item = i64> {
    let text = core::str::from_utf8(body).unwrap_or("");
    text.split(',').filter_map(|part| part.trim().parse().ok())
}

impl<S: Store> Broker<S> {
    /// Notes that a half message needs no more attention.
    pub(super) fn mark_done(&mut self, now: Now, offset: i64) {
        if !self.is_master() {
            // An acting slave writes nothing: the progress of the half topic tells its master.
            return;
        }
        let config = &self.settings.broker;
        let most = usize::try_from(config.transaction_op_msg_max_size).unwrap_or(4_096);
        let interval = positive(config.transaction_op_batch_interval.into());
        self.transactions.ops.push(now, offset, most, interval);
        if self.transactions.ops.due == Some(now.mono) {
            self.write_ops(now);
        }
    }

    /// Writes the marks gathered so far; what cannot be written now is tried again.
    pub(super) fn write_ops(&mut self, now: Now) {
        if self.transactions.ops.text.is_empty() || !self.is_master() {
            return;
        }
        let text = core::mem::take(&mut self.transactions.ops.text);
        let tags_code = TagsCode::Tags(tags::tags_code(Some(DONE_TAG)));
        let message = NewMessage {
            topic: names::OP_TOPIC,
            queue_id: 0,
            flag: 0,
            sys_flag: 0,
            born_timestamp: now.wall_ms,
            born_host: self.store_host,
            store_host: self.store_host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: text.as_bytes(),
            properties: &[PROPERTIES],
            tags_code,
            uniq_key: None,
            keys: None,
        };
        match self.store.append(now, &message) {
            Ok(stored) => {
                self.transactions.ops.due = None;
                self.has_stored(now, names::OP_TOPIC, 0, &stored, 1, tags_code);
            }
            Err(error) => {
                tracing::error!(%error, "marks of ended transactions could not be written; trying again");
                self.transactions.ops.text = text;
                self.transactions.ops.due = Some(now.mono.plus_ms(RETRY_MS));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_gathered_until_time_or_size() {
        let mut buffer = OpBuffer::default();
        let now = Now { mono: Mono(0), wall_ms: 0 };
        buffer.push(now, 13, 8, 3_000);
        assert_eq!((buffer.text.as_str(), buffer.deadline()), ("13,", Some(Mono(0).plus_ms(3_000))));
        buffer.push(Now { mono: Mono(5), wall_ms: 0 }, 14, 8, 3_000);
        assert_eq!(buffer.deadline(), Some(Mono(0).plus_ms(3_000)));
        buffer.push(Now { mono: Mono(9), wall_ms: 0 }, 150, 8, 3_000);
        assert_eq!((buffer.text.as_str(), buffer.deadline()), ("13,14,150,", Some(Mono(9))));
        assert_eq!(offsets(b"13,14,150,").collect::<Vec<_>>(), [13, 14, 150]);
        assert_eq!(offsets(b"x,,7,\xff").count(), 0);
    }
}
