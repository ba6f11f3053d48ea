use super::*;
use crate::disk::RealDisk;

fn disk() -> RealDisk {
    RealDisk::default()
}

fn scratch(name: &str) -> std::path::PathBuf {
    let dir = std::env::temp_dir().join(format!("sansmq-mapped-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    dir.join("file")
}

#[test]
fn slices_outlive_the_segment_and_stay_put() {
    let path = scratch("slices");
    let mut segment = LogSegment::create(&disk(), &path, 8192, 8192).unwrap();
    segment.tail_mut(5).unwrap().copy_from_slice(b"first");
    assert!(segment.slice(8192, 1).is_none(), "not readable before the commit");
    segment.commit(5);
    let first = segment.slice(8192, 5).unwrap();
    segment.tail_mut(6).unwrap().copy_from_slice(b"second");
    segment.commit(6);
    assert!(segment.tail_mut(8192).is_none());
    assert!(segment.slice(8191, 1).is_none() && segment.slice(8192, 12).is_none());
    segment.dirty(8192).unwrap().sync().unwrap();
    drop(segment);
    assert_eq!(first, "first"[..]);
    assert_eq!(&std::fs::read(&path).unwrap()[..12], b"firstsecond\0");
}

#[test]
fn a_cut_zeroes_the_rest_and_spares_what_is_shared() {
    let path = scratch("cut");
    std::fs::write(&path, vec![7u8; 20_000]).unwrap();
    let mut segment = LogSegment::open(&disk(), &path, 0, 20_000).unwrap();
    assert_eq!((segment.end(), segment.remaining()), (20_000, 0));
    let held = segment.slice(0, 100).unwrap();
    assert!(segment.cut(&disk(), &path, 99).is_err());
    segment.cut(&disk(), &path, 100).unwrap();
    assert_eq!((segment.end(), held.len()), (100, 100));
    let bytes = std::fs::read(&path).unwrap();
    assert!(bytes[..100].iter().all(|b| *b == 7) && bytes[100..].iter().all(|b| *b == 0));
}

#[test]
fn tables_check_their_bounds() {
    let path = scratch("table");
    let mut table = Table::create(&disk(), &path, 100).unwrap();
    assert!(table.put(96, b"abcd") && !table.put(97, b"abcd") && !table.put(u64::MAX, b"a"));
    assert_eq!(table.get::<4>(96), Some(*b"abcd"));
    assert_eq!((table.get::<4>(97), table.get::<1>(u64::MAX)), (None, None));
    assert!(Table::open(&disk(), &path, 101).is_err());
}

#[test]
fn log_files_get_their_space_when_they_are_created() {
    use std::os::unix::fs::MetadataExt;
    let path = scratch("space");
    drop(LogSegment::create_ahead(&disk(), &path, 0, 1 << 20).unwrap());
    let meta = std::fs::metadata(&path).unwrap();
    assert!(meta.blocks() * 512 >= 1 << 20, "{} blocks", meta.blocks());
    assert!(LogSegment::create_ahead(&disk(), &path, 0, 1 << 20).is_err(), "never over another file");
    // one that was created sparse gets it before it is written to
    let sparse = scratch("sparse");
    std::fs::File::create(&sparse).unwrap().set_len(1 << 20).unwrap();
    let mut segment = LogSegment::open(&disk(), &sparse, 0, 1 << 20).unwrap();
    segment.cut(&disk(), &sparse, 100).unwrap();
    segment.allocate(&disk(), &sparse).unwrap();
    assert!(std::fs::metadata(&sparse).unwrap().blocks() * 512 >= 1 << 20);
}

#[test]
fn memory_is_made_ready_in_front_of_the_writer_only() {
    let path = scratch("ahead");
    let mut segment = LogSegment::create(&disk(), &path, 0, 100 * 4096).unwrap();
    let ahead = |segment: &mut LogSegment| {
        let range = segment.take_untouched(10 * 4096, false)?;
        range.touch();
        Some((range.from / 4096, range.to / 4096))
    };
    assert_eq!(ahead(&mut segment), Some((0, 10)));
    assert_eq!(ahead(&mut segment), None, "enough for now");
    segment.commit(5 * 4096);
    assert_eq!(ahead(&mut segment), None, "still half of it");
    segment.commit(4096);
    assert_eq!(ahead(&mut segment), Some((10, 16)));
    segment.commit(90 * 4096);
    assert_eq!(ahead(&mut segment), Some((96, 100)), "no further than the file goes");
    segment.commit(4 * 4096);
    assert_eq!(ahead(&mut segment), None);
    assert_eq!(std::fs::read(&path).unwrap(), vec![0; 100 * 4096], "nothing was changed");
}

#[test]
fn a_few_bytes_in_a_table_bring_no_neighbours_into_memory() {
    let path = scratch("neighbours");
    let mut table = Table::create(&disk(), &path, 8 << 20).unwrap();
    table.allocate(&disk(), || &path, 0, 20, 65_536).unwrap();
    assert!(table.put(0, &[7; 20]) && table.is_resident(0, 20));
    assert!(!table.is_resident(65_536, 4096), "a fault reads around itself");
}
