//! Delay levels: the `messageDelayLevel` setting (`spec/store-config.md`, `spec/store.md` section 12).

/// The reference's 18 levels.
pub const DEFAULT_LEVELS: &str = "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h";

/// Topic that holds delayed messages; queue id is the level minus one.
pub const SCHEDULE_TOPIC: &str = "SCHEDULE_TOPIC_XXXX";

/// A word of the setting that is not a number followed by `s`, `m`, `h` or `d`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("messageDelayLevel: {0:?} is not a number followed by s, m, h or d")]
pub struct DelayLevelError(pub String);

/// Reads words like `30s` or `2h`, separated by blanks, into milliseconds; level `n` is element `n - 1`.
///
/// # Errors
/// [`DelayLevelError`] names the first word that cannot be read.
pub fn parse_levels(text: &str) -> Result<Vec<i64>, DelayLevelError> {
    text.split_ascii_whitespace()
        .map(|word| parse_word(word).ok_or_else(|| DelayLevelError(word.into())))
        .collect()
}

fn parse_word(word: &str) -> Option<i64> {
    let unit = match word.as_bytes().last()? {
        b's' => 1_000,
        b'm' => 60_000,
        b'h' => 3_600_000,
        b'd' => 86_400_000,
        _ => return None,
    };
    let count: i64 = word[..word.len() - 1].parse().ok()?;
    count.checked_mul(unit).filter(|ms| *ms >= 0)
}

/// Milliseconds of a level; a level above the last one counts as the last, one below 1 is no delay.
#[must_use]
pub fn level_ms(levels: &[i64], level: i32) -> Option<i64> {
    let level = usize::try_from(level).ok().filter(|l| *l > 0)?;
    levels.get(level - 1).or(levels.last()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_levels() {
        let levels = parse_levels(DEFAULT_LEVELS).unwrap();
        assert_eq!(levels.len(), 18);
        assert_eq!((levels[0], levels[4], levels[17]), (1_000, 60_000, 7_200_000));
        assert_eq!(level_ms(&levels, 1), Some(1_000));
        assert_eq!(level_ms(&levels, 99), Some(7_200_000));
        assert_eq!((level_ms(&levels, 0), level_ms(&levels, -3), level_ms(&[], 1)), (None, None, None));
    }

    #[test]
    fn bad_words_are_named() {
        for bad in ["1x", "s", "1s 2q", "-1s", "99999999999999999999s", "é"] {
            assert!(parse_levels(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_levels("1d").unwrap(), [86_400_000]);
    }
}
