//! The clients: applications on one computer, each with connections of its own. Everything they do goes over the wire.
//!
//! - `wire`: connections, requests and answers
//! - `producer`: ways to send; `transaction`: half messages and their ends
//! - `member`: consumers; `share`: how those of a group share queues, `pull`: how they read
//! - `operator`: what administrators do

mod member;
mod neighbour;
mod operator;
mod producer;
mod pull;
pub mod requests;
mod share;
mod transaction;
mod wire;

use std::collections::BTreeMap;

use sansmq_core::body::TopicRouteData;
use sansmq_core::json;
use sansmq_core::wire::Command;

use super::invariants::Place;
use super::world::{Event, World};
use super::{MS, setup};
use member::Member;
use neighbour::Neighbour;
use producer::Producer;
use requests::HalfPlace;
use wire::Way;
pub use wire::first_frame;

/// Where most of it happens.
pub const TOPIC: &str = "Sim";
/// Where messages have keys.
pub const ORDERLY: &str = "Orderly";
pub const QUEUES: usize = 4;
/// The group of all producers.
pub const PAYERS: &str = "payers";

/// Between two looks of a client at what it has to do.
const WAKE: u64 = 20 * MS;
/// Between two looks at the route while nothing is wrong.
const ROUTE: u64 = 5_000 * MS;
/// Between two heartbeats.
const BEAT: u64 = 1_000 * MS;

/// What an answer is for. Applications, producers and members are named by index.
#[derive(Clone, Debug)]
pub enum Call {
    Send {
        producer: usize,
        messages: Vec<u64>,
    },
    End {
        message: u64,
    },
    Neighbour {
        message: u64,
        queue: usize,
    },
    Route,
    Beat,
    Members {
        member: usize,
    },
    Query {
        member: usize,
        queue: usize,
        turn: u64,
    },
    Pull {
        member: usize,
        queue: usize,
        turn: u64,
        offset: i64,
    },
    Commit {
        place: Place,
        offset: i64,
    },
    Lock {
        member: usize,
        queues: Vec<(usize, u64)>,
    },
    Unlock {
        member: usize,
        queue: usize,
    },
    Topic {
        name: String,
    },
    /// An operator's order, of which nothing is promised.
    Order,
    /// Somebody runs the world until the answer is there.
    Ask,
}

#[derive(Clone, Debug)]
pub struct Asked {
    pub app: usize,
    pub call: Call,
    pub addr: String,
    pub at: u64,
    /// When it counts as failed.
    pub until: u64,
}

/// One application.
#[derive(Debug, Default)]
pub struct App {
    pub id: &'static str,
    ways: BTreeMap<String, Way>,
    /// The master, as the NameServers have it.
    target: Option<String>,
    routing: bool,
    next_route: u64,
    next_beat: u64,
}

#[derive(Debug)]
pub struct Client {
    /// Produce and administer; consume.
    pub busy: bool,
    reads: bool,
    /// Operators hand the mastership about, and take brokers out of containers.
    pub meddles: bool,
    /// When an operator last asked for another master.
    pub meddled_at: Option<u64>,
    /// Brokers that were taken out of their containers, and when to look whether they are back.
    away: Vec<(usize, setup::Set, u64)>,
    apps: Vec<App>,
    /// By connection: its application.
    links: BTreeMap<u64, usize>,
    buffers: BTreeMap<u64, Vec<u8>>,
    pub calls: BTreeMap<i32, Asked>,
    next_opaque: i32,
    producers: Vec<Producer>,
    members: Vec<Member>,
    /// Open half messages, by number.
    halves: BTreeMap<u64, HalfPlace>,
    neighbour: Neighbour,
    topics: u64,
    next_topic: u64,
    /// The next look is planned.
    awake: bool,
    pub answers: BTreeMap<i32, Option<Command>>,
    /// Average milliseconds between two messages of a producer.
    pub pace_ms: u64,
    /// Requests that were answered, or not in time.
    pub operations: u64,
}

/// Applications: two that produce, one for whoever runs the world, and then one for each consumer.
const SENDER: usize = 0;
const PAYER: usize = 1;
pub const OPERATOR: usize = 2;
const NEIGHBOUR: usize = 3;

impl Client {
    #[must_use]
    pub fn new() -> Self {
        let mut ids = vec!["sender", "payer", "operator", "neighbour"];
        let members = member::all(ids.len());
        ids.extend(members.iter().map(|member| member.name));
        Client {
            busy: false,
            reads: false,
            meddles: false,
            meddled_at: None,
            away: Vec::new(),
            apps: ids.into_iter().map(|id| App { id, ..App::default() }).collect(),
            links: BTreeMap::new(),
            buffers: BTreeMap::new(),
            calls: BTreeMap::new(),
            next_opaque: 0,
            producers: producer::all(),
            members,
            halves: BTreeMap::new(),
            neighbour: Neighbour::default(),
            topics: 0,
            next_topic: 0,
            awake: false,
            answers: BTreeMap::new(),
            pace_ms: 1,
            operations: 0,
        }
    }
}

impl World {
    /// Begins to produce and consume.
    pub(super) fn client_starts(&mut self) {
        (self.client.busy, self.client.reads) = (true, true);
        self.client.pace_ms = self.client.pace_ms.max(1);
        self.members_join();
        self.client_plans();
    }

    /// Has the clients look at what they have to do, a little later.
    fn client_plans(&mut self) {
        if !std::mem::replace(&mut self.client.awake, true) {
            self.at(self.time + WAKE, Event::Client);
        }
    }

