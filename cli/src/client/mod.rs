//! A small blocking client: one connection per address, one request at a time.
//!
//! Requests that a server sends to this client (notifications) are dropped; an answer that comes after its
//! request timed out is dropped too.

mod connection;

use sansmq_core::wire::{Command, Encoding, FrameError};
use std::collections::HashMap;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use connection::Connection;

/// How long establishing a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an answer may take.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("connect to {0} failed")]
    Connect(String),
    #[error("wait response on the channel <{addr}> timeout, {timeout_ms}(ms)")]
    Timeout { addr: String, timeout_ms: u128 },
    #[error("the connection to {0} was closed before the answer came")]
    Closed(String),
    #[error("{addr} sent what is no frame: {error}")]
    Frame { addr: String, error: FrameError },
    #[error("no name server address: give one with -n or in NAMESRV_ADDR")]
    NoNames,
}

/// Opens a connection to `host:port`.
pub type Dialer = Box<dyn Fn(&str) -> io::Result<TcpStream>>;

/// Connections to servers, opened when first needed.
pub struct Client {
    connections: HashMap<String, Connection>,
    dial: Dialer,
    encoding: Encoding,
    /// The name servers, in the order given.
    names: Vec<String>,
    opaque: i32,
}

impl Client {
    #[must_use]
    pub fn new(encoding: Encoding) -> Self {
        Client::with_dialer(encoding, Box::new(dial))
    }

    /// A client that opens connections its own way.
    #[must_use]
    pub fn with_dialer(encoding: Encoding, dial: Dialer) -> Self {
        Client { connections: HashMap::new(), dial, encoding, names: Vec::new(), opaque: 0 }
    }

    /// Sets the name servers from a list separated by `;`.
    pub fn set_names(&mut self, list: &str) {
        self.names =
            list.split(';').map(str::trim).filter(|addr| !addr.is_empty()).map(str::to_owned).collect();
    }

    /// The name servers.
    ///
    /// # Errors
    /// [`ClientError::NoNames`] when none is configured.
    pub fn names(&self) -> Result<Vec<String>, ClientError> {
        if self.names.is_empty() { Err(ClientError::NoNames) } else { Ok(self.names.clone()) }
    }

    /// Sends a request and waits for its answer, whatever its code.
    ///
    /// # Errors
    /// [`ClientError`] when no answer comes.
    pub fn call(&mut self, addr: &str, command: Command) -> Result<Command, ClientError> {
        self.call_within(addr, command, CALL_TIMEOUT)
    }

    /// As [`Client::call`], with a time limit of its own.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn call_within(
        &mut self,
        addr: &str,
        mut command: Command,
        timeout: Duration,
    ) -> Result<Command, ClientError> {
        command.opaque = self.opaque;
        self.opaque = self.opaque.wrapping_add(1);
        if !self.connections.contains_key(addr) {
            let stream = (self.dial)(addr).map_err(|_| ClientError::Connect(addr.to_owned()))?;
            self.connections.insert(addr.to_owned(), Connection::new(addr, stream));
        }
        let Some(connection) = self.connections.get_mut(addr) else {
            return Err(ClientError::Connect(addr.to_owned()));
        };
        let answer = connection.call(&command.encode(self.encoding), command.opaque, timeout);
        if answer.is_err() {
            self.connections.remove(addr);
        }
        answer
    }
}

fn dial(addr: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for resolved in addr.to_socket_addrs()? {
        match TcpStream::connect_timeout(&resolved, CONNECT_TIMEOUT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}
