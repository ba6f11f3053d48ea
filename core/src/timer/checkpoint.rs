//! The `timercheck` file: seven big-endian int64 at the start of 4096 bytes; also the answer to
//! GET_TIMER_CHECK_POINT (60), without the rest.

use crate::body::DataVersion;

const FIELDS: usize = 7;
const FILE_LEN: usize = 4_096;

/// How far the timer is. Everything it speaks of was durable before it was written.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TimerCheckpoint {
    /// Slots before this time are delivered.
    pub read_time: i64,
    /// Position behind the last durable entry of the timer log.
    pub flushed: i64,
    /// Messages of the timer topic below this queue offset are in the log, or delivered.
    pub queue_offset: i64,
    pub master_queue_offset: i64,
    pub version: DataVersion,
}

impl TimerCheckpoint {
    /// Bytes that mean something.
    pub const LEN: usize = FIELDS * 8;

    /// The 56 bytes that mean something.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let v = &self.version;
        let fields: [i64; FIELDS] = [
            self.read_time,
            self.flushed,
            self.queue_offset,
            self.master_queue_offset,
            v.state_version,
            v.timestamp,
            v.counter,
        ];
        fields.iter().flat_map(|field| field.to_be_bytes()).collect()
    }

    #[must_use]
    pub fn to_file(&self) -> Vec<u8> {
        let mut out = self.encode();
        out.resize(FILE_LEN, 0);
        out
    }

    /// `None` for a file that was never written, or too short.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = [0; FIELDS];
        for (field, chunk) in fields.iter_mut().zip(bytes.get(..Self::LEN)?.chunks_exact(8)) {
            *field = i64::from_be_bytes(*chunk.first_chunk()?);
        }
        let [read_time, flushed, queue_offset, master_queue_offset, state_version, timestamp, counter] =
            fields;
        (read_time > 0).then_some(TimerCheckpoint {
            read_time,
            flushed,
            queue_offset,
            master_queue_offset,
            version: DataVersion { state_version, timestamp, counter },
        })
    }
}
