//! What administrators do while everything runs.

use super::{Call, OPERATOR, requests};
use crate::sim::MS;
use crate::sim::world::World;

impl World {
    pub(super) fn administer(&mut self) {
        if self.client.next_topic > self.time {
            return;
        }
        self.client.next_topic = self.time + self.client.dice.between(1_000, 6_000) * MS;
        self.make_topic();
    }

    /// An operator asks the master for a topic.
    pub(in crate::sim) fn make_topic(&mut self) {
        let Some(master) = self.client.apps[OPERATOR].target.clone() else { return };
        self.client.topics += 1;
        let name = format!("Extra-{}", self.client.topics);
        self.client_calls(OPERATOR, &master, requests::create_topic(&name), Call::Topic { name });
    }
}
