//! The clients: producers that follow the routes of the NameServers, a consumer, an operator. They share a computer,
//! and one connection to each server.

use std::collections::BTreeMap;

use sansmq_core::body::TopicRouteData;
use sansmq_core::json;
use sansmq_core::message::record;
use sansmq_core::wire::code::request;
use sansmq_core::wire::{Command, Encoding};

use super::world::{Event, World};
use super::{CLIENT, MS, setup};
use crate::messages::{Pull, ext, send_to};

pub const TOPIC: &str = "Sim";
pub const GROUP: &str = "readers";
pub const QUEUES: usize = 4;
/// Producers at work.
const PRODUCERS: usize = 3;
/// How long a client waits for an answer.
const PATIENCE: u64 = 3_000 * MS;
/// Between two looks of the client at what it has to do.
const WAKE: u64 = 20 * MS;

/// What an answer is for.
#[derive(Clone, Debug)]
pub enum Call {
    Send {
        producer: usize,
        queue: usize,
        body: String,
    },
    Route {
        producer: usize,
    },
    Pull {
        queue: usize,
    },
    Commit {
        queue: usize,
        offset: i64,
    },
    Topic {
        name: String,
    },
    /// Somebody runs the world until the answer is there.
    Ask,
}

#[derive(Clone, Debug)]
pub struct Asked {
    pub call: Call,
    pub addr: String,
    pub at: u64,
}

#[derive(Clone, Debug, Default)]
struct Producer {
    target: Option<String>,
    busy: bool,
    next_at: u64,
}

#[derive(Debug, Default)]
enum Way {
    #[default]
    None,
    /// Since when, and what is to be sent then.
    Dialling(u64, Vec<Vec<u8>>),
    Open(u64),
}

#[derive(Debug, Default)]
pub struct Client {
    /// Produce, consume and create topics.
    pub busy: bool,
    ways: BTreeMap<String, Way>,
    buffers: BTreeMap<u64, Vec<u8>>,
    pub calls: BTreeMap<i32, Asked>,
    next_opaque: i32,
    producers: Vec<Producer>,
    sent: u64,
    topics: u64,
    /// Where the consumer is, by queue; and whether it waits for an answer.
    pub offsets: [i64; QUEUES],
    pulling: [bool; QUEUES],
    next_commit: u64,
    next_pull: u64,
    pub answers: BTreeMap<i32, Option<Command>>,
    /// Average milliseconds between two messages of a producer.
    pub pace_ms: u64,
    /// Requests answered or given up.
    pub operations: u64,
}

impl Client {
    /// A connection stands; what has waited for it.
    pub fn connected(&mut self, link: u64, addr: &str) -> Vec<u8> {
        let waiting = match self.ways.insert(addr.to_owned(), Way::Open(link)) {
            Some(Way::Dialling(_, waiting)) => waiting,
            _ => Vec::new(),
        };
        waiting.concat()
    }

    pub fn refused(&mut self, addr: &str) {
        self.ways.remove(addr);
    }

    pub fn lost(&mut self, link: u64) {
        self.buffers.remove(&link);
        self.ways.retain(|_, way| !matches!(way, Way::Open(open) if *open == link));
    }
}

impl World {
    /// Begins to produce and consume.
    pub(super) fn client_starts(&mut self) {
        self.client.busy = true;
        self.client.pace_ms = self.client.pace_ms.max(1);
        self.client.producers = vec![Producer::default(); PRODUCERS];
        self.at(self.time, Event::Client);
    }

    /// Sends a request; its opaque.
    pub(super) fn client_calls(&mut self, addr: &str, command: Command, call: Call) -> i32 {
        self.client.next_opaque += 1;
        let opaque = self.client.next_opaque;
        let bytes = Command { opaque, ..command }.encode(Encoding::Json).to_vec();
        self.client.calls.insert(opaque, Asked { call, addr: addr.to_owned(), at: self.time });
        let way = self.client.ways.entry(addr.to_owned()).or_default();
        match way {
            Way::Open(link) => {
                let link = *link;
                self.write(link, 0, &bytes);
            }
            Way::Dialling(_, waiting) => waiting.push(bytes),
            Way::None => {
                *way = Way::Dialling(self.time, vec![bytes]);
                self.dial(CLIENT, None, addr.to_owned());
            }
        }
        opaque
    }

    /// Asks and runs the world until the answer has come.
    pub fn ask(&mut self, addr: &str, command: Command) -> Option<Command> {
        let opaque = self.client_calls(addr, command, Call::Ask);
        if !self.client.busy {
            self.at(self.time + WAKE, Event::Client);
        }
        let end = self.time + PATIENCE + 1_000 * MS;
        loop {
            if let Some(answer) = self.client.answers.remove(&opaque) {
                return answer;
            }
            if !self.step(end) {
                return None;
            }
        }
    }

