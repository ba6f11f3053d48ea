//! The bytes of both replication protocols (`spec/ha.md#a2`, `#b3`, `#b4`): big-endian, no greeting, no length in
//! front. Every decoder takes what has arrived so far and says how much of it one message took.

use bytes::{BufMut, Bytes, BytesMut};

use super::epoch::{EpochCache, EpochEntry};

/// On the wire in both directions of the controller-mode protocol.
const HANDSHAKE: i32 = 1;
const TRANSFER: i32 = 2;

/// Largest body of one frame. The reference's replicas take 4 MiB; this bounds what a stranger can make us hold.
pub const MAX_BODY: usize = 16 << 20;
/// Most epochs a handshake answer may carry. The reference's replicas take 1000.
pub const MAX_EPOCHS: usize = 100_000;

pub const HANDSHAKE_LEN: usize = 16;
pub const REPORT_LEN: usize = 12;
pub const ANSWER_HEAD_LEN: usize = 20;
pub const FRAME_HEAD_LEN: usize = 36;
const EPOCH_LEN: usize = 12;
pub const CLASSIC_REPORT_LEN: usize = 8;
pub const CLASSIC_HEAD_LEN: usize = 12;

/// What a peer sent that no peer sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    #[error("state {0} is neither a handshake (1) nor a transfer (2)")]
    State(i32),
    #[error("a body of {0} bytes is out of range")]
    BodySize(i32),
    #[error("offset {0} is negative")]
    Offset(i64),
    #[error("the epochs of the handshake answer do not ascend")]
    Epochs,
}

/// From a replica, controller mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromSlave {
    Handshake {
        from_last_file: bool,
        async_learner: bool,
        id: i64,
    },
    /// How far the replica's log is, in bytes.
    Report(u64),
}

/// From a master, controller mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromMaster {
    Answer { max: u64, last_epoch: i32, epochs: EpochCache },
    Frame(FrameHead, Bytes),
}

/// What stands in front of transferred bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    /// Log offset of the first byte; with an empty body the next one to be sent, `None` when the master does
    /// not know it yet.
    pub offset: Option<u64>,
    pub epoch: EpochEntry,
    pub confirm: u64,
}

fn i16_at(bytes: &[u8], at: usize) -> Option<i16> {
    bytes.get(at..)?.first_chunk().map(|b| i16::from_be_bytes(*b))
}

fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..)?.first_chunk().map(|b| i32::from_be_bytes(*b))
}

fn i64_at(bytes: &[u8], at: usize) -> Option<i64> {
    bytes.get(at..)?.first_chunk().map(|b| i64::from_be_bytes(*b))
}

fn offset(value: i64) -> Result<u64, WireError> {
    u64::try_from(value).map_err(|_| WireError::Offset(value))
}

fn body_size(value: i32, most: usize) -> Result<usize, WireError> {
    usize::try_from(value).ok().filter(|size| *size <= most).ok_or(WireError::BodySize(value))
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl FromSlave {
    /// The first message and its length; `None` while it is not complete.
    ///
    /// # Errors
    /// [`WireError`]: the connection is of no further use.
    pub fn decode(bytes: &[u8]) -> Result<Option<(FromSlave, usize)>, WireError> {
        let Some(state) = i32_at(bytes, 0) else { return Ok(None) };
        match state {
            HANDSHAKE => {
                let fields = (i16_at(bytes, 4), i16_at(bytes, 6), i64_at(bytes, 8));
                let (Some(last), Some(learner), Some(id)) = fields else { return Ok(None) };
                let found =
                    FromSlave::Handshake { from_last_file: last == 1, async_learner: learner == 1, id };
                Ok(Some((found, HANDSHAKE_LEN)))
            }
            TRANSFER => {
                let Some(max) = i64_at(bytes, 4) else { return Ok(None) };
                Ok(Some((FromSlave::Report(offset(max)?), REPORT_LEN)))
            }
            other => Err(WireError::State(other)),
        }
    }

    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(HANDSHAKE_LEN);
        match *self {
            FromSlave::Handshake { from_last_file, async_learner, id } => {
                out.put_i32(HANDSHAKE);
                out.put_i16(from_last_file.into());
                out.put_i16(async_learner.into());
                out.put_i64(id);
            }
            FromSlave::Report(max) => {
                out.put_i32(TRANSFER);
                out.put_i64(signed(max));
            }
        }
        out.freeze()
    }
}

