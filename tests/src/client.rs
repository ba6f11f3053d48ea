//! A client that sends and receives bytes and frames, and knows nothing else.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use sansmq_core::wire::{Command, Encoding};

/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// One connection.
#[derive(Debug)]
pub struct Client {
    pub stream: TcpStream,
    next_opaque: i32,
    /// Mark of the last frame read: 0 JSON, 1 binary.
    pub last_mark: u8,
}

/// What came back.
#[derive(Debug)]
pub enum Got {
    Frame(Box<Command>),
    Closed,
    Silence,
}

impl Client {
    /// Connects to `host:port`.
    #[must_use]
    pub fn connect(addr: &str) -> Self {
        let stream = TcpStream::connect(addr).expect("the server listens");
        stream.set_nodelay(true).expect("a TCP socket takes this");
        Client { stream, next_opaque: 1, last_mark: 0 }
    }

    /// As [`Client::connect`], for servers that may be away.
    ///
    /// # Errors
    /// Nobody answers within this time.
    pub fn try_connect(addr: &str, patience: Duration) -> std::io::Result<Self> {
        let addr = addr.parse().map_err(std::io::Error::other)?;
        let stream = TcpStream::connect_timeout(&addr, patience)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Client { stream, next_opaque: 1, last_mark: 0 })
    }

    /// Writes bytes as they are; a server that has closed the connection already is not a failure here.
    pub fn write(&mut self, bytes: &[u8]) {
        if let Err(error) = self.stream.write_all(bytes) {
            let gone = [
                ErrorKind::BrokenPipe,
                ErrorKind::ConnectionReset,
                ErrorKind::WouldBlock,
                ErrorKind::TimedOut,
            ];
            assert!(gone.contains(&error.kind()), "{error}");
        }
    }

    /// Sends a request; returns its opaque.
    pub fn send(&mut self, command: &Command) -> i32 {
        self.send_as(command, Encoding::Json)
    }

    pub fn send_as(&mut self, command: &Command, encoding: Encoding) -> i32 {
        self.next_opaque += 1;
        let command = Command { opaque: self.next_opaque, ..command.clone() };
        self.write(&command.encode(encoding));
        self.next_opaque
    }

    /// Sends a request and waits for its answer.
    pub fn call(&mut self, command: &Command) -> Command {
        let opaque = self.send(command);
        let answer = self.receive();
        assert_eq!(answer.opaque, opaque, "{answer:?}");
        answer
    }

    /// As [`Client::call`]; the answer must be a success.
    pub fn must(&mut self, command: &Command) -> Command {
        let answer = self.call(command);
        assert_eq!(answer.code, 0, "{answer:?}");
        answer
    }

    /// The next frame.
    pub fn receive(&mut self) -> Command {
        match self.wait(PATIENCE) {
            Got::Frame(command) => *command,
            other => panic!("expected a frame, got {other:?}"),
        }
    }

    /// The next thing that happens within this time.
    pub fn wait(&mut self, time: Duration) -> Got {
        let mut length = [0; 4];
        match self.fill(&mut length, time) {
            Ok(true) => {}
            Ok(false) => return Got::Closed,
            Err(()) => return Got::Silence,
        }
        let mut frame = length.to_vec();
        frame.resize(4 + u32::from_be_bytes(length) as usize, 0);
        if self.fill(&mut frame[4..], PATIENCE) != Ok(true) {
            return Got::Closed; // a server that is killed ends in the middle of a frame
        }
        self.last_mark = frame[4];
        Got::Frame(Box::new(Command::decode(&frame).expect("servers send well-formed frames")))
    }

    /// Whether the server closes the connection without sending anything.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.wait(PATIENCE), Got::Closed)
    }

    /// Whether nothing at all happens for a while.
    pub fn is_silent(&mut self) -> bool {
        matches!(self.wait(Duration::from_millis(150)), Got::Silence)
    }

    /// False when the connection is closed, an error when nothing comes.
    fn fill(&mut self, bytes: &mut [u8], time: Duration) -> Result<bool, ()> {
        self.stream.set_read_timeout(Some(time)).expect("the time is not zero");
        match self.stream.read_exact(bytes) {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Err(()),
            Err(_) => Ok(false),
        }
    }
}
