//! Why a process does not start.

use sansmq_core::config::ConfigError;
use sansmq_core::controller::GroupError;
use sansmq_core::message::delay::DelayLevelError;
use sansmq_core::raft::StartError;
use sansmq_store::StoreError;

/// An error that ends the start; [`HostError::exit_code`] is the reference's.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error("{message}")]
    Usage { message: String, usage: String },
    #[error("cannot read configuration file {path}: {source}")]
    ReadConfig { path: String, source: std::io::Error },
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Config(Vec<ConfigError>),
    #[error("key \"{key}\": value \"{value}\" {why}")]
    Value { key: &'static str, value: String, why: String },
    #[error("messageDelayLevel: {0}")]
    DelayLevel(#[from] DelayLevelError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The settings name no group of controllers.
    #[error(transparent)]
    Group(#[from] GroupError),
    #[error("the controller's log cannot be used: {0}")]
    Raft(#[from] StartError),
    #[error(
        "{path}: {why}; the previous version in {path}.bak is not usable either. Restore one of them, or move both away to start with an empty table"
    )]
    Table { path: String, why: String },
    #[error(transparent)]
    Identity(#[from] sansmq_core::broker::replicas::IdentityError),
    /// A table that is there but cannot be read; the text names it.
    #[error("{0}")]
    ReadTable(std::io::Error),
    #[error("cannot listen on {addr}: {source}")]
    Listen { addr: String, source: std::io::Error },
    #[error("{0}")]
    NotServed(String),
    /// The process stopped in order because something it was started for does not work.
    #[error("{why}")]
    Ended { status: i32, why: String },
    #[error("cannot {action}: {source}")]
    Io { action: String, source: std::io::Error },
}

impl HostError {
    /// The process's exit status: 1 for a wrong command line, 253 for a broker that cannot be set up, 255
    /// otherwise, as the reference has them.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            HostError::Usage { .. } => 1,
            HostError::Ended { status, .. } => status.rem_euclid(256),
            HostError::Value { .. }
            | HostError::DelayLevel(_)
            | HostError::Store(_)
            | HostError::ReadTable(_)
            | HostError::Table { .. } => 253,
            _ => 255,
        }
    }
}
