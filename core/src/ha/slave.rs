//! The replica's end of a connection (`AutoSwitchHAClient`, `DefaultHAClient`; `spec/ha.md#b5`, `#a1`).
//!
//! It dials, shakes hands once, finds out up to where the two logs agree, has the rest cut off, and appends what
//! comes. Nothing is acknowledged while the epochs that label it are not on disk.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::HaConfig;
use super::epoch::{EpochCache, EpochEntry};
use super::wire::{self, FromMaster, FromSlave, WireError};
use crate::planted;
use crate::time::{Mono, Now, earliest};

/// Between a failure and the next attempt.
const RETRY_MS: u64 = 5_000;

/// Which protocol is spoken, and as whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlaveProtocol {
    /// Without names and epochs: nothing is ever cut off.
    Classic,
    AutoSwitch {
        id: i64,
        from_last_file: bool,
        async_learner: bool,
    },
}

/// What the machine wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlaveOut {
    /// Connect to `host:port`; tell the outcome with [`Slave::connected`] or [`Slave::disconnected`].
    Dial(String),
    Send(Bytes),
    /// Close the connection, or give up dialling.
    Close,
    /// Cut the log, durably; tell with [`Slave::truncated`].
    TruncateTo(u64),
    /// Replace the epoch file; tell with [`Slave::epochs_saved`]. In the order given.
    SaveEpochs(EpochCache),
    /// Append bytes of the log, which need not be whole records.
    Append {
        at: u64,
        data: Bytes,
    },
    /// The master says that everything below is on every replica that counts.
    Confirm(u64),
}

/// Why a connection was given up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SlaveError {
    #[error("{0}")]
    Wire(#[from] WireError),
    #[error("a {0} came where there is no place for it")]
    OutOfPlace(&'static str),
    #[error("the master sends byte {sent}, this log ends at byte {end}")]
    Gap { sent: u64, end: u64 },
    #[error("the master sends epoch {sent}, this log is in epoch {own} already")]
    OldEpoch { sent: i32, own: i32 },
    #[error(
        "no epoch is in both logs, so nothing tells where they part; this log has to be emptied by hand to follow"
    )]
    NothingInCommon,
    #[error(
        "this log ends at byte {end}, the master's begins at byte {start}: what is between is gone; beginning anew there"
    )]
    Outside { end: u64, start: u64 },
    #[error("nothing was heard of the master for {0} ms")]
    Silent(u64),
    #[error("{0}")]
    Local(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Not connected; dials then, or once there is an address.
    Idle(Mono),
    Dialling,
    Handshake,
    /// Connected; the log is being cut.
    Truncating(u64),
    /// The log lies before the epochs the master still knows; it was asked where its log begins.
    Asking,
    /// Not connected; the log is being emptied, since it ends before the master's begins (KF-38).
    Emptying,
    Transfer,
}

/// A replica's connection to its master.
#[derive(Debug)]
pub struct Slave {
    protocol: SlaveProtocol,
    config: HaConfig,
    address: Option<String>,
    phase: Phase,
    epochs: EpochCache,
    /// The master's, from its handshake.
    agreed: EpochCache,
    /// Next byte of the log; 0 for an empty one, wherever it would go on.
    end: u64,
    /// Up to where may be acknowledged: durable, when the flush mode says so (KF-10).
    ackable: u64,
    /// The master is told nothing of the log for now.
    holds: bool,
    reported: Option<u64>,
    /// No frame of this connection was taken yet.
    first: bool,
    unsaved: u32,
    /// The epoch file could not be written: what is on disk is not what is in `epochs`.
    stale_file: bool,
    inbound: BytesMut,
    last_read: Mono,
    last_write: Mono,
    was_connected: bool,
    /// Something came on this connection.
    heard: bool,
    /// Begin of the second that is counted, and bytes read in it.
    second: (Mono, u64),
    /// Bytes of the second before.
    rate: u64,
    error: Option<SlaveError>,
    out: VecDeque<SlaveOut>,
}

impl Slave {
    /// A replica whose log ends at `end` and is safe up to `ackable`.
    #[must_use]
    pub fn new(
        protocol: SlaveProtocol,
        config: HaConfig,
        epochs: EpochCache,
        end: u64,
        ackable: u64,
        now: Now,
    ) -> Self {
        Slave {
            protocol,
            config,
            address: None,
            phase: Phase::Idle(now.mono),
            epochs,
            agreed: EpochCache::default(),
            end,
            ackable,
            holds: false,
            reported: None,
            first: true,
            unsaved: 0,
            stale_file: false,
            inbound: BytesMut::new(),
            last_read: now.mono,
            last_write: now.mono,
            was_connected: false,
            heard: false,
            second: (now.mono, 0),
            rate: 0,
            error: None,
            out: VecDeque::new(),
        }
    }

