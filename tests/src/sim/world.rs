//! Events in the order of virtual time: the kernel's half of the machines and the network between them.

use std::collections::BTreeMap;

use sansmq_core::wire::ConnId;
use sansmq_host::{Completion, Input};
use sansmq_store::disk::{Disk as _, SimConfig, SimDisk};

use super::clients::Client;
use super::coverage::Coverage;
use super::dice::Streams;
use super::faults::Fault;
use super::machine::{LANES, Lane, Machine, Pending};
use super::net::{Net, Packet};
use super::oracle::Oracle;
use super::story::{Story, What};
use super::trace::Trace;
use super::watch::Seen;
use super::{BROKERS, CLIENT, CONTROLLERS, MS, setup};

pub(super) enum Event {
    /// The first packet from this end of a connection reaches the other, if nothing is in its way.
    Arrive {
        link: u64,
        side: usize,
    },
    /// A request for a connection reaches the computer it is for.
    Knock {
        from: usize,
        life: u64,
        conn: Option<ConnId>,
        addr: String,
        tries: u32,
    },
    /// The answer to it.
    Answer {
        machine: usize,
        life: u64,
        what: Pending,
    },
    /// A helper thread's task is done on the disk.
    Done {
        machine: usize,
        life: u64,
        lane: usize,
    },
    /// The process hears of it.
    Tell {
        machine: usize,
        life: u64,
        what: Completion,
    },
    Boot {
        machine: usize,
    },
    Fault(Fault),
    Client,
}

/// What is the same for every server of a history.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// More lines for the brokers' files.
    pub brokers: String,
    pub controllers: String,
    /// Nanoseconds bytes travel, from and to.
    pub latency: (u64, u64),
    /// The brokers live in containers.
    pub containers: bool,
}

pub struct World {
    pub(super) time: u64,
    pub(super) dice: Streams,
    pub(super) trace: Trace,
    events: BTreeMap<(u64, u64), Event>,
    order: u64,
    pub(super) machines: Vec<Machine>,
    pub(super) net: Net,
    pub(super) client: Client,
    pub(super) oracle: Oracle,
    /// Of every broker, what the invariants know.
    pub(super) seen: [Seen; CLIENT],
    /// How often a broker went while its process lived on.
    pub(super) departures: [u64; CLIENT],
    pub(super) settings: Settings,
    /// Until then another fault could take the last copy of something.
    pub(super) fragile_until: u64,
    /// When the network was last put right.
    pub(super) mended_at: u64,
    /// Events handled.
    pub(super) steps: u64,
    pub(super) coverage: Coverage,
    pub(super) story: Story,
    /// How much of what is broken stands in the story.
    pub(super) broken_told: usize,
}

impl World {
    /// Computers that are off, with empty disks.
    #[must_use]
    pub fn new(seed: u64, settings: Settings, skew: u64, loud: bool) -> Self {
        let mut dice = Streams::new(seed);
        let mut machines = Vec::new();
        for index in CONTROLLERS.start..=CLIENT {
            let kind = if CONTROLLERS.contains(&index) {
                "controller"
            } else if BROKERS.contains(&index) {
                "broker"
            } else {
                "client"
            };
            let name = format!("{kind}-{index}");
            let rate = 1_000 - skew + dice.clocks.roll(2 * skew + 1);
            machines.push(Machine::new(name, setup::ip(index), empty_disk(dice.disks.draw()), rate));
        }
        let names = machines.iter().map(|machine| machine.name.clone()).collect();
        let story = Story { names, ..Story::default() };
        World {
            time: MS,
            dice,
            trace: Trace::new(loud),
            events: BTreeMap::new(),
            order: 0,
            machines,
            net: Net::default(),
            client: Client::new(),
            oracle: Oracle::default(),
            seen: Default::default(),
            departures: Default::default(),
            settings,
            fragile_until: 0,
            mended_at: 0,
            steps: 0,
            coverage: Coverage::default(),
            story,
            broken_told: 0,
        }
    }

    pub(super) fn say(&mut self, text: &str) {
        self.trace.say(self.time, text);
    }

    pub(super) fn at(&mut self, time: u64, event: Event) {
        self.order += 1;
        self.events.insert((time, self.order), event);
    }

    fn latency(&mut self, from: usize, to: usize) -> u64 {
        let weather = self.net.weather(from, to);
        let (low, high) = self.settings.latency;
        // now and then a packet has to be sent twice
        if self.dice.network.one_in(weather.lost) {
            self.dice.network.between(100 * MS, 300 * MS)
        } else {
            self.dice.network.between(low, high) * weather.times
        }
    }

