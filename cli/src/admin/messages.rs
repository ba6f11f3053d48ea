//! Reading and sending messages.

use sansmq_core::message::{id, properties};
use sansmq_core::wire::code::{request, response};
use sansmq_core::wire::headers::{admin, message as headers};
use sansmq_core::wire::{Command, Ext};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use super::{accepted, address_of, read_body};
use crate::app::World;
use crate::bodies::DirectResult;
use crate::failure::Failure;
use crate::message::Message;
use crate::text::{self, or_null};

/// The group commands pull as.
const TOOLS_GROUP: &str = "TOOLS_CONSUMER";
/// The topic new ones are modelled on, and the queues they get at most.
const TEMPLATE_TOPIC: &str = "TBW102";
const TEMPLATE_QUEUES: i32 = 4;
/// Pull flag: the request carries the subscription.
const WITH_SUBSCRIPTION: i32 = 4;
const SUSPEND_MS: i64 = 20_000;
/// A consumer may take its time for a message handed to it.
const DIRECT_TIMEOUT: Duration = Duration::from_secs(12);

/// What a pull brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullStatus {
    Found,
    NoNewMsg,
    NoMatchedMsg,
    OffsetIllegal,
}

impl PullStatus {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            PullStatus::Found => "FOUND",
            PullStatus::NoNewMsg => "NO_NEW_MSG",
            PullStatus::NoMatchedMsg => "NO_MATCHED_MSG",
            PullStatus::OffsetIllegal => "OFFSET_ILLEGAL",
        }
    }
}

/// An answered pull.
#[derive(Clone, Debug)]
pub struct Pull {
    pub status: PullStatus,
    pub next_offset: i64,
    pub messages: Vec<Message>,
}

/// A queue to pull from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    pub broker: String,
    pub broker_name: String,
    pub topic: String,
    pub id: i32,
}

impl Queue {
    /// The hash code of the reference's `MessageQueue`.
    fn hash_code(&self) -> i32 {
        let parts = [text::hash_code(&self.broker_name), self.id, text::hash_code(&self.topic)];
        parts.into_iter().fold(1, |hash: i32, part| hash.wrapping_mul(31).wrapping_add(part))
    }
}

/// An answered send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendOutcome {
    pub status: &'static str,
    /// The id made by the producer.
    pub id: String,
    pub offset_id: String,
    pub queue_id: i32,
    pub queue_offset: i64,
}

impl World {
    /// The message at a place of a broker's log.
    ///
    /// # Errors
    /// The broker's refusal.
    pub fn view_message(&mut self, broker: &str, topic: &str, offset: u64) -> Result<Message, Failure> {
        let header = headers::ViewMessage {
            topic: Some(topic),
            offset: Some(offset.cast_signed()),
            ..Default::default()
        };
        let answer = self.ask(broker, request::VIEW_MESSAGE_BY_ID, header.to_ext())?;
        Message::read_all(&answer.body, "").into_iter().next().ok_or_else(no_message)
    }

    /// The message of an offset id, or of a producer's id when it is no offset id of a broker that answers.
    ///
    /// # Errors
    /// Code 208 when there is none.
    pub fn message_by_id(&mut self, topic: &str, route: &str, text: &str) -> Result<Message, Failure> {
        if let Some((host, offset)) = id::decode(text)
            && let Ok(message) = self.view_message(&host.to_string(), topic, offset)
        {
            return Ok(message);
        }
        let found = self.query_messages(topic, route, text, &KeyQuery::unique())?;
        found.into_iter().next().ok_or_else(no_message)
    }

    /// The messages of a key on all brokers of a route.
    ///
    /// # Errors
    /// Code 208 when there is none.
    pub fn query_messages(
        &mut self,
        topic: &str,
        route: &str,
        key: &str,
        query: &KeyQuery,
    ) -> Result<Vec<Message>, Failure> {
        let header = headers::QueryMessage {
            topic: Some(topic),
            key: Some(key),
            max_num: Some(query.max),
            begin_timestamp: Some(query.begin),
            end_timestamp: Some(query.end),
            unique_key: query.unique,
            ..Default::default()
        };
        let mut all = Vec::new();
        for broker in self.brokers_of(route)? {
            match self.ask(&broker, request::QUERY_MESSAGE, header.to_ext()) {
                Ok(answer) => all.extend(Message::read_all(&answer.body, "")),
                Err(Failure::Refused { code: response::QUERY_NOT_FOUND, .. }) => {}
                Err(failure) => return Err(failure),
            }
        }
        all.retain(|message| if query.unique { message.id() == key } else { message.has_key(key) });
        if all.is_empty() { Err(no_message()) } else { Ok(all) }
    }

