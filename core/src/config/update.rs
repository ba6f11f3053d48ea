//! Changes at run time: an allow-list of keys, checked values, all or nothing.

use super::properties::Properties;
use super::settings::Settings;

/// What the reference answers (code 16) to a change that is not allowed.
pub const BLACK_LISTED: &str = "Can not update config in black list.";

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A key that may not change at run time.
    #[error("Can not update config in black list.")]
    Key(String),
    /// A value the key does not take.
    #[error("key \"{key}\": value \"{value}\" is not {wanted}")]
    Value {
        /// The key.
        key: String,
        /// As sent.
        value: String,
        /// What it should be.
        wanted: &'static str,
    },
}

/// Changes several settings objects as one: all keys are checked before any is set. `black_list` is the
/// configured list (`;` between keys); unknown keys are ignored. Returns the keys that were set.
pub fn update(
    targets: &mut [&mut dyn Settings],
    changes: &Properties,
    black_list: &str,
) -> Result<Vec<String>, Refusal> {
    for p in changes.iter() {
        let mut owners = targets.iter().flat_map(|t| t.keys()).filter(|info| info.key == p.key).peekable();
        let fixed =
            if owners.peek().is_some() { owners.any(|info| !info.live) } else { never_remote(&p.key) };
        if fixed || black_list.split(';').any(|entry| entry.trim() == p.key) {
            return Err(Refusal::Key(p.key.clone()));
        }
        if let Some(wanted) = targets.iter().find_map(|t| t.probe(&p.key, &p.value).err()) {
            return Err(Refusal::Value { key: p.key.clone(), value: p.value.clone(), wanted });
        }
    }
    let mut set = Vec::new();
    for p in changes.iter() {
        let known = targets.iter_mut().map(|t| t.assign(&p.key, &p.value) == Ok(true));
        if known.fold(false, |any, one| any | one) {
            set.push(p.key.clone());
        }
    }
    Ok(set)
}

/// Keys of parts not at hand that must not be touched (the reference would store them for the next start).
fn never_remote(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    ["auth", "init", "inner", "migrate", "tls"].iter().any(|start| lower.starts_with(start))
        || ["path", "home", "blacklist", "listenport", "addr", "password", "secret", "credentials"]
            .iter()
            .any(|part| lower.contains(part))
}
