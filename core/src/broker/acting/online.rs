//! What a broker does before anybody may hear of it (`BrokerPreOnlineService`, `spec/ha.md` A.7,
//! `docs/decisions/014-taking-progress-back.md`).
//!
//! Once a second it asks who of its name lives. A master goes through the others in the order of their ids: it tells
//! each where it takes replicas, waits until that one follows it, and takes back how far consumers, delays, timers and
//! transactions came meanwhile. A slave with a live master waits until it follows. Whatever fails is done again from
//! the same member on.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Broker;
use super::CALL_MS;
use crate::body::BrokerMemberGroupBody;
use crate::broker::offsets::OffsetTable;
use crate::broker::persist::File;
use crate::broker::schedule::DelayOffsets;
use crate::broker::timer::DONE_FIELD;
use crate::json;
use crate::store::Store;
use crate::time::{Mono, Now};
use crate::timer::TimerCheckpoint;
use crate::wire::code::{request, response};
use crate::wire::{CallError, Command, Ext, ServerOut, Target};

const PAUSE_MS: u64 = 1_000;
/// How long a replication connection is waited for.
const LINK_MS: u64 = 10_000;
const TABLES: [i32; 3] =
    [request::GET_ALL_DELAY_OFFSET, request::GET_ALL_CONSUMER_OFFSET, request::GET_TIMER_CHECK_POINT];

/// Another broker of the name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    id: i64,
    addr: String,
}

/// How far others came in the master's place.
#[derive(Debug, Default)]
struct Progress {
    offsets: Option<OffsetTable>,
    delays: Option<DelayOffsets>,
    timer: Option<TimerCheckpoint>,
    /// Places in the log of what was delivered of the slot the timer stands at.
    delivered_of_slot: Vec<i64>,
}

#[derive(Debug)]
enum Step {
    Pause(Mono),
    /// A NameServer is asked who lives.
    Group(u64),
    Exchange(u64, Member),
    /// The replication connection is waited for.
    Link(Member, Mono),
    /// Its tables are asked for: token and request of what is not answered yet.
    Tables(Member, BTreeMap<u64, i32>),
}

/// The steps to being online.
#[derive(Debug)]
pub(super) struct PreOnline {
    step: Step,
    /// What the member under way has told so far.
    found: Progress,
    /// Members that need no more attention.
    done: BTreeSet<i64>,
    turn: usize,
    failures: u32,
}

impl PreOnline {
    pub fn new(now: Now) -> Self {
        PreOnline {
            step: Step::Pause(now.mono),
            found: Progress::default(),
            done: BTreeSet::new(),
            turn: 0,
            failures: 0,
        }
    }

    pub fn deadline(&self) -> Option<Mono> {
        match &self.step {
            Step::Pause(at) | Step::Link(_, at) => Some(*at),
            Step::Group(_) | Step::Exchange(..) | Step::Tables(..) => None,
        }
    }

    fn fail(&mut self, now: Now, why: &str) {
        self.failures = self.failures.saturating_add(1);
        if self.failures.is_power_of_two() {
            tracing::warn!(
                tries = self.failures,
                why,
                "not online yet; skipPreOnline=true goes online without"
            );
        }
        self.step = Step::Pause(now.mono.plus_ms(PAUSE_MS));
        self.found = Progress::default();
    }
}

impl<S: Store> Broker<S> {
    /// Takes the next step that is due.
    pub(super) fn go_on_to_online(&mut self, now: Now) {
        if self.settings.broker.skip_pre_online {
            return self.go_online(now, self.settings.broker.broker_id);
        }
        self.look_for_link(now);
        let Some(online) = &mut self.group.online else { return };
        match &online.step {
            Step::Link(member, until) if *until <= now.mono => {
                let why = format!("no replication connection with {} within {LINK_MS} ms", member.addr);
                online.fail(now, &why);
            }
            Step::Pause(at) if *at <= now.mono => {
                let servers = self.settings.name_servers();
                let Some(server) = servers.get(online.turn % servers.len().max(1)).cloned() else {
                    return self.go_online(now, self.settings.broker.broker_id);
                };
                online.turn = online.turn.wrapping_add(1);
                let token = self.call_for_online(server, self.identified(request::GET_BROKER_MEMBER_GROUP));
                self.set_step(Step::Group(token));
            }
            _ => {}
        }
    }