    /// The queues of a topic that can be read, in the order of the hash set the reference keeps them in.
    ///
    /// # Errors
    /// Code 17 for an unknown topic.
    pub fn read_queues(&mut self, topic: &str, route: &str) -> Result<Vec<Queue>, Failure> {
        let route = self.route(route)?;
        let mut queues = Vec::new();
        for data in &route.queue_datas {
            let broker = route.broker_datas.iter().find(|b| b.broker_name == data.broker_name);
            let Some(broker) = broker.and_then(address_of) else { continue };
            queues.extend((0..data.read_queue_nums).map(|id| Queue {
                broker: broker.to_owned(),
                broker_name: data.broker_name.clone(),
                topic: topic.to_owned(),
                id,
            }));
        }
        let buckets = text::buckets_for(queues.len());
        queues.sort_by_key(|queue| text::bucket(queue.hash_code(), buckets));
        Ok(queues)
    }

    /// One queue of a topic on the named set of replicas.
    ///
    /// # Errors
    /// [`Failure::Input`] when the set does not hold the topic.
    pub fn read_queue(&mut self, topic: &str, route: &str, broker: &str, id: i32) -> Result<Queue, Failure> {
        let route = self.route(route)?;
        let data = route.broker_datas.iter().find(|data| data.broker_name == broker);
        let address = data.and_then(address_of).ok_or_else(|| {
            Failure::input(format!("The broker[{broker}] not exist in the route of topic {topic}"))
        })?;
        Ok(Queue { broker: address.to_owned(), broker_name: broker.to_owned(), topic: topic.to_owned(), id })
    }

    /// A queue to write to: the one asked for, or one of those of the broker or the topic, by the clock.
    ///
    /// # Errors
    /// Code 17 for an unknown topic, [`Failure::Input`] when it has no such queue.
    pub fn write_queue(
        &mut self,
        topic: &str,
        broker: Option<&str>,
        id: Option<i32>,
    ) -> Result<Queue, Failure> {
        const WRITE: i32 = sansmq_core::body::perm::WRITE;
        let (route, most) = match self.route(topic) {
            // A broker may create the topic when the first message comes.
            Err(Failure::Refused { code: response::TOPIC_NOT_EXIST, .. }) => {
                (self.route(TEMPLATE_TOPIC)?, TEMPLATE_QUEUES)
            }
            other => (other?, i32::MAX),
        };
        let masters = route.queue_datas.iter().filter(|data| data.perm & WRITE != 0).filter_map(|data| {
            let set = route.broker_datas.iter().find(|set| set.broker_name == data.broker_name)?;
            Some((data, set.broker_addrs.get(&0)?))
        });
        let mut queues = Vec::new();
        for (data, master) in masters.filter(|(data, _)| broker.is_none_or(|name| name == data.broker_name)) {
            let ids = match id {
                Some(id) => id..id.saturating_add(1),
                None => 0..data.write_queue_nums.min(most),
            };
            queues.extend(ids.map(|id| Queue {
                broker: master.clone(),
                broker_name: data.broker_name.clone(),
                topic: topic.to_owned(),
                id,
            }));
        }
        let now = usize::try_from((self.now)()).unwrap_or(0);
        let chosen = now.checked_rem(queues.len()).map(|at| queues.swap_remove(at));
        chosen.ok_or_else(|| Failure::input(format!("no queue of topic {topic} can be written to")))
    }

