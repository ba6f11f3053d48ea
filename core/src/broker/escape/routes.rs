//! Where a topic can be written to, as a NameServer says.

use std::collections::HashMap;

use crate::body::{BrokerData, TopicRouteData, perm};
use crate::time::Mono;

/// A route is asked for again after this long, so that a master that went is not tried for ever and one that came
/// is found.
const FRESH_MS: u64 = 5_000;

/// A queue of a topic on a living master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub broker: String,
    pub addr: String,
    pub queues: i32,
}

/// The masters of a route that take messages, without those of the broker's own name: its route names the acting
/// slave itself.
pub(super) fn writable(route: &TopicRouteData, own: &str) -> Vec<Target> {
    let master = |data: &BrokerData| data.broker_addrs.get(&0).cloned();
    let addr_of =
        |name: &str| route.broker_datas.iter().find(|data| data.broker_name == name).and_then(master);
    let queues = route.queue_datas.iter().filter(|queue| {
        queue.broker_name != own && queue.perm & perm::WRITE != 0 && queue.write_queue_nums > 0
    });
    let targets = queues.filter_map(|queue| {
        let addr = addr_of(&queue.broker_name)?;
        Some(Target { broker: queue.broker_name.clone(), addr, queues: queue.write_queue_nums })
    });
    targets.collect()
}

/// Routes that were asked for lately.
#[derive(Debug, Default)]
pub(super) struct Routes {
    known: HashMap<String, (Mono, Vec<Target>)>,
}

impl Routes {
    pub fn get(&self, now: Mono, topic: &str) -> Option<&[Target]> {
        let (at, targets) = self.known.get(topic)?;
        (now.ms_since(*at) < FRESH_MS).then_some(targets.as_slice())
    }

    pub fn put(&mut self, now: Mono, topic: &str, targets: Vec<Target>) {
        self.known.retain(|_, (at, _)| now.ms_since(*at) < FRESH_MS);
        self.known.insert(topic.to_owned(), (now, targets));
    }

    /// A send did not succeed: what is known of the topic may be old.
    pub fn forget(&mut self, topic: &str) {
        self.known.remove(topic);
    }
}
