//! The reports of `mqadmin store` as JSON. Times are milliseconds since the Unix epoch, offsets and sizes bytes.

use std::path::Path;

use sansmq_core::json::{Json, Key, Style, write_compact};
use sansmq_core::message::properties;
use sansmq_core::message::record::Record;
use sansmq_store::tools::{Finding, IndexFileSummary, LogFileSummary, QueueSummary, Report};

fn int(number: impl TryInto<i64>) -> Json {
    Json::Int(number.try_into().unwrap_or(i64::MAX))
}

fn text(text: impl Into<String>) -> Json {
    Json::Str(text.into())
}

fn path(path: &Path) -> Json {
    text(path.display().to_string())
}

fn list<T>(all: &[T], one: impl Fn(&T) -> Json) -> Json {
    Json::Array(all.iter().map(one).collect())
}

/// A whole report on one line.
pub fn report(report: &Report) -> String {
    let durable = |position: Option<u64>| position.map_or(Json::Null, int);
    let json = Json::object([
        ("root", path(&report.root)),
        ("clean", Json::Bool(report.clean)),
        ("damaged", Json::Bool(report.is_damaged())),
        ("logStart", int(report.log_start)),
        ("logEnd", int(report.log_end)),
        ("records", int(report.records)),
        ("checkpointLogTime", int(report.checkpoint_times.0)),
        ("checkpointQueueTime", int(report.checkpoint_times.1)),
        ("durableLog", durable(report.durable.map(|d| d.0))),
        ("durableQueues", durable(report.durable.map(|d| d.1))),
        ("log", list(&report.log, log_file)),
        ("queues", list(&report.queues, queue)),
        ("index", list(&report.index, index_file)),
        ("findings", list(&report.findings, finding)),
    ]);
    write_compact(&json, Style::Standard)
}

fn log_file(file: &LogFileSummary) -> Json {
    Json::object([
        ("path", path(&file.path)),
        ("base", int(file.base)),
        ("len", int(file.len)),
        ("used", int(file.used)),
        ("records", int(file.records)),
        ("firstTime", int(file.first_time)),
        ("lastTime", int(file.last_time)),
    ])
}

fn queue(queue: &QueueSummary) -> Json {
    Json::object([
        ("topic", text(&queue.topic)),
        ("queueId", int(queue.queue_id)),
        ("files", int(queue.files)),
        ("min", int(queue.min)),
        ("max", int(queue.max)),
        ("fillers", int(queue.fillers)),
        ("firstRecord", int(queue.first_record)),
        ("lastRecord", int(queue.last_record)),
        ("batch", Json::Bool(queue.is_batch)),
        ("extUnits", int(queue.ext_units)),
    ])
}

fn index_file(file: &IndexFileSummary) -> Json {
    Json::object([
        ("path", path(&file.path)),
        ("len", int(file.len)),
        ("beginTime", int(file.begin_time)),
        ("endTime", int(file.end_time)),
        ("beginOffset", int(file.begin_offset)),
        ("endOffset", int(file.end_offset)),
        ("usedSlots", int(file.used_slots)),
        ("entries", int(file.entries)),
    ])
}

fn finding(finding: &Finding) -> Json {
    Json::object([
        ("path", path(&finding.path)),
        ("at", int(finding.at)),
        ("damage", Json::Bool(finding.is_damage)),
        ("what", text(&finding.what)),
    ])
}

/// One record on one line; the body as text where it is UTF-8, else in hexadecimal digits.
pub fn record(record: &Record<'_>) -> String {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let parts = properties::pairs(record.properties)
        .map(|(name, value)| (Key::Name(lossy(name)), text(lossy(value))));
    let body = match std::str::from_utf8(record.body) {
        Ok(body) => ("body", text(body)),
        Err(_) => ("bodyHex", text(record.body.iter().map(|b| format!("{b:02x}")).collect::<String>())),
    };
    let json = Json::object([
        ("offset", int(record.physical_offset)),
        ("size", int(record.total_size)),
        ("topic", text(String::from_utf8_lossy(record.topic))),
        ("queueId", int(record.queue_id)),
        ("queueOffset", int(record.queue_offset)),
        ("storeTime", int(record.store_timestamp)),
        ("bornTime", int(record.born_timestamp)),
        ("storeHost", text(record.store_host.to_string())),
        ("bornHost", text(record.born_host.to_string())),
        ("sysFlag", int(record.sys_flag)),
        ("flag", int(record.flag)),
        ("reconsumeTimes", int(record.reconsume_times)),
        ("preparedTransactionOffset", int(record.prepared_transaction_offset)),
        ("intact", Json::Bool(record.body_is_intact())),
        ("properties", Json::Object(parts.collect())),
        body,
    ]);
    write_compact(&json, Style::Standard)
}
