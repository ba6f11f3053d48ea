//! Queue locks of orderly consumers (`RebalanceLockManager`), in memory only.

use std::collections::HashMap;

use crate::body::MessageQueue;
use crate::time::Mono;

/// A lock not renewed for this long is free.
const EXPIRE_MS: u64 = 60_000;

#[derive(Clone, Debug)]
struct Lock {
    client: String,
    renewed: Mono,
}

/// Which client of a group holds which queue.
#[derive(Debug, Default)]
pub struct Locks {
    groups: HashMap<String, HashMap<MessageQueue, Lock>>,
}

impl Locks {
    /// Takes or renews the locks that are free, expired or the client's own; returns those it holds now.
    pub fn lock(
        &mut self,
        now: Mono,
        group: &str,
        client: &str,
        queues: Vec<MessageQueue>,
    ) -> Vec<MessageQueue> {
        let held = self.groups.entry(group.to_owned()).or_default();
        let mut granted = Vec::with_capacity(queues.len());
        for queue in queues {
            let free = held
                .get(&queue)
                .is_none_or(|lock| lock.client == client || now.ms_since(lock.renewed) > EXPIRE_MS);
            if free {
                held.insert(queue.clone(), Lock { client: client.to_owned(), renewed: now });
                granted.push(queue);
            }
        }
        granted
    }

    /// Gives back the client's own locks among `queues`.
    pub fn unlock(&mut self, group: &str, client: &str, queues: &[MessageQueue]) {
        if let Some(held) = self.groups.get_mut(group) {
            for queue in queues {
                if held.get(queue).is_some_and(|lock| lock.client == client) {
                    held.remove(queue);
                }
            }
            if held.is_empty() {
                self.groups.remove(group);
            }
        }
    }

    /// Whether the group holds any lock that has not expired.
    #[must_use]
    pub fn is_held_by_group(&self, now: Mono, group: &str) -> bool {
        let held = self.groups.get(group);
        held.is_some_and(|held| held.values().any(|lock| now.ms_since(lock.renewed) <= EXPIRE_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(id: i32) -> MessageQueue {
        MessageQueue { topic: "T".into(), broker_name: "b".into(), queue_id: id }
    }

    #[test]
    fn one_client_holds_a_queue_until_it_lets_go_or_expires() {
        let mut locks = Locks::default();
        let start = Mono(0);
        assert_eq!(locks.lock(start, "g", "a", vec![queue(0), queue(1)]).len(), 2);
        assert_eq!(locks.lock(start, "g", "b", vec![queue(0), queue(2)]), vec![queue(2)]);
        locks.unlock("g", "b", &[queue(0)]);
        assert!(locks.lock(start, "g", "b", vec![queue(0)]).is_empty());
        locks.unlock("g", "a", &[queue(0)]);
        assert_eq!(locks.lock(start, "g", "b", vec![queue(0)]).len(), 1);
        let late = start.plus_ms(EXPIRE_MS + 1);
        assert!(!locks.is_held_by_group(late, "g"));
        assert_eq!(locks.lock(late, "g", "c", vec![queue(0), queue(1)]).len(), 2);
    }
}