    pub(super) fn client_wakes(&mut self) {
        let now = self.time;
        // what takes too long has failed
        let late: Vec<i32> =
            self.client.calls.iter().filter(|(_, c)| c.at + PATIENCE <= now).map(|(o, _)| *o).collect();
        let mut given_up = Vec::new();
        for opaque in late {
            if let Some(asked) = self.client.calls.remove(&opaque) {
                given_up.push(asked.addr.clone());
                self.answered(opaque, asked, None);
            }
        }
        // a connection without answers is given up
        for addr in given_up {
            match self.client.ways.remove(&addr) {
                Some(Way::Open(link)) => {
                    self.client.buffers.remove(&link);
                    self.close(link, 0);
                }
                Some(Way::Dialling(since, waiting)) if since + PATIENCE > now => {
                    self.client.ways.insert(addr, Way::Dialling(since, waiting));
                }
                _ => {}
            }
        }
        // calls whose connection is gone have failed at once
        let gone: Vec<i32> = self
            .client
            .calls
            .iter()
            .filter(|(_, asked)| !self.client.ways.contains_key(&asked.addr))
            .map(|(opaque, _)| *opaque)
            .collect();
        for opaque in gone {
            if let Some(asked) = self.client.calls.remove(&opaque) {
                self.answered(opaque, asked, None);
            }
        }
        if self.client.busy {
            self.work();
        }
        if self.client.busy || !self.client.calls.is_empty() {
            self.at(self.time + WAKE, Event::Client);
        }
    }

    fn work(&mut self) {
        let now = self.time;
        for index in 0..self.client.producers.len() {
            let producer = &self.client.producers[index];
            if producer.busy || producer.next_at > now {
                continue;
            }
            let pace = self.client.pace_ms;
            self.client.producers[index].busy = true;
            let stray = self.dice.workload.one_in(20).then(|| self.dice.workload.pick(&[3, 4, 5]));
            let target = match stray {
                Some(machine) => Some(format!("{}:{}", setup::ip(machine), setup::BROKER_PORT)),
                None => self.client.producers[index].target.clone(),
            };
            self.client.producers[index].next_at = now + self.dice.workload.between(1, 2 * pace) * MS;
            match target {
                Some(addr) => {
                    self.client.sent += 1;
                    let body = format!("message {} of producer {index}", self.client.sent);
                    let queue = self.dice.workload.roll(QUEUES as u64) as usize;
                    let command = send_to(TOPIC, queue as i32, body.clone());
                    self.client_calls(&addr, command, Call::Send { producer: index, queue, body });
                }
                None => {
                    let servers = setup::name_servers();
                    let addr = servers[self.dice.workload.roll(servers.len() as u64) as usize].clone();
                    let command = Command::request(request::GET_ROUTEINFO_BY_TOPIC, ext("topic=TBW102"));
                    self.client_calls(&addr, command, Call::Route { producer: index });
                }
            }
        }
        let Some(master) = self.client.producers.first().and_then(|p| p.target.clone()) else { return };
        if self.client.next_pull <= now {
            self.client.next_pull = now + 200 * MS;
            for queue in 0..QUEUES {
                if !self.client.pulling[queue] {
                    self.client.pulling[queue] = true;
                    let mut pull = Pull::from(TOPIC, self.client.offsets[queue]);
                    (pull.queue, pull.group) = (queue as i32, GROUP);
                    self.client_calls(&master, pull.command(), Call::Pull { queue });
                }
            }
        }
        if self.client.next_commit <= now {
            self.client.next_commit = now + self.dice.workload.between(300, 1_500) * MS;
            let queue = self.dice.workload.roll(QUEUES as u64) as usize;
            let offset = self.client.offsets[queue];
            let command = commit(queue, offset);
            self.client_calls(&master, command, Call::Commit { queue, offset });
            if self.dice.workload.one_in(4) {
                self.make_topic();
            }
        }
    }

    /// An operator asks the master for a topic.
    pub(super) fn make_topic(&mut self) {
        let Some(master) = self.client.producers.first().and_then(|p| p.target.clone()) else { return };
        self.client.topics += 1;
        let name = format!("Extra-{}", self.client.topics);
        self.client_calls(&master, create_topic(&name), Call::Topic { name });
    }

    /// Bytes for the client.
    pub(super) fn client_reads(&mut self, link: u64, bytes: &[u8]) {
        let mut buffer = self.client.buffers.remove(&link).unwrap_or_default();
        buffer.extend_from_slice(bytes);
        while let Some(frame) = first_frame(&buffer) {
            let command = Command::decode(&buffer[..frame]);
            buffer.drain(..frame);
            match command {
                Ok(command) if command.flag & 1 == 1 => {
                    if let Some(asked) = self.client.calls.remove(&command.opaque) {
                        self.answered(command.opaque, asked, Some(command));
                    }
                }
                Ok(_) => {}
                Err(error) => self.oracle.fail(format!("a server sent a frame that is none: {error}")),
            }
        }
        self.client.buffers.insert(link, buffer);
    }

