//! What has to hold, one file each, told of everything that happens when it happens.
//!
//! An invariant is fed [`Fact`]s: a broker stands otherwise than before, a record is confirmed for the first time, a
//! producer is promised something, a consumer is shown something. It keeps what it needs and answers at once, so a
//! violation is found at the step that makes it. Nothing here looks at the whole cluster twice: the cost of a fact
//! depends on what is new in it.

mod commits;
mod confirm;
mod delayed;
mod dense;
mod eventually;
mod exclusive;
mod kept;
mod logs;
mod masters;
mod order;
mod range;
mod shown;
mod transactions;

use bytes::Bytes;
use sansmq_core::broker::offsets::OffsetTable;
use sansmq_core::message::record::{self, Record};

use super::ledger::{Ledger, Message};
use eventually::Eventually;
use logs::Logs;

/// Read access to the store of a broker that runs.
pub trait Log {
    /// Bytes of the log from a position on, some at least; `None` when there are none.
    fn slice(&self, from: u64) -> Option<Bytes>;
    /// The next free offset of a queue.
    fn queue_end(&self, topic: &str, queue: i32) -> i64;
}

/// A broker after it has moved.
pub struct Standing<'a> {
    pub machine: usize,
    /// Of its process.
    pub life: u64,
    /// Of the role in force; 0 without one.
    pub epoch: i32,
    pub master: bool,
    /// First and next byte of the log, and what is confirmed of it.
    pub min: u64,
    pub max: u64,
    pub confirm: u64,
    /// Somebody has set its clock by hand.
    pub stepped: bool,
    /// What consumers have committed, when that has changed.
    pub offsets: Option<&'a OffsetTable>,
    pub log: &'a dyn Log,
}

/// A queue in the eyes of a consumer group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub group: &'static str,
    pub topic: &'static str,
    pub queue: usize,
}

/// What happens.
pub enum Fact<'a> {
    Stands(&'a Standing<'a>),
    /// A record is confirmed that was not, on any broker; in the order of the log.
    Confirmed {
        record: &'a Record<'a>,
        message: Option<&'a Message>,
    },
    /// A broker hands the answer of a success to its socket. `asked`: when the message was sent; `lacking`: running
    /// members of the effective SyncStateSet that do not have it.
    Promises {
        machine: usize,
        epoch: i32,
        asked: u64,
        lacking: &'a [usize],
    },
    /// A producer has that answer, and knows the queue offset.
    Promised {
        message: &'a Message,
        offset: i64,
    },
    /// A topic is made away with: its queues may begin anew.
    Deleted {
        topic: &'a str,
    },
    /// Somebody begins to read a topic from its beginning. `reader`: a group, or the member of a broadcast group.
    Joins {
        reader: &'static str,
        topic: &'static str,
    },
    /// A consumer asked for messages from an offset on, and is shown these.
    Shown {
        reader: &'static str,
        place: Place,
        asked: i64,
        shown: &'a [(i64, &'a Message)],
    },
    /// A consumer sends an offset; and is answered. No answer, and it may take effect at any time.
    Commits {
        place: Place,
        offset: i64,
    },
    Committed {
        place: Place,
        offset: i64,
    },
    /// A member of an orderly group holds a queue from now on, by the word of one process; and gives it back.
    Holds {
        member: &'static str,
        place: Place,
        by: (usize, u64),
    },
    LetsGo {
        member: &'static str,
        place: Place,
    },
    /// Whoever was to see something has had the time to.
    Ends,
}

pub trait Invariant {
    fn name(&self) -> &'static str;

    /// Whether it holds also in a history whose configuration accepts loss.
    fn outlives_loss(&self) -> bool {
        false
    }

