use std::sync::Arc;

use super::*;
use crate::disk::RealDisk;

fn disk() -> DiskRef {
    Arc::new(RealDisk::default())
}

fn load(dir: &Path) -> ConsumeQueue {
    ConsumeQueue::load(disk(), dir.to_path_buf(), 200, false).unwrap().0
}

fn scratch(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("sansmq-queue-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    dir
}

fn entry(n: u64) -> QueueEntry {
    QueueEntry { offset: n * 100, size: 100, tags_code: n as i64 }
}

fn filled(dir: &Path, count: u64) -> ConsumeQueue {
    let mut queue = ConsumeQueue::new(disk(), dir.to_path_buf(), 200);
    for n in 0..count {
        queue.reserve(1).unwrap();
        assert!(queue.push(entry(n)));
    }
    queue
}

#[test]
fn entries_survive_reopening() {
    let dir = scratch("reopen");
    for count in [0, 1, 9, 10, 11, 35, 40] {
        let _ = std::fs::remove_dir_all(&dir);
        let queue = filled(&dir, count);
        assert_eq!((queue.max(), queue.log_end()), (count as i64, count * 100));
        drop(queue);
        let queue = load(&dir);
        assert_eq!((queue.max(), queue.log_end()), (count as i64, count * 100));
        assert!((0..count).all(|n| queue.entry(n as i64) == Some(entry(n))));
        assert_eq!((queue.entry(-1), queue.entry(count as i64)), (None, None));
    }
}

#[test]
fn files_are_named_by_byte_offset() {
    let dir = scratch("names");
    drop(filled(&dir, 21));
    let names: Vec<_> =
        segments::list(&*disk(), [dir.as_path()], 200).unwrap().iter().map(|f| f.base).collect();
    assert_eq!(names, [0, 200, 400]);
}

#[test]
fn cut_entries_do_not_come_back() {
    let dir = scratch("cut");
    let mut queue = filled(&dir, 35);
    queue.drop_from(1_150).unwrap();
    assert_eq!((queue.max(), queue.log_end()), (12, 1_200), "the record at 1100 starts before the cut");
    queue.drop_from(1_100).unwrap();
    assert_eq!((queue.max(), queue.log_end()), (11, 1_100));
    assert!(queue.push(entry(11)));
    drop(queue);
    let queue = load(&dir);
    assert_eq!(queue.max(), 12);
    assert_eq!(segments::list(&*disk(), [dir.as_path()], 200).unwrap().len(), 2);
}

#[test]
fn a_queue_may_start_late() {
    let dir = scratch("late");
    let mut queue = ConsumeQueue::new(disk(), dir.clone(), 200);
    queue.put(13, entry(13)).unwrap();
    queue.put(15, entry(15)).unwrap();
    assert_eq!(queue.bounds(), QueueBounds { min: 13, max: 16 });
    assert_eq!(queue.entry(12), None);
    drop(queue);
    let mut queue = load(&dir);
    queue.correct_min(0);
    assert_eq!(queue.bounds(), QueueBounds { min: 13, max: 16 });
    queue.correct_min(1_400);
    assert_eq!(queue.bounds().min, 15, "the filler between is not taken for a record");
}

#[test]
fn put_repairs_wrong_entries() {
    let dir = scratch("repair");
    let mut queue = filled(&dir, 15);
    for n in [3, 12, 14] {
        queue.put(n, QueueEntry { tags_code: -1, ..entry(n as u64) }).unwrap();
        assert_eq!(queue.entry(n).map(|e| e.tags_code), Some(-1));
    }
    assert_eq!(queue.max(), 15);
}

#[test]
fn a_reservation_covers_file_borders() {
    let dir = scratch("reserve");
    let mut queue = filled(&dir, 8);
    queue.reserve(25).unwrap();
    assert_eq!(segments::list(&*disk(), [dir.as_path()], 200).unwrap().len(), 4);
    for n in 8..33 {
        assert!(queue.push(entry(n)));
    }
    let (mut ranges, mut dirs) = (Vec::new(), Vec::new());
    queue.take_dirty(&mut ranges, &mut dirs);
    assert_eq!((ranges.len(), dirs.len()), (4, 1));
    assert_eq!(queue.dirty_pages(), 0);
    drop(queue);
    assert_eq!(load(&dir).max(), 33);
}
