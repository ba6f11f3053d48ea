//! Finding single messages: QUERY_MESSAGE (12), VIEW_MESSAGE_BY_ID (33), QUERY_CONSUME_QUEUE (321).

use super::Broker;
use super::cold::Search;
use super::offset_requests::offset_reply;
use crate::json::Json;
use crate::store::{IndexHits, Store};
use crate::wire::code::response;
use crate::wire::headers::admin::QueryConsumeQueue;
use crate::wire::headers::message::{QueryMessage, ViewMessage};
use crate::wire::{Body, Ext, Frame, Reply, ReplyTo};

impl<S: Store> Broker<S> {
    pub(super) fn query_message(&mut self, to: ReplyTo, frame: &Frame<'_>) -> Option<Reply> {
        let header = QueryMessage::parse(frame);
        let asked = header.max_num.unwrap_or(0);
        let max = if header.unique_key { self.settings.store.default_query_max_num } else { asked };
        let search = Search::Key {
            topic: header.topic.unwrap_or("").to_owned(),
            key: header.key.unwrap_or("").to_owned(),
            max: u32::try_from(max.min(self.settings.store.max_msgs_num_batch)).unwrap_or(0),
            begin: header.begin_timestamp.unwrap_or(0),
            end: header.end_timestamp.unwrap_or(i64::MAX),
        };
        self.search(to, search)
    }

    pub(super) fn view_message(&mut self, to: ReplyTo, frame: &Frame<'_>) -> Option<Reply> {
        self.search(to, Search::Record { offset: ViewMessage::parse(frame).offset.unwrap_or(-1) })
    }

    /// The answer to a lookup, from memory or not.
    pub(super) fn found(&self, search: &Search) -> Reply {
        match search {
            Search::Record { offset } => {
                match u64::try_from(*offset).ok().and_then(|at| self.store.record_at(at)) {
                    Some(record) => Reply::success().with_body(record),
                    None => Reply::error(
                        response::SYSTEM_ERROR,
                        format!("can not find message by the offset, {offset}"),
                    ),
                }
            }
            Search::Time { topic, queue_id, timestamp_ms, boundary } => {
                offset_reply(self.store.offset_by_time(topic, *queue_id, *timestamp_ms, *boundary))
            }
            Search::Key { topic, key, max, begin, end } => {
                found_by_key(self.store.query_index(topic, key, *max, *begin, *end))
            }
        }
    }

    pub(super) fn query_consume_queue(&self, frame: &Frame<'_>) -> Reply {
        let header = QueryConsumeQueue::parse(frame);
        let topic = header.topic.unwrap_or("");
        let Some(bounds) = self.bounds(topic, header.queue_id) else {
            return Reply::error(
                response::SYSTEM_ERROR,
                format!("Can not find consume queue: {topic}-{}", header.queue_id),
            );
        };
        let last = header.index.saturating_add(i64::from(header.count)).min(bounds.max);
        let entries = (header.index.max(bounds.min)..last)
            .filter_map(|offset| self.store.queue_entry(topic, header.queue_id, offset))
            .map(|entry| {
                Json::object([
                    ("eval", Json::Bool(false)),
                    ("physicOffset", Json::Int(i64::try_from(entry.offset).unwrap_or(i64::MAX))),
                    ("physicSize", Json::Int(i64::from(entry.size))),
                    ("tagsCode", Json::Int(entry.tags_code)),
                ])
            });
        let body = Json::object([
            ("maxQueueIndex", Json::Int(bounds.max)),
            ("minQueueIndex", Json::Int(bounds.min)),
            ("queueData", Json::Array(entries.collect())),
        ]);
        super::dispatch::code_only(body)
    }
}

fn found_by_key(hits: IndexHits) -> Reply {
    let ext = Ext::new()
        .with("indexLastUpdateTimestamp", hits.last_update_timestamp)
        .with("indexLastUpdatePhyoffset", hits.last_update_offset);
    if hits.records.is_empty() {
        return Reply::error(response::QUERY_NOT_FOUND, "can not find message, maybe time range not correct")
            .with_ext(ext);
    }
    Reply { ext: Some(ext), body: Body::Many(hits.records), ..Reply::success() }
}
