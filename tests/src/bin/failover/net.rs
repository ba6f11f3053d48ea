//! One network namespace per host, joined by a bridge, so that links can be cut in either direction.
//!
//! Needs root (or a user namespace of its own) and the `ip`, `unshare` and `nsenter` programs. The program
//! itself moves into the namespace of the bridge, so nothing here is seen outside.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Where the clients are.
const HUB: &str = "10.77.0.254";

/// Hosts 1 to n, each at `10.77.0.<n>`.
pub struct Net {
    holders: Vec<Child>,
}

impl Net {
    /// Enters a namespace of its own and builds `hosts` others. Call before any thread is started.
    pub fn build(hosts: usize) -> Result<Self, String> {
        // SAFETY: plain system call; no other thread exists yet.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
            return Err(format!(
                "cannot make a network namespace ({}); partitions need root",
                std::io::Error::last_os_error()
            ));
        }
        ip("link set lo up")?;
        ip("link add br0 type bridge")?;
        ip(&format!("addr add {HUB}/24 dev br0"))?;
        ip("link set br0 up")?;
        let mut net = Net { holders: Vec::new() };
        for host in 1..=hosts {
            let holder =
                Command::new("unshare").args(["-n", "sleep", "1000000"]).stdin(Stdio::null()).spawn();
            let holder = holder.map_err(|error| format!("unshare: {error}"))?;
            let pid = holder.id();
            net.holders.push(holder);
            // The child needs a moment to be in its namespace.
            std::thread::sleep(Duration::from_millis(50));
            ip(&format!("link add v{host} type veth peer name eth0 netns {pid}"))?;
            ip(&format!("link set v{host} master br0 up"))?;
            net.inside(host, &format!("addr add {}/24 dev eth0", address(host)))?;
            net.inside(host, "link set eth0 up")?;
            net.inside(host, "link set lo up")?;
        }
        Ok(net)
    }

    /// Prefix of a command line that runs on a host.
    pub fn enter(&self, host: usize) -> Vec<String> {
        let pid = self.holders[host - 1].id().to_string();
        ["nsenter", "-t", &pid, "-n"].map(str::to_owned).to_vec()
    }

    /// Packets from one host to another vanish.
    pub fn cut(&self, from: usize, to: usize) {
        self.must(from, &format!("route add blackhole {}/32", address(to)));
    }

    pub fn join(&self, from: usize, to: usize) {
        self.must(from, &format!("route del blackhole {}/32", address(to)));
    }

    fn must(&self, host: usize, words: &str) {
        if let Err(error) = self.inside(host, words) {
            panic!("{error}");
        }
    }

    fn inside(&self, host: usize, words: &str) -> Result<(), String> {
        let mut line = self.enter(host);
        line.push("ip".to_owned());
        line.extend(words.split(' ').map(str::to_owned));
        run(&line)
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for holder in &mut self.holders {
            // It fails for a process that is gone already.
            let _ = holder.kill();
            let _ = holder.wait();
        }
    }
}

pub fn address(host: usize) -> String {
    format!("10.77.0.{host}")
}

fn ip(words: &str) -> Result<(), String> {
    let line: Vec<String> = std::iter::once("ip").chain(words.split(' ')).map(str::to_owned).collect();
    run(&line)
}

fn run(line: &[String]) -> Result<(), String> {
    let output = Command::new(&line[0]).args(&line[1..]).output();
    let output = output.map_err(|error| format!("{}: {error}", line.join(" ")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{}: {}", line.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}
