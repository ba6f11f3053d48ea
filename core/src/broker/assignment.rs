//! Queue locks over the wire (41, 42), request modes (401, 402) and queue assignment (400).

use std::collections::BTreeMap;

use super::Broker;
use super::dispatch::{bad_body, body};
use super::persist::File;
use crate::body::MessageQueue;
use crate::json::{self, Json, ToJson};
use crate::json_struct;
use crate::store::Store;
use crate::time::Now;
use crate::wire::code::response;
use crate::wire::{Frame, Reply};

json_struct! {
    /// Body of LOCK_BATCH_MQ and UNLOCK_BATCH_MQ.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct LockBatch {
        pub consumer_group: String = "consumerGroup",
        pub client_id: String = "clientId",
        pub queues: Vec<MessageQueue> = "mqSet",
        pub only_this_broker: bool = "onlyThisBroker",
    }
}

json_struct! {
    /// How a group takes messages of a topic.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct RequestMode {
        pub topic: String = "topic",
        pub consumer_group: String = "consumerGroup",
        /// `PULL` or `POP`.
        pub mode: String = "mode",
        pub pop_share_queue_num: i32 = "popShareQueueNum",
    }
}

json_struct! {
    /// `messageRequestMode.json`: topic -> group -> mode.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct RequestModes {
        pub modes: BTreeMap<String, BTreeMap<String, RequestMode>> = "messageRequestModeMap",
    }
}

json_struct! {
    /// Body of QUERY_ASSIGNMENT.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct AssignmentQuery {
        pub topic: String = "topic",
        pub consumer_group: String = "consumerGroup",
        pub client_id: String = "clientId",
        pub strategy_name: String = "strategyName",
        pub message_model: String = "messageModel",
    }
}

/// Request modes set by operators.
#[derive(Debug, Default)]
pub(super) struct Assignment {
    modes: RequestModes,
}

impl Assignment {
    pub fn new(modes: RequestModes) -> Self {
        Assignment { modes }
    }

    /// Takes over a master's table.
    pub fn replace(&mut self, modes: RequestModes) {
        self.modes = modes;
    }

    pub fn table(&self) -> &RequestModes {
        &self.modes
    }
}

impl<S: Store> Broker<S> {
    pub(super) fn lock_batch(&mut self, now: Now, frame: &Frame<'_>) -> Reply {
        match json::from_slice::<LockBatch>(frame.body()) {
            Ok(lock) => {
                let granted = self.locks.lock(now.mono, &lock.consumer_group, &lock.client_id, lock.queues);
                Reply::success().with_body(body(&Json::object([("lockOKMQSet", granted.to_json())])))
            }
            Err(error) => bad_body("the lock request", &error),
        }
    }

    pub(super) fn unlock_batch(&mut self, frame: &Frame<'_>) -> Reply {
        match json::from_slice::<LockBatch>(frame.body()) {
            Ok(lock) => {
                self.locks.unlock(&lock.consumer_group, &lock.client_id, &lock.queues);
                Reply::success()
            }
            Err(error) => bad_body("the unlock request", &error),
        }
    }

    pub(super) fn set_message_request_mode(&mut self, frame: &Frame<'_>) -> Reply {
        let mode: RequestMode = match json::from_slice(frame.body()) {
            Ok(mode) => mode,
            Err(error) => return bad_body("the request mode", &error),
        };
        if super::pull::is_retry(&mode.topic) {
            return Reply::error(response::NO_PERMISSION, "retry topic is not allowed to set mode");
        }
        if self.topics.get(&mode.topic).is_none() {
            return Reply::error(response::TOPIC_NOT_EXIST, format!("topic[{}] not exist", mode.topic));
        }
        if self.groups.get(&mode.consumer_group).is_none() {
            return Reply::error(response::SUBSCRIPTION_GROUP_NOT_EXIST, "subscription group does not exist");
        }
        if mode.mode == "POP" {
            // Handing messages out is not served yet; a group set to it would receive nothing.
            return Reply::error(response::REQUEST_CODE_NOT_SUPPORTED, "POP mode is not supported yet");
        }
        let groups = self.assignment.modes.modes.entry(mode.topic.clone()).or_default();
        groups.insert(mode.consumer_group.clone(), mode);
        self.persist.mark(File::RequestModes);
        Reply::success()
    }

