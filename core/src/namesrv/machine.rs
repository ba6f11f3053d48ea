//! The machine: inputs, outputs, deadline.

use super::config_requests::AllSettings;
use super::dispatch;
use super::kv::KvConfig;
use super::notify::MinIdNotice;
use super::tables::Tables;
use crate::config::{NamesrvConfig, NettyServerConfig, Properties};
use crate::time::{Mono, Now};
use crate::wire::{Reply, ReplyTo, ServerIn, ServerOut};
use bytes::Bytes;
use std::collections::VecDeque;

/// The first scan for silent brokers comes this long after the start.
const FIRST_SCAN_MS: u64 = 5;

/// A NameServer.
#[derive(Debug)]
pub struct Namesrv {
    pub(super) tables: Tables,
    pub(super) kv: KvConfig,
    pub(super) settings: AllSettings,
    pub(super) started: Mono,
    next_scan: Mono,
    next_token: u64,
    out: VecDeque<ServerOut>,
}

impl Namesrv {
    /// A NameServer without brokers. `file` is the whole `-c` file, kept so that 318 can rewrite it.
    #[must_use]
    pub fn new(
        namesrv: NamesrvConfig,
        server: NettyServerConfig,
        file: Properties,
        kv: KvConfig,
        now: Now,
    ) -> Self {
        Namesrv {
            tables: Tables::default(),
            kv,
            settings: AllSettings { namesrv, server, file },
            started: now.mono,
            next_scan: now.mono.plus_ms(FIRST_SCAN_MS),
            next_token: 0,
            out: VecDeque::new(),
        }
    }

    /// Takes one input; drain [`Namesrv::poll`] before the next.
    pub fn handle(&mut self, now: Now, input: ServerIn<'_>) {
        match input {
            ServerIn::Tick => self.scan(now.mono),
            ServerIn::Request { peer, frame } => {
                let to = ReplyTo::new(peer.conn, &frame);
                let answer = dispatch::answer(self, now, peer, &frame);
                self.reply(to, answer.reply);
                self.notify(answer.notice);
            }
            ServerIn::Closed(conn) => {
                for notice in self.tables.connection_closed(conn) {
                    self.notify(Some(notice));
                }
            }
            ServerIn::Saved { result: Err(error), .. } => tracing::error!("configuration not saved: {error}"),
            ServerIn::Saved { .. } | ServerIn::Answer { .. } | ServerIn::Lost(_) | ServerIn::Stream(_) => {}
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<ServerOut> {
        self.out.pop_front()
    }

    /// When to call with [`ServerIn::Tick`] next.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        Some(self.next_scan)
    }

    /// What brokers registered.
    #[must_use]
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The settings in force.
    #[must_use]
    pub fn config(&self) -> &NamesrvConfig {
        &self.settings.namesrv
    }

    fn scan(&mut self, now: Mono) {
        if now < self.next_scan {
            return;
        }
        let interval = u64::try_from(self.settings.namesrv.scan_not_active_broker_interval).unwrap_or(0);
        self.next_scan = now.plus_ms(interval.max(1));
        let expired = self.tables.expire(now);
        self.out.extend(expired.close.into_iter().map(ServerOut::Close));
        for notice in expired.notices {
            self.notify(Some(notice));
        }
    }

    fn reply(&mut self, to: ReplyTo, reply: Reply) {
        if !to.oneway {
            self.out.push_back(ServerOut::Reply { to, reply });
        }
    }

    fn notify(&mut self, notice: Option<MinIdNotice>) {
        if let Some(notice) = notice.filter(|_| self.settings.namesrv.notify_min_broker_id_changed) {
            self.out.extend(notice.requests());
        }
    }

    /// Asks for a file to be written.
    pub(super) fn save(&mut self, path: String, data: impl Into<Bytes>) {
        self.next_token += 1;
        self.out.push_back(ServerOut::Save { token: self.next_token, path, data: data.into() });
    }
}
