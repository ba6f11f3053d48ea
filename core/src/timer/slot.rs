//! Slots of the `timerwheel` file: `time/precision(8) firstPos(8) lastPos(8) num(4) magic(4)=0`, big-endian.

/// Bytes of a slot.
pub const SLOT_LEN: usize = 32;
/// Slots of the file, whatever the precision: two weeks of seconds.
pub const SLOT_COUNT: u64 = 7 * 86_400 * 2;
/// Bytes of the file.
pub const WHEEL_LEN: u64 = SLOT_COUNT * SLOT_LEN as u64;

/// The entries of one time, newest last: a chain through their `prev` positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    pub time: i64,
    pub first: i64,
    pub last: i64,
    /// Messages less deletions.
    pub num: i32,
}

impl Slot {
    /// Byte of the file where the slot of this time lies.
    #[must_use]
    pub fn position(time: i64, precision_ms: i64) -> u64 {
        let ticks = u64::try_from(time.max(0) / precision_ms.max(1)).unwrap_or(0);
        ticks % SLOT_COUNT * SLOT_LEN as u64
    }

    #[must_use]
    pub fn encode(&self, precision_ms: i64) -> [u8; SLOT_LEN] {
        let mut out = [0; SLOT_LEN];
        out[..8].copy_from_slice(&(self.time / precision_ms.max(1)).to_be_bytes());
        out[8..16].copy_from_slice(&self.first.to_be_bytes());
        out[16..24].copy_from_slice(&self.last.to_be_bytes());
        out[24..28].copy_from_slice(&self.num.to_be_bytes());
        out
    }

    /// What the slot of `time` holds; `None` when the bytes belong to another time.
    #[must_use]
    pub fn decode(bytes: &[u8; SLOT_LEN], time: i64, precision_ms: i64) -> Option<Self> {
        let long = |at: usize| bytes[at..].first_chunk().map(|b| i64::from_be_bytes(*b));
        let num = bytes[24..].first_chunk().map(|b| i32::from_be_bytes(*b))?;
        let (first, last) = (long(8)?, long(16)?);
        (long(0)? == time / precision_ms.max(1)).then_some(Slot { time, first, last, num })
    }
}
