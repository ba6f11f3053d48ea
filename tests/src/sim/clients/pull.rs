//! How consumers read: from a committed offset, or their own, with or without waiting; and commit.

use sansmq_core::wire::Command;
use sansmq_core::wire::code::response;

use super::member::Style;
use super::requests::{self, number, records};
use super::{Call, QUEUES};
use crate::messages::Pull;
use crate::sim::MS;
use crate::sim::invariants::Fact;
use crate::sim::world::World;

impl World {
    /// Asks for what a member's queues have.
    pub(super) fn read_queues(&mut self, index: usize, master: &str) {
        for queue in 0..QUEUES {
            if !self.may_read(index, queue) {
                continue;
            }
            let member = &mut self.client.members[index];
            let (app, place, style) = (member.app, member.place_of(queue), member.style);
            let own = &mut member.queues[queue];
            own.busy = true;
            let turn = own.turn;
            match own.next {
                Some(offset) => {
                    let mut pull = Pull::from(place.topic, offset);
                    (pull.queue, pull.group) = (queue as i32, place.group);
                    if style != Style::Pull {
                        pull.suspend_ms = 1_500;
                    }
                    let call = Call::Pull { member: index, queue, turn, offset };
                    self.client_calls(app, master, pull.command(), call);
                }
                None => {
                    let call = Call::Query { member: index, queue, turn };
                    self.client_calls(app, master, requests::query(&place), call);
                }
            }
        }
    }

    /// Where a group has come to in a queue.
    pub(super) fn offset_found(&mut self, index: usize, queue: usize, turn: u64, answer: Option<Command>) {
        let member = &mut self.client.members[index];
        let own = &mut member.queues[queue];
        if own.turn != turn {
            return;
        }
        own.busy = false;
        own.free_at = self.time + 50 * MS;
        match answer {
            Some(answer) if answer.code == response::SUCCESS => own.next = number(&answer, "offset"),
            Some(answer) if answer.code == response::QUERY_NOT_FOUND => own.next = Some(0),
            Some(_) => {}
            None => {
                let app = member.app;
                self.lose_target(app);
            }
        }
        let own = &mut self.client.members[index].queues[queue];
        own.committed = own.next.unwrap_or(0);
    }

    pub(super) fn pulled(
        &mut self,
        index: usize,
        queue: usize,
        turn: u64,
        offset: i64,
        addr: &str,
        answer: Option<Command>,
    ) {
        let member = &self.client.members[index];
        let (app, name, style, place) = (member.app, member.name, member.style, member.place_of(queue));
        if member.queues[queue].turn != turn {
            return;
        }
        let thinks = match style {
            Style::Pull => 200 * MS,
            Style::Orderly => self.dice.workload.between(0, 60) * MS,
            Style::Push | Style::Broadcast => 0,
        };
        let own = &mut self.client.members[index].queues[queue];
        own.busy = false;
        own.free_at = self.time + thinks;
        let Some(answer) = answer else { return self.lose_target(app) };
        let next = number(&answer, "nextBeginOffset");
        match answer.code {
            response::SUCCESS => {
                let read = records(&answer.body);
                own.next = Some(offset + read.len() as i64);
                self.oracle.shown(self.time, name, place, offset, &read);
            }
            response::PULL_NOT_FOUND | response::PULL_RETRY_IMMEDIATELY => {}
            response::PULL_OFFSET_MOVED => {
                // What it has is ahead of what this broker shows by now. Somebody who cares about repetitions waits.
                own.free_at = self.time + 200 * MS;
                self.say(&format!("{addr} moves {name} in queue {queue} from {offset} to {next:?}"));
            }
            code => {
                own.free_at = self.time + 200 * MS;
                let why = answer.remark.unwrap_or_default();
                self.say(&format!("{addr} answers {name} with {code} for queue {queue} at {offset}: {why}"));
                if code == response::SYSTEM_BUSY {
                    // a slave
                    self.lose_target(app);
                }
            }
        }
    }

    /// Commits now and then.
    pub(super) fn commit(&mut self, index: usize, master: &str) {
        let member = &self.client.members[index];
        if member.style == Style::Broadcast || member.next_commit > self.time {
            return;
        }
        let next = self.time + self.dice.workload.between(300, 1_500) * MS;
        self.client.members[index].next_commit = next;
        for queue in 0..QUEUES {
            self.commit_queue(index, queue, master);
        }
    }

    pub(super) fn commit_queue(&mut self, index: usize, queue: usize, master: &str) {
        let member = &mut self.client.members[index];
        let (app, place) = (member.app, member.place_of(queue));
        let own = &mut member.queues[queue];
        let Some(offset) = own.next.filter(|next| own.mine && *next > own.committed) else { return };
        own.committed = offset;
        self.oracle.tell(self.time, &Fact::Commits { place, offset });
        let call = Call::Commit { place, offset };
        self.client_calls(app, master, requests::commit(&place, offset), call);
    }
}
