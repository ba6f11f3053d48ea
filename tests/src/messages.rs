//! Requests about messages.

use bytes::Bytes;
use sansmq_core::message::record;
use sansmq_core::wire::code::request;
use sansmq_core::wire::{Command, Ext};

/// `extFields` from `name=value name=value`.
#[must_use]
pub fn ext(fields: &str) -> Ext {
    let pairs = fields.split(' ').filter_map(|field| field.split_once('='));
    pairs.fold(Ext::new(), |ext, (name, value)| ext.with(name.to_owned(), value.to_owned()))
}

/// A message for queue 0 of a topic.
#[must_use]
pub fn send(topic: &str, body: impl Into<Bytes>) -> Command {
    send_to(topic, 0, body)
}

#[must_use]
pub fn send_to(topic: &str, queue: i32, body: impl Into<Bytes>) -> Command {
    let fields = format!(
        "producerGroup=tests topic={topic} defaultTopic=TBW102 defaultTopicQueueNums=4 queueId={queue} \
         sysFlag=0 bornTimestamp=1 flag=0 reconsumeTimes=0 unitMode=false batch=false"
    );
    Command::request(request::SEND_MESSAGE, ext(&fields)).with_body(body)
}

/// A pull from a queue.
#[derive(Clone, Copy, Debug)]
pub struct Pull<'a> {
    pub group: &'a str,
    pub topic: &'a str,
    pub queue: i32,
    pub offset: i64,
    pub max: i32,
    /// Wait this long for a message.
    pub suspend_ms: u64,
    /// Commit this offset on the way.
    pub commit: Option<i64>,
}

impl<'a> Pull<'a> {
    /// Up to 32 messages of queue 0, without waiting.
    #[must_use]
    pub fn from(topic: &'a str, offset: i64) -> Self {
        Pull { group: "tests", topic, queue: 0, offset, max: 32, suspend_ms: 0, commit: None }
    }

    #[must_use]
    pub fn command(self) -> Command {
        let flags = 4 | i32::from(self.suspend_ms > 0) << 1 | i32::from(self.commit.is_some());
        let fields = format!(
            "consumerGroup={} topic={} queueId={} queueOffset={} maxMsgNums={} sysFlag={flags} commitOffset={} \
             suspendTimeoutMillis={} subscription=* subVersion=1 expressionType=TAG",
            self.group,
            self.topic,
            self.queue,
            self.offset,
            self.max,
            self.commit.unwrap_or(0),
            self.suspend_ms,
        );
        Command::request(request::PULL_MESSAGE, ext(&fields))
    }
}

/// The bodies of the messages in an answer to a pull.
#[must_use]
pub fn bodies(answer: &Command) -> Vec<Vec<u8>> {
    let mut rest = &answer.body[..];
    let mut bodies = Vec::new();
    while !rest.is_empty() {
        let message = record::decode(rest).expect("pulled messages are whole records");
        bodies.push(message.body.to_vec());
        rest = &rest[message.total_size..];
    }
    bodies
}
