//! Registration with the NameServers: at start, every `registerNameServerPeriod`, when topics change, and at
//! once after a NameServer was lost (`spec/namesrv.md` section 3).

use super::Broker;
use super::persist::File;
use super::topics::Change;
use crate::body::{KvTable, RegisterBrokerBody, TopicConfigWrapper, perm};
use crate::json::{self, Style};
use crate::store::Store;
use crate::time::{Mono, Now, earliest};
use crate::wire::code::{request, response};
use crate::wire::headers::naming::RegisterBroker;
use crate::wire::{CallError, Command, ServerOut, Target};

/// After a failure.
const RETRY_MS: u64 = 1_000;
/// Changes that come together go out together.
const GATHER_MS: u64 = 5;
const UNREGISTER_TIMEOUT_MS: u64 = 2_000;

#[derive(Debug)]
struct Server {
    addr: String,
    /// Next registration.
    due: Mono,
    /// Token of the registration under way.
    call: Option<u64>,
    registered: bool,
    /// The live master of this broker's name, as this NameServer knows it.
    master: Option<String>,
}

/// Where the broker is registered.
#[derive(Debug)]
pub(super) struct Registration {
    servers: Vec<Server>,
    unregistering: Vec<u64>,
    stopped: bool,
    /// The broker has no role yet, so there is nothing to tell.
    held: bool,
}

impl Registration {
    pub fn new(addrs: &[String], now: Now) -> Self {
        let servers = addrs
            .iter()
            .map(|addr| Server {
                addr: addr.clone(),
                due: now.mono,
                call: None,
                registered: false,
                master: None,
            })
            .collect();
        Registration { servers, unregistering: Vec::new(), stopped: false, held: false }
    }

    pub fn deadline(&self) -> Option<Mono> {
        if self.stopped || self.held {
            return None;
        }
        let idle = self.servers.iter().filter(|server| server.call.is_none());
        idle.map(|server| Some(server.due)).fold(None, earliest)
    }

    /// Topics changed: every NameServer must hear of it soon.
    pub fn request(&mut self, now: Now) {
        for server in &mut self.servers {
            server.due = server.due.min(now.mono.plus_ms(GATHER_MS));
        }
    }

    /// No NameServer hears of this broker until [`Registration::release`].
    pub fn hold(&mut self) {
        self.held = true;
    }

    /// A role was taken: every NameServer must know at once, also one that is being told the old one now.
    pub fn release(&mut self, now: Now) {
        self.held = false;
        for server in &mut self.servers {
            server.due = now.mono;
        }
    }

    /// Addresses of the NameServers that know this broker.
    pub fn registered(&self) -> Vec<String> {
        let known = self.servers.iter().filter(|server| server.registered);
        known.map(|server| server.addr.clone()).collect()
    }

    pub fn is_unregistered(&self) -> bool {
        self.unregistering.is_empty()
    }
}

impl<S: Store> Broker<S> {
    /// Registers wherever it is time to.
    pub(super) fn register_due(&mut self, now: Now) {
        if self.registration.stopped || self.registration.held {
            return;
        }
        let due = |server: &Server| server.call.is_none() && server.due <= now.mono;
        if !self.registration.servers.iter().any(due) {
            return;
        }
        let body = bytes::Bytes::from(json::to_vec(&self.registration_body(), Style::Fastjson));
        let period = self.settings.broker.register_name_server_period.clamp(10_000, 60_000);
        for index in 0..self.registration.servers.len() {
            if !due(&self.registration.servers[index]) {
                continue;
            }
            let token = self.token();
            let server = &mut self.registration.servers[index];
            server.call = Some(token);
            server.due = now.mono.plus_ms(u64::try_from(period).unwrap_or(30_000));
            let to = Target::Addr(server.addr.clone());
            let command = self.registration_command(body.clone());
            let timeout_ms =
                u64::try_from(self.settings.broker.register_broker_timeout_mills).unwrap_or(24_000);
            self.out.push_back(ServerOut::Call { to, token, command, timeout_ms });
        }
    }

