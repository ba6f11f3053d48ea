//! The requests of the clients, and what is in the answers.

use sansmq_core::body::{
    ConsumeFromWhere, ConsumeType, ConsumerData, HeartbeatData, MessageModel, MessageQueue, ProducerData,
    SubscriptionData,
};
use sansmq_core::broker::assignment::LockBatch;
use sansmq_core::json::{self, Style};
use sansmq_core::message::batch::{BatchItem, push_item};
use sansmq_core::message::{record, sysflag};
use sansmq_core::wire::code::request;
use sansmq_core::wire::{Command, Ext};

use super::{PAYERS, QUEUES};
use crate::messages::ext;
use crate::sim::invariants::Place;
use crate::sim::ledger::body_of;
use crate::sim::setup;

/// A property string.
fn properties(pairs: &[(&str, &str)]) -> String {
    pairs.iter().map(|(name, value)| format!("{name}\u{1}{value}\u{2}")).collect()
}

/// One message with these properties.
#[must_use]
pub fn send(topic: &str, queue: usize, id: u64, pairs: &[(&str, &str)]) -> Command {
    let fields = Ext::new()
        .with("a", PAYERS)
        .with("b", topic.to_owned())
        .with("c", "TBW102")
        .with("d", QUEUES as i32)
        .with("e", queue as i32)
        .with("f", 0)
        .with("g", 1_700_000_000_000_i64)
        .with("h", 0)
        .with("i", properties(pairs))
        .with("j", 0)
        .with("k", false)
        .with("m", false);
    Command::request(request::SEND_MESSAGE_V2, fields).with_body(body_of(id))
}

/// Several messages as one.
#[must_use]
pub fn batch(topic: &str, queue: usize, ids: &[u64]) -> Command {
    let mut body = Vec::new();
    for id in ids {
        push_item(&mut body, &BatchItem { flag: 0, body: body_of(*id).as_bytes(), properties: b"" });
    }
    let mut command = send(topic, queue, 0, &[]);
    if let Some(fields) = &mut command.ext {
        fields.put("m", true);
    }
    Command { code: request::SEND_BATCH_MESSAGE, ..command.with_body(body) }
}

/// Where a half message lies: queue offset and place in the log.
pub type HalfPlace = (i64, i64);

/// The end of a half message: commit, roll back, or not known yet.
#[must_use]
pub fn end(id: u64, place: HalfPlace, commit: Option<bool>, checked: bool) -> Command {
    let how = match commit {
        Some(true) => sysflag::TRANSACTION_COMMIT,
        Some(false) => sysflag::TRANSACTION_ROLLBACK,
        None => sysflag::TRANSACTION_NONE,
    };
    let fields = Ext::new()
        .with("producerGroup", PAYERS)
        .with("tranStateTableOffset", place.0)
        .with("commitLogOffset", place.1)
        .with("commitOrRollback", how)
        .with("fromTransactionCheck", checked)
        .with("msgId", format!("K{id}"))
        .with("transactionId", format!("K{id}"));
    Command::request(request::END_TRANSACTION, fields)
}

#[must_use]
pub fn route(topic: &str) -> Command {
    Command::request(request::GET_ROUTEINFO_BY_TOPIC, Ext::new().with("topic", topic.to_owned()))
}

/// What a client says of itself: its producer group, or its consumer group and how that shares.
#[must_use]
pub fn heartbeat(client: &str, consumer: Option<(&Place, bool)>) -> Command {
    let consumers = consumer.map(|(place, broadcast)| ConsumerData {
        group_name: place.group.to_owned(),
        consume_type: ConsumeType::Passively,
        message_model: if broadcast { MessageModel::Broadcasting } else { MessageModel::Clustering },
        consume_from_where: ConsumeFromWhere::FirstOffset,
        subscription_data_set: vec![SubscriptionData {
            topic: place.topic.to_owned(),
            sub_string: "*".to_owned(),
            sub_version: 1,
            ..SubscriptionData::default()
        }],
        unit_mode: false,
    });
    let producers =
        if consumers.is_none() { vec![ProducerData { group_name: PAYERS.to_owned() }] } else { Vec::new() };
    let data = HeartbeatData {
        client_id: client.to_owned(),
        producers,
        consumers: consumers.into_iter().collect(),
        ..HeartbeatData::default()
    };
    Command::request(request::HEART_BEAT, Ext::new()).with_body(json::to_vec(&data, Style::Fastjson))
}

#[must_use]
pub fn members(group: &str) -> Command {
    Command::request(request::GET_CONSUMER_LIST_BY_GROUP, Ext::new().with("consumerGroup", group.to_owned()))
}

fn of(place: &Place) -> Ext {
    Ext::new()
        .with("consumerGroup", place.group)
        .with("topic", place.topic)
        .with("queueId", place.queue as i32)
}

#[must_use]
pub fn commit(place: &Place, offset: i64) -> Command {
    Command::request(request::UPDATE_CONSUMER_OFFSET, of(place).with("commitOffset", offset))
}

#[must_use]
pub fn query(place: &Place) -> Command {
    Command::request(request::QUERY_CONSUMER_OFFSET, of(place))
}

/// Takes or gives back queues.
#[must_use]
pub fn lock(take: bool, client: &str, places: &[Place]) -> Command {
    let queue = |place: &Place| MessageQueue {
        topic: place.topic.to_owned(),
        broker_name: setup::BROKER_NAME.to_owned(),
        queue_id: place.queue as i32,
    };
    let body = LockBatch {
        consumer_group: places.first().map(|place| place.group.to_owned()).unwrap_or_default(),
        client_id: client.to_owned(),
        queues: places.iter().map(queue).collect(),
        only_this_broker: false,
    };
    let code = if take { request::LOCK_BATCH_MQ } else { request::UNLOCK_BATCH_MQ };
    Command::request(code, Ext::new()).with_body(json::to_vec(&body, Style::Fastjson))
}

#[must_use]
pub fn create_topic(name: &str) -> Command {
    let fields = format!(
        "topic={name} defaultTopic=TBW102 readQueueNums=2 writeQueueNums=2 perm=6 topicFilterType=SINGLE_TAG \
         topicSysFlag=0 order=false"
    );
    Command::request(request::UPDATE_AND_CREATE_TOPIC, ext(&fields))
}

/// Queue offsets and bodies in an answer to a pull.
#[must_use]
pub fn records(mut bytes: &[u8]) -> Vec<(i64, Vec<u8>)> {
    let mut found = Vec::new();
    while let Ok(message) = record::decode(bytes) {
        found.push((message.queue_offset, message.body.to_vec()));
        bytes = &bytes[message.total_size..];
    }
    found
}

/// A number in an answer.
#[must_use]
pub fn number(answer: &Command, key: &str) -> Option<i64> {
    answer.ext_text(key)?.parse().ok()
}
