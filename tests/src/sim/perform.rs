//! What a node asks of its frontend, done.

use sansmq_core::store::Store as _;
use sansmq_core::wire::ConnId;
use sansmq_host::{Completion, Input, Output};
use sansmq_store::{FileStore, atomic};

use super::CLIENT;
use super::MS;
use super::machine::Task;
use super::world::{Event, World};

/// No operation of a disk takes longer.
const LONGEST_DISK_NS: u64 = 5_000 * MS;

impl World {
    /// Tells a process something and does what it asks for then.
    pub(super) fn tell(&mut self, machine: usize, input: Input<'_>) {
        let host = &mut self.machines[machine];
        let now = host.now(self.time);
        if let Some(node) = &mut host.node {
            node.handle(now, input);
        }
        self.drain(machine);
        self.watch(machine);
    }

    /// Does what a node asks for until it asks for nothing more.
    pub(super) fn drain(&mut self, machine: usize) {
        self.observe(machine);
        loop {
            if self.machines[machine].disk.is_off() && self.machines[machine].powered {
                let text = format!("{} loses power at the disk", self.machines[machine].name);
                self.say(&text);
                self.note_fault("power at disk", Some(machine));
                self.power_off(machine);
                let at = self.time + 500 * super::MS + self.dice.disks.roll(3_000 * super::MS);
                return self.at(at, Event::Boot { machine });
            }
            let Some(output) = self.machines[machine].node.as_mut().and_then(sansmq_host::Node::poll) else {
                return;
            };
            match output {
                Output::Transmit { conn } => self.transmit(machine, conn),
                Output::Dial { conn, addr } => self.dial(machine, Some(conn), addr),
                Output::Close { conn } => {
                    let known = self.machines[machine].conns.remove(&conn);
                    let dialling = || {
                        let ends = self.net.ends_of(machine).into_iter();
                        let mut own = ends.filter(|(link, side)| {
                            self.net
                                .links
                                .get(link)
                                .is_some_and(|l| *side == 0 && l.ends[0].conn == Some(conn))
                        });
                        own.next()
                    };
                    if let Some((link, side)) = known.or_else(dialling) {
                        self.close(link, side);
                    }
                }
                Output::PauseReading { conn } => {
                    if let Some((link, side)) = self.machines[machine].conns.get(&conn).copied()
                        && let Some(end) = self.net.end(link, side)
                    {
                        end.paused = true;
                    }
                }
                Output::ResumeReading { conn } => {
                    if let Some((link, side)) = self.machines[machine].conns.get(&conn).copied() {
                        if let Some(end) = self.net.end(link, side) {
                            end.paused = false;
                        }
                        self.read(link, side);
                    }
                }
                Output::Job { role, job } => {
                    let lane = if job.is_urgent() { 1 } else { 0 };
                    self.hand(machine, lane, Task::Job(role, job));
                }
                Output::Save { role, token, path, data } => {
                    self.hand(machine, 2, Task::Save(role, token, path, data));
                }
                Output::RaftWrite { role, seq, op } => self.hand(machine, 3, Task::Raft(role, seq, op)),
                Output::Say { line, .. } => {
                    let text = format!("{} says {line}", self.machines[machine].name);
                    self.say(&text);
                }
                Output::Stopped => self.kill(machine),
                other => self.perform_for_container(machine, other),
            }
        }
    }

    /// Writes to a socket until everything is sent or it is full.
    pub(super) fn transmit(&mut self, machine: usize, conn: ConnId) {
        let Some((link, side)) = self.machines[machine].conns.get(&conn).copied() else { return };
        loop {
            let Some(node) = &self.machines[machine].node else { return };
            let Some(outbound) = node.outbound(conn).filter(|outbound| !outbound.is_empty()) else { return };
            let mut slices = [std::io::IoSlice::new(&[]); 64];
            let count = outbound.slices(&mut slices);
            let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
            if self.net.links.get(&link).is_some_and(|open| open.ends[1 - side].machine == CLIENT) {
                self.note_replies(machine, &bytes);
            }
            let taken = self.write(link, side, &bytes);
            if taken == 0 {
                return;
            }
            let host = &mut self.machines[machine];
            let now = host.now(self.time);
            if let Some(node) = &mut host.node {
                node.sent(now, conn, taken);
            }
        }
    }

