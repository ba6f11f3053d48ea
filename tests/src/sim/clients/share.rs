//! How the members of a group share queues: by the broker's list of members, each for itself; and locks.

use sansmq_core::broker::assignment::LockBatch;
use sansmq_core::json::{self, Json};
use sansmq_core::wire::Command;

use super::member::Style;
use super::{Call, QUEUES, requests};
use crate::sim::MS;
use crate::sim::invariants::Fact;
use crate::sim::world::World;

/// A member takes a lock for its own this long.
const LOCK: u64 = 30_000 * MS;

impl World {
    /// Asks who else there is, now and then.
    pub(super) fn share(&mut self, index: usize, master: &str) {
        let member = &mut self.client.members[index];
        if member.asks_members || member.next_members > self.time {
            return;
        }
        member.asks_members = true;
        member.next_members = self.time + 1_000 * MS;
        let (app, command) = (member.app, requests::members(member.place.group));
        self.client_calls(app, master, command, Call::Members { member: index });
    }

    /// A broker says that members came or went.
    pub(super) fn members_changed(&mut self, app: usize) {
        for member in self.client.members.iter_mut().filter(|member| member.app == app) {
            member.next_members = 0;
        }
    }

    pub(super) fn members_listed(&mut self, index: usize, answer: Option<Command>) {
        let member = &mut self.client.members[index];
        member.asks_members = false;
        let (app, name) = (member.app, member.name);
        let Some(answer) = answer else { return self.lose_target(app) };
        let body = json::parse(&answer.body).ok();
        let list = body.as_ref().and_then(|body| body.get("consumerIdList"));
        let Some(Json::Array(ids)) = list.filter(|_| answer.code == 0) else { return };
        let mut ids: Vec<&str> = ids.iter().filter_map(Json::as_str).collect();
        ids.sort_unstable();
        ids.dedup();
        // who is not on the list waits until its heartbeat was heard
        let Some(own) = ids.iter().position(|id| *id == name) else { return };
        for queue in 0..QUEUES {
            let mine = queue % ids.len() == own;
            if mine != self.client.members[index].queues[queue].mine {
                self.hand_over(index, queue, mine);
            }
        }
    }

    /// A queue comes or goes.
    fn hand_over(&mut self, index: usize, queue: usize, mine: bool) {
        let target = self.client.apps[self.client.members[index].app].target.clone();
        if !mine {
            if let Some(master) = &target {
                self.commit_queue(index, queue, master);
            }
            let had_lock = self.client.members[index].queues[queue].locked_until.is_some();
            self.let_go(index, queue);
            if had_lock {
                self.unlock(index, queue);
            }
        }
        let own = &mut self.client.members[index].queues[queue];
        (own.mine, own.busy, own.next, own.committed) = (mine, false, None, 0);
        own.turn += 1;
        let name = self.client.members[index].name;
        self.say(&format!("{name} {} queue {queue}", if mine { "takes" } else { "leaves" }));
    }

    /// Takes and renews locks on the member's queues.
    pub(super) fn lock_queues(&mut self, index: usize, master: &str) {
        let now = self.time;
        for queue in 0..QUEUES {
            if self.client.members[index].queues[queue].locked_until.is_some_and(|until| until <= now) {
                self.let_go(index, queue);
            }
        }
        let member = &mut self.client.members[index];
        let mine = |queue: &usize| member.queues[*queue].mine;
        let missing = (0..QUEUES).filter(mine).any(|queue| member.queues[queue].locked_until.is_none());
        if member.locking || member.next_lock > now + if missing { 4_500 * MS } else { 0 } {
            return;
        }
        let queues: Vec<(usize, u64)> =
            (0..QUEUES).filter(mine).map(|queue| (queue, member.queues[queue].turn)).collect();
        if queues.is_empty() {
            return;
        }
        let places: Vec<_> = queues.iter().map(|(queue, _)| member.place_of(*queue)).collect();
        let (app, command) = (member.app, requests::lock(true, member.name, &places));
        member.locking = true;
        member.next_lock = now + 5_000 * MS;
        self.client_calls(app, master, command, Call::Lock { member: index, queues });
    }

    pub(super) fn locked(
        &mut self,
        index: usize,
        queues: &[(usize, u64)],
        answer: Option<Command>,
        link: Option<u64>,
    ) {
        let member = &mut self.client.members[index];
        member.locking = false;
        let (app, name) = (member.app, member.name);
        let Some((answer, link)) = answer.filter(|answer| answer.code == 0).zip(link) else {
            return self.lose_target(app);
        };
        // a lock of somebody who is not the master any more is none
        let addr = self.address_of(app, link);
        let by = self.net.links.get(&link).map(|link| link.ends[1].machine);
        let by = by.map(|machine| (machine, self.incarnation(machine)));
        let Some(by) = by.filter(|_| addr.is_some() && addr == self.client.apps[app].target) else { return };
        let text = String::from_utf8_lossy(&answer.body).replacen("lockOKMQSet", "mqSet", 1);
        let granted: LockBatch = json::from_slice(text.as_bytes()).unwrap_or_default();
        for (queue, turn) in queues {
            let own = &mut self.client.members[index].queues[*queue];
            let given = granted.queues.iter().any(|granted| granted.queue_id == *queue as i32);
            if !own.mine && given {
                self.unlock(index, *queue);
                continue;
            }
            if !own.mine || own.turn != *turn {
                continue;
            }
            if !given {
                self.let_go(index, *queue);
                continue;
            }
            let fresh = own.locked_until.replace(self.time + LOCK).is_none();
            let doubtful = own.doubtful;
            if fresh {
                // where another member has come to is known to the broker alone
                own.next = None;
                own.turn += 1;
                own.busy = false;
                if !doubtful {
                    let place = self.client.members[index].place_of(*queue);
                    self.oracle.tell(self.time, &Fact::Holds { member: name, place, by });
                }
            }
        }
    }

    /// Gives a lock back.
    fn unlock(&mut self, index: usize, queue: usize) {
        let member = &self.client.members[index];
        let Some(master) = self.client.apps[member.app].target.clone() else { return };
        let command = requests::lock(false, member.name, &[member.place_of(queue)]);
        self.client_calls(member.app, &master, command, Call::Unlock { member: index, queue });
    }

    pub(super) fn unlocked(&mut self, index: usize, queue: usize, answer: Option<Command>) {
        if answer.is_none() {
            self.client.members[index].queues[queue].doubtful = true;
        }
    }

    /// Whether a member may read a queue.
    pub(super) fn may_read(&self, index: usize, queue: usize) -> bool {
        let member = &self.client.members[index];
        let own = &member.queues[queue];
        let locked =
            member.style != Style::Orderly || own.locked_until.is_some_and(|until| until > self.time);
        own.mine && !own.busy && own.free_at <= self.time && locked
    }
}
