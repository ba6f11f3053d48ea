//! What a machine allows at most, whoever asks for it: bytes over the loopback, and flushes of a file.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

const READ_STEP: usize = 1 << 20;
/// As long as a commit-log file of the comparison (`scripts/compare`).
const FILE_BYTES: u64 = 256 << 20;

/// Bytes a second over one connection of the loopback, written `step` bytes at a time.
pub fn loopback(step: usize, time: Duration) -> io::Result<f64> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let addr = listener.local_addr()?;
    let reader = std::thread::spawn(move || -> io::Result<u64> {
        let mut stream = TcpStream::connect(addr)?;
        let (mut buffer, mut total) = (vec![0; READ_STEP], 0);
        loop {
            match stream.read(&mut buffer)? {
                0 => return Ok(total),
                count => total += count as u64,
            }
        }
    });
    let (mut stream, _) = listener.accept()?;
    let (bytes, begun) = (vec![0x5a; step], Instant::now());
    while begun.elapsed() < time {
        stream.write_all(&bytes)?;
    }
    drop(stream);
    let total = reader.join().map_err(|_| io::Error::other("the reader panicked"))??;
    Ok(total as f64 / begun.elapsed().as_secs_f64())
}

/// Flushes a second of a file in `dir` to which `step` bytes are appended before each, and where a file is full, a next one.
pub fn flushes(dir: &Path, step: usize, time: Duration) -> io::Result<f64> {
    let path = dir.join("floor-flushes");
    let open = || {
        let file = OpenOptions::new().create(true).truncate(true).write(true).open(&path)?;
        file.set_len(FILE_BYTES).map(|()| file)
    };
    let bytes = vec![0x5a; step];
    let (mut file, mut at, mut count) = (open()?, 0, 0_u64);
    let begun = Instant::now();
    while begun.elapsed() < time {
        if at + step as u64 > FILE_BYTES {
            (file, at) = (open()?, 0);
        }
        file.write_all_at(&bytes, at)?;
        file.sync_data()?;
        at += step as u64;
        count += 1;
    }
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    std::fs::remove_file(&path)?;
    Ok(rate)
}
