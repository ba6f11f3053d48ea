//! A message of the own log as a request to another master (`EscapeBridge.putMessageToRemoteBroker`,
//! `BrokerOuterAPI.sendMessageToSpecificBroker`).

use bytes::Bytes;

use crate::broker::names;
use crate::broker::properties::name;
use crate::message::record::Record;
use crate::message::{properties, sysflag};
use crate::wire::Command;
use crate::wire::code::request;
use crate::wire::headers::message::SendMessageV2;

/// What the other master must not act on. Without `WAIT` it waits for its own disk and replicas.
const DELIVERED: [&str; 6] = [
    name::WAIT,
    name::DELAY,
    name::TIMER_DELAY_SEC,
    name::TIMER_DELAY_MS,
    name::TIMER_DELIVER_MS,
    // A committed message keeps the mark of its half message, which would make it one again.
    name::TRANSACTION_PREPARED,
];
/// A half message becomes what its producer sent.
const HALF: [&str; 5] =
    [name::WAIT, name::REAL_TOPIC, name::REAL_QUEUE_ID, name::TRANSACTION_ID, name::PREPARED_QUEUE_OFFSET];
/// Hosts are written by whoever stores the message.
const OWN_HOSTS: i32 = sysflag::BORN_HOST_V6 | sysflag::STORE_HOST_V6;
const DEFAULT_QUEUES: i32 = 8;

/// A message on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::broker) struct Letter {
    pub topic: String,
    /// The topic whose queues say who takes it, where its own may not be anywhere yet.
    pub route: String,
    /// The queue it has to be in wherever it goes.
    pub queue: Option<i32>,
    group: String,
    sys_flag: i32,
    born_timestamp: i64,
    flag: i32,
    properties: String,
    reconsume_times: i32,
    body: Bytes,
}

impl Letter {
    /// A message whose time has come.
    pub fn delivered(found: &Record<'_>, topic: &str, text: &[u8], own_group: &str) -> Self {
        let mut letter =
            Letter::new(found, topic, &properties::remove(text, &DELIVERED), found.sys_flag, own_group);
        if topic.starts_with(names::REVIVE_PREFIX) {
            // A check point and its acknowledgements have to meet.
            letter.queue = found.property(name::REAL_QUEUE_ID).and_then(|text| text.parse().ok());
        }
        letter
    }

    /// A handed-out message that nobody has acknowledged, for a retry topic; masters of its own topic `route` take it.
    pub fn revived(found: &Record<'_>, topic: &str, route: &str, text: &[u8], own_group: &str) -> Self {
        let letter = Letter::delivered(found, topic, text, own_group);
        let reconsume_times = letter.reconsume_times.saturating_add(1);
        Letter { route: route.to_owned(), reconsume_times, queue: Some(0), ..letter }
    }

    /// A check point that has to come again.
    pub fn check_point(
        topic: &str,
        queue: i32,
        text: &[u8],
        body: Bytes,
        now_ms: i64,
        own_group: &str,
    ) -> Self {
        Letter {
            topic: topic.to_owned(),
            route: topic.to_owned(),
            queue: Some(queue),
            group: own_group.to_owned(),
            sys_flag: 0,
            born_timestamp: now_ms,
            flag: 0,
            properties: String::from_utf8_lossy(text).into_owned(),
            reconsume_times: 0,
            body,
        }
    }

    /// A timer message with more than one turn of the wheel before it: it waits on in the other timer topic.
    pub fn rolled(found: &Record<'_>, text: &[u8], own_group: &str) -> Self {
        let text = properties::remove(text, &[name::WAIT]);
        Letter::new(found, names::TIMER_TOPIC, &text, found.sys_flag, own_group)
    }

    /// A half message nobody has ended.
    pub fn half(found: &Record<'_>, topic: &str, own_group: &str) -> Self {
        let text = properties::replace(
            &properties::remove(found.properties, &HALF),
            name::TRANSACTION_PREPARED,
            "true",
        );
        let sys_flag = sysflag::with_transaction(found.sys_flag, sysflag::TRANSACTION_PREPARED);
        Letter::new(found, topic, &text, sys_flag, own_group)
    }

    fn new(found: &Record<'_>, topic: &str, text: &[u8], sys_flag: i32, own_group: &str) -> Self {
        let group = found.property(name::PRODUCER_GROUP).filter(|group| !group.is_empty());
        Letter {
            topic: topic.to_owned(),
            route: topic.to_owned(),
            queue: None,
            group: group.unwrap_or(own_group).to_owned(),
            sys_flag: sys_flag & !OWN_HOSTS,
            born_timestamp: found.born_timestamp,
            flag: found.flag,
            properties: String::from_utf8_lossy(text).into_owned(),
            reconsume_times: found.reconsume_times,
            body: Bytes::copy_from_slice(found.body),
        }
    }

    /// SEND_MESSAGE_V2 (310) to a queue of a broker.
    pub fn command(&self, broker: &str, queue_id: i32) -> Command {
        let header = SendMessageV2 {
            producer_group: Some(&self.group),
            topic: Some(&self.topic),
            default_topic: Some(names::AUTO_CREATE_TOPIC),
            default_topic_queue_nums: Some(DEFAULT_QUEUES),
            queue_id: Some(queue_id),
            sys_flag: Some(self.sys_flag),
            born_timestamp: Some(self.born_timestamp),
            flag: Some(self.flag),
            properties: Some(&self.properties),
            reconsume_times: Some(self.reconsume_times),
            unit_mode: Some(false),
            batch: Some(false),
            broker_name: Some(broker),
            ..SendMessageV2::default()
        };
        Command::request(request::SEND_MESSAGE_V2, header.to_ext()).with_body(self.body.clone())
    }
}
