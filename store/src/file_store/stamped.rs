//! Messages the store has to add properties to (`sansmq_core::store::stamp`), and those in several queues.

use sansmq_core::message::encode::encoded_len;
use sansmq_core::message::light;
use sansmq_core::store::append::{checked_len, entry_tags};
use sansmq_core::store::stamp::{Stamped, message_count, stamp_item};
use sansmq_core::store::{AppendError, Appended, NewMessage, QueueEntry};
use sansmq_core::time::Now;

use super::FileStore;
use crate::any_queue::Kind;
use crate::error::StoreError;

impl FileStore {
    /// Appends a message with the properties the store has given it, and enters it into its light queues.
    pub(super) fn append_stamped(
        &mut self,
        now: Now,
        message: &NewMessage<'_>,
        stamped: &Stamped,
    ) -> Result<Appended, AppendError> {
        let parts: [&[u8]; 1] = [&stamped.properties];
        let message = NewMessage { properties: &parts, ..*message };
        let len = checked_len(&message, &self.append_limits)?;
        message_count(&message)?;
        if !stamped.light.is_empty() {
            // the reference compares the whole record of such a message
            if len > self.append_limits.max_body {
                return Err(AppendError::MessageIllegal);
            }
            if self.queues.light_count() > self.stamp_rules.max_light_queues {
                return Err(AppendError::TooManyLightQueues);
            }
        }
        for (name, _) in &stamped.light {
            if let Some(queue) = self.queues.get_or_create(name, light::QUEUE_ID, Kind::Simple)
                && let Err(error) = queue.reserve(1)
            {
                let error = StoreError::io("take space in", queue.dir())(error);
                return Err(self.refuse(now, &error, self.config.consume_queue_file_size));
            }
        }
        let keys = self.keys_of(&message);
        self.reserve(now, &message, len, 1, keys)?;
        let store_timestamp = self.next_store_time(now);
        let done = self.write(now, store_timestamp, &message, len)?;
        let tags_code = entry_tags(message.tags_code, store_timestamp);
        for (name, _) in &stamped.light {
            let entry = QueueEntry { offset: done.offset, size: done.size, tags_code };
            if self
                .queues
                .get_mut(name, light::QUEUE_ID)
                .is_some_and(|queue| !queue.push(entry, store_timestamp, 1))
            {
                self.fail("light queue entry", &"a reserved queue file cannot be written");
            }
        }
        self.after_append();
        Ok(done)
    }

    /// Bytes the store adds to a message of a batch.
    pub(super) fn stamp_growth(&self, item: &NewMessage<'_>) -> Result<usize, AppendError> {
        let Some(properties) = stamp_item(item, &self.stamp_rules) else { return Ok(0) };
        let plain = encoded_len(item, self.append_limits.allow_v2)?;
        let parts: [&[u8]; 1] = [&properties];
        let stamped = NewMessage { properties: &parts, ..*item };
        Ok(encoded_len(&stamped, self.append_limits.allow_v2)?.saturating_sub(plain))
    }
}
