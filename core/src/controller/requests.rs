//! Request codes onto the machine: headers in, replies out, with the reference's codes and remarks
//! (`ControllerRequestProcessor`).

use super::apply::{NO_METADATA, Outcome, check_alter, check_broker_id, unknown_to_clean};
use super::election::{Elect, master_ext};
use super::event::{
    AlterSyncStateSetEvent, ApplyBrokerIdEvent, CleanBrokerDataEvent, ElectMasterEvent, Event,
    UpdateBrokerAddressEvent,
};
use super::lease::Grant;
use super::liveness::broker_id;
use super::machine::Controller;
use super::proposals::{Registering, Waiter};
use super::state::{BrokerSet, ControllerState, SyncStateInfo};
use crate::body::{BrokerReplicasInfo, ReplicaIdentity, ReplicasInfo, SyncStateSetBody};
use crate::json::{Style, from_slice, to_vec};
use crate::time::{Mono, Now};
use crate::wire::code::{request, response};
use crate::wire::headers::controller::{AlterSyncStateSet, CleanBrokerData, ControllerBroker, ElectMaster};
use crate::wire::{Ext, Frame, Peer, Reply, ReplyTo};
use std::collections::BTreeSet;

/// A question that only needs the state.
#[derive(Clone, Debug)]
pub(super) enum Read {
    ReplicaInfo(String),
    SyncStateData(Vec<String>),
    NextBrokerId(String, String),
}

/// A request that is refused at once; becomes the reply.
type Served = Result<Option<Reply>, Reply>;

pub(super) fn serve(
    machine: &mut Controller,
    now: Now,
    state: &ControllerState,
    peer: Peer,
    frame: &Frame<'_>,
) {
    let to = ReplyTo::new(peer.conn, frame);
    let served = match frame.code() {
        request::BROKER_HEARTBEAT => Ok(machine.heartbeat(now, state, peer, frame)),
        request::CONTROLLER_GET_METADATA_INFO => Ok(Some(machine.metadata())),
        request::UPDATE_CONTROLLER_CONFIG => Ok(Some(machine.update_config(frame.body()))),
        request::GET_CONTROLLER_CONFIG => Ok(Some(Reply::success().with_body(machine.settings.shown()))),
        request::CONTROLLER_ALTER_SYNC_STATE_SET
        | request::CONTROLLER_ELECT_MASTER
        | request::CONTROLLER_REGISTER_BROKER
        | request::CONTROLLER_GET_REPLICA_INFO
        | request::CONTROLLER_GET_SYNC_STATE_DATA
        | request::CLEAN_BROKER_DATA
        | request::CONTROLLER_GET_NEXT_BROKER_ID
        | request::CONTROLLER_APPLY_BROKER_ID
            if !machine.ready =>
        {
            Err(Reply::not_leader())
        }
        request::CONTROLLER_ALTER_SYNC_STATE_SET => machine.alter(now.mono, state, to, frame),
        request::CONTROLLER_ELECT_MASTER => machine.elect_request(now.mono, state, to, frame),
        request::CONTROLLER_REGISTER_BROKER => machine.register(now.mono, state, to, frame),
        request::CLEAN_BROKER_DATA => machine.clean(now.mono, state, to, frame),
        request::CONTROLLER_APPLY_BROKER_ID => machine.apply_broker_id(now.mono, state, to, frame),
        request::CONTROLLER_GET_REPLICA_INFO
        | request::CONTROLLER_GET_SYNC_STATE_DATA
        | request::CONTROLLER_GET_NEXT_BROKER_ID => machine.read_request(now.mono, state, to, frame),
        other => Err(Reply::not_supported(other)),
    };
    if let Some(reply) = served.unwrap_or_else(Some) {
        machine.metrics.request(frame.code(), reply.code);
        machine.reply(to, reply);
    } else {
        machine.metrics.request(frame.code(), response::SUCCESS);
    }
}

/// A header field that must be there.
fn need<T>(field: Option<T>, name: &'static str) -> Result<T, Reply> {
    field.ok_or_else(|| {
        Reply::error(response::SYSTEM_ERROR, format!("the request header lacks a usable {name}"))
    })
}

/// The answer to a heartbeat; `isLeader` and, with a lease, `leaseMillis` and `masterEpoch` are ours.
pub(super) fn heart_beat(leads: bool, grant: Option<Grant>) -> Reply {
    let mut ext = Ext::new().with("isLeader", leads);
    if let Some(grant) = grant {
        ext.put("leaseMillis", i64::try_from(grant.lease_ms).unwrap_or(0));
        ext.put("masterEpoch", grant.epoch);
    }
    Reply::success().with_remark("Heart beat success").with_ext(ext)
}

