//! Points in time as the reference prints and reads them, in local time.

/// The time zone of printed and typed dates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// The process's time zone.
    Local,
    /// For tests, whose captures were made there.
    #[cfg(test)]
    Utc,
}

/// Milliseconds since the Unix epoch, now.
#[must_use]
pub fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.ok().and_then(|d| i64::try_from(d.as_millis()).ok()).unwrap_or(0)
}

impl Zone {
    /// `yyyy-MM-dd HH:mm:ss`.
    #[must_use]
    pub fn seconds(self, ms: i64) -> String {
        let civil = self.civil(ms.div_euclid(1000));
        format!(
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
            i64::from(civil.tm_year) + 1900,
            civil.tm_mon + 1,
            civil.tm_mday,
            civil.tm_hour,
            civil.tm_min,
            civil.tm_sec
        )
    }

    /// `yyyy-MM-dd HH:mm:ss,SSS`.
    #[must_use]
    pub fn millis(self, ms: i64) -> String {
        format!("{},{:03}", self.seconds(ms), ms.rem_euclid(1000))
    }

    /// Reads milliseconds or `yyyy-MM-dd#HH:mm:ss:SSS`.
    #[must_use]
    pub fn parse(self, text: &str) -> Option<i64> {
        if let Ok(ms) = text.parse() {
            return Some(ms);
        }
        let numbers: Vec<i32> =
            text.split(['-', '#', ':']).map(|part| part.parse().ok()).collect::<Option<_>>()?;
        let [year, month, day, hour, minute, second, ms] = numbers.as_slice().try_into().ok()?;
        let mut civil = blank();
        (civil.tm_year, civil.tm_mon, civil.tm_mday) =
            (i32::checked_sub(year, 1900)?, i32::checked_sub(month, 1)?, day);
        (civil.tm_hour, civil.tm_min, civil.tm_sec) = (hour, minute, second);
        let seconds = self.epoch(civil);
        Some(seconds.checked_mul(1000)?.saturating_add(i64::from(ms)))
    }

    fn civil(self, seconds: i64) -> libc::tm {
        let mut civil = blank();
        // SAFETY: both pointers are to live locals of the right types; the functions keep neither.
        unsafe {
            match self {
                Zone::Local => libc::localtime_r(&raw const seconds, &raw mut civil),
                #[cfg(test)]
                Zone::Utc => libc::gmtime_r(&raw const seconds, &raw mut civil),
            };
        }
        civil
    }

    fn epoch(self, mut civil: libc::tm) -> i64 {
        // SAFETY: the pointer is to a live local; the functions normalise it and keep nothing.
        unsafe {
            match self {
                Zone::Local => libc::mktime(&raw mut civil),
                #[cfg(test)]
                Zone::Utc => libc::timegm(&raw mut civil),
            }
        }
    }
}

fn blank() -> libc::tm {
    libc::tm {
        tm_sec: 0,
        tm_min: 0,
        tm_hour: 0,
        tm_mday: 1,
        tm_mon: 0,
        tm_year: 70,
        tm_wday: 0,
        tm_yday: 0,
        tm_isdst: -1,
        tm_gmtoff: 0,
        tm_zone: core::ptr::null(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(Zone::Utc.millis(1_795_309_461_475), "2026-11-22 01:04:21,475");
        assert_eq!(Zone::Utc.seconds(1_795_309_461_475), "2026-11-22 01:04:21");
        assert_eq!(Zone::Utc.parse("2026-11-22#01:04:21:475"), Some(1_795_309_461_475));
        assert_eq!(Zone::Utc.parse("1795309461475"), Some(1_795_309_461_475));
        assert_eq!((Zone::Utc.parse("2026-11-22"), Zone::Utc.parse("")), (None, None));
        let text = Zone::Local.millis(1_795_309_461_475).replace(' ', "#").replace(',', ":");
        assert_eq!(Zone::Local.parse(&text), Some(1_795_309_461_475));
    }
}
