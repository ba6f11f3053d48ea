//! Offsets of queues and of consumers: codes 14, 15, 29 to 32, 43 and 314 (`spec/broker.md` section 9).

use super::Broker;
use super::cold::Search;
use crate::json::{self, Style};
use crate::message::record;
use crate::store::{Boundary, QueueBounds, Store};
use crate::time::Now;
use crate::wire::code::response;
use crate::wire::headers::admin::CloneGroupOffset;
use crate::wire::headers::client::{QueryConsumerOffset, QueueOffset, UpdateConsumerOffset};
use crate::wire::{Ext, Frame, Reply, ReplyTo};

impl<S: Store> Broker<S> {
    pub(super) fn query_consumer_offset(&self, frame: &Frame<'_>) -> Reply {
        let header = QueryConsumerOffset::parse(frame);
        let (group, topic) = (header.consumer_group.unwrap_or(""), header.topic.unwrap_or(""));
        let queue_id = header.queue_id.unwrap_or(0);
        if let Some(offset) = self.offsets.get(group, topic, queue_id).filter(|offset| *offset >= 0) {
            return offset_reply(offset);
        }
        if header.set_zero_if_not_found == Some(false) {
            return Reply::error(
                response::QUERY_NOT_FOUND,
                "Not found, do not set to zero, maybe this group boot first",
            )
            .with_ext(Ext::new());
        }
        // A new group on a young topic starts at its beginning, whatever it asked for.
        let bounds = self.bounds(topic, queue_id);
        let young = bounds.is_some_and(|bounds| bounds.min <= 0 && bounds.max > 0)
            && self
                .store
                .queue_entry(topic, queue_id, 0)
                .is_some_and(|entry| self.is_in_memory(entry.offset));
        if young {
            return offset_reply(0);
        }
        Reply::error(
            response::QUERY_NOT_FOUND,
            "Not found, V3_0_6_SNAPSHOT maybe this group consumer boot first",
        )
        .with_ext(Ext::new())
    }

    /// Whether the reference would expect the record in the page cache.
    pub(super) fn is_in_memory(&self, offset: u64) -> bool {
        self.store.log_bounds().max.saturating_sub(offset) <= self.settings.memory_bytes_for_messages
    }

    pub(super) fn bounds(&self, topic: &str, queue_id: i32) -> Option<QueueBounds> {
        self.store.queue_bounds(topic, queue_id, self.visible_end())
    }

    pub(super) fn update_consumer_offset(&mut self, now: Now, frame: &Frame<'_>) -> Reply {
        let header = UpdateConsumerOffset::parse(frame);
        let (group, topic) = (header.consumer_group.unwrap_or(""), header.topic.unwrap_or(""));
        if self.groups.get(group).is_none() {
            return Reply::error(response::SUBSCRIPTION_GROUP_NOT_EXIST, format!("Group {group} not exist!"));
        }
        if self.topics.get(topic).is_none() {
            return Reply::error(response::TOPIC_NOT_EXIST, format!("Topic {topic} not exist!"));
        }
        let Some(queue_id) = header.queue_id else {
            return Reply::error(response::INVALID_PARAMETER, format!("QueueId is null, topic is {topic}"));
        };
        let Some(offset) = header.commit_offset else {
            return Reply::error(response::INVALID_PARAMETER, format!("Offset is null, topic is {topic}"));
        };
        if self.offsets.has_reset(group, topic, queue_id) {
            return Reply::success().with_remark("Offset has been previously reset");
        }
        self.offsets.commit(now.wall_ms, group, topic, queue_id, offset);
        Reply::success().with_ext(Ext::new())
    }

    pub(super) fn search_offset(&mut self, to: ReplyTo, frame: &Frame<'_>) -> Option<Reply> {
        let header = QueueOffset::parse(frame);
        let upper = header.boundary_type.is_some_and(|kind| kind.eq_ignore_ascii_case("upper"));
        let search = Search::Time {
            topic: header.topic.unwrap_or("").to_owned(),
            queue_id: header.queue_id.unwrap_or(0),
            timestamp_ms: header.timestamp.unwrap_or(0),
            boundary: if upper { Boundary::Upper } else { Boundary::Lower },
        };
        self.search(to, search)
    }

    pub(super) fn max_offset(&self, frame: &Frame<'_>) -> Reply {
        let header = QueueOffset::parse(frame);
        let bounds = self.bounds(header.topic.unwrap_or(""), header.queue_id.unwrap_or(0));
        offset_reply(bounds.unwrap_or_default().max)
    }

    pub(super) fn min_offset(&self, frame: &Frame<'_>) -> Reply {
        let header = QueueOffset::parse(frame);
        let bounds = self.bounds(header.topic.unwrap_or(""), header.queue_id.unwrap_or(0));
        offset_reply(bounds.unwrap_or_default().min).with_remark("")
    }

    pub(super) fn earliest_store_time(&self, frame: &Frame<'_>) -> Reply {
        let header = QueueOffset::parse(frame);
        let (topic, queue_id) = (header.topic.unwrap_or(""), header.queue_id.unwrap_or(0));
        let min = self.bounds(topic, queue_id).map(|bounds| bounds.min);
        let time = min.and_then(|min| self.store.store_time(topic, queue_id, min));
        Reply::success().with_ext(Ext::new().with("timestamp", time.unwrap_or(-1)))
    }

    pub(super) fn all_consumer_offsets(&self) -> Reply {
        let body = json::to_vec(&self.offsets.snapshot(), Style::Fastjson);
        Reply::success().with_body(body)
    }

    pub(super) fn clone_group_offset(&mut self, frame: &Frame<'_>) -> Reply {
        let header = CloneGroupOffset::parse(frame);
        let (from, to) = (header.src_group.unwrap_or(""), header.dest_group.unwrap_or(""));
        match header.topic.filter(|topic| !topic.is_empty()) {
            Some(topic) => self.offsets.copy(from, to, topic),
            None => {
                for topic in self.offsets.topics_of(from) {
                    self.offsets.copy(from, to, &topic);
                }
            }
        }
        Reply::success()
    }

    /// Store time of a queue's record, in milliseconds; from the record itself.
    pub(super) fn time_of(&self, topic: &str, queue_id: i32, offset: i64) -> Option<i64> {
        self.store.store_time(topic, queue_id, offset)
    }

    /// Store time of the first record of the log; -1 for an empty one.
    pub(super) fn earliest_message_time(&self) -> i64 {
        let min = self.store.log_bounds().min;
        let bytes = self.store.record_at(min);
        bytes.as_deref().and_then(|b| record::decode(b).ok()).map_or(-1, |found| found.store_timestamp)
    }
}

pub(super) fn offset_reply(offset: i64) -> Reply {
    Reply::success().with_ext(Ext::new().with("offset", offset))
}