/// Code and remark of what became of an event.
pub(super) fn from_outcome(outcome: &Outcome) -> Reply {
    Reply { code: outcome.code, remark: outcome.remark.clone().map(Into::into), ..Reply::default() }
}

/// The answer to 1001.
pub(super) fn altered(outcome: &Outcome) -> Reply {
    let sync = outcome.sync.as_ref().filter(|_| outcome.code == response::SUCCESS);
    let ext = Ext::new().with("newSyncStateSetEpoch", sync.map_or(0, |sync| sync.set_epoch));
    let reply = from_outcome(outcome).with_ext(ext);
    match sync {
        Some(sync) => reply.with_body(set_body(sync)),
        None => reply,
    }
}

fn set_body(sync: &SyncStateInfo) -> Vec<u8> {
    let body = SyncStateSetBody { sync_state_set: sync.set.clone(), sync_state_set_epoch: sync.set_epoch };
    to_vec(&body, Style::Fastjson)
}

/// The first part of a check code is the broker's address.
fn address_of(check_code: &str) -> &str {
    check_code.split(';').next().unwrap_or_default()
}

impl Controller {
    fn metadata(&self) -> Reply {
        let mut ext = Ext::new().with("group", self.group.name.clone());
        if let Some(leader) = self.leader {
            ext.put("controllerLeaderId", leader.to_string());
            if let Some(address) = self.group.peers.get(&leader) {
                ext.put("controllerLeaderAddress", address.clone());
            }
        }
        ext.put("isLeader", self.leader == Some(self.group.own));
        ext.put("peers", self.group.peers_text());
        Reply::success().with_ext(ext)
    }

    fn alter(&mut self, now: Mono, state: &ControllerState, to: ReplyTo, frame: &Frame<'_>) -> Served {
        let header = AlterSyncStateSet::parse(frame);
        let name = need(header.broker_name, "brokerName")?;
        let body: SyncStateSetBody =
            from_slice(frame.body()).map_err(|e| Reply::error(response::SYSTEM_ERROR, e.to_string()))?;
        let refused = |outcome| Err(altered(&outcome));
        let Some(set) = state.get(name) else {
            return refused(Outcome::refused(response::CONTROLLER_ALTER_SYNC_STATE_SET_FAILED, NO_METADATA));
        };
        let event = AlterSyncStateSetEvent {
            broker_name: name.to_owned(),
            new_set: body.sync_state_set,
            master: Some(need(header.master_broker_id, "masterBrokerId")?),
            master_epoch: Some(need(header.master_epoch, "masterEpoch")?),
            set_epoch: Some(body.sync_state_set_epoch),
            ..AlterSyncStateSetEvent::default()
        };
        if let Err(outcome) = check_alter(set, &event) {
            return refused(outcome);
        }
        // A member that just died must not keep the master from letting go of another one: only newcomers have
        // to be alive.
        let mut newcomers = event.new_set.difference(&set.sync.set);
        if let Some(dead) = newcomers.find(|id| !self.live.is_alive(now, &broker_id(name, set, **id))) {
            let remark =
                format!("Rejecting alter syncStateSet request because the replicas {{{dead}}} don't alive");
            return refused(Outcome::refused(response::CONTROLLER_BROKER_NOT_ALIVE, remark));
        }
        self.propose(now, Event::AlterSyncStateSet(event).encode(), Waiter::Alter(to));
        Ok(None)
    }

    fn elect_request(
        &mut self,
        now: Mono,
        state: &ControllerState,
        to: ReplyTo,
        frame: &Frame<'_>,
    ) -> Served {
        let header = ElectMaster::parse(frame);
        let name = need(header.broker_name, "brokerName")?.to_owned();
        let broker_id = header.broker_id.filter(|id| *id != -1);
        let designated = header.designate_elect;
        self.elect(now, state, Elect { to: Some(to), name, broker_id, designated, attempt: 0 });
        Ok(None)
    }

