//! Whether a half message was committed already, where the memory of this process does not reach: its end came
//! to an earlier process, or so long ago that it is forgotten.
//!
//! The reference has no such check, and a commit that comes again delivers a second copy
//! (`spec/broker-pop-txn-timer.md` A.2). The index knows every committed message by its unique key, so one look-up
//! tells. Without an index (`messageIndexEnable=false`) commits that come again after a restart are carried out.

use super::half::Half;
use crate::broker::Broker;
use crate::message::{record, sysflag};
use crate::store::Store;
use crate::time::Now;

/// Records of one key that are looked at.
const HITS_MAX: u32 = 64;

impl<S: Store> Broker<S> {
    /// Takes note of a commit that only the index still knows; whether there was one.
    pub(super) fn was_committed_before(&mut self, now: Now, half: &Half<'_>) -> bool {
        let offset = half.record.queue_offset;
        let old = half.record.physical_offset < self.transactions.life_began_at;
        if !old && offset >= self.transaction_progress(now).half() || !self.has_committed_copy(half) {
            return false;
        }
        tracing::info!(offset, "a half message was committed before; it is not committed again");
        if offset >= self.transaction_progress(now).half() {
            self.transactions.metrics.add(now.wall_ms, half.real_topic, -1);
        }
        let copy = self.transaction_progress(now).end(offset, half.id, true);
        self.mark_done(now, offset);
        if let Some(copy) = copy {
            self.mark_done(now, copy);
        }
        true
    }

    fn has_committed_copy(&self, half: &Half<'_>) -> bool {
        if half.id.is_empty() {
            return false;
        }
        self.may_have_gone_to(half).iter().any(|(topic, _)| {
            let hits = self.store.query_index(topic, half.id, HITS_MAX, 0, i64::MAX);
            hits.records.iter().filter_map(|bytes| record::decode(bytes).ok()).any(|found| {
                let same = Half::id_of(&found) == Some(half.id);
                same && sysflag::transaction(found.sys_flag) == sysflag::TRANSACTION_COMMIT
            })
        })
    }
}
