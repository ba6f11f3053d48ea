//! What operators ask about topics, groups and clients (`spec/broker.md` section 12).

use std::collections::{BTreeMap, BTreeSet};

use super::Broker;
use super::clients::Client;
use super::dispatch::{body, success_with_header};
use crate::body::{MessageQueue, TopicList};
use crate::json::{Json, Key, MapKey, ToJson};
use crate::json_struct;
use crate::store::Store;
use crate::time::Now;
use crate::wire::code::response;
use crate::wire::headers::admin::{
    GetConsumeStats, Group, GroupTopic, ProducerGroup, Topic, ViewBrokerStats,
};
use crate::wire::headers::client::ConsumerGroup;
use crate::wire::{Frame, Reply};

json_struct! {
    /// Progress of a group in one queue.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct OffsetWrapper {
        pub broker_offset: i64 = "brokerOffset",
        pub consumer_offset: i64 = "consumerOffset",
        pub pull_offset: i64 = "pullOffset",
        /// Store time of the last consumed message, in milliseconds.
        pub last_timestamp: i64 = "lastTimestamp",
    }
}

impl<S: Store> Broker<S> {
    fn queue(&self, topic: &str, queue_id: i32) -> MessageQueue {
        MessageQueue {
            topic: topic.to_owned(),
            broker_name: self.settings.broker.broker_name.clone(),
            queue_id,
        }
    }

    pub(super) fn topic_stats(&self, frame: &Frame<'_>) -> Reply {
        let topic = Topic::parse(frame).topic.unwrap_or("");
        let Some(config) = self.topics.get(topic) else {
            return Reply::error(response::TOPIC_NOT_EXIST, format!("topic[{topic}] not exist"));
        };
        let queues = config.read_queue_nums.max(config.write_queue_nums);
        let table = (0..queues).map(|queue_id| {
            let bounds = self.bounds(topic, queue_id).unwrap_or_default();
            let last = (bounds.max > 0).then(|| self.time_of(topic, queue_id, bounds.max - 1)).flatten();
            let stats = Json::object([
                ("lastUpdateTimestamp", Json::Int(last.unwrap_or(0))),
                ("maxOffset", Json::Int(bounds.max)),
                ("minOffset", Json::Int(bounds.min.max(0))),
            ]);
            (self.queue(topic, queue_id).to_key(), stats)
        });
        let json = Json::object([
            ("offsetTable", Json::Object(table.collect())),
            ("topicPutTps", Json::Float(self.stats.put_tps(topic))),
        ]);
        Reply::success().with_body(body(&json))
    }

    pub(super) fn consume_stats(&self, frame: &Frame<'_>) -> Reply {
        let header = GetConsumeStats::parse(frame);
        let group = header.consumer_group.unwrap_or("");
        let mut topics: BTreeSet<String> = header.topic.iter().map(|topic| (*topic).to_owned()).collect();
        topics.extend(header.topic_list.unwrap_or("").split(';').map(str::to_owned));
        topics.retain(|topic| !topic.trim().is_empty());
        if topics.is_empty() {
            topics = self.offsets.topics_of(group);
            if let Some(members) = self.consumers.get(group) {
                topics.extend(members.subscriptions.keys().cloned());
            }
        }
        let (table, tps) = self.progress(group, &topics);
        let table: Vec<(Key, Json)> =
            table.into_iter().map(|(queue, offsets)| (queue.to_key(), offsets.to_json())).collect();
        let json = Json::object([("consumeTps", Json::Float(tps)), ("offsetTable", Json::Object(table))]);
        Reply::success().with_body(body(&json))
    }

    fn progress(
        &self,
        group: &str,
        topics: &BTreeSet<String>,
    ) -> (BTreeMap<MessageQueue, OffsetWrapper>, f64) {
        let (mut table, mut tps) = (BTreeMap::new(), 0.0);
        for topic in topics {
            let Some(config) = self.topics.get(topic) else {
                continue;
            };
            for queue_id in 0..config.read_queue_nums {
                let offsets = self.queue_progress(group, topic, queue_id);
                table.insert(self.queue(topic, queue_id), offsets);
            }
            tps += self.stats.consume_tps(group, topic);
        }
        (table, tps)
    }

    fn queue_progress(&self, group: &str, topic: &str, queue_id: i32) -> OffsetWrapper {
        let broker_offset = self.bounds(topic, queue_id).unwrap_or_default().max;
        let consumer_offset = self.offsets.get(group, topic, queue_id).unwrap_or(0).max(0);
        let pulled = self.offsets.pulled(group, topic, queue_id).unwrap_or(consumer_offset);
        let last =
            (consumer_offset > 0).then(|| self.time_of(topic, queue_id, consumer_offset - 1)).flatten();
        OffsetWrapper {
            broker_offset,
            consumer_offset,
            pull_offset: pulled.max(consumer_offset),
            last_timestamp: last.unwrap_or(0),
        }
    }

