//! Writing commit-log records (`spec/store.md` section 3).

use core::net::{IpAddr, SocketAddr};

use super::record::{BLANK_LEN, MAGIC_BLANK, MIN_LEN, Version, body_crc};
use super::{properties, sysflag};
use crate::store::{AppendError, NewMessage};

/// Longest topic the store takes, in bytes of UTF-8 (`spec/store.md` section 6).
pub const MAX_TOPIC_LEN: usize = 255;
/// Longest topic of a V1 record: its length is a signed byte.
const MAX_TOPIC_LEN_V1: usize = i8::MAX as usize;

/// What the store decides about a record: the fields a producer does not give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    pub queue_offset: i64,
    /// Byte of the log where the record starts.
    pub physical_offset: u64,
    /// Milliseconds since the Unix epoch.
    pub store_timestamp: i64,
}

/// The layout a topic needs. V2 only where V1's one-byte length does not suffice and `allow_v2`
/// (`autoMessageVersionOnTopicLen`) is set.
///
/// # Errors
/// [`AppendError::MessageIllegal`] for an empty topic or one that no allowed layout can hold.
pub fn version_for(topic: &str, allow_v2: bool) -> Result<Version, AppendError> {
    match topic.len() {
        1..=MAX_TOPIC_LEN_V1 => Ok(Version::V1),
        1..=MAX_TOPIC_LEN if allow_v2 => Ok(Version::V2),
        _ => Err(AppendError::MessageIllegal),
    }
}

/// Bytes the record will take.
///
/// # Errors
/// [`AppendError::MessageIllegal`] when topic or body do not fit the format,
/// [`AppendError::PropertiesTooLong`] when the properties do not.
pub fn encoded_len(message: &NewMessage<'_>, allow_v2: bool) -> Result<usize, AppendError> {
    let version = version_for(message.topic, allow_v2)?;
    let props: usize = message.properties.iter().map(|p| p.len()).sum();
    if props > properties::MAX_LENGTH {
        return Err(AppendError::PropertiesTooLong);
    }
    let hosts = extra(message.born_host) + extra(message.store_host);
    let len =
        MIN_LEN - 1 + version.topic_len_width() + hosts + message.body.len() + message.topic.len() + props;
    if i32::try_from(len).is_err() {
        return Err(AppendError::MessageIllegal);
    }
    Ok(len)
}

/// Bytes a host takes more than an IPv4 one.
fn extra(host: SocketAddr) -> usize {
    if host.is_ipv6() { 12 } else { 0 }
}

struct Out<'a> {
    buf: &'a mut [u8],
    at: usize,
}

impl Out<'_> {
    fn put(&mut self, bytes: &[u8]) {
        let end = self.at + bytes.len();
        self.buf[self.at..end].copy_from_slice(bytes);
        self.at = end;
    }

    fn host(&mut self, host: SocketAddr) {
        match host.ip() {
            IpAddr::V4(ip) => self.put(&ip.octets()),
            IpAddr::V6(ip) => self.put(&ip.octets()),
        }
        self.put(&u32::from(host.port()).to_be_bytes());
    }
}

/// Writes the record to the start of `buf` and returns its length. `buf` must hold [`encoded_len`] bytes;
/// nothing behind them is touched.
///
/// # Errors
/// As [`encoded_len`]; also [`AppendError::MessageIllegal`] when `buf` is too short. Nothing is written then.
pub fn encode(
    message: &NewMessage<'_>,
    place: &Placement,
    allow_v2: bool,
    buf: &mut [u8],
) -> Result<usize, AppendError> {
    let len = encoded_len(message, allow_v2)?;
    let version = version_for(message.topic, allow_v2)?;
    let buf = buf.get_mut(..len).ok_or(AppendError::MessageIllegal)?;
    let int = |n: usize| i32::try_from(n).unwrap_or(i32::MAX).to_be_bytes();
    let short = |n: usize| i16::try_from(n).unwrap_or(i16::MAX).to_be_bytes();

    let mut out = Out { buf, at: 0 };
    out.put(&int(len));
    out.put(&version.magic().to_be_bytes());
    out.put(&body_crc(message.body).to_be_bytes());
    out.put(&message.queue_id.to_be_bytes());
    out.put(&message.flag.to_be_bytes());
    out.put(&place.queue_offset.to_be_bytes());
    out.put(&place.physical_offset.to_be_bytes());
    out.put(&stored_sys_flag(message).to_be_bytes());
    out.put(&message.born_timestamp.to_be_bytes());
    out.host(message.born_host);
    out.put(&place.store_timestamp.to_be_bytes());
    out.host(message.store_host);
    out.put(&message.reconsume_times.to_be_bytes());
    out.put(&message.prepared_transaction_offset.to_be_bytes());
    out.put(&int(message.body.len()));
    out.put(message.body);
    match version {
        Version::V1 => out.put(&short(message.topic.len())[1..]),
        Version::V2 => out.put(&short(message.topic.len())),
    }
    out.put(message.topic.as_bytes());
    let props: usize = message.properties.iter().map(|p| p.len()).sum();
    out.put(&short(props));
    for part in message.properties {
        out.put(part);
    }
    Ok(len)
}

/// The sys flag as stored: the address-family bits tell what the hosts really are.
fn stored_sys_flag(message: &NewMessage<'_>) -> i32 {
    let mut flag = message.sys_flag & !(sysflag::BORN_HOST_V6 | sysflag::STORE_HOST_V6);
    if message.born_host.is_ipv6() {
        flag |= sysflag::BORN_HOST_V6;
    }
    if message.store_host.is_ipv6() {
        flag |= sysflag::STORE_HOST_V6;
    }
    flag
}

/// The filler header for `remaining` bytes up to the end of a file.
#[must_use]
pub fn blank(remaining: u32) -> [u8; BLANK_LEN] {
    let [a, b, c, d] = remaining.to_be_bytes();
    let [e, f, g, h] = MAGIC_BLANK.to_be_bytes();
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests;
