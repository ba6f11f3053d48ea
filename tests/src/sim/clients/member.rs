//! Consumers: one that pulls, two that share a group, two of an orderly group, and two that see everything each.

use super::{ORDERLY, QUEUES, TOPIC};
use crate::sim::invariants::{Fact, Place};
use crate::sim::world::World;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Short pulls, all queues, offsets committed now and then.
    Pull,
    /// Long polling of a share of the queues.
    Push,
    /// The same, with a lock on each queue.
    Orderly,
    /// Long polling of all queues, offsets kept to itself.
    Broadcast,
}

/// A queue, as a member has it.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    pub mine: bool,
    /// Counts the times it came and went: answers to what was asked before are of no use.
    pub turn: u64,
    /// A request about it is under way.
    pub busy: bool,
    /// What to read next, once that is known.
    pub next: Option<i64>,
    pub committed: i64,
    /// Not before then.
    pub free_at: u64,
    /// The lock counts until then.
    pub locked_until: Option<u64>,
    /// The server may handle an unlock later than the next lock.
    pub doubtful: bool,
}

#[derive(Clone, Debug)]
pub struct Member {
    pub app: usize,
    /// Also the id of its client.
    pub name: &'static str,
    pub style: Style,
    /// Its group and topic.
    pub place: Place,
    pub queues: Vec<Queue>,
    pub asks_members: bool,
    pub next_members: u64,
    pub locking: bool,
    pub next_lock: u64,
    pub next_commit: u64,
}

impl Member {
    fn new(app: usize, name: &'static str, group: &'static str, topic: &'static str, style: Style) -> Self {
        let alone = matches!(style, Style::Pull | Style::Broadcast);
        let queue = Queue { mine: alone, next: alone.then_some(0), ..Queue::default() };
        Member {
            app,
            name,
            style,
            place: Place { group, topic, queue: 0 },
            queues: vec![queue; QUEUES],
            asks_members: false,
            next_members: 0,
            locking: false,
            next_lock: 0,
            next_commit: 0,
        }
    }

    pub fn broadcast(&self) -> bool {
        self.style == Style::Broadcast
    }

    pub fn shares(&self) -> bool {
        matches!(self.style, Style::Push | Style::Orderly)
    }

    pub fn place_of(&self, queue: usize) -> Place {
        Place { queue, ..self.place }
    }

    /// Who has to see everything: the group, or each member of a broadcast group.
    fn reader(&self) -> &'static str {
        if self.broadcast() { self.name } else { self.place.group }
    }
}

/// Everybody who consumes; their applications are numbered from `first` on.
pub fn all(first: usize) -> Vec<Member> {
    let members = [
        ("reader", "readers", TOPIC, Style::Pull),
        ("sharer-1", "sharers", TOPIC, Style::Push),
        ("sharer-2", "sharers", TOPIC, Style::Push),
        ("keeper-1", "keepers", ORDERLY, Style::Orderly),
        ("keeper-2", "keepers", ORDERLY, Style::Orderly),
        ("hearer-1", "hearers", TOPIC, Style::Broadcast),
        ("hearer-2", "hearers", TOPIC, Style::Broadcast),
    ];
    let numbered = members.into_iter().enumerate();
    numbered
        .map(|(at, (name, group, topic, style))| Member::new(first + at, name, group, topic, style))
        .collect()
}

impl World {
    pub(super) fn members_join(&mut self) {
        for member in 0..self.client.members.len() {
            let (reader, topic) =
                (self.client.members[member].reader(), self.client.members[member].place.topic);
            self.oracle.tell(self.time, &Fact::Joins { reader, topic });
        }
    }

    /// Does what a member has to do now.
    pub(super) fn consume(&mut self, index: usize) {
        let app = self.client.members[index].app;
        let Some(master) = self.client.apps[app].target.clone() else { return };
        if self.client.members[index].shares() {
            self.share(index, &master);
        }
        if self.client.members[index].style == Style::Orderly {
            self.lock_queues(index, &master);
        }
        self.commit(index, &master);
        self.read_queues(index, &master);
    }

    /// An application has lost its master: what that has granted does not count any more.
    pub(super) fn members_lose_target(&mut self, app: usize) {
        for index in 0..self.client.members.len() {
            if self.client.members[index].app != app {
                continue;
            }
            self.client.members[index].next_members = 0;
            for queue in 0..QUEUES {
                self.let_go(index, queue);
            }
        }
    }

    /// The lock on a queue counts no more.
    pub(super) fn let_go(&mut self, index: usize, queue: usize) {
        let member = &mut self.client.members[index];
        if member.queues[queue].locked_until.take().is_some() {
            // what was asked under the lock is of no use any more
            (member.queues[queue].turn, member.queues[queue].busy) = (member.queues[queue].turn + 1, false);
            let (name, place) = (member.name, member.place_of(queue));
            self.oracle.tell(self.time, &Fact::LetsGo { member: name, place });
        }
    }
}