    #[must_use]
    pub fn epochs(&self) -> &EpochCache {
        &self.epochs
    }

    /// Bytes of the log arrive.
    #[must_use]
    pub fn is_transferring(&self) -> bool {
        self.phase == Phase::Transfer
    }

    #[must_use]
    pub fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    /// When something was last read of a master and written to it; `None` before the first connection.
    #[must_use]
    pub fn last_activity(&self) -> Option<(Mono, Mono)> {
        self.was_connected.then_some((self.last_read, self.last_write))
    }

    /// Bytes read of the master in the last full second.
    #[must_use]
    pub fn bytes_per_second(&self, now: Now) -> u64 {
        match now.mono.ms_since(self.second.0) {
            0..1_000 => self.rate,
            1_000..2_000 => self.second.1,
            _ => 0,
        }
    }

    /// Why the last connection ended, for a log line; taken once.
    pub fn take_error(&mut self) -> Option<SlaveError> {
        self.error.take()
    }

    /// Drops epochs that ended before this byte, the first of the log; true when there were any, and the file is to be
    /// written.
    pub fn drop_epochs_before(&mut self, start: u64) -> bool {
        self.epochs.drop_before(start)
    }

    /// Where the master is. A connection to another address is dropped at once.
    pub fn set_address(&mut self, now: Now, address: Option<String>) {
        let address = address.filter(|address| !address.is_empty());
        if address != self.address {
            self.address = address;
            let pause_ms = if planted::is("dawdling-replica") { 5_000 } else { 0 };
            self.drop_connection(now.mono.plus_ms(pause_ms));
            self.tick(now);
        }
    }

    /// Dials at once instead of after the pause that follows a failure.
    pub fn hurry(&mut self, now: Now) {
        if matches!(self.phase, Phase::Idle(_)) {
            self.phase = Phase::Idle(now.mono);
            self.tick(now);
        }
    }

    /// Something came from the master within this time.
    #[must_use]
    pub fn has_heard(&self, now: Now, ms: u64) -> bool {
        self.heard && now.mono.ms_since(self.last_read) < ms
    }

    /// The dialled connection is there.
    pub fn connected(&mut self, now: Now) {
        if self.phase != Phase::Dialling {
            return;
        }
        (self.last_read, self.last_write) = (now.mono, now.mono);
        self.was_connected = true;
        match self.protocol {
            SlaveProtocol::Classic => {
                self.phase = Phase::Transfer;
                self.report(now, true);
            }
            SlaveProtocol::AutoSwitch { id, from_last_file, async_learner } => {
                self.phase = Phase::Handshake;
                self.send(now, FromSlave::Handshake { from_last_file, async_learner, id }.encode());
            }
        }
    }

    /// The connection is gone, or could not be made.
    pub fn disconnected(&mut self, now: Now) {
        if !matches!(self.phase, Phase::Idle(_) | Phase::Emptying) {
            self.reset(now.mono.plus_ms(RETRY_MS));
        }
    }

    /// How far the log is now, beyond what [`SlaveOut::Append`] made of it.
    pub fn log(&mut self, now: Now, end: u64, ackable: u64) {
        (self.end, self.ackable) = (end, ackable);
        self.report(now, false);
    }

    /// Whether to tell the master nothing of the log. The first report asks for what follows: before it nothing comes.
    pub fn hold_reports(&mut self, now: Now, hold: bool) {
        self.holds = hold;
        self.report(now, false);
    }

    /// The cut asked for is done and durable; the log ends at `end`, 0 if nothing is left of it.
    pub fn truncated(&mut self, now: Now, result: Result<u64, String>) {
        let (agreed, emptied) = match self.phase {
            Phase::Truncating(agreed) => (agreed, false),
            Phase::Emptying => (0, true),
            _ => return,
        };
        match result {
            Ok(end) => {
                self.end = end;
                self.ackable = self.ackable.min(end);
                let mut epochs = self.epochs.clone();
                epochs.drop_from_offset(agreed);
                if emptied {
                    self.reset(now.mono);
                    self.set_epochs(epochs);
                    return self.tick(now);
                }
                if !planted::is("epoch-unnoted") {
                    epochs.adopt(&self.agreed, agreed);
                }
                self.phase = Phase::Transfer;
                self.set_epochs(epochs);
                self.report(now, true);
            }
            Err(why) => {
                self.phase = if emptied { Phase::Idle(now.mono.plus_ms(RETRY_MS)) } else { self.phase };
                self.fail(now, SlaveError::Local(why));
            }
        }
    }

