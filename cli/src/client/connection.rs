//! One connection: writes a frame, reads frames until the answer is among them.

use bytes::{Buf, BytesMut};
use sansmq_core::wire::frame::{self, Head, Limits, Split};
use sansmq_core::wire::{Command, FrameError};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::ClientError;

/// Bytes asked of the socket at once.
const READ_STEP: usize = 64 * 1024;

pub(super) struct Connection {
    addr: String,
    stream: TcpStream,
    inbound: BytesMut,
    head: Head,
}

impl Connection {
    pub(super) fn new(addr: &str, stream: TcpStream) -> Self {
        // Without it small requests only wait longer.
        let _ = stream.set_nodelay(true);
        Connection { addr: addr.to_owned(), stream, inbound: BytesMut::new(), head: Head::default() }
    }

    pub(super) fn call(
        &mut self,
        request: &[u8],
        opaque: i32,
        timeout: Duration,
    ) -> Result<Command, ClientError> {
        let deadline = Instant::now() + timeout;
        let timed_out = || ClientError::Timeout { addr: self.addr.clone(), timeout_ms: timeout.as_millis() };
        let lost = || ClientError::Closed(self.addr.clone());
        self.stream.set_write_timeout(Some(timeout)).map_err(|_| lost())?;
        self.stream.write_all(request).map_err(|error| match is_timeout(&error) {
            true => timed_out(),
            false => lost(),
        })?;
        loop {
            while let Some(answer) = self.take_frame()? {
                if answer.flag & 1 != 0 && answer.opaque == opaque {
                    return Ok(answer);
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let timed_out =
                || ClientError::Timeout { addr: self.addr.clone(), timeout_ms: timeout.as_millis() };
            if left.is_zero() {
                return Err(timed_out());
            }
            let lost = || ClientError::Closed(self.addr.clone());
            self.stream.set_read_timeout(Some(left)).map_err(|_| lost())?;
            let filled = self.inbound.len();
            self.inbound.resize(filled + READ_STEP, 0);
            let outcome = self.stream.read(&mut self.inbound[filled..]);
            self.inbound.truncate(filled + outcome.as_ref().copied().unwrap_or(0));
            match outcome {
                Ok(0) => return Err(lost()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => return Err(timed_out()),
                Err(_) => return Err(lost()),
            }
        }
    }

    fn take_frame(&mut self) -> Result<Option<Command>, ClientError> {
        let limits = Limits { frame_bytes: u32::MAX };
        let broken = |error: FrameError| ClientError::Frame { addr: self.addr.clone(), error };
        let Split::Whole(length) = frame::split(&self.inbound, limits).map_err(broken)? else {
            return Ok(None);
        };
        let decoded = frame::decode(&mut self.inbound[..length], &mut self.head).map_err(broken)?;
        let command = Command::from(&decoded);
        self.inbound.advance(length);
        Ok(Some(command))
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
