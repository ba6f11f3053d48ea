//! What answers, notices and outcomes change.

use super::protocol::{self, Election, SyncStateSetBody};
use super::{Application, Asked, Identity, IdentityFile, Out, Pending, Replicas};
use crate::json;
use crate::planted;
use crate::time::Now;
use crate::wire::code::response;
use crate::wire::{CallError, Command};

/// A step that was refused or got no answer is tried again after this long, and up to as much more.
const RETRY_MS: u64 = 500;
/// Brokers that applied for the same id apply again within this time.
const COLLISION_MS: u64 = 100;
/// A role that could not be taken is tried again after this long.
const ROLE_RETRY_MS: u64 = 1_000;

impl Replicas {
    pub(super) fn answered(&mut self, now: Now, token: u64, result: Result<Command, CallError>) {
        let Some(Pending { to, asked }) = self.calls.remove(&token) else { return };
        if self.step == Some(token) {
            self.step = None;
        }
        if self.altering == Some(token) {
            self.altering = None;
        }
        let answer = match result {
            Ok(answer) if answer.code != response::CONTROLLER_NOT_LEADER => Some(answer),
            _ => None,
        };
        let Some(answer) = answer else { return self.unanswered(now, token, &to, &asked) };
        let ok = answer.code == response::SUCCESS;
        match asked {
            Asked::Discover => {
                let found = if ok { protocol::leader(&answer) } else { None };
                if self.controllers.told(token, found) {
                    tracing::info!(leader = self.controllers.leader(), "controller leader found");
                    self.heard = false;
                    self.beat_due = now.mono;
                    self.step_due = now.mono;
                }
            }
            Asked::Settings => {
                let unclean = if ok { protocol::elects_unclean(&answer) } else { None };
                self.controllers.settings(now.mono, token, unclean);
            }
            Asked::NextId => match protocol::next_broker_id(&answer).filter(|_| ok) {
                Some(id) => self.apply_for(now, id),
                None => self.refused(now, "a broker id", &answer),
            },
            Asked::Apply => self.applied(now, ok, &answer),
            Asked::Register => self.registered(now, ok, &answer),
            Asked::Elect if ok || answer.code == response::CONTROLLER_MASTER_STILL_EXIST => {
                self.learn_from(&answer);
                // Should it name no master after all, the next attempt is no sooner than others.
                self.step_due = now.mono.plus_ms(RETRY_MS);
            }
            Asked::Elect => self.refused(now, "an election", &answer),
            Asked::Heartbeat(round) if ok && self.controllers.leader() == Some(to.as_str()) => {
                self.heard = true;
                if let Some(sent) = self.rounds.get(&round).copied() {
                    match protocol::granted(&answer) {
                        protocol::Granted::Unsaid => {}
                        // The answer to the question changes what is known, not the lease.
                        protocol::Granted::Nothing => drop(self.rounds.remove(&round)),
                        protocol::Granted::Lease(ms, epoch) => {
                            self.rounds.remove(&round);
                            if self.mastership().is_some() && epoch == self.known.epoch {
                                self.lease.renew(sent, Some(ms));
                            }
                        }
                    }
                    if !planted::is("notices-only") {
                        let info = self.names.replica_info();
                        self.call(to, Asked::Info(round), info, self.heartbeat_wait_ms);
                    }
                }
            }
            Asked::Heartbeat(round) => drop(self.rounds.remove(&round)),
            Asked::Info(round) => self.informed(now, round, &to, &answer),
            Asked::Alter(set) => self.altered(now, ok, &set, &answer),
        }
    }

    /// No answer, or one of a controller that does not lead.
    fn unanswered(&mut self, now: Now, token: u64, to: &str, asked: &Asked) {
        match asked {
            Asked::Discover => {
                self.controllers.told(token, None);
                return;
            }
            Asked::Settings => return self.controllers.settings(now.mono, token, None),
            Asked::Heartbeat(round) | Asked::Info(round) => drop(self.rounds.remove(round)),
            // The proposal may have been applied all the same: it counts until a higher epoch shows.
            Asked::Alter(_) => self.proposal_failed(now),
            Asked::NextId | Asked::Apply | Asked::Register | Asked::Elect => self.retry_step(now),
        }
        if self.controllers.leader() == Some(to) {
            self.controllers.forget_leader(now.mono);
            self.heard = false;
        }
    }

    fn retry_step(&mut self, now: Now) {
        let more = self.random.next() % RETRY_MS;
        self.step_due = now.mono.plus_ms(RETRY_MS + more);
    }

    fn refused(&mut self, now: Now, what: &'static str, answer: &Command) {
        tracing::warn!(what, code = answer.code, remark = ?answer.remark, "the controller refuses");
        self.retry_step(now);
    }

    fn apply_for(&mut self, now: Now, id: i64) {
        let (cluster, broker) = (self.names.cluster.clone(), self.names.broker.clone());
        let application = Application {
            identity: Identity { cluster, broker, id },
            check_code: format!("{};{}", self.names.address, now.wall_ms),
        };
        self.application_saved = false;
        self.save(IdentityFile::Application, application.to_text());
        self.application = Some(application);
    }

