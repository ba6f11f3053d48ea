//! The master's side: replicas come, report, and are sent the log.

use core::net::SocketAddr;
use std::collections::BTreeSet;

use bytes::Bytes;

use super::{HaEvent, Mode, ReplicaId, Role};
use crate::broker::Broker;
use crate::broker::persist::File;
use crate::ha::master::{Heard, Master, MasterProtocol, Source, View};
use crate::ha::sync_set::SyncStateSet;
use crate::store::Store;
use crate::time::{Mono, Now};
use crate::wire::{ConnId, STREAM_WINDOW, ServerOut, StreamIn, StreamOut};

/// A replica that is connected.
#[derive(Debug)]
pub(in crate::broker) struct Session {
    pub(super) master: Master,
    pub(super) addr: SocketAddr,
    /// Bytes handed to the connection since it was drained.
    used: usize,
}

impl Session {
    pub(super) fn deadline(&self) -> Option<Mono> {
        self.master.deadline()
    }
}

/// A store as the log a master sends from.
#[derive(Debug)]
struct Log<'a, S>(&'a S);

impl<S: Store> Source for Log<'_, S> {
    fn bounds(&self) -> (u64, u64) {
        let bounds = self.0.log_bounds();
        (bounds.min, bounds.max)
    }

    fn last_file(&self) -> u64 {
        self.0.last_file()
    }

    fn slice(&self, from: u64, max: usize) -> Option<Bytes> {
        self.0.log_slice(from, max)
    }
}

impl<S: Store> Broker<S> {
    pub(in crate::broker) fn stream(&mut self, now: Now, input: StreamIn<'_>) {
        match input {
            StreamIn::Opened { conn, addr, token: None } => {
                if !self.ha.is_master() {
                    self.out.push_back(ServerOut::Close(conn));
                    return;
                }
                let protocol = match self.ha.mode {
                    Mode::Classic => MasterProtocol::Classic,
                    Mode::Controller => MasterProtocol::AutoSwitch,
                };
                let master = Master::new(protocol, self.ha.config, now);
                self.ha.sessions.insert(conn, Session { master, addr, used: 0 });
                tracing::info!(%addr, "a replica connected");
            }
            StreamIn::Opened { conn, token: Some(token), .. } => self.link_opened(now, conn, token),
            StreamIn::Failed { token } => self.link_failed(now, token),
            StreamIn::Bytes { conn, data } => {
                if self.ha.sessions.contains_key(&conn) {
                    self.heard(now, conn, data);
                } else {
                    self.link_bytes(now, conn, data);
                }
            }
            StreamIn::Drained(conn) => {
                if let Some(session) = self.ha.sessions.get_mut(&conn) {
                    session.used = 0;
                }
            }
        }
    }

    /// Takes a replica's word.
    fn heard(&mut self, now: Now, conn: ConnId, data: &[u8]) {
        let confirm = self.confirmed();
        let Some(session) = self.ha.sessions.get_mut(&conn) else { return };
        let log = Log(&self.store);
        let view = View { log: &log, epochs: &self.ha.epochs, confirm };
        let (mut answer, mut acked) = (None, None);
        let result = session.master.received(now, data, &view, |heard| match heard {
            Heard::Handshake(bytes) => answer = Some(bytes),
            Heard::Acked(max) => acked = Some(max),
        });
        if let Some(head) = answer {
            self.out.push_back(ServerOut::Stream(StreamOut::Send { conn, head, body: Bytes::new() }));
        }
        if let (Some(max), Some(set)) = (acked, &mut self.ha.set)
            && let Some(id) = session.master.slave_id()
        {
            let end = self.store.log_bounds().max;
            set.acked(now.mono, id, conn.0, max, end, session.master.is_learner());
        }
        if let Err(error) = result {
            self.end_session(now, conn, &error.to_string());
        }
        if acked.is_some() {
            self.confirm_and_propose(now);
            self.release_durable(now);
        }
    }

    fn end_session(&mut self, now: Now, conn: ConnId, why: &str) {
        let addr = self.ha.sessions.get(&conn).map(|session| session.addr);
        tracing::warn!(?addr, why, "closing the connection of a replica");
        self.out.push_back(ServerOut::Close(conn));
        self.session_gone(now, conn);
    }

    /// A connection is gone; true when it was a replica's.
    pub(in crate::broker) fn session_gone(&mut self, now: Now, conn: ConnId) -> bool {
        let Some(session) = self.ha.sessions.remove(&conn) else { return self.link_gone(now, conn) };
        if let (Some(set), Some(id)) = (&mut self.ha.set, session.master.slave_id()) {
            set.closed(id, conn.0);
            self.confirm_and_propose(now);
        }
        true
    }

    pub(super) fn close_sessions(&mut self) {
        for (conn, _) in core::mem::take(&mut self.ha.sessions) {
            self.out.push_back(ServerOut::Close(conn));
        }
    }

