//! A broker in controller mode: joins the machine that talks to the controllers ([`super::replicas`]) with the
//! replication service and with everything a role changes in a broker.

mod acks;
mod replication;
mod role;
#[cfg(test)]
pub(super) mod tests;

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::Broker;
use super::duty::Duty;
use super::ha::{HaEvent, RoleCommand};
use super::replicas::{
    Application, Assignment, Election, Identity, IdentityError, IdentityFile, In, LogPosition, Out, Replicas,
    RoleChanged, Setup, SyncStateSetBody,
};
use super::settings::Settings;
use crate::json;
use crate::store::Store;
use crate::time::{Mono, Now, earliest};
use crate::wire::{CallError, Command, Ext, Frame, Reply, ServerOut, Target};

/// Saves of identity files have tokens from here on; those of tables are far below.
const IDENTITY_SAVES: u64 = 1 << 62;

/// What a broker in controller mode has more than others.
#[derive(Debug)]
pub(super) struct ControllerMode {
    replicas: Replicas,
    /// The broker's token of a call -> the machine's.
    calls: HashMap<u64, u64>,
    /// The same for saves.
    saves: BTreeMap<u64, u64>,
    /// The role being taken: the replication service has it in hand.
    taking: Option<Assignment>,
    master_ha: role::MasterHa,
}

impl ControllerMode {
    pub fn deadline(&self) -> Option<Mono> {
        earliest(self.replicas.deadline(), self.master_ha.deadline())
    }
}

/// What [`Replicas`] is set up with.
fn setup(
    settings: &Settings,
    identity: Option<Identity>,
    application: Option<Application>,
    seed: u64,
) -> Setup {
    let config = &settings.broker;
    let ms = |value: i64| u64::try_from(value).unwrap_or(0);
    Setup {
        cluster: config.broker_cluster_name.clone(),
        broker: config.broker_name.clone(),
        address: settings.address(),
        controllers: settings.controllers(),
        identity,
        application,
        heartbeat_ms: ms(config.broker_heartbeat_interval.into()),
        heartbeat_wait_ms: ms(config.send_heartbeat_timeout_millis.into()),
        heartbeat_timeout_ms: ms(config.controller_heart_beat_timeout_mills),
        refresh_ms: ms(config.sync_controller_metadata_period),
        priority: config.broker_election_priority,
        seed,
    }
}

impl<S: Store> Broker<S> {
    /// Begins to look for the controllers. `identity` and `application` come from the files of that name.
    ///
    /// # Errors
    /// The files are another broker's, or the broker's names cannot stand in them.
    pub fn join_controllers(
        &mut self,
        now: Now,
        identity: Option<Identity>,
        application: Option<Application>,
    ) -> Result<(), IdentityError> {
        self.duty = Duty::Fenced;
        self.registration.hold();
        let setup = setup(&self.settings, identity, application, self.random.next());
        self.controllers = Some(Box::new(ControllerMode {
            replicas: Replicas::new(setup, now)?,
            calls: HashMap::new(),
            saves: BTreeMap::new(),
            taking: None,
            master_ha: role::MasterHa::default(),
        }));
        self.drive_controllers(now);
        Ok(())
    }

    /// The machine that talks to the controllers, for operators and tests.
    #[must_use]
    pub fn replicas(&self) -> Option<&Replicas> {
        self.controllers.as_ref().map(|mode| &mode.replicas)
    }

    /// The id of the role a controller gave this broker: 0 for the master, its own otherwise.
    #[must_use]
    pub fn elected_id(&self) -> Option<i64> {
        let has_role = self.controllers.is_some() && self.duty != Duty::Fenced;
        has_role.then_some(self.settings.broker.broker_id)
    }

    pub(super) fn tell_replicas(&mut self, now: Now, input: In) {
        if let Some(mode) = &mut self.controllers {
            mode.replicas.handle(now, input);
        }
    }