    /// A [`SlaveOut::SaveEpochs`] is done.
    pub fn epochs_saved(&mut self, now: Now, result: Result<(), String>) {
        self.unsaved = self.unsaved.saturating_sub(1);
        match result {
            Ok(()) => self.report(now, self.reported.is_none()),
            Err(why) => {
                self.stale_file = true;
                self.fail(now, SlaveError::Local(format!("the epoch file cannot be written: {why}")));
            }
        }
    }

    /// The log did not take what it was given.
    pub fn append_failed(&mut self, now: Now, end: u64, why: String) {
        self.end = end;
        self.fail(now, SlaveError::Local(why));
    }

    /// Takes bytes from the master.
    pub fn received(&mut self, now: Now, data: &[u8]) {
        if matches!(self.phase, Phase::Idle(_) | Phase::Dialling | Phase::Emptying) {
            return;
        }
        self.last_read = now.mono;
        self.heard = true;
        let passed = now.mono.ms_since(self.second.0);
        if passed >= 1_000 {
            self.rate = if passed < 2_000 { self.second.1 } else { 0 };
            self.second = (now.mono, 0);
        }
        self.second.1 += data.len() as u64;
        self.inbound.extend_from_slice(data);
        if let Err(error) = self.messages(now) {
            self.fail(now, error);
        }
    }

    fn messages(&mut self, now: Now) -> Result<(), SlaveError> {
        if self.protocol == SlaveProtocol::Classic {
            while let Some((first, body)) = wire::decode_classic(&mut self.inbound)? {
                self.take_bytes(first, body)?;
            }
            self.report(now, false);
            return Ok(());
        }
        // while the log is being cut nothing is due; a later message has to wait
        while !matches!(self.phase, Phase::Truncating(_))
            && let Some(message) = FromMaster::decode(&mut self.inbound)?
        {
            match (message, self.phase) {
                (FromMaster::Answer { max, epochs, .. }, Phase::Handshake) => {
                    self.answered(now, max, epochs)?;
                }
                (FromMaster::Answer { .. }, _) => return Err(SlaveError::OutOfPlace("handshake answer")),
                (FromMaster::Frame(..), Phase::Handshake) => {
                    return Err(SlaveError::OutOfPlace("transfer frame"));
                }
                (FromMaster::Frame(head, body), phase) => {
                    if let Some(first) = head.offset {
                        if self.is_outside(first) {
                            self.begin_anew(first);
                            return Ok(());
                        }
                        if phase == Phase::Asking {
                            return Err(SlaveError::NothingInCommon);
                        }
                        if self.end == 0 && first > 0 {
                            // The epochs of a log that begins in the middle of the master's.
                            let mut epochs = self.epochs.clone();
                            epochs.adopt(&self.agreed, first);
                            epochs.drop_before(first);
                            self.set_epochs(epochs);
                        }
                        self.enter_epoch(head.epoch)?;
                        self.take_bytes(first, body)?;
                    }
                    self.out.push_back(SlaveOut::Confirm(head.confirm.min(self.end)));
                }
            }
        }
        self.report(now, false);
        Ok(())
    }

    fn answered(&mut self, now: Now, max: u64, epochs: EpochCache) -> Result<(), SlaveError> {
        let agreed = self.epochs.consistent_point(self.end, &epochs, max);
        let before = epochs.entries().first().is_some_and(|first| self.end <= first.start);
        self.agreed = epochs;
        let agreed = if planted::is("end-is-trusted") { Some(max) } else { agreed };
        if agreed.is_none() && before {
            // All epochs in common may have been dropped with their part of the log. A report of nothing is answered
            // with the log from its first byte on; it is not appended unless this log is empty.
            self.phase = Phase::Asking;
            self.send(now, FromSlave::Report(0).encode());
            return Ok(());
        }
        let agreed = agreed.ok_or(SlaveError::NothingInCommon)?.min(self.end);
        self.phase = Phase::Truncating(agreed);
        self.out.push_back(SlaveOut::TruncateTo(agreed));
        Ok(())
    }

    /// Whether the master's log begins behind the end of this one.
    fn is_outside(&mut self, first: u64) -> bool {
        let unseen = planted::is("outside-unseen");
        core::mem::replace(&mut self.first, false) && self.end != 0 && first > self.end && !unseen
    }

    /// Has the log emptied: nothing joins it to what the master has, and of what it holds the set has let go. Only where
    /// a controller answers for it that the two belong together.
    fn begin_anew(&mut self, start: u64) {
        self.error = Some(SlaveError::Outside { end: self.end, start });
        self.out.push_back(SlaveOut::Close);
        self.phase = Phase::Emptying;
        self.out.push_back(SlaveOut::TruncateTo(0));
    }

