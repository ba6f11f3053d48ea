//! BROKER_HEARTBEAT. Brokers of the reference send it one-way; ours wait for the answer, which to a master may
//! bring a lease. A lease is given only after raft has proved that this controller led when the heartbeat had
//! come, so that a leader cut off from its group keeps no master alive.

use super::liveness::{BrokerId, Heartbeat};
use super::machine::Controller;
use super::proposals::Waiter;
use super::requests;
use super::state::ControllerState;
use crate::time::{Mono, Now};
use crate::wire::code::response;
use crate::wire::headers::controller::ControllerHeartbeat;
use crate::wire::{Frame, Peer, Reply, ReplyTo};
use bytes::Bytes;

/// `heartbeatTimeoutMills` where the broker states none, as the reference has it.
const TIMEOUT_MS: i64 = 10_000;

/// A heartbeat whose sender wants to know whether it is still master.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub to: ReplyTo,
    broker: BrokerId,
    heard: Mono,
    timeout_ms: u64,
}

impl Controller {
    pub(super) fn heartbeat(
        &mut self,
        now: Now,
        state: &ControllerState,
        peer: Peer,
        frame: &Frame<'_>,
    ) -> Option<Reply> {
        let header = ControllerHeartbeat::parse(frame);
        let Some(id) = header.broker_id else {
            return Some(Reply::error(
                response::CONTROLLER_INVALID_REQUEST,
                "Heart beat with empty brokerId",
            ));
        };
        let broker = BrokerId {
            name: header.broker_name.unwrap_or_default().to_owned(),
            id,
            cluster: header.cluster_name.unwrap_or_default().to_owned(),
        };
        let stated = header.heartbeat_timeout_mills.unwrap_or(TIMEOUT_MS);
        let timeout_ms = u64::try_from(stated).unwrap_or(0);
        let beat = Heartbeat {
            conn: peer.conn,
            timeout_ms,
            epoch: header.epoch.unwrap_or(-1),
            max_offset: header.max_offset.unwrap_or(-1),
            confirm_offset: header.confirm_offset.unwrap_or(-1),
            priority: header.election_priority.unwrap_or(i32::MAX),
        };
        self.live.heard(now.mono, &broker, &beat);
        self.probes.heard(&broker);
        self.notices.known(&broker.name, id, beat.epoch);
        self.touched.insert(broker.name.clone());
        if frame.is_oneway() {
            return None;
        }
        let is_master = state.get(&broker.name).is_some_and(|set| set.sync.master == Some(id));
        if !self.ready || !is_master {
            return Some(requests::heart_beat(self.ready, None));
        }
        let to = ReplyTo::new(peer.conn, frame);
        self.asked.push(Asked { to, broker, heard: now.mono, timeout_ms });
        self.next_barrier(now.mono);
        None
    }

    /// Has raft prove the leadership for all heartbeats that wait, one proof at a time.
    pub(super) fn next_barrier(&mut self, now: Mono) {
        if !self.asked.is_empty() && !self.proposals.has_barrier() {
            let asked = std::mem::take(&mut self.asked);
            self.propose(now, Bytes::new(), Waiter::Heartbeats(asked));
        }
    }

    /// Leadership is proved: who is still master, and is to stay it, gets a lease.
    pub(super) fn renew(&mut self, now: Mono, state: &ControllerState, asked: Vec<Asked>) {
        for Asked { to, broker, heard, timeout_ms } in asked {
            let sync = state.get(&broker.name).map(|set| &set.sync);
            let epoch = sync.filter(|sync| sync.master == Some(broker.id)).map(|sync| sync.master_epoch);
            let stays = !self.proposals.elects(&broker.name) && !self.handovers.contains_key(&broker.name);
            let lives = self.live.is_alive(now, &broker) && !self.probes.is_dead(&broker);
            let grant = epoch
                .filter(|_| self.ready && stays && lives)
                .map(|epoch| self.leases.grant(&broker.name, epoch, heard, timeout_ms));
            self.reply(to, requests::heart_beat(self.ready, grant));
        }
    }
}
