//! The replication service as controller mode sees it.

use crate::broker::Broker;
use crate::broker::ha::{HaEvent, Progress, RoleCommand, RoleError};
use crate::store::Store;
use crate::time::Now;

impl<S: Store> Broker<S> {
    pub(super) fn replication_command(&mut self, now: Now, command: RoleCommand) -> Result<(), RoleError> {
        self.take_role(now, command)
    }

    pub(super) fn replication_event(&mut self) -> Option<HaEvent> {
        self.poll_ha_event()
    }

    pub(in crate::broker) fn replication_progress(&self) -> Progress {
        self.log_progress()
    }
}
