//! What controllers are asked. Addresses come as a list separated by `;`; where one answer is enough, the first
//! controller that can give it does.

use sansmq_core::body::{BrokerReplicasInfo, EpochCacheInfo, HaStatus};
use sansmq_core::json::{Style, to_vec};
use sansmq_core::wire::code::request;
use sansmq_core::wire::{Command, Ext};

use super::{accepted, read_body};
use crate::app::World;
use crate::failure::Failure;

/// What a controller knows of its group; a member it does not tell is absent.
pub struct ControllerMetadata {
    pub group: Option<String>,
    pub leader_id: Option<String>,
    /// `host:port`.
    pub leader_address: Option<String>,
    /// `id:host:port`, in the order told.
    pub peers: Vec<String>,
}

/// The addresses of a list.
fn addresses(list: &str) -> Vec<String> {
    list.split(';').map(str::trim).filter(|addr| !addr.is_empty()).map(str::to_owned).collect()
}

fn no_address(controllers: &str) -> Failure {
    Failure::input(format!("-a {controllers:?}: expected host:port[;host:port...]"))
}

impl World {
    /// What the first controller that answers knows of the group.
    ///
    /// # Errors
    /// [`Failure::Input`] for an empty list, or the last controller's failure.
    pub fn controller_metadata(&mut self, controllers: &str) -> Result<ControllerMetadata, Failure> {
        self.first_of(controllers, World::metadata_of)
    }

    /// The address of the leader, as the first controller says that knows one.
    ///
    /// # Errors
    /// As [`World::controller_metadata`]; [`Failure::Input`] when no controller knows a leader.
    pub fn controller_leader(&mut self, controllers: &str) -> Result<String, Failure> {
        self.first_of(controllers, |world, controller| {
            let leader = world.metadata_of(controller)?.leader_address.filter(|addr| !addr.is_empty());
            leader.ok_or_else(|| Failure::input(format!("the controller {controller} knows no leader")))
        })
    }

    /// Asks the leader of the controllers.
    ///
    /// # Errors
    /// As [`World::controller_leader`], or the leader's refusal.
    pub fn ask_controller(&mut self, controllers: &str, command: Command) -> Result<Command, Failure> {
        let leader = self.controller_leader(controllers)?;
        accepted(self.client.call(&leader, command)?, None)
    }

    /// Asks every controller of a list the same; the first failure ends it and names the controller where
    /// there are several.
    ///
    /// # Errors
    /// [`Failure::Input`] for an empty list, a refusal, or a client error.
    pub fn tell_controllers(
        &mut self,
        controllers: &str,
        command: &Command,
    ) -> Result<Vec<(String, Command)>, Failure> {
        let list = addresses(controllers);
        if list.is_empty() {
            return Err(no_address(controllers));
        }
        let mut answers = Vec::with_capacity(list.len());
        for controller in &list {
            let answer = accepted(self.client.call(controller, command.clone())?, None);
            let answer = answer.map_err(|failure| match list.len() {
                1 => failure,
                _ => Failure::input(format!("{controller}: {failure}")),
            })?;
            answers.push((controller.clone(), answer));
        }
        Ok(answers)
    }

    /// The sets of replicas of those names; unknown names are left out.
    ///
    /// # Errors
    /// As [`World::ask_controller`].
    pub fn sync_state(&mut self, controllers: &str, names: &[String]) -> Result<BrokerReplicasInfo, Failure> {
        const CODE: i32 = request::CONTROLLER_GET_SYNC_STATE_DATA;
        let body = to_vec(&names.to_vec(), Style::Fastjson);
        read_body(
            CODE,
            &self.ask_controller(controllers, Command::request(CODE, Ext::new()).with_body(body))?,
        )
    }

    /// A broker's epochs.
    ///
    /// # Errors
    /// The broker's refusal.
    pub fn epochs(&mut self, broker: &str) -> Result<EpochCacheInfo, Failure> {
        const CODE: i32 = request::GET_BROKER_EPOCH_CACHE;
        read_body(CODE, &self.ask(broker, CODE, Ext::new())?)
    }

    /// How a broker's replication goes.
    ///
    /// # Errors
    /// The broker's refusal.
    pub fn ha_status(&mut self, broker: &str) -> Result<HaStatus, Failure> {
        const CODE: i32 = request::GET_BROKER_HA_STATUS;
        read_body(CODE, &self.ask(broker, CODE, Ext::new())?)
    }

    fn metadata_of(&mut self, controller: &str) -> Result<ControllerMetadata, Failure> {
        let command = Command::request(request::CONTROLLER_GET_METADATA_INFO, Ext::new());
        let answer = accepted(self.client.call(controller, command)?, None)?;
        Ok(ControllerMetadata {
            group: answer.ext_text("group"),
            leader_id: answer.ext_text("controllerLeaderId"),
            leader_address: answer.ext_text("controllerLeaderAddress"),
            peers: addresses(&answer.ext_text("peers").unwrap_or_default()),
        })
    }

    fn first_of<T>(
        &mut self,
        controllers: &str,
        ask: impl Fn(&mut Self, &str) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut last = no_address(controllers);
        for controller in addresses(controllers) {
            match ask(self, &controller) {
                Ok(found) => return Ok(found),
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }
}