impl FromMaster {
    /// Takes the first message off `bytes`; `None` while it is not complete.
    ///
    /// # Errors
    /// [`WireError`]: the connection is of no further use.
    pub fn decode(bytes: &mut BytesMut) -> Result<Option<FromMaster>, WireError> {
        let (Some(state), Some(size)) = (i32_at(bytes, 0), i32_at(bytes, 4)) else {
            return match i32_at(bytes, 0) {
                Some(state) if state != HANDSHAKE && state != TRANSFER => Err(WireError::State(state)),
                _ => Ok(None),
            };
        };
        match state {
            HANDSHAKE => {
                let size = body_size(size, MAX_EPOCHS * EPOCH_LEN)?;
                if size % EPOCH_LEN != 0 {
                    return Err(WireError::BodySize(i32::try_from(size).unwrap_or(i32::MAX)));
                }
                let (Some(max), Some(last_epoch)) = (i64_at(bytes, 8), i32_at(bytes, 16)) else {
                    return Ok(None);
                };
                if bytes.len() < ANSWER_HEAD_LEN + size {
                    return Ok(None);
                }
                let max = offset(max)?;
                let message = bytes.split_to(ANSWER_HEAD_LEN + size);
                let mut epochs = EpochCache::default();
                for entry in message[ANSWER_HEAD_LEN..].chunks_exact(EPOCH_LEN) {
                    let (Some(epoch), Some(start)) = (i32_at(entry, 0), i64_at(entry, 4)) else { break };
                    let start = offset(start)?;
                    epochs.push(EpochEntry { epoch, start }).map_err(|_| WireError::Epochs)?;
                }
                Ok(Some(FromMaster::Answer { max, last_epoch, epochs }))
            }
            TRANSFER => {
                let size = body_size(size, MAX_BODY)?;
                let fields = (i64_at(bytes, 8), i32_at(bytes, 16), i64_at(bytes, 20), i64_at(bytes, 28));
                let (Some(first), Some(epoch), Some(start), Some(confirm)) = fields else { return Ok(None) };
                let first = if first == -1 && size == 0 { None } else { Some(offset(first)?) };
                let epoch = EpochEntry { epoch, start: offset(start.max(0))? };
                let head = FrameHead { offset: first, epoch, confirm: offset(confirm.max(0))? };
                if bytes.len() < FRAME_HEAD_LEN + size {
                    return Ok(None);
                }
                let body = bytes.split_to(FRAME_HEAD_LEN + size).freeze().slice(FRAME_HEAD_LEN..);
                Ok(Some(FromMaster::Frame(head, body)))
            }
            other => Err(WireError::State(other)),
        }
    }

    /// The handshake answer, in one piece: a replica of the reference that finds half of it shakes hands again.
    #[must_use]
    pub fn encode_answer(max: u64, epochs: &EpochCache) -> Bytes {
        let entries = epochs.entries();
        let mut out = BytesMut::with_capacity(ANSWER_HEAD_LEN + entries.len() * EPOCH_LEN);
        out.put_i32(HANDSHAKE);
        out.put_i32(i32::try_from(entries.len() * EPOCH_LEN).unwrap_or(i32::MAX));
        out.put_i64(signed(max));
        out.put_i32(epochs.last_epoch());
        for entry in entries {
            out.put_i32(entry.epoch);
            out.put_i64(signed(entry.start));
        }
        out.freeze()
    }
}

impl FrameHead {
    #[must_use]
    pub fn encode(&self, body_len: usize) -> Bytes {
        let mut out = BytesMut::with_capacity(FRAME_HEAD_LEN);
        out.put_i32(TRANSFER);
        out.put_i32(i32::try_from(body_len).unwrap_or(i32::MAX));
        out.put_i64(self.offset.map_or(-1, signed));
        out.put_i32(self.epoch.epoch);
        out.put_i64(signed(self.epoch.start));
        out.put_i64(signed(self.confirm));
        out.freeze()
    }
}

/// A replica's report of the classic protocol: how far its log is.
#[must_use]
pub fn classic_report(max: u64) -> Bytes {
    Bytes::copy_from_slice(&signed(max).to_be_bytes())
}

/// The first classic report and its length; `None` while it is not complete.
///
/// # Errors
/// [`WireError::Offset`].
pub fn decode_classic_report(bytes: &[u8]) -> Result<Option<(u64, usize)>, WireError> {
    i64_at(bytes, 0).map(|max| Ok((offset(max)?, CLASSIC_REPORT_LEN))).transpose()
}

/// What stands in front of the transferred bytes in the classic protocol.
#[must_use]
pub fn classic_head(first: u64, body_len: usize) -> Bytes {
    let mut out = BytesMut::with_capacity(CLASSIC_HEAD_LEN);
    out.put_i64(signed(first));
    out.put_i32(i32::try_from(body_len).unwrap_or(i32::MAX));
    out.freeze()
}

/// Takes the first classic frame off `bytes`: the offset of its first byte and its body.
///
/// # Errors
/// [`WireError`].
pub fn decode_classic(bytes: &mut BytesMut) -> Result<Option<(u64, Bytes)>, WireError> {
    let (Some(first), Some(size)) = (i64_at(bytes, 0), i32_at(bytes, 8)) else { return Ok(None) };
    let (first, size) = (offset(first)?, body_size(size, MAX_BODY)?);
    if bytes.len() < CLASSIC_HEAD_LEN + size {
        return Ok(None);
    }
    let body = bytes.split_to(CLASSIC_HEAD_LEN + size).freeze().slice(CLASSIC_HEAD_LEN..);
    Ok(Some((first, body)))
}