    pub(super) fn all_message_request_modes(&self) -> Reply {
        Reply::success().with_body(body(&self.assignment.modes))
    }

    /// Shares this broker's queues among the members of a group.
    pub(super) fn query_assignment(&self, frame: &Frame<'_>) -> Reply {
        let query: AssignmentQuery = match json::from_slice(frame.body()) {
            Ok(query) => query,
            Err(error) => return bad_body("the assignment query", &error),
        };
        let queues = self.queues_of(&query.topic);
        let members = self.consumers.get(&query.consumer_group);
        let (Some(queues), Some(members)) = (queues, members) else {
            return Reply::success().with_body("{}");
        };
        let mut ids: Vec<&str> = members.clients.values().map(|client| client.client_id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        let everything = query.message_model == "BROADCASTING"
            || !self.settings.broker.server_load_balancer_enable
            || super::pull::is_retry(&query.topic);
        let mine = match (everything, query.strategy_name.as_str()) {
            (true, _) => Some(queues),
            (false, "AVG") => average(&queues, &ids, &query.client_id),
            (false, "AVG_BY_CIRCLE") => by_circle(&queues, &ids, &query.client_id),
            (false, _) => None,
        };
        let Some(mine) = mine else {
            return Reply::success().with_body("{}");
        };
        let entries = mine.into_iter().map(|queue| {
            Json::object([("messageQueue", queue.to_json()), ("mode", Json::Str("PULL".to_owned()))])
        });
        let json = Json::object([("messageQueueAssignments", Json::Array(entries.collect()))]);
        Reply::success().with_body(body(&json))
    }

    fn queues_of(&self, topic: &str) -> Option<Vec<MessageQueue>> {
        let config = self.topics.get(topic)?;
        let queue = |queue_id| MessageQueue {
            topic: topic.to_owned(),
            broker_name: self.settings.broker.broker_name.clone(),
            queue_id,
        };
        Some((0..config.read_queue_nums).map(queue).collect())
    }
}

/// Contiguous blocks; the first members get one queue more when it does not come out even.
fn average(queues: &[MessageQueue], ids: &[&str], own: &str) -> Option<Vec<MessageQueue>> {
    let index = ids.iter().position(|id| *id == own)?;
    let (share, extra) = (queues.len() / ids.len(), queues.len() % ids.len());
    let start = index * share + index.min(extra);
    let end = start + share + usize::from(index < extra);
    Some(queues[start..end].to_vec())
}

/// Every n-th queue.
fn by_circle(queues: &[MessageQueue], ids: &[&str], own: &str) -> Option<Vec<MessageQueue>> {
    let index = ids.iter().position(|id| *id == own)?;
    Some(queues.iter().skip(index).step_by(ids.len()).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queues(count: i32) -> Vec<MessageQueue> {
        (0..count).map(|queue_id| MessageQueue { queue_id, ..MessageQueue::default() }).collect()
    }

    #[test]
    fn every_queue_goes_to_exactly_one_member() {
        let ids = ["a", "b", "c"];
        for count in 0..11 {
            for share in [average, by_circle] {
                let mut seen: Vec<i32> = ids
                    .iter()
                    .flat_map(|id| share(&queues(count), &ids, id).unwrap_or_default())
                    .map(|queue| queue.queue_id)
                    .collect();
                seen.sort_unstable();
                assert_eq!(seen, (0..count).collect::<Vec<_>>());
            }
        }
        assert_eq!(average(&queues(4), &ids, "stranger"), None);
        let first: Vec<i32> =
            average(&queues(4), &ids, "a").unwrap_or_default().iter().map(|q| q.queue_id).collect();
        assert_eq!(first, [0, 1]);
    }
}
