//! Creating, changing, listing and deleting topics (`spec/broker.md` section 12).

use std::collections::BTreeMap;

use super::dispatch::{bad_body, body};
use super::persist::{File, TableWait};
use super::topics::Change;
use super::{Broker, names};
use crate::body::{TopicConfig, TopicConfigWrapper, TopicFilterType};
use crate::json::{self, FromJson, Json, ToJson};
use crate::store::Store;
use crate::time::Now;
use crate::wire::code::response;
use crate::wire::headers::admin::{CreateTopic, Topic};
use crate::wire::{Frame, Reply, ReplyTo};

impl<S: Store> Broker<S> {
    pub(super) fn create_topic(&mut self, now: Now, to: ReplyTo, frame: &Frame<'_>) -> Option<Reply> {
        let header = CreateTopic::parse(frame);
        let topic = header.topic.unwrap_or("");
        let attributes = match self.new_attributes(topic, header.attributes.unwrap_or("")) {
            Ok(attributes) => attributes,
            Err(remark) => return Some(Reply::error(response::SYSTEM_ERROR, remark)),
        };
        let kind = header.topic_filter_type.and_then(TopicFilterType::from_name).unwrap_or_default();
        let config = TopicConfig {
            topic_name: topic.to_owned(),
            read_queue_nums: header.read_queue_nums.unwrap_or(16),
            write_queue_nums: header.write_queue_nums.unwrap_or(16),
            perm: header.perm.unwrap_or(6),
            topic_filter_type: kind,
            topic_sys_flag: header.topic_sys_flag.unwrap_or(0),
            order: header.order.unwrap_or(false),
            attributes,
        };
        if let Some(refusal) = self.refuse_topic(&config) {
            return Some(refusal);
        }
        let reply = Reply::success().with_remark("not set any response code");
        let topic = config.topic_name.clone();
        let is_new = self.topics.get(&topic).is_none();
        let wait = match self.topics.put(now.wall_ms, config) {
            Change::Changed if is_new => Some(self.persist.created(&topic)),
            Change::Changed => Some(TableWait::Save(self.persist.mark(File::Topics))),
            Change::Unchanged => self.table_wait(&topic),
        };
        match wait {
            None => return Some(reply),
            Some(TableWait::Save(save)) => self.waiting.until_saved(save, to, reply),
            Some(TableWait::Replicas) => self.answer_changed(now, to, reply, None),
        }
        self.registration.request(now);
        None
    }

    fn refuse_topic(&self, config: &TopicConfig) -> Option<Reply> {
        let topic = &config.topic_name;
        if let Some(fault) = names::topic_fault(topic) {
            return Some(Reply::error(response::INVALID_PARAMETER, fault));
        }
        if self.settings.broker.validate_system_topic_when_update_topic && self.is_own_topic(topic) {
            return Some(Reply::error(
                response::INVALID_PARAMETER,
                format!("The topic[{topic}] is conflict with system topic."),
            ));
        }
        let mixed = config.attributes.get("message.type").is_some_and(|kind| kind == "MIXED");
        (mixed && !self.settings.broker.enable_mixed_message_type)
            .then(|| Reply::error(response::INVALID_PARAMETER, "MIXED message type is not supported."))
    }

    /// System topics, and those named after the broker and its cluster.
    fn is_own_topic(&self, topic: &str) -> bool {
        let config = &self.settings.broker;
        names::is_system_topic(topic)
            || topic == config.broker_cluster_name
            || topic == config.broker_name
            || topic == format!("{}_REPLY_TOPIC", config.broker_cluster_name)
    }

