//! `enableSlaveActingMaster`: brokers of one name keep themselves alive at the NameServers by heartbeats, and a
//! slave learns whether its master lives (`BrokerController.syncBrokerMemberGroup`, `spec/ha.md` A.7).
//!
//! While no master lives, the slave with the smallest id serves pulls as a master does: it holds them, and sends
//! nobody elsewhere. It stores nothing, so what has to be stored to be served (delays, timers, transactions,
//! messages sent back) waits for the master.

use super::Broker;
use crate::body::BrokerMemberGroupBody;
use crate::json::{self, Style};
use crate::store::Store;
use crate::time::{Mono, Now, earliest};
use crate::wire::code::{request, response};
use crate::wire::headers::naming::BrokerIdentity;
use crate::wire::{CallError, Command, Frame, Reply, ServerOut, Target};

const CALL_MS: u64 = 3_000;

/// What a broker with `enableSlaveActingMaster` does every second.
#[derive(Debug, Default)]
pub(super) struct Group {
    beat_due: Mono,
    ask_due: Mono,
    asking: Option<u64>,
    /// NameServers are asked in turn, so that one that is gone does not end it.
    turn: usize,
    /// Slaves ask; masters only beat.
    asks: bool,
    on: bool,
}

impl Group {
    /// What is due for a broker: heartbeats, and questions if it is a slave.
    pub fn new(on: bool, asks: bool, now: Now) -> Self {
        Group { on, asks, beat_due: now.mono, ask_due: now.mono, ..Group::default() }
    }

    pub fn deadline(&self) -> Option<Mono> {
        let ask = (self.asks && self.asking.is_none()).then_some(self.ask_due);
        self.on.then(|| earliest(Some(self.beat_due), ask)).flatten()
    }
}

impl<S: Store> Broker<S> {
    pub(super) fn tick_group(&mut self, now: Now) {
        if !self.group.on {
            return;
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
        if self.group.asks && self.group.asking.is_none() && self.group.ask_due <= now.mono {
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

    fn identified(&self, code: i32) -> Command {
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
                let smallest = told.group.broker_addrs.first_key_value().map(|(id, _)| *id);
                if let Some(smallest) = smallest {
                    self.smallest_id_is(now, smallest);
                }
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
                Reply::success()
            }
            None => Reply::error(
                response::SYSTEM_ERROR,
                format!("minBrokerId is {id:?}; expected the id of a broker, 0 or more"),
            ),
        }
    }

    fn smallest_id_is(&mut self, now: Now, id: i64) {
        if !self.group.on || !self.group.asks || id == self.min_broker_id {
            return;
        }
        tracing::warn!(from = self.min_broker_id, to = id, "the smallest id of the live brokers changed");
        self.min_broker_id = id;
        // The NameServers say where a master that has come is, and see the topics of one that acts.
        self.registration.release(now);
        if id == 0 {
            // They are answered with the advice to ask the master.
            self.answer_all_held(now);
        } else {
            self.follow_named_master(now, None);
        }
    }
}
