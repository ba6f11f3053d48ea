//! The JSON header (`spec/remoting.md` section 2.1), parsed in place.
//!
//! Accepts what fastjson accepts in a header: any key order, unknown keys, numbers given as strings,
//! unquoted keys, single quotes, null members. Escapes are resolved inside the buffer. That the whole is UTF-8 is
//! looked at once, when it is done ([`super::frame::decode`]): spans begin and end at quotes and other ASCII.

use super::{FrameError, Head, Language, Span};

/// Nesting of an unknown member that is skipped; deeper input is refused.
const MAX_DEPTH: u32 = 32;
/// Up to here a loop finds the end of a text sooner than a search that has to be set up.
const NEAR: usize = 16;

pub(super) fn decode(header: &mut [u8], head: &mut Head) -> Result<(), FrameError> {
    let mut cursor = Cursor { bytes: header, at: 0 };
    cursor.object(|cursor, key| cursor.member(key, head))?;
    Ok(())
}

enum Value {
    Text(Span),
    /// Number, boolean or nested value, as it stands in the text.
    Raw(Span),
    Null,
}

struct Cursor<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl Cursor<'_> {
    fn fail<T>(&self) -> Result<T, FrameError> {
        Err(FrameError::Json(self.at))
    }

    fn peek(&mut self) -> Result<u8, FrameError> {
        while let Some(&byte) = self.bytes.get(self.at) {
            if !byte.is_ascii_whitespace() {
                return Ok(byte);
            }
            self.at += 1;
        }
        self.fail()
    }

    fn expect(&mut self, wanted: u8) -> Result<(), FrameError> {
        if self.peek()? == wanted {
            self.at += 1;
            Ok(())
        } else {
            self.fail()
        }
    }

    fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Span) -> Result<(), FrameError>,
    ) -> Result<(), FrameError> {
        self.expect(b'{')?;
        loop {
            match self.peek()? {
                b'}' => {
                    self.at += 1;
                    return Ok(());
                }
                b',' => self.at += 1,
                _ => {
                    let key = self.key()?;
                    self.expect(b':')?;
                    member(self, key)?;
                    if !matches!(self.peek()?, b',' | b'}') {
                        return self.fail();
                    }
                }
            }
        }
    }

    fn key(&mut self) -> Result<Span, FrameError> {
        match self.peek()? {
            quote @ (b'"' | b'\'') => self.text(quote),
            _ => self.bare(),
        }
    }

    /// An unquoted key, number or literal: up to the next structural character.
    fn bare(&mut self) -> Result<Span, FrameError> {
        let start = self.at;
        while let Some(&byte) = self.bytes.get(self.at) {
            if byte.is_ascii_whitespace() || b",:{}[]\"'".contains(&byte) {
                break;
            }
            self.at += 1;
        }
        if self.at == start {
            return self.fail();
        }
        Ok(Span::new(start, self.at))
    }

    /// A quoted string; escapes are written back over their own place, so the result only ever shrinks.
    fn text(&mut self, quote: u8) -> Result<Span, FrameError> {
        self.at += 1;
        let start = self.at;
        self.at += self.plain(quote)?;
        if self.bytes[self.at] == quote {
            self.at += 1;
            return Ok(Span::new(start, self.at - 1));
        }
        self.unescape(start, quote)
    }

    /// How many bytes stand for themselves from here to the next quote or escape.
    fn plain(&self, quote: u8) -> Result<usize, FrameError> {
        let rest = &self.bytes[self.at..];
        let near = rest.len().min(NEAR);
        let found = rest[..near].iter().position(|byte| *byte == quote || *byte == b'\\');
        let far = || memchr::memchr2(quote, b'\\', &rest[near..]).map(|at| near + at);
        found.or_else(far).ok_or(FrameError::Json(self.bytes.len()))
    }

    fn unescape(&mut self, start: usize, quote: u8) -> Result<Span, FrameError> {
        let mut write = self.at;
        loop {
            let plain = self.plain(quote)?;
            self.bytes.copy_within(self.at..self.at + plain, write);
            (write, self.at) = (write + plain, self.at + plain);
            if self.bytes[self.at] == quote {
                // what is left over might begin within a character
                self.bytes[write..self.at].fill(b' ');
                self.at += 1;
                return Ok(Span::new(start, write));
            }
            self.at += 1;
            let Some(&escape) = self.bytes.get(self.at) else {
                return self.fail();
            };
            self.at += 1;
            let plain = match escape {
                b'b' => 8,
                b't' => b'\t',
                b'n' => b'\n',
                b'v' => 11,
                b'f' => 12,
                b'r' => b'\r',
                b'0'..=b'7' => escape - b'0',
                b'x' => self.hex(2)? as u8,
                b'u' => {
                    write = self.unicode(write)?;
                    continue;
                }
                b'"' | b'\'' | b'\\' | b'/' => escape,
                _ => return self.fail(),
            };
            if plain >= 0x80 {
                return self.fail();
            }
            self.bytes[write] = plain;
            write += 1;
        }
    }

    fn hex(&mut self, digits: usize) -> Result<u32, FrameError> {
        let mut value = 0;
        for _ in 0..digits {
            match self.bytes.get(self.at).and_then(|byte| (*byte as char).to_digit(16)) {
                Some(digit) => value = value * 16 + digit,
                None => return self.fail(),
            }
            self.at += 1;
        }
        Ok(value)
    }

    /// `\uXXXX`, with a low surrogate behind a high one; six source bytes make at most three.
    fn unicode(&mut self, write: usize) -> Result<usize, FrameError> {
        let mut value = self.hex(4)?;
        if (0xD800..0xDC00).contains(&value) && self.bytes.get(self.at..self.at + 2) == Some(b"\\u") {
            let back = self.at;
            self.at += 2;
            let low = self.hex(4)?;
            if (0xDC00..0xE000).contains(&low) {
                value = 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00);
            } else {
                self.at = back;
            }
        }
        let scalar = char::from_u32(value).unwrap_or('?');
        let mut utf8 = [0; 4];
        let text = scalar.encode_utf8(&mut utf8).as_bytes();
        self.bytes[write..write + text.len()].copy_from_slice(text);
        Ok(write + text.len())
    }

    fn value(&mut self) -> Result<Value, FrameError> {
        match self.peek()? {
            quote @ (b'"' | b'\'') => Ok(Value::Text(self.text(quote)?)),
            b'{' | b'[' => {
                let start = self.at;
                self.skip(0)?;
                Ok(Value::Raw(Span::new(start, self.at)))
            }
            _ => {
                let span = self.bare()?;
                Ok(if span.bytes(self.bytes) == b"null" { Value::Null } else { Value::Raw(span) })
            }
        }
    }

    /// Steps over a nested value without changing it.
    fn skip(&mut self, depth: u32) -> Result<(), FrameError> {
        if depth > MAX_DEPTH {
            return self.fail();
        }
        match self.peek()? {
            quote @ (b'"' | b'\'') => {
                self.at += 1;
                while let Some(&byte) = self.bytes.get(self.at) {
                    self.at += if byte == b'\\' { 2 } else { 1 };
                    if byte == quote {
                        return Ok(());
                    }
                }
                self.fail()
            }
            open @ (b'{' | b'[') => {
                let close = open + 2; // '{' + 2 is '}', '[' + 2 is ']'
                self.at += 1;
                loop {
                    match self.peek()? {
                        byte if byte == close => {
                            self.at += 1;
                            return Ok(());
                        }
                        b',' | b':' => self.at += 1,
                        _ => self.skip(depth + 1)?,
                    }
                }
            }
            _ => self.bare().map(|_| ()),
        }
    }

    fn member(&mut self, key: Span, head: &mut Head) -> Result<(), FrameError> {
        let field = match key.bytes(self.bytes) {
            b"code" => Field::Code,
            b"opaque" => Field::Opaque,
            b"flag" => Field::Flag,
            b"version" => Field::Version,
            b"language" => Field::Language,
            b"remark" => Field::Remark,
            b"extFields" => Field::Ext,
            _ => Field::Unknown,
        };
        if matches!(field, Field::Ext) && self.peek()? == b'{' {
            head.has_ext = true;
            return self.object(|cursor, name| {
                if let Value::Text(value) | Value::Raw(value) = cursor.value()? {
                    head.ext.push((name, value));
                }
                Ok(())
            });
        }
        let value = match self.value()? {
            Value::Text(span) | Value::Raw(span) => span,
            Value::Null => return Ok(()),
        };
        let text = value.of(self.bytes);
        let number = text.trim().parse::<i64>().ok().and_then(|n| i32::try_from(n).ok());
        match (field, number) {
            (Field::Code, Some(n)) => head.code = n,
            (Field::Opaque, Some(n)) => head.opaque = n,
            (Field::Flag, Some(n)) => head.flag = n,
            (Field::Version, Some(n)) => head.version = n,
            (Field::Language, Some(n)) => head.language = u8::try_from(n).ok().and_then(Language::from_code),
            (Field::Language, None) => head.language = Language::from_name(text),
            (Field::Remark, _) => head.remark = Some(value),
            (Field::Unknown | Field::Ext, _) => {}
            (_, None) => return self.fail(),
        }
        Ok(())
    }
}

enum Field {
    Code,
    Opaque,
    Flag,
    Version,
    Language,
    Remark,
    Ext,
    Unknown,
}