    /// Carries out what the two machines ask of each other and of the broker, until neither asks more.
    pub(super) fn drive_controllers(&mut self, now: Now) {
        if self.controllers.is_none() {
            return;
        }
        let progress = self.replication_progress();
        let log = LogPosition {
            epoch: progress.epoch,
            max: i64::try_from(progress.max).unwrap_or(i64::MAX),
            confirmed: i64::try_from(progress.confirm).unwrap_or(i64::MAX),
        };
        if let Some(mode) = &mut self.controllers {
            mode.replicas.note_log(log);
            if mode.replicas.deadline().is_some_and(|due| due <= now.mono) {
                mode.replicas.handle(now, In::Tick);
            }
        }
        loop {
            let asked = self.controllers.as_mut().and_then(|mode| mode.replicas.poll());
            if let Some(out) = asked {
                self.carry_out(now, out);
            } else if let Some(event) = self.replication_event() {
                self.replication_said(now, event);
            } else {
                break;
            }
        }
        self.ask_master_ha(now);
        self.follow_master(now);
        self.settle_progress(now);
        self.serve_slaves(now);
        self.release_stored(now);
    }

    fn carry_out(&mut self, now: Now, out: Out) {
        match out {
            Out::Call { to, token, command, timeout_ms } => {
                let own = self.token();
                if let Some(mode) = &mut self.controllers {
                    mode.calls.insert(own, token);
                }
                self.out.push_back(ServerOut::Call { to: Target::Addr(to), token: own, command, timeout_ms });
            }
            Out::Save { token, file, content } => {
                let own = IDENTITY_SAVES + token;
                if let Some(mode) = &mut self.controllers {
                    mode.saves.insert(own, token);
                }
                let path = self.settings.identity_path(file == IdentityFile::Application);
                self.out.push_back(ServerOut::Save { token: own, path, data: Bytes::from(content) });
            }
            Out::Become(role) => self.assign_role(now, role),
            Out::SetChanged { set_epoch, set, .. } => {
                self.command_replication(now, RoleCommand::InstallSyncStateSet { set, set_epoch });
            }
            Out::ProposalFailed => self.command_replication(now, RoleCommand::ProposalFailed),
        }
    }

    fn replication_said(&mut self, now: Now, event: HaEvent) {
        match event {
            HaEvent::ProposeSyncStateSet { set, set_epoch } => {
                self.tell_replicas(now, In::Want { set, set_epoch });
            }
            HaEvent::RoleInForce { epoch, .. } => self.role_in_force(now, epoch),
            HaEvent::RoleFailed { epoch, why } => self.role_failed(now, epoch, why),
        }
    }

    fn command_replication(&mut self, now: Now, command: RoleCommand) {
        if let Err(error) = self.replication_command(now, command) {
            tracing::warn!(%error, "the replication service refuses");
        }
    }

    /// Takes the answer to a call of the role machine; false when the token is none of its own.
    pub(super) fn controller_answered(
        &mut self,
        now: Now,
        token: u64,
        result: &Result<Command, CallError>,
    ) -> bool {
        let Some(mode) = &mut self.controllers else { return false };
        if let Some(token) = mode.calls.remove(&token) {
            mode.replicas.handle(now, In::Answer { token, result: result.clone() });
            return true;
        }
        self.master_ha_answered(now, token, result)
    }

    /// Takes the outcome of a save of an identity file; false when it was another file.
    pub(super) fn identity_saved(&mut self, now: Now, token: u64, result: &Result<(), String>) -> bool {
        let Some(mode) = &mut self.controllers else { return false };
        let Some(token) = mode.saves.remove(&token) else { return false };
        mode.replicas.handle(now, In::Saved { token, result: result.clone() });
        true
    }

    /// EXCHANGE_BROKER_HA_INFO (906) to a master: where it takes replicas.
    pub(in crate::broker) fn ha_info(&self) -> Reply {
        let durable = i64::try_from(self.store.log_bounds().durable).unwrap_or(i64::MAX);
        let ext = Ext::new()
            .with("masterHaAddress", self.settings.ha_address())
            .with("masterFlushOffset", durable)
            .with("masterAddress", self.settings.address());
        Reply::success().with_ext(ext)
    }

    /// NOTIFY_BROKER_ROLE_CHANGED (1008).
    pub(super) fn role_changed(&mut self, now: Now, frame: &Frame<'_>) -> Reply {
        let header = RoleChanged::parse(frame);
        let body: SyncStateSetBody = json::from_slice(frame.body()).unwrap_or_default();
        if let (Some(epoch), Some(id), Some(address)) =
            (header.master_epoch, header.master_broker_id, header.master_address)
        {
            let set_epoch = header.sync_state_set_epoch.unwrap_or(body.epoch);
            let master = Some((id, address.to_owned()));
            let election = Election { epoch, master, set_epoch, set: body.members };
            self.tell_replicas(now, In::Notified(election));
        }
        Reply::success()
    }
}
