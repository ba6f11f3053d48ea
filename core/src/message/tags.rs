//! The tag hash of consume-queue entries and the hash of index keys (`spec/store.md` sections 4 and 5).

/// Java's `String.hashCode`: a base-31 polynomial over UTF-16 units, wrapping at 32 bits.
#[must_use]
pub fn java_hash(text: &str) -> i32 {
    java_hash_onto(0, text)
}

/// Continues a [`java_hash`] with more text, as if the parts had been one string.
#[must_use]
pub fn java_hash_onto(hash: i32, text: &str) -> i32 {
    let onto = |hash: i32, unit: u16| hash.wrapping_mul(31).wrapping_add(i32::from(unit));
    if text.is_ascii() {
        return text.bytes().fold(hash, |hash, byte| onto(hash, u16::from(byte)));
    }
    text.encode_utf16().fold(hash, onto)
}

/// The consume queue's tags field for a `TAGS` property; 0 without tags.
#[must_use]
pub fn tags_code(tags: Option<&str>) -> i64 {
    tags.map_or(0, |t| i64::from(java_hash(t)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_java_hashes() {
        assert_eq!(java_hash(""), 0);
        assert_eq!(java_hash("TagA"), 2_598_919);
        assert_eq!(java_hash("polygenelubricants"), i32::MIN);
        // one supplementary character counts as two UTF-16 units
        assert_eq!(java_hash("\u{1F600}"), 0xD83D * 31 + 0xDE00);
        assert_eq!(tags_code(Some("zzzzzzzz")), i64::from(java_hash("zzzzzzzz")));
        assert_eq!(java_hash_onto(java_hash("Topic#"), "key"), java_hash("Topic#key"));
    }
}
