//! Adding and removing brokers, one after the other.

use super::file::{BrokerFile, Refusal};
use super::members::{Identity, Kind};
use super::{Container, Place, StartError, Work};
use crate::wire::code::response;
use crate::wire::headers::admin::{AddBroker, RemoveBroker};
use crate::wire::{Frame, Reply, ReplyTo};

/// Something to do, in its turn. Without an address for the answer it belongs to the start of the process.
#[derive(Debug)]
pub(super) enum Ask {
    Add {
        path: String,
        to: Option<ReplyTo>,
    },
    Remove {
        identity: Identity,
        to: ReplyTo,
    },
    /// All brokers named at start have had their turn.
    Booted,
}

impl Ask {
    pub fn reply_to(&self) -> Option<ReplyTo> {
        match self {
            Ask::Add { to, .. } => *to,
            Ask::Remove { to, .. } => Some(*to),
            Ask::Booted => None,
        }
    }
}

/// What is being done.
#[derive(Debug)]
pub(super) enum Step {
    Reading { path: String, to: Option<ReplyTo> },
    Starting { kind: Kind, identity: Identity, to: Option<ReplyTo> },
    Stopping { kind: Kind, identity: Identity, to: ReplyTo },
}

impl Container {
    pub(super) fn ask_to_add(&mut self, frame: &Frame<'_>, to: ReplyTo) -> Option<Reply> {
        match AddBroker::parse(frame).config_path.filter(|path| !path.is_empty()) {
            None => Some(Reply::error(response::SYSTEM_ERROR, "addBroker config path is empty")),
            Some(path) => {
                self.asks.push_back(Ask::Add { path: path.to_owned(), to: Some(to) });
                None
            }
        }
    }

    pub(super) fn ask_to_remove(&mut self, frame: &Frame<'_>, to: ReplyTo) -> Option<Reply> {
        let missing = |field: &str| {
            Some(Reply::error(response::SYSTEM_ERROR, format!("the custom field <{field}> is null")))
        };
        let header = match RemoveBroker::parse_strict(frame) {
            Ok(header) => header,
            Err(error) => return Some(Reply::error(response::SYSTEM_ERROR, error.to_string())),
        };
        let Some(cluster) = header.broker_cluster_name else { return missing("brokerClusterName") };
        let Some(name) = header.broker_name else { return missing("brokerName") };
        let Some(id) = header.broker_id else { return missing("brokerId") };
        let identity = Identity { cluster: cluster.to_owned(), name: name.to_owned(), id };
        self.asks.push_back(Ask::Remove { identity, to });
        None
    }

    /// Begins with what is next, if nothing is under way.
    pub(super) fn advance(&mut self) {
        while self.step.is_none() && !self.stopping {
            match self.asks.pop_front() {
                Some(Ask::Add { path, to }) => {
                    if to.is_none() {
                        self.work.push_back(Work::Say(format!("Start broker from config file path {path}")));
                    }
                    self.work.push_back(Work::Read { path: path.clone() });
                    self.step = Some(Step::Reading { path, to });
                }
                Some(Ask::Remove { identity, to }) => self.begin_removal(identity, to),
                Some(Ask::Booted) => self.all_had_their_turn(),
                None => break,
            }
        }
    }

    /// The outcome of [`Work::Read`].
    pub fn file_read(&mut self, result: Result<String, String>) {
        let Some(Step::Reading { path, to }) = self.step.take() else {
            return;
        };
        if self.stopping {
            self.refuse(to, None, &Refusal::new("the container is shutting down"));
        } else if let Err((name, refusal)) = self.examine(&path, to, result) {
            self.refuse(to, name, &refusal);
        }
        self.advance();
    }

    /// Checks a file and has its broker started. With the refusal comes the name of the broker, once known.
    fn examine(
        &mut self,
        path: &str,
        to: Option<ReplyTo>,
        text: Result<String, String>,
    ) -> Result<(), (Option<Identity>, Refusal)> {
        let early = |remark: String| (None, Refusal::new(remark));
        let text = text.map_err(|why| early(format!("addBroker properties empty, {why}")))?;
        let mut file = BrokerFile::parse(&text, path, &self.settings, &self.host).map_err(|mistakes| {
            let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            early(format!("addBroker properties wrong, {}", lines.join("; ")))
        })?;
        if file.file.is_empty() {
            return Err(early(format!("addBroker properties empty, {path} has no key")));
        }
        let member = file.examine().map_err(|refusal| (Some(file.identity()), refusal))?;
        let identity = member.identity.clone();
        self.admit(&member).map_err(|refusal| (Some(identity.clone()), refusal))?;
        let canonical = identity.to_string();
        self.step = Some(Step::Starting { kind: member.kind, identity, to });
        self.members.insert(member);
        let owns_loop = self.settings.extensions.broker_owns_loop;
        self.work.push_back(Work::Start { file: Box::new(file), canonical, owns_loop });
        Ok(())
    }

