use std::sync::Arc;

use super::*;
use crate::disk::RealDisk;

const SIZE: u64 = 70;

fn scratch(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("sansmq-ext-units-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

fn load(dir: &Path, last: Option<i64>) -> ExtUnits {
    let disk: DiskRef = Arc::new(RealDisk::default());
    let (mut units, _) = ExtUnits::load(disk, dir.to_path_buf(), SIZE, false).unwrap();
    units.settle(last).unwrap();
    units
}

fn address(position: i64) -> i64 {
    position + i64::MIN
}

#[test]
fn units_lie_where_the_reference_puts_them() {
    let dir = scratch("layout");
    let mut units = load(&dir, None);
    let given: Vec<i64> = (0..5).map(|n| units.push(n - 2, 1000 + n).unwrap()).collect();
    // three do not fit: a file keeps 4 bytes for its end
    assert_eq!(given, [0, 20, 40, 70, 90].map(address));
    let bytes = std::fs::read(segments::path_of(&dir, 0)).unwrap();
    assert_eq!(bytes[..20], [0, 20, 255, 255, 255, 255, 255, 255, 255, 254, 0, 0, 0, 0, 0, 0, 3, 232, 0, 0]);
    assert_eq!(bytes[60..], [255, 255, 0, 0, 0, 0, 0, 0, 0, 0]);
    for (n, given) in (0..).zip(&given) {
        assert_eq!(units.unit(*given), Some(ExtUnit { size: 20, tags_code: n - 2, store_time: 1000 + n }));
    }
    for nothing in [0, -1, i64::from(i32::MIN), address(110), address(60), address(10), address(1 << 40)] {
        assert_eq!(units.unit(nothing), None, "{nothing}");
    }
}

#[test]
fn the_files_end_where_the_entries_say() {
    let dir = scratch("settle");
    let mut units = load(&dir, None);
    for n in 0..9 {
        units.push(n, n).unwrap();
    }
    let mut units = load(&dir, Some(address(90)));
    assert_eq!(units.bytes_on_disk(), 2 * SIZE, "the third file is gone");
    assert_eq!(units.unit(address(110)), None, "and the unit behind the last");
    assert_eq!(units.push(77, 1), Some(address(110)));
    assert_eq!(units.push(78, 1), Some(address(140)));

    assert_eq!(units.take_expired(address(69)), Vec::<PathBuf>::new());
    assert_eq!(units.take_expired(address(70)), [segments::path_of(&dir, 0)]);
    assert_eq!(units.take_expired(5), Vec::<PathBuf>::new());
    std::fs::remove_file(segments::path_of(&dir, 0)).unwrap();

    // the newest entry's unit is not there: its address and those before it must not get another meaning
    let mut units = load(&dir, Some(address(160)));
    assert_eq!(units.bytes_on_disk(), 0);
    assert_eq!(units.push(79, 1), Some(address(210)));
    assert_eq!(load(&dir, None).bytes_on_disk(), 0, "no entry names a unit");
}
