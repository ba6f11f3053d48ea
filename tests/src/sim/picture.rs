//! What the cluster looks like, as lines of the trace, for whoever has to find out why it does not recover.

use sansmq_core::store::Store as _;

use super::world::World;
use super::{BROKERS, setup};

impl World {
    /// What every broker takes itself for, as lines of the trace.
    pub(super) fn picture(&mut self) {
        for machine in BROKERS {
            let node = self.machines[machine].node.as_ref();
            let Some((broker, replicas)) =
                node.and_then(setup::broker_of).and_then(|b| Some((b, b.replicas()?)))
            else {
                continue;
            };
            let text = format!(
                "machine {machine}: id {:?}, {:?}, role {:?}, set {:?}, effective {:?}, {:?}, {:?}",
                replicas.id(),
                replicas.state(),
                replicas.role(),
                replicas.sync_state_set(),
                replicas.effective_set(),
                broker.log_progress(),
                broker.store().log_bounds()
            );
            self.say(&text);
        }
    }

    /// Connections, as lines of the trace.
    pub(super) fn picture_links(&mut self) {
        let line = |(id, link): (&u64, &super::net::Link)| {
            let end = |end: &super::net::End| {
                format!(
                    "{} life {} (now {}) open {} conn {:?} wire {} owed {} unread {} fin {} over {} paused {}",
                    end.machine,
                    end.life,
                    self.machines[end.machine].life,
                    end.open,
                    end.conn,
                    end.wire.len(),
                    end.owed,
                    end.received.len(),
                    end.fin,
                    end.over,
                    end.paused
                )
            };
            format!("link {id}, listener {}: {} -- {}", link.listener, end(&link.ends[0]), end(&link.ends[1]))
        };
        let lines: Vec<String> = self.net.links.iter().map(line).collect();
        lines.iter().for_each(|line| self.say(line));
    }
}
