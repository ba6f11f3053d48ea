//! A message of another broker, as its check point names it (`EscapeBridge.getMessageFromRemote`, `spec/ha.md` A.7).

use bytes::Bytes;

use crate::body::TopicRouteData;
use crate::broker::Broker;
use crate::json;
use crate::message::record;
use crate::store::Store;
use crate::time::Now;
use crate::wire::code::{request, response};
use crate::wire::{CallError, Command, Ext, ServerOut, Target};

use super::point::CheckPoint;

const ASK_MS: u64 = 3_000;
const PULL_MS: u64 = 10_000;
/// The request has a subscription in it.
const SUBSCRIPTION: i32 = 1 << 2;

/// What is known of a message of another broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Fetched {
    #[default]
    Unknown,
    Asked,
    Found(Bytes),
    /// Its broker has deleted it.
    Gone,
    /// Its broker, or the message, could not be reached.
    Failed,
}

/// One message that is asked for: the place of its check point and its queue offset say which.
#[derive(Debug, Default)]
pub(super) struct Fetch {
    of: Option<(i64, i64)>,
    topic: String,
    broker: String,
    queue_id: i32,
    token: u64,
    /// The token is that of the question where the broker is.
    asks_route: bool,
    state: Fetched,
}

impl<S: Store> Broker<S> {
    /// What is known of a message; begins to ask.
    pub(super) fn fetch(&mut self, index: usize, place: i64, point: &CheckPoint, offset: i64) -> Fetched {
        let fetch = &mut self.revival.queues[index].fetch;
        if fetch.of == Some((place, offset)) {
            if fetch.state != Fetched::Asked {
                fetch.of = None;
            }
            return fetch.state.clone();
        }
        let known = self.registration.registered();
        let servers = if known.is_empty() { self.settings.name_servers() } else { known };
        let Some(server) = servers.get(index % servers.len().max(1)).cloned() else {
            return Fetched::Failed;
        };
        let token = self.token();
        self.revival.queues[index].fetch = Fetch {
            of: Some((place, offset)),
            topic: point.topic.clone(),
            broker: point.broker.clone().unwrap_or_default(),
            queue_id: point.queue_id,
            token,
            asks_route: true,
            state: Fetched::Asked,
        };
        let ext = Ext::new().with("topic", point.topic.clone());
        let command = Command::request(request::GET_ROUTEINFO_BY_TOPIC, ext);
        self.out.push_back(ServerOut::Call { to: Target::Addr(server), token, command, timeout_ms: ASK_MS });
        Fetched::Asked
    }

    /// Takes an answer; false when the token is none of these.
    pub(in crate::broker) fn fetched(
        &mut self,
        now: Now,
        token: u64,
        result: &Result<Command, CallError>,
    ) -> bool {
        let asked = |queue: &super::Queue| queue.fetch.state == Fetched::Asked && queue.fetch.token == token;
        let Some(index) = self.revival.queues.iter().position(asked) else { return false };
        let fetch = &self.revival.queues[index].fetch;
        if fetch.asks_route {
            let addr = result.as_ref().ok().and_then(|answer| addr_of(answer, &fetch.broker));
            if let Some(addr) = addr {
                self.pull_from(now, index, addr);
                return true;
            }
        }
        let fetch = &mut self.revival.queues[index].fetch;
        fetch.state = match result {
            Ok(answer) if !fetch.asks_route => read(answer, fetch.of.map_or(-1, |(_, offset)| offset)),
            _ => Fetched::Failed,
        };
        if fetch.state == Fetched::Failed {
            let (topic, broker) = (&fetch.topic, &fetch.broker);
            tracing::warn!(topic, broker, queue = fetch.queue_id, of = ?fetch.of, "a message that has to be revived cannot be had");
        }
        self.revival.look_again(now, index);
        self.run_services(now);
        self.drive_escape(now);
        true
    }

    fn pull_from(&mut self, now: Now, index: usize, addr: String) {
        let token = self.token();
        let config = &self.settings.broker;
        let group = format!("InnerConsumerGroup_{}_{}", config.broker_name, config.broker_id);
        let fetch = &mut self.revival.queues[index].fetch;
        (fetch.token, fetch.asks_route) = (token, false);
        let ext = Ext::new()
            .with("consumerGroup", group)
            .with("topic", fetch.topic.clone())
            .with("queueId", fetch.queue_id)
            .with("queueOffset", fetch.of.map_or(0, |(_, offset)| offset))
            .with("maxMsgNums", 1)
            .with("sysFlag", SUBSCRIPTION)
            .with("commitOffset", 0)
            .with("suspendTimeoutMillis", 0)
            .with("subscription", "*")
            .with("subVersion", now.wall_ms)
            .with("expressionType", "TAG");
        let command = Command::request(request::PULL_MESSAGE, ext);
        self.out.push_back(ServerOut::Call { to: Target::Addr(addr), token, command, timeout_ms: PULL_MS });
    }
}

/// Where a broker is read from: its master, or who stands in for it.
fn addr_of(answer: &Command, broker: &str) -> Option<String> {
    let route: TopicRouteData =
        json::from_slice(&answer.body).ok().filter(|_| answer.code == response::SUCCESS)?;
    let data = route.broker_datas.into_iter().find(|data| data.broker_name == broker)?;
    data.first().map(|(_, addr)| addr.to_owned())
}

fn read(answer: &Command, offset: i64) -> Fetched {
    if answer.code == response::PULL_OFFSET_MOVED {
        return Fetched::Gone;
    }
    let found = record::decode(&answer.body).ok().filter(|_| answer.code == response::SUCCESS);
    match found {
        Some(found) if found.queue_offset == offset => Fetched::Found(answer.body.slice(..found.total_size)),
        _ => Fetched::Failed,
    }
}
