//! What a store deletes and when it refuses writes, decided from numbers alone (`spec/store.md` section 14).
//!
//! A round looks at the clock, the oldest log files and how full the disks are, and says how many of the oldest
//! files go and which flags hold until the next round. Executing that is the store's business.

/// Settings of retention; ratios are fractions of 1 and already within the limits the reference allows.
#[derive(Clone, Debug, PartialEq)]
pub struct Retention {
    /// `deleteWhen`: hours of the day (0..=23, local time) in which expired files are deleted.
    pub delete_when: Vec<u8>,
    /// `fileReservedTime`: age in milliseconds since its last change from which a file is expired.
    pub reserved_ms: i64,
    /// `diskMaxUsedSpaceRatio`: above it expired files are deleted at any hour.
    pub max_used: f64,
    /// `diskSpaceWarningLevelRatio`: above it writes are refused.
    pub warning: f64,
    /// `diskSpaceCleanForciblyRatio`: above it files are deleted whether expired or not.
    pub force: f64,
    /// `cleanFileForciblyEnable`: without it nothing that has not expired is ever deleted.
    pub force_enabled: bool,
    /// `deleteFileBatchMax`: most files of one round.
    pub batch_max: usize,
    /// `replicasPerDiskPartition`: stores that share the disk.
    pub replicas_per_partition: u32,
    /// `logicalDiskSpaceCleanForciblyThreshold`: as `force`, for this store's share of the disk.
    pub logical_force: f64,
}

impl Default for Retention {
    fn default() -> Self {
        Retention {
            delete_when: vec![4],
            reserved_ms: 72 * 3_600_000,
            max_used: 0.75,
            warning: 0.90,
            force: 0.85,
            force_enabled: true,
            batch_max: 10,
            replicas_per_partition: 1,
            logical_force: 0.8,
        }
    }
}

/// A percentage of the configuration as a fraction within limits.
#[must_use]
pub fn clamped(percent: i32, low: f64, high: f64) -> f64 {
    (f64::from(percent) / 100.0).clamp(low, high)
}

impl Retention {
    /// Sets the three ratios from the percentages of the configuration, clamped as the reference does it:
    /// use 10 to 95, warning 35 to 90, forced deletion 30 to 85.
    #[must_use]
    pub fn with_percentages(mut self, max_used: i32, warning: i32, force: i32) -> Self {
        self.max_used = clamped(max_used, 0.10, 0.95);
        self.warning = clamped(warning, 0.35, 0.90);
        self.force = clamped(force, 0.30, 0.85);
        self
    }
}

/// The hours of a `deleteWhen` value such as `04` or `03;15`; parts that are no hour are left out.
#[must_use]
pub fn parse_hours(text: &str) -> Vec<u8> {
    text.split(';').filter_map(|part| part.trim().parse().ok()).filter(|hour| *hour < 24).collect()
}

/// What a round looks at.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// Milliseconds since the Unix epoch.
    pub now_ms: i64,
    /// Hour of the day, local time.
    pub hour: u8,
    /// Time of last change of the log files that may go, oldest file first, in milliseconds since the Unix
    /// epoch; without the last file, which never goes.
    pub modified_ms: Vec<i64>,
    /// Used part of the disk below each directory of the log; negative when unknown.
    pub log_used: Vec<f64>,
    /// Used part of the disk below the queues; negative when unknown.
    pub queue_used: f64,
    /// Bytes of log, queues and index of this store.
    pub store_bytes: u64,
    /// Bytes of the disk below the log.
    pub disk_bytes: u64,
    /// An administrator has asked for expired files to go now.
    pub manual: bool,
}

/// Conditions that hold until a round ends them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// The disks of the log are too full for writing.
    pub log_full: bool,
    /// The disk of the queues is too full for writing.
    pub queue_full: bool,
}

impl Flags {
    /// Whether writes have to be refused.
    #[must_use]
    pub fn refuse_writes(self) -> bool {
        self.log_full || self.queue_full
    }
}

/// What a round decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// How many of the oldest log files go.
    pub delete: usize,
    /// Some of them may not have expired.
    pub forced: bool,
    pub flags: Flags,
    /// For each directory of the log: too full for new files.
    pub full_dirs: Vec<bool>,
}

/// Full above `warning`, no longer full at or below `force`, unchanged between. The second result says that
/// files should go at once.
fn level(used: f64, settings: &Retention, was_full: bool) -> (bool, bool) {
    if used > settings.warning {
        (true, true)
    } else if used > settings.force {
        (was_full, true)
    } else {
        (false, false)
    }
}

/// One round.
#[must_use]
pub fn decide(settings: &Retention, survey: &Survey, before: Flags) -> Verdict {
    let least = survey.log_used.iter().copied().fold(f64::INFINITY, f64::min);
    let log_used = if least.is_finite() { least } else { -1.0 };
    let (log_full, log_urgent) = level(log_used, settings, before.log_full);
    let (queue_full, queue_urgent) = level(survey.queue_used, settings, before.queue_full);
    let mut urgent = log_urgent || queue_urgent;
    let over = |used: f64| used < 0.0 || used > settings.max_used;
    let mut space = over(log_used) || over(survey.queue_used);
    if settings.replicas_per_partition > 1 && survey.disk_bytes > 0 {
        let share = survey.disk_bytes as f64 / f64::from(settings.replicas_per_partition);
        let used = survey.store_bytes as f64 / share;
        urgent |= used > settings.logical_force;
        space |= used > settings.logical_force || used > settings.max_used;
    }
    let on_time = settings.delete_when.contains(&survey.hour);
    let forced = urgent && settings.force_enabled;
    let mut delete = 0;
    if on_time || space || forced || survey.manual {
        let goes = |modified: &&i64| forced || modified.saturating_add(settings.reserved_ms) <= survey.now_ms;
        delete = survey.modified_ms.iter().take(settings.batch_max).take_while(goes).count();
    }
    Verdict {
        delete,
        forced: forced && delete > 0,
        flags: Flags { log_full, queue_full },
        full_dirs: survey.log_used.iter().map(|used| *used > settings.force).collect(),
    }
}

#[cfg(test)]
mod tests;
