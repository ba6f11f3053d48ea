//! `enableSlaveActingMaster`: brokers of one name keep themselves alive at the NameServers by heartbeats, and learn
//! who of them lives (`BrokerController.syncBrokerMemberGroup`, `spec/ha.md` A.7).
//!
//! While no master lives, the slave with the smallest id serves pulls as a master does, and does its master's duties
//! as far as they come from the log ([`services`]): delays, timers, open transactions. It stores nothing itself, what
//! has to be stored goes to other masters ([`super::escape`]). A master that returns takes back how far that went
//! before anybody hears of it ([`online`], [`exchange`]).

mod exchange;
mod online;
mod services;
#[cfg(test)]
mod tests;

use super::Broker;
use crate::body::BrokerMemberGroupBody;
use crate::json::{self, Style};
use crate::store::Store;
use crate::time::{Mono, Now, earliest};
use crate::wire::code::{request, response};
use crate::wire::headers::naming::BrokerIdentity;
use crate::wire::{CallError, Command, Frame, Reply, ServerOut, Target};
use exchange::Questions;
use online::PreOnline;
use services::Standing;

const CALL_MS: u64 = 3_000;

/// What a broker with `enableSlaveActingMaster` does every second.
#[derive(Debug, Default)]
pub(super) struct Group {
    beat_due: Mono,
    ask_due: Mono,
    asking: Option<u64>,
    /// NameServers are asked in turn, so that one that is gone does not end it.
    turn: usize,
    /// A slave, which may have to act for its master.
    slave: bool,
    on: bool,
    /// Live brokers of the name, as last heard of; this one counts.
    alive: usize,
    standing: Standing,
    /// A master has said that it is coming: it is given time until then, or until it is there or gone again.
    summoned: Mono,
    /// Questions of that master that wait for what is under way.
    questions: Questions,
    /// What is left to do before anybody may hear of this broker; `None` when it is online.
    online: Option<Box<PreOnline>>,
}

impl Group {
    /// What is due for a broker; `isolated` when it is to go through the steps of pre-online first.
    pub fn new(on: bool, slave: bool, isolated: bool, now: Now) -> Self {
        let online = isolated.then(|| Box::new(PreOnline::new(now)));
        Group { on, slave, online, alive: 1, beat_due: now.mono, ask_due: now.mono, ..Group::default() }
    }

    pub fn deadline(&self) -> Option<Mono> {
        if let Some(online) = &self.online {
            return online.deadline();
        }
        let ask = self.asking.is_none().then_some(self.ask_due);
        self.on.then(|| earliest(Some(self.beat_due), ask)).flatten()
    }

    /// The connection to the master is gone: if it was on its way, it is not any more.
    pub fn master_lost(&mut self) {
        self.summoned = Mono(0);
    }

    /// Not online yet: nobody may hear of this broker, and nothing is delivered.
    pub fn is_isolated(&self) -> bool {
        self.online.is_some()
    }

    /// Live brokers of the name, this one included; `None` without acting masters.
    pub fn alive(&self) -> Option<usize> {
        self.on.then_some(self.alive)
    }
}

impl<S: Store> Broker<S> {
    pub(super) fn tick_group(&mut self, now: Now) {
        if !self.group.on {
            return;
        }
        if self.group.is_isolated() {
            return self.go_on_to_online(now);
        }
        let servers = self.registration.registered();
        if self.group.beat_due <= now.mono {
            let period = u64::try_from(self.settings.broker.broker_heartbeat_interval).unwrap_or(1_000);
            self.group.beat_due = now.mono.plus_ms(period.max(1));
            for addr in &servers {
                let command = self.heartbeat_command();
                self.out.push_back(ServerOut::Oneway { to: Target::Addr(addr.clone()), command });
            }
        }
        if self.group.asking.is_none() && self.group.ask_due <= now.mono {
            let period = u64::try_from(self.settings.broker.sync_broker_member_group_period).unwrap_or(1_000);
            self.group.ask_due = now.mono.plus_ms(period.max(1));
            let turn = self.group.turn;
            self.group.turn = turn.wrapping_add(1);
            let Some(addr) = servers.get(turn % servers.len().max(1)) else { return };
            let token = self.token();
            self.group.asking = Some(token);
            let command = self.identified(request::GET_BROKER_MEMBER_GROUP);
            self.out.push_back(ServerOut::Call {
                to: Target::Addr(addr.clone()),
                token,
                command,
                timeout_ms: CALL_MS,
            });
        }
    }