    fn call_for_online(&mut self, addr: String, command: Command) -> u64 {
        let token = self.token();
        self.out.push_back(ServerOut::Call { to: Target::Addr(addr), token, command, timeout_ms: CALL_MS });
        token
    }

    fn set_step(&mut self, step: Step) {
        if let Some(online) = &mut self.group.online {
            online.step = step;
        }
    }

    /// Takes an answer; false when the token is none of these.
    pub(in crate::broker) fn online_answered(
        &mut self,
        now: Now,
        token: u64,
        result: &Result<Command, CallError>,
    ) -> bool {
        let Some(online) = &mut self.group.online else { return false };
        match &mut online.step {
            Step::Group(asked) if *asked == token => self.members_told(now, result),
            Step::Exchange(asked, member) if *asked == token => {
                let member = member.clone();
                self.exchanged(now, member, result);
            }
            Step::Tables(_, open) if open.contains_key(&token) => self.table_told(now, token, result),
            _ => return false,
        }
        true
    }

    fn members_told(&mut self, now: Now, result: &Result<Command, CallError>) {
        let Some(online) = &mut self.group.online else { return };
        let own = self.settings.broker.broker_id;
        let members = match result {
            Ok(answer) if answer.code == response::SUCCESS => {
                match json::from_slice::<BrokerMemberGroupBody>(&answer.body) {
                    Ok(body) => body.group.broker_addrs,
                    Err(error) => return online.fail(now, &format!("the members cannot be read: {error}")),
                }
            }
            Ok(answer) if answer.code == response::REQUEST_CODE_NOT_SUPPORTED => {
                tracing::warn!("the NameServer is too old to tell who of this name lives");
                return self.go_online(now, own);
            }
            Ok(answer) => return online.fail(now, &format!("a NameServer answers {}", answer.code)),
            Err(error) => return online.fail(now, &error.to_string()),
        };
        let smallest = members.keys().copied().chain([own]).min().unwrap_or(own);
        let next = if own == 0 {
            // The entry with the own id is this broker's, from before its end.
            members.iter().find(|(id, _)| **id != own && !online.done.contains(id))
        } else {
            members.first_key_value().filter(|(id, _)| **id == 0 && !online.done.contains(id))
        };
        let Some((id, addr)) = next else { return self.go_online(now, smallest) };
        let member = Member { id: *id, addr: addr.clone() };
        let ext = if own == 0 {
            let end = i64::try_from(self.store.log_bounds().max).unwrap_or(i64::MAX);
            Ext::new()
                .with("masterHaAddress", self.settings.ha_address())
                .with("masterFlushOffset", end)
                .with("masterAddress", self.settings.address())
        } else {
            Ext::new()
        };
        let command = Command::request(request::EXCHANGE_BROKER_HA_INFO, ext);
        let token = self.call_for_online(member.addr.clone(), command);
        self.set_step(Step::Exchange(token, member));
    }

    fn exchanged(&mut self, now: Now, member: Member, result: &Result<Command, CallError>) {
        let Some(online) = &mut self.group.online else { return };
        let answer = match result {
            Ok(answer) if answer.code == response::SUCCESS => answer,
            Ok(answer) => {
                return online.fail(now, &format!("{} answers {} to 906", member.addr, answer.code));
            }
            Err(error) => return online.fail(now, &error.to_string()),
        };
        if self.settings.broker.broker_id != 0 {
            let address = answer.ext_text("masterHaAddress").filter(|address| !address.is_empty());
            if address.is_none() {
                online.done.insert(member.id);
                online.step = Step::Pause(now.mono);
                return;
            }
            self.master_is_at(now, address.as_deref());
        }
        self.set_step(Step::Link(member, now.mono.plus_ms(LINK_MS)));
        self.look_for_link(now);
    }

