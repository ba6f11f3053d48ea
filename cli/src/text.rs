//! Pieces of text as Java prints them.

/// At most the first `width` characters.
#[must_use]
pub fn front(text: &str, width: usize) -> &str {
    text.char_indices().nth(width).map_or(text, |(end, _)| &text[..end])
}

/// A number with so many decimals, halves rounded away from zero by its decimal digits.
#[must_use]
pub fn fixed(x: f64, decimals: usize) -> String {
    let shortest = format!("{}", x.abs());
    let Some((whole, fraction)) = shortest.split_once('.').filter(|(_, f)| f.len() > decimals) else {
        return format!("{x:.decimals$}");
    };
    let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes().take(decimals)).collect();
    if fraction.as_bytes()[decimals] >= b'5' {
        let mut at = digits.len();
        loop {
            if at == 0 {
                digits.insert(0, b'1');
                break;
            }
            at -= 1;
            if digits[at] != b'9' {
                digits[at] += 1;
                break;
            }
            digits[at] = b'0';
        }
    }
    let point = digits.len() - decimals;
    let text: String = digits.into_iter().map(char::from).collect();
    let sign = if x < 0.0 { "-" } else { "" };
    let dot = if decimals > 0 { "." } else { "" };
    format!("{sign}{}{dot}{}", &text[..point], &text[point..])
}

/// A number as `Double.toString` writes it.
#[must_use]
pub fn double(x: f64) -> String {
    use sansmq_core::json::{Json, Style, write_compact};
    write_compact(&Json::Float(x), Style::Fastjson)
}

/// An optional value, `null` when absent.
#[must_use]
pub fn or_null<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| value.to_string())
}

/// `String.hashCode`.
#[must_use]
pub fn hash_code(text: &str) -> i32 {
    text.encode_utf16().fold(0, |hash: i32, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// `{k=v, k=v}` in the order of a hash map with `buckets` buckets (a power of two) filled in the given order;
/// of equal keys the last value counts, in the place of the first.
#[must_use]
pub fn hash_map(pairs: &[(String, String)], buckets: u32) -> String {
    let mut entries: Vec<(u32, &str, &str)> = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        match entries.iter_mut().find(|entry| entry.1 == key) {
            Some(entry) => entry.2 = value,
            None => {
                entries.push((bucket(hash_code(key), buckets), key, value));
            }
        }
    }
    entries.sort_by_key(|entry| entry.0);
    let all: Vec<String> = entries.iter().map(|(_, key, value)| format!("{key}={value}")).collect();
    format!("{{{}}}", all.join(", "))
}

/// The bucket of a hash code in a hash map with `buckets` buckets (a power of two).
#[must_use]
pub fn bucket(hash: i32, buckets: u32) -> u32 {
    let hash = hash.cast_unsigned();
    (hash ^ hash >> 16) & (buckets - 1)
}

/// How many buckets a hash map has that grew to `entries` entries.
#[must_use]
pub fn buckets_for(entries: usize) -> u32 {
    let needed = u32::try_from(entries).unwrap_or(u32::MAX / 4).saturating_mul(4).div_ceil(3);
    needed.next_power_of_two().max(16)
}

/// `MQVersion`'s name of a version number.
#[must_use]
pub fn version_name(version: i32) -> String {
    /// V4_1_0; from here on each minor release has ten patch numbers, each a snapshot and a release.
    const REGULAR_FROM: i32 = 233;
    const HIGHER: i32 = 612;
    let half = (version - REGULAR_FROM + 1).div_euclid(2) + 10;
    let suffix = if version % 2 == 0 { "_SNAPSHOT" } else { "" };
    match version {
        HIGHER.. => "HIGHER_VERSION".to_owned(),
        REGULAR_FROM.. => format!("V{}_{}_{}{suffix}", 4 + half / 100, half / 10 % 10, half % 10),
        121 => "V3_4_9".to_owned(),
        85 => "V3_2_9".to_owned(),
        37 => "V3_0_11".to_owned(),
        _ => format!("V3({version})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!((fixed(0.125, 2), fixed(1.005, 2)), ("0.13".into(), "1.01".into()));
        assert_eq!((fixed(9.999, 2), fixed(-0.5, 0)), ("10.00".into(), "-1".into()));
        assert_eq!((fixed(0.0, 2), fixed(12.0, 1)), ("0.00".into(), "12.0".into()));
        assert_eq!((double(0.0), double(1e10)), ("0.0".into(), "1.0E10".into()));
    }

    #[test]
    fn versions() {
        for (number, name) in [
            (479, "V5_3_3"),
            (413, "V5_0_0"),
            (401, "V4_9_4"),
            (399, "V4_9_3"),
            (233, "V4_1_0"),
            (478, "V5_3_3_SNAPSHOT"),
            (611, "V5_9_9"),
            (612, "HIGHER_VERSION"),
        ] {
            assert_eq!(version_name(number), name);
        }
    }

    #[test]
    fn hash_order() {
        assert_eq!((hash_code(""), hash_code("TagA"), hash_code("TagB")), (0, 2_598_919, 2_598_920));
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let keys =
            ["TRACE_ON", "KEYS", "UNIQ_KEY", "CLUSTER", "MSG_REGION", "MAX_OFFSET", "MIN_OFFSET", "TAGS"];
        let mut pairs = keys.map(|key| pair(key, "1")).to_vec();
        pairs.push(pair("TAGS", "2"));
        assert_eq!(
            hash_map(&pairs, 128),
            "{MSG_REGION=1, UNIQ_KEY=1, CLUSTER=1, MIN_OFFSET=1, TAGS=2, KEYS=1, TRACE_ON=1, MAX_OFFSET=1}"
        );
        assert_eq!(front("äbc", 2), "äb");
    }
}