    pub(super) fn hand(&mut self, machine: usize, lane: usize, task: Task) {
        self.machines[machine].lanes[lane].tasks.push_back(task);
        self.begin(machine, lane);
    }

    fn begin(&mut self, machine: usize, lane: usize) {
        let host = &mut self.machines[machine];
        if host.lanes[lane].busy || host.lanes[lane].tasks.is_empty() {
            return;
        }
        host.lanes[lane].busy = true;
        let (life, (low, high)) = (host.life, host.disk_ns);
        // now and then a disk thinks for long
        let slow = if self.dice.disks.one_in(300) { 100 } else { 1 };
        let at = self.time + (self.dice.disks.between(low, high) * slow).min(LONGEST_DISK_NS);
        self.at(at, Event::Done { machine, life, lane });
    }

    /// The task at the front takes effect; the process hears of it a little later.
    pub(super) fn task_done(&mut self, machine: usize, lane: usize) {
        let host = &mut self.machines[machine];
        if host.hung {
            // its threads stand still as well
            let life = host.life;
            let at = self.time + 10 * super::MS;
            return self.at(at, Event::Done { machine, life, lane });
        }
        let wall = host.now(self.time).wall_ms;
        host.disk.set_time(wall);
        host.lanes[lane].busy = false;
        let completion = match host.lanes[lane].tasks.pop_front() {
            Some(Task::Job(role, job)) => Completion::JobDone { role, done: FileStore::run(job) },
            Some(Task::Save(role, token, path, data)) => {
                let result = atomic::write_atomic_on(&host.disk, path.as_ref(), &data);
                let result = result.map_err(|error| format!("{path}: {error}"));
                Completion::Saved { role, token, result }
            }
            Some(Task::Raft(role, first, op)) => {
                let (mut seq, mut group) = (first, vec![op]);
                while let Some(Task::Raft(_, next, op)) = host.lanes[lane].tasks.pop_front() {
                    seq = next;
                    group.push(op);
                }
                let Some(disk) = &mut host.raft else { return };
                let result = disk.write(&group).map_err(|error| error.to_string());
                Completion::RaftWritten { role, seq, result }
            }
            Some(Task::Read(role, path)) => self.read_file(machine, role, path),
            Some(Task::Open(role, file, canonical)) => self.open_store(machine, role, *file, canonical),
            Some(Task::Close(role, mut store)) => {
                store.close(host.now(self.time));
                Completion::StoreClosed { role }
            }
            None => return,
        };
        let host = &mut self.machines[machine];
        if host.disk.is_off() {
            return self.drain(machine);
        }
        let life = host.life;
        let at = self.time + self.dice.order.roll(super::MS / 10);
        self.at(at, Event::Tell { machine, life, what: completion });
        self.begin(machine, lane);
    }

    /// The event loop of a process takes what a helper thread has finished.
    pub(super) fn complete(&mut self, machine: usize, what: Completion) {
        match what {
            Completion::JobDone { role, done } => self.tell(machine, Input::JobDone { role, done }),
            Completion::Saved { role, token, result } => {
                self.tell(machine, Input::Saved { role, token, result });
            }
            Completion::RaftWritten { role, seq, result } => {
                self.tell(machine, Input::RaftWritten { role, seq, result });
            }
            Completion::FileRead { role, result } => self.tell(machine, Input::FileRead { role, result }),
            Completion::StoreClosed { role } => self.tell(machine, Input::StoreClosed { role }),
            Completion::Opened { role, result } => {
                let host = &mut self.machines[machine];
                let now = host.now(self.time);
                if let Some(node) = &mut host.node {
                    node.broker_opened(now, role, result);
                }
                self.drain(machine);
            }
            _ => {}
        }
    }
}
