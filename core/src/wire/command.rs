//! A whole frame with its own memory: requests to be sent, answers received, anything that outlives a buffer.

use bytes::{Bytes, BytesMut};
use std::borrow::Cow;

use super::{Encoding, Ext, ExtValue, Frame, FrameError, Language, VERSION, encode, frame};

/// An owned frame (`RemotingCommand`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    pub code: i32,
    pub language: Option<Language>,
    pub version: i32,
    pub opaque: i32,
    pub flag: i32,
    pub remark: Option<Cow<'static, str>>,
    /// `None` leaves `extFields` out of the frame.
    pub ext: Option<Ext>,
    pub body: Bytes,
}

impl Command {
    /// A request of this server (language and version as the reference states them).
    #[must_use]
    pub fn request(code: i32, ext: Ext) -> Self {
        Command {
            code,
            language: Some(Language::Java),
            version: VERSION,
            ext: Some(ext),
            ..Command::default()
        }
    }

    /// A response to the request with this opaque.
    #[must_use]
    pub fn response(code: i32, opaque: i32) -> Self {
        Command {
            code,
            opaque,
            flag: 1,
            language: Some(Language::Java),
            version: VERSION,
            ..Command::default()
        }
    }

    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Marks the request as one-way: nobody answers it.
    #[must_use]
    pub fn oneway(mut self) -> Self {
        self.flag |= 2;
        self
    }

    /// The last text given for `key`.
    #[must_use]
    pub fn ext_text(&self, key: &str) -> Option<String> {
        self.ext.as_ref().and_then(|ext| ext.get(key)).map(ToString::to_string)
    }

    /// The frame's bytes, length field included.
    #[must_use]
    pub fn encode(&self, encoding: Encoding) -> Bytes {
        let mut out = BytesMut::new();
        encode::head(self, encoding, self.body.len(), &mut out);
        out.extend_from_slice(&self.body);
        out.freeze()
    }

    /// Decodes one whole frame.
    ///
    /// # Errors
    /// [`FrameError`] when `bytes` is not exactly one well-formed frame.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let mut copy = bytes.to_vec();
        let mut head = frame::Head::default();
        match frame::split(&copy, frame::Limits { frame_bytes: u32::MAX })? {
            frame::Split::Whole(whole) if whole == copy.len() => {
                Ok(Command::from(&frame::decode(&mut copy, &mut head)?))
            }
            _ => Err(FrameError::Length(i32::try_from(bytes.len()).unwrap_or(i32::MAX))),
        }
    }
}

impl From<&Frame<'_>> for Command {
    fn from(frame: &Frame<'_>) -> Self {
        let mut ext = Ext::with_capacity(frame.head().ext.len());
        for (key, value) in frame.ext_iter() {
            ext.put(key.to_owned(), ExtValue::Text(Cow::Owned(value.to_owned())));
        }
        Command {
            code: frame.code(),
            language: frame.language(),
            version: frame.version(),
            opaque: frame.opaque(),
            flag: frame.head().flag,
            remark: frame.remark().map(|text| Cow::Owned(text.to_owned())),
            ext: frame.has_ext().then_some(ext),
            body: Bytes::copy_from_slice(frame.body()),
        }
    }
}
