//! Looks at the brokers after each of their steps, and tells the invariants what has changed.

use bytes::Bytes;
use sansmq_core::broker::Broker;
use sansmq_core::message::id;
use sansmq_core::store::Store as _;
use sansmq_core::wire::Command;
use sansmq_store::FileStore;

use super::clients::{Call, first_frame};
use super::invariants::{Fact, Log, Standing};
use super::world::World;
use super::{BROKERS, setup};

/// What of a broker was looked at last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    life: u64,
    epoch: i32,
    master: bool,
    max: u64,
    confirm: u64,
    commits: u64,
}

struct StoreLog<'a>(&'a FileStore);

impl Log for StoreLog<'_> {
    fn slice(&self, from: u64) -> Option<Bytes> {
        self.0.log_slice(from, usize::MAX).filter(|part| !part.is_empty())
    }

    fn queue_end(&self, topic: &str, queue: i32) -> i64 {
        self.0.queue_bounds(topic, queue, u64::MAX).map_or(0, |bounds| bounds.max)
    }
}

impl World {
    pub(super) fn broker(&self, machine: usize) -> Option<&Broker<FileStore>> {
        self.machines[machine].node.as_ref().and_then(setup::broker_of)
    }

    /// A process has done something; if it is a broker's that changed what is promised, the invariants hear of it.
    pub(super) fn observe(&mut self, machine: usize) {
        let life = self.incarnation(machine);
        let host = &self.machines[machine];
        let Some(broker) = host.node.as_ref().and_then(setup::broker_of) else {
            if std::mem::take(&mut self.seen[machine]) != Seen::default() {
                self.departures[machine] += 1;
            }
            return;
        };
        let progress = broker.log_progress();
        let role = broker.replicas().and_then(|replicas| replicas.role());
        let seen = Seen {
            life,
            epoch: role.map_or(0, |role| role.epoch),
            master: role.is_some_and(|role| role.is_master()),
            max: progress.max,
            confirm: progress.confirm,
            commits: broker.offsets().changes(),
        };
        let before = std::mem::replace(&mut self.seen[machine], seen);
        if before == seen {
            return;
        }
        let is_cut = before.life == seen.life && seen.max < before.max;
        let has_news = if seen.master { before.commits != seen.commits || !before.master } else { is_cut };
        let offsets = has_news.then(|| broker.offsets().snapshot());
        let store = broker.store();
        let standing = Standing {
            machine,
            life: seen.life,
            epoch: seen.epoch,
            master: seen.master,
            min: store.log_bounds().min,
            max: seen.max,
            confirm: seen.confirm,
            stepped: host.wall_step != 0,
            offsets: offsets.as_ref(),
            log: &StoreLog(store),
        };
        self.oracle.stands(self.time, &standing);
    }

    /// A number that no other broker of this machine has had, in this process or another.
    pub(super) fn incarnation(&self, machine: usize) -> u64 {
        let departures = self.departures.get(machine).copied().unwrap_or(0);
        self.machines[machine].life + (departures << 32)
    }

    /// A broker hands answers for the clients to its socket.
    pub(super) fn note_replies(&mut self, machine: usize, bytes: &[u8]) {
        let role = self.broker(machine).and_then(|broker| broker.replicas()?.role());
        let Some(epoch) = role.map(|role| role.epoch) else { return };
        let mut rest = bytes;
        while let Some(frame) = first_frame(rest) {
            if let Ok(command) = Command::decode(&rest[..frame])
                && command.code == 0
                && let Some(asked) = self.client.calls.get(&command.opaque)
                && matches!(asked.call, Call::Send { .. })
            {
                let asked = asked.at;
                let lacking = self.who_lacks(machine, &command);
                let fact = Fact::Promises { machine, epoch, asked, lacking: &lacking };
                self.oracle.tell(self.time, &fact);
            }
            rest = &rest[frame..];
        }
    }

    /// Running members of the effective SyncStateSet that do not have what is acknowledged here.
    fn who_lacks(&self, machine: usize, answer: &Command) -> Vec<usize> {
        let Some(master) = self.broker(machine) else { return Vec::new() };
        let Some(set) = master.replicas().map(|replicas| replicas.effective_set()) else { return Vec::new() };
        let ids = answer.ext_text("msgId").unwrap_or_default();
        let place = ids.split(',').next_back().and_then(id::decode).map(|place| place.1);
        let record = place.and_then(|at| Some((at, master.store().record_at(at)?)));
        let Some((at, record)) = record else { return vec![machine] };
        let lacks = |other: &usize| {
            let Some(broker) = self.broker(*other) else { return false };
            let member =
                broker.replicas().and_then(|replicas| replicas.id()).is_some_and(|id| set.contains(&id));
            member && broker.store().record_at(at).is_none_or(|theirs| theirs != record)
        };
        BROKERS.filter(lacks).collect()
    }
}
