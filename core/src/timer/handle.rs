//! What a producer gets to take a timer message back: base64url of `v1 <topic> <broker> <time> <unique key>`.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A handle, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecallHandle {
    pub topic: String,
    pub broker: String,
    /// A time within the slot of the message.
    pub time: i64,
    pub key: String,
}

impl RecallHandle {
    #[must_use]
    pub fn encode(&self) -> String {
        base64(format!("v1 {} {} {} {}", self.topic, self.broker, self.time, self.key).as_bytes())
    }

    /// `None` for what is no handle of this version.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let plain = String::from_utf8(unbase64(text)?).ok()?;
        let mut parts = plain.split(' ');
        if parts.next() != Some("v1") {
            return None;
        }
        let mut next = || parts.next().filter(|part| !part.is_empty()).map(str::to_owned);
        let (topic, broker, time, key) = (next()?, next()?, next()?, next()?);
        let rest = parts.next();
        rest.is_none().then_some(())?;
        Some(RecallHandle { topic, broker, time: time.parse().ok()?, key })
    }
}

fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().enumerate().fold(0u32, |word, (at, byte)| word | u32::from(*byte) << (16 - 8 * at));
        for at in 0..4 {
            let sextet = (word >> (18 - 6 * at) & 63) as usize;
            out.push(if at <= chunk.len() { ALPHABET[sextet] as char } else { '=' });
        }
    }
    out
}

fn unbase64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=').as_bytes();
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for chunk in text.chunks(4) {
        if chunk.len() == 1 {
            return None;
        }
        let mut word = 0u32;
        for (at, byte) in chunk.iter().enumerate() {
            let sextet = ALPHABET.iter().position(|letter| letter == byte)?;
            word |= u32::try_from(sextet).ok()? << (18 - 6 * at);
        }
        out.extend_from_slice(&word.to_be_bytes()[1..chunk.len()]);
    }
    Some(out)
}
