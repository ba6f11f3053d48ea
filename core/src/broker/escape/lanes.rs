//! The way out, as a machine: one message at a time in each lane, tried until another master has it.
//!
//! A lane is one queue of work whose progress moves message by message: a delay level, the timer, the half topic.
//! Its owner offers the message it stands at until the answer is [`Offer::Stored`]; only then its progress moves
//! (KF-26). An answer that does not come is tried again, which may store the message twice; nothing else does.

use std::collections::{BTreeMap, VecDeque};

use super::letter::Letter;
use super::routes::{Routes, Target, writable};
use crate::body::TopicRouteData;
use crate::json;
use crate::time::{Mono, Now, earliest};
use crate::wire::code::{request, response};
use crate::wire::{CallError, Command, Ext, ServerOut, Target as To};

const SEND_MS: u64 = 3_000;
const ASK_MS: u64 = 3_000;
/// Between tries: doubled each time up to the last, which goes on for ever.
const FIRST_WAIT_MS: u64 = 100;
const LAST_WAIT_MS: u64 = 5_000;

/// Whose message is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::broker) enum Lane {
    Level(usize),
    /// The timer's slot that is over.
    Slot,
    /// Timer messages whose slot was over before they were taken in.
    Late,
    Half,
    /// A queue of the revive topic.
    Revive(usize),
}

/// What became of an offered message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::broker) enum Offer {
    /// Another master has it.
    Stored,
    /// It is under way, or waits; its owner is woken.
    Away,
}

#[derive(Debug)]
enum State {
    /// To be tried then.
    Due(Mono),
    Asking(u64),
    Sending {
        token: u64,
        to: Target,
    },
    Stored,
}

#[derive(Debug)]
struct Job {
    /// The message's place in the log.
    at: i64,
    letter: Letter,
    failures: u32,
    state: State,
}

/// Whom messages may go to.
#[derive(Clone, Debug, Default)]
pub(super) struct Reach {
    /// `enableRemoteEscape`: any master of the topic's route.
    pub remote: bool,
    /// Within a container, its address: masters there come first, and are in reach also without `enableRemoteEscape`.
    pub host: Option<String>,
}

impl Reach {
    fn is_near(&self, target: &Target) -> bool {
        let host = target.addr.rsplit_once(':').map(|(host, _)| host);
        self.host.is_some() && self.host.as_deref() == host
    }
}

/// All lanes.
#[derive(Debug, Default)]
pub(in crate::broker) struct Lanes {
    jobs: BTreeMap<Lane, Job>,
    routes: Routes,
    turn: usize,
    /// Nothing new goes out, but for the rest of a slot until then; what is out is waited for.
    closed: Option<Mono>,
}

impl Lanes {
    /// Offers the message at `at`, the next one of the lane.
    pub fn offer(&mut self, now: Now, lane: Lane, at: i64, letter: impl FnOnce() -> Letter) -> Offer {
        if let Some(job) = self.jobs.get(&lane).filter(|job| job.at == at) {
            if matches!(job.state, State::Stored) {
                self.jobs.remove(&lane);
                return Offer::Stored;
            }
            return Offer::Away;
        }
        // A message the owner no longer stands at: its progress was replaced.
        self.jobs.remove(&lane);
        if self.closed.is_none_or(|until| lane == Lane::Slot && now.mono < until) {
            let state = State::Due(now.mono);
            self.jobs.insert(lane, Job { at, letter: letter(), failures: 0, state });
        }
        Offer::Away
    }

    /// Whether an answer is waited for, or was not taken yet.
    pub fn is_busy(&self) -> bool {
        self.jobs.values().any(|job| matches!(job.state, State::Sending { .. } | State::Stored))
    }

    /// Stops sending; the slot under way may be ended until then. What is out already is waited for, and can be
    /// taken by its owner.
    pub fn close(&mut self, until: Mono) {
        self.closed = Some(until);
        self.drop_waiting();
    }

    fn drop_waiting(&mut self) {
        let out = |job: &Job| matches!(job.state, State::Sending { .. } | State::Stored);
        self.jobs.retain(|lane, job| *lane == Lane::Slot || out(job));
    }

    /// Begins anew; whatever waited is nobody's any more.
    pub fn open(&mut self) {
        *self = Lanes { turn: self.turn, ..Lanes::default() };
    }

    pub fn deadline(&self) -> Option<Mono> {
        let due = |job: &Job| if let State::Due(at) = job.state { Some(at) } else { None };
        self.jobs.values().map(due).fold(None, earliest)
    }