    /// # Errors
    /// What does not hold.
    fn see(&mut self, now: u64, fact: &Fact<'_>) -> Result<(), String>;
}

/// All of them.
pub struct Invariants {
    logs: Logs,
    eventually: Eventually,
    others: Vec<Box<dyn Invariant>>,
}

impl Default for Invariants {
    fn default() -> Self {
        Invariants {
            logs: Logs::default(),
            eventually: Eventually::default(),
            others: vec![
                Box::<masters::OneMaster>::default(),
                Box::<kept::Kept>::default(),
                Box::<confirm::Confirm>::default(),
                Box::<commits::Commits>::default(),
                Box::<range::Range>::default(),
                Box::<dense::Dense>::default(),
                Box::<shown::Shown>::default(),
                Box::<order::Order>::default(),
                Box::<exclusive::Exclusive>::default(),
                Box::<delayed::Delayed>::default(),
                Box::<transactions::Transactions>::default(),
            ],
        }
    }
}

impl Invariants {
    /// Tells everybody; what does not hold. `may_lose`: loss is what was configured.
    pub fn see(&mut self, now: u64, fact: &Fact<'_>, may_lose: bool) -> Vec<String> {
        let all = [&mut self.logs as &mut dyn Invariant, &mut self.eventually];
        let others = self.others.iter_mut().map(|other| &mut **other as &mut dyn Invariant);
        let mut broken = Vec::new();
        for invariant in all.into_iter().chain(others) {
            if may_lose && !invariant.outlives_loss() {
                continue;
            }
            if let Err(why) = invariant.see(now, fact) {
                broken.push(format!("{}: {why}", invariant.name()));
            }
        }
        broken
    }

    /// Tells everybody where a broker stands, and of the records that are confirmed by that.
    pub fn stands(
        &mut self,
        now: u64,
        standing: &Standing<'_>,
        ledger: &Ledger,
        may_lose: bool,
    ) -> Vec<String> {
        let mut broken = self.see(now, &Fact::Stands(standing), may_lose);
        for bytes in self.logs.take_fresh() {
            match record::decode(&bytes) {
                Ok(record) => {
                    let message = ledger.find(record.body);
                    broken.extend(self.see(now, &Fact::Confirmed { record: &record, message }, may_lose));
                }
                Err(error) => broken.push(format!("a confirmed record cannot be read: {error}")),
            }
        }
        broken
    }

    /// How much is still to be seen, by all readers together.
    #[must_use]
    pub fn owed(&self) -> usize {
        self.eventually.owed()
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! Made-up brokers and records.

    use super::*;
    use sansmq_core::message::encode::{Placement, encode};
    use sansmq_core::store::NewMessage;
    use std::net::SocketAddr;

    /// A log in a vector that begins at byte 0.
    pub struct Bytelog(pub Vec<u8>);

    impl Log for Bytelog {
        fn slice(&self, from: u64) -> Option<Bytes> {
            self.0.get(from as usize..).filter(|rest| !rest.is_empty()).map(Bytes::copy_from_slice)
        }

        fn queue_end(&self, _topic: &str, _queue: i32) -> i64 {
            10
        }
    }

    /// Master of an epoch with this log, all of it confirmed.
    pub fn standing(machine: usize, epoch: i32, log: &Bytelog) -> Standing<'_> {
        let max = log.0.len() as u64;
        Standing {
            machine,
            life: 1,
            epoch,
            master: true,
            min: 0,
            max,
            confirm: max,
            stepped: false,
            offsets: None,
            log,
        }
    }

    pub fn message(id: u64, kind: super::super::ledger::Kind) -> Message {
        Message { id, kind, topic: "T", queue: 0, promised: true }
    }

    pub const PLACE: Place = Place { group: "G", topic: "T", queue: 0 };

    /// A record of a queue.
    pub fn stored(topic: &str, queue_offset: i64, at_ms: i64, body: &[u8]) -> Vec<u8> {
        let host = SocketAddr::from(([10, 0, 0, 1], 1));
        let message = NewMessage { born_host: host, store_host: host, ..NewMessage::plain(topic, 0, body) };
        let mut out = vec![0; 200 + body.len()];
        let place = Placement { queue_offset, physical_offset: 0, store_timestamp: at_ms };
        let length = encode(&message, &place, false, &mut out).expect("a small message can be encoded");
        out.truncate(length);
        out
    }
}