    fn answered(&mut self, opaque: i32, asked: Asked, answer: Option<Command>) {
        self.client.operations += 1;
        let code = answer.as_ref().map(|answer| answer.code);
        let text = |answer: &Option<Command>, key: &str| {
            answer.as_ref().and_then(|a| a.ext_text(key)).and_then(|text| text.parse::<i64>().ok())
        };
        match asked.call {
            Call::Send { producer, queue, body } => {
                self.story.sent(self.time, code == Some(0));
                if let Some(producer) = self.client.producers.get_mut(producer) {
                    producer.busy = false;
                    if code != Some(0) {
                        producer.target = None;
                        producer.next_at = self.time + 100 * MS;
                    }
                }
                if code == Some(0) {
                    let offset = text(&answer, "queueOffset").unwrap_or(-1);
                    let told = text(&answer, "queueId").unwrap_or(-1);
                    self.oracle.acknowledged(self.time, &asked.addr, queue, told, offset, &body);
                    self.trace
                        .say(self.time, &format!("{} acknowledges {body} at {queue}/{offset}", asked.addr));
                } else {
                    let remark = answer.and_then(|answer| answer.remark).unwrap_or_default();
                    let text = format!("{} {code:?} for {body}: {remark}", asked.addr);
                    self.oracle.refused += 1;
                    self.say(&text);
                }
            }
            Call::Route { producer } => {
                let master = answer.filter(|answer| answer.code == 0).and_then(|answer| {
                    let route: TopicRouteData = json::from_slice(&answer.body).ok()?;
                    route.broker_datas.first()?.broker_addrs.get(&0).cloned()
                });
                if let Some(producer) = self.client.producers.get_mut(producer) {
                    producer.busy = false;
                    producer.target = master;
                    producer.next_at = self.time + if producer.target.is_some() { 0 } else { 200 * MS };
                }
            }
            Call::Pull { queue } => {
                self.client.pulling[queue] = false;
                if let Some(answer) = answer {
                    let next: Option<i64> =
                        answer.ext_text("nextBeginOffset").and_then(|text| text.parse().ok());
                    if answer.code == 0 {
                        let read = records(&answer.body);
                        if let Some(last) = read.last() {
                            self.client.offsets[queue] = last.0 + 1;
                        }
                        self.oracle.consumed(self.time, &asked.addr, queue, &read);
                    } else if let (sansmq_core::wire::code::response::PULL_OFFSET_MOVED, Some(next)) =
                        (answer.code, next)
                    {
                        let own = self.client.offsets[queue];
                        self.say(&format!(
                            "{} moves the consumer of queue {queue} from {own} to {next}",
                            asked.addr
                        ));
                    }
                }
            }
            Call::Commit { queue, offset } => {
                if code == Some(0) {
                    self.oracle.committed(self.time, queue, offset);
                }
            }
            Call::Topic { name } => {
                if code == Some(0) {
                    self.say(&format!("{} created {name}", asked.addr));
                    self.oracle.topics.insert(name);
                }
            }
            Call::Ask => {
                self.client.answers.insert(opaque, answer);
            }
        }
    }

    /// A broker hands answers for the client to its socket.
    pub(super) fn note_replies(&mut self, machine: usize, bytes: &[u8]) {
        let role = self.machines[machine].node.as_ref().and_then(setup::broker_of);
        let Some(epoch) = role.and_then(|b| b.replicas()?.role()).map(|role| role.epoch) else { return };
        let mut rest = bytes;
        while let Some(frame) = first_frame(rest) {
            if let Ok(command) = Command::decode(&rest[..frame])
                && command.code == 0
                && let Some(asked) = self.client.calls.get(&command.opaque)
                && matches!(asked.call, Call::Send { .. })
            {
                self.oracle.acknowledges(self.time, machine, epoch, asked.at);
            }
            rest = &rest[frame..];
        }
    }
}

fn first_frame(bytes: &[u8]) -> Option<usize> {
    let length: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
    let whole = 4 + u32::from_be_bytes(length) as usize;
    (bytes.len() >= whole).then_some(whole)
}

/// Queue offsets and bodies in an answer to a pull.
#[must_use]
pub fn records(mut bytes: &[u8]) -> Vec<(i64, String)> {
    let mut found = Vec::new();
    while let Ok(message) = record::decode(bytes) {
        found.push((message.queue_offset, String::from_utf8_lossy(message.body).into_owned()));
        bytes = &bytes[message.total_size..];
    }
    found
}

#[must_use]
pub fn commit(queue: usize, offset: i64) -> Command {
    let fields = format!("consumerGroup={GROUP} topic={TOPIC} queueId={queue} commitOffset={offset}");
    Command::request(request::UPDATE_CONSUMER_OFFSET, ext(&fields))
}

#[must_use]
pub fn create_topic(name: &str) -> Command {
    let fields = format!(
        "topic={name} defaultTopic=TBW102 readQueueNums=2 writeQueueNums=2 perm=6 topicFilterType=SINGLE_TAG \
         topicSysFlag=0 order=false"
    );
    Command::request(request::UPDATE_AND_CREATE_TOPIC, ext(&fields))
}
