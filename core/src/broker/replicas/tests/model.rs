//! Three controllers that agree on one state, as `spec/controller.md` describes them, and a network that loses,
//! repeats, delays and reorders. Only the leader answers what only it may answer; one cut off from the others
//! may go on taking itself for the leader where no answer of the others is needed.

use std::collections::{BTreeMap, BTreeSet};

use crate::broker::replicas::{Election, SyncStateSetBody};
use crate::json::{self, Style};
use crate::wire::code::{request, response};
use crate::wire::{Command, Ext};

pub const TIMEOUT_MS: u64 = 3_000;

/// What the controllers agree on, and what each of them has heard.
#[derive(Debug, Default)]
pub struct Model {
    /// Id -> address and check code.
    pub brokers: BTreeMap<i64, (String, String)>,
    next_id: i64,
    pub now: Election,
    pub leader: usize,
    pub leader_since: u64,
    /// Takes itself for the leader.
    pub stale: Option<usize>,
    heard: [BTreeMap<i64, u64>; 3],
    /// Every election that found a master: its epoch and whom.
    elected: Vec<(i32, i64)>,
    /// `enableElectUncleanMaster`.
    pub unclean: bool,
}

fn get<T: core::str::FromStr>(command: &Command, key: &str) -> Option<T> {
    command.ext_text(key)?.parse().ok()
}

fn answer(code: i32, ext: Ext) -> Command {
    Command { ext: Some(ext), ..Command::response(code, 0) }
}

impl Model {
    fn set_body(&self) -> Vec<u8> {
        let body = SyncStateSetBody { members: self.now.set.clone(), epoch: self.now.set_epoch };
        json::to_vec(&body, Style::Fastjson)
    }

    fn election(&self, code: i32) -> Command {
        let mut ext = Ext::new().with("masterEpoch", self.now.epoch);
        ext.put("syncStateSetEpoch", self.now.set_epoch);
        if let Some((id, address)) = &self.now.master {
            ext.put("masterBrokerId", *id);
            ext.put("masterAddress", address.clone());
        }
        answer(code, ext).with_body(self.set_body())
    }

    fn has_heard(&self, id: i64, at: u64) -> bool {
        self.heard[self.leader].get(&id).is_some_and(|heard| heard + TIMEOUT_MS >= at)
    }

    /// A new leader knows nothing of the old one's heartbeats: for a while every master counts as alive.
    fn master_lives(&self, id: i64, at: u64) -> bool {
        self.leader_since + TIMEOUT_MS >= at || self.has_heard(id, at)
    }

    fn elect(&mut self, at: u64) -> i32 {
        if let Some((old, _)) = &self.now.master
            && self.master_lives(*old, at)
        {
            return response::CONTROLLER_MASTER_STILL_EXIST;
        }
        let found = self.now.set.iter().copied().find(|id| self.has_heard(*id, at));
        match found {
            Some(id) => {
                self.appoint(id);
                response::SUCCESS
            }
            None => response::CONTROLLER_ELECT_MASTER_FAILED,
        }
    }

    fn appoint(&mut self, id: i64) {
        self.now.epoch += 1;
        self.now.set_epoch += 1;
        self.now.set = BTreeSet::from([id]);
        self.now.master = self.brokers.get(&id).map(|(address, _)| (id, address.clone()));
        self.elected.push((self.now.epoch, id));
    }

    /// Who took over from the master `own` of `epoch`: the first other one elected later.
    pub fn successor(&self, epoch: i32, own: i64) -> Option<i64> {
        self.elected.iter().find(|(later, id)| *later > epoch && *id != own).map(|(_, id)| *id)
    }

    /// Replaces a silent master; the ids to be told.
    pub fn scan(&mut self, at: u64) -> Vec<i64> {
        let Some((old, _)) = self.now.master.clone() else { return Vec::new() };
        if self.master_lives(old, at) {
            return Vec::new();
        }
        if self.elect(at) != response::SUCCESS {
            self.now.epoch += 1;
            self.now.master = None;
            return Vec::new();
        }
        let ids = self.brokers.keys().copied();
        ids.filter(|id| self.has_heard(*id, at)).collect()
    }

