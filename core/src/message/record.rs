//! Reading commit-log records (`spec/store.md` section 3). All integers are big-endian.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::sysflag;

/// Magic of a record whose topic length takes one byte.
pub const MAGIC_V1: u32 = 0xDAA3_20A7;
/// Magic of a record whose topic length takes two bytes.
pub const MAGIC_V2: u32 = 0xDAA3_20AB;
/// Magic of the filler at the end of a file.
pub const MAGIC_BLANK: u32 = 0xCBD4_3194;
/// Bytes of the header of a filler: length and magic. Every full file ends in at least this much.
pub const BLANK_LEN: usize = 8;
/// Bytes of an empty V1 record with IPv4 hosts.
pub const MIN_LEN: usize = 91;

/// Offset of the first field behind the fixed head (the born host), in bytes.
const HEAD: usize = 48;
/// Where the store time lies when the born host is an IPv4 address, in bytes.
const STORE_TIME_V4: usize = 56;

/// Which of the two record layouts is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
}

impl Version {
    /// Width of the topic length field, in bytes.
    #[must_use]
    pub const fn topic_len_width(self) -> usize {
        match self {
            Version::V1 => 1,
            Version::V2 => 2,
        }
    }

    #[must_use]
    pub const fn magic(self) -> u32 {
        match self {
            Version::V1 => MAGIC_V1,
            Version::V2 => MAGIC_V2,
        }
    }
}

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("{have} bytes are too few, the record needs {need}")]
    Truncated { have: usize, need: usize },
    #[error("magic {0:#010x} is not that of a record")]
    BadMagic(u32),
    #[error("total size {0} is impossible")]
    BadSize(i32),
    #[error("field {field} has the impossible length {length}")]
    BadLength { field: &'static str, length: i32 },
    #[error("port {0} is out of range")]
    BadPort(i32),
    #[error("fields end at byte {fields} but the total size is {total}")]
    SizeMismatch { fields: usize, total: usize },
}

/// What stands at a position of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// A record of this many bytes seems to start here.
    Record { size: usize, version: Version },
    /// Filler of this many bytes, up to the end of the file.
    Blank { size: usize },
}

/// Looks at the first eight bytes only.
///
/// # Errors
/// [`RecordError`] when neither a record nor filler starts here.
pub fn peek(bytes: &[u8]) -> Result<Head, RecordError> {
    let head: &[u8; BLANK_LEN] =
        bytes.first_chunk().ok_or(RecordError::Truncated { have: bytes.len(), need: BLANK_LEN })?;
    let [s0, s1, s2, s3, m0, m1, m2, m3] = *head;
    let (size, magic) = (i32::from_be_bytes([s0, s1, s2, s3]), u32::from_be_bytes([m0, m1, m2, m3]));
    let total = usize::try_from(size).map_err(|_| RecordError::BadSize(size));
    match magic {
        MAGIC_V1 | MAGIC_V2 => {
            let total = total?;
            if total < MIN_LEN {
                return Err(RecordError::BadSize(size));
            }
            let version = if magic == MAGIC_V1 { Version::V1 } else { Version::V2 };
            Ok(Head::Record { size: total, version })
        }
        MAGIC_BLANK => {
            let size = total?;
            if size < BLANK_LEN {
                return Err(RecordError::BadSize(i32::try_from(size).unwrap_or(0)));
            }
            Ok(Head::Blank { size })
        }
        other => Err(RecordError::BadMagic(other)),
    }
}

/// A borrowed view of one record; field order and widths as in `spec/store.md` section 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    pub version: Version,
    /// Bytes of the whole record.
    pub total_size: usize,
    /// CRC-32 of the stored body without its top bit.
    pub body_crc: u32,
    pub queue_id: i32,
    /// The user's flag.
    pub flag: i32,
    /// 0 for half and rolled-back records.
    pub queue_offset: i64,
    /// Where the record says it starts, in bytes of the log.
    pub physical_offset: i64,
    /// [`sysflag`] bits.
    pub sys_flag: i32,
    /// Milliseconds since the Unix epoch.
    pub born_timestamp: i64,
    pub born_host: SocketAddr,
    /// Milliseconds since the Unix epoch.
    pub store_timestamp: i64,
    pub store_host: SocketAddr,
    pub reconsume_times: i32,
    pub prepared_transaction_offset: i64,
    /// The body as stored, possibly compressed.
    pub body: &'a [u8],
    /// UTF-8 unless damaged.
    pub topic: &'a [u8],
    /// The property string, see [`super::properties`].
    pub properties: &'a [u8],
}

