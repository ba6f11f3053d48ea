//! Frames: `u32 length | u8 encoding | u24 header length | header | body` (`spec/remoting.md` section 1).

use super::{Language, binary_head, json_head};

/// How the header of a frame is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    #[default]
    Json,
    /// `RocketMQSerializable`, the binary form.
    RocketMq,
}

impl Encoding {
    /// The value of `rocketmq.serialize.type`; anything else aborts the start.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "JSON" => Some(Encoding::Json),
            "ROCKETMQ" => Some(Encoding::RocketMq),
            _ => None,
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Json => "JSON",
            Encoding::RocketMq => "ROCKETMQ",
        }
    }
}

/// What a connection accepts.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest frame in bytes, its length field included (`com.rocketmq.remoting.frameMaxLength`).
    pub frame_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { frame_bytes: 16 * 1024 * 1024 }
    }
}

/// A frame that cannot be read; the connection closes without a reply, as the reference does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("frame length {0} is negative or shorter than the 4 bytes behind it")]
    Length(i32),
    #[error("frame of {length} bytes exceeds the limit of {limit}")]
    TooLong { length: u32, limit: u32 },
    #[error("header length {header} exceeds the {frame} bytes of the frame")]
    HeaderLength { header: u32, frame: u32 },
    #[error("unknown serialize type {0}, expected 0 (JSON) or 1 (ROCKETMQ)")]
    Encoding(u8),
    #[error("JSON header is malformed at byte {0}")]
    Json(usize),
    #[error("binary header is malformed at byte {0}")]
    Binary(usize),
}

/// A range of bytes within a frame's header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    #[allow(clippy::cast_possible_truncation)] // headers are shorter than 2^24 bytes
    pub(super) fn new(start: usize, end: usize) -> Self {
        Span { start: start as u32, end: end as u32 }
    }

    pub(super) fn bytes(self, header: &[u8]) -> &[u8] {
        header.get(self.start as usize..self.end as usize).unwrap_or(&[])
    }

    pub(super) fn of(self, header: &[u8]) -> &str {
        core::str::from_utf8(self.bytes(header)).unwrap_or("")
    }
}

/// What spans lie in.
#[derive(Clone, Copy, Debug)]
enum Header<'a> {
    /// Text as a whole: its parts need no look at their characters.
    Text(&'a str),
    /// Texts with lengths between them.
    Binary(&'a [u8]),
}

impl<'a> Header<'a> {
    fn text(self, span: Span) -> &'a str {
        match self {
            Header::Text(text) => text.get(span.start as usize..span.end as usize).unwrap_or(""),
            Header::Binary(bytes) => span.of(bytes),
        }
    }
}

/// The decoded header; reused from frame to frame so that decoding allocates nothing in steady state.
#[derive(Clone, Debug, Default)]
pub struct Head {
    pub code: i32,
    pub language: Option<Language>,
    pub version: i32,
    pub opaque: i32,
    pub flag: i32,
    pub remark: Option<Span>,
    /// False when the frame carried no `extFields` at all.
    pub has_ext: bool,
    pub ext: Vec<(Span, Span)>,
    pub encoding: Encoding,
}

impl Head {
    pub(super) fn reset(&mut self, encoding: Encoding) {
        self.ext.clear();
        *self = Head { ext: core::mem::take(&mut self.ext), encoding, ..Head::default() };
    }
}

/// What the start of a buffer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Not a whole frame yet; at least this many bytes in all are needed.
    Need(usize),
    /// A whole frame of this many bytes, length field included.
    Whole(usize),
}

