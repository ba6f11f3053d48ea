//! Replacing small files so that a crash at any moment leaves the old or the new content, never a mixture
//! (`spec/store.md` section 10 for the `.bak` convention, `spec/known-failures.md` KF-14).

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{Disk, RealDisk, create_durable_dir};

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn write_and_rename(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = beside(path, ".tmp");
    // what a failed sync leaves of a file is unknown, also to the next sync: the next attempt takes a fresh one
    disk.write(&temporary, bytes).inspect_err(|_| {
        let _ = disk.remove(&temporary);
    })?;
    disk.rename(&temporary, path)
}

/// [`write_atomic_on`] the file system.
///
/// # Errors
/// As there.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_atomic_on(&RealDisk::default(), path, bytes)
}

/// Replaces the content of `path`; the previous content (unless empty) goes to `path.bak`. Durable on return.
///
/// # Errors
/// Whatever the file system says; `path` then has its old or its new content.
pub fn write_atomic_on(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create_durable_dir(disk, dir)?;
    if let Some(previous) = disk.read(path)?.filter(|previous| !previous.is_empty()) {
        write_and_rename(disk, &beside(path, ".bak"), &previous)?;
    }
    // the backup must be durable before the original is replaced
    disk.sync_dir(dir)?;
    write_and_rename(disk, path, bytes)?;
    disk.sync_dir(dir)
}

/// What [`read_with_backup`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Content of the file itself.
    Current(Vec<u8>),
    /// The file was missing, empty or not acceptable; this is its backup.
    Backup(Vec<u8>),
    /// Neither exists with any content.
    Nothing,
}

/// Reads a file, or its `.bak` when the file is missing, empty or refused by `acceptable` (say, because it
/// does not parse).
///
/// # Errors
/// Read errors, which name the file; [`io::ErrorKind::InvalidData`] when there is content but none of it is acceptable: the
/// caller must not go on as if nothing had been stored.
pub fn read_with_backup(
    disk: &dyn Disk,
    path: &Path,
    acceptable: impl Fn(&[u8]) -> bool,
) -> io::Result<Found> {
    let read = |path: &Path| match disk.read(path) {
        Ok(bytes) => Ok(bytes.filter(|bytes| !bytes.is_empty())),
        Err(error) => Err(io::Error::new(error.kind(), format!("cannot read {}: {error}", path.display()))),
    };
    let current = read(path)?;
    let refused = match current {
        Some(bytes) if acceptable(&bytes) => return Ok(Found::Current(bytes)),
        Some(_) => true,
        None => false,
    };
    match read(&beside(path, ".bak"))? {
        Some(bytes) if acceptable(&bytes) => Ok(Found::Backup(bytes)),
        None if !refused => Ok(Found::Nothing),
        _ => {
            let text = format!("neither {} nor its backup can be read as stored data", path.display());
            Err(io::Error::new(io::ErrorKind::InvalidData, text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("sansmq-atomic-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        dir.join("topics.json")
    }

    #[test]
    fn previous_content_becomes_the_backup() {
        let path = scratch("backup");
        assert_eq!(read_with_backup(&RealDisk::default(), &path, |_| true).unwrap(), Found::Nothing);
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(
            read_with_backup(&RealDisk::default(), &path, |_| true).unwrap(),
            Found::Current(b"two".to_vec())
        );
        assert_eq!(fs::read(beside(&path, ".bak")).unwrap(), b"one");
        fs::write(&path, b"").unwrap();
        assert_eq!(
            read_with_backup(&RealDisk::default(), &path, |_| true).unwrap(),
            Found::Backup(b"one".to_vec())
        );
        write_atomic(&path, b"three").unwrap();
        assert_eq!(fs::read(beside(&path, ".bak")).unwrap(), b"one", "an empty file never replaces a backup");
    }

    #[test]
    fn unacceptable_content_is_an_error_not_emptiness() {
        let path = scratch("torn");
        write_atomic(&path, b"bad").unwrap();
        assert!(read_with_backup(&RealDisk::default(), &path, |bytes| bytes != b"bad").is_err());
        write_atomic(&path, b"bad2").unwrap();
        fs::write(beside(&path, ".bak"), b"good").unwrap();
        let found = read_with_backup(&RealDisk::default(), &path, |bytes| bytes == b"good").unwrap();
        assert_eq!(found, Found::Backup(b"good".to_vec()));
        fs::remove_file(&path).unwrap();
        assert!(read_with_backup(&RealDisk::default(), &path, |_| false).is_err());
    }
}
