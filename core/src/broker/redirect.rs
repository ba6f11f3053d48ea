//! Which broker of the name a consumer should pull from next (`PullMessageProcessor.composeResponseHeader`,
//! `spec/ha.md` A.8).

use super::Broker;
use crate::store::{ReadResult, ReadStatus, Store};
use crate::wire::code::response;

/// The id every master has in routes.
const MASTER: i64 = 0;

/// Ids of the brokers a subscription group reads from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Homes {
    /// `brokerId`.
    pub usual: i64,
    /// `whichBrokerWhenConsumeSlowly`.
    pub slow: i64,
}

impl<S: Store> Broker<S> {
    /// The response code of a pull that read `result`, and the broker to pull from next.
    ///
    /// A slave whose master lives serves only what the master's memory does not hold any more; for the rest the
    /// consumer is sent back, at once when nothing was found.
    pub(super) fn redirect(
        &self,
        topic: &str,
        queue_id: i32,
        homes: Homes,
        result: &ReadResult,
        code: i32,
    ) -> (i32, i64) {
        let config = &self.settings.broker;
        let slave = config.broker_id != MASTER;
        if !slave && !config.slave_read_enable {
            return (code, MASTER);
        }
        let behind = self.is_far_behind(topic, queue_id, result);
        if slave && !behind && self.min_broker_id == MASTER {
            let found = result.status == ReadStatus::Found;
            return (if found { code } else { response::PULL_RETRY_IMMEDIATELY }, MASTER);
        }
        let proves = self.is_master() || self.settings.store.offset_check_in_slave;
        if code == response::PULL_OFFSET_MOVED && !proves {
            // The slave may lack what the consumer has seen already: its bounds prove nothing.
            return (response::PULL_RETRY_IMMEDIATELY, homes.usual);
        }
        let suggested = match (config.slave_read_enable && !config.is_in_broker_container, behind) {
            (false, _) => MASTER,
            (true, true) => homes.slow,
            (true, false) => homes.usual,
        };
        (code, suggested)
    }

    /// Whether the record looked at last lies further back in the log than memory reaches.
    fn is_far_behind(&self, topic: &str, queue_id: i32, result: &ReadResult) -> bool {
        let looked = matches!(
            result.status,
            ReadStatus::Found | ReadStatus::NoMatchedMessage | ReadStatus::MessageWasRemoving
        );
        let last = looked.then(|| self.store.queue_entry(topic, queue_id, result.next_offset - 1)).flatten();
        last.is_some_and(|entry| {
            let end = self.store.log_bounds().max;
            end.saturating_sub(entry.offset) > self.settings.memory_bytes_for_messages
        })
    }
}
