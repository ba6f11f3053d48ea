//! The system calls the standard library has no name for.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;

use crate::disk::Space;

/// Maps a process may have (`vm.max_map_count`), which may be raised while it runs; no limit where the system does not
/// say.
pub(crate) fn max_maps() -> usize {
    let text = std::fs::read_to_string("/proc/sys/vm/max_map_count");
    text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(usize::MAX)
}

/// Takes an exclusive record lock on byte 0, as the reference does; false when somebody else holds one.
///
/// Uses an open-file-description lock: it conflicts with the process-owned locks of other programs just the
/// same, but also with a second store in this process, and closing an unrelated handle does not drop it.
pub(crate) fn lock_first_byte(file: &File) -> io::Result<bool> {
    match set_lock(file, libc::F_WRLCK) {
        Ok(()) => Ok(true),
        Err(error) => match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EACCES) => Ok(false),
            _ => Err(error),
        },
    }
}

/// Gives the lock up even if a child process has inherited the descriptor for a moment.
pub(crate) fn unlock_first_byte(file: &File) -> io::Result<()> {
    set_lock(file, libc::F_UNLCK)
}

fn set_lock(file: &File, kind: libc::c_int) -> io::Result<()> {
    let request = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 1,
        l_pid: 0,
    };
    // SAFETY: the descriptor is open for as long as `file` is borrowed, and the request outlives the call.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &request) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// First byte at or behind `from` that is not in a hole of a sparse file; `None` when only holes follow.
pub(crate) fn next_data(file: &File, from: u64) -> io::Result<Option<u64>> {
    let from = i64::try_from(from).map_err(io::Error::other)?;
    // SAFETY: plain call on an open descriptor; it moves a file position nobody here relies on.
    let found = unsafe { libc::lseek(file.as_raw_fd(), from, libc::SEEK_DATA) };
    match u64::try_from(found) {
        Ok(found) => Ok(Some(found)),
        Err(_) => {
            let error = io::Error::last_os_error();
            if error.raw_os_error() == Some(libc::ENXIO) { Ok(None) } else { Err(error) }
        }
    }
}

/// Takes space for `len` bytes at `from`; they read as zeros where nothing was written.
pub(crate) fn allocate(file: &File, from: u64, len: u64) -> io::Result<()> {
    change_space(file, 0, from, len)
}

/// Gives up the space of `len` bytes at `from`, which read as zeros then.
pub(crate) fn punch(file: &File, from: u64, len: u64) -> io::Result<()> {
    change_space(file, libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE, from, len)
}

fn change_space(file: &File, mode: libc::c_int, from: u64, len: u64) -> io::Result<()> {
    if len == 0 {
        return Ok(());
    }
    let from = libc::off_t::try_from(from).map_err(io::Error::other)?;
    let len = libc::off_t::try_from(len).map_err(io::Error::other)?;
    loop {
        // SAFETY: plain call on an open descriptor.
        if unsafe { libc::fallocate(file.as_raw_fd(), mode, from, len) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Whether all pages of a file mapping's bytes are in memory. True when the kernel does not tell.
///
/// # Safety
/// `from..from + len` must lie in one mapping for as long as the call lasts.
pub(crate) unsafe fn is_resident(from: *const u8, len: usize) -> bool {
    static PAGE: OnceLock<usize> = OnceLock::new();
    // SAFETY: plain call without pointers.
    let page =
        *PAGE.get_or_init(|| usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096));
    let lead = from as usize % page;
    let mut rest = len + lead;
    let mut at = from.wrapping_sub(lead).cast_mut();
    let mut pages = [1u8; 128];
    while rest > 0 {
        let piece = rest.min(pages.len() * page);
        // SAFETY: the mapping begins at a page border, so the rounded range lies in it, and the buffer has a byte
        // for each of its pages.
        if unsafe { libc::mincore(at.cast(), piece, pages.as_mut_ptr()) } != 0 {
            return true;
        }
        if pages[..piece.div_ceil(page)].iter().any(|state| state & 1 == 0) {
            return false;
        }
        at = at.wrapping_add(piece);
        rest -= piece;
    }
    true
}

/// Asks for bytes to be read into memory soon; what comes of it is of no consequence.
pub(crate) fn will_need(file: &File, from: u64, len: u64) {
    if let (Ok(from), Ok(len)) = (libc::off_t::try_from(from), libc::off_t::try_from(len)) {
        // SAFETY: plain call on an open descriptor.
        unsafe { libc::posix_fadvise(file.as_raw_fd(), from, len, libc::POSIX_FADV_WILLNEED) };
    }
}

/// Space of the file system that holds `path`.
pub(crate) fn space(path: &Path) -> io::Result<Space> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut stat = std::mem::MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: the path is NUL-terminated and the buffer has the size the call fills.
    let failed = unsafe { libc::statvfs(path.as_ptr(), stat.as_mut_ptr()) } != 0;
    if failed {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded; besides, all-zero bytes are a valid value of this struct.
    let stat = unsafe { stat.assume_init() };
    let unit = stat.f_frsize;
    Ok(Space { total: stat.f_blocks * unit, free: stat.f_bfree * unit, available: stat.f_bavail * unit })
}

/// Hour of the day in the machine's time zone, 0..=23.
pub(crate) fn local_hour(wall_ms: i64) -> u8 {
    let seconds = wall_ms.div_euclid(1000) as libc::time_t;
    let mut civil = std::mem::MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are valid for the call, which fills the second; all-zero bytes are a valid value.
    let civil = unsafe {
        libc::localtime_r(&raw const seconds, civil.as_mut_ptr());
        civil.assume_init()
    };
    u8::try_from(civil.tm_hour).unwrap_or(0)
}
