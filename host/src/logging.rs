//! Log files where the reference puts them: `namesrv.log`, `broker.log` in `~/logs/rocketmqlogs`; what a
//! broker of a container says goes to `<cluster>_<name>_<id>/broker.log` beside them.
//!
//! Whose line it is tells a span named `broker` around it. Formatted lines of all brokers go through one
//! queue to one thread, which opens a file when its first line comes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::error::HostError;

/// Days of logs kept.
const KEPT_FILES: usize = 10;
/// Log files of brokers open at a time: brokers come and go, their files must not stay open for ever.
const MOST_OPEN: usize = 64;
/// Before and behind the name of a broker in front of its line.
const MARK: u8 = 0x1F;

/// Sends log events to `<dir>/<name>.log`, rolled daily. The guard flushes when dropped.
///
/// # Errors
/// The directory cannot be written.
pub fn start(dir: &str, name: &str) -> Result<WorkerGuard, HostError> {
    let fault = |why: String| HostError::Io {
        action: format!("write logs to {dir}"),
        source: std::io::Error::other(why),
    };
    let dir = PathBuf::from(dir);
    let common = appender(&dir, name).map_err(|error| fault(error.to_string()))?;
    let (writer, guard) = tracing_appender::non_blocking(Files { dir, common, brokers: HashMap::new() });
    // what openraft tells of every heartbeat that failed, the controller tells once
    let filter =
        EnvFilter::try_from_env("SANSMQ_LOG").unwrap_or_else(|_| EnvFilter::new("info,openraft=error"));
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_target(false)
        .with_thread_names(true)
        .with_writer(move || Line { writer: writer.clone() });
    tracing_subscriber::registry()
        .with(filter)
        .with(Brokers)
        .with(lines)
        .try_init()
        .map_err(|error| fault(error.to_string()))?;
    Ok(guard)
}

fn appender(dir: &Path, name: &str) -> io::Result<RollingFileAppender> {
    std::fs::create_dir_all(dir)?;
    RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix(name)
        .filename_suffix("log")
        .max_log_files(KEPT_FILES)
        .build(dir)
        .map_err(io::Error::other)
}

thread_local! {
    /// The brokers in whose spans this thread is, innermost last.
    static INSIDE: RefCell<Vec<BrokerName>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone)]
struct BrokerName(std::sync::Arc<str>);

/// Notes in whose span a thread is.
struct Brokers;

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Brokers {
    fn on_new_span(&self, attrs: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        struct Find(Option<String>);
        impl Visit for Find {
            fn record_str(&mut self, field: &Field, value: &str) {
                if field.name() == "broker" {
                    self.0 = Some(value.to_owned());
                }
            }
            fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
        }
        let mut find = Find(None);
        attrs.record(&mut find);
        if let (Some(name), Some(span)) = (find.0, ctx.span(id)) {
            // Names come from files and become names of folders.
            let plain = |c: char| if c == '/' || c.is_control() { '_' } else { c };
            let name: String = name.chars().map(plain).collect();
            span.extensions_mut().insert(BrokerName(name.into()));
        }
    }

    fn on_enter(&self, id: &Id, ctx: Context<'_, S>) {
        if let Some(name) = ctx.span(id).and_then(|span| span.extensions().get::<BrokerName>().cloned()) {
            INSIDE.with_borrow_mut(|inside| inside.push(name));
        }
    }

    fn on_exit(&self, id: &Id, ctx: Context<'_, S>) {
        if ctx.span(id).is_some_and(|span| span.extensions().get::<BrokerName>().is_some()) {
            INSIDE.with_borrow_mut(Vec::pop);
        }
    }
}

/// Takes one formatted line.
struct Line {
    writer: NonBlocking,
}

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let marked = INSIDE.with_borrow(|inside| {
            let BrokerName(name) = inside.last()?;
            Some([&[MARK], name.as_bytes(), &[MARK], line].concat())
        });
        self.writer.write_all(marked.as_deref().unwrap_or(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// All log files of the process.
struct Files {
    dir: PathBuf,
    common: RollingFileAppender,
    brokers: HashMap<String, RollingFileAppender>,
}

impl Files {
    /// The file of a broker, or the common one when that cannot be opened.
    fn of(&mut self, name: &str) -> &mut RollingFileAppender {
        if !self.brokers.contains_key(name) {
            if self.brokers.len() >= MOST_OPEN {
                self.brokers.clear();
            }
            match appender(&self.dir.join(name), "broker") {
                Ok(file) => self.brokers.insert(name.to_owned(), file),
                Err(_) => return &mut self.common,
            };
        }
        self.brokers.get_mut(name).unwrap_or(&mut self.common)
    }
}

impl Write for Files {
    /// Called once for each line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let marked = line.strip_prefix(&[MARK]).and_then(|rest| {
            let end = rest.iter().position(|byte| *byte == MARK)?;
            Some((std::str::from_utf8(&rest[..end]).ok()?, &rest[end + 1..]))
        });
        match marked {
            Some((name, text)) => self.of(name).write_all(text)?,
            None => self.common.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.brokers.values_mut().try_for_each(Write::flush)?;
        self.common.flush()
    }
}
