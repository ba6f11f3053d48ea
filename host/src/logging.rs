//! Log files where the reference puts them: `namesrv.log`, `broker.log` in `~/logs/rocketmqlogs`.

use std::path::Path;

use tracing_appender::non_blocking::WorkerGuard;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;

use crate::error::HostError;

/// Days of logs kept.
const KEPT_FILES: usize = 10;

/// Sends log events to `<dir>/<name>.log`, rolled daily. The guard flushes when dropped.
///
/// # Errors
/// The directory cannot be written.
pub fn start(dir: &str, name: &str) -> Result<WorkerGuard, HostError> {
    let fault = |why: String| HostError::Io {
        action: format!("write logs to {dir}"),
        source: std::io::Error::other(why),
    };
    std::fs::create_dir_all(Path::new(dir)).map_err(|error| fault(error.to_string()))?;
    let appender = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix(name)
        .filename_suffix("log")
        .max_log_files(KEPT_FILES)
        .build(dir)
        .map_err(|error| fault(error.to_string()))?;
    let (writer, guard) = tracing_appender::non_blocking(appender);
    let filter = EnvFilter::try_from_env("SANSMQ_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_target(false)
        .with_thread_names(true)
        .with_writer(writer)
        .try_init()
        .map_err(|error| fault(error.to_string()))?;
    Ok(guard)
}
