//! The replica's side: the connection to the master, its bytes into the log, and what a cut takes along.

use super::{Link, Role};
use crate::broker::Broker;
use crate::broker::persist::File;
use crate::ha::slave::SlaveOut;
use crate::planted;
use crate::store::{RawError, Store, TruncateError};
use crate::time::Now;
use crate::wire::{ConnId, ServerOut, StreamOut};

impl<S: Store> Broker<S> {
    /// Starts following in the classic mode, as the configuration says.
    pub(in crate::broker) fn start_classic_slave(&mut self, now: Now) {
        if self.ha.is_controller_mode() || self.ha.role != Role::Slave {
            return;
        }
        let (end, safe) = (self.replica_end(), self.kept_end());
        self.ha.slave = Some(self.ha.slave_machine(&self.settings, None, now, end, safe));
        // a name server's word counts only where nothing is configured (`spec/ha.md#a3`)
        let address = self.configured_master();
        self.follow_address(now, address);
    }

    fn configured_master(&self) -> Option<String> {
        self.settings.store.ha_master_address.clone().filter(|address| address.len() >= 6)
    }

    /// A NameServer says where the master takes replicas.
    pub(in crate::broker) fn master_is_at(&mut self, now: Now, address: Option<&str>) {
        let classic = !self.ha.is_controller_mode() && self.ha.slave.is_some();
        if classic
            && self.configured_master().is_none()
            && let Some(address) = address
        {
            self.follow_address(now, Some(address.to_owned()));
        }
    }

    /// The master is there now, whatever the last attempt has shown.
    pub(in crate::broker) fn hurry_to_master(&mut self, now: Now) {
        if let Some(slave) = &mut self.ha.slave {
            slave.hurry(now);
        }
        self.drive_replica(now);
    }

    pub(super) fn follow_address(&mut self, now: Now, address: Option<String>) {
        if let Some(slave) = &mut self.ha.slave {
            slave.set_address(now, address);
        }
        self.drive_replica(now);
    }

    pub(super) fn link_opened(&mut self, now: Now, conn: ConnId, token: u64) {
        if self.ha.link != Link::Dialling(token) {
            self.out.push_back(ServerOut::Close(conn));
            return;
        }
        self.ha.link = Link::Open(conn);
        if let Some(slave) = &mut self.ha.slave {
            tracing::info!(master = slave.address(), "connected to the master");
            slave.connected(now);
        }
    }

    pub(super) fn link_failed(&mut self, now: Now, token: u64) {
        if self.ha.link == Link::Dialling(token) {
            let master = self.ha.slave.as_ref().and_then(crate::ha::slave::Slave::address);
            tracing::warn!(master, "the master cannot be connected to; next try in 5 s");
            self.link_down(now);
        }
    }

    pub(super) fn link_gone(&mut self, now: Now, conn: ConnId) -> bool {
        let ours = self.ha.link == Link::Open(conn);
        if ours {
            tracing::warn!("the master closed the connection");
            self.group.master_lost();
            self.link_down(now);
        }
        ours
    }

    fn link_down(&mut self, now: Now) {
        self.ha.link = Link::None;
        if let Some(slave) = &mut self.ha.slave {
            slave.disconnected(now);
        }
    }

    pub(super) fn link_bytes(&mut self, now: Now, conn: ConnId, data: &[u8]) {
        if self.ha.link != Link::Open(conn) {
            return;
        }
        if let Some(slave) = &mut self.ha.slave {
            slave.received(now, data);
        }
    }

    pub(super) fn drop_link(&mut self) {
        match core::mem::replace(&mut self.ha.link, Link::None) {
            Link::Open(conn) => self.out.push_back(ServerOut::Close(conn)),
            Link::Dialling(_) | Link::None => {}
        }
    }

