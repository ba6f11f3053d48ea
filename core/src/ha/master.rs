//! The master's end of a connection (`AutoSwitchHAConnection`, `DefaultHAConnection`; `spec/ha.md#b5`, `#a2`).
//!
//! Frames are cut from the log when the connection has room, never queued ahead: what the epoch of a byte is,
//! and how far is confirmed, is looked up when the frame is made (KF-03).

use bytes::{Bytes, BytesMut};

use super::HaConfig;
use super::epoch::{EpochCache, EpochEntry};
use super::wire::{self, FromMaster, FromSlave, WireError};
use crate::time::{Mono, Now, earliest};

/// The log a master sends from.
pub trait Source {
    /// First and next byte of the log.
    fn bounds(&self) -> (u64, u64);
    /// First byte of the last file.
    fn last_file(&self) -> u64;
    /// At most `max` bytes from an offset on, within one file; `None` when there are none.
    fn slice(&self, from: u64, max: usize) -> Option<Bytes>;
}

/// What a session looks at.
#[derive(Debug)]
pub struct View<'a, S> {
    pub log: &'a S,
    pub epochs: &'a EpochCache,
    pub confirm: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MasterProtocol {
    Classic,
    AutoSwitch,
}

/// Why a session was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MasterError {
    #[error("{0}")]
    Wire(#[from] WireError),
    #[error("a report came before the handshake")]
    NoHandshake,
    #[error("a handshake came in the middle of a transfer")]
    SecondHandshake,
    #[error("the replica says its log ends at byte {said}, this one ends at byte {end}")]
    BeyondEnd { said: u64, end: u64 },
    #[error(
        "the replica is at byte {asked} still, this log begins at byte {start}: it has to begin anew there"
    )]
    Pruned { asked: u64, start: u64 },
    #[error("nothing was heard of the replica for {0} ms")]
    Silent(u64),
}

/// What a replica said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It introduced itself; this is the answer.
    Handshake(Bytes),
    /// Its log is there up to this byte.
    Acked(u64),
}

/// One replica's connection.
#[derive(Debug)]
pub struct Master {
    protocol: MasterProtocol,
    config: HaConfig,
    /// Number and whether it is a learner, once it has said so.
    slave: Option<(i64, bool)>,
    from_last_file: bool,
    /// Where its first report was; `None` before.
    requested: Option<u64>,
    acked: u64,
    next: u64,
    last_read: Mono,
    last_write: Mono,
    inbound: BytesMut,
    /// Bytes sent in the second that began then.
    second: (Mono, u64),
    /// Bytes sent in the last whole second.
    rate: u64,
}

impl Master {
    #[must_use]
    pub fn new(protocol: MasterProtocol, config: HaConfig, now: Now) -> Self {
        Master {
            protocol,
            config,
            slave: None,
            from_last_file: protocol == MasterProtocol::Classic,
            requested: None,
            acked: 0,
            next: 0,
            last_read: now.mono,
            last_write: now.mono,
            inbound: BytesMut::new(),
            second: (now.mono, 0),
            rate: 0,
        }
    }

    /// The replica's number; none in the classic protocol and before the handshake.
    #[must_use]
    pub fn slave_id(&self) -> Option<i64> {
        self.slave.map(|(id, _)| id)
    }

    #[must_use]
    pub fn is_learner(&self) -> bool {
        self.slave.is_some_and(|(_, learner)| learner)
    }

    /// Up to where the replica has the log; `None` before its first report.
    #[must_use]
    pub fn acked(&self) -> Option<u64> {
        self.requested.map(|_| self.acked)
    }