    /// Sends what is due: tokens are counted on from `last`.
    pub(super) fn drive(
        &mut self,
        now: Now,
        own: &str,
        reach: &Reach,
        servers: &[String],
        last: &mut u64,
        out: &mut VecDeque<ServerOut>,
    ) {
        for (lane, job) in &mut self.jobs {
            if !matches!(job.state, State::Due(at) if at <= now.mono) {
                continue;
            }
            let topic = &job.letter.route;
            let Some(targets) = self.routes.get(now.mono, topic) else {
                let Some(server) = servers.get(self.turn % servers.len().max(1)) else {
                    fail(now, *lane, own, job, "no NameServer knows this broker");
                    continue;
                };
                self.turn = self.turn.wrapping_add(1);
                *last += 1;
                job.state = State::Asking(*last);
                let ext = Ext::new().with("topic", topic.clone());
                let command = Command::request(request::GET_ROUTEINFO_BY_TOPIC, ext);
                let to = To::Addr(server.clone());
                out.push_back(ServerOut::Call { to, token: *last, command, timeout_ms: ASK_MS });
                continue;
            };
            // Those that have to meet in a queue go to the same master.
            let meeting = job.letter.queue.and_then(|queue| usize::try_from(queue).ok());
            let turn = meeting.map_or(self.turn, |queue| queue + job.failures as usize);
            let Some(target) = choose(targets, reach, turn, job.failures) else {
                fail(now, *lane, own, job, "no other master in reach has the topic");
                continue;
            };
            let target = target.clone();
            self.turn = self.turn.wrapping_add(1);
            let any = i32::try_from(self.turn % usize::try_from(target.queues).unwrap_or(1)).unwrap_or(0);
            let queue = job.letter.queue.filter(|queue| *queue < target.queues).unwrap_or(any);
            let command = job.letter.command(&target.broker, queue);
            *last += 1;
            let to = To::Addr(target.addr.clone());
            job.state = State::Sending { token: *last, to: target };
            out.push_back(ServerOut::Call { to, token: *last, command, timeout_ms: SEND_MS });
        }
    }

    /// Takes an answer; the lane it was for, when it was one of these.
    pub fn answered(
        &mut self,
        now: Now,
        own: &str,
        token: u64,
        result: &Result<Command, CallError>,
    ) -> Option<Lane> {
        let ours = |job: &Job| match &job.state {
            State::Asking(asked) => *asked == token,
            State::Sending { token: sent, .. } => *sent == token,
            State::Due(_) | State::Stored => false,
        };
        let (lane, job) = self.jobs.iter_mut().find(|(_, job)| ours(job))?;
        let lane = *lane;
        let topic = job.letter.route.clone();
        if let State::Sending { to, .. } = &job.state {
            match result {
                Ok(answer) if is_stored(answer.code) => job.state = State::Stored,
                Ok(answer) => {
                    let remark = answer.remark.as_deref().unwrap_or("");
                    let why = format!("{} at {} answers {}: {remark}", to.broker, to.addr, answer.code);
                    self.routes.forget(&topic);
                    fail(now, lane, own, job, &why);
                }
                Err(error) => {
                    self.routes.forget(&topic);
                    fail(now, lane, own, job, &error.to_string());
                }
            }
            // What was out when the lanes were closed is not tried again.
            if self.closed.is_some() {
                self.drop_waiting();
            }
            return Some(lane);
        }
        match result {
            Ok(answer) if answer.code == response::SUCCESS => {
                match json::from_slice::<TopicRouteData>(&answer.body) {
                    Ok(route) => {
                        self.routes.put(now.mono, &topic, writable(&route, own));
                        job.state = State::Due(now.mono);
                    }
                    Err(error) => fail(now, lane, own, job, &format!("the route cannot be read: {error}")),
                }
            }
            Ok(answer) => {
                let remark = answer.remark.as_deref().unwrap_or("");
                fail(now, lane, own, job, &format!("no route: {} {remark}", answer.code));
            }
            Err(error) => fail(now, lane, own, job, &error.to_string()),
        }
        Some(lane)
    }
}

/// The message is in another master's log, whatever its disk or its slaves say of the rest.
fn is_stored(code: i32) -> bool {
    matches!(
        code,
        response::SUCCESS
            | response::FLUSH_DISK_TIMEOUT
            | response::FLUSH_SLAVE_TIMEOUT
            | response::SLAVE_NOT_AVAILABLE
    )
}

/// Those near first; after a failure also the others, in turn.
fn choose<'a>(targets: &'a [Target], reach: &Reach, turn: usize, failures: u32) -> Option<&'a Target> {
    let near: Vec<&Target> = targets.iter().filter(|target| reach.is_near(target)).collect();
    let all: Vec<&Target> = targets.iter().collect();
    let pool = if !reach.remote || !near.is_empty() && failures.is_multiple_of(2) { near } else { all };
    pool.get(turn % pool.len().max(1)).copied()
}

fn fail(now: Now, lane: Lane, own: &str, job: &mut Job, why: &str) {
    let wait = FIRST_WAIT_MS.saturating_mul(1 << job.failures.min(10)).min(LAST_WAIT_MS);
    job.failures = job.failures.saturating_add(1);
    job.state = State::Due(now.mono.plus_ms(wait));
    // Once, twice, four times, ...: it may go on for hours.
    if job.failures.is_power_of_two() {
        tracing::warn!(
            ?lane,
            at = job.at,
            topic = job.letter.topic,
            tries = job.failures,
            why,
            "a message of {own}, whose master is away, could not be given to another master; it is tried again \
             until one has it"
        );
    }
}