    fn register(&mut self, now: Mono, state: &ControllerState, to: ReplyTo, frame: &Frame<'_>) -> Served {
        let header = ControllerBroker::parse(frame);
        let name = need(header.broker_name, "brokerName")?;
        let cluster = header.cluster_name.unwrap_or_default();
        let ext = Ext::new().with("clusterName", cluster.to_owned()).with("brokerName", name.to_owned());
        let id = need(header.broker_id, "brokerId")?;
        let address = need(header.broker_address, "brokerAddress")?;
        let unknown = match state.get(name) {
            None => format!("Broker-set: {name} hasn't been registered in controller"),
            Some(set) => match set.address(id) {
                None => format!("BrokerId: {id} hasn't been registered in broker-set: {name}"),
                Some(known) if known == address => {
                    self.known(now, state, Registering { to, ext, name: name.to_owned(), id });
                    return Ok(None);
                }
                // Two brokers with one identity file, say: the one that lives keeps its id.
                Some(known) if self.live.is_alive(now, &broker_id(name, set, id)) => {
                    let remark = format!(
                        "BrokerId: {id} of broker-set: {name} is in use by the broker at {known}, which is alive; \
                         {address} needs an id of its own"
                    );
                    return Err(Reply::error(response::CONTROLLER_BROKER_ID_INVALID, remark).with_ext(ext));
                }
                Some(_) => {
                    let event = Event::UpdateBrokerAddress(UpdateBrokerAddressEvent {
                        cluster_name: cluster.to_owned(),
                        broker_name: name.to_owned(),
                        broker_address: address.to_owned(),
                        broker_id: id,
                        ..UpdateBrokerAddressEvent::default()
                    });
                    self.propose(
                        now,
                        event.encode(),
                        Waiter::Register(Registering { to, ext, name: name.to_owned(), id }),
                    );
                    return Ok(None);
                }
            },
        };
        Err(Reply::error(response::CONTROLLER_BROKER_NEED_TO_BE_REGISTERED, unknown).with_ext(ext))
    }

    /// Goes on with a replica that is known under its present address.
    pub(super) fn known(&mut self, now: Mono, state: &ControllerState, registering: Registering) {
        let Registering { to, ext, name, id } = registering;
        let Some(set) = state.get(&name).filter(|set| set.sync.master == Some(id)) else {
            let reply = self.registered(now, state, ext, &name);
            return self.reply(to, reply);
        };
        // The master's process has begun anew, and its log may have lost its end: what it writes now must not be
        // taken for what it wrote before, so it does so in a new epoch, or not as master if another election has come
        // first. Replicas that may have more than it has come back into the set when they have parted with that.
        let event = Event::ElectMaster(ElectMasterEvent {
            broker_name: name.clone(),
            elected: true,
            new_master: Some(id),
            master_epoch: Some(set.sync.master_epoch),
            ..ElectMasterEvent::default()
        });
        self.propose(now, event.encode(), Waiter::Reelect(Registering { to, ext, name, id }));
    }

    /// The answer to a replica that is known under its present address.
    pub(super) fn registered(&self, now: Mono, state: &ControllerState, mut ext: Ext, name: &str) -> Reply {
        let Some(set) = state.get(name) else {
            let remark = format!("Broker-set: {name} hasn't been registered in controller");
            return Reply::error(response::CONTROLLER_BROKER_NEED_TO_BE_REGISTERED, remark).with_ext(ext);
        };
        if let Some((id, address)) = set.master().filter(|_| self.master_lives(now, name, set)) {
            for (key, value) in
                master_ext(id, address.to_owned(), set.sync.master_epoch, set.sync.set_epoch).iter()
            {
                ext.put(key.to_owned(), value.clone());
            }
        }
        Reply::success().with_ext(ext).with_body(set_body(&set.sync))
    }

    fn apply_broker_id(
        &mut self,
        now: Mono,
        state: &ControllerState,
        to: ReplyTo,
        frame: &Frame<'_>,
    ) -> Served {
        let header = ControllerBroker::parse(frame);
        let name = need(header.broker_name, "brokerName")?.to_owned();
        let cluster = header.cluster_name.unwrap_or_default().to_owned();
        let check_code = need(header.register_check_code, "registerCheckCode")?;
        let event = ApplyBrokerIdEvent {
            broker_address: address_of(check_code).to_owned(),
            new_broker_id: need(header.applied_broker_id, "appliedBrokerId")?,
            register_check_code: check_code.to_owned(),
            cluster_name: cluster.clone(),
            broker_name: name.clone(),
            ..ApplyBrokerIdEvent::default()
        };
        let ext = Ext::new().with("clusterName", cluster).with("brokerName", name.clone());
        let set = state.get(&name);
        if let Err(outcome) = check_broker_id(set, &event) {
            return Err(from_outcome(&outcome).with_ext(ext));
        }
        if set.is_some_and(|set| set.info.replicas.contains_key(&event.new_broker_id)) {
            // The same broker asks again.
            return Ok(Some(Reply::success().with_ext(ext)));
        }
        self.propose(now, Event::ApplyBrokerId(event).encode(), Waiter::BrokerId(to, ext));
        Ok(None)
    }