    /// Pulls up to `max` messages that match `expression`.
    ///
    /// # Errors
    /// Any answer that is none of the usual outcomes of a pull.
    pub fn pull(&mut self, queue: &Queue, expression: &str, offset: i64, max: i32) -> Result<Pull, Failure> {
        let header = headers::PullMessage {
            consumer_group: Some(TOOLS_GROUP),
            topic: Some(&queue.topic),
            queue_id: Some(queue.id),
            queue_offset: Some(offset),
            max_msg_nums: Some(max),
            sys_flag: Some(WITH_SUBSCRIPTION),
            commit_offset: Some(0),
            suspend_timeout_millis: Some(SUSPEND_MS),
            subscription: Some(expression),
            sub_version: Some(0),
            expression_type: Some("TAG"),
            max_msg_bytes: Some(i32::MAX),
            ..Default::default()
        };
        let ext = header.to_ext().with("bname", queue.broker_name.clone());
        let answer = self.client.call(&queue.broker, Command::request(request::PULL_MESSAGE, ext))?;
        let status = match answer.code {
            response::SUCCESS => PullStatus::Found,
            response::PULL_NOT_FOUND => PullStatus::NoNewMsg,
            response::PULL_RETRY_IMMEDIATELY => PullStatus::NoMatchedMsg,
            response::PULL_OFFSET_MOVED => PullStatus::OffsetIllegal,
            _ => {
                accepted(answer, Some(&queue.broker))?;
                return Err(Failure::input("a pull was answered with an unknown code"));
            }
        };
        let number = |key| answer.ext_text(key).and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
        let mut messages = match status {
            PullStatus::Found => Message::read_all(&answer.body, &queue.broker_name),
            _ => Vec::new(),
        };
        for message in &mut messages {
            for (name, key) in [("MIN_OFFSET", "minOffset"), ("MAX_OFFSET", "maxOffset")] {
                message.properties.push((name.to_owned(), number(key).to_string()));
            }
        }
        Ok(Pull { status, next_offset: number("nextBeginOffset"), messages })
    }

    /// Sends a message. `props` come before the ones every message has.
    ///
    /// # Errors
    /// The broker's refusal.
    pub fn send(
        &mut self,
        queue: &Queue,
        group: &str,
        props: &[(&str, &str)],
        body: &[u8],
    ) -> Result<SendOutcome, Failure> {
        let given = props.iter().find(|(name, _)| *name == "UNIQ_KEY").map(|(_, value)| (*value).to_owned());
        let id = given.unwrap_or_else(|| unique_id((self.now)()));
        let mut text = Vec::new();
        for (name, value) in props.iter().filter(|(name, _)| *name != "UNIQ_KEY") {
            properties::push(&mut text, name, value);
        }
        properties::push(&mut text, "UNIQ_KEY", &id);
        properties::push(&mut text, "WAIT", "true");
        // The last separator is left out, as clients do.
        text.pop();
        let text = String::from_utf8_lossy(&text);
        let header = headers::SendMessageV2 {
            producer_group: Some(group),
            topic: Some(&queue.topic),
            default_topic: Some(TEMPLATE_TOPIC),
            default_topic_queue_nums: Some(TEMPLATE_QUEUES),
            queue_id: Some(queue.id),
            sys_flag: Some(0),
            born_timestamp: Some((self.now)()),
            flag: Some(0),
            properties: Some(&text),
            reconsume_times: Some(0),
            unit_mode: Some(false),
            batch: Some(false),
            broker_name: Some(&queue.broker_name),
            ..Default::default()
        };
        let command = Command::request(request::SEND_MESSAGE_V2, header.to_ext()).with_body(body.to_vec());
        let answer = self.client.call(&queue.broker, command)?;
        let status = match answer.code {
            response::SUCCESS => "SEND_OK",
            response::FLUSH_DISK_TIMEOUT => "FLUSH_DISK_TIMEOUT",
            response::FLUSH_SLAVE_TIMEOUT => "FLUSH_SLAVE_TIMEOUT",
            response::SLAVE_NOT_AVAILABLE => "SLAVE_NOT_AVAILABLE",
            _ => {
                accepted(answer, Some(&queue.broker))?;
                return Err(Failure::input("a send was answered with an unknown code"));
            }
        };
        let number = |key| answer.ext_text(key).and_then(|text| text.parse::<i64>().ok()).unwrap_or(-1);
        Ok(SendOutcome {
            status,
            id,
            offset_id: answer.ext_text("msgId").unwrap_or_default(),
            queue_id: i32::try_from(number("queueId")).unwrap_or(-1),
            queue_offset: number("queueOffset"),
        })
    }

