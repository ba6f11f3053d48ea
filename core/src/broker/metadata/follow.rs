//! The slave's side: asks its master again and again, and says with the next question what it has.

use std::collections::BTreeSet;

use super::SYNC_METADATA;
use super::bundle::Bundle;
use super::reference::Polling;
use crate::broker::Broker;
use crate::json;
use crate::store::Store;
use crate::time::{Mono, Now};
use crate::wire::code::{request, response};
use crate::wire::{CallError, Command, Ext, ServerOut, Target};

/// Longer than a master holds a question.
const CALL_MS: u64 = 3_000;
/// After a failure.
const RETRY_MS: u64 = 200;
/// After a failure, while this replica has nothing of the master and is in no set before it has.
const FIRST_RETRY_MS: u64 = 50;

/// How the master answers.
#[derive(Debug)]
enum Manner {
    Ours,
    Reference(Box<Polling>),
}

/// The tables of a master, followed.
#[derive(Debug)]
pub(in crate::broker) struct Following {
    master: String,
    epoch: i32,
    own: i64,
    manner: Manner,
    /// The mastership that counts, and the last change that is on disk here.
    boot: i64,
    since: i64,
    call: Option<u64>,
    due: Mono,
    /// An answer that is being written: its count, and the writes not done.
    writing: Option<(i64, BTreeSet<u64>)>,
    /// A write failed: nothing of what was said to be here is relied on.
    failed: bool,
}

impl Following {
    pub fn new(master: String, epoch: i32, own: i64, now: Now) -> Self {
        Following {
            master,
            epoch,
            own,
            manner: Manner::Ours,
            boot: 0,
            since: 0,
            call: None,
            due: now.mono,
            writing: None,
            failed: false,
        }
    }

    /// The tables of a master by configuration, which are polled as the reference's slaves do: classic roles
    /// have no epoch that would tell which mastership an answer is of.
    fn polling(master: String, now: Now) -> Self {
        let manner = Manner::Reference(Box::new(Polling::new(now)));
        Following { manner, ..Following::new(master, 0, 0, now) }
    }

    pub fn follows(&self, master: &str, epoch: i32) -> bool {
        self.master == master && self.epoch == epoch
    }

    /// Whether the tables of this mastership are on disk here, or are not told as ours are.
    fn has_tables(&self) -> bool {
        self.since > 0 || matches!(self.manner, Manner::Reference(_))
    }

    pub fn deadline(&self) -> Option<Mono> {
        match &self.manner {
            Manner::Ours => (self.call.is_none() && self.writing.is_none()).then_some(self.due),
            Manner::Reference(polling) => polling.deadline(),
        }
    }
}

impl<S: Store> Broker<S> {
    /// Asks what is due to be asked.
    pub(in crate::broker) fn follow_master(&mut self, now: Now) {
        let next = self.next_token;
        let Some(following) = &mut self.following else { return };
        if following.deadline().is_none_or(|due| due > now.mono) {
            return;
        }
        if let Manner::Reference(polling) = &mut following.manner {
            let asked = polling.ask(now, &following.master, next, self.settings.store.timer_wheel_enable);
            self.next_token += asked.len() as u64;
            self.out.extend(asked);
            return;
        }
        let ext = Ext::new()
            .with("brokerId", following.own)
            .with("epoch", following.epoch)
            .with("boot", following.boot)
            .with("since", following.since);
        let token = next + 1;
        following.call = Some(token);
        self.next_token = token;
        let to = Target::Addr(following.master.clone());
        let command = Command::request(SYNC_METADATA, ext);
        self.out.push_back(ServerOut::Call { to, token, command, timeout_ms: CALL_MS });
    }

    /// Takes a master's answer; false when the token is none of these.
    pub(in crate::broker) fn master_told(
        &mut self,
        now: Now,
        token: u64,
        result: &Result<Command, CallError>,
    ) -> bool {
        let Some(following) = &mut self.following else { return false };
        if let Manner::Reference(polling) = &mut following.manner {
            let known = polling.answered(now, token, result);
            if let Some(bundle) = polling.take_complete() {
                let current = self.topics.version();
                let groups = *self.groups.version();
                let bundle = bundle.unless_same(current, groups);
                if bundle.topics.is_some() {
                    self.registration.request(now);
                }
                self.apply_bundle(bundle);
            }
            return known;
        }
        if following.call != Some(token) {
            return false;
        }
        following.call = None;
        let retry_ms = if following.since > 0 { RETRY_MS } else { FIRST_RETRY_MS };
        following.due = now.mono.plus_ms(retry_ms);
        match result {
            Ok(answer) if answer.code == response::SUCCESS => self.take_tables(now, answer),
            Ok(answer) if answer.code == response::REQUEST_CODE_NOT_SUPPORTED => {
                tracing::info!(
                    master = following.master,
                    "the master is polled as the reference's slaves do"
                );
                following.manner = Manner::Reference(Box::new(Polling::new(now)));
                self.tables_come_first(now);
            }
            Ok(answer) => tracing::debug!(remark = ?answer.remark, "the master tells nothing of its tables"),
            Err(error) => tracing::debug!(%error, "the master does not answer"),
        }
        true
    }

