//! Long polling (`PullRequestHoldService`): pulls that wait for a message to arrive.

use std::collections::BTreeMap;

use super::Broker;
use crate::store::{Appended, Store};
use crate::time::{Mono, Now};
use crate::wire::headers::message::PullMessage;
use crate::wire::{ConnId, Peer, ReplyTo};

/// Held pulls whose time is up are looked for this often.
const SWEEP_MS: u64 = 200;

/// A pull with its own memory.
#[derive(Clone, Debug)]
pub struct HeldPull {
    pub(super) to: ReplyTo,
    pub(super) peer: Peer,
    pub(super) deadline: Mono,
    pub(super) lite: bool,
    group: String,
    topic: String,
    queue_id: i32,
    offset: i64,
    max_msg_nums: i32,
    sys_flag: i32,
    subscription: Option<String>,
    sub_version: i64,
    expression_type: Option<String>,
    /// Tag hashes that wake it; `None` for every message.
    codes: Option<Vec<i32>>,
}

impl HeldPull {
    pub(super) fn new(
        to: ReplyTo,
        peer: Peer,
        deadline: Mono,
        lite: bool,
        header: &PullMessage<'_>,
        codes: Option<Vec<i32>>,
    ) -> Self {
        HeldPull {
            to,
            peer,
            deadline,
            lite,
            group: header.consumer_group.unwrap_or("").to_owned(),
            topic: header.topic.unwrap_or("").to_owned(),
            queue_id: header.queue_id.unwrap_or(0),
            offset: header.queue_offset.unwrap_or(0),
            max_msg_nums: header.max_msg_nums.unwrap_or(0),
            sys_flag: header.sys_flag.unwrap_or(0),
            subscription: header.subscription.map(str::to_owned),
            sub_version: header.sub_version.unwrap_or(0),
            expression_type: header.expression_type.map(str::to_owned),
            codes,
        }
    }

    pub(super) fn header(&self) -> PullMessage<'_> {
        PullMessage {
            consumer_group: Some(&self.group),
            topic: Some(&self.topic),
            queue_id: Some(self.queue_id),
            queue_offset: Some(self.offset),
            max_msg_nums: Some(self.max_msg_nums),
            sys_flag: Some(self.sys_flag),
            subscription: self.subscription.as_deref(),
            sub_version: Some(self.sub_version),
            expression_type: self.expression_type.as_deref(),
            ..PullMessage::default()
        }
    }

    #[allow(clippy::cast_possible_truncation)] // the hash is the low half
    fn wants(&self, tags_code: i64) -> bool {
        self.codes.as_ref().is_none_or(|codes| codes.contains(&(tags_code as i32)))
    }
}

/// All held pulls by topic and queue.
#[derive(Debug, Default)]
pub struct HeldPulls {
    /// In order, so that who waits is woken in the same order whenever the same happens.
    queues: BTreeMap<String, BTreeMap<i32, Vec<HeldPull>>>,
    count: usize,
    next_sweep: Option<Mono>,
}

impl HeldPulls {
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        self.next_sweep
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn hold(&mut self, now: Now, pull: HeldPull) {
        let queues = match self.queues.get_mut(&pull.topic) {
            Some(queues) => queues,
            None => self.queues.entry(pull.topic.clone()).or_default(),
        };
        queues.entry(pull.queue_id).or_default().push(pull);
        self.count += 1;
        self.next_sweep.get_or_insert(now.mono.plus_ms(SWEEP_MS));
    }

    /// Takes the pulls of one queue that `ready` picks.
    fn take(&mut self, topic: &str, queue_id: i32, ready: impl Fn(&HeldPull) -> bool) -> Vec<HeldPull> {
        let Some(pulls) = self.queues.get_mut(topic).and_then(|queues| queues.get_mut(&queue_id)) else {
            return Vec::new();
        };
        let taken: Vec<HeldPull> = pulls.extract_if(.., |pull| ready(pull)).collect();
        self.count -= taken.len();
        taken
    }

    fn take_all(&mut self, mut ready: impl FnMut(&HeldPull) -> bool) -> Vec<HeldPull> {
        let mut taken = Vec::new();
        for queues in self.queues.values_mut() {
            queues.retain(|_, pulls| {
                taken.extend(pulls.extract_if(.., |pull| ready(pull)));
                !pulls.is_empty()
            });
        }
        self.queues.retain(|_, queues| !queues.is_empty());
        self.count -= taken.len();
        taken
    }

    /// Forgets the pulls of a connection that is gone.
    pub(super) fn close(&mut self, conn: ConnId) {
        if !self.is_empty() {
            self.take_all(|pull| pull.peer.conn == conn);
        }
    }
}

impl<S: Store> Broker<S> {
    /// A message arrived: pulls that wait for it run again. With synchronous flush it is not visible yet;
    /// [`Broker::wake_all_due`] follows when it is durable.
    pub(super) fn arrived(
        &mut self,
        now: Now,
        topic: &str,
        queue_id: i32,
        stored: &Appended,
        tags_code: i64,
    ) {
        if self.held.is_empty() || self.shows_late() {
            return;
        }
        let last = stored.queue_offset;
        let is_batch = stored.end - stored.offset > u64::from(stored.size);
        for pull in
            self.held.take(topic, queue_id, |pull| last >= pull.offset && (is_batch || pull.wants(tags_code)))
        {
            self.pull_again(now, &pull);
        }
    }

    /// Runs every held pull again that has something to read, or whose time is up.
    pub(super) fn wake_all_due(&mut self, now: Now) {
        let visible_end = self.visible_end();
        let store = &self.store;
        let due = self.held.take_all(|pull| {
            let bounds = store.queue_bounds(&pull.topic, pull.queue_id, visible_end);
            pull.deadline <= now.mono || bounds.is_some_and(|bounds| bounds.max > pull.offset)
        });
        for pull in due {
            self.pull_again(now, &pull);
        }
    }

    pub(super) fn sweep_held(&mut self, now: Now) {
        if self.held.next_sweep.is_some_and(|due| due <= now.mono) {
            self.held.next_sweep = None;
            self.wake_all_due(now);
            if !self.held.is_empty() {
                self.held.next_sweep = Some(now.mono.plus_ms(SWEEP_MS));
            }
        }
    }

    /// The broker stops: whoever waits learns now that there is nothing.
    pub(super) fn answer_all_held(&mut self, now: Now) {
        for pull in self.held.take_all(|_| true) {
            self.pull_again(now, &pull);
        }
    }
}
