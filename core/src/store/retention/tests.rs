use quickcheck::{Arbitrary, Gen, quickcheck};

use super::*;

const HOUR: i64 = 3_600_000;

/// A quiet moment: nothing is due and the disks are half empty.
fn quiet(ages_h: &[i64]) -> Survey {
    let now_ms = 1_700_000_000_000;
    Survey {
        now_ms,
        hour: 12,
        modified_ms: ages_h.iter().map(|age| now_ms - age * HOUR).collect(),
        log_used: vec![0.5],
        queue_used: 0.5,
        store_bytes: 10,
        disk_bytes: 100,
        manual: false,
    }
}

fn deleted(settings: &Retention, survey: &Survey) -> usize {
    decide(settings, survey, Flags::default()).delete
}

#[test]
fn expired_files_go_at_their_hour_or_when_space_is_short() {
    let settings = Retention::default();
    let mut survey = quiet(&[100, 73, 72, 71, 90]);
    assert_eq!(deleted(&settings, &survey), 0, "neither the hour nor short of space");
    survey.hour = 4;
    assert_eq!(deleted(&settings, &survey), 3, "up to the first that is kept");
    survey.hour = 5;
    survey.manual = true;
    assert_eq!(deleted(&settings, &survey), 3);
    survey.manual = false;
    survey.log_used = vec![0.76];
    assert_eq!(deleted(&settings, &survey), 3);
    survey.log_used = vec![0.76, 0.5];
    assert_eq!(deleted(&settings, &survey), 0, "one directory has room");
    survey.queue_used = 0.76;
    assert_eq!(deleted(&settings, &survey), 3);
    (survey.log_used, survey.queue_used) = (vec![-1.0], 0.1);
    assert_eq!(deleted(&settings, &survey), 3, "unknown use counts as high");
}

#[test]
fn full_disks_force_deletion_and_refuse_writes_until_they_have_emptied() {
    let settings = Retention::default();
    let mut survey = quiet(&[1; 20]);
    survey.log_used = vec![0.86];
    let verdict = decide(&settings, &survey, Flags::default());
    assert_eq!((verdict.delete, verdict.forced, verdict.flags.refuse_writes()), (10, true, false));
    survey.log_used = vec![0.91];
    let full = decide(&settings, &survey, Flags::default());
    assert!(full.flags.log_full && full.flags.refuse_writes() && full.full_dirs == [true]);
    survey.log_used = vec![0.86];
    assert!(decide(&settings, &survey, full.flags).flags.log_full, "still above the lower mark");
    survey.log_used = vec![0.85];
    assert_eq!(decide(&settings, &survey, full.flags).flags, Flags::default());
    survey.log_used = vec![0.91];
    let timid = Retention { force_enabled: false, ..settings.clone() };
    let verdict = decide(&timid, &survey, Flags::default());
    assert_eq!((verdict.delete, verdict.flags.log_full), (0, true));
    survey.log_used = vec![0.95, 0.4];
    let verdict = decide(&settings, &survey, Flags::default());
    assert_eq!((verdict.delete, verdict.full_dirs), (0, vec![true, false]));
    survey.queue_used = 0.99;
    assert!(decide(&settings, &survey, Flags::default()).flags.queue_full);
}

#[test]
fn stores_on_one_disk_keep_to_their_share() {
    let settings = Retention { replicas_per_partition: 4, ..Retention::default() };
    let mut survey = quiet(&[100, 1, 1]);
    survey.store_bytes = 19;
    assert_eq!(deleted(&settings, &survey), 1, "76 % of a share of 25: expired ones");
    survey.store_bytes = 21;
    assert_eq!(deleted(&settings, &survey), 3, "84 %: whatever there is");
    assert_eq!(deleted(&Retention::default(), &survey), 0);
}

#[test]
fn settings_are_read_as_the_reference_reads_them() {
    assert_eq!(parse_hours("04"), [4]);
    assert_eq!(parse_hours("3; 15;xx;24;-1;"), [3, 15]);
    let low = Retention::default().with_percentages(1, 1, 1);
    assert_eq!((low.max_used, low.warning, low.force), (0.10, 0.35, 0.30));
    let high = Retention::default().with_percentages(100, 100, 100);
    assert_eq!((high.max_used, high.warning, high.force), (0.95, 0.90, 0.85));
}

impl Arbitrary for Survey {
    fn arbitrary(g: &mut Gen) -> Self {
        let ratio = |g: &mut Gen| f64::from(u8::arbitrary(g)) / 200.0 - 0.1;
        let now_ms = i64::from(u32::arbitrary(g)) * 1000;
        let ages = Vec::<u32>::arbitrary(g);
        Survey {
            now_ms,
            hour: u8::arbitrary(g) % 24,
            modified_ms: ages.iter().map(|age| now_ms - i64::from(*age % 400) * HOUR).collect(),
            log_used: (0..u8::arbitrary(g) % 4).map(|_| ratio(g)).collect(),
            queue_used: ratio(g),
            store_bytes: u32::arbitrary(g).into(),
            disk_bytes: u32::arbitrary(g).into(),
            manual: bool::arbitrary(g),
        }
    }
}

impl Arbitrary for Retention {
    fn arbitrary(g: &mut Gen) -> Self {
        let percent = |g: &mut Gen| i32::from(u8::arbitrary(g));
        Retention {
            delete_when: Vec::arbitrary(g),
            reserved_ms: i64::from(u16::arbitrary(g)) * 10_000,
            force_enabled: bool::arbitrary(g),
            batch_max: usize::from(u8::arbitrary(g)),
            replicas_per_partition: u8::arbitrary(g).into(),
            ..Retention::default()
        }
        .with_percentages(percent(g), percent(g), percent(g))
    }
}

quickcheck! {
    fn a_round_deletes_a_prefix_within_its_batch(settings: Retention, survey: Survey) -> bool {
        let verdict = decide(&settings, &survey, Flags::default());
        verdict.delete <= settings.batch_max.min(survey.modified_ms.len())
            && verdict.full_dirs.len() == survey.log_used.len()
    }

    fn what_has_not_expired_goes_only_by_force(settings: Retention, survey: Survey) -> bool {
        let verdict = decide(&settings, &survey, Flags::default());
        let young = survey.modified_ms[..verdict.delete]
            .iter()
            .any(|modified| modified + settings.reserved_ms > survey.now_ms);
        !young || (verdict.forced && settings.force_enabled)
    }

    fn fuller_disks_never_delete_less(settings: Retention, survey: Survey, more: u8) -> bool {
        let fuller = Survey {
            log_used: survey.log_used.iter().map(|used| used.max(0.0) + f64::from(more)).collect(),
            queue_used: survey.queue_used.max(0.0) + f64::from(more),
            ..survey.clone()
        };
        let known = Survey {
            log_used: survey.log_used.iter().map(|used| used.max(0.0)).collect(),
            queue_used: survey.queue_used.max(0.0),
            ..survey
        };
        deleted(&settings, &known) <= deleted(&settings, &fuller)
    }

    fn flags_hold_between_the_marks_only(settings: Retention, survey: Survey) -> bool {
        let all = Flags { log_full: true, queue_full: true };
        let (none, held) = (decide(&settings, &survey, Flags::default()), decide(&settings, &survey, all));
        let least = survey.log_used.iter().copied().fold(f64::INFINITY, f64::min);
        let expected = least.is_finite() && least > settings.force.min(settings.warning);
        held.flags.log_full == expected && (!none.flags.log_full || held.flags.log_full)
    }
}
