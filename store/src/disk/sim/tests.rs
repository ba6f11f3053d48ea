use super::*;

fn path(name: &str) -> PathBuf {
    Path::new("/data").join(name)
}

fn disk(seed: u64) -> SimDisk {
    let disk = SimDisk::new(SimConfig { seed, ..SimConfig::default() });
    disk.create_dir(Path::new("/data")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

fn put(map: &Map, at: usize, bytes: &[u8]) {
    let (base, len) = map.memory();
    assert!(at + bytes.len() <= len);
    // SAFETY: in bounds, and nothing else uses the memory of this test.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), base.as_ptr().add(at), bytes.len()) };
}

#[test]
fn synced_contents_and_names_survive_and_others_may_not() {
    let (mut old, mut new, mut mixed, mut unnamed) = (0, 0, 0, 0);
    for seed in 0..200 {
        let disk = disk(seed);
        let map = disk.create(&path("a"), 8192).unwrap();
        disk.allocate(&path("a"), 0, 8192).unwrap();
        put(&map, 0, &[1; 4096]);
        map.sync(0, 8192).unwrap();
        disk.sync_dir(Path::new("/data")).unwrap();
        put(&map, 0, &[2; 1024]);
        disk.create(&path("b"), 10).unwrap();
        disk.power_off();
        assert!(disk.read(&path("a")).is_err());
        put(&map, 2048, &[9; 10]);
        disk.power_on();
        let bytes = disk.read(&path("a")).unwrap().unwrap();
        assert_eq!((bytes.len(), &bytes[1024..4096]), (8192, &[1; 3072][..]));
        let sector = |n: usize| {
            assert!(
                bytes[n * 512..n * 512 + 512].iter().all(|b| *b == bytes[n * 512]),
                "torn inside a sector"
            );
            bytes[n * 512]
        };
        match (sector(0), sector(1)) {
            (1, 1) => old += 1,
            (2, 2) => new += 1,
            _ => mixed += 1,
        }
        unnamed += u32::from(disk.entry(&path("b")).unwrap().is_none());
    }
    assert!([old, new, mixed, unnamed].iter().all(|n| *n > 10), "{old} {new} {mixed} {unnamed}");
}

#[test]
fn a_failed_sync_cannot_be_repeated() {
    let mut lost = 0;
    for seed in 0..50 {
        let disk = disk(seed);
        let map = disk.create(&path("a"), 4096).unwrap();
        disk.allocate(&path("a"), 0, 4096).unwrap();
        map.sync(0, 4096).unwrap();
        disk.sync_dir(Path::new("/data")).unwrap();
        put(&map, 0, &[7; 4096]);
        disk.set_sync_failures(1);
        assert!(map.sync(0, 4096).is_err());
        disk.set_sync_failures(0);
        map.sync(0, 4096).unwrap();
        disk.power_on();
        lost += u32::from(disk.read(&path("a")).unwrap().unwrap().contains(&0));
    }
    assert!(lost > 40);
}

#[test]
fn space_runs_out_and_comes_back() {
    let disk = disk(1);
    disk.set_space(3 * 4096);
    disk.create(&path("a"), 16384).unwrap();
    assert_eq!(disk.allocate(&path("a"), 0, 16384).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(disk.used(), 3 * 4096);
    disk.remove(&path("a")).unwrap();
    assert_eq!(disk.space(&path("a")).unwrap().free, 3 * 4096);
}

#[test]
#[should_panic(expected = "SIGBUS")]
fn writing_without_space_is_found() {
    let disk = disk(1);
    let map = disk.create(&path("a"), 4096).unwrap();
    put(&map, 0, &[1]);
    let _ = map.sync(0, 4096);
}

#[test]
fn a_name_stays_with_its_directory_when_that_is_moved() {
    for seed in 0..50 {
        let disk = disk(seed);
        disk.create_dir(&path("d")).unwrap();
        disk.sync_dir(Path::new("/data")).unwrap();
        disk.create(&path("d/old"), 10).unwrap();
        disk.rename(&path("d"), &path("moved")).unwrap();
        disk.create_dir(&path("d")).unwrap();
        disk.create(&path("d/new"), 10).unwrap();
        if seed % 2 == 0 {
            // the old file is in the directory that is called differently now
            disk.sync_dir(&path("moved")).unwrap();
        }
        disk.sync_dir(Path::new("/data")).unwrap();
        disk.sync_dir(&path("d")).unwrap();
        disk.power_off();
        disk.power_on();
        assert_eq!(disk.list(&path("d")).unwrap().len(), 1);
        assert!(disk.entry(&path("d/new")).unwrap().is_some());
        assert!(seed % 2 == 1 || disk.entry(&path("moved/old")).unwrap().is_some());
    }
}
