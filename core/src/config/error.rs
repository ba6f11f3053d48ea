//! What is wrong with a configuration file, in words an operator can act on.

use core::fmt;

/// One mistake and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file as it was named.
    pub file: String,
    /// Line, counted from 1.
    pub line: usize,
    /// The key.
    pub key: String,
    /// What is wrong with it.
    pub fault: Fault,
}

/// Kinds of mistakes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The value is not what the key takes.
    Value {
        /// As written.
        value: String,
        /// What it should be, after "is not ".
        wanted: &'static str,
    },
    /// No part of the system knows the key.
    UnknownKey {
        /// The known key closest to it, if any is close.
        nearest: Option<&'static str>,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: key \"{}\"", self.file, self.line, self.key)?;
        match &self.fault {
            Fault::Value { value, wanted } => write!(f, ": value \"{value}\" is not {wanted}"),
            Fault::UnknownKey { nearest: Some(key) } => write!(f, " is unknown; did you mean \"{key}\"?"),
            Fault::UnknownKey { nearest: None } => f.write_str(" is unknown"),
        }
    }
}

impl core::error::Error for ConfigError {}
