//! A producer of the other set of brokers in the same containers: what happens to one broker of a container is no concern
//! of the next, and what that has acknowledged stays as well.

use std::collections::BTreeMap;

use sansmq_core::wire::Command;

use super::requests::{number, records, send};
use super::{Call, NEIGHBOUR, QUEUES};
use crate::messages::Pull;
use crate::sim::world::World;
use crate::sim::{MS, setup};

const TOPIC: &str = "Neighbour";

#[derive(Debug, Default)]
pub struct Neighbour {
    busy: bool,
    next_at: u64,
    sent: u64,
    /// What was acknowledged, by queue and offset.
    kept: BTreeMap<(usize, i64), u64>,
}

impl World {
    pub(super) fn produce_beside(&mut self) {
        let own = &self.client.neighbour;
        if !self.settings.containers || own.busy || own.next_at > self.time {
            return;
        }
        let Some(master) = self.client.apps[NEIGHBOUR].target.clone() else { return };
        let queue = self.dice.workload.roll(QUEUES as u64) as usize;
        let own = &mut self.client.neighbour;
        (own.busy, own.sent) = (true, own.sent + 1);
        let message = own.sent;
        let command = send(TOPIC, queue, message, &[]);
        self.client_calls(NEIGHBOUR, &master, command, Call::Neighbour { message, queue });
    }

    pub(super) fn sent_beside(&mut self, message: u64, queue: usize, answer: Option<Command>) {
        let pace = self.dice.workload.between(1, 4 * self.client.pace_ms);
        let own = &mut self.client.neighbour;
        (own.busy, own.next_at) = (false, self.time + pace * MS);
        match answer.filter(|answer| answer.code == 0).and_then(|answer| number(&answer, "queueOffset")) {
            Some(offset) => {
                if let Some(other) = own.kept.insert((queue, offset), message)
                    && !self.oracle.may_lose
                {
                    self.oracle.fail(format!("neighbour: {other} and {message} at {queue}/{offset}"));
                }
            }
            None => self.lose_target(NEIGHBOUR),
        }
    }

    /// Everything it was promised is there.
    pub(in crate::sim) fn examine_neighbour(&mut self, master: usize) {
        let addr = format!("{}:{}", setup::ip(master), setup::NEIGHBOUR.port);
        let mut found = BTreeMap::new();
        for queue in 0..QUEUES {
            let mut next = 0;
            loop {
                let mut pull = Pull::from(TOPIC, next);
                (pull.queue, pull.group) = (queue as i32, "examiner");
                let answer = self.ask(&addr, pull.command());
                let read = answer.filter(|answer| answer.code == 0).map(|answer| records(&answer.body));
                let Some(read) = read.filter(|read| !read.is_empty()) else { break };
                next += read.len() as i64;
                found.extend(read.into_iter().map(|(offset, body)| ((queue, offset), body)));
            }
        }
        let kept = std::mem::take(&mut self.client.neighbour.kept);
        if self.oracle.may_lose {
            return;
        }
        for (place, message) in kept {
            let body = super::super::ledger::body_of(message);
            if found.get(&place).is_none_or(|found| *found != body.as_bytes()) {
                let text =
                    format!("neighbour: message {message} was acknowledged at {place:?} and is not there");
                self.oracle.fail(text);
            }
        }
    }
}