    fn clean(&mut self, now: Mono, state: &ControllerState, to: ReplyTo, frame: &Frame<'_>) -> Served {
        let header = CleanBrokerData::parse(frame);
        let name = need(header.broker_name, "brokerName")?;
        let refused = |remark| Err(Reply::error(response::CONTROLLER_INVALID_CLEAN_BROKER_METADATA, remark));
        let Some(set) = state.get(name) else {
            return refused(unknown_to_clean(name));
        };
        let listed =
            header.ids_to_clean.filter(|text| !text.trim().is_empty() && !header.clean_living_broker);
        let mut ids = None;
        if let Some(listed) = listed {
            let parsed: Result<BTreeSet<i64>, _> =
                listed.split(';').filter(|id| !id.trim().is_empty()).map(|id| id.trim().parse()).collect();
            let Ok(parsed) = parsed else {
                return refused(format!("brokerControllerIdsToClean \"{listed}\" is not a list like 1;2;3"));
            };
            // Also who is only suspected to be dead must stay.
            let alive = |id: &i64| self.live.get(&broker_id(name, set, *id)).is_some();
            if let Some(id) = parsed.iter().find(|id| alive(id)) {
                return refused(format!("Broker [{name},  {id}] is still alive, clean up failure"));
            }
            ids = Some(parsed);
        } else if !header.clean_living_broker && set.sync.master.is_some() {
            return refused(format!("Broker {name} is still alive, clean up failure"));
        }
        let set_epoch = (!header.clean_living_broker).then_some(set.sync.set_epoch);
        let event =
            CleanBrokerDataEvent { broker_name: name.to_owned(), ids, set_epoch, ..Default::default() };
        self.propose(now, Event::CleanBrokerData(event).encode(), Waiter::Clean(to));
        Ok(None)
    }

    fn read_request(&mut self, now: Mono, state: &ControllerState, to: ReplyTo, frame: &Frame<'_>) -> Served {
        let header = ControllerBroker::parse(frame);
        let name = || need(header.broker_name, "brokerName").map(str::to_owned);
        let read = match frame.code() {
            request::CONTROLLER_GET_REPLICA_INFO => Read::ReplicaInfo(name()?),
            request::CONTROLLER_GET_NEXT_BROKER_ID => {
                Read::NextBrokerId(header.cluster_name.unwrap_or_default().to_owned(), name()?)
            }
            _ if frame.body().is_empty() => {
                return Err(Reply::error(response::SYSTEM_ERROR, "not set any response code"));
            }
            _ => Read::SyncStateData(
                from_slice(frame.body()).map_err(|e| Reply::error(response::SYSTEM_ERROR, e.to_string()))?,
            ),
        };
        if self.settings.controller.is_process_read_event {
            self.propose(now, bytes::Bytes::new(), Waiter::Read(to, read));
            return Ok(None);
        }
        Ok(Some(self.read(now, state, &read)))
    }

    pub(super) fn read(&self, now: Mono, state: &ControllerState, read: &Read) -> Reply {
        match read {
            Read::ReplicaInfo(name) => replica_info(state.get(name)),
            Read::NextBrokerId(cluster, name) => {
                let next = state.get(name).map_or(1, |set| set.info.next_broker_id);
                let ext = Ext::new().with("clusterName", cluster.clone()).with("brokerName", name.clone());
                Reply::success().with_ext(ext.with("nextBrokerId", next))
            }
            Read::SyncStateData(names) => {
                let known = names.iter().filter_map(|name| Some((name, state.get(name)?)));
                let table = known.map(|(name, set)| (name.clone(), self.replicas(now, name, set))).collect();
                let body = BrokerReplicasInfo { replicas_info_table: table };
                Reply::success().with_body(to_vec(&body, Style::Fastjson))
            }
        }
    }

    fn replicas(&self, now: Mono, name: &str, set: &BrokerSet) -> ReplicasInfo {
        let mut info = ReplicasInfo {
            master_broker_id: set.sync.master,
            master_address: set.master().map(|(_, address)| address.to_owned()),
            master_epoch: set.sync.master_epoch,
            sync_state_set_epoch: set.sync.set_epoch,
            ..ReplicasInfo::default()
        };
        for (id, replica) in &set.info.replicas {
            let identity = ReplicaIdentity {
                broker_name: name.to_owned(),
                broker_id: *id,
                broker_address: replica.address.clone(),
                alive: self.live.is_alive(now, &broker_id(name, set, *id)),
            };
            let in_sync = set.sync.set.contains(id);
            let list = if in_sync { &mut info.in_sync_replicas } else { &mut info.not_in_sync_replicas };
            list.push(identity);
        }
        info
    }
}

fn replica_info(set: Option<&BrokerSet>) -> Reply {
    let Some(set) = set else {
        let code = response::CONTROLLER_BROKER_METADATA_NOT_EXIST;
        return Reply::error(code, NO_METADATA).with_ext(Ext::new());
    };
    let mut ext = Ext::new();
    if let Some((id, address)) = set.master() {
        ext.put("masterBrokerId", id);
        ext.put("masterAddress", address.to_owned());
    }
    ext.put("masterEpoch", set.sync.master_epoch);
    Reply::success().with_ext(ext).with_body(set_body(&set.sync))
}
