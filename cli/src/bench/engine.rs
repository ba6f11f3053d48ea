//! Many connections, one thread: keeps every connection's slots full of requests, writes several frames at
//! once, takes whatever answers are there.

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::ToSocketAddrs;
use std::time::{Duration, Instant};

use super::histogram::Histogram;
use super::reply;
use super::template::FIRST_OPAQUE;
use crate::client::ClientError;
use crate::failure::Failure;
use sansmq_core::wire::Command;

/// Bytes asked of a socket at once.
const READ_STEP: usize = 256 * 1024;
/// New requests go out when this part (an eighth) of a connection's slots is free: a write per answer would
/// cost this side more than the answers do.
const REFILL_SHARE: usize = 8;
/// How long answers are waited for once nothing more is sent.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is sent and what an answer is worth.
pub trait Load {
    /// Appends the next request of a connection for a slot; false when there is none, now or ever.
    fn next(&mut self, connection: usize, slot: u32, out: &mut Vec<u8>) -> bool;
    /// A connection that has something to send although nothing has come for it.
    fn ready(&self) -> Option<usize> {
        None
    }
    /// Takes the answer of a slot; returns the messages and bytes it stands for.
    ///
    /// # Errors
    /// An answer that cannot be read ends the run.
    fn answered(
        &mut self,
        connection: usize,
        slot: u32,
        code: i32,
        frame: &mut [u8],
    ) -> Result<(u64, u64), Failure>;
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub requests: u64,
    pub messages: u64,
    pub bytes: u64,
    pub elapsed: Duration,
    /// Nanoseconds from handing a request over to having its answer.
    pub latency: Histogram,
    /// Error codes: how often, and the first remark.
    pub errors: BTreeMap<i32, (u64, String)>,
}

struct Link {
    addr: String,
    stream: TcpStream,
    out: Vec<u8>,
    /// Bytes of `out` already written.
    written: usize,
    inbound: Vec<u8>,
    /// Bytes of `inbound` that hold data.
    filled: usize,
    /// When the request of a slot was handed over.
    sent: Vec<Instant>,
    busy: Vec<bool>,
    free: Vec<u32>,
}

/// Runs a load over connections to the given addresses, each with `depth` slots.
///
/// # Errors
/// When a connection cannot be made, breaks, or stays silent at the end.
pub fn run(addrs: &[String], depth: u32, load: &mut dyn Load) -> Result<Outcome, Failure> {
    let mut poll = Poll::new()?;
    let mut links = Vec::with_capacity(addrs.len());
    for addr in addrs {
        links.push(Link::open(addr, depth)?);
    }
    for (index, link) in links.iter_mut().enumerate() {
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut link.stream, Token(index), interest)?;
    }
    let mut outcome = Outcome::default();
    let mut events = Events::with_capacity(1024);
    let started = Instant::now();
    let mut last_answer = started;
    for (index, link) in links.iter_mut().enumerate() {
        link.fill(index, load)?;
    }
    while links.iter().any(|link| link.free.len() < depth as usize) {
        match poll.poll(&mut events, Some(Duration::from_millis(200))) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        }
        for event in &events {
            let Token(index) = event.token();
            let Some(link) = links.get_mut(index) else { continue };
            if event.is_readable() && link.receive(index, load, &mut outcome)? {
                last_answer = Instant::now();
            }
            link.fill(index, load)?;
        }
        if let Some(index) = load.ready()
            && let Some(link) = links.get_mut(index)
        {
            link.fill(index, load)?;
        }
        if last_answer.elapsed() > PATIENCE {
            let stuck = links.iter().find(|link| link.free.len() < depth as usize);
            let addr = stuck.map(|link| link.addr.clone()).unwrap_or_default();
            return Err(ClientError::Timeout { addr, timeout_ms: PATIENCE.as_millis() }.into());
        }
    }
    outcome.elapsed = last_answer.duration_since(started);
    Ok(outcome)
}

