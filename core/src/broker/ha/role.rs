//! Taking and leaving roles (`spec/ha.md#b9`).

use std::collections::BTreeSet;

use super::{HaEvent, Progress, ReplicaId, Role, RoleCommand, RoleError};
use crate::broker::persist::File;
use crate::broker::revive::Revival;
use crate::broker::{Broker, schedule};
use crate::ha::epoch::EpochEntry;
use crate::ha::sync_set::SyncStateSet;
use crate::store::{Store, TruncateError};
use crate::time::Now;

impl<S: Store> Broker<S> {
    /// Carries a word of the role machine out; [`HaEvent`]s tell what became of it.
    ///
    /// # Errors
    /// [`RoleError`]; nothing has changed.
    pub fn take_role(&mut self, now: Now, command: RoleCommand) -> Result<(), RoleError> {
        match command {
            RoleCommand::BecomeMaster { own, epoch, set, set_epoch } => {
                self.become_master(now, own, epoch, set, set_epoch)?;
            }
            RoleCommand::BecomeSlave { own, epoch, master, master_ha_address } => {
                self.become_slave(now, own, epoch, master, master_ha_address)?;
            }
            RoleCommand::MasterHaAddress(address) => self.follow_address(now, address),
            RoleCommand::InstallSyncStateSet { set, set_epoch } => {
                if let Some(current) = &mut self.ha.set {
                    current.install(set, set_epoch);
                }
                self.confirm_and_propose(now);
                self.release_durable(now);
            }
            RoleCommand::ProposalFailed => {
                if let Some(set) = &mut self.ha.set {
                    set.proposal_failed(now.mono);
                }
            }
            RoleCommand::StepDown => {
                self.leave_roles();
                self.ha.role = Role::None;
            }
        }
        self.drive_ha(now);
        Ok(())
    }

    /// What became of the words given to [`Broker::take_role`], and what the service asks for; drain it after every
    /// call.
    pub fn poll_ha_event(&mut self) -> Option<HaEvent> {
        self.ha.events.pop_front()
    }

    /// How far the log is.
    #[must_use]
    pub fn log_progress(&self) -> Progress {
        let max = self.store.log_bounds().max;
        Progress { max, confirm: self.confirmed().min(max), epoch: self.ha.epochs().last_epoch() }
    }

    /// Whether bytes of a master's log arrive: not before both have found out where their logs part.
    #[must_use]
    pub fn follows(&self) -> bool {
        self.ha.follows()
    }

    fn check_epoch(&self, given: i32) -> Result<(), RoleError> {
        let own = self.ha.epochs().last_epoch();
        if given < own { Err(RoleError::StaleEpoch { own, given }) } else { Ok(()) }
    }

    fn become_master(
        &mut self,
        now: Now,
        own: ReplicaId,
        epoch: i32,
        set: BTreeSet<ReplicaId>,
        set_epoch: i32,
    ) -> Result<(), RoleError> {
        self.check_epoch(epoch)?;
        if !set.contains(&own) {
            return Err(RoleError::NotInSet { own, set });
        }
        let in_force = matches!(self.ha.role, Role::Master | Role::Saving { .. });
        if in_force && self.ha.epochs.last_epoch() == epoch {
            // the same word again
            if let Some(current) = &mut self.ha.set {
                current.install(set, set_epoch);
            }
            self.confirm_and_propose(now);
            if self.ha.is_master() {
                self.ha.events.push_back(HaEvent::RoleInForce { epoch, master: true });
            }
            return Ok(());
        }
        if !in_force {
            self.leave_roles();
        }
        self.ha.role = Role::Promoting { own, epoch, set, set_epoch };
        self.promote(now);
        Ok(())
    }

