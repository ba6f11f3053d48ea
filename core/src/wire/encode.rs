//! Writing headers in both encodings (`spec/remoting.md` section 2).

use bytes::{BufMut, BytesMut};
use core::fmt::Write as _;

use super::{Command, Encoding, Ext, ExtValue, Language};

/// The parts of a header about to be written.
#[derive(Clone, Copy, Debug)]
pub struct HeadParts<'a> {
    pub code: i32,
    pub language: Language,
    pub version: i32,
    pub opaque: i32,
    pub flag: i32,
    pub remark: Option<&'a str>,
    pub ext: Option<&'a Ext>,
}

/// Appends length, mark and header of `command`; `body_len` bytes of body must follow.
pub fn head(command: &Command, encoding: Encoding, body_len: usize, out: &mut BytesMut) {
    let parts = HeadParts {
        code: command.code,
        language: command.language.unwrap_or(Language::Other),
        version: command.version,
        opaque: command.opaque,
        flag: command.flag,
        remark: command.remark.as_deref(),
        ext: command.ext.as_ref(),
    };
    head_parts(&parts, encoding, body_len, out);
}

/// Appends length, mark and header; `body_len` bytes of body must follow.
pub fn head_parts(parts: &HeadParts<'_>, encoding: Encoding, body_len: usize, out: &mut BytesMut) {
    let start = out.len();
    out.put_u64(0);
    match encoding {
        Encoding::Json => json(parts, out),
        Encoding::RocketMq => binary(parts, out),
    }
    let header_len = out.len() - start - 8;
    #[allow(clippy::cast_possible_truncation)] // our own headers and bodies are far below 2^24 and 2^32
    let (length, mark) = ((4 + header_len + body_len) as u32, header_len as u32 & 0x00FF_FFFF);
    let mark = mark | if encoding == Encoding::RocketMq { 1 << 24 } else { 0 };
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    out[start + 4..start + 8].copy_from_slice(&mark.to_be_bytes());
}

/// Keys in alphabetical order, as fastjson writes them.
fn json(parts: &HeadParts<'_>, out: &mut BytesMut) {
    out.put_slice(b"{\"code\":");
    integer(i64::from(parts.code), out);
    if let Some(ext) = parts.ext {
        out.put_slice(b",\"extFields\":{");
        for (index, (key, value)) in ext.iter().enumerate() {
            if index > 0 {
                out.put_u8(b',');
            }
            quoted(key, out);
            out.put_u8(b':');
            match value {
                ExtValue::Text(text) => quoted(text, out),
                ExtValue::Int(number) => {
                    out.put_u8(b'"');
                    integer(*number, out);
                    out.put_u8(b'"');
                }
                ExtValue::Bool(flag) => out.put_slice(if *flag { b"\"true\"" } else { b"\"false\"" }),
            }
        }
        out.put_u8(b'}');
    }
    out.put_slice(b",\"flag\":");
    integer(i64::from(parts.flag), out);
    out.put_slice(b",\"language\":\"");
    out.put_slice(parts.language.name().as_bytes());
    out.put_slice(b"\",\"opaque\":");
    integer(i64::from(parts.opaque), out);
    if let Some(remark) = parts.remark {
        out.put_slice(b",\"remark\":");
        quoted(remark, out);
    }
    out.put_slice(b",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":");
    integer(i64::from(parts.version), out);
    out.put_u8(b'}');
}

fn integer(number: i64, out: &mut BytesMut) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        #[allow(clippy::cast_possible_truncation)] // below ten
        let digit = (rest % 10) as u8;
        digits[at] = b'0' + digit;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.put_u8(b'-');
    }
    out.put_slice(&digits[at..]);
}

/// Bytes that do not stand for themselves in a JSON text.
const ESCAPED: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    (table[b'"' as usize], table[b'\\' as usize], table[0x7F]) = (true, true, true);
    table
};

fn quoted(text: &str, out: &mut BytesMut) {
    out.reserve(text.len() + 2);
    out.put_u8(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| ESCAPED[usize::from(*byte)]) {
        out.put_slice(&rest[..at]);
        let byte = rest[at];
        rest = &rest[at + 1..];
        match byte {
            b'"' => out.put_slice(b"\\\""),
            b'\\' => out.put_slice(b"\\\\"),
            b'\n' => out.put_slice(b"\\n"),
            b'\r' => out.put_slice(b"\\r"),
            b'\t' => out.put_slice(b"\\t"),
            8 => out.put_slice(b"\\b"),
            12 => out.put_slice(b"\\f"),
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.put_slice(b"\\u00");
                out.put_u8(HEX[usize::from(byte >> 4)]);
                out.put_u8(HEX[usize::from(byte & 15)]);
            }
        }
    }
    out.put_slice(rest);
    out.put_u8(b'"');
}

#[allow(clippy::cast_possible_truncation)] // the format has 16-bit codes, versions and key lengths
fn binary(parts: &HeadParts<'_>, out: &mut BytesMut) {
    out.put_i16(parts.code as i16);
    out.put_u8(parts.language as u8);
    out.put_i16(parts.version as i16);
    out.put_i32(parts.opaque);
    out.put_i32(parts.flag);
    let remark = parts.remark.unwrap_or("");
    out.put_u32(remark.len() as u32);
    out.put_slice(remark.as_bytes());
    let length_at = out.len();
    out.put_u32(0);
    for (key, value) in parts.ext.iter().flat_map(|ext| ext.iter()) {
        out.put_u16(key.len() as u16);
        out.put_slice(key.as_bytes());
        let value_at = out.len();
        out.put_u32(0);
        match value {
            ExtValue::Text(text) => out.put_slice(text.as_bytes()),
            ExtValue::Int(number) => integer(*number, out),
            ExtValue::Bool(flag) => {
                // Writing to a BytesMut cannot fail.
                let _ = write!(out, "{flag}");
            }
        }
        patch(out, value_at);
    }
    patch(out, length_at);
}

/// Fills in the 32-bit length at `at` of what was written behind it.
fn patch(out: &mut BytesMut, at: usize) {
    #[allow(clippy::cast_possible_truncation)] // a header is far below 2^32 bytes
    let length = (out.len() - at - 4) as u32;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}
