//! Values of options.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::clock::Zone;
use crate::failure::Failure;
use crate::options::Matches;

/// The number given for an option, `usual` when it was not given.
///
/// # Errors
/// [`Failure::Input`] when the value is no number of that size.
pub fn number<T: FromStr>(args: &Matches, key: &str, usual: T) -> Result<T, Failure> {
    args.get(key).map_or(Ok(usual), |text| {
        text.parse().map_err(|_| Failure::input(format!("-{key} {text}: not a number in range")))
    })
}

/// The point in time given for an option.
///
/// # Errors
/// [`Failure::Input`] when the value is neither milliseconds nor a date.
pub fn moment(args: &Matches, key: &str, zone: Zone) -> Result<Option<i64>, Failure> {
    args.get(key)
        .map(|text| {
            zone.parse(text).ok_or_else(|| {
                Failure::input(format!("-{key} {text}: neither milliseconds nor yyyy-MM-dd#HH:mm:ss:SSS"))
            })
        })
        .transpose()
}

/// Changes of attributes: `+a=b,+c=d,-e`.
///
/// # Errors
/// [`Failure::Input`] in the reference's words.
pub fn attributes(text: &str) -> Result<BTreeMap<String, String>, Failure> {
    let mut all = BTreeMap::new();
    for item in text.split(',').filter(|item| !item.is_empty()) {
        let (key, value) = match item.split_once('=') {
            Some((key, value)) if key.contains('+') => (key, value),
            Some((key, _)) => {
                return Err(Failure::input(format!("add/alter attribute format is wrong: {key}")));
            }
            None if item.contains('-') => (item, ""),
            None => return Err(Failure::input(format!("delete attribute format is wrong: {item}"))),
        };
        if all.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(Failure::input(format!("key duplication: {key}")));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attribute_changes() {
        let all = attributes("+a=b,-c").unwrap();
        assert_eq!(all.get("+a").map(String::as_str), Some("b"));
        assert_eq!(all.get("-c").map(String::as_str), Some(""));
        for bad in ["a=b", "c", "+a=1,+a=2"] {
            assert!(attributes(bad).is_err(), "{bad}");
        }
    }
}
