//! The checksum of a whole record, kept in its last property (`spec/store.md` section 3, CRC property):
//! `__CRC32#` 0x01, ten digits with the lowest first, 0x02. It covers the record without these bytes.

use super::record::{Record, body_crc};

/// Name of the property (`MessageConst.PROPERTY_CRC32`).
pub const NAME: &str = "__CRC32#";
/// Bytes the property takes at the very end of a record.
pub const LEN: usize = 20;
/// The property before its digits are known.
pub const PLACEHOLDER: &[u8; LEN] = b"__CRC32#\x010000000000\x02";
/// Digits start here.
const DIGITS: usize = 9;

/// Writes the checksum into a finished record that ends in [`PLACEHOLDER`].
pub fn fill(record: &mut [u8]) {
    let Some((covered, property)) = record.split_last_chunk_mut::<LEN>() else { return };
    let mut sum = body_crc(covered);
    for digit in &mut property[DIGITS..LEN - 1] {
        *digit = b'0' + u8::try_from(sum % 10).unwrap_or(0);
        sum /= 10;
    }
}

/// Whether a record agrees with its checksum; `None` when it has none. `bytes` are those of the record.
#[must_use]
pub fn is_intact(bytes: &[u8], record: &Record<'_>) -> Option<bool> {
    let digits = record.property(NAME)?;
    let whole = bytes.get(..record.total_size)?;
    let expected = digits.bytes().rev().try_fold(0u64, |sum, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    });
    let Some((covered, _)) = whole.split_last_chunk::<LEN>() else { return Some(false) };
    Some(expected == Some(u64::from(body_crc(covered))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::encode::{Placement, encode, encoded_len};
    use crate::message::record;
    use crate::store::NewMessage;

    fn record(properties: &[u8]) -> Vec<u8> {
        let message = NewMessage { properties: &[properties], ..NewMessage::plain("Topic", 2, b"body") };
        let mut out = vec![0; encoded_len(&message, true).unwrap()];
        let place = Placement { queue_offset: 1, physical_offset: 2, store_timestamp: 3 };
        encode(&message, &place, true, &mut out).unwrap();
        out
    }

    #[test]
    fn digits_are_lowest_first_and_any_change_shows() {
        let mut bytes = record(b"a\x01b\x02__CRC32#\x010000000000\x02");
        fill(&mut bytes);
        let sum = body_crc(&bytes[..bytes.len() - LEN]);
        let expected: String = format!("{sum:010}").chars().rev().collect();
        let found = record::decode(&bytes).unwrap();
        assert_eq!(found.property(NAME), Some(expected.as_str()));
        assert_eq!(is_intact(&bytes, &found), Some(true));
        for at in [9, 30, 60, bytes.len() - 25] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            if let Ok(found) = record::decode(&damaged) {
                assert_ne!(is_intact(&damaged, &found), Some(true), "byte {at}");
            }
        }
        let without = record(b"a\x01b\x02");
        assert_eq!(is_intact(&without, &record::decode(&without).unwrap()), None);
    }
}
