//! Entries of the timer log: `size(4) prevPos(8) magic(4) writeTime(8) delay(4) phyOffset(8) msgSize(4)
//! topicHash(4) reserved(8)`, big-endian.

/// Bytes of an entry.
pub const ENTRY_LEN: usize = 52;
/// Bytes every file keeps free for its filler.
pub const BLANK_LEN: usize = 16;
/// Every entry has this bit.
pub const MAGIC_DEFAULT: i32 = 1;
/// The time is further away than the wheel reaches: when its slot is over the message is put off again.
pub const MAGIC_ROLL: i32 = 1 << 1;
/// The message takes another one of its slot back.
pub const MAGIC_DELETE: i32 = 1 << 2;

const MAGIC_MOST: i32 = 0xF;
const BLANK_MAGIC: u32 = 0xCBD4_3194;

/// One message in one slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimerEntry {
    /// Position of the entry put into the same slot before, or -1.
    pub prev: i64,
    pub magic: i32,
    /// When the entry was written, in whole ticks.
    pub write_time: i64,
    /// From there to the slot's time, in milliseconds.
    pub delay: i32,
    /// Log offset of the message, in bytes.
    pub offset: i64,
    /// Bytes of the message.
    pub size: i32,
    /// Java string hash of the real topic.
    pub topic_hash: i32,
}

/// What stands at a position of the timer log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    Entry(TimerEntry),
    /// The rest of the file is filler.
    Blank,
    /// Nothing was written here, or it is damaged.
    Nothing,
}

impl TimerEntry {
    #[must_use]
    pub fn slot_time(&self) -> i64 {
        self.write_time.saturating_add(i64::from(self.delay))
    }

    #[must_use]
    pub const fn is_rolled(&self) -> bool {
        self.magic & MAGIC_ROLL != 0
    }

    /// Whether it cancels others when its slot is over; one that is put off cancels later.
    #[must_use]
    pub const fn deletes(&self) -> bool {
        self.magic & MAGIC_DELETE != 0 && !self.is_rolled()
    }

    #[must_use]
    pub fn encode(&self) -> [u8; ENTRY_LEN] {
        let mut out = [0; ENTRY_LEN];
        out[..4].copy_from_slice(&52i32.to_be_bytes());
        out[4..12].copy_from_slice(&self.prev.to_be_bytes());
        out[12..16].copy_from_slice(&self.magic.to_be_bytes());
        out[16..24].copy_from_slice(&self.write_time.to_be_bytes());
        out[24..28].copy_from_slice(&self.delay.to_be_bytes());
        out[28..36].copy_from_slice(&self.offset.to_be_bytes());
        out[36..40].copy_from_slice(&self.size.to_be_bytes());
        out[40..44].copy_from_slice(&self.topic_hash.to_be_bytes());
        out
    }
}

impl Item {
    /// Reads what the bytes at a position say; they may be cut short by the end of the file.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Item {
        let int = |at: usize| bytes.get(at..).and_then(|b| b.first_chunk()).map(|b| i32::from_be_bytes(*b));
        let long = |at: usize| bytes.get(at..).and_then(|b| b.first_chunk()).map(|b| i64::from_be_bytes(*b));
        let read = || {
            let magic = int(12)?;
            #[allow(clippy::cast_sign_loss)] // a bit pattern
            if magic as u32 == BLANK_MAGIC && long(4) == Some(0) && int(0)? > 0 {
                return Some(Item::Blank);
            }
            let right = int(0) == Some(52) && bytes.len() >= ENTRY_LEN;
            if !right || !(MAGIC_DEFAULT..=MAGIC_MOST).contains(&magic) || magic & MAGIC_DEFAULT == 0 {
                return None;
            }
            Some(Item::Entry(TimerEntry {
                prev: long(4)?,
                magic,
                write_time: long(16)?,
                delay: int(24)?,
                offset: long(28)?,
                size: int(36)?,
                topic_hash: int(40)?,
            }))
        };
        read().unwrap_or(Item::Nothing)
    }
}

/// The filler for the last `remaining` bytes of a file.
#[must_use]
pub fn blank(remaining: u32) -> [u8; BLANK_LEN] {
    let mut out = [0; BLANK_LEN];
    out[..4].copy_from_slice(&remaining.to_be_bytes());
    out[12..].copy_from_slice(&BLANK_MAGIC.to_be_bytes());
    out
}