    /// Does what the replica machine asks for.
    pub(super) fn drive_replica(&mut self, now: Now) {
        self.try_cut(now);
        let before = self.store.log_bounds().max;
        // while a cut waits, what comes behind it waits too
        while self.ha.cut.is_none()
            && let Some(out) = self.ha.slave.as_mut().and_then(crate::ha::slave::Slave::poll)
        {
            match out {
                SlaveOut::Dial(addr) => {
                    let token = self.token();
                    self.ha.link = Link::Dialling(token);
                    self.out.push_back(ServerOut::Stream(StreamOut::Connect { token, addr }));
                }
                SlaveOut::Send(head) => {
                    if let Link::Open(conn) = self.ha.link {
                        let body = bytes::Bytes::new();
                        self.out.push_back(ServerOut::Stream(StreamOut::Send { conn, head, body }));
                    }
                }
                SlaveOut::Close => self.drop_link(),
                SlaveOut::TruncateTo(offset) => {
                    self.ha.cut = Some(offset);
                    self.try_cut(now);
                }
                SlaveOut::SaveEpochs(_) => {
                    let token = self.persist.mark(File::Epochs);
                    self.ha.saves.push_back(token);
                }
                SlaveOut::Append { at, data } => self.take_bytes(now, at, &data),
                SlaveOut::Confirm(offset) => {
                    if offset > self.store.confirmed() {
                        self.store.set_confirmed(offset);
                    }
                }
            }
        }
        if let Some(error) = self.ha.slave.as_mut().and_then(crate::ha::slave::Slave::take_error) {
            tracing::warn!(%error, "the connection to the master is given up");
        }
        if self.ha.slave.is_some() {
            if self.store.log_bounds().max != before {
                self.log_moved(now);
            }
            self.more_is_visible(now);
        }
    }

    /// Tells the replica machine how far the log is, and how much of it may be acknowledged (KF-10).
    pub(in crate::broker) fn log_moved(&mut self, now: Now) {
        let (end, mut kept) = (self.replica_end(), self.kept_end());
        if planted::is("acked-from-memory") {
            kept = end;
        }
        if let Some(slave) = &mut self.ha.slave {
            slave.log(now, end, kept);
            // its report follows at once
            while let Some(out) = slave.poll_send() {
                if let Link::Open(conn) = self.ha.link {
                    let body = bytes::Bytes::new();
                    self.out.push_back(ServerOut::Stream(StreamOut::Send { conn, head: out, body }));
                }
            }
        }
    }

    /// Whether the master is to be told nothing of the log for now.
    pub(in crate::broker) fn hold_reports(&mut self, now: Now, hold: bool) {
        if let Some(slave) = &mut self.ha.slave {
            slave.hold_reports(now, hold);
        }
        self.drive_replica(now);
    }

    fn take_bytes(&mut self, now: Now, at: u64, data: &[u8]) {
        let Err(error) = self.store.append_raw(now, at, data) else { return };
        let end = self.replica_end();
        if let RawError::Damaged { .. } = error {
            // what is behind the last good record leads nowhere and must not be built upon
            self.ha.cut = Some(self.store.whole_end());
        }
        if let Some(slave) = &mut self.ha.slave {
            slave.append_failed(now, end, error.to_string());
        }
        self.try_cut(now);
    }

    /// Cuts the log when that is asked for and possible, and rolls back what was derived from the rest (KF-15).
    pub(in crate::broker) fn try_cut(&mut self, now: Now) {
        let Some(offset) = self.ha.cut else { return };
        let bounds = self.store.log_bounds();
        let before = bounds.max;
        let result = self.store.truncate_to(now, offset.max(bounds.min));
        if result == Err(TruncateError::Busy) {
            return;
        }
        self.ha.cut = None;
        let end = self.store.log_bounds().max;
        if result.is_ok() && end < before {
            tracing::warn!(from = before, to = end, "the log was cut: its master never had the rest");
            self.roll_back(now);
        }
        let (end, kept) = (self.replica_end(), self.kept_end());
        let result = result.map(|()| end).map_err(|error| error.to_string());
        if let Some(slave) = &mut self.ha.slave {
            slave.truncated(now, result);
            slave.log(now, end, kept.min(end));
        }
    }

    /// Where this replica's log ends as its master is told: an empty log ends nowhere, and may go on anywhere.
    pub(super) fn replica_end(&self) -> u64 {
        let bounds = self.store.log_bounds();
        if bounds.min == bounds.max { 0 } else { bounds.max }
    }

    /// Offsets that point behind the end of their queue go back to it, and references to records that are gone
    /// go with them (KF-15).
    pub(super) fn roll_back(&mut self, now: Now) {
        let store = &self.store;
        let end_of = |topic: &str, queue: i32| {
            store.queue_bounds(topic, queue, u64::MAX).map_or(0, |bounds| bounds.max)
        };
        self.offsets.clamp(end_of);
        self.persist.log_was_cut(store.log_bounds().max);
        self.ha.seen_visible = 0;
        self.restart_services(now);
        self.start_saves(now);
    }

    /// The epoch file is written, or is not.
    pub(in crate::broker) fn epochs_saved(&mut self, now: Now, token: u64, result: &Result<(), String>) {
        while self.ha.saves.front().is_some_and(|waiting| *waiting <= token) {
            self.ha.saves.pop_front();
            if let Some(slave) = &mut self.ha.slave {
                slave.epochs_saved(now, result.clone());
            }
        }
        self.role_saved(now, token, result);
    }
}
