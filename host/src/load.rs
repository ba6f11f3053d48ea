//! Configuration files and the broker's tables, from disk.

use std::path::Path;

use sansmq_core::broker::BrokerMeta;
use sansmq_core::broker::replicas::{Application, Identity};
use sansmq_core::broker::settings::Settings as BrokerSettings;
use sansmq_core::config::{Properties, Settings, load};
use sansmq_core::ha::epoch::EpochCache;
use sansmq_core::json::{self, FromJson};
use sansmq_core::timer::TimerCheckpoint;
use sansmq_store::atomic::{self, Found};
use sansmq_store::disk::Disk;

use crate::error::HostError;

/// Reads a configuration file.
///
/// # Errors
/// It cannot be read.
pub fn properties(path: &str) -> Result<Properties, HostError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| HostError::ReadConfig { path: path.to_owned(), source })?;
    Ok(Properties::parse(&text))
}

/// Applies a file to settings objects; every mistake is named with its line.
///
/// # Errors
/// Unknown keys and unusable values.
pub fn apply(targets: &mut [&mut dyn Settings], file: &Properties, path: &str) -> Result<(), HostError> {
    load(targets, file, path, &[]).map_err(HostError::Config)
}

/// Checks a list of NameServers, `host:port` separated by `;`.
///
/// # Errors
/// Names the first that is not an address.
pub fn check_name_servers(list: Option<&str>) -> Result<(), HostError> {
    let bad = |addr: &&str| {
        !addr.is_empty() && addr.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_err())
    };
    match list.unwrap_or("").split(';').map(str::trim).find(bad) {
        None => Ok(()),
        Some(addr) => Err(HostError::Value {
            key: "namesrvAddr",
            value: addr.to_owned(),
            why: "is not host:port (several are separated by ;)".to_owned(),
        }),
    }
}

/// Reads the tables in `<root>/config`; absent ones are empty, unreadable ones end the start.
///
/// # Errors
/// A table and its backup have content that does not parse.
pub fn broker_meta(disk: &dyn Disk, root: &str, enable_lmq: bool) -> Result<BrokerMeta, HostError> {
    let table = |name: &str| format!("{root}/config/{name}");
    let offsets = if enable_lmq { "lmqConsumerOffset.json" } else { "consumerOffset.json" };
    Ok(BrokerMeta {
        topics: read_table(disk, &table("topics.json"))?,
        groups: read_table(disk, &table("subscriptionGroup.json"))?,
        offsets: read_table(disk, &table(offsets))?,
        delay_offsets: read_table(disk, &table("delayOffset.json"))?,
        request_modes: read_table(disk, &table("messageRequestMode.json"))?,
        timer_checkpoint: timer_checkpoint(disk, &table("timercheck"))?,
        timer_metrics: read_table(disk, &table("timermetrics"))?,
        transaction_metrics: read_table(disk, &table("transactionMetrics"))?,
        ..BrokerMeta::default()
    })
}

/// Reads `brokerIdentity` and `brokerIdentity-temp`. They have no backups: the id is written once.
///
/// # Errors
/// They cannot be read, or hold something else.
pub fn identity(
    disk: &dyn Disk,
    settings: &BrokerSettings,
) -> Result<(Option<Identity>, Option<Application>), HostError> {
    let read = |temporary: bool| {
        let path = settings.identity_path(temporary);
        let text = disk.read(Path::new(&path)).and_then(|bytes| {
            String::from_utf8(bytes.unwrap_or_default())
                .map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error))
        });
        match text {
            Ok(text) => Ok((path, text)),
            Err(source) => Err(HostError::Io { action: format!("read {path}"), source }),
        }
    };
    if !settings.broker.enable_controller_mode {
        return Ok((None, None));
    }
    let ((path, text), (temp_path, temp_text)) = (read(false)?, read(true)?);
    let identity = Identity::read(&path, &text).map_err(HostError::Identity)?;
    let application = Application::read(&temp_path, &temp_text).map_err(HostError::Identity)?;
    Ok((identity, application))
}

/// Reads the epoch file, or its backup. One that cannot be read ends the start: taken for an empty one, it would let
/// a log that parted from its master's go unnoticed.
///
/// # Errors
/// Neither parses though there is content, or reading fails.
pub fn epochs(disk: &dyn Disk, path: &str) -> Result<EpochCache, HostError> {
    let fault = |why: String| HostError::Table { path: path.to_owned(), why };
    let parse = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        EpochCache::from_file(text).map_err(|error| error.to_string())
    };
    match atomic::read_with_backup(disk, Path::new(path), |bytes| parse(bytes).is_ok()) {
        Ok(Found::Nothing) => Ok(EpochCache::default()),
        Ok(Found::Current(bytes) | Found::Backup(bytes)) => parse(&bytes).map_err(fault),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            let bytes = disk.read(Path::new(path)).ok().flatten().unwrap_or_default();
            let why = parse(&bytes).err();
            Err(fault(why.map_or(error.to_string(), |why| format!("{why}; {error}"))))
        }
        Err(error) => Err(HostError::ReadTable(error)),
    }
}

/// Reads the timer's checkpoint, or its backup; one that was never written to is none.
fn timer_checkpoint(disk: &dyn Disk, path: &str) -> Result<Option<TimerCheckpoint>, HostError> {
    let whole = |bytes: &[u8]| bytes.len() >= TimerCheckpoint::LEN;
    match atomic::read_with_backup(disk, Path::new(path), whole) {
        Ok(Found::Nothing) => Ok(None),
        Ok(Found::Current(bytes) | Found::Backup(bytes)) => Ok(TimerCheckpoint::decode(&bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Err(HostError::Table { path: path.to_owned(), why: error.to_string() })
        }
        Err(error) => Err(HostError::ReadTable(error)),
    }
}

/// Reads one JSON table, or its backup.
///
/// # Errors
/// Neither parses though there is content, or reading fails.
pub fn read_table<T: FromJson + Default>(disk: &dyn Disk, path: &str) -> Result<T, HostError> {
    let fault = |why: String| HostError::Table { path: path.to_owned(), why };
    let acceptable = |bytes: &[u8]| json::from_slice::<T>(bytes).is_ok();
    match atomic::read_with_backup(disk, Path::new(path), acceptable) {
        Ok(Found::Nothing) => Ok(T::default()),
        Ok(Found::Current(bytes) | Found::Backup(bytes)) => {
            json::from_slice(&bytes).map_err(|error| fault(error.to_string()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            let bytes = disk.read(Path::new(path)).ok().flatten().unwrap_or_default();
            let why = json::from_slice::<T>(&bytes).err().map_or(error.to_string(), |e| e.to_string());
            Err(fault(why))
        }
        Err(error) => Err(HostError::ReadTable(error)),
    }
}