impl<'a> Record<'a> {
    /// The topic as text, `None` when it is not UTF-8.
    #[must_use]
    pub fn topic_str(&self) -> Option<&'a str> {
        core::str::from_utf8(self.topic).ok()
    }

    /// A property's value.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&'a str> {
        super::properties::get(self.properties, name)
    }

    /// Whether the body has the checksum the record names.
    #[must_use]
    pub fn body_is_intact(&self) -> bool {
        body_crc(self.body) == self.body_crc
    }
}

/// The checksum of a stored body: CRC-32 (IEEE) without the top bit.
#[must_use]
pub fn body_crc(body: &[u8]) -> u32 {
    crc32fast::hash(body) & 0x7FFF_FFFF
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], RecordError> {
        let end = self.at.saturating_add(len);
        let part = self
            .bytes
            .get(self.at..end)
            .ok_or(RecordError::Truncated { have: self.bytes.len(), need: end })?;
        self.at = end;
        Ok(part)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    fn i32(&mut self) -> Result<i32, RecordError> {
        self.array().map(i32::from_be_bytes)
    }

    fn i64(&mut self) -> Result<i64, RecordError> {
        self.array().map(i64::from_be_bytes)
    }

    fn host(&mut self, v6: bool) -> Result<SocketAddr, RecordError> {
        let ip: IpAddr = if v6 {
            Ipv6Addr::from(self.array::<16>()?).into()
        } else {
            Ipv4Addr::from(self.array::<4>()?).into()
        };
        let port = self.i32()?;
        let port = u16::try_from(port).map_err(|_| RecordError::BadPort(port))?;
        Ok(SocketAddr::new(ip, port))
    }

    fn sized(&mut self, field: &'static str, length: i32) -> Result<&'a [u8], RecordError> {
        let len = usize::try_from(length).map_err(|_| RecordError::BadLength { field, length })?;
        self.take(len)
    }
}

/// Reads the record at the start of `bytes`; what follows it is not looked at. The checksum is not verified
/// (see [`Record::body_is_intact`]) and neither is the position.
///
/// # Errors
/// [`RecordError`] for filler, damage or too few bytes. Total: never panics, whatever the bytes.
pub fn decode(bytes: &[u8]) -> Result<Record<'_>, RecordError> {
    let (total_size, version) = match peek(bytes)? {
        Head::Record { size, version } => (size, version),
        Head::Blank { .. } => return Err(RecordError::BadMagic(MAGIC_BLANK)),
    };
    let bytes =
        bytes.get(..total_size).ok_or(RecordError::Truncated { have: bytes.len(), need: total_size })?;
    let mut c = Cursor { bytes, at: BLANK_LEN };
    let body_crc = u32::from_be_bytes(c.array()?);
    let queue_id = c.i32()?;
    let flag = c.i32()?;
    let queue_offset = c.i64()?;
    let physical_offset = c.i64()?;
    let sys_flag = c.i32()?;
    let born_timestamp = c.i64()?;
    let born_host = c.host(sys_flag & sysflag::BORN_HOST_V6 != 0)?;
    let store_timestamp = c.i64()?;
    let store_host = c.host(sys_flag & sysflag::STORE_HOST_V6 != 0)?;
    let reconsume_times = c.i32()?;
    let prepared_transaction_offset = c.i64()?;
    let body_len = c.i32()?;
    let body = c.sized("body", body_len)?;
    let topic_len = match version {
        Version::V1 => i32::from(i8::from_be_bytes(c.array()?)),
        Version::V2 => i32::from(i16::from_be_bytes(c.array()?)),
    };
    let topic = c.sized("topic", topic_len)?;
    let properties_len = i32::from(i16::from_be_bytes(c.array()?));
    let properties = c.sized("properties", properties_len)?;
    if c.at != total_size {
        return Err(RecordError::SizeMismatch { fields: c.at, total: total_size });
    }
    Ok(Record {
        version,
        total_size,
        body_crc,
        queue_id,
        flag,
        queue_offset,
        physical_offset,
        sys_flag,
        born_timestamp,
        born_host,
        store_timestamp,
        store_host,
        reconsume_times,
        prepared_transaction_offset,
        body,
        topic,
        properties,
    })
}

/// The store time of the record at the start of `bytes`, in milliseconds since the Unix epoch, without
/// decoding the rest; `None` when there are too few bytes.
#[must_use]
pub fn store_timestamp(bytes: &[u8]) -> Option<i64> {
    let sys_flag = i32::from_be_bytes(*bytes.get(36..HEAD)?.first_chunk()?);
    let at = if sys_flag & sysflag::BORN_HOST_V6 == 0 { STORE_TIME_V4 } else { STORE_TIME_V4 + 12 };
    Some(i64::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}