    /// Has a member of a group consume a stored message now.
    ///
    /// # Errors
    /// When the member is not there or does not answer.
    pub fn consume_directly(
        &mut self,
        group: &str,
        client_id: &str,
        topic: &str,
        message: &Message,
    ) -> Result<DirectResult, Failure> {
        const CODE: i32 = request::CONSUME_MESSAGE_DIRECTLY;
        let broker = message.store_host.to_string();
        let header = admin::RelayToConsumer {
            consumer_group: Some(group),
            client_id: Some(client_id),
            msg_id: Some(&message.offset_id()),
            topic: Some(topic),
            ..Default::default()
        };
        let command = Command::request(CODE, header.to_ext());
        let answer = self.client.call_within(&broker, command, DIRECT_TIMEOUT)?;
        read_body(CODE, &accepted(answer, Some(&broker))?)
    }

    /// As [`World::consume_directly`], with the outcome printed.
    ///
    /// # Errors
    /// As [`World::consume_directly`].
    pub fn push(
        &mut self,
        group: &str,
        client_id: &str,
        topic: &str,
        message: &Message,
    ) -> Result<(), Failure> {
        let result = self.consume_directly(group, client_id, topic, message)?;
        write!(
            self.out,
            "ConsumeMessageDirectlyResult [order={}, autoCommit={}, consumeResult={}, remark={}, \
             spentTimeMills={}]",
            result.order,
            result.auto_commit,
            or_null(result.consume_result.as_ref()),
            or_null(result.remark.as_ref()),
            result.spent_ms
        )?;
        Ok(())
    }

    /// Commits an offset of a group.
    ///
    /// # Errors
    /// The broker's refusal.
    pub fn commit_offset(&mut self, queue: &Queue, group: &str, offset: i64) -> Result<(), Failure> {
        let header = sansmq_core::wire::headers::client::UpdateConsumerOffset {
            consumer_group: Some(group),
            topic: Some(&queue.topic),
            queue_id: Some(queue.id),
            commit_offset: Some(offset),
            ..Default::default()
        };
        let ext: Ext = header.to_ext();
        self.ask(&queue.broker, request::UPDATE_CONSUMER_OFFSET, ext).map(drop)
    }
}

/// How to look for a key.
#[derive(Clone, Copy, Debug)]
pub struct KeyQuery {
    pub unique: bool,
    pub max: i32,
    /// Milliseconds since the Unix epoch.
    pub begin: i64,
    /// Milliseconds since the Unix epoch.
    pub end: i64,
}

impl KeyQuery {
    /// For a producer's id, at any time.
    #[must_use]
    pub fn unique() -> Self {
        KeyQuery { unique: true, max: 32, begin: 0, end: i64::MAX }
    }
}

fn no_message() -> Failure {
    Failure::Refused {
        code: response::NO_MESSAGE,
        desc: "query message by key finished, but no message.".to_owned(),
        broker: None,
    }
}

/// A producer's id: address, process, a mark of this program, time and a counter, 16 bytes in hex.
#[must_use]
pub fn unique_id(now_ms: i64) -> String {
    static COUNTER: AtomicU16 = AtomicU16::new(0);
    const MARK: u32 = 0x5A45_4D51;
    let ip = own_address().octets();
    let pid = std::process::id() & 0xFFFF;
    // The low 32 bits wrap every 49 days, long after an id has to be told from another.
    let time = now_ms.cast_unsigned() & 0xFFFF_FFFF;
    let counter = COUNTER.fetch_add(1, Ordering::Relaxed);
    let ip: String = ip.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("{ip}{pid:04X}{MARK:08X}{time:08X}{counter:04X}")
}

/// The address this host would use to talk to others; nothing is sent to find out.
fn own_address() -> Ipv4Addr {
    let probe = || {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
        socket.connect("192.0.2.1:9").ok()?;
        match socket.local_addr().ok()?.ip() {
            IpAddr::V4(ip) => Some(ip),
            IpAddr::V6(_) => None,
        }
    };
    probe().unwrap_or(Ipv4Addr::LOCALHOST)
}
