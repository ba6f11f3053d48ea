//! A stored message as clients see it, and the ways commands print it.

use flate2::read::ZlibDecoder;
use sansmq_core::message::record::{self, Record};
use sansmq_core::message::{id, properties, sysflag};
use std::fmt;
use std::io::{Read, Write};
use std::net::SocketAddr;

use crate::app::World;
use crate::failure::Failure;
use crate::text;

/// Bits of the system flag that name the compression; 0 and 3 are zlib.
const COMPRESSION_TYPE: i32 = 7 << 8;
const ZLIB: i32 = 3 << 8;
/// Buckets of the map the reference keeps properties in, which decides the order they are printed in.
const PROPERTY_BUCKETS: u32 = 128;

/// A message with its own memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Empty when the message was not read from a queue.
    pub broker_name: String,
    pub topic: String,
    pub queue_id: i32,
    pub store_size: usize,
    pub queue_offset: i64,
    pub flag: i32,
    pub sys_flag: i32,
    /// Milliseconds since the Unix epoch.
    pub born_timestamp: i64,
    pub born_host: SocketAddr,
    /// Milliseconds since the Unix epoch.
    pub store_timestamp: i64,
    pub store_host: SocketAddr,
    /// Byte of the log where the message starts.
    pub log_offset: i64,
    pub body_crc: u32,
    pub reconsume_times: i32,
    pub prepared_transaction_offset: i64,
    pub properties: Vec<(String, String)>,
    /// Uncompressed, unless the compression is one this tool cannot undo.
    pub body: Vec<u8>,
}

impl Message {
    /// The messages that stand back to back in an answer's body; ends at the first that is damaged.
    #[must_use]
    pub fn read_all(mut bytes: &[u8], broker_name: &str) -> Vec<Message> {
        let mut all = Vec::new();
        while let Ok(record) = record::decode(bytes) {
            all.push(Message::from_record(&record, broker_name));
            bytes = bytes.get(record.total_size..).unwrap_or_default();
        }
        all
    }

    fn from_record(record: &Record<'_>, broker_name: &str) -> Message {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Message {
            broker_name: broker_name.to_owned(),
            topic: text(record.topic),
            queue_id: record.queue_id,
            store_size: record.total_size,
            queue_offset: record.queue_offset,
            flag: record.flag,
            sys_flag: record.sys_flag,
            born_timestamp: record.born_timestamp,
            born_host: record.born_host,
            store_timestamp: record.store_timestamp,
            store_host: record.store_host,
            log_offset: record.physical_offset,
            body_crc: record.body_crc,
            reconsume_times: record.reconsume_times,
            prepared_transaction_offset: record.prepared_transaction_offset,
            properties: properties::pairs(record.properties).map(|(k, v)| (text(k), text(v))).collect(),
            body: uncompressed(record),
        }
    }

    /// The last value of a property.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The id made of the broker's address and the place in its log.
    #[must_use]
    pub fn offset_id(&self) -> String {
        id::encode(self.store_host, self.log_offset.cast_unsigned())
    }

    /// The producer's id, or the offset id when there is none.
    #[must_use]
    pub fn id(&self) -> String {
        self.property("UNIQ_KEY").map_or_else(|| self.offset_id(), str::to_owned)
    }

    /// Whether one of the message's keys is `key`.
    #[must_use]
    pub fn has_key(&self, key: &str) -> bool {
        self.property("KEYS").is_some_and(|keys| keys.split(' ').any(|k| k == key))
    }

    fn property_map(&self) -> String {
        text::hash_map(&self.properties, PROPERTY_BUCKETS)
    }
}

fn uncompressed(record: &Record<'_>) -> Vec<u8> {
    let kind = record.sys_flag & COMPRESSION_TYPE;
    if record.sys_flag & sysflag::COMPRESSED != 0 && (kind == 0 || kind == ZLIB) {
        let mut body = Vec::new();
        if ZlibDecoder::new(record.body).read_to_end(&mut body).is_ok() {
            return body;
        }
    }
    record.body.to_vec()
}

impl fmt::Display for Message {
    /// As the reference's `MessageExt.toString`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body: Vec<String> = self.body.iter().map(|b| b.cast_signed().to_string()).collect();
        let broker_name = if self.broker_name.is_empty() { "null" } else { &self.broker_name };
        write!(
            f,
            "MessageExt [brokerName={broker_name}, queueId={}, storeSize={}, queueOffset={}, sysFlag={}, \
             bornTimestamp={}, bornHost=/{}, storeTimestamp={}, storeHost=/{}, msgId={}, commitLogOffset={}, \
             bodyCRC={}, reconsumeTimes={}, preparedTransactionOffset={}, toString()=Message{{topic='{}', \
             flag={}, properties={}, body=[{}], transactionId='null'}}]",
            self.queue_id,
            self.store_size,
            self.queue_offset,
            self.sys_flag,
            self.born_timestamp,
            self.born_host,
            self.store_timestamp,
            self.store_host,
            self.offset_id(),
            self.log_offset,
            self.body_crc,
            self.reconsume_times,
            self.prepared_transaction_offset,
            self.topic,
            self.flag,
            self.property_map(),
            body.join(", ")
        )
    }
}

impl World {
    /// `MSGID: .. MessageExt [..] BODY: ..`.
    ///
    /// # Errors
    /// Only when the output fails.
    pub fn print_line(&mut self, message: &Message, with_body: bool) -> Result<(), Failure> {
        let body = match with_body {
            true => String::from_utf8_lossy(&message.body).into_owned(),
            false => "NOT PRINT BODY".to_owned(),
        };
        writeln!(self.out, "MSGID: {} {message} BODY: {body}", message.id())?;
        Ok(())
    }

    /// The table of a message; its body is written to a file of its own, told apart by `suffix`.
    ///
    /// # Errors
    /// When the output or the body's file cannot be written.
    pub fn print_details(
        &mut self,
        message: &Message,
        offset_id: bool,
        suffix: &str,
        with_body: bool,
    ) -> Result<(), Failure> {
        let path = self.bodies.join(format!("{}{suffix}", message.id()));
        std::fs::create_dir_all(&self.bodies)?;
        std::fs::write(&path, &message.body)?;
        let mut rows = Vec::new();
        if offset_id {
            rows.push(("OffsetID:", message.offset_id()));
        }
        rows.extend([
            ("Topic:", message.topic.clone()),
            ("Tags:", format!("[{}]", message.property("TAGS").unwrap_or("null"))),
            ("Keys:", format!("[{}]", message.property("KEYS").unwrap_or("null"))),
            ("Queue ID:", message.queue_id.to_string()),
            ("Queue Offset:", message.queue_offset.to_string()),
            ("CommitLog Offset:", message.log_offset.to_string()),
            ("Reconsume Times:", message.reconsume_times.to_string()),
            ("Born Timestamp:", self.zone.millis(message.born_timestamp)),
            ("Store Timestamp:", self.zone.millis(message.store_timestamp)),
            ("Born Host:", message.born_host.to_string()),
            ("Store Host:", message.store_host.to_string()),
            ("System Flag:", message.sys_flag.to_string()),
            ("Properties:", message.property_map()),
            ("Message Body Path:", path.display().to_string()),
        ]);
        if with_body {
            rows.push(("Message Body:", String::from_utf8_lossy(&message.body).into_owned()));
        }
        for (name, value) in rows {
            writeln!(self.out, "{name:<20} {value}")?;
        }
        Ok(())
    }
}