    /// Answers as the controller with this index.
    pub fn handle(&mut self, by: usize, at: u64, command: &Command) -> Command {
        let leads = by == self.leader || self.stale == Some(by);
        match command.code {
            request::CONTROLLER_GET_METADATA_INFO => {
                let leader = if leads { by } else { self.leader };
                let ext = Ext::new().with("controllerLeaderAddress", format!("c{leader}:1"));
                return answer(0, ext.with("isLeader", leads));
            }
            request::GET_CONTROLLER_CONFIG => {
                let text = format!("a=b\nenableElectUncleanMaster={}\n", self.unclean);
                return answer(0, Ext::new()).with_body(text.into_bytes());
            }
            request::BROKER_HEARTBEAT => {
                let id = get(command, "brokerId").expect("a broker id");
                self.heard[by].insert(id, at);
                return answer(0, Ext::new());
            }
            _ if by != self.leader => return answer(response::CONTROLLER_NOT_LEADER, Ext::new()),
            _ => {}
        }
        self.lead(at, command)
    }

    fn lead(&mut self, at: u64, command: &Command) -> Command {
        let id: i64 = get(command, "brokerId").unwrap_or(0);
        match command.code {
            request::CONTROLLER_GET_NEXT_BROKER_ID => {
                answer(0, Ext::new().with("nextBrokerId", self.next_id + 1))
            }
            request::CONTROLLER_APPLY_BROKER_ID => {
                let id = get(command, "appliedBrokerId").expect("an id");
                let code = command.ext_text("registerCheckCode").expect("a code");
                match self.brokers.get(&id) {
                    Some((_, known)) if *known != code => {
                        answer(response::CONTROLLER_BROKER_ID_INVALID, Ext::new())
                    }
                    Some(_) => answer(0, Ext::new()),
                    None => {
                        self.next_id += 1;
                        let address = code.split(';').next().unwrap_or("").to_owned();
                        self.brokers.insert(id, (address, code));
                        answer(0, Ext::new())
                    }
                }
            }
            request::CONTROLLER_REGISTER_BROKER => {
                if !self.brokers.contains_key(&id) {
                    return answer(response::CONTROLLER_BROKER_NEED_TO_BE_REGISTERED, Ext::new());
                }
                match &self.now.master {
                    Some((master, _)) if self.master_lives(*master, at) => self.election(0),
                    _ => answer(0, Ext::new()).with_body(self.set_body()),
                }
            }
            request::CONTROLLER_ELECT_MASTER => {
                assert!(self.now.epoch > 0 || self.has_heard(id, at), "the heartbeat comes first");
                if self.now.epoch == 0 {
                    self.appoint(id);
                    return self.election(0);
                }
                match self.elect(at) {
                    response::CONTROLLER_ELECT_MASTER_FAILED => {
                        answer(response::CONTROLLER_ELECT_MASTER_FAILED, Ext::new())
                    }
                    code => self.election(code),
                }
            }
            request::CONTROLLER_GET_REPLICA_INFO => self.election(0),
            request::CONTROLLER_ALTER_SYNC_STATE_SET => self.alter(at, command),
            other => panic!("no such request: {other}"),
        }
    }

    fn alter(&mut self, at: u64, command: &Command) -> Command {
        let wanted: SyncStateSetBody = json::from_slice(&command.body).expect("a set");
        let master = get::<i64>(command, "masterBrokerId");
        let refuse = |code| answer(code, Ext::new().with("newSyncStateSetEpoch", 0));
        if self.now.master.as_ref().map(|(id, _)| *id) != master {
            return refuse(response::CONTROLLER_INVALID_MASTER);
        }
        if get(command, "masterEpoch") != Some(self.now.epoch) {
            return refuse(response::CONTROLLER_FENCED_MASTER_EPOCH);
        }
        if wanted.epoch != self.now.set_epoch {
            return refuse(response::CONTROLLER_FENCED_SYNC_STATE_SET_EPOCH);
        }
        if wanted.members.iter().any(|id| !self.has_heard(*id, at) && Some(*id) != master) {
            return refuse(response::CONTROLLER_BROKER_NOT_ALIVE);
        }
        self.now.set = wanted.members;
        self.now.set_epoch += 1;
        answer(0, Ext::new().with("newSyncStateSetEpoch", self.now.set_epoch)).with_body(self.set_body())
    }
}
