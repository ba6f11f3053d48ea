//! The `config!` declaration and what every settings object can do.

use super::error::{ConfigError, Fault};
use super::known::{is_known, nearest};
use super::properties::Properties;

/// What is known about a key before any value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// The reference's name.
    pub key: &'static str,
    /// Whether it may change at run time.
    pub live: bool,
}

/// A settings object.
pub trait Settings {
    /// Its keys in declaration order.
    fn keys(&self) -> &'static [KeyInfo];

    /// Sets a key: `Ok(false)` if it is not one of ours, the wanted kind of value if the text is not that.
    fn assign(&mut self, key: &str, text: &str) -> Result<bool, &'static str>;

    /// What [`Settings::assign`] would say, without doing it.
    fn probe(&self, key: &str, text: &str) -> Result<bool, &'static str>;

    /// Names and values in declaration order; absent values are left out.
    fn entries(&self) -> Vec<(&'static str, String)>;

    /// Takes over all keys of a file that are ours; returns the others, or every mistake found.
    fn apply(&mut self, properties: &Properties, file: &str) -> Result<Vec<String>, Vec<ConfigError>> {
        let mut others = Vec::new();
        let mut errors = Vec::new();
        for p in properties.iter() {
            match self.assign(&p.key, &p.value) {
                Ok(true) => {}
                Ok(false) => others.push(p.key.clone()),
                Err(wanted) => errors.push(ConfigError {
                    file: file.to_owned(),
                    line: p.line,
                    key: p.key.clone(),
                    fault: Fault::Value { value: p.value.clone(), wanted },
                }),
            }
        }
        if errors.is_empty() { Ok(others) } else { Err(errors) }
    }
}

/// Applies one file to several settings objects, and refuses keys nobody knows; `extra` names keys of the
/// caller's own. All mistakes are reported, each once, in the order of their lines.
pub fn load(
    targets: &mut [&mut dyn Settings],
    properties: &Properties,
    file: &str,
    extra: &[&str],
) -> Result<(), Vec<ConfigError>> {
    let mut errors: Vec<ConfigError> = Vec::new();
    for target in targets.iter_mut() {
        errors.extend(target.apply(properties, file).err().unwrap_or_default());
    }
    for p in properties.iter().filter(|p| !is_known(&p.key) && !extra.contains(&p.key.as_str())) {
        errors.push(ConfigError {
            file: file.to_owned(),
            line: p.line,
            key: p.key.clone(),
            fault: Fault::UnknownKey { nearest: nearest(&p.key) },
        });
    }
    errors.sort_by(|a, b| (a.line, &a.key).cmp(&(b.line, &b.key)));
    errors.dedup();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Declares a settings object, one line per key: `[live] field: Type = "key", default, range;`. `[live]`
/// marks a key that may change at run time; the range is optional.
macro_rules! config {
    (
        $(#[$meta:meta])*
        $name:ident {
            $( $([$live:ident])? $field:ident : $ty:ty = $key:literal, $default:expr $(, $range:expr)? ; )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $( #[doc = concat!("`", $key, "`")] pub $field: $ty, )*
        }

        impl Default for $name {
            fn default() -> Self {
                $name { $( $field: $default, )* }
            }
        }

        impl $name {
            /// Every key, in declaration order.
            pub const KEYS: &'static [$crate::config::KeyInfo] = &[
                $( $crate::config::KeyInfo { key: $key, live: $crate::config::settings::config!(@live $($live)?) }, )*
            ];
        }

        impl $crate::config::Settings for $name {
            fn keys(&self) -> &'static [$crate::config::KeyInfo] {
                Self::KEYS
            }

            fn assign(&mut self, key: &str, text: &str) -> Result<bool, &'static str> {
                match key {
                    $( $key => {
                        let wanted = <$ty as $crate::config::Value>::WANTED;
                        let value = <$ty as $crate::config::Value>::read(text).ok_or(wanted)?;
                        $crate::config::settings::config!(@check value, $ty, $default $(, $range)?);
                        self.$field = value;
                    } )*
                    _ => return Ok(false),
                }
                Ok(true)
            }

            fn probe(&self, key: &str, text: &str) -> Result<bool, &'static str> {
                self.clone().assign(key, text)
            }

            fn entries(&self) -> Vec<(&'static str, String)> {
                let all = [ $( ($key, $crate::config::Value::show(&self.$field)), )* ];
                all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
            }
        }
    };
    (@live) => { false };
    (@live live) => { true };
    (@check $value:ident, $ty:ty, $default:expr) => {
        if !<$ty as $crate::config::Value>::plausible(&$value, &$default) {
            return Err("zero or more");
        }
    };
    (@check $value:ident, $ty:ty, $default:expr, $range:expr) => {
        if !$crate::config::value::within(&$value, &($range)) {
            return Err(concat!("within ", stringify!($range)));
        }
    };
}

pub(super) use config;
