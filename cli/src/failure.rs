//! Why a command fails. Each failure is one line on stderr and exit status 1.

use sansmq_core::json::DecodeError;

use crate::client::ClientError;

/// A failed command.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A server answered with an error code.
    #[error("CODE: {code}  DESC: {}{}", one_line(.desc), .broker.as_ref().map(|a| format!(" BROKER: {a}")).unwrap_or_default())]
    Refused { code: i32, desc: String, broker: Option<String> },
    /// A server could not be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// An answer that makes no sense.
    #[error("the answer to {request} cannot be read: {error}")]
    Body { request: &'static str, error: DecodeError },
    /// The options contradict each other or the cluster.
    #[error("{0}")]
    Input(String),
    /// Neither a broker nor a cluster is named; the usage text goes with it.
    #[error("either -b or -c has to be given")]
    NoTarget,
    #[error("writing the output: {0}")]
    Output(#[from] std::io::Error),
    /// Everything is reported already; only the exit status is left.
    #[error("{0} of the requests failed")]
    Partly(usize),
}

impl Failure {
    pub fn input(text: impl Into<String>) -> Self {
        Failure::Input(text.into())
    }
}

/// The first line of a remark; what follows there are links to documentation.
fn one_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