    /// Goes on when the replication connection that is waited for carries bytes.
    pub(in crate::broker) fn look_for_link(&mut self, now: Now) {
        let Some(Step::Link(member, _)) = self.group.online.as_ref().map(|online| &online.step) else {
            return;
        };
        let member = member.clone();
        if self.settings.broker.broker_id != 0 {
            if self.ha.follows() {
                if let Some(online) = &mut self.group.online {
                    online.done.insert(member.id);
                }
                self.go_online(now, 0);
            }
            return;
        }
        if !self.ha.is_followed_from(&member.addr) {
            return;
        }
        let timers = self.settings.store.timer_wheel_enable;
        let codes = TABLES.into_iter().filter(|code| timers || *code != request::GET_TIMER_CHECK_POINT);
        let calls = codes.map(|code| {
            let command = Command::request(code, Ext::new());
            (self.call_for_online(member.addr.clone(), command), code)
        });
        let open = calls.collect();
        self.set_step(Step::Tables(member, open));
    }

    fn table_told(&mut self, now: Now, token: u64, result: &Result<Command, CallError>) {
        let Some(online) = &mut self.group.online else { return };
        let Step::Tables(member, open) = &mut online.step else { return };
        let Some(code) = open.remove(&token) else { return };
        let addr = &member.addr;
        let read = match result {
            Ok(answer) if answer.code == response::SUCCESS => online.found.read(code, answer),
            // A slave without a timer has nothing to tell of it.
            Ok(_) if code == request::GET_TIMER_CHECK_POINT => Ok(()),
            Ok(answer) => Err(format!("{addr} answers {} to {code}", answer.code)),
            Err(error) => Err(error.to_string()),
        };
        if let Err(why) = read {
            return online.fail(now, &why);
        }
        if !open.is_empty() {
            return;
        }
        let (id, found) = (member.id, core::mem::take(&mut online.found));
        tracing::info!(member = id, addr, "progress made in this master's absence is taken back");
        online.done.insert(id);
        // Whoever has come meanwhile is asked as well.
        online.step = Step::Pause(now.mono);
        self.take_back(found);
        self.go_on_to_online(now);
    }

    /// Progress only ever moves on: each side may have seen what the other has not (KF-22, KF-28).
    fn take_back(&mut self, found: Progress) {
        if let Some(offsets) = found.offsets {
            self.offsets.advance(offsets);
            self.persist.mark(File::Offsets);
        }
        if let Some(delays) = found.delays {
            self.schedule.advance(&delays);
            self.persist.mark(File::DelayOffsets);
        }
        if let Some(point) = found.timer {
            self.timers.take_back(&point, found.delivered_of_slot.into_iter());
        }
    }

    fn go_online(&mut self, now: Now, smallest: i64) {
        self.group.online = None;
        self.min_broker_id = if self.group.slave { smallest } else { 0 };
        tracing::info!(smallest, "this broker goes online");
        if self.is_master() {
            let store = &self.store;
            self.offsets.clamp(|topic, queue| {
                store.queue_bounds(topic, queue, u64::MAX).map_or(0, |bounds| bounds.max)
            });
            self.restart_services(now);
        }
        self.registration.release(now);
        self.register_due(now);
        (self.group.beat_due, self.group.ask_due) = (now.mono, now.mono);
    }
}

impl Progress {
    fn read(&mut self, code: i32, answer: &Command) -> Result<(), String> {
        let bad = |error: &dyn core::fmt::Display| format!("the answer to {code} cannot be read: {error}");
        match code {
            request::GET_ALL_CONSUMER_OFFSET => {
                self.offsets = Some(json::from_slice(&answer.body).map_err(|error| bad(&error))?);
            }
            request::GET_ALL_DELAY_OFFSET => {
                self.delays = Some(json::from_slice(&answer.body).map_err(|error| bad(&error))?);
            }
            _ => {
                if answer.body.len() < TimerCheckpoint::LEN {
                    return Err(bad(&"expected seven numbers of 8 bytes"));
                }
                // A timer that never ran has nothing to tell.
                self.timer = TimerCheckpoint::decode(&answer.body);
                let places = answer.ext_text(DONE_FIELD).unwrap_or_default();
                self.delivered_of_slot = places.split(',').filter_map(|place| place.parse().ok()).collect();
            }
        }
        Ok(())
    }
}
