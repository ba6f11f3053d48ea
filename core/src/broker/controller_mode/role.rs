//! What a role changes in a broker (`ReplicasManager.changeToMaster`, `changeToSlave`; `spec/ha.md` B.9).
//!
//! First the broker stops what the new role forbids, then the replication service takes the role, and when it
//! is in force the broker starts what the role allows. Each step may be done twice; the epoch counts as adopted
//! after the last.

use crate::broker::Broker;
use crate::broker::duty::Duty;
use crate::broker::ha::RoleCommand;
use crate::broker::replicas::{Assignment, In};
use crate::store::Store;
use crate::time::{Mono, Now};
use crate::wire::code::{request, response};
use crate::wire::{CallError, Command, Ext, ServerOut, Target};

/// A master that gives no answer to where it takes replicas is asked again after this long.
const ASK_MS: u64 = 500;
/// One that answers that it is no master has been elected but has not heard of it yet.
const ASK_SOON_MS: u64 = 20;
const ASK_TIMEOUT_MS: u64 = 1_000;

/// A slave's search for the address its master takes replicas at.
#[derive(Debug, Default)]
pub(super) struct MasterHa {
    /// Address of the master that is asked.
    master: Option<String>,
    asking: Option<u64>,
    due: Mono,
    found: Option<String>,
}

impl MasterHa {
    pub fn deadline(&self) -> Option<Mono> {
        (self.master.is_some() && self.asking.is_none() && self.found.is_none()).then_some(self.due)
    }
}

impl<S: Store> Broker<S> {
    pub(super) fn assign_role(&mut self, now: Now, role: Assignment) {
        let epoch = role.epoch;
        if !role.is_master() && self.is_master() {
            self.stop_being_master(now, Duty::Slave);
        }
        let command = if role.is_master() {
            self.follow(None);
            self.follow_tables(now, None);
            let (own, set, set_epoch) = (role.own, role.set.clone(), role.set_epoch);
            RoleCommand::BecomeMaster { own, epoch, set, set_epoch }
        } else {
            let (own, master) = (role.own, role.master);
            RoleCommand::BecomeSlave { own, epoch, master, master_ha_address: None }
        };
        if let Some(mode) = &mut self.controllers {
            mode.taking = Some(role);
        }
        if let Err(error) = self.replication_command(now, command) {
            self.role_failed(now, epoch, error.to_string());
        }
    }

    pub(super) fn role_failed(&mut self, now: Now, epoch: i32, why: String) {
        if let Some(mode) = &mut self.controllers {
            mode.taking.take_if(|role| role.epoch == epoch);
        }
        self.tell_replicas(now, In::Became { epoch, result: Err(why) });
    }

    /// The log follows the new role: now everything else does.
    pub(super) fn role_in_force(&mut self, now: Now, epoch: i32) {
        let Some(mode) = &mut self.controllers else { return };
        let Some(role) = mode.taking.take_if(|role| role.epoch == epoch) else { return };
        if role.is_master() {
            self.settings.broker.broker_id = 0;
            if self.duty != Duty::Master {
                self.duty = Duty::Master;
                self.start_being_master(now);
            }
        } else {
            self.duty = Duty::Slave;
            self.settings.broker.broker_id = role.own;
            self.follow(Some(role.master_address.clone()));
            self.follow_tables(now, Some((role.master_address.clone(), epoch, role.own)));
        }
        self.topics.enter_epoch(now.wall_ms, epoch.into());
        self.persist.mark(crate::broker::persist::File::Topics);
        self.registration.release(now);
        self.tell_replicas(now, In::Became { epoch, result: Ok(()) });
    }

    /// Tables a slave followed are the master's now. The replication service has started what depends on the log.
    fn start_being_master(&mut self, now: Now) {
        let store = &self.store;
        self.offsets
            .clamp(|topic, queue| store.queue_bounds(topic, queue, u64::MAX).map_or(0, |bounds| bounds.max));
        self.served.restart();
        self.persist.count();
        self.registration.request(now);
    }

    /// A broker that is no master any more stores nothing, and keeps nobody waiting for what it had.
    fn stop_being_master(&mut self, now: Now, duty: Duty) {
        self.duty = duty;
        self.answer_all_held(now);
        self.refuse_waiting();
        self.stop_serving(now);
    }

    /// Turns to another master, or to none. The same one in a new epoch is asked again: the replication service has
    /// forgotten its address with the old role.
    fn follow(&mut self, master: Option<String>) {
        if let Some(mode) = &mut self.controllers {
            mode.master_ha = MasterHa { master, ..MasterHa::default() };
        }
    }

    /// Asks the master where it takes replicas (906 without an address of one's own): the NameServer's word may be
    /// half a minute old.
    pub(super) fn ask_master_ha(&mut self, now: Now) {
        let token = self.next_token + 1;
        let Some(mode) = &mut self.controllers else { return };
        if mode.master_ha.deadline().is_none_or(|due| due > now.mono) {
            return;
        }
        let Some(master) = mode.master_ha.master.clone() else { return };
        mode.master_ha.asking = Some(token);
        mode.master_ha.due = now.mono.plus_ms(ASK_MS);
        self.next_token = token;
        let command = Command::request(request::EXCHANGE_BROKER_HA_INFO, Ext::new());
        let to = Target::Addr(master);
        self.out.push_back(ServerOut::Call { to, token, command, timeout_ms: ASK_TIMEOUT_MS });
    }

    pub(super) fn master_ha_answered(
        &mut self,
        now: Now,
        token: u64,
        result: &Result<Command, CallError>,
    ) -> bool {
        let Some(mode) = &mut self.controllers else { return false };
        if mode.master_ha.asking.take_if(|asking| *asking == token).is_none() {
            return false;
        }
        let answer = result.as_ref().ok().filter(|answer| answer.code == response::SUCCESS);
        let address = answer.and_then(|answer| answer.ext_text("masterHaAddress"));
        if let Some(address) = address.filter(|address| !address.is_empty()) {
            mode.master_ha.found = Some(address.clone());
            self.command_replication(now, RoleCommand::MasterHaAddress(Some(address)));
        } else if result.is_ok() {
            mode.master_ha.due = now.mono.plus_ms(ASK_SOON_MS);
        }
        true
    }
}