    /// Lets one thing happen; false when the next lies behind `end`.
    pub(super) fn step(&mut self, end: u64) -> bool {
        let event = self.events.first_key_value().map_or(u64::MAX, |(key, _)| key.0);
        let timers =
            self.machines.iter().enumerate().filter_map(|(m, machine)| Some((machine.deadline()?, m)));
        let timer = timers.min().unwrap_or((u64::MAX, 0));
        let next = event.min(timer.0);
        if next > end {
            self.time = end;
            return false;
        }
        self.steps += 1;
        self.time = self.time.max(next);
        if event <= timer.0 {
            if let Some((_, event)) = self.events.pop_first() {
                self.happen(event);
            }
        } else {
            self.tell(timer.1, Input::Tick);
        }
        self.note_broken();
        true
    }

    /// Lets this many virtual milliseconds pass.
    pub fn pass(&mut self, ms: u64) {
        let end = self.time + ms * MS;
        while self.step(end) {}
    }

    /// Runs until it is so; false when it is not within this time.
    pub fn run_until(&mut self, limit_ms: u64, done: impl Fn(&World) -> bool) -> bool {
        let end = self.time + limit_ms * MS;
        loop {
            if done(self) {
                return true;
            }
            // looking is not free
            for _ in 0..50 {
                if !self.step(end) {
                    return done(self);
                }
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive { link, side } => self.arrive(link, side),
            Event::Knock { from, life, conn, addr, tries } => self.knock(from, life, conn, addr, tries),
            Event::Answer { machine, life, what } => {
                if self.machines[machine].life == life {
                    self.kernel_says(machine, what);
                }
            }
            Event::Done { machine, life, lane } => {
                if self.machines[machine].life == life {
                    self.task_done(machine, lane);
                }
            }
            Event::Tell { machine, life, what } => {
                let target = &mut self.machines[machine];
                if target.life == life {
                    if target.hung {
                        target.inbox.push_back(what);
                    } else {
                        self.complete(machine, what);
                    }
                }
            }
            Event::Boot { machine } => self.boot(machine),
            Event::Fault(fault) => self.strike(fault),
            Event::Client => self.client_wakes(),
        }
    }

    // ---- connections

    /// A process asks for a connection.
    pub(super) fn dial(&mut self, from: usize, conn: Option<ConnId>, addr: String) {
        let (life, at) = (self.machines[from].life, self.time + self.latency(from, from));
        self.at(at, Event::Knock { from, life, conn, addr, tries: 0 });
    }

    fn knock(&mut self, from: usize, life: u64, conn: Option<ConnId>, addr: String, tries: u32) {
        if self.machines[from].life != life {
            return;
        }
        let (ip, port) = addr.rsplit_once(':').unwrap_or((&addr, ""));
        let Some(to) = self.machines.iter().position(|machine| machine.ip == ip) else { return };
        let way = !self.net.is_cut(from, to) && !self.net.is_cut(to, from);
        if !way || !self.machines[to].powered {
            // the kernel asks again after 1, 2 and 4 seconds
            if tries < 3 {
                let at = self.time + (1_000 << tries) * MS;
                self.at(at, Event::Knock { from, life, conn, addr, tries: tries + 1 });
            }
            return;
        }
        let back = self.time + self.latency(to, from);
        let node = self.machines[to].node.as_ref();
        let suffix = format!(":{port}");
        let unbound = &self.machines[to].unbound;
        let listener = node.and_then(|node| {
            let mut all = node.listeners().iter().enumerate();
            all.find(|(at, l)| l.bind.ends_with(&suffix) && !unbound.contains(at)).map(|(at, _)| at)
        });
        match listener {
            Some(listener) => {
                let target = (to, self.machines[to].life);
                let link = self.net.connect((from, life, conn), target, listener);
                self.kernel_says(to, Pending::Accept(link));
                if let (CLIENT, Some(ConnId(app))) = (from, conn) {
                    let waiting = self.client.connected(app as usize, link, &addr);
                    self.write(link, 0, &waiting);
                    return;
                }
                self.at(back, Event::Answer { machine: from, life, what: Pending::Dialled(link) });
            }
            None => {
                if let (CLIENT, Some(ConnId(app))) = (from, conn) {
                    self.client.refused(app as usize, &addr);
                } else if let Some(conn) = conn {
                    let what = Pending::DialFailed(conn, true);
                    self.at(back, Event::Answer { machine: from, life, what });
                }
            }
        }
    }

    fn kernel_says(&mut self, machine: usize, what: Pending) {
        if self.machines[machine].hung {
            self.machines[machine].backlog.push_back(what);
            return;
        }
        match what {
            Pending::Accept(link) => {
                let Some(open) = self.net.links.get_mut(&link) else { return };
                let (listener, from) = (open.listener, open.ends[0].machine);
                let peer = format!("{}:{}", setup::ip(from), 20_000 + link % 40_000);
                let Ok(peer) = peer.parse() else { return };
                let host = &mut self.machines[machine];
                let now = host.now(self.time);
                let Some(node) = &mut host.node else { return };
                let conn = node.accept(now, listener, peer);
                host.conns.insert(conn, (link, 1));
                open.ends[1].conn = Some(conn);
                self.drain(machine);
                self.read(link, 1);
            }
            Pending::Dialled(link) => {
                let Some(conn) = self.net.end(link, 0).filter(|end| end.open).and_then(|end| end.conn) else {
                    return;
                };
                self.machines[machine].conns.insert(conn, (link, 0));
                let to = self.net.links[&link].ends[1].machine;
                let Ok(peer) = format!("{}:1", setup::ip(to)).parse() else { return };
                self.tell(machine, Input::Dialled { conn, peer });
                self.read(link, 0);
            }
            Pending::DialFailed(conn, refused) => {
                self.tell(machine, Input::DialFailed { conn, refused, error: "refused".to_owned() });
            }
        }
    }

    /// A process writes to a connection; how many bytes its socket took.
    pub(super) fn write(&mut self, link: u64, side: usize, bytes: &[u8]) -> usize {
        let room = match self.net.end(link, side) {
            Some(end) if end.open && !end.over => super::net::WINDOW.saturating_sub(end.under_way),
            _ => return bytes.len(),
        };
        let taken = room.min(bytes.len());
        if taken == 0 {
            return 0;
        }
        self.trace.mix_bytes(&bytes[..taken]);
        // what is read is not what was written at once
        let cut = if self.dice.network.one_in(8) {
            self.dice.network.between(1, taken as u64) as usize
        } else {
            taken
        };
        for part in [&bytes[..cut], &bytes[cut..taken]] {
            if !part.is_empty() {
                self.post(link, side, Packet::Data(part.to_vec()));
            }
        }
        taken
    }

    fn post(&mut self, link: u64, side: usize, packet: Packet) {
        let Some(open) = self.net.links.get(&link) else { return };
        if open.silent {
            if let Packet::Data(bytes) = &packet {
                let length = bytes.len();
                // nobody says that it has come
                self.net.end(link, side).into_iter().for_each(|end| end.under_way += length);
            }
            return self.net.tidy(link);
        }
        let latency = self.latency(open.ends[side].machine, open.ends[1 - side].machine);
        let time = self.time;
        let Some(end) = self.net.end(link, side) else { return };
        if let Packet::Data(bytes) = &packet {
            end.under_way += bytes.len();
        }
        end.wire.push_back(packet);
        let at = end.last_arrival.max(time + latency);
        end.last_arrival = at;
        self.at(at, Event::Arrive { link, side });
    }

    fn arrive(&mut self, link: u64, side: usize) {
        let Some(open) = self.net.links.get(&link) else { return };
        let (from, to) = (&open.ends[side], &open.ends[1 - side]);
        let (source, target, life) = (from.machine, to.machine, to.life);
        let blocked = self.net.is_cut(source, target) || !self.machines[target].powered;
        let gone = self.machines[target].life != life || !to.open || to.over;
        let Some(end) = self.net.end(link, side) else { return };
        if blocked {
            end.owed += 1;
            return;
        }
        let Some(packet) = end.wire.pop_front() else { return };
        if gone {
            // the kernel there knows nothing of this connection
            if matches!(packet, Packet::Data(_)) {
                self.lost(link, side);
            }
            return self.net.tidy(link);
        }
        let Some(end) = self.net.end(link, 1 - side) else { return };
        match packet {
            Packet::Data(bytes) => end.received.push_back(bytes),
            Packet::Fin => end.fin = true,
        }
        self.read(link, 1 - side);
    }

    /// The process at this end reads what has arrived.
    pub(super) fn read(&mut self, link: u64, side: usize) {
        loop {
            let Some(open) = self.net.links.get_mut(&link) else { return };
            let end = &mut open.ends[side];
            let machine = end.machine;
            if !end.open
                || end.paused
                || self.machines[machine].hung
                || self.machines[machine].life != end.life
            {
                return;
            }
            if machine != CLIENT
                && (end.conn.is_none_or(|conn| !self.machines[machine].conns.contains_key(&conn)))
            {
                return; // not told of the connection yet
            }
            let Some(mut bytes) = end.received.pop_front() else {
                if end.fin {
                    self.lost(link, side);
                }
                return;
            };
            let conn = end.conn;
            let other = &mut open.ends[1 - side];
            other.under_way = other.under_way.saturating_sub(bytes.len());
            let writer = (other.machine, other.conn);
            match conn {
                Some(conn) if machine != CLIENT => {
                    self.tell(machine, Input::Received { conn, data: &mut bytes });
                }
                _ => self.client_reads(link, &bytes),
            }
            if let (writer, Some(conn)) = writer
                && self.machines[writer].node.is_some()
                && !self.machines[writer].hung
            {
                self.transmit(writer, conn);
            }
        }
    }

    /// The process at this end learns that the connection is over.
    pub(super) fn lost(&mut self, link: u64, side: usize) {
        let Some(end) = self.net.end(link, side) else { return };
        if !end.open {
            return self.net.tidy(link);
        }
        let (machine, conn, life) = (end.machine, end.conn, end.life);
        if self.machines[machine].life != life {
            end.open = false;
            return self.net.tidy(link);
        }
        if self.machines[machine].hung {
            (end.fin, end.over, end.wire) = (true, true, Default::default());
            return;
        }
        end.open = false;
        if machine == CLIENT {
            self.client.lost(link);
        } else if let Some(conn) = conn {
            if self.machines[machine].conns.remove(&conn).is_some() {
                self.tell(machine, Input::Closed { conn });
            } else {
                // it was being dialled
                let error = "reset".to_owned();
                self.tell(machine, Input::DialFailed { conn, refused: false, error });
            }
        }
        self.net.tidy(link);
    }

    /// The process at this end closes.
    pub(super) fn close(&mut self, link: u64, side: usize) {
        let Some(end) = self.net.end(link, side).filter(|end| end.open) else { return };
        end.open = false;
        end.received.clear();
        self.post(link, side, Packet::Fin);
    }

    /// Both ends hear that the connection is gone; what was under way is lost.
    pub(super) fn reset(&mut self, link: u64) {
        for side in 0..2 {
            if let Some(end) = self.net.end(link, side) {
                end.wire.clear();
                end.received.clear();
                end.owed = 0;
            }
        }
        self.lost(link, 0);
        self.lost(link, 1);
    }

    /// The process of a machine loses its connections, and nobody else hears of it.
    pub(super) fn forget(&mut self, machine: usize) {
        for (link, side) in self.net.ends_of(machine) {
            if let Some(open) = self.net.links.get_mut(&link) {
                open.silent = true;
                for end in &mut open.ends {
                    end.wire.clear();
                    end.owed = 0;
                }
            }
            self.lost(link, side);
        }
    }

    /// What was sent into nothing reaches the other kernel again, which knows nothing of such a connection.
    pub(super) fn find_out(&mut self) {
        let silent = self.net.links.iter().filter(|(_, link)| link.silent);
        let silent: Vec<u64> = silent.map(|(id, _)| *id).collect();
        for link in silent {
            let Some(open) = self.net.links.get_mut(&link) else { continue };
            open.silent = false;
            let waits = |side: &usize| open.ends[*side].open && open.ends[*side].under_way > 0;
            let waiting: Vec<usize> = (0..2).filter(waits).collect();
            waiting.into_iter().for_each(|side| self.lost(link, side));
        }
    }

    /// Sends again what a cut or a dead computer has held back.
    pub(super) fn resend(&mut self) {
        let owed: Vec<(u64, usize, usize)> = self
            .net
            .links
            .iter()
            .flat_map(|(id, link)| (0..2).map(|side| (*id, side, link.ends[side].owed)))
            .filter(|entry| entry.2 > 0)
            .collect();
        for (link, side, count) in owed {
            let wait = self.dice.network.between(MS, 400 * MS);
            let Some(end) = self.net.end(link, side) else { continue };
            end.owed = 0;
            let at = end.last_arrival.max(self.time + wait);
            end.last_arrival = at;
            for _ in 0..count {
                self.at(at, Event::Arrive { link, side });
            }
        }
    }

    // ---- computers

    /// Starts the process.
    pub(super) fn boot(&mut self, machine: usize) {
        if self.machines[machine].runs() || machine == CLIENT {
            return;
        }
        let host = &mut self.machines[machine];
        if !host.powered {
            host.powered = true;
            host.disk.power_on();
        }
        host.life += 1;
        (host.born, host.hung) = (self.time, false);
        let now = host.now(self.time);
        host.disk.set_time(now.wall_ms);
        let started = if CONTROLLERS.contains(&machine) {
            let extra = &self.settings.controllers;
            setup::controller(&host.disk, machine, host.life, extra, now)
                .map(|(node, raft)| (node, Some(raft)))
        } else if self.settings.containers {
            setup::container(&host.disk, machine, &self.settings.brokers, now).map(|node| (node, None))
        } else {
            setup::broker(&host.disk, machine, host.life, &self.settings.brokers, now)
                .map(|node| (node, None))
        };
        match started {
            Ok((node, raft)) => (host.node, host.raft) = (Some(node), raft),
            Err(_) if host.disk.is_off() => {}
            Err(error) => {
                let text = format!("{} does not start: {error}", host.name);
                self.oracle.fail(text);
                return;
            }
        }
        let text = format!("{} starts, life {}", self.machines[machine].name, self.machines[machine].life);
        self.say(&text);
        let text = format!("starts, life {}", self.machines[machine].life);
        self.mark(Some(machine), What::Up, text);
        self.resend();
        self.drain(machine);
        self.watch(machine);
    }

    /// kill -9: the kernel closes the connections and keeps what was written.
    pub(super) fn kill(&mut self, machine: usize) {
        if !self.machines[machine].runs() {
            return;
        }
        self.end_process(machine);
        self.mark(Some(machine), What::Down, "is killed".to_owned());
        for (link, side) in self.net.ends_of(machine) {
            self.close(link, side);
        }
    }

    /// The power fails: nobody is told, and what was not synced is lost.
    pub(super) fn power_off(&mut self, machine: usize) {
        if !self.machines[machine].powered {
            return;
        }
        self.machines[machine].disk.power_off();
        self.end_process(machine);
        self.machines[machine].powered = false;
        self.mark(Some(machine), What::Down, "has no power".to_owned());
        for (link, side) in self.net.ends_of(machine) {
            if let Some(end) = self.net.end(link, side) {
                end.open = false;
                end.wire.clear();
            }
            self.net.tidy(link);
        }
    }

    fn end_process(&mut self, machine: usize) {
        let host = &mut self.machines[machine];
        host.life += 1;
        (host.node, host.raft, host.hung) = (None, None, false);
        host.conns.clear();
        host.inbox.clear();
        host.backlog.clear();
        host.lanes = [(); LANES].map(|()| Lane::default());
        host.unbound.clear();
        host.seen = Default::default();
    }

    /// A new disk in an old computer that is off.
    pub(super) fn replace_disk(&mut self, machine: usize) {
        let seed = self.dice.disks.draw();
        self.machines[machine].disk = empty_disk(seed);
    }

    /// SIGCONT.
    pub(super) fn go_on(&mut self, machine: usize) {
        let host = &mut self.machines[machine];
        if !host.hung {
            return;
        }
        host.hung = false;
        self.mark(Some(machine), What::GoesOn, "goes on".to_owned());
        let host = &mut self.machines[machine];
        // the time is looked at first: what waits is handled late, and seen to be late
        let backlog = std::mem::take(&mut host.backlog);
        let inbox = std::mem::take(&mut host.inbox);
        backlog.into_iter().for_each(|what| self.kernel_says(machine, what));
        inbox.into_iter().for_each(|what| self.complete(machine, what));
        for (link, side) in self.net.ends_of(machine) {
            self.read(link, side);
        }
        let conns: Vec<ConnId> = self.machines[machine].conns.keys().copied().collect();
        conns.into_iter().for_each(|conn| self.transmit(machine, conn));
    }
}

fn empty_disk(seed: u64) -> SimDisk {
    let disk = SimDisk::new(SimConfig { seed, ..SimConfig::default() });
    let roots = ["/store", "/store-b"].map(std::path::Path::new);
    let made = roots.into_iter().try_for_each(|root| disk.create_dir(root));
    let made = made.and_then(|()| disk.sync_dir(std::path::Path::new("/")));
    assert!(made.is_ok(), "an empty disk takes a directory");
    disk
}
