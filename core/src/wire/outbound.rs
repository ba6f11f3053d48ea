//! What a connection still has to send.
//!
//! Small frames of one turn gather in one buffer that is reused once it is drained; large bodies ride along
//! as slices of the log. The frontend writes [`Outbound::slices`] with one vectored call and reports how far
//! it got.

use bytes::{Buf, Bytes, BytesMut};
use std::collections::VecDeque;
use std::io::IoSlice;

use super::server::Body;
use super::{Command, Encoding, Reply, encode};

/// Bodies up to this size are copied behind their header; larger ones stay slices.
const COPY_LIMIT: usize = 1024;

/// Outgoing bytes in order.
#[derive(Debug, Default)]
pub struct Outbound {
    ready: VecDeque<Bytes>,
    tail: BytesMut,
    /// Bytes of `tail` that are already sent.
    tail_sent: usize,
    bytes: usize,
}

impl Outbound {
    /// Bytes not yet sent.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Queues the reply to a request.
    pub fn push_reply(&mut self, opaque: i32, reply: &Reply, encoding: Encoding) {
        let before = self.tail.len();
        let parts = encode::HeadParts {
            code: reply.code,
            language: super::Language::Java,
            version: super::VERSION,
            opaque,
            flag: 1,
            remark: reply.remark.as_deref(),
            ext: reply.ext.as_ref(),
        };
        encode::head_parts(&parts, encoding, reply.body.len(), &mut self.tail);
        self.bytes += self.tail.len() - before;
        match &reply.body {
            Body::Empty => {}
            Body::One(bytes) => self.push_bytes(bytes),
            Body::Many(parts) => parts.iter().for_each(|part| self.push_bytes(part)),
        }
    }

    /// Queues a frame as it is.
    pub fn push_command(&mut self, command: &Command, encoding: Encoding) {
        let before = self.tail.len();
        encode::head(command, encoding, command.body.len(), &mut self.tail);
        self.bytes += self.tail.len() - before;
        self.push_bytes(&command.body);
    }

    /// Queues bytes that are no frame.
    pub fn push_raw(&mut self, head: &Bytes, body: &Bytes) {
        self.push_bytes(head);
        self.push_bytes(body);
    }

    fn push_bytes(&mut self, bytes: &Bytes) {
        self.bytes += bytes.len();
        if bytes.len() <= COPY_LIMIT {
            self.tail.extend_from_slice(bytes);
            return;
        }
        if self.tail.len() > self.tail_sent {
            let mut head = self.tail.split();
            head.advance(self.tail_sent);
            self.ready.push_back(head.freeze());
        } else {
            self.tail.clear();
        }
        self.tail_sent = 0;
        self.ready.push_back(bytes.clone());
    }

    /// Fills `slices` with the front of what is to be sent; returns how many are filled.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let rest = &self.tail[self.tail_sent..];
        let parts = self.ready.iter().map(AsRef::as_ref).chain((!rest.is_empty()).then_some(rest));
        let mut count = 0;
        for (slot, part) in slices.iter_mut().zip(parts) {
            *slot = IoSlice::new(part);
            count += 1;
        }
        count
    }

    /// Forgets the first `sent` bytes.
    pub fn advance(&mut self, mut sent: usize) {
        self.bytes = self.bytes.saturating_sub(sent);
        while sent > 0 {
            let Some(front) = self.ready.front_mut() else {
                self.tail_sent = (self.tail_sent + sent).min(self.tail.len());
                break;
            };
            let step = front.len().min(sent);
            sent -= step;
            if step == front.len() {
                self.ready.pop_front();
            } else {
                front.advance(step);
            }
        }
        if self.tail_sent == self.tail.len() {
            self.tail.clear();
            self.tail_sent = 0;
        }
    }
}
