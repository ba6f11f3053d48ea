//! RESUME_CHECK_HALF_MESSAGE (323): an operator wants a half message that was given up asked about again.

use crate::broker::properties::{Known, name};
use crate::broker::put::Again;
use crate::broker::{Broker, names};
use crate::message::{id, properties, record};
use crate::store::{Store, TagsCode};
use crate::time::Now;
use crate::wire::code::response;
use crate::wire::headers::message::ResumeCheckHalfMessage;
use crate::wire::{Frame, Reply};

impl<S: Store> Broker<S> {
    pub(in crate::broker) fn resume_check(&mut self, now: Now, frame: &Frame<'_>) -> Reply {
        let msg_id = ResumeCheckHalfMessage::parse(frame).msg_id.unwrap_or("");
        if self.resume(now, msg_id).is_none() {
            let remark = "Put message back to RMQ_SYS_TRANS_HALF_TOPIC failed.";
            return Reply::error(response::SYSTEM_ERROR, remark);
        }
        Reply::success()
    }

    /// Stores the message as a half message that was never asked about.
    fn resume(&mut self, now: Now, msg_id: &str) -> Option<()> {
        let (_, at) = id::decode(msg_id)?;
        let bytes = self.store.record_at(at)?;
        let found = record::decode(&bytes).ok()?;
        let id = found.property(name::TRANSACTION_ID).or(found.property(name::UNIQ_KEY))?;
        let real_topic = found.property(name::REAL_TOPIC)?;
        let text = properties::replace(found.properties, name::TRANSACTION_CHECK_TIMES, "0");
        let again = Again {
            topic: names::HALF_TOPIC,
            queue_id: 0,
            sys_flag: found.sys_flag,
            prepared_transaction_offset: 0,
            properties: &text,
            tags_code: TagsCode::Tags(Known::scan(&text).tags_code()),
        };
        self.transaction_progress(now);
        let stored = self.put_again(now, &found, &again).ok()?;
        self.transaction_progress(now).stands_for(id, stored.queue_offset);
        self.half_is_open(now, real_topic);
        Some(())
    }
}
