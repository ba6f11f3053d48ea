//! A broker: one master's topics, groups, clients, offsets and messages as a pure machine over a [`Store`].
//!
//! Requests come in through [`Broker::handle`]; replies, calls and file writes leave through
//! [`Broker::poll`]. A reply that must wait — for an fsync, for a file on disk, for a message to arrive, for
//! a client's answer, for a cold read — is an entry keyed by what releases it ([`waiting`], [`hold`],
//! [`relay`], [`cold`]),
//! with a deadline.

mod acting;
mod admin_groups;
mod admin_stats;
mod admin_topics;
pub mod assignment;
pub mod clients;
mod cold;
mod config_requests;
mod controller_mode;
mod dispatch;
mod duty;
mod escape;
pub mod groups;
pub mod ha;
mod heartbeat;
pub mod hold;
pub mod locks;
mod lookup;
mod metadata;
pub mod names;
mod offset_requests;
pub mod offsets;
mod persist;
mod progress;
mod properties;
mod pull;
mod put;
mod redirect;
mod register;
mod relay;
pub mod replicas;
mod reset;
mod revive;
mod runtime;
pub mod schedule;
mod send;
mod send_back;
pub mod settings;
pub mod stats;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod timer;
pub mod topics;
mod transaction;
mod waiting;

use core::net::SocketAddr;
use std::collections::VecDeque;

use crate::body::{SubscriptionGroupTable, TopicConfigTable};
use crate::ha::epoch::EpochCache;
use crate::store::Store;
use crate::time::{Mono, Now, earliest};
use crate::timer::TimerCheckpoint;
use crate::wire::{Reply, ReplyTo, ServerOut};
use offsets::OffsetTable;
use schedule::DelayOffsets;
use settings::Settings;
pub use timer::{TimerMetrics, replay as replay_timers};
pub use transaction::TransactionMetrics;

/// What a broker finds on its disk beside the message store; empty for a new one.
#[derive(Debug, Default)]
pub struct BrokerMeta {
    /// `config/topics.json`.
    pub topics: TopicConfigTable,
    /// `config/subscriptionGroup.json`.
    pub groups: SubscriptionGroupTable,
    /// `config/consumerOffset.json`.
    pub offsets: OffsetTable,
    /// `config/delayOffset.json`.
    pub delay_offsets: DelayOffsets,
    /// `config/messageRequestMode.json`.
    pub request_modes: assignment::RequestModes,
    /// `config/timercheck`; `None` when there is none.
    pub timer_checkpoint: Option<TimerCheckpoint>,
    /// `config/timermetrics`.
    pub timer_metrics: TimerMetrics,
    /// `config/transactionMetrics`.
    pub transaction_metrics: TransactionMetrics,
    /// `epochFileCheckpoint`.
    pub epochs: EpochCache,
}

/// How far an orderly stop has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopping {
    No,
    /// Waiting for NameServers to take the broker off their routes, at most until then.
    Unregistering(Mono),
    /// Waiting for the last files.
    Saving,
    Done,
}

/// One broker.
pub struct Broker<S: Store> {
    settings: Settings,
    store: S,
    store_host: SocketAddr,
    topics: topics::Topics,
    groups: groups::Groups,
    offsets: offsets::Offsets,
    consumers: clients::Consumers,
    producers: clients::Producers,
    locks: locks::Locks,
    held: hold::HeldPulls,
    cold: cold::ColdReads,
    schedule: schedule::Schedule,
    progress: progress::Progress,
    stats: stats::Stats,
    registration: register::Registration,
    relays: relay::Relays,
    persist: persist::Persist,
    waiting: waiting::WaitingReplies,
    assignment: assignment::Assignment,
    transactions: transaction::Transactions,
    timers: timer::Timers,
    ha: ha::Ha,
    /// Appended to the properties of every message: region, trace switch, cluster.
    property_suffix: Vec<u8>,
    out: VecDeque<ServerOut>,
    random: SplitMix,
    started: Now,
    next_token: u64,
    stopping: Stopping,
    /// An orderly stop leaves the store open ([`Broker::retire`]).
    store_is_closed_elsewhere: bool,
    next_client_scan: Mono,
    duty: duty::Duty,
    /// In controller mode, once the controllers were looked for.
    controllers: Option<Box<controller_mode::ControllerMode>>,
    served: metadata::Served,
    following: Option<metadata::Following>,
    group: acting::Group,
    escape: escape::Escape,
    revival: revive::Revival,
    /// The smallest id of a live broker of this name; 0 until somebody says otherwise.
    min_broker_id: i64,
    /// Where `durable` stood when waiting replies and pulls were last looked at.
    seen_durable: u64,
}