    /// The outcome of [`Work::Start`]: where the broker is, or why it is not; then nothing of it is left.
    pub fn started(&mut self, result: Result<Place, StartError>) {
        let Some(Step::Starting { kind, identity, to }) = self.step.take() else {
            return;
        };
        match result {
            Ok(place) => {
                if let Some(member) = self.members.get_mut(kind, &identity) {
                    member.place = Some(place);
                }
                tracing::info!("broker {identity} runs in the container");
                match to {
                    Some(to) => self.reply(to, Reply::success()),
                    None => {
                        self.booted.0 += 1;
                        self.work.push_back(Work::Say(format!(
                            "Broker [{}-{}] boot success. serializeType={}",
                            identity.name, identity.id, self.settings.serialize_type
                        )));
                    }
                }
            }
            Err(error) => {
                self.members.remove(kind, &identity);
                let remark = match error {
                    StartError::Open(why) => {
                        format!("Failed to initialize {kind} broker {identity}, {why}")
                    }
                    StartError::Listen(why) => format!("start broker failed, {why}"),
                };
                // At start the others are tried all the same.
                self.refuse(to, Some(identity), &Refusal { remark, exit: None });
            }
        }
        self.advance();
    }

    fn refuse(&mut self, to: Option<ReplyTo>, name: Option<Identity>, refusal: &Refusal) {
        tracing::warn!(why = refusal.remark, "a broker was not added");
        let Some(to) = to else {
            self.booted.1 += 1;
            if let Some(status) = refusal.exit {
                self.asks.clear();
                self.work.push_back(Work::End { status, why: refusal.remark.clone() });
                return;
            }
            self.work.push_back(Work::Complain(refusal.remark.clone()));
            if let Some(Identity { name, id, .. }) = name {
                self.work.push_back(Work::Say(format!("Add broker [{name}-{id}] failed.")));
            }
            return;
        };
        self.reply(to, Reply::error(response::SYSTEM_ERROR, refusal.remark.clone()));
    }

    /// A process that was started for brokers and has none of them ends.
    fn all_had_their_turn(&mut self) {
        if let (0, failed @ 1..) = self.booted {
            let why = format!("none of the {failed} brokers of the container could be started");
            self.work.push_back(Work::End { status: -1, why });
        }
    }

    fn begin_removal(&mut self, identity: Identity, to: ReplyTo) {
        let found = self
            .members
            .find(&identity)
            .and_then(|member| Some((member.kind, member.identity.clone(), member.place?)));
        match found {
            None => self.reply(to, Reply::error(response::BROKER_NOT_EXIST, "Broker not exist")),
            Some((kind, identity, place)) => {
                tracing::info!("broker {identity} leaves the container");
                self.work.push_back(Work::Stop { place });
                self.step = Some(Step::Stopping { kind, identity, to });
            }
        }
    }

    /// The outcome of [`Work::Stop`].
    pub fn stopped(&mut self) {
        let Some(Step::Stopping { kind, identity, to }) = self.step.take() else {
            return;
        };
        self.members.remove(kind, &identity);
        self.reply(to, Reply::success());
        self.advance();
    }

    /// A broker has ended by itself, and nothing of it is left: the others go on, and it can be added again.
    pub fn ended(&mut self, place: Place, why: &str) {
        let Some((kind, identity)) = self.members.at(place).map(|m| (m.kind, m.identity.clone())) else {
            return;
        };
        tracing::error!(why, "broker {identity} has ended");
        self.work.push_back(Work::Complain(format!(
            "Broker [{}-{}] has ended: {why}",
            identity.name, identity.id
        )));
        // One that was about to be removed is gone as asked.
        if matches!(&self.step, Some(Step::Stopping { kind: of, identity: who, .. }) if *of == kind && *who == identity)
        {
            return self.stopped();
        }
        self.members.remove(kind, &identity);
    }

    /// The controller of a broker gave it this id.
    pub fn elected(&mut self, place: Place, id: i64) {
        if let Some(member) = self.members.at(place) {
            member.elected_id = Some(id);
        }
    }
}
