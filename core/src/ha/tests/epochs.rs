use super::super::epoch::{EpochCache, EpochEntry, EpochFileError, EpochRefused};
use super::cache;

#[test]
fn the_file_is_the_reference_s() {
    let text = include_str!("../../../../tests/golden/ha/files/s4/b2.epochFileCheckpoint");
    assert_eq!(text, "2\n1684764314\n1-0\n5-1923\n");
    let read = EpochCache::from_file(text).unwrap();
    assert_eq!(read, cache(&[(1, 0), (5, 1923)]));
    assert_eq!(read.to_file(), text);
    assert_eq!(EpochCache::from_file(&EpochCache::default().to_file()), Ok(EpochCache::default()));
}

#[test]
fn damage_is_named() {
    assert_eq!(EpochCache::from_file(""), Err(EpochFileError::Line(1)));
    assert_eq!(EpochCache::from_file("1\nx\n"), Err(EpochFileError::Line(2)));
    assert_eq!(EpochCache::from_file("1\n0\n1=0\n"), Err(EpochFileError::Line(3)));
    assert_eq!(EpochCache::from_file("2\n0\n1-0\n"), Err(EpochFileError::Count { said: 2, found: 1 }));
    let torn = "2\n1684764314\n1-0\n5-1924\n";
    assert!(matches!(EpochCache::from_file(torn), Err(EpochFileError::Checksum { said: 1_684_764_314, .. })));
    assert!(matches!(EpochCache::from_file("2\n0\n5-0\n1-7\n"), Err(EpochFileError::Order(_))));
}

#[test]
fn an_epoch_without_writes_is_kept() {
    // KF-02: B is elected for 6 where nothing was written in 5
    let mut elected = cache(&[(1, 0), (5, 100)]);
    elected.push(EpochEntry { epoch: 6, start: 100 }).unwrap();
    assert_eq!(elected, cache(&[(1, 0), (6, 100)]));
    // A wrote in 5 from 100 to 150 meanwhile
    let alone = cache(&[(1, 0), (5, 100)]);
    assert_eq!(alone.consistent_point(150, &elected, 130), Some(100));
    let refused = elected.push(EpochEntry { epoch: 6, start: 120 });
    assert_eq!(refused, Err(EpochRefused::Older { last: 6, given: 6 }));
    assert!(elected.push(EpochEntry { epoch: 7, start: 90 }).is_err());
}

#[test]
fn the_diverged_master_of_the_recording_goes_back() {
    let (old, new) = (cache(&[(1, 0)]), cache(&[(1, 0), (5, 1923)]));
    assert_eq!(old.consistent_point(2799, &new, 2562), Some(1923));
    assert_eq!(EpochCache::default().consistent_point(0, &new, 2562), Some(0));
    assert_eq!(cache(&[(3, 50)]).consistent_point(80, &new, 2562), None);
    assert_eq!(EpochCache::default().consistent_point(80, &cache(&[(4, 60)]), 90), Some(60));
    assert_eq!(cache(&[(1, 0)]).consistent_point(80, &cache(&[(1, 60)]), 90), Some(0), "began anew");
    let mut taken = old;
    taken.drop_from_offset(1923);
    taken.adopt(&new, 1923);
    assert_eq!(taken, new);
}

#[test]
fn cuts() {
    let whole = cache(&[(1, 0), (3, 100), (4, 200)]);
    let mut cut = whole.clone();
    assert!(cut.drop_before(100));
    assert_eq!(cut, cache(&[(3, 100), (4, 200)]));
    assert!(!cut.drop_before(199) && cut.drop_before(999));
    assert_eq!(cut, cache(&[(4, 200)]));
    let mut cut = whole.clone();
    assert!(cut.drop_from_epoch(3) && !cut.drop_from_epoch(3));
    assert_eq!(cut, cache(&[(1, 0)]));
    let mut cut = whole.clone();
    assert!(cut.drop_from_offset(101) && cut == cache(&[(1, 0), (3, 100)]));
    assert_eq!(whole.find(99).unwrap().1, Some(100));
    assert_eq!(whole.find(5000).unwrap(), (EpochEntry { epoch: 4, start: 200 }, None));
}

/// A log as the epoch of each byte; two histories that share some.
fn labels(cache: &EpochCache, end: u64) -> Vec<i32> {
    (0..end).map(|at| cache.find(at).map_or(-1, |(entry, _)| entry.epoch)).collect()
}

quickcheck::quickcheck! {
    /// Histories of masters that each wrote for a while from a point both had: the consistent point is never
    /// behind the first byte that differs.
    fn logs_agree_below_the_point(shared: Vec<u8>, left: Vec<u8>, right: Vec<u8>) -> bool {
        let mut epoch = 0;
        let mut grow = |cache: &mut EpochCache, end: &mut u64, parts: &[u8]| {
            for part in parts {
                epoch += 1;
                cache.push(EpochEntry { epoch, start: *end }).unwrap();
                *end += u64::from(part % 4);
            }
        };
        let (mut a, mut a_end) = (EpochCache::default(), 0);
        grow(&mut a, &mut a_end, &shared);
        let (mut b, mut b_end) = (a.clone(), a_end);
        grow(&mut a, &mut a_end, &left);
        grow(&mut b, &mut b_end, &right);
        let Some(point) = a.consistent_point(a_end, &b, b_end) else { return a.entries().is_empty() || b.entries().is_empty() || a_end > 0 };
        let (x, y) = (labels(&a, a_end), labels(&b, b_end));
        let same = x.iter().zip(&y).take_while(|(x, y)| x == y).count() as u64;
        point <= same
    }

    fn files_are_read_back(entries: Vec<(u8, u16)>) -> bool {
        let (mut cache, mut epoch, mut start) = (EpochCache::default(), 0, 0);
        for (more, bytes) in entries {
            epoch += 1 + i32::from(more);
            start += u64::from(bytes);
            cache.push(EpochEntry { epoch, start }).unwrap();
        }
        EpochCache::from_file(&cache.to_file()) == Ok(cache)
    }

    fn no_text_panics(text: String) -> bool {
        EpochCache::from_file(&text).is_err() || text.starts_with("0\n")
    }
}