    fn take_tables(&mut self, now: Now, answer: &Command) {
        let number = |key: &str| answer.ext_text(key).and_then(|text| text.parse::<i64>().ok());
        let (Some(boot), Some(since)) = (number("boot"), number("since")) else { return };
        let bundle: Bundle = match json::from_slice(&answer.body) {
            Ok(bundle) => bundle,
            Err(error) => return tracing::error!(%error, "the master's tables cannot be read"),
        };
        let writes: BTreeSet<u64> = self.apply_bundle(bundle).into_iter().collect();
        let Some(following) = &mut self.following else { return };
        following.boot = boot;
        following.failed = false;
        following.writing = Some((since, writes));
        self.tables_written(now);
    }

    /// A table of this broker is on disk, or is not.
    pub(in crate::broker) fn table_saved(&mut self, now: Now, token: u64, result: &Result<(), String>) {
        let Some((_, writes)) = self.following.as_mut().and_then(|f| f.writing.as_mut()) else { return };
        let ours = writes.remove(&token);
        if let Some(following) = self.following.as_mut().filter(|_| ours && result.is_err()) {
            following.failed = true;
        }
        self.tables_written(now);
    }

    fn tables_written(&mut self, now: Now) {
        let Some(following) = &mut self.following else { return };
        let Some((since, _)) = following.writing.take_if(|(_, writes)| writes.is_empty()) else { return };
        // What could not be written is asked for again, with all the rest.
        following.since = if following.failed { 0 } else { since };
        following.due = if following.failed { now.mono.plus_ms(RETRY_MS) } else { now.mono };
        self.tables_come_first(now);
    }

    /// Who is in sync may be elected, so a replica needs the tables of a mastership before it asks for bytes of its log;
    /// from then on the master waits for it with every change of them.
    pub(in crate::broker) fn tables_come_first(&mut self, now: Now) {
        let lacks = self.following.as_ref().is_some_and(|following| !following.has_tables());
        let hold = self.ha.is_controller_mode() && lacks;
        self.hold_reports(now, hold);
    }

    /// A slave by configuration follows the master the NameServers name; nobody with `None`
    /// (`SlaveSynchronize.setMasterAddr`).
    pub(in crate::broker) fn follow_named_master(&mut self, now: Now, master: Option<String>) {
        if self.ha.is_controller_mode() || self.is_master() {
            return;
        }
        self.following = match (self.following.take(), master) {
            (Some(same), Some(master)) if same.follows(&master, 0) => Some(same),
            (_, Some(master)) => {
                tracing::info!(master, "the master's tables are followed");
                Some(Following::polling(master, now))
            }
            (_, None) => None,
        };
        self.follow_master(now);
    }

    /// The master, by the address the elections name, is asked from now on; nobody with `None`.
    pub(in crate::broker) fn follow_tables(&mut self, now: Now, master: Option<(String, i32, i64)>) {
        self.following = match (self.following.take(), master) {
            (Some(same), Some((master, epoch, _))) if same.follows(&master, epoch) => Some(same),
            (_, Some((master, epoch, own))) => Some(Following::new(master, epoch, own, now)),
            (_, None) => None,
        };
        self.tables_come_first(now);
    }
}

/// The answer to a request of the reference that a master does not have.
pub(super) fn is_success(result: &Result<Command, CallError>) -> Option<&Command> {
    result.as_ref().ok().filter(|answer| answer.code == response::SUCCESS)
}

/// Requests of the reference's slaves: code, and whether it goes to the port two below.
pub(super) const TABLES: [(i32, bool); 5] = [
    (request::GET_ALL_TOPIC_CONFIG, true),
    (request::GET_ALL_CONSUMER_OFFSET, false),
    (request::GET_ALL_DELAY_OFFSET, false),
    (request::GET_ALL_SUBSCRIPTIONGROUP_CONFIG, false),
    (request::GET_ALL_MESSAGE_REQUEST_MODE, false),
];
