//! The two numbers of an answer's header that matter here, found without decoding the rest.

const OPAQUE: &[u8] = b"\"opaque\":";
const CODE: &[u8] = b"\"code\":";

/// Code and opaque of a whole frame; `None` when they cannot be found.
#[must_use]
pub fn code_and_opaque(frame: &[u8]) -> Option<(i32, i32)> {
    let [kind, a, b, c] = *frame.get(4..8)?.first_chunk()?;
    let length = u32::from_be_bytes([0, a, b, c]) as usize;
    let header = frame.get(8..8 + length)?;
    if kind == 1 {
        let code = i16::from_be_bytes(*header.first_chunk()?);
        return Some((i32::from(code), i32::from_be_bytes(*header.get(5..)?.first_chunk()?)));
    }
    // The reference writes keys sorted: code first, opaque close to the end.
    let code = match header.strip_prefix(b"{\"code\":") {
        Some(rest) => rest,
        None => &header[header.windows(CODE.len()).position(|w| w == CODE)? + CODE.len()..],
    };
    let opaque = header.windows(OPAQUE.len()).rposition(|w| w == OPAQUE)? + OPAQUE.len();
    Some((number(code)?, number(header.get(opaque..)?)?))
}

fn number(text: &[u8]) -> Option<i32> {
    let (negative, digits) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let end = digits.iter().position(|b| !b.is_ascii_digit()).unwrap_or(digits.len());
    let value: i32 = core::str::from_utf8(&digits[..end]).ok()?.parse().ok()?;
    Some(if negative { -value } else { value })
}

/// The first whole frame of a buffer, as its length.
#[must_use]
pub fn whole(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_be_bytes(*bytes.first_chunk()?) as usize + 4;
    (bytes.len() >= length).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sansmq_core::wire::{Command, Encoding, Ext};

    #[test]
    fn numbers_are_found_in_both_encodings() {
        for encoding in [Encoding::Json, Encoding::RocketMq] {
            for (code, opaque) in [(0, 0), (17, 100_000_031), (-1, -5)] {
                let answer = Command {
                    ext: Some(Ext::new().with("msgId", "7F00")),
                    remark: Some("text".into()),
                    ..Command::response(code, opaque).with_body(&b"body"[..])
                };
                let frame = answer.encode(encoding);
                assert_eq!(code_and_opaque(&frame), Some((code, opaque)));
                assert_eq!((whole(&frame), whole(&frame[..9])), (Some(frame.len()), None));
            }
        }
        assert_eq!(code_and_opaque(b"\0\0\0\x04\0\0\0\0"), None);
    }
}
