//! The floor under every broker: takes frames apart and answers each with success, and does nothing else.
//!
//!     cargo run --release -p sansmq-tests --bin floor -- PORT
//!     cargo run --release -p sansmq-tests --bin floor -- loopback BYTES SECONDS
//!     cargo run --release -p sansmq-tests --bin floor -- flushes DIR BYTES SECONDS
//!
//! `mqadmin benchmark suite` run against the first shows what sockets and frames alone cost on a machine; the others print
//! what its loopback carries in writes of so many bytes, and how often a second a file can be flushed after so many.

mod yardsticks;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use sansmq_core::wire::frame::{self, Head, Limits, Split};
use sansmq_core::wire::{Command, Encoding, Ext};

const LISTENER: Token = Token(0);
const READ_STEP: usize = 256 * 1024;
/// Where the opaque stands in a frame with a binary header.
const BINARY_OPAQUE: usize = 13;

struct Conn {
    stream: TcpStream,
    inbound: Vec<u8>,
    filled: usize,
    out: Vec<u8>,
    written: usize,
}

/// An answer as a broker gives it to a send, of which only the opaque changes.
struct Answers {
    json: (Vec<u8>, Vec<u8>),
    binary: Vec<u8>,
}

impl Answers {
    fn new() -> Self {
        let ext = Ext::new()
            .with("msgId", "7F00000100002A9F0000000000000000")
            .with("queueId", 0)
            .with("queueOffset", 0)
            .with("transactionId", "4D5142454D51424500000000000000AB")
            .with("MSG_REGION", "DefaultRegion")
            .with("TRACE_ON", "true");
        let answer = Command { ext: Some(ext), ..Command::response(0, 0) };
        let json = answer.encode(Encoding::Json).to_vec();
        let mark = b"\"opaque\":";
        let at = json.windows(mark.len()).position(|part| part == mark).unwrap_or(0) + mark.len();
        Answers {
            json: (json[..at].to_vec(), json[at + 1..].to_vec()),
            binary: answer.encode(Encoding::RocketMq).to_vec(),
        }
    }

    fn push(&self, encoding: Encoding, opaque: i32, out: &mut Vec<u8>) {
        let start = out.len();
        if encoding == Encoding::RocketMq {
            out.extend_from_slice(&self.binary);
            out[start + BINARY_OPAQUE..start + BINARY_OPAQUE + 4].copy_from_slice(&opaque.to_be_bytes());
            return;
        }
        let (before, after) = &self.json;
        out.extend_from_slice(before);
        // writing to memory does not fail
        let _ = write!(out, "{opaque}");
        out.extend_from_slice(after);
        // both lengths were made for an opaque of one digit
        let more = u32::try_from(out.len() - start - before.len() - after.len() - 1).unwrap_or(0);
        for at in [start, start + 4] {
            if let Some(place) = out.get_mut(at..at + 4)
                && let Ok(length) = <[u8; 4]>::try_from(&*place)
            {
                place.copy_from_slice(&(u32::from_be_bytes(length) + more).to_be_bytes());
            }
        }
    }
}

/// What is asked for.
enum Wanted {
    Floor(u16),
    Loopback(usize, Duration),
    Flushes(PathBuf, usize, Duration),
}

impl Wanted {
    fn parse(words: &[String]) -> Option<Self> {
        let bytes = |text: &str| text.parse().ok().filter(|bytes| *bytes > 0);
        let time = |text: &str| text.parse().ok().map(Duration::from_secs);
        match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [port] => Some(Wanted::Floor(port.parse().ok()?)),
            ["loopback", step, seconds] => Some(Wanted::Loopback(bytes(step)?, time(seconds)?)),
            ["flushes", dir, step, seconds] => {
                Some(Wanted::Flushes(dir.into(), bytes(step)?, time(seconds)?))
            }
            _ => None,
        }
    }
}

fn main() -> std::io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match Wanted::parse(&words) {
        Some(Wanted::Floor(port)) => serve(port),
        Some(Wanted::Loopback(step, time)) => {
            let rate = yardsticks::loopback(step, time)?;
            println!("{:.0} MB/s over the loopback in writes of {step} bytes", rate / 1e6);
            Ok(())
        }
        Some(Wanted::Flushes(dir, step, time)) => {
            let rate = yardsticks::flushes(&dir, step, time)?;
            println!("{rate:.0} flushes/s of {step} bytes each in {}", dir.display());
            Ok(())
        }
        None => {
            eprintln!("usage: floor PORT | loopback BYTES SECONDS | flushes DIR BYTES SECONDS");
            std::process::exit(2);
        }
    }
}

fn serve(port: u16) -> std::io::Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(([127, 0, 0, 1], port).into())?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("the floor is at 127.0.0.1:{port}");
    let (answers, mut head) = (Answers::new(), Head::default());
    let mut conns: BTreeMap<Token, Conn> = BTreeMap::new();
    let mut last = 0;
    let mut events = Events::with_capacity(1024);
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    last += 1;
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(last), interest)?;
                    let (inbound, out) = (vec![0; READ_STEP], Vec::new());
                    conns.insert(Token(last), Conn { stream, inbound, filled: 0, out, written: 0 });
                }
                continue;
            }
            let Some(conn) = conns.get_mut(&event.token()) else { continue };
            let alive = conn.read(&answers, &mut head) && conn.write();
            if !alive {
                conns.remove(&event.token());
            }
        }
    }
}

impl Conn {
    /// False when the connection is over.
    fn read(&mut self, answers: &Answers, head: &mut Head) -> bool {
        loop {
            match self.stream.read(&mut self.inbound[self.filled..]) {
                Ok(0) => return false,
                Ok(count) => {
                    let emptied = count < self.inbound.len() - self.filled;
                    self.filled += count;
                    if !self.answer(answers, head) {
                        return false;
                    }
                    if emptied {
                        return true;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
        }
    }

    fn answer(&mut self, answers: &Answers, head: &mut Head) -> bool {
        let mut at = 0;
        while let Ok(split) = frame::split(&self.inbound[at..self.filled], Limits { frame_bytes: 1 << 24 }) {
            match split {
                Split::Whole(whole) => {
                    let Ok(found) = frame::decode(&mut self.inbound[at..at + whole], head) else {
                        return false;
                    };
                    answers.push(found.encoding(), found.opaque(), &mut self.out);
                    at += whole;
                }
                Split::Need(wanted) => {
                    self.inbound.copy_within(at..self.filled, 0);
                    self.filled -= at;
                    if wanted > self.inbound.len() {
                        self.inbound.resize(wanted, 0);
                    }
                    return true;
                }
            }
        }
        false
    }

    fn write(&mut self) -> bool {
        while self.written < self.out.len() {
            match self.stream.write(&self.out[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
        }
        self.out.clear();
        self.written = 0;
        true
    }
}
