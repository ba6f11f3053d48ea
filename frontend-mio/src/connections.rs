//! Sockets of the node's connections: reading into a shared buffer, vectored writing.

use std::collections::HashMap;
use std::io::{self, IoSlice, Read, Write};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use sansmq_core::wire::{ConnId, Outbound};

/// Slices handed to one vectored write.
const SLICES: usize = 64;

/// One socket.
#[derive(Debug)]
pub struct Socket {
    pub stream: TcpStream,
    /// The node asked not to read for now.
    pub paused: bool,
    /// The kernel said there is input that has not been read to its end.
    pub readable: bool,
    /// The kernel said that the input ends, perhaps together with the last of it: it will not say so again.
    pub ending: bool,
    /// A dial whose outcome is not known yet.
    pub dialling: bool,
}

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Got {
    /// This many bytes; `more` when the socket may hold further input.
    Bytes {
        count: usize,
        more: bool,
    },
    Nothing,
    Closed,
}

/// All sockets by connection.
#[derive(Debug, Default)]
pub struct Sockets {
    table: HashMap<ConnId, Socket>,
}

/// Tokens of connections start here; listeners and the waker are below.
const FIRST: usize = 1 << 16;

/// The token of a connection.
#[allow(clippy::cast_possible_truncation)] // ids count up from 1
pub fn token(conn: ConnId) -> Token {
    Token(conn.0 as usize + FIRST)
}

/// The connection of a token, if it is one.
pub fn conn(token: Token) -> Option<ConnId> {
    token.0.checked_sub(FIRST).map(|id| ConnId(id as u64))
}

impl Sockets {
    /// Takes a socket in and watches it for both directions, edge-triggered.
    pub fn add(
        &mut self,
        registry: &Registry,
        id: ConnId,
        mut stream: TcpStream,
        dialling: bool,
    ) -> io::Result<()> {
        registry.register(&mut stream, token(id), Interest::READABLE | Interest::WRITABLE)?;
        if !dialling {
            // Without this a reply may wait for the peer's acknowledgement; failing to set it costs latency only.
            let _ = stream.set_nodelay(true);
        }
        self.table.insert(id, Socket { stream, paused: false, readable: false, ending: false, dialling });
        Ok(())
    }

    pub fn get(&mut self, id: ConnId) -> Option<&mut Socket> {
        self.table.get_mut(&id)
    }

    pub fn remove(&mut self, registry: &Registry, id: ConnId) {
        if let Some(mut socket) = self.table.remove(&id) {
            // Closing the socket unregisters it as well.
            let _ = registry.deregister(&mut socket.stream);
        }
    }

    /// Reads once. A read that does not fill the buffer has emptied an edge-triggered stream socket, though its
    /// end may be yet to be read.
    pub fn read(&mut self, id: ConnId, buffer: &mut [u8]) -> Got {
        let Some(socket) = self.table.get_mut(&id) else {
            return Got::Nothing;
        };
        if socket.paused || socket.dialling {
            return Got::Nothing;
        }
        loop {
            match socket.stream.read(buffer) {
                Ok(0) => return Got::Closed,
                Ok(count) => {
                    socket.readable = socket.ending || count == buffer.len();
                    return Got::Bytes { count, more: socket.readable };
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    socket.readable = false;
                    return Got::Nothing;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Got::Closed,
            }
        }
    }

    /// Writes once; how many bytes the socket took, 0 when it is full, an error when it is gone.
    pub fn write(&mut self, id: ConnId, outbound: &Outbound) -> io::Result<usize> {
        let Some(socket) = self.table.get_mut(&id) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = outbound.slices(&mut slices);
        loop {
            match socket.stream.write_vectored(&slices[..count]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => return Ok(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