    pub(super) fn broker_consume_stats(&self, frame: &Frame<'_>) -> Reply {
        let only_orderly = frame.ext("isOrder").is_some_and(|text| text.eq_ignore_ascii_case("true"));
        let (mut list, mut total, mut inflight) = (Vec::new(), 0, 0);
        for group in self.groups.iter() {
            if only_orderly && !group.consume_message_orderly {
                continue;
            }
            let mut stats = Vec::new();
            for topic in self.offsets.topics_of(&group.group_name) {
                let (table, tps) = self.progress(&group.group_name, &BTreeSet::from([topic]));
                total += table.values().map(|row| row.broker_offset - row.consumer_offset).sum::<i64>();
                inflight += table.values().map(|row| row.pull_offset - row.consumer_offset).sum::<i64>();
                let table = table.into_iter().map(|(queue, row)| (queue.to_key(), row.to_json()));
                stats.push(Json::object([
                    ("consumeTps", Json::Float(tps)),
                    ("offsetTable", Json::Object(table.collect())),
                ]));
            }
            list.push(Json::Object(vec![(Key::Name(group.group_name.clone()), Json::Array(stats))]));
        }
        let json = Json::object([
            ("brokerAddr", Json::Str(self.settings.address())),
            ("consumeStatsList", Json::Array(list)),
            ("totalDiff", Json::Int(total)),
            ("totalInflightDiff", Json::Int(inflight)),
        ]);
        Reply::success().with_body(body(&json))
    }

    pub(super) fn consumer_connections(&self, frame: &Frame<'_>) -> Reply {
        let group = ConsumerGroup::parse(frame).consumer_group.unwrap_or("");
        let Some(members) = self.consumers.get(group) else {
            return Reply::error(
                response::CONSUMER_NOT_ONLINE,
                format!("the consumer group[{group}] not online"),
            );
        };
        let json = Json::object([
            ("connectionSet", Json::Array(members.clients.values().map(connection).collect())),
            ("consumeFromWhere", members.consume_from_where.to_json()),
            ("consumeType", members.consume_type.to_json()),
            ("messageModel", members.message_model.to_json()),
            ("subscriptionTable", members.subscriptions.to_json()),
        ]);
        Reply::success().with_body(body(&json))
    }

    pub(super) fn producer_connections(&self, frame: &Frame<'_>) -> Reply {
        let group = ProducerGroup::parse(frame).producer_group.unwrap_or("");
        let Some(clients) = self.producers.get(group) else {
            return Reply::error(response::SYSTEM_ERROR, format!("the producer group[{group}] not exist"));
        };
        let set = Json::Array(clients.values().map(connection).collect());
        Reply::success().with_body(body(&Json::object([("connectionSet", set)])))
    }

    pub(super) fn all_producers(&self) -> Reply {
        let groups = self.producers.iter().map(|(group, clients)| {
            let clients = clients.values().map(|client| {
                Json::object([
                    ("clientId", Json::Str(client.client_id.clone())),
                    ("language", Json::Str(client.language.map_or("OTHER", |l| l.name()).to_owned())),
                    ("lastUpdateTimestamp", Json::Int(client.last_seen_wall_ms)),
                    ("remoteIP", Json::Str(format!("/{}", client.addr))),
                    ("version", Json::Int(i64::from(client.version))),
                ])
            });
            (Key::Name(group.clone()), Json::Array(clients.collect()))
        });
        let data = Json::Object(groups.collect());
        Reply::success().with_body(body(&Json::object([("data", data)])))
    }

    /// Groups that consume a topic: by their subscriptions and by their offsets. (The reference also names the
    /// topic itself, a mistake of its index that is not repeated here.)
    pub(super) fn consumed_by_whom(&self, frame: &Frame<'_>) -> Reply {
        let topic = Topic::parse(frame).topic.unwrap_or("");
        let mut groups: BTreeSet<String> = self.consumers.groups_subscribing(topic).into_iter().collect();
        groups.extend(self.offsets.groups_of(topic));
        let list: Vec<String> = groups.into_iter().collect();
        Reply::success().with_body(body(&Json::object([("groupList", list.to_json())])))
    }

