//! NOTIFY_BROKER_ROLE_CHANGED: telling the replicas who their master is, again and again until their
//! heartbeats show that they know.

use super::machine::Controller;
use super::state::{BrokerSet, ControllerState};
use crate::body::SyncStateSetBody;
use crate::json::{Style, to_vec};
use crate::time::Mono;
use crate::wire::code::request;
use crate::wire::{Command, Ext, ServerOut, Target};
use std::collections::BTreeMap;

/// A notice that changed nothing is sent again after so long.
const AGAIN_MS: u64 = 1_000;
/// After that many the replica's own poll has to do: a replica without new messages never shows a new epoch.
const TIMES: u32 = 10;

#[derive(Debug)]
struct Due {
    epoch: i32,
    at: Mono,
    sent: u32,
}

/// Who is to be told, by broker name and id.
#[derive(Debug, Default)]
pub(super) struct Notices(BTreeMap<(String, i64), Due>);

impl Notices {
    /// A heartbeat shows that the replica knows this epoch.
    pub fn known(&mut self, name: &str, id: i64, epoch: i32) {
        if !self.0.is_empty() {
            let key = (name.to_owned(), id);
            if self.0.get(&key).is_some_and(|due| due.epoch <= epoch) {
                self.0.remove(&key);
            }
        }
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn deadline(&self) -> Option<Mono> {
        self.0.values().map(|due| due.at).min()
    }
}

fn notice(set: &BrokerSet) -> Option<Command> {
    let (id, address) = set.master()?;
    let ext = Ext::new()
        .with("masterAddress", address.to_owned())
        .with("masterBrokerId", id)
        .with("masterEpoch", set.sync.master_epoch)
        .with("syncStateSetEpoch", set.sync.set_epoch);
    let body =
        SyncStateSetBody { sync_state_set: set.sync.set.clone(), sync_state_set_epoch: set.sync.set_epoch };
    Some(
        Command::request(request::NOTIFY_BROKER_ROLE_CHANGED, ext)
            .with_body(to_vec(&body, Style::Fastjson))
            .oneway(),
    )
}

impl Controller {
    /// Begins to tell all members of a name that are alive; what was due for an older epoch is dropped.
    pub(super) fn notify(&mut self, now: Mono, state: &ControllerState, name: &str) {
        self.notices.0.retain(|(other, _), _| other != name);
        let Some(set) = state.get(name).filter(|_| self.settings.controller.notify_broker_role_changed)
        else {
            return;
        };
        for id in set.info.replicas.keys() {
            if self.live.is_alive(now, &super::liveness::broker_id(name, set, *id)) {
                let due = Due { epoch: set.sync.master_epoch, at: now, sent: 0 };
                self.notices.0.insert((name.to_owned(), *id), due);
            }
        }
        self.send_notices(now, state);
    }

    /// Sends what is due.
    pub(super) fn send_notices(&mut self, now: Mono, state: &ControllerState) {
        let mut out = Vec::new();
        self.notices.0.retain(|(name, id), due| {
            if due.at > now {
                return true;
            }
            let Some(set) = state.get(name).filter(|set| set.sync.master_epoch == due.epoch) else {
                return false;
            };
            if let (Some(address), Some(command)) = (set.address(*id), notice(set)) {
                out.push(ServerOut::Oneway { to: Target::Addr(address.to_owned()), command });
            }
            due.sent += 1;
            due.at = now.plus_ms(AGAIN_MS);
            due.sent < TIMES
        });
        out.into_iter().for_each(|one| self.push(one));
    }
}