/// Looks for a whole frame at the start of `bytes`. Lengths are checked as soon as they can be read, so
/// nothing beyond the limit is ever buffered.
///
/// # Errors
/// [`FrameError`] for lengths and encodings that can never become a frame.
pub fn split(bytes: &[u8], limits: Limits) -> Result<Split, FrameError> {
    let Some(first) = bytes.first_chunk::<4>() else {
        return Ok(Split::Need(4));
    };
    let length = i32::from_be_bytes(*first);
    if length < 4 {
        return Err(FrameError::Length(length));
    }
    #[allow(clippy::cast_sign_loss)] // checked above
    let length = length as u32;
    if length > limits.frame_bytes.saturating_sub(4) {
        return Err(FrameError::TooLong { length: length.saturating_add(4), limit: limits.frame_bytes });
    }
    if let Some(mark) = bytes.get(4..8) {
        let header = u32::from_be_bytes([0, mark[1], mark[2], mark[3]]);
        if mark[0] > 1 {
            return Err(FrameError::Encoding(mark[0]));
        }
        if header > length - 4 {
            return Err(FrameError::HeaderLength { header, frame: length });
        }
    }
    let whole = length as usize + 4;
    Ok(if bytes.len() < whole { Split::Need(whole) } else { Split::Whole(whole) })
}

/// Decodes a whole frame (as found by [`split`]). `head` is scratch space that is overwritten; escapes of a
/// JSON header are resolved inside `bytes`, so a frame can be decoded once only.
///
/// # Errors
/// [`FrameError`] when the header is malformed.
pub fn decode<'a>(bytes: &'a mut [u8], head: &'a mut Head) -> Result<Frame<'a>, FrameError> {
    let length = bytes.len();
    let header_length = match bytes.get(4..8) {
        Some(mark) => u32::from_be_bytes([0, mark[1], mark[2], mark[3]]) as usize,
        None => return Err(FrameError::Length(0)),
    };
    let encoding = if bytes[4] == 0 { Encoding::Json } else { Encoding::RocketMq };
    if header_length > length - 8 {
        #[allow(clippy::cast_possible_truncation)] // a u24 and a length that was a u32
        return Err(FrameError::HeaderLength { header: header_length as u32, frame: length as u32 });
    }
    head.reset(encoding);
    let (front, body) = bytes.split_at_mut(8 + header_length);
    let header = &mut front[8..];
    let header = match encoding {
        Encoding::Json => {
            json_head::decode(header, head)?;
            let text = core::str::from_utf8(header).map_err(|error| FrameError::Json(error.valid_up_to()))?;
            Header::Text(text)
        }
        Encoding::RocketMq => {
            binary_head::decode(header, head)?;
            Header::Binary(header)
        }
    };
    Ok(Frame { head, header, body })
}

/// A decoded frame, borrowed from the buffer it arrived in.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    head: &'a Head,
    header: Header<'a>,
    body: &'a [u8],
}

impl<'a> Frame<'a> {
    #[must_use]
    pub fn head(&self) -> &'a Head {
        self.head
    }
    #[must_use]
    pub fn code(&self) -> i32 {
        self.head.code
    }
    #[must_use]
    pub fn opaque(&self) -> i32 {
        self.head.opaque
    }
    #[must_use]
    pub fn version(&self) -> i32 {
        self.head.version
    }
    #[must_use]
    pub fn language(&self) -> Option<Language> {
        self.head.language
    }
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.head.encoding
    }
    /// Flag bit 0. Flag 3 counts as a response, as in the reference.
    #[must_use]
    pub fn is_response(&self) -> bool {
        self.head.flag & 1 != 0
    }
    /// Flag bit 1: the sender wants no answer of any kind.
    #[must_use]
    pub fn is_oneway(&self) -> bool {
        self.head.flag & 2 != 0
    }
    #[must_use]
    pub fn remark(&self) -> Option<&'a str> {
        self.head.remark.map(|span| self.header.text(span))
    }
    /// False when the frame carried no `extFields` at all.
    #[must_use]
    pub fn has_ext(&self) -> bool {
        self.head.has_ext
    }
    /// The last value given for `key`.
    #[must_use]
    pub fn ext(&self, key: &str) -> Option<&'a str> {
        self.head
            .ext
            .iter()
            .rev()
            .find(|(name, _)| self.header.text(*name) == key)
            .map(|(_, value)| self.header.text(*value))
    }
    /// All `extFields` in wire order; a key may occur twice, the last one counts.
    pub fn ext_iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let header = self.header;
        self.head.ext.iter().map(move |(name, value)| (header.text(*name), header.text(*value)))
    }
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        self.body
    }
}