    /// The attributes after a change like `+k=v,-k`.
    fn new_attributes(&self, topic: &str, change: &str) -> Result<BTreeMap<String, String>, String> {
        let current = self.topics.get(topic).map(|config| config.attributes.clone());
        let is_new = current.is_none();
        let mut attributes = current.unwrap_or_default();
        for part in change.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            if let Some(pair) = part.strip_prefix('+') {
                let Some((key, value)) = pair.split_once('=') else {
                    return Err(format!("add/alter attribute format is wrong: {part}"));
                };
                check_attribute(key, value)?;
                if attributes.get(key).is_some_and(|old| old != value) && is_fixed(key) {
                    return Err(format!("attempt to update an unchangeable attribute. key: {key}"));
                }
                attributes.insert(key.to_owned(), value.to_owned());
            } else if let Some(key) = part.strip_prefix('-') {
                if is_new {
                    return Err("only add attribute is supported while creating topic.".to_owned());
                }
                if is_fixed(key) {
                    return Err(format!("attempt to update an unchangeable attribute. key: {key}"));
                }
                check_key(key)?;
                attributes.remove(key);
            } else {
                return Err(format!("wrong attribute format: {part}, expected +key=value or -key"));
            }
        }
        Ok(attributes)
    }

    pub(super) fn create_topics(&mut self, now: Now, to: ReplyTo, frame: &Frame<'_>) -> Option<Reply> {
        let list = match json::parse(frame.body()) {
            Ok(list) => list,
            Err(error) => return Some(bad_body("the topic list", &error)),
        };
        let mut topics = Vec::new();
        for item in list.get("topicConfigList").and_then(Json::as_array).unwrap_or_default() {
            match TopicConfig::from_json(item) {
                Ok(topic) => topics.push(topic),
                Err(error) => return Some(bad_body("a topic of the list", &error)),
            }
        }
        if let Some(refusal) = topics.iter().find_map(|topic| self.refuse_topic(topic)) {
            return Some(refusal);
        }
        for mut topic in topics {
            let added = topic.attributes.into_iter();
            topic.attributes = added.map(|(k, v)| (k.trim_start_matches('+').to_owned(), v)).collect();
            if self.topics.get(&topic.topic_name).is_none() {
                self.persist.created(&topic.topic_name);
            }
            self.topics.put(now.wall_ms, topic);
        }
        self.registration.request(now);
        let save = self.persist.mark(File::Topics);
        self.waiting.until_saved(save, to, Reply::success());
        None
    }

    pub(super) fn delete_topic(&mut self, now: Now, to: ReplyTo, frame: &Frame<'_>) -> Option<Reply> {
        let topic = Topic::parse(frame).topic.unwrap_or("");
        if topic.trim().is_empty() {
            return Some(Reply::error(response::INVALID_PARAMETER, "The specified topic is blank."));
        }
        if self.settings.broker.validate_system_topic_when_update_topic && self.is_own_topic(topic) {
            return Some(Reply::error(
                response::INVALID_PARAMETER,
                format!("The topic[{topic}] is conflict with system topic."),
            ));
        }
        self.topics.remove(now.wall_ms, topic);
        self.offsets.forget_topic(topic);
        self.store.delete_topic(topic);
        self.stats.forget_topic(topic);
        self.registration.request(now);
        self.persist.mark(File::Offsets);
        let save = self.persist.mark(File::Topics);
        self.waiting.until_saved(save, to, Reply::success());
        None
    }

    pub(super) fn all_topics(&self) -> Reply {
        let table = self.topics.to_file();
        let wrapper = TopicConfigWrapper {
            topics: table.topics,
            data_version: table.data_version,
            ..TopicConfigWrapper::default()
        };
        super::dispatch::success_with_header().with_body(body(&wrapper))
    }

    pub(super) fn topic_config(&self, frame: &Frame<'_>) -> Reply {
        let topic = Topic::parse(frame).topic.unwrap_or("");
        match self.topics.get(topic) {
            Some(config) => Reply::success().with_body(body(config)),
            None => {
                Reply::error(response::TOPIC_NOT_EXIST, format!("No topic in this broker. topic: {topic}"))
            }
        }
    }

    pub(super) fn system_topics(&self) -> Reply {
        let own = self.topics.iter().map(|topic| &topic.topic_name).filter(|name| self.is_own_topic(name));
        let names: Vec<String> = own.cloned().collect();
        Reply::success().with_body(body(&Json::object([("topicList", names.to_json())])))
    }
}

fn is_fixed(key: &str) -> bool {
    matches!(key, "queue.type" | "cleanup.policy")
}

fn check_key(key: &str) -> Result<(), String> {
    match key {
        "queue.type" | "cleanup.policy" | "message.type" | "reserve.time" => Ok(()),
        _ => Err(format!("unsupported key: {key}")),
    }
}

fn check_attribute(key: &str, value: &str) -> Result<(), String> {
    check_key(key)?;
    let allowed: &[&str] = match key {
        "queue.type" => &["BatchCQ", "SimpleCQ"],
        "cleanup.policy" => &["DELETE", "COMPACTION"],
        "message.type" => &["NORMAL", "FIFO", "DELAY", "TRANSACTION", "UNSPECIFIED", "MIXED"],
        _ => return value.parse::<i64>().map(|_| ()).map_err(|_| format!("{key}: {value} is not a number")),
    };
    if allowed.contains(&value) {
        Ok(())
    } else {
        Err(format!("value is not in set: [{}]", allowed.join(", ")))
    }
}
