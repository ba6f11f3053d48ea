//! INVOKE_BROKER_TO_RESET_OFFSET (222), on the server's side (`spec/broker.md` section 11).

use std::collections::BTreeMap;

use super::Broker;
use crate::body::MessageQueue;
use crate::json::Json;
use crate::json::{MapKey, ToJson};
use crate::store::{Boundary, Store};
use crate::time::Now;
use crate::wire::code::response;
use crate::wire::headers::admin::ResetOffset;
use crate::wire::{Frame, Reply};

impl<S: Store> Broker<S> {
    pub(super) fn reset_offset(&mut self, now: Now, frame: &Frame<'_>) -> Reply {
        let header = ResetOffset::parse(frame);
        let (group, topic) = (header.group.unwrap_or(""), header.topic.unwrap_or(""));
        let Some(queues) = self.topics.get(topic).map(|config| config.read_queue_nums) else {
            return Reply::error(response::TOPIC_NOT_EXIST, format!("Topic {topic} does not exist"));
        };
        if self.groups.get(group).is_none() {
            return Reply::error(
                response::SUBSCRIPTION_GROUP_NOT_EXIST,
                format!("Group {group} does not exist"),
            );
        }
        let mut targets = BTreeMap::new();
        match (header.queue_id, header.offset) {
            (queue_id, Some(offset)) if queue_id >= 0 => {
                let bounds = self.bounds(topic, queue_id).unwrap_or_default();
                if offset < bounds.min || offset > bounds.max + 1 {
                    return Reply::error(
                        response::SYSTEM_ERROR,
                        format!(
                            "Target offset {offset} not in consume queue range [{}-{}]",
                            bounds.min, bounds.max
                        ),
                    );
                }
                targets.insert(queue_id, offset);
            }
            (queue_id, _) => {
                let all = if queue_id >= 0 { queue_id..queue_id + 1 } else { 0..queues };
                for queue in all {
                    targets.insert(queue, self.offset_at(topic, queue, header.timestamp));
                }
            }
        }
        let broker_name = self.settings.broker.broker_name.clone();
        let mut table = Vec::new();
        for (queue_id, offset) in targets {
            self.offsets.reset(now.wall_ms, group, topic, queue_id, offset);
            let queue = MessageQueue { topic: topic.to_owned(), broker_name: broker_name.clone(), queue_id };
            table.push((queue.to_key(), offset.to_json()));
        }
        let body = Json::object([("offsetTable", Json::Object(table))]);
        Reply::success().with_body(super::dispatch::body(&body))
    }

    fn offset_at(&self, topic: &str, queue_id: i32, timestamp: i64) -> i64 {
        if timestamp < 0 {
            self.bounds(topic, queue_id).unwrap_or_default().max
        } else {
            self.store.offset_by_time(topic, queue_id, timestamp, Boundary::Lower)
        }
    }
}