    pub(super) fn client_wakes(&mut self) {
        self.client.awake = false;
        self.give_up_late_calls();
        if self.client.busy || self.client.reads {
            self.bring_back();
            for app in 0..self.client.apps.len() {
                self.keep_in_touch(app);
            }
        }
        if self.client.busy {
            for producer in 0..self.client.producers.len() {
                self.produce(producer);
            }
            self.produce_beside();
            self.administer();
        }
        if self.client.reads {
            for member in 0..self.client.members.len() {
                self.consume(member);
            }
        }
        if self.client.busy || self.client.reads || !self.client.calls.is_empty() {
            self.client_plans();
        }
    }

    /// Producers stop, and consumers go on until they have seen everything, or should have.
    pub(super) fn wind_up(&mut self) {
        const LIMIT_MS: u64 = 100_000;
        const AGAIN_LIMIT_MS: u64 = 20_000;
        self.client.busy = false;
        // the last answers, and their replication
        self.pass(3_200);
        self.run_until(LIMIT_MS, |world| world.oracle.owed() == 0);
        self.oracle.tell(self.time, &super::invariants::Fact::Ends);
        // A connection that a fault has broken may be missed only now, and a replica dials again after five seconds; or a
        // broker leaves its container late, and is brought back.
        self.run_until(AGAIN_LIMIT_MS, |world| world.whole().is_some());
        self.client.reads = false;
        self.pass(100);
    }

    /// Looks for the master, and tells it that the application lives.
    fn keep_in_touch(&mut self, app: usize) {
        let now = self.time;
        if app == NEIGHBOUR && !self.settings.containers {
            return;
        }
        let own = &mut self.client.apps[app];
        if !own.routing && own.next_route <= now {
            own.routing = true;
            let servers = setup::name_servers();
            let addr = servers[self.dice.workload.roll(servers.len() as u64) as usize].clone();
            self.client_calls(app, &addr, requests::route("TBW102"), Call::Route);
        }
        let own = &mut self.client.apps[app];
        if own.next_beat <= now
            && app != OPERATOR
            && let Some(master) = own.target.clone()
        {
            own.next_beat = now + BEAT;
            let member = self.client.members.iter().find(|member| member.app == app);
            let consumer = member.map(|member| (&member.place, member.broadcast()));
            let command = requests::heartbeat(self.client.apps[app].id, consumer);
            self.client_calls(app, &master, command, Call::Beat);
        }
    }

    /// One of the applications that send asks for the route now.
    pub fn look_for_master(&mut self) {
        self.client.apps[PAYER].next_route = 0;
    }

    fn routed(&mut self, app: usize, answer: Option<Command>) {
        let master = answer.filter(|answer| answer.code == 0).and_then(|answer| {
            let route: TopicRouteData = json::from_slice(&answer.body).ok()?;
            let set = if app == NEIGHBOUR { setup::NEIGHBOUR } else { setup::MAIN };
            let data = route.broker_datas.iter().find(|data| data.broker_name == set.name)?;
            data.broker_addrs.get(&0).cloned()
        });
        let own = &mut self.client.apps[app];
        own.routing = false;
        let Some(master) = master else {
            own.next_route = self.time + 200 * MS;
            return;
        };
        own.next_route = self.time + ROUTE;
        if own.target.as_ref() == Some(&master) {
            return;
        }
        self.lose_target(app);
        let own = &mut self.client.apps[app];
        (own.next_route, own.next_beat) = (self.time + ROUTE, 0);
        own.target = Some(master);
    }

    /// The master an application knows of does not do what it should: another look at the route.
    fn lose_target(&mut self, app: usize) {
        let own = &mut self.client.apps[app];
        if own.target.take().is_some() {
            own.next_route = self.time + 100 * MS;
            self.members_lose_target(app);
        }
    }

    /// An answer, or that there is none.
    fn answered(&mut self, opaque: i32, asked: Asked, answer: Option<Command>, link: Option<u64>) {
        self.client.operations += 1;
        let app = asked.app;
        match asked.call {
            Call::Send { producer, messages } => {
                self.sent(producer, app, &asked.addr, &messages, answer);
            }
            Call::Neighbour { message, queue } => self.sent_beside(message, queue, answer),
            Call::End { message } => self.ended(app, message, answer),
            Call::Route => self.routed(app, answer),
            Call::Beat => {
                if answer.is_none_or(|answer| answer.code != 0) {
                    self.lose_target(app);
                }
            }
            Call::Members { member } => self.members_listed(member, answer),
            Call::Query { member, queue, turn } => self.offset_found(member, queue, turn, answer),
            Call::Pull { member, queue, turn, offset } => {
                self.pulled(member, queue, turn, offset, &asked.addr, answer);
            }
            Call::Commit { place, offset } => {
                if answer.is_some_and(|answer| answer.code == 0) {
                    self.oracle.committed(self.time, place, offset);
                }
            }
            Call::Lock { member, queues } => self.locked(member, &queues, answer, link),
            Call::Unlock { member, queue } => self.unlocked(member, queue, answer),
            Call::Topic { name } => {
                if answer.is_some_and(|answer| answer.code == 0) {
                    self.say(&format!("{} created {name}", asked.addr));
                    self.oracle.topics.insert(name);
                }
            }
            Call::Order => {}
            Call::Ask => {
                self.client.answers.insert(opaque, answer);
            }
        }
    }
}