    /// Goes on becoming master: the front of a record whose rest will never come is cut off, then the epoch
    /// begins where the log ends. Whole records stay: they are part of the new master's history.
    pub(super) fn promote(&mut self, now: Now) {
        let Role::Promoting { own, epoch, set, set_epoch } = &self.ha.role else { return };
        let (own, epoch, set, set_epoch) = (*own, *epoch, set.clone(), *set_epoch);
        match self.store.truncate_to(now, self.store.whole_end()) {
            Ok(()) => {}
            Err(TruncateError::Busy) => return,
            Err(error) => {
                self.ha.role = Role::None;
                self.ha.events.push_back(HaEvent::RoleFailed { epoch, why: error.to_string() });
                return;
            }
        }
        let start = self.store.log_bounds().max;
        // A master that restarts into its own epoch goes on with it where it began: were it to begin anew here, its
        // own bytes would count as the epoch's before, and a stale master of that one would not part with its own.
        // Controllers of ours elect a restarted master anew, so that this is another epoch.
        self.ha.epochs.drop_from_offset(start + 1);
        let goes_on = self.ha.epochs.last_epoch() == epoch;
        let begun = if goes_on { Ok(false) } else { self.ha.epochs.push(EpochEntry { epoch, start }) };
        if let Err(error) = begun {
            self.ha.role = Role::None;
            self.ha.events.push_back(HaEvent::RoleFailed { epoch, why: error.to_string() });
            return;
        }
        let late = u64::try_from(self.settings.store.ha_max_time_slave_not_catchup).unwrap_or(15_000);
        let confirmed = self.store.confirmed();
        let members = SyncStateSet::new(own, set, set_epoch, start, confirmed, late, now.mono);
        self.ha.set = Some(members);
        self.ha.role = Role::Saving { epoch };
        self.ha.role_save = Some(self.persist.mark(File::Epochs));
        self.start_saves(now);
    }

    /// The epoch file with the new epoch is written: the role is in force.
    pub(super) fn role_saved(&mut self, now: Now, token: u64, result: &Result<(), String>) {
        if self.ha.role_save.is_none_or(|waiting| waiting > token) {
            return;
        }
        self.ha.role_save = None;
        let Role::Saving { epoch } = self.ha.role else { return };
        if let Err(why) = result {
            self.leave_roles();
            self.ha.role = Role::None;
            self.ha.events.push_back(HaEvent::RoleFailed { epoch, why: why.clone() });
            return;
        }
        self.ha.role = Role::Master;
        self.ha.events.push_back(HaEvent::RoleInForce { epoch, master: true });
        self.restart_services(now);
        self.confirm_and_propose(now);
    }

    fn become_slave(
        &mut self,
        now: Now,
        own: ReplicaId,
        epoch: i32,
        master: ReplicaId,
        address: Option<String>,
    ) -> Result<(), RoleError> {
        self.check_epoch(epoch)?;
        if own == master {
            return Err(RoleError::OwnSlave(own));
        }
        if self.ha.role != Role::Slave {
            self.leave_roles();
            self.ha.role = Role::Slave;
        }
        if self.ha.slave.is_none() {
            let (end, kept) = (self.replica_end(), self.kept_end());
            self.ha.slave = Some(self.ha.slave_machine(&self.settings, Some(own), now, end, kept));
        }
        self.tables_come_first(now);
        self.follow_address(now, address);
        self.ha.events.push_back(HaEvent::RoleInForce { epoch, master: false });
        Ok(())
    }

    /// Ends what the present role does.
    fn leave_roles(&mut self) {
        self.close_sessions();
        self.drop_link();
        if let Some(slave) = self.ha.slave.take() {
            self.ha.epochs = slave.epochs().clone();
        }
        self.ha.cut = None;
        self.ha.saves.clear();
        self.ha.role_save = None;
        self.ha.set = None;
        self.progress.forget();
        self.timers.forget_checkpoint();
    }

    /// What is derived from the log is read anew: the log is another one than when it was read last.
    pub(in crate::broker) fn restart_services(&mut self, now: Now) {
        let delays = self.schedule.snapshot().clone();
        self.schedule = schedule::Schedule::new(&self.settings.delay_levels, delays, now);
        let interval = self.settings.broker.transaction_check_interval;
        self.transactions.restart(now, interval, self.store.log_bounds().max);
        let checkpoint = *self.timers.checkpoint();
        self.timers.restart(&self.settings, now);
        if self.ha.is_master() {
            self.start_transactions(now);
        }
        self.load_timers(now, Some(checkpoint));
        self.revival = Revival::new(self.settings.broker.revive_queue_num, now);
    }
}
