//! What the machine tells about itself.

use std::net::IpAddr;

use sansmq_core::config::Surroundings;

/// Looks around: home, environment, host name, address, processors.
#[must_use]
pub fn look() -> Surroundings {
    let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    Surroundings {
        user_home: env("HOME").unwrap_or_else(|| ".".to_owned()),
        rocketmq_home: env("ROCKETMQ_HOME"),
        namesrv_addr: env("NAMESRV_ADDR"),
        host_name: host_name(),
        local_ip: local_ip(),
        cpus: std::thread::available_parallelism().map_or(1, |n| i32::try_from(n.get()).unwrap_or(1)),
    }
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "DEFAULT_BROKER".to_owned() } else { name.to_owned() }
}

/// The first address that is not loopback, IPv4 preferred; loopback when there is no other.
fn local_ip() -> String {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let usable = |ip: &IpAddr| match ip {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
    };
    let mut addresses: Vec<IpAddr> = interfaces.iter().map(if_addrs::Interface::ip).filter(usable).collect();
    addresses.sort_by_key(IpAddr::is_ipv6);
    addresses.first().map_or_else(|| "127.0.0.1".to_owned(), ToString::to_string)
}

/// RAM of the machine in bytes; 0 when it cannot be told.
#[must_use]
pub fn total_memory_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1_024
}