impl Link {
    fn open(addr: &str, depth: u32) -> Result<Link, Failure> {
        let failed = || ClientError::Connect(addr.to_owned());
        let resolved = addr.to_socket_addrs().map_err(|_| failed())?.next().ok_or_else(failed)?;
        let stream = std::net::TcpStream::connect_timeout(&resolved, Duration::from_secs(3));
        let stream = stream.map_err(|_| failed())?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let slots = depth as usize;
        Ok(Link {
            addr: addr.to_owned(),
            stream: TcpStream::from_std(stream),
            out: Vec::new(),
            written: 0,
            inbound: vec![0; READ_STEP],
            filled: 0,
            sent: vec![Instant::now(); slots],
            busy: vec![false; slots],
            free: (0..depth).rev().collect(),
        })
    }

    fn lost(&self) -> Failure {
        ClientError::Closed(self.addr.clone()).into()
    }

    /// Puts a request into every free slot, once enough are free, and writes what can be written.
    fn fill(&mut self, index: usize, load: &mut dyn Load) -> Result<(), Failure> {
        let now = Instant::now();
        let enough = self.free.len() >= self.busy.len().div_ceil(REFILL_SHARE);
        while let Some(slot) = self.free.pop_if(|_| enough) {
            if !load.next(index, slot, &mut self.out) {
                self.free.push(slot);
                break;
            }
            self.sent[slot as usize] = now;
            self.busy[slot as usize] = true;
        }
        while self.written < self.out.len() {
            match self.stream.write(&self.out[self.written..]) {
                Ok(0) => return Err(self.lost()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(self.lost()),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(())
    }

    /// Reads until nothing is left; true when an answer was among it.
    fn receive(&mut self, index: usize, load: &mut dyn Load, outcome: &mut Outcome) -> Result<bool, Failure> {
        let mut any = false;
        loop {
            match self.stream.read(&mut self.inbound[self.filled..]) {
                Ok(0) => return Err(self.lost()),
                Ok(count) => {
                    let room = self.inbound.len() - self.filled;
                    self.filled += count;
                    any |= self.take_answers(index, load, outcome)?;
                    if count < room {
                        // A short read has emptied the socket; the next arrival wakes the loop again.
                        return Ok(any);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(any),
                Err(_) => return Err(self.lost()),
            }
        }
    }

    fn take_answers(
        &mut self,
        index: usize,
        load: &mut dyn Load,
        outcome: &mut Outcome,
    ) -> Result<bool, Failure> {
        let now = Instant::now();
        let (mut at, mut any) = (0, false);
        while let Some(length) = reply::whole(&self.inbound[at..self.filled]) {
            let frame = &mut self.inbound[at..at + length];
            at += length;
            let Some((code, opaque)) = reply::code_and_opaque(frame) else {
                return Err(Failure::input(format!("{} sent a frame without opaque", self.addr)));
            };
            let slot = opaque.wrapping_sub(FIRST_OPAQUE).cast_unsigned();
            let Some(busy) = self.busy.get_mut(slot as usize).filter(|busy| **busy) else {
                continue;
            };
            *busy = false;
            any = true;
            self.free.push(slot);
            let waited = now.saturating_duration_since(self.sent[slot as usize]);
            outcome.latency.record(u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX));
            outcome.requests += 1;
            let remark = if code == 0 || outcome.errors.contains_key(&code) {
                None
            } else {
                Command::decode(frame).ok().and_then(|answer| answer.remark)
            };
            let (messages, bytes) = load.answered(index, slot, code, frame)?;
            outcome.messages += messages;
            outcome.bytes += bytes;
            if code != 0 && messages == 0 {
                let entry = outcome.errors.entry(code).or_default();
                entry.0 += 1;
                if let Some(remark) = remark {
                    entry.1 = remark.into_owned();
                }
            }
        }
        self.inbound.copy_within(at..self.filled, 0);
        self.filled -= at;
        if self.filled == self.inbound.len() {
            self.inbound.resize(self.filled * 2, 0);
        }
        Ok(any)
    }
}
