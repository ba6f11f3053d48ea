//! Bytes to [`Json`]: one pass, no panics, nesting bounded by [`MAX_DEPTH`].
//!
//! Tolerated as the reference tolerates it: names without quotes, single quotes, integer and object keys,
//! commas too many, `//` and `/* */` comments, raw control characters inside strings, `undefined`.
//! Broken UTF-8 becomes U+FFFD. Anything after the value but blanks is an error.

use super::{Json, Key};

/// How deep objects and arrays may nest.
pub const MAX_DEPTH: usize = 64;

/// Where parsing stopped, and what would have been fine there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("JSON: expected {expected} at byte {at}")]
pub struct JsonError {
    /// Offset of the offending byte.
    pub at: usize,
    /// What was expected.
    pub expected: &'static str,
}

/// Parses one value that makes up the whole input.
pub fn parse(bytes: &[u8]) -> Result<Json, JsonError> {
    let mut p = Parser { bytes, at: 0 };
    p.blanks();
    let value = p.value(0)?;
    p.blanks();
    if p.at < bytes.len() { p.fail("the end of the text") } else { Ok(value) }
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
}

type Parsed<T> = Result<T, JsonError>;

impl<'a> Parser<'a> {
    fn fail<T>(&self, expected: &'static str) -> Parsed<T> {
        Err(JsonError { at: self.at, expected })
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self) -> Option<u8> {
        let b = self.peek()?;
        self.at += 1;
        Some(b)
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Skips blanks and comments.
    fn blanks(&mut self) {
        loop {
            let rest = self.rest();
            if rest.first().is_some_and(|b| b.is_ascii_whitespace() || *b == 0x0b || *b == 0x08) {
                self.at += 1;
            } else if rest.starts_with(b"//") {
                self.at += rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
            } else if rest.starts_with(b"/*") {
                let end = rest.windows(2).skip(2).position(|w| w == b"*/");
                self.at += end.map_or(rest.len(), |n| n + 4);
            } else {
                return;
            }
        }
    }

    fn value(&mut self, depth: usize) -> Parsed<Json> {
        match self.peek() {
            Some(b'{' | b'[') if depth >= MAX_DEPTH => self.fail("less nesting"),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(quote @ (b'"' | b'\'')) => Ok(Json::Str(self.string(quote)?)),
            Some(b'-' | b'+' | b'.' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Parsed<Json> {
        let word = self.bare_word();
        let value = match word {
            b"true" => Json::Bool(true),
            b"false" => Json::Bool(false),
            b"null" | b"undefined" | b"NaN" => Json::Null,
            _ => return self.fail("a value"),
        };
        self.at += word.len();
        Ok(value)
    }

    fn bare_word(&self) -> &'a [u8] {
        let rest = self.rest();
        let is_part =
            |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$' | b'-' | b'.' | b'@') || *b >= 0x80;
        &rest[..rest.iter().position(|b| !is_part(b)).unwrap_or(rest.len())]
    }

    /// Skips blanks and any number of commas; returns whether there was a comma.
    fn commas(&mut self) -> bool {
        let mut seen = false;
        loop {
            self.blanks();
            if self.peek() != Some(b',') {
                return seen;
            }
            self.at += 1;
            seen = true;
        }
    }

    fn array(&mut self, depth: usize) -> Parsed<Json> {
        self.at += 1;
        let mut items = Vec::new();
        let mut separated = true;
        loop {
            separated |= self.commas();
            match self.peek() {
                Some(b']') => {
                    self.at += 1;
                    return Ok(Json::Array(items));
                }
                Some(_) if separated => items.push(self.value(depth + 1)?),
                _ => return self.fail("`,` or `]`"),
            }
            separated = false;
        }
    }

    fn object(&mut self, depth: usize) -> Parsed<Json> {
        self.at += 1;
        let mut members = Vec::new();
        let mut separated = true;
        loop {
            separated |= self.commas();
            match self.peek() {
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Json::Object(members));
                }
                Some(_) if separated => members.push(self.member(depth)?),
                _ => return self.fail("`,` or `}`"),
            }
            separated = false;
        }
    }

    fn member(&mut self, depth: usize) -> Parsed<(Key, Json)> {
        let key = self.key(depth)?;
        self.blanks();
        if self.peek() != Some(b':') {
            return self.fail("`:`");
        }
        self.at += 1;
        self.blanks();
        Ok((key, self.value(depth + 1)?))
    }

    fn key(&mut self, depth: usize) -> Parsed<Key> {
        match self.peek() {
            Some(quote @ (b'"' | b'\'')) => Ok(Key::Name(self.string(quote)?)),
            Some(b'{' | b'[') => Ok(Key::Object(Box::new(self.value(depth + 1)?))),
            _ => {
                let word = self.bare_word();
                if word.is_empty() {
                    return self.fail("a name");
                }
                self.at += word.len();
                let text = String::from_utf8_lossy(word);
                Ok(text.parse().map_or_else(|_| Key::Name(text.into_owned()), Key::Int))
            }
        }
    }

    fn number(&mut self) -> Parsed<Json> {
        let rest = self.rest();
        let is_part = |b: &u8| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E');
        let len = rest.iter().position(|b| !is_part(b)).unwrap_or(rest.len());
        let text = core::str::from_utf8(&rest[..len]).unwrap_or_default();
        let value = match text.parse::<i64>() {
            Ok(n) => Json::Int(n),
            Err(_) => match text.parse::<f64>() {
                Ok(x) if x.is_finite() => Json::Float(x),
                _ => return self.fail("a number"),
            },
        };
        self.at += len;
        if matches!(self.peek(), Some(b'L' | b'S' | b'B' | b'F' | b'D')) {
            self.at += 1; // Java's type suffix
        }
        Ok(value)
    }

    fn string(&mut self, quote: u8) -> Parsed<String> {
        self.at += 1;
        let mut out = Vec::new();
        loop {
            let rest = self.rest();
            let Some(len) = rest.iter().position(|b| *b == quote || *b == b'\\') else {
                self.at = self.bytes.len();
                return self.fail("a closing quote");
            };
            out.extend_from_slice(&rest[..len]);
            self.at += len;
            if self.take() == Some(quote) {
                return Ok(match String::from_utf8(out) {
                    Ok(text) => text,
                    Err(e) => String::from_utf8_lossy(e.as_bytes()).into_owned(),
                });
            }
            let c = self.escape()?;
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Parsed<char> {
        let Some(b) = self.take() else {
            return self.fail("an escape");
        };
        Ok(match b {
            b'"' | b'\'' | b'\\' | b'/' => char::from(b),
            b'b' => '\u{8}',
            b'f' | b'F' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'v' => '\u{b}',
            b'0'..=b'7' => char::from(b - b'0'),
            b'x' => char::from_u32(self.hex(2)?).unwrap_or(char::REPLACEMENT_CHARACTER),
            b'u' => self.unicode()?,
            _ => {
                self.at -= 1;
                return self.fail("a known escape");
            }
        })
    }

    fn unicode(&mut self) -> Parsed<char> {
        let first = self.hex(4)?;
        if (0xd800..0xdc00).contains(&first) && self.rest().starts_with(b"\\u") {
            let back = self.at;
            self.at += 2;
            let second = self.hex(4)?;
            if (0xdc00..0xe000).contains(&second) {
                let joined = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = back;
        }
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex(&mut self, digits: usize) -> Parsed<u32> {
        let mut n = 0;
        for _ in 0..digits {
            let Some(d) = self.peek().and_then(|b| char::from(b).to_digit(16)) else {
                return self.fail("a hexadecimal digit");
            };
            self.at += 1;
            n = n * 16 + d;
        }
        Ok(n)
    }
}