    /// Sends every replica what it lacks and its connection has room for.
    pub(in crate::broker) fn send_to_replicas(&mut self, now: Now) {
        if self.ha.sessions.is_empty() {
            return;
        }
        let confirm = self.confirmed();
        let mut failed = Vec::new();
        let log = Log(&self.store);
        let view = View { log: &log, epochs: &self.ha.epochs, confirm };
        for (conn, session) in &mut self.ha.sessions {
            loop {
                let room = (STREAM_WINDOW + 1).saturating_sub(session.used);
                match session.master.pump(now, room, &view) {
                    Ok(Some((head, body))) => {
                        session.used += head.len() + body.len();
                        self.out.push_back(ServerOut::Stream(StreamOut::Send { conn: *conn, head, body }));
                    }
                    Ok(None) => break,
                    Err(error) => {
                        failed.push((*conn, error.to_string()));
                        break;
                    }
                }
            }
        }
        for (conn, why) in failed {
            self.end_session(now, conn, &why);
        }
    }

    /// Everything below is on every replica that counts.
    pub(in crate::broker) fn confirmed(&self) -> u64 {
        self.ha.set.as_ref().map_or_else(|| self.store.confirmed(), |set| set.confirmed())
    }

    /// Looks how far the log is confirmed now, and whether the in-sync set should be another one.
    pub(in crate::broker) fn confirm_and_propose(&mut self, now: Now) {
        let own = self.kept_end();
        let Some(set) = &mut self.ha.set else { return };
        let before = set.confirmed();
        if let Some(wanted) = set.propose(now.mono, |id| !self.served.lacks(id, self.persist.number())) {
            let set_epoch = set.set_epoch();
            self.ha.events.push_back(HaEvent::ProposeSyncStateSet { set: wanted, set_epoch });
        }
        let confirmed = set.confirm(own);
        if confirmed != before {
            self.store.set_confirmed(confirmed);
            self.more_is_visible(now);
        }
    }

    /// Everybody who is in the in-sync set, or was proposed for it.
    pub(in crate::broker) fn proposed_members(&self) -> BTreeSet<ReplicaId> {
        self.ha.set.as_ref().map(SyncStateSet::effective).unwrap_or_default()
    }

    /// What this replica itself counts as kept: durable, when the flush mode says so.
    pub(super) fn kept_end(&self) -> u64 {
        let bounds = self.store.log_bounds();
        if self.settings.sync_flush { bounds.durable } else { bounds.max }
    }

    /// Wakes consumers and timers when more of the log is visible than before.
    pub(in crate::broker) fn more_is_visible(&mut self, now: Now) {
        let visible = self.visible_end();
        if visible > self.ha.seen_visible {
            self.ha.seen_visible = visible;
            self.wake_all_due(now);
            self.timers.arrived();
        }
    }

    /// Replicas, this broker included, that count for a put and have the log up to `end`.
    pub(in crate::broker) fn holders(&self, end: u64) -> usize {
        match &self.ha.set {
            Some(set) => set.holders(end),
            None => {
                let has = |session: &&Session| session.master.acked().is_some_and(|acked| acked >= end);
                1 + self.ha.sessions.values().filter(has).count()
            }
        }
    }

    /// Replicas, this broker included, that count for a put: members of the in-sync set, or those connected
    /// and not too far behind.
    pub(in crate::broker) fn in_sync_replicas(&self) -> Option<usize> {
        if let Some(set) = &self.ha.set {
            return Some(set.installed().len());
        }
        let gap = u64::try_from(self.settings.store.ha_max_gap_not_in_sync).unwrap_or(0);
        let max = self.store.log_bounds().max;
        let near = |s: &&Session| s.master.acked().is_some_and(|acked| max.saturating_sub(acked) < gap);
        (self.ha.mode == Mode::Classic).then(|| 1 + self.ha.sessions.values().filter(near).count())
    }

    /// Whether every replica that counts has the log up to `end`.
    pub(in crate::broker) fn all_hold(&self, end: u64) -> bool {
        self.ha.set.as_ref().is_none_or(|set| set.all_have(end))
    }

    /// Work of the service that is due.
    pub(in crate::broker) fn tick_ha(&mut self, now: Now) {
        if matches!(self.ha.role, Role::Promoting { .. }) {
            self.promote(now);
        }
        self.confirm_and_propose(now);
        if let Some(slave) = &mut self.ha.slave
            && self.ha.cut.is_none()
        {
            slave.tick(now);
        }
        self.drop_old_epochs(now);
    }

    /// Epochs of which retention has taken the last byte go too (`truncatePrefixByOffset`).
    fn drop_old_epochs(&mut self, now: Now) {
        let start = self.store.log_bounds().min;
        let gone = match &mut self.ha.slave {
            Some(slave) => slave.drop_epochs_before(start),
            None => self.ha.epochs.drop_before(start),
        };
        if gone {
            self.persist.mark(File::Epochs);
            self.start_saves(now);
        }
    }

    /// After every input: what the machines want done.
    pub(in crate::broker) fn drive_ha(&mut self, now: Now) {
        self.drive_replica(now);
        if self.ha.set.is_some() {
            self.confirm_and_propose(now);
        }
        self.send_to_replicas(now);
    }
}