const CLIENT_SCAN_MS: u64 = 10_000;

impl<S: Store> Broker<S> {
    /// A broker over an opened store. `store_host` is what message ids are made of; `seed` feeds the choice
    /// of queues the client leaves open.
    #[must_use]
    pub fn new(
        settings: Settings,
        store: S,
        meta: BrokerMeta,
        store_host: SocketAddr,
        seed: u64,
        now: Now,
    ) -> Self {
        let config = &settings.broker;
        let controlled = config.enable_controller_mode;
        let acting = config.enable_slave_acting_master && !controlled;
        let slave = settings.store.broker_role == crate::config::BrokerRole::Slave;
        let isolated = acting && settings.store.total_replicas > 1 && !config.skip_pre_online;
        let property_suffix = format!(
            "MSG_REGION\u{1}{}\u{2}TRACE_ON\u{1}{}\u{2}CLUSTER\u{1}{}\u{2}",
            config.region_id, config.trace_on, config.broker_cluster_name
        );
        let mut broker = Broker {
            topics: topics::Topics::new(meta.topics, config).with_light_topics(settings.store.enable_lmq),
            groups: groups::Groups::new(
                meta.groups,
                config.auto_create_subscription_group,
                config.enable_create_sys_group,
            )
            .with_light_groups(settings.store.enable_lmq),
            offsets: offsets::Offsets::new(meta.offsets, config.consumer_offset_update_version_step)
                .with_light_groups(settings.store.enable_lmq),
            consumers: clients::Consumers::default(),
            producers: clients::Producers::default(),
            locks: locks::Locks::default(),
            held: hold::HeldPulls::default(),
            cold: cold::ColdReads::default(),
            schedule: schedule::Schedule::new(&settings.delay_levels, meta.delay_offsets, now),
            progress: progress::Progress::default(),
            stats: stats::Stats::new(now),
            registration: register::Registration::new(&settings.name_servers(), now),
            relays: relay::Relays::default(),
            persist: persist::Persist::new(&settings, now),
            waiting: waiting::WaitingReplies::default(),
            assignment: assignment::Assignment::new(meta.request_modes),
            transactions: transaction::Transactions::new(
                now,
                config.transaction_check_interval,
                meta.transaction_metrics,
                store.log_bounds().max,
            ),
            timers: timer::Timers::new(&settings, meta.timer_metrics, now),
            ha: ha::Ha::new(&settings, meta.epochs),
            property_suffix: property_suffix.into_bytes(),
            out: VecDeque::new(),
            random: SplitMix(seed),
            started: now,
            next_token: 0,
            stopping: Stopping::No,
            store_is_closed_elsewhere: false,
            next_client_scan: now.mono.plus_ms(CLIENT_SCAN_MS),
            duty: duty::Duty::Master,
            controllers: None,
            served: metadata::Served::default(),
            following: None,
            group: acting::Group::new(acting, slave, isolated, now),
            escape: escape::Escape::new(acting, config),
            revival: revive::Revival::new(config.revive_queue_num, now),
            min_broker_id: 0,
            seen_durable: store.log_bounds().durable,
            settings,
            store,
            store_host,
        };
        broker.persist.mark(persist::File::Topics);
        broker.persist.mark(persist::File::Groups);
        if controlled || isolated {
            // Nothing is told of this broker before it has a role, or before it has its progress back.
            broker.registration.hold();
        }
        if broker.is_master() {
            broker.start_transactions(now);
        }
        broker.load_timers(now, meta.timer_checkpoint);
        broker.start_saves(now);
        broker.start_classic_slave(now);
        broker.register_due(now);
        broker
    }