    /// Next byte to be sent.
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.next
    }

    /// Bytes sent in the last whole second.
    #[must_use]
    pub fn bytes_per_second(&self) -> u64 {
        self.rate
    }

    /// Takes bytes from the replica and tells `heard` of each message.
    ///
    /// # Errors
    /// [`MasterError`]: the session is over.
    pub fn received<S: Source>(
        &mut self,
        now: Now,
        data: &[u8],
        view: &View<'_, S>,
        mut heard: impl FnMut(Heard),
    ) -> Result<(), MasterError> {
        self.last_read = now.mono;
        self.inbound.extend_from_slice(data);
        let mut answered = false;
        loop {
            match self.protocol {
                MasterProtocol::Classic => {
                    let Some((max, used)) = wire::decode_classic_report(&self.inbound)? else { break };
                    let _ = self.inbound.split_to(used);
                    self.report(max, view)?;
                    heard(Heard::Acked(max));
                }
                MasterProtocol::AutoSwitch => {
                    let Some((message, used)) = FromSlave::decode(&self.inbound)? else { break };
                    let _ = self.inbound.split_to(used);
                    match message {
                        FromSlave::Handshake { from_last_file, async_learner, id } => {
                            if self.requested.is_some() {
                                return Err(MasterError::SecondHandshake);
                            }
                            // The reference's replica repeats itself until it has the whole answer, and gives
                            // up when it gets a second one.
                            if self.slave.is_none() && !answered {
                                answered = true;
                                self.slave = Some((id, async_learner));
                                self.from_last_file = from_last_file;
                                self.last_write = now.mono;
                                let max = view.log.bounds().1;
                                heard(Heard::Handshake(FromMaster::encode_answer(max, view.epochs)));
                            }
                        }
                        FromSlave::Report(max) => {
                            if self.slave.is_none() {
                                return Err(MasterError::NoHandshake);
                            }
                            self.report(max, view)?;
                            heard(Heard::Acked(max));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn report<S: Source>(&mut self, max: u64, view: &View<'_, S>) -> Result<(), MasterError> {
        let (start, end) = view.log.bounds();
        if max > end {
            return Err(MasterError::BeyondEnd { said: max, end });
        }
        if self.requested.is_none() {
            self.next = match max {
                0 if self.from_last_file => view.log.last_file(),
                0 => start,
                // What it lacks is gone here. The first frame tells where this log begins; a replica of ours begins
                // anew there, one of the reference gives the connection up (KF-38).
                asked if asked < start => {
                    tracing::warn!(asked, start, "a replica asks for what this log has no more");
                    start
                }
                asked => asked,
            };
            self.requested = Some(max);
        }
        self.acked = self.acked.max(max);
        Ok(())
    }

    /// The next frame as header and body, at most `room` bytes of body; `None` when nothing is due.
    ///
    /// # Errors
    /// [`MasterError`]: the session is over.
    pub fn pump<S: Source>(
        &mut self,
        now: Now,
        room: usize,
        view: &View<'_, S>,
    ) -> Result<Option<(Bytes, Bytes)>, MasterError> {
        let silent = now.mono.ms_since(self.last_read);
        if silent > self.config.housekeeping_ms {
            return Err(MasterError::Silent(silent));
        }
        if self.requested.is_none() {
            return Ok(None);
        }
        let (start, end) = view.log.bounds();
        if self.next < start {
            return Err(MasterError::Pruned { asked: self.next, start });
        }
        let room = room.min(self.config.batch).min(self.tokens(now));
        let (epoch, epoch_end) = label(view.epochs, self.next);
        let most = epoch_end.unwrap_or(end).min(end).saturating_sub(self.next);
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(room);
        let body = if most == 0 { None } else { view.log.slice(self.next, most) };
        if body.is_none() && now.mono.ms_since(self.last_write) <= self.config.heartbeat_ms {
            return Ok(None);
        }
        let body = body.unwrap_or_default();
        let head = match self.protocol {
            MasterProtocol::Classic => wire::classic_head(self.next, body.len()),
            MasterProtocol::AutoSwitch => {
                let head = wire::FrameHead { offset: Some(self.next), epoch, confirm: view.confirm };
                head.encode(body.len())
            }
        };
        self.last_write = now.mono;
        self.next += body.len() as u64;
        self.second.1 += (head.len() + body.len()) as u64;
        Ok(Some((head, body)))
    }

    fn tokens(&mut self, now: Now) -> usize {
        let passed = now.mono.ms_since(self.second.0);
        if passed >= 1_000 {
            self.rate = if passed < 2_000 { self.second.1 } else { 0 };
            self.second = (now.mono, 0);
        }
        let left = self.config.bytes_per_second.map(|limit| limit.saturating_sub(self.second.1));
        left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX))
    }

    /// When [`Self::pump`] has something to do although nothing has changed.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let silent = self.last_read.plus_ms(self.config.housekeeping_ms + 1);
        let beat = self.requested.map(|_| self.last_write.plus_ms(self.config.heartbeat_ms + 1));
        let dry = self.config.bytes_per_second.is_some_and(|limit| self.second.1 >= limit);
        let refill = dry.then(|| self.second.0.plus_ms(1_000));
        earliest(earliest(Some(silent), beat), refill)
    }
}

/// The epoch that wrote a byte, and where it ends. Bytes from before the first known epoch go out as part of it.
fn label(epochs: &EpochCache, offset: u64) -> (EpochEntry, Option<u64>) {
    let first = || epochs.entries().first().copied();
    epochs.find(offset).unwrap_or_else(|| {
        let entry = first().unwrap_or(EpochEntry { epoch: -1, start: 0 });
        (entry, None)
    })
}