    fn enter_epoch(&mut self, entry: EpochEntry) -> Result<(), SlaveError> {
        let own = self.epochs.last_epoch();
        if entry.epoch < own {
            return Err(SlaveError::OldEpoch { sent: entry.epoch, own });
        }
        let mut epochs = self.epochs.clone();
        // an epoch that does not fit the ones that are there says nothing about bytes of this log
        let noted = !planted::is("epoch-unnoted");
        if noted && entry.epoch > own && epochs.push(entry).is_ok() {
            self.set_epochs(epochs);
        }
        Ok(())
    }

    fn set_epochs(&mut self, epochs: EpochCache) {
        if epochs != self.epochs || self.stale_file {
            self.stale_file = false;
            self.epochs = epochs.clone();
            self.unsaved += 1;
            self.out.push_back(SlaveOut::SaveEpochs(epochs));
        }
    }

    fn take_bytes(&mut self, first: u64, data: Bytes) -> Result<(), SlaveError> {
        // an empty log begins wherever the master begins
        if self.end != 0 && first != self.end {
            return Err(SlaveError::Gap { sent: first, end: self.end });
        }
        if !data.is_empty() {
            self.end = first + data.len() as u64;
            self.out.push_back(SlaveOut::Append { at: first, data });
        }
        Ok(())
    }

    fn report(&mut self, now: Now, even_if_told: bool) {
        let may = self.ackable.min(self.end);
        let news = self.reported.is_none_or(|told| may > told);
        if self.phase == Phase::Transfer && self.unsaved == 0 && !self.holds && (news || even_if_told) {
            self.reported = Some(may);
            let bytes = match self.protocol {
                SlaveProtocol::Classic => wire::classic_report(may),
                SlaveProtocol::AutoSwitch { .. } => FromSlave::Report(may).encode(),
            };
            self.send(now, bytes);
        }
    }

    fn send(&mut self, now: Now, bytes: Bytes) {
        self.last_write = now.mono;
        self.out.push_back(SlaveOut::Send(bytes));
    }

    fn fail(&mut self, now: Now, error: SlaveError) {
        self.error = Some(error);
        self.drop_connection(now.mono.plus_ms(RETRY_MS));
    }

    fn drop_connection(&mut self, retry_at: Mono) {
        if !matches!(self.phase, Phase::Idle(_) | Phase::Emptying) {
            self.out.push_back(SlaveOut::Close);
        }
        self.reset(retry_at);
    }

    fn reset(&mut self, retry_at: Mono) {
        self.phase = Phase::Idle(retry_at);
        self.heard = false;
        self.reported = None;
        self.first = true;
        self.inbound = BytesMut::new();
    }

    /// What is due by now: dialling, keep-alives, giving a silent master up.
    pub fn tick(&mut self, now: Now) {
        match self.phase {
            Phase::Idle(at) if at <= now.mono => {
                // what an earlier connection wanted saved comes first
                if let Some(address) = self.address.clone().filter(|_| self.unsaved == 0) {
                    self.phase = Phase::Dialling;
                    self.out.push_back(SlaveOut::Dial(address));
                }
            }
            Phase::Idle(_) | Phase::Dialling | Phase::Emptying => {}
            Phase::Handshake | Phase::Truncating(_) | Phase::Asking | Phase::Transfer => {
                let silent = now.mono.ms_since(self.last_read);
                if silent > self.config.housekeeping_ms {
                    self.fail(now, SlaveError::Silent(silent));
                } else if self.phase == Phase::Transfer
                    && now.mono.ms_since(self.last_write) > self.config.heartbeat_ms
                {
                    self.report(now, true);
                }
            }
        }
    }

    /// When [`Self::tick`] is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let silent = self.last_read.plus_ms(self.config.housekeeping_ms + 1);
        match self.phase {
            Phase::Idle(at) => (self.address.is_some() && self.unsaved == 0).then_some(at),
            Phase::Dialling | Phase::Emptying => None,
            Phase::Transfer if self.unsaved == 0 && !self.holds => {
                earliest(Some(silent), Some(self.last_write.plus_ms(self.config.heartbeat_ms + 1)))
            }
            _ => Some(silent),
        }
    }

    /// Takes the next thing to do if it is a report; for whoever has just told of the log.
    pub fn poll_send(&mut self) -> Option<Bytes> {
        match self.out.pop_front() {
            Some(SlaveOut::Send(bytes)) => Some(bytes),
            Some(other) => {
                self.out.push_front(other);
                None
            }
            None => None,
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<SlaveOut> {
        self.out.pop_front()
    }
}
