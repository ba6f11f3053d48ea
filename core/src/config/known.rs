//! Every key any part of the reference knows, for "unknown key" errors.

use super::settings::KeyInfo;
use super::{
    AuthConfig, BrokerConfig, BrokerContainerConfig, ContainerExtensions, ControllerConfig, JraftConfig,
    MessageStoreConfig, NamesrvConfig, NettyClientConfig, NettyServerConfig,
};

/// Keys that have a setter but no listed field, and keys read as system properties.
const OTHERS: [&str; 6] = [
    "scanAvailableNameSrv",
    "processReadEvent",
    "brokerContainer",
    "inBrokerContainer",
    "rmqAddressServerDomain",
    "rmqAddressServerSubGroup",
];

/// What the reference takes from its virtual machine's properties may stand in the file here.
const PREFIXES: [&str; 3] = ["tls.", "rocketmq.", "com.rocketmq."];

fn all() -> impl Iterator<Item = &'static str> {
    let classes: [&'static [KeyInfo]; 10] = [
        NamesrvConfig::KEYS,
        NettyServerConfig::KEYS,
        NettyClientConfig::KEYS,
        BrokerConfig::KEYS,
        MessageStoreConfig::KEYS,
        AuthConfig::KEYS,
        ControllerConfig::KEYS,
        JraftConfig::KEYS,
        BrokerContainerConfig::KEYS,
        ContainerExtensions::KEYS,
    ];
    classes.into_iter().flatten().map(|info| info.key).chain(OTHERS)
}

/// Whether any part of the system knows the key.
#[must_use]
pub fn is_known(key: &str) -> bool {
    PREFIXES.iter().any(|prefix| key.starts_with(prefix)) || all().any(|known| known == key)
}

/// The known key closest to a misspelt one, if it is close enough to be meant.
#[must_use]
pub fn nearest(key: &str) -> Option<&'static str> {
    if key.len() > 64 {
        return None;
    }
    let limit = (key.len() / 4).clamp(1, 4);
    all()
        .filter(|known| known.len().abs_diff(key.len()) <= limit)
        .map(|known| (distance(key, known), known))
        .min()
        .filter(|(d, _)| *d <= limit)
        .map(|(_, known)| known)
}

/// Edit distance, ignoring case: swaps of neighbours count once.
fn distance(a: &str, b: &str) -> usize {
    let a = a.to_ascii_lowercase().into_bytes();
    let b = b.to_ascii_lowercase().into_bytes();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let swap = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (above[j] + 1).min(row[j - 1] + 1).min(above[j - 1] + swap);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = core::mem::replace(&mut above, row);
    }
    above[b.len()]
}