    fn registration_command(&self, body: bytes::Bytes) -> Command {
        let config = &self.settings.broker;
        let crc = i32::try_from(crc32fast::hash(&body) & 0x7FFF_FFFF).unwrap_or(0);
        let (addr, ha) = (self.settings.address(), self.settings.ha_address());
        let acting = config.enable_slave_acting_master;
        let header = RegisterBroker {
            broker_name: Some(&config.broker_name),
            broker_addr: Some(&addr),
            cluster_name: Some(&config.broker_cluster_name),
            ha_server_addr: Some(&ha),
            broker_id: Some(config.broker_id),
            heartbeat_timeout_millis: acting.then_some(config.broker_not_active_timeout_millis),
            enable_acting_master: Some(acting),
            compressed: false,
            body_crc32: crc,
            ..RegisterBroker::default()
        };
        Command::request(request::REGISTER_BROKER, header.to_ext()).with_body(body)
    }

    /// All topics, with the broker's own permission taken into account.
    fn registration_body(&self) -> RegisterBrokerBody {
        let own = self.settings.broker.broker_permission;
        let masks = own & (perm::READ | perm::WRITE) != perm::READ | perm::WRITE;
        let topics = self.topics.iter().map(|topic| {
            let mut topic = topic.clone();
            if masks {
                topic.perm &= own;
            }
            (topic.topic_name.clone(), topic)
        });
        RegisterBrokerBody {
            wrapper: TopicConfigWrapper {
                topics: topics.collect(),
                data_version: self.topics.version(),
                ..TopicConfigWrapper::default()
            },
            filter_servers: Some(Vec::new()),
        }
    }

    /// Takes a NameServer's answer; false when the token is none of ours.
    pub(super) fn registered(&mut self, now: Now, token: u64, result: &Result<Command, CallError>) -> bool {
        if let Some(index) = self.registration.unregistering.iter().position(|known| *known == token) {
            self.registration.unregistering.swap_remove(index);
            self.advance_stop(now);
            return true;
        }
        let server = self.registration.servers.iter_mut().find(|server| server.call == Some(token));
        let Some(server) = server else {
            return false;
        };
        server.call = None;
        match result {
            Ok(answer) if answer.code == response::SUCCESS => {
                if !server.registered {
                    tracing::info!(namesrv = server.addr, "register broker to name server OK");
                }
                server.registered = true;
                server.master = answer.ext_text("masterAddr").filter(|master| !master.is_empty());
                let master = answer.ext_text("haServerAddr");
                self.take_order_topics(now, answer);
                self.master_is_at(now, master.as_deref());
                // One that has just started knows of no master yet: another's word counts before its silence.
                let named = self.registration.servers.iter().find_map(|server| server.master.clone());
                self.follow_named_master(now, named);
            }
            Ok(answer) => {
                tracing::warn!(namesrv = server.addr, code = answer.code, remark = ?answer.remark, "registerBroker failed");
                server.registered = false;
                server.due = now.mono.plus_ms(RETRY_MS);
            }
            Err(error) => {
                if server.registered {
                    tracing::warn!(namesrv = server.addr, %error, "registerBroker failed");
                }
                server.registered = false;
                server.due = now.mono.plus_ms(RETRY_MS);
            }
        }
        true
    }

    /// The connection to a NameServer broke: it may come back empty, so it must hear of this broker at once.
    pub(super) fn name_server_lost(&mut self, now: Now, addr: &str) {
        for server in self.registration.servers.iter_mut().filter(|server| server.addr == addr) {
            server.registered = false;
            server.due = server.due.min(now.mono.plus_ms(RETRY_MS));
        }
    }

    fn take_order_topics(&mut self, now: Now, answer: &Command) {
        if answer.body.is_empty() {
            return;
        }
        match json::from_slice::<KvTable>(&answer.body) {
            Ok(ordered) => {
                if self.topics.set_ordered(now.wall_ms, ordered.table.keys()) == Change::Changed {
                    self.persist.mark(File::Topics);
                    self.registration.request(now);
                }
            }
            Err(error) => tracing::warn!(%error, "a NameServer's order table cannot be read"),
        }
    }

    /// Takes the broker off every route.
    pub(super) fn unregister_everywhere(&mut self) {
        self.registration.stopped = true;
        let addrs: Vec<String> =
            self.registration.servers.iter().filter(|s| s.registered).map(|s| s.addr.clone()).collect();
        for server in addrs {
            let command = self.identified(request::UNREGISTER_BROKER);
            let token = self.token();
            self.registration.unregistering.push(token);
            let to = Target::Addr(server);
            self.out.push_back(ServerOut::Call { to, token, command, timeout_ms: UNREGISTER_TIMEOUT_MS });
        }
    }
}
