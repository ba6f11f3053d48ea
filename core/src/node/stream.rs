//! Connections that carry raw bytes of a role instead of frames: replication.

use super::{Node, OUTBOUND_LOW_BYTES, Output};
use crate::store::Store;
use crate::time::Now;
use crate::wire::{ConnId, STREAM_WINDOW, ServerIn, StreamIn, StreamOut};

impl<S: Store> Node<S> {
    pub(super) fn stream_opened(&mut self, now: Now, conn: ConnId, token: Option<u64>) {
        let Some((role, addr)) = self.conns.get(&conn).and_then(|c| Some((c.stream?, c.peer))) else {
            return;
        };
        self.tell(now, role, ServerIn::Stream(StreamIn::Opened { conn, addr, token }));
    }

    pub(super) fn stream(&mut self, now: Now, role: usize, out: StreamOut) {
        match out {
            StreamOut::Connect { token, addr } => {
                let conn = self.allocate();
                self.stream_dials.insert(conn, (role, token));
                self.dial_deadlines.insert((now.mono.plus_ms(self.config.connect_timeout_ms), conn));
                self.outputs.push_back(Output::Dial { conn, addr });
            }
            StreamOut::Send { conn, head, body } => {
                if let Some(connection) = self.conns.get_mut(&conn).filter(|c| c.stream == Some(role)) {
                    connection.outbound.push_raw(&head, &body);
                    connection.stream_used += head.len() + body.len();
                }
                self.announce(conn);
            }
        }
    }

    /// The peer took some bytes: its role may go on when it had to stop.
    pub(super) fn stream_sent(&mut self, now: Now, conn: ConnId) {
        let Some(connection) = self.conns.get_mut(&conn) else { return };
        if connection.stream_used > STREAM_WINDOW
            && connection.outbound.len() <= OUTBOUND_LOW_BYTES / 2
            && let Some(role) = connection.stream
        {
            connection.stream_used = 0;
            self.tell(now, role, ServerIn::Stream(StreamIn::Drained(conn)));
        }
    }
}
