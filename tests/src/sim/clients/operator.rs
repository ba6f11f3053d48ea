//! What administrators do while everything runs: make and delete topics, hand the mastership about, change settings,
//! throw away what has expired.

use sansmq_core::wire::code::request;
use sansmq_core::wire::{Command, Ext};

use super::{Call, OPERATOR, requests};
use crate::sim::invariants::Fact;
use crate::sim::world::World;
use crate::sim::{BROKERS, CONTROLLERS, MS, setup};

impl World {
    pub(super) fn administer(&mut self) {
        if self.client.next_topic > self.time {
            return;
        }
        self.client.next_topic = self.time + self.dice.workload.between(500, 4_000) * MS;
        match self.dice.workload.roll(8) {
            0..=2 => self.make_topic(),
            3 => self.delete_topic(),
            4 => self.change_settings(),
            5 => self.throw_away(),
            // not while the last copy of something may be at stake
            6 | 7 if self.time < self.fragile_until => {}
            6 if self.client.meddles => self.ask_for_master(),
            7 if self.client.meddles => self.take_out(),
            _ => {}
        }
    }

    fn order(&mut self, addr: &str, command: Command) {
        self.client_calls(OPERATOR, addr, command, Call::Order);
    }

    /// An operator asks the master for a topic.
    pub(in crate::sim) fn make_topic(&mut self) {
        let Some(master) = self.client.apps[OPERATOR].target.clone() else { return };
        self.client.topics += 1;
        let name = format!("Extra-{}", self.client.topics);
        self.client_calls(OPERATOR, &master, requests::create_topic(&name), Call::Topic { name });
    }

    /// One of the topics goes. Nobody was told yet, so from now on it may be there or not.
    fn delete_topic(&mut self) {
        let Some(master) = self.client.apps[OPERATOR].target.clone() else { return };
        let Some(name) = self.oracle.topics.pop_first() else { return };
        self.say(&format!("{name} is to be deleted"));
        self.oracle.tell(self.time, &Fact::Deleted { topic: &name });
        let command = Command::request(request::DELETE_TOPIC_IN_BROKER, Ext::new().with("topic", name));
        self.order(&master, command);
    }

    /// Settings that change who is in the SyncStateSet, and how many have to be.
    fn change_settings(&mut self) {
        let Some(master) = self.client.apps[OPERATOR].target.clone() else { return };
        let text = match self.dice.workload.roll(3) {
            0 => format!("haMaxTimeSlaveNotCatchup={}", self.dice.workload.between(2_000, 15_000)),
            // a broker whose file wants more replicas at least than at most is not taken back into its container
            _ => {
                let least = self.dice.workload.between(1, 2);
                format!("minInSyncReplicas={least}\ninSyncReplicas={}", self.dice.workload.between(least, 3))
            }
        };
        self.say(&format!("{master} is told {text}"));
        self.order(&master, Command::request(request::UPDATE_BROKER_CONFIG, Ext::new()).with_body(text));
    }

    fn throw_away(&mut self) {
        let Some(master) = self.client.apps[OPERATOR].target.clone() else { return };
        let codes = [
            request::CLEAN_UNUSED_TOPIC,
            request::CLEAN_EXPIRED_CONSUMEQUEUE,
            request::DELETE_EXPIRED_COMMITLOG,
        ];
        let code = self.dice.workload.pick(&codes);
        self.order(&master, Command::request(code, Ext::new()));
    }

    /// A broker leaves its container, for a while.
    fn take_out(&mut self) {
        if !self.settings.containers {
            return;
        }
        let set = self.dice.workload.pick(&[setup::MAIN, setup::NEIGHBOUR]);
        let machine = BROKERS.start + self.dice.workload.roll(BROKERS.len() as u64) as usize;
        let back = self.time + self.dice.workload.between(100, 4_000) * MS;
        self.client.away.retain(|(at, of, _)| *at != machine || *of != set);
        self.client.away.push((machine, set, back));
        self.say(&format!("{} of container {machine} is to go", set.name));
        let fields = Ext::new()
            .with("brokerClusterName", "DefaultCluster")
            .with("brokerName", set.name)
            .with("brokerId", -1);
        self.order(&container(machine), Command::request(request::REMOVE_BROKER, fields));
    }

    /// It is asked for whenever it is not there: the order to go may take effect late.
    pub(super) fn bring_back(&mut self) {
        for index in 0..self.client.away.len() {
            let (machine, set, at) = self.client.away[index];
            if at > self.time {
                continue;
            }
            self.client.away[index].2 = self.time + 500 * MS;
            let node = self.machines[machine].node.as_ref();
            if node.is_none_or(|node| setup::broker_in(node, set).is_none()) {
                let fields = Ext::new().with("configPath", set.file);
                self.order(&container(machine), Command::request(request::ADD_BROKER, fields));
            }
        }
    }

    /// Another master, by the word of whichever controller is asked.
    fn ask_for_master(&mut self) {
        self.client.meddled_at = Some(self.time);
        let controllers: Vec<usize> = CONTROLLERS.collect();
        let controller = self.dice.workload.pick(&controllers);
        let addr = format!("{}:{}", setup::ip(controller), setup::CONTROLLER_PORT);
        let fields = Ext::new()
            .with("clusterName", "DefaultCluster")
            .with("brokerName", setup::BROKER_NAME)
            .with("brokerId", self.dice.workload.between(1, 3) as i64)
            .with("designateElect", true);
        self.order(&addr, Command::request(request::CONTROLLER_ELECT_MASTER, fields));
    }
}

/// Where a container listens.
fn container(machine: usize) -> String {
    format!("{}:{}", setup::ip(machine), setup::CONTAINER_PORT)
}
