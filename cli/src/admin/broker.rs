//! What a single broker is asked.

use sansmq_core::body::{KvTable, SubscriptionGroupConfig, TopicConfig};
use sansmq_core::json::{Style, to_vec};
use sansmq_core::wire::code::request;
use sansmq_core::wire::headers::{admin, client};
use sansmq_core::wire::{Command, Ext};
use std::collections::BTreeMap;

use super::{Queue, read_body};
use crate::app::World;
use crate::bodies::{BrokerStats, TopicStats};
use crate::failure::Failure;

/// The topic new ones are modelled on, as every client names it.
const TEMPLATE_TOPIC: &str = "TBW102";

impl World {
    /// Creates or changes a topic; `attributes` are changes like `+a=b,-c`.
    ///
    /// # Errors
    /// The broker's refusal.
    pub fn put_topic(&mut self, broker: &str, config: &TopicConfig, attributes: &str) -> Result<(), Failure> {
        let header = admin::CreateTopic {
            topic: Some(&config.topic_name),
            default_topic: Some(TEMPLATE_TOPIC),
            read_queue_nums: Some(config.read_queue_nums),
            write_queue_nums: Some(config.write_queue_nums),
            perm: Some(config.perm),
            topic_filter_type: Some(config.topic_filter_type.as_str()),
            topic_sys_flag: Some(config.topic_sys_flag),
            order: Some(config.order),
            attributes: Some(attributes),
            force: Some(false),
            ..Default::default()
        };
        self.ask(broker, request::UPDATE_AND_CREATE_TOPIC, header.to_ext()).map(drop)
    }

    /// # Errors
    /// The broker's refusal.
    pub fn delete_topic(&mut self, broker: &str, topic: &str) -> Result<(), Failure> {
        let header = admin::Topic { topic: Some(topic), ..Default::default() };
        self.ask(broker, request::DELETE_TOPIC_IN_BROKER, header.to_ext()).map(drop)
    }

    /// # Errors
    /// The broker's refusal.
    pub fn put_group(&mut self, broker: &str, config: &SubscriptionGroupConfig) -> Result<(), Failure> {
        let command = Command::request(request::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, Ext::new())
            .with_body(to_vec(config, Style::Fastjson));
        self.ask_with(broker, command).map(drop)
    }

    /// # Errors
    /// The broker's refusal.
    pub fn delete_group(&mut self, broker: &str, group: &str, clean_offset: bool) -> Result<(), Failure> {
        let header =
            admin::DeleteSubscriptionGroup { group_name: Some(group), clean_offset, ..Default::default() };
        self.ask(broker, request::DELETE_SUBSCRIPTIONGROUP, header.to_ext()).map(drop)
    }

    /// Run-time figures by name.
    ///
    /// # Errors
    /// The broker's refusal.
    pub fn runtime(&mut self, broker: &str) -> Result<BTreeMap<String, String>, Failure> {
        const CODE: i32 = request::GET_BROKER_RUNTIME_INFO;
        read_body(CODE, &self.ask(broker, CODE, Ext::new())?).map(|kv: KvTable| kv.table)
    }

    /// The settings of a broker.
    ///
    /// # Errors
    /// The broker's refusal.
    pub fn broker_config(&mut self, broker: &str) -> Result<Vec<(String, String)>, Failure> {
        let answer = self.ask(broker, request::GET_BROKER_CONFIG, Ext::new())?;
        Ok(properties(&answer.body))
    }

    /// Changes one setting.
    ///
    /// # Errors
    /// The broker's refusal.
    pub fn set_broker_config(&mut self, broker: &str, key: &str, value: &str) -> Result<(), Failure> {
        let command = Command::request(request::UPDATE_BROKER_CONFIG, Ext::new())
            .with_body(format!("{key}={value}\n").into_bytes());
        self.ask_with(broker, command).map(drop)
    }

    /// The ranges of a topic's queues.
    ///
    /// # Errors
    /// The broker's refusal.
    pub fn topic_stats(&mut self, broker: &str, topic: &str) -> Result<TopicStats, Failure> {
        const CODE: i32 = request::GET_TOPIC_STATS_INFO;
        let header = admin::Topic { topic: Some(topic), ..Default::default() };
        read_body(CODE, &self.ask(broker, CODE, header.to_ext())?)
    }

    /// One counter.
    ///
    /// # Errors
    /// Code 1 when there is none of that name.
    pub fn counter(&mut self, broker: &str, name: &str, key: &str) -> Result<BrokerStats, Failure> {
        const CODE: i32 = request::VIEW_BROKER_STATS_DATA;
        let header =
            admin::ViewBrokerStats { stats_name: Some(name), stats_key: Some(key), ..Default::default() };
        read_body(CODE, &self.ask(broker, CODE, header.to_ext())?)
    }

    /// Smallest offset of a queue.
    ///
    /// # Errors
    /// The broker's refusal.
    pub fn min_offset(&mut self, queue: &Queue) -> Result<i64, Failure> {
        self.offset(queue, request::GET_MIN_OFFSET, queue_offset(queue, None))
    }

    /// Offset the next message of a queue will get.
    ///
    /// # Errors
    /// The broker's refusal.
    pub fn max_offset(&mut self, queue: &Queue) -> Result<i64, Failure> {
        self.offset(queue, request::GET_MAX_OFFSET, queue_offset(queue, None).with("committed", true))
    }

    /// Offset of the first message stored at or after `ms`.
    ///
    /// # Errors
    /// The broker's refusal.
    pub fn offset_at(&mut self, queue: &Queue, ms: i64) -> Result<i64, Failure> {
        self.offset(queue, request::SEARCH_OFFSET_BY_TIMESTAMP, queue_offset(queue, Some(ms)))
    }

    fn offset(&mut self, queue: &Queue, code: i32, mut ext: Ext) -> Result<i64, Failure> {
        if !queue.broker_name.is_empty() {
            ext.put("bname", queue.broker_name.clone());
        }
        let answer = self.ask(&queue.broker, code, ext)?;
        answer
            .ext_text("offset")
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| Failure::input(format!("{} was answered without an offset", request::name(code))))
    }
}

fn queue_offset(queue: &Queue, timestamp: Option<i64>) -> Ext {
    let header = client::QueueOffset {
        topic: Some(&queue.topic),
        queue_id: Some(queue.id),
        timestamp,
        ..Default::default()
    };
    header.to_ext()
}

/// The pairs of a property text, in its order; escapes of separators are resolved.
#[must_use]
pub fn properties(body: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(body);
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| {
            let (key, value) = line.split_once('=').unwrap_or((line, ""));
            (key.trim().replace("\\:", ":"), value.trim().replace("\\:", ":").replace("\\=", "="))
        })
        .collect()
}
