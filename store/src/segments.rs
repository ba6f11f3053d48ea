//! Directories of segment files: names are start offsets in 20 decimal digits, sizes are fixed
//! (`spec/store.md` sections 1 and 2).

use std::path::{Path, PathBuf};

use crate::disk::{Disk, remove_durably};
use crate::error::StoreError;

/// A file of a directory and the offset of its first byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentFile {
    pub base: u64,
    pub path: PathBuf,
}

/// Where the file that starts at `base` lies.
pub(crate) fn path_of(dir: &Path, base: u64) -> PathBuf {
    dir.join(format!("{base:020}"))
}

/// The segment files of some directories in order. Sub-directories and files without a numeric name are
/// skipped; a last file of length zero is a creation that was cut short and is removed.
///
/// # Errors
/// A file of another size, or a gap between files.
pub(crate) fn list<'a>(
    disk: &dyn Disk,
    dirs: impl IntoIterator<Item = &'a Path>,
    size: u64,
) -> Result<Vec<SegmentFile>, StoreError> {
    let mut found = Vec::new();
    for dir in dirs {
        for (path, len) in regular_files(disk, dir)? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let digits = name.len() == 20 && name.bytes().all(|b| b.is_ascii_digit());
            match name.parse::<u64>().ok().filter(|base| digits && i64::try_from(*base).is_ok()) {
                Some(base) => found.push((SegmentFile { base, path }, len)),
                None => tracing::warn!(path = %path.display(), "not a segment file, ignored"),
            }
        }
    }
    found.sort_by(|(a, _), (b, _)| (a.base, &a.path).cmp(&(b.base, &b.path)));
    if let Some((empty, _)) = found.pop_if(|(_, len)| *len == 0) {
        tracing::warn!(path = %empty.path.display(), "empty last segment removed");
        remove_durably(disk, &empty.path).map_err(StoreError::io("remove", &empty.path))?;
    }
    let mut expected = found.first().map_or(0, |(first, _)| first.base);
    for (file, actual) in &found {
        if *actual != size {
            return Err(StoreError::WrongSize { path: file.path.clone(), actual: *actual, expected: size });
        }
        if file.base % size != 0 {
            return Err(StoreError::Misplaced { path: file.path.clone(), size });
        }
        if file.base != expected {
            return Err(StoreError::Gap { path: file.path.clone(), expected });
        }
        expected = expected.saturating_add(size);
    }
    Ok(found.into_iter().map(|(file, _)| file).collect())
}

/// Removes what may be left of files that were created but not flushed: empty ones, and after a crash (`gaps`)
/// also all behind a gap, since names need not have become durable in order.
/// For files that can be rebuilt only. True when a file with content was among them.
pub(crate) fn remove_stragglers(disk: &dyn Disk, dir: &Path, gaps: bool) -> Result<bool, StoreError> {
    let mut expected = None;
    let mut lost = false;
    for (path, len) in regular_files(disk, dir)? {
        let base = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<u64>().ok());
        let Some(base) = base else { continue };
        if len > 0 && (!gaps || expected.is_none_or(|expected| base == expected)) {
            expected = base.checked_add(len);
            continue;
        }
        tracing::warn!(path = %path.display(), len, "left over, removed");
        lost |= len > 0;
        remove_durably(disk, &path).map_err(StoreError::io("remove", &path))?;
    }
    Ok(lost)
}

/// Regular files of a directory with their sizes, by name; none when the directory does not exist.
pub(crate) fn regular_files(disk: &dyn Disk, dir: &Path) -> Result<Vec<(PathBuf, u64)>, StoreError> {
    let found = disk.list(dir).map_err(StoreError::io("list", dir))?;
    Ok(found.into_iter().filter(|entry| !entry.is_dir).map(|entry| (entry.path, entry.len)).collect())
}

/// Sub-directories of a directory, by name; none when it does not exist.
pub(crate) fn directories(disk: &dyn Disk, dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let found = disk.list(dir).map_err(StoreError::io("list", dir))?;
    Ok(found.into_iter().filter(|entry| entry.is_dir).map(|entry| entry.path).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::disk::RealDisk;

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("sansmq-segments-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn only_whole_neighbours_load() {
        let dir = scratch("load");
        let list = |size| super::list(&RealDisk::default(), [dir.as_path()], size);
        assert_eq!(list(10).unwrap(), []);
        fs::create_dir(dir.join("00000000000000000777")).unwrap();
        fs::write(dir.join("notes.txt"), b"x").unwrap();
        fs::write(path_of(&dir, 30), [0; 10]).unwrap();
        fs::write(path_of(&dir, 20), [0; 10]).unwrap();
        fs::write(path_of(&dir, 40), []).unwrap();
        let bases: Vec<u64> = list(10).unwrap().iter().map(|f| f.base).collect();
        assert_eq!(bases, [20, 30]);
        assert!(!path_of(&dir, 40).exists(), "an empty last file is removed");

        let error = list(11).unwrap_err().to_string();
        assert!(error.contains("00000000000000000020 has 10 bytes") && error.contains("have 11"), "{error}");
        fs::write(dir.join("40"), b"short name").unwrap();
        fs::write(dir.join("18446744073709551600"), b"far behind").unwrap();
        fs::write(path_of(&dir, 60), [0; 10]).unwrap();
        assert!(matches!(list(10), Err(StoreError::Gap { expected: 40, .. })));
        fs::write(path_of(&dir, 15), [0; 10]).unwrap();
        assert!(matches!(list(10), Err(StoreError::Misplaced { size: 10, .. })));
    }
}
