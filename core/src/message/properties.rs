//! Property strings: `name 0x01 value 0x02` repeated (`spec/store.md` section 3).
//!
//! The functions work on bytes because a stored string need not be valid UTF-8 after damage; names that the
//! broker looks for are ASCII.

/// Between a name and its value.
pub const NAME_VALUE_SEPARATOR: u8 = 1;
/// Behind every pair; optional after the last one when read.
pub const PROPERTY_SEPARATOR: u8 = 2;
/// Longest property string a record holds, in bytes.
pub const MAX_LENGTH: usize = i16::MAX as usize;

/// Pairs in stored order. A pair without separator, with an empty name or with an empty value is skipped, as
/// the reference does.
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    rest: &'a [u8],
}

/// Iterates over a property string.
#[must_use]
pub fn pairs(properties: &[u8]) -> Pairs<'_> {
    Pairs { rest: properties }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let (item, rest) = split_item(self.rest);
            self.rest = rest;
            if let Some(pair) = split_pair(item) {
                return Some(pair);
            }
        }
        None
    }
}

fn split_item(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|b| *b == PROPERTY_SEPARATOR) {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}

fn split_pair(item: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = item.iter().position(|b| *b == NAME_VALUE_SEPARATOR)?;
    let (name, value) = (&item[..at], &item[at + 1..]);
    (!name.is_empty() && !value.is_empty()).then_some((name, value))
}

/// The value of a property; of duplicates the last one. `None` also when the value is not UTF-8.
#[must_use]
pub fn get<'a>(properties: &'a [u8], name: &str) -> Option<&'a str> {
    let value = pairs(properties).filter(|(n, _)| *n == name.as_bytes()).last()?.1;
    core::str::from_utf8(value).ok()
}

/// Appends one pair with its trailing separator. A missing separator behind what `out` already holds is
/// added first, so that pairs can be appended to a string from the network.
pub fn push(out: &mut Vec<u8>, name: &str, value: &str) {
    if out.last().is_some_and(|last| *last != PROPERTY_SEPARATOR) {
        out.push(PROPERTY_SEPARATOR);
    }
    out.extend_from_slice(name.as_bytes());
    out.push(NAME_VALUE_SEPARATOR);
    out.extend_from_slice(value.as_bytes());
    out.push(PROPERTY_SEPARATOR);
}

/// Copies a property string to `out` without the named pairs (and without pairs a reader would skip).
pub fn copy_without(properties: &[u8], names: &[&str], out: &mut Vec<u8>) {
    for (name, value) in pairs(properties) {
        if !names.iter().any(|n| n.as_bytes() == name) {
            push_bytes(out, name, value);
        }
    }
}

/// The string without the named pairs.
#[must_use]
pub fn remove(properties: &[u8], names: &[&str]) -> Vec<u8> {
    let mut out = Vec::with_capacity(properties.len() + 1);
    copy_without(properties, names, &mut out);
    out
}

/// The string with `name` set to `value`: earlier values are dropped, the new pair comes last.
#[must_use]
pub fn replace(properties: &[u8], name: &str, value: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(properties.len() + name.len() + value.len() + 3);
    copy_without(properties, &[name], &mut out);
    push(&mut out, name, value);
    out
}

fn push_bytes(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.push(NAME_VALUE_SEPARATOR);
    out.extend_from_slice(value);
    out.push(PROPERTY_SEPARATOR);
}

/// The bytes a batch item's properties need behind them before the header's are appended
/// (`spec/store.md` section 3, Batches).
#[must_use]
pub fn missing_separator(properties: &[u8]) -> &'static [u8] {
    match properties.last() {
        None | Some(&PROPERTY_SEPARATOR) => b"",
        Some(_) => b"\x02",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"TAGS\x01A\x02empty\x01\x02\x01noname\x02KEYS\x01k1 k2\x02plain\x02TAGS\x01B";

    #[test]
    fn reading_follows_the_parser_rules() {
        let all: Vec<_> = pairs(TEXT).collect();
        assert_eq!(all, [(&b"TAGS"[..], &b"A"[..]), (b"KEYS", b"k1 k2"), (b"TAGS", b"B")]);
        assert_eq!(get(TEXT, "TAGS"), Some("B"));
        assert_eq!(get(TEXT, "KEYS"), Some("k1 k2"));
        assert_eq!((get(TEXT, "empty"), get(TEXT, ""), get(b"", "TAGS")), (None, None, None));
        assert_eq!(get(b"a\x01b\x01c\x02", "a"), Some("b\u{1}c"));
    }

    #[test]
    fn editing() {
        let mut out = b"a\x01b".to_vec();
        push(&mut out, "c", "d");
        assert_eq!(out, b"a\x01b\x02c\x01d\x02");
        assert_eq!(remove(TEXT, &["TAGS"]), b"KEYS\x01k1 k2\x02");
        assert_eq!(replace(b"a\x01b\x02c\x01d", "a", "x"), b"c\x01d\x02a\x01x\x02");
        assert_eq!((missing_separator(b""), missing_separator(b"a\x01b")), (&b""[..], &b"\x02"[..]));
    }

    quickcheck::quickcheck! {
        fn what_is_pushed_is_found(names: Vec<u8>, value: String) -> bool {
            let value: String = value.chars().filter(|c| *c > '\u{2}').collect();
            if value.is_empty() { return true; }
            let mut out = Vec::new();
            for n in &names { push(&mut out, &format!("n{n}"), &value); }
            names.iter().all(|n| get(&out, &format!("n{n}")) == Some(value.as_str()))
                && pairs(&out).count() == names.len()
        }

        fn never_panics(bytes: Vec<u8>) -> bool {
            pairs(&bytes).count() <= bytes.len() && get(&bytes, "TAGS").is_none_or(|v| !v.is_empty())
        }
    }
}
