//! What a server's process costs while something happens: processor time, memory, system calls.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::bench::cpu::{self, Times};

/// What was seen of the server.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seen {
    pub cpu: Option<Times>,
    /// Resident bytes at the end; of these, bytes of files that are mapped.
    pub resident: Option<(u64, u64)>,
    pub syscalls: Option<u64>,
}

/// A measurement under way.
#[derive(Debug)]
pub struct Probe {
    pid: Option<u32>,
    before: Option<Times>,
    counter: Option<Child>,
}

impl Probe {
    pub fn start(pid: Option<u32>) -> Self {
        let counter = pid.and_then(count_syscalls);
        Probe { pid, before: pid.and_then(cpu::of), counter }
    }

    pub fn end(self) -> Seen {
        let after = self.pid.and_then(cpu::of);
        let cpu = after.zip(self.before).map(|(after, before)| after.since(before));
        Seen { cpu, resident: self.pid.and_then(resident), syscalls: self.counter.and_then(counted) }
    }
}

/// `perf stat` on the process, where there is one and the tracepoint may be read. It costs the server little.
fn count_syscalls(pid: u32) -> Option<Child> {
    let mut command = Command::new("perf");
    command.args(["stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-p", &pid.to_string()]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().ok()?;
    // it counts from when it is attached
    std::thread::sleep(Duration::from_millis(300));
    Some(child)
}

fn counted(mut child: Child) -> Option<u64> {
    // SAFETY: a signal to a child that has not been waited for.
    unsafe { libc::kill(i32::try_from(child.id()).ok()?, libc::SIGINT) };
    let mut text = String::new();
    child.stderr.take()?.read_to_string(&mut text).ok()?;
    child.wait().ok()?;
    text.lines().find(|line| line.contains("sys_enter"))?.split(',').next()?.parse().ok()
}

/// `VmRSS` and `RssFile` of `/proc/PID/status`.
pub fn resident(pid: u32) -> Option<(u64, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib = |name: &str| -> Option<u64> {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    Some((kib("VmRSS:")? * 1024, kib("RssFile:")? * 1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_seen() {
        let probe = Probe { counter: None, ..Probe::start(None) };
        assert_eq!(probe.end(), Seen::default());
        let (all, files) = resident(std::process::id()).unwrap();
        assert!(all > files && files > 0);
    }
}