    /// With `compatibleWithOldNameSrv` the request that old NameServers take for a sign of life.
    fn heartbeat_command(&self) -> Command {
        let command = if self.settings.broker.compatible_with_old_name_srv {
            let version = json::to_vec(&self.topics.version(), Style::Fastjson);
            self.identified(request::QUERY_DATA_VERSION).with_body(version)
        } else {
            self.identified(request::BROKER_HEARTBEAT)
        };
        command.oneway()
    }

    /// A request to a NameServer that says no more than who this broker is.
    pub(super) fn identified(&self, code: i32) -> Command {
        let (config, addr) = (&self.settings.broker, self.settings.address());
        let header = BrokerIdentity {
            broker_name: Some(&config.broker_name),
            broker_addr: Some(&addr),
            cluster_name: Some(&config.broker_cluster_name),
            broker_id: Some(config.broker_id),
            ..BrokerIdentity::default()
        };
        Command::request(code, header.to_ext())
    }

    /// Takes a NameServer's answer; false when the token is not the question's.
    pub(super) fn group_told(&mut self, now: Now, token: u64, result: &Result<Command, CallError>) -> bool {
        if self.group.asking.take_if(|asking| *asking == token).is_none() {
            return false;
        }
        let answer = result.as_ref().ok().filter(|answer| answer.code == response::SUCCESS);
        let told = answer.map(|answer| json::from_slice::<BrokerMemberGroupBody>(&answer.body));
        match told {
            Some(Ok(told)) => {
                let members = told.group.broker_addrs;
                let Some((smallest, _)) = members.first_key_value() else { return true };
                let own = self.settings.broker.broker_id;
                self.group.alive = members.len() + usize::from(!members.contains_key(&own));
                self.smallest_id_is(now, *smallest);
            }
            Some(Err(error)) => tracing::warn!(%error, "a NameServer's member group cannot be read"),
            None => tracing::debug!(?result, "a NameServer does not tell the members of this broker's name"),
        }
        true
    }

    /// NOTIFY_MIN_BROKER_ID_CHANGE (905).
    pub(super) fn min_broker_changed(&mut self, now: Now, frame: &Frame<'_>) -> Reply {
        let id = frame.ext("minBrokerId");
        match id.and_then(|text| text.parse::<i64>().ok()).filter(|id| *id >= 0) {
            Some(id) => {
                self.smallest_id_is(now, id);
                let address = frame.ext("haBrokerAddr").map(str::to_owned);
                self.master_is_at(now, address.as_deref().filter(|address| id == 0 && !address.is_empty()));
                Reply::success()
            }
            None => Reply::error(
                response::SYSTEM_ERROR,
                format!("minBrokerId is {id:?}; expected the id of a broker, 0 or more"),
            ),
        }
    }

    fn smallest_id_is(&mut self, now: Now, id: i64) {
        if !self.group.on || !self.group.slave || self.group.is_isolated() || id == self.min_broker_id {
            return;
        }
        tracing::warn!(from = self.min_broker_id, to = id, "the smallest id of the live brokers changed");
        self.min_broker_id = id;
        // The NameServers say where a master that has come is, and see the topics of one that acts.
        self.registration.release(now);
        if id == 0 {
            self.group.summoned = now.mono;
            // They are answered with the advice to ask the master.
            self.answer_all_held(now);
        } else {
            self.follow_named_master(now, None);
        }
    }
}
