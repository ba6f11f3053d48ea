//! Connections as TCP has them: bytes in order, at most a window of them under way. What a cut or a dead computer
//! holds back is sent again when the way is free; a reset loses it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sansmq_core::wire::ConnId;

/// Bytes under way from one end before its socket is full.
pub const WINDOW: usize = 256 << 10;

#[derive(Debug)]
pub enum Packet {
    Data(Vec<u8>),
    Fin,
}

/// One end of a connection.
#[derive(Debug)]
pub struct End {
    pub machine: usize,
    /// Of the process it belongs to.
    pub life: u64,
    /// The node's name for it, once it has one.
    pub conn: Option<ConnId>,
    /// The process has not closed it.
    pub open: bool,
    /// Sent from here, not yet at the other end.
    pub wire: VecDeque<Packet>,
    /// Bytes of `wire`, and of what the other process has not read.
    pub under_way: usize,
    /// Arrivals that found the way blocked.
    pub owed: usize,
    /// When the last arrival is due.
    pub last_arrival: u64,
    /// Arrived, and not read by the process.
    pub received: VecDeque<Vec<u8>>,
    /// The peer has closed; seen once `received` is empty.
    pub fin: bool,
    /// The connection is gone, and the process is stopped and has not heard of it: nothing passes any more.
    pub over: bool,
    pub paused: bool,
}

impl End {
    fn new(machine: usize, life: u64, conn: Option<ConnId>) -> Self {
        End {
            machine,
            life,
            conn,
            open: true,
            wire: VecDeque::new(),
            under_way: 0,
            owed: 0,
            last_arrival: 0,
            received: VecDeque::new(),
            fin: false,
            over: false,
            paused: false,
        }
    }
}

/// End 0 has dialled, end 1 has accepted.
#[derive(Debug)]
pub struct Link {
    pub ends: [End; 2],
    /// Index of the listener.
    pub listener: usize,
    /// One end has forgotten the connection, and on the way everything disappears: the other is not told.
    pub silent: bool,
}

/// How bad the ways from and to a machine are.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Bytes travel so many times as long.
    pub times: u64,
    /// One packet in so many has to be sent again.
    pub lost: u64,
}

/// What is usual.
const FAIR: Weather = Weather { times: 1, lost: 200 };

#[derive(Debug, Default)]
pub struct Net {
    pub links: BTreeMap<u64, Link>,
    next: u64,
    /// Bytes do not get from the first machine to the second.
    pub cuts: BTreeSet<(usize, usize)>,
    pub weather: BTreeMap<usize, Weather>,
}

impl Net {
    pub fn connect(&mut self, from: (usize, u64, Option<ConnId>), to: (usize, u64), listener: usize) -> u64 {
        self.next += 1;
        let ends = [End::new(from.0, from.1, from.2), End::new(to.0, to.1, None)];
        self.links.insert(self.next, Link { ends, listener, silent: false });
        self.next
    }

    pub fn end(&mut self, link: u64, side: usize) -> Option<&mut End> {
        self.links.get_mut(&link).map(|link| &mut link.ends[side])
    }

    /// Nothing gets from any of the first to any of the second.
    pub fn cut(&mut self, from: &[usize], to: &[usize]) {
        for from in from {
            self.cuts.extend(to.iter().filter(|to| *to != from).map(|to| (*from, *to)));
        }
    }

    pub fn is_cut(&self, from: usize, to: usize) -> bool {
        self.cuts.contains(&(from, to))
    }

    /// The worse of the ways of two machines.
    pub fn weather(&self, from: usize, to: usize) -> Weather {
        let known = |machine| self.weather.get(&machine).copied().unwrap_or(FAIR);
        let (one, other) = (known(from), known(to));
        Weather { times: one.times.max(other.times), lost: one.lost.min(other.lost) }
    }

    /// Ends of a machine that its process has open.
    pub fn ends_of(&self, machine: usize) -> Vec<(u64, usize)> {
        let mut found = Vec::new();
        for (id, link) in &self.links {
            for side in 0..2 {
                if link.ends[side].machine == machine && link.ends[side].open {
                    found.push((*id, side));
                }
            }
        }
        found
    }

    /// Forgets a link that nobody has open and that has nothing under way.
    pub fn tidy(&mut self, link: u64) {
        let over = |link: &Link| link.ends.iter().all(|end| !end.open);
        if self.links.get(&link).is_some_and(over) {
            self.links.remove(&link);
        }
    }
}