    /// The next effect.
    pub fn poll(&mut self) -> Option<ServerOut> {
        self.out.pop_front()
    }

    /// The next piece of blocking work of the store.
    pub fn poll_job(&mut self) -> Option<S::Job> {
        self.store.poll_job()
    }

    /// Takes a finished piece of work back and releases what waited for it.
    pub fn job_done(&mut self, now: Now, done: S::Done) {
        self.store.complete(now, done);
        self.tick_ha(now);
        self.log_moved(now);
        self.release_durable(now);
        self.release_fetched(now);
        self.drive_ha(now);
        self.save_timers(now);
        self.review_standing(now);
        self.drive_controllers(now);
        self.advance_stop(now);
    }

    /// When the broker wants to be called with `Tick`.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let always =
            earliest(earliest(self.store.deadline(), self.stats.deadline()), self.waiting.deadline());
        match self.stopping {
            Stopping::No => [
                Some(self.next_client_scan),
                self.held.deadline(),
                self.schedule.deadline().filter(|_| self.runs_services()),
                self.registration.deadline(),
                self.persist.deadline(),
                self.transactions.deadline().filter(|_| self.runs_services()),
                self.timers.deadline().filter(|_| self.runs_services()),
                self.revival.deadline().filter(|_| self.runs_services()),
                self.controllers.as_ref().and_then(|mode| mode.deadline()),
                self.ha.deadline(),
                self.served.deadline(),
                self.group.deadline(),
                self.escape.deadline(),
                self.following.as_ref().and_then(metadata::Following::deadline),
            ]
            .into_iter()
            .fold(always, earliest),
            // What a stopping broker no longer does must not wake it either.
            Stopping::Unregistering(by) => earliest(always, Some(by)),
            Stopping::Saving => always,
            Stopping::Done => None,
        }
    }

    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopping == Stopping::Done
    }

    /// Read access to the store, for embedding and tests.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Read access to what consumers have committed, for embedding and tests.
    #[must_use]
    pub fn offsets(&self) -> &offsets::Offsets {
        &self.offsets
    }

    /// Gives the store back, as an end of the process would leave it.
    #[must_use]
    pub fn into_store(self) -> S {
        self.store
    }

    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    fn reply(&mut self, to: ReplyTo, reply: Reply) {
        self.out.push_back(ServerOut::Reply { to, reply });
    }

    fn token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token
    }

    /// Records that end behind this are not shown to consumers yet: with synchronous flush only what is
    /// durable is visible, in controller mode only what is on all replicas that count (KF-09).
    fn visible_end(&self) -> u64 {
        let bounds = self.store.log_bounds();
        let kept = if self.settings.sync_flush { bounds.durable } else { bounds.max };
        let confirmed_only = self.ha.is_controller_mode() && !crate::planted::is("seen-early");
        if confirmed_only { kept.min(self.confirmed()) } else { kept }
    }

    /// A record is visible only some time after it was appended.
    fn shows_late(&self) -> bool {
        self.settings.sync_flush || self.ha.is_controller_mode()
    }
}

/// A small seeded generator (SplitMix64): the core draws no randomness of its own.
#[derive(Debug)]
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in `0..bound`; 0 for a bound below 1.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // the bound is a positive i32
    fn below(&mut self, bound: i32) -> i32 {
        if bound <= 1 { 0 } else { (self.next() % bound as u64) as i32 }
    }
}