    pub(super) fn topics_by_consumer(&self, frame: &Frame<'_>) -> Reply {
        let group = Group::parse(frame).group.unwrap_or("");
        let list = TopicList {
            topics: self.offsets.topics_of(group).into_iter().collect(),
            broker_addr: Some(self.settings.address()),
        };
        Reply::success().with_body(body(&list))
    }

    pub(super) fn subscription_by_consumer(&self, frame: &Frame<'_>) -> Reply {
        let header = GroupTopic::parse(frame);
        let (group, topic) = (header.group.unwrap_or(""), header.topic.unwrap_or(""));
        let found = self.consumers.get(group).and_then(|members| members.subscriptions.get(topic));
        let mut members = vec![("group", Json::Str(group.to_owned()))];
        if let Some(subscription) = found {
            members.push(("subscriptionData", subscription.to_json()));
        }
        members.push(("topic", Json::Str(topic.to_owned())));
        Reply::success().with_body(body(&Json::object(members)))
    }

    pub(super) fn consume_time_span(&self, now: Now, frame: &Frame<'_>) -> Reply {
        let header = GroupTopic::parse(frame);
        let (group, topic) = (header.group.unwrap_or(""), header.topic.unwrap_or(""));
        let Some(config) = self.topics.get(topic) else {
            return Reply::error(response::TOPIC_NOT_EXIST, format!("topic[{topic}] not exist"));
        };
        let spans = (0..config.write_queue_nums).map(|queue_id| {
            let bounds = self.bounds(topic, queue_id).unwrap_or_default();
            let time = |offset| self.time_of(topic, queue_id, offset).unwrap_or(-1);
            let consumed = self.offsets.get(group, topic, queue_id).unwrap_or(0);
            let consume_time = if consumed > 0 { time(consumed - 1) } else { time(bounds.min) };
            let next = self.time_of(topic, queue_id, consumed);
            Json::object([
                ("consumeTimeStamp", Json::Int(consume_time)),
                ("delayTime", Json::Int(next.map_or(0, |next| (now.wall_ms - next).max(0)))),
                ("maxTimeStamp", Json::Int(time(bounds.max - 1))),
                ("messageQueue", self.queue(topic, queue_id).to_json()),
                ("minTimeStamp", Json::Int(time(bounds.min))),
            ])
        });
        let set = Json::Array(spans.collect());
        Reply::success().with_body(body(&Json::object([("consumeTimeSpanSet", set)])))
    }

    /// The smallest offset any other group has reached, per queue.
    pub(super) fn correction_offset(&self, frame: &Frame<'_>) -> Reply {
        let header = GroupTopic::parse(frame);
        let (own, topic) = (header.compare_group.unwrap_or(""), header.topic.unwrap_or(""));
        let filtered: BTreeSet<&str> = header.filter_groups.unwrap_or("").split(',').collect();
        let mut smallest: BTreeMap<i32, i64> = BTreeMap::new();
        for group in self.offsets.groups_of(topic) {
            if filtered.contains(group.as_str()) {
                continue;
            }
            for (queue, offset) in self.offsets.queues(&group, topic) {
                let known = smallest.entry(queue).or_insert(i64::MAX);
                *known = (*known).min(offset);
            }
        }
        for (queue, offset) in self.offsets.queues(own, topic) {
            if smallest.get(&queue).is_some_and(|known| *known == i64::MAX) {
                smallest.insert(queue, offset);
            }
        }
        Reply::success().with_body(body(&Json::object([("correctionOffsets", smallest.to_json())])))
    }

    pub(super) fn view_stats(&self, _now: Now, frame: &Frame<'_>) -> Reply {
        let header = ViewBrokerStats::parse(frame);
        let (name, key) = (header.stats_name.unwrap_or(""), header.stats_key.unwrap_or(""));
        let Some(item) = self.stats.item(name, key) else {
            return Reply::error(response::SYSTEM_ERROR, format!("The stats <{name}> <{key}> not exist"));
        };
        let [minute, hour, day] = item.rates().map(|rate| {
            Json::object([
                ("avgpt", Json::Float(rate.average)),
                ("sum", Json::Int(i64::try_from(rate.sum).unwrap_or(i64::MAX))),
                ("tps", Json::Float(rate.tps)),
            ])
        });
        let json = Json::object([("statsDay", day), ("statsHour", hour), ("statsMinute", minute)]);
        success_with_header().with_body(body(&json))
    }
}

fn connection(client: &Client) -> Json {
    Json::object([
        ("clientAddr", Json::Str(client.addr.to_string())),
        ("clientId", Json::Str(client.client_id.clone())),
        ("language", Json::Str(client.language.map_or("OTHER", |l| l.name()).to_owned())),
        ("version", Json::Int(i64::from(client.version))),
    ])
}