    fn applied(&mut self, now: Now, ok: bool, answer: &Command) {
        if self.forgotten {
            // A refusal leaves the id as it is: it is this replica's, whatever the controller has lost.
            self.forgotten = false;
            if !ok {
                self.refused(now, "the broker's own id", answer);
            }
            return;
        }
        if !ok {
            self.application = None;
            self.save(IdentityFile::Application, String::new());
            self.refused(now, "the broker id applied for", answer);
            // Another broker was first: the next id is free now.
            self.step_due = now.mono.plus_ms(self.random.next() % COLLISION_MS);
            return;
        }
        if let Some(application) = &self.application {
            let text = application.identity.to_text();
            self.save(IdentityFile::Identity, text);
        }
    }

    pub(super) fn saved(&mut self, now: Now, token: u64, result: Result<(), String>) {
        let Some(file) = self.saving.remove(&token) else { return };
        if let Err(why) = result {
            tracing::error!(?file, why, "the broker's identity could not be written; trying again");
            // An id that was granted is applied for again with the same code, which the controller knows.
            if file == IdentityFile::Application && self.identity.is_none() {
                self.application = None;
            }
            return self.retry_step(now);
        }
        match file {
            IdentityFile::Application => self.application_saved = self.application.is_some(),
            IdentityFile::Identity => {
                self.identity = self.application.take().map(|application| application.identity);
                self.save(IdentityFile::Application, String::new());
            }
        }
    }

    fn registered(&mut self, now: Now, ok: bool, answer: &Command) {
        if ok {
            self.registered = true;
            self.beat_due = now.mono;
            self.learn_from(answer);
            return;
        }
        self.forgotten = answer.code == response::CONTROLLER_BROKER_NEED_TO_BE_REGISTERED;
        self.refused(now, "the registration", answer);
    }

    fn informed(&mut self, now: Now, round: u64, to: &str, answer: &Command) {
        let sent = self.rounds.remove(&round);
        if answer.code != response::SUCCESS {
            if answer.code == response::CONTROLLER_BROKER_METADATA_NOT_EXIST {
                self.registered = false;
                self.step_due = now.mono;
            }
            return;
        }
        let Some(election) = protocol::election(answer) else { return };
        let own = self.mastership();
        let confirms = election.epoch == self.known.epoch
            && own.is_some()
            && election.master.as_ref().map(|(id, _)| *id) == own;
        self.learn(election);
        if let Some(sent) = sent
            && confirms
            && self.controllers.leader() == Some(to)
            && self.mastership().is_some()
        {
            self.lease.renew(sent, None);
        }
    }

    fn altered(&mut self, now: Now, ok: bool, set: &std::collections::BTreeSet<i64>, answer: &Command) {
        let body = json::from_slice::<SyncStateSetBody>(&answer.body);
        if let Ok(body) = body
            && ok
            && !body.members.is_empty()
        {
            if self.sets.install(body.epoch, &body.members) {
                self.tell_set();
            }
            return;
        }
        tracing::info!(code = answer.code, remark = ?answer.remark, ?set, "the controller refuses the SyncStateSet");
        // SYSTEM_ERROR is an answer given before the outcome was known; a set that has moved on may have done
        // so by an earlier request for the same set.
        let open = [response::SYSTEM_ERROR, response::CONTROLLER_FENCED_SYNC_STATE_SET_EPOCH];
        if !ok && !open.contains(&answer.code) {
            self.sets.refused(set);
            self.tell_set();
        }
        self.proposal_failed(now);
    }

    /// Whoever wants a set hears of it, and the truth is read again.
    fn proposal_failed(&mut self, now: Now) {
        self.sets.forget_wish();
        self.out.push_back(Out::ProposalFailed);
        self.alter_due = now.mono.plus_ms(RETRY_MS);
        self.beat_due = now.mono;
    }

    fn learn_from(&mut self, answer: &Command) {
        if let Some(election) = protocol::election(answer) {
            self.learn(election);
        }
    }

    /// Takes in what is said of an election; what is older than what is known says nothing.
    pub(super) fn learn(&mut self, election: Election) {
        if election.epoch > self.known.epoch {
            self.sets.begin(election.set_epoch, election.set.clone());
            self.known = election;
            return;
        }
        if election.epoch < self.known.epoch {
            return;
        }
        match (&self.known.master, &election.master) {
            (None, Some(_)) => self.known.master.clone_from(&election.master),
            (Some((id, _)), Some((again, _))) if id == again => {
                self.known.master.clone_from(&election.master);
            }
            _ => {}
        }
        if !election.set.is_empty() && self.sets.install(election.set_epoch, &election.set) {
            self.tell_set();
        }
    }

    pub(super) fn lost(&mut self, now: Now, addr: &str) {
        if self.controllers.leader() == Some(addr) {
            // It may elect another master because of that, and must be asked again before it can be known.
            self.lease.doubt(now.mono);
            self.controllers.forget_leader(now.mono);
            self.heard = false;
        }
    }

    pub(super) fn became(&mut self, now: Now, epoch: i32, result: Result<(), String>) {
        let Some(role) = self.adopting.take_if(|role| role.epoch == epoch) else { return };
        match result {
            Ok(()) => {
                tracing::info!(epoch, master = role.master, own = role.own, "role taken");
                let seen = role.set_epoch;
                if role.is_master() {
                    self.lease.doubt(now.mono);
                    self.beat_due = now.mono;
                }
                self.adopted = Some(role);
                if self.sets.epoch() > seen {
                    self.tell_set();
                }
            }
            Err(why) => {
                tracing::error!(epoch, why, "the role could not be taken; trying again");
                self.role_due = now.mono.plus_ms(ROLE_RETRY_MS);
            }
        }
    }
}
