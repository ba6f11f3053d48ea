//! Connections of the applications, requests that leave, and answers and requests that come.

use sansmq_core::wire::code::request;
use sansmq_core::wire::{Command, ConnId, Encoding};

use super::{Asked, Call, OPERATOR};
use crate::sim::world::World;
use crate::sim::{CLIENT, MS};

/// How long a client waits for an answer.
const PATIENCE: u64 = 3_000 * MS;
/// How long it waits for one that the server may hold back.
const POLL_PATIENCE: u64 = 5_000 * MS;

#[derive(Debug, Default)]
pub enum Way {
    #[default]
    None,
    /// Since when, and what is to be sent then.
    Dialling(u64, Vec<Vec<u8>>),
    Open(u64),
}

impl super::Client {
    /// A connection stands; what has waited for it.
    pub fn connected(&mut self, app: usize, link: u64, addr: &str) -> Vec<u8> {
        self.links.insert(link, app);
        let waiting = match self.apps[app].ways.insert(addr.to_owned(), Way::Open(link)) {
            Some(Way::Dialling(_, waiting)) => waiting,
            _ => Vec::new(),
        };
        waiting.concat()
    }

    pub fn refused(&mut self, app: usize, addr: &str) {
        self.apps[app].ways.remove(addr);
    }

    pub fn lost(&mut self, link: u64) {
        self.buffers.remove(&link);
        if let Some(app) = self.links.remove(&link) {
            self.apps[app].ways.retain(|_, way| !matches!(way, Way::Open(open) if *open == link));
        }
    }
}

impl World {
    /// Sends a request; its opaque.
    pub(in crate::sim) fn client_calls(
        &mut self,
        app: usize,
        addr: &str,
        command: Command,
        call: Call,
    ) -> i32 {
        self.client.next_opaque += 1;
        let opaque = self.client.next_opaque;
        let patience = if matches!(call, Call::Pull { .. }) { POLL_PATIENCE } else { PATIENCE };
        let (at, until) = (self.time, self.time + patience);
        self.client.calls.insert(opaque, Asked { app, call, addr: addr.to_owned(), at, until });
        self.client_sends(app, addr, &Command { opaque, ..command });
        opaque
    }

    /// Sends a frame, over a new connection if there is none.
    pub(in crate::sim) fn client_sends(&mut self, app: usize, addr: &str, command: &Command) {
        // applications differ in what they speak
        let encoding = if app.is_multiple_of(2) { Encoding::Json } else { Encoding::RocketMq };
        let bytes = command.encode(encoding).to_vec();
        let way = self.client.apps[app].ways.entry(addr.to_owned()).or_default();
        match way {
            Way::Open(link) => {
                let link = *link;
                if self.write(link, 0, &bytes) < bytes.len() {
                    // nobody reads there; half a frame is no beginning
                    self.give_up_way(app, addr);
                }
            }
            Way::Dialling(_, waiting) => waiting.push(bytes),
            Way::None => {
                *way = Way::Dialling(self.time, vec![bytes]);
                self.dial(CLIENT, Some(ConnId(app as u64)), addr.to_owned());
            }
        }
    }

    /// Asks and runs the world until the answer is there.
    pub fn ask(&mut self, addr: &str, command: Command) -> Option<Command> {
        let opaque = self.client_calls(OPERATOR, addr, command, Call::Ask);
        self.client_plans();
        let end = self.time + PATIENCE + 1_000 * MS;
        loop {
            if let Some(answer) = self.client.answers.remove(&opaque) {
                return answer;
            }
            if !self.step(end) {
                return None;
            }
        }
    }

    fn give_up_way(&mut self, app: usize, addr: &str) {
        if let Some(Way::Open(link)) = self.client.apps[app].ways.remove(addr) {
            self.client.links.remove(&link);
            self.client.buffers.remove(&link);
            self.close(link, 0);
        }
    }

    /// What takes too long has failed, and so have calls whose connection is gone.
    pub(super) fn give_up_late_calls(&mut self) {
        let now = self.time;
        let late: Vec<i32> =
            self.client.calls.iter().filter(|(_, call)| call.until <= now).map(|(o, _)| *o).collect();
        let mut given_up = Vec::new();
        for opaque in late {
            if let Some(asked) = self.client.calls.remove(&opaque) {
                given_up.push((asked.app, asked.addr.clone()));
                self.answered(opaque, asked, None, None);
            }
        }
        // a connection without answers is given up
        for (app, addr) in given_up {
            match self.client.apps[app].ways.get(&addr) {
                Some(Way::Open(_)) => self.give_up_way(app, &addr),
                Some(Way::Dialling(since, _)) if since + PATIENCE <= now => {
                    self.client.apps[app].ways.remove(&addr);
                }
                _ => {}
            }
        }
        let apps = &self.client.apps;
        let is_gone = |asked: &Asked| !apps[asked.app].ways.contains_key(&asked.addr);
        let gone: Vec<i32> =
            self.client.calls.iter().filter(|(_, asked)| is_gone(asked)).map(|(o, _)| *o).collect();
        for opaque in gone {
            if let Some(asked) = self.client.calls.remove(&opaque) {
                self.answered(opaque, asked, None, None);
            }
        }
    }

    /// Bytes for an application.
    pub(in crate::sim) fn client_reads(&mut self, link: u64, bytes: &[u8]) {
        let Some(app) = self.client.links.get(&link).copied() else { return };
        let mut buffer = self.client.buffers.remove(&link).unwrap_or_default();
        buffer.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(length) = first_frame(&buffer[at..]) {
            match Command::decode(&buffer[at..at + length]) {
                Ok(command) if command.flag & 1 == 1 => {
                    if let Some(asked) = self.client.calls.remove(&command.opaque) {
                        self.answered(command.opaque, asked, Some(command), Some(link));
                    }
                }
                Ok(command) => self.client_is_asked(app, link, &command),
                Err(error) => self.oracle.fail(format!("a server sent a frame that is none: {error}")),
            }
            at += length;
        }
        if self.client.links.contains_key(&link) {
            buffer.drain(..at);
            self.client.buffers.insert(link, buffer);
        }
    }

    /// A server wants something of an application.
    fn client_is_asked(&mut self, app: usize, link: u64, command: &Command) {
        match command.code {
            request::NOTIFY_CONSUMER_IDS_CHANGED => self.members_changed(app),
            request::CHECK_TRANSACTION_STATE => self.checked(app, link, command),
            _ => {}
        }
    }

    /// The address an application reaches over this connection.
    pub(super) fn address_of(&self, app: usize, link: u64) -> Option<String> {
        let mut ways = self.client.apps[app].ways.iter();
        ways.find(|(_, way)| matches!(way, Way::Open(open) if *open == link)).map(|(addr, _)| addr.clone())
    }
}

/// How long the first frame is, once it is whole.
#[must_use]
pub fn first_frame(bytes: &[u8]) -> Option<usize> {
    let length: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
    let whole = 4 + u32::from_be_bytes(length) as usize;
    (bytes.len() >= whole).then_some(whole)
}
