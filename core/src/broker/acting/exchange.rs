//! EXCHANGE_BROKER_HA_INFO (906) and what a returning master asks its acting slave after it
//! (`AdminBrokerProcessor.exchangeBrokerHaInfo`).

use super::super::{Broker, dispatch};
use crate::store::Store;
use crate::time::Now;
use crate::wire::code::request;
use crate::wire::{Ext, Frame, Reply, ReplyTo};

/// Time a master has to go online after it has called: until then its slave does not act for it.
const SUMMONED_MS: u64 = 15_000;

/// Questions about progress that wait: who asked, and the request code.
#[derive(Debug, Default)]
pub(super) struct Questions(Vec<(ReplyTo, i32)>);

impl<S: Store> Broker<S> {
    /// Without an address a question for one's own; with one, a master that comes back and wants to be followed.
    pub(in crate::broker) fn exchange_ha_info(&mut self, now: Now, frame: &Frame<'_>) -> Reply {
        let address = frame.ext("masterHaAddress").filter(|address| !address.is_empty()).map(str::to_owned);
        if self.is_master() {
            return self.ha_info();
        }
        if let Some(address) = address.filter(|_| !self.ha.is_controller_mode()) {
            tracing::info!(address, "the master of this name comes back");
            self.group.summoned = now.mono.plus_ms(SUMMONED_MS);
            self.master_is_at(now, Some(&address));
            self.hurry_to_master(now);
            self.review_standing(now);
        }
        Reply::success().with_ext(Ext::new())
    }

    /// GET_ALL_CONSUMER_OFFSET (43), GET_ALL_DELAY_OFFSET (45), GET_TIMER_CHECK_POINT (60): answered when nothing is
    /// under way to another master, so that the answer holds. `None` for any other request, and when it waits.
    pub(in crate::broker) fn ask_progress(&mut self, to: ReplyTo, code: i32) -> bool {
        let asked =
            [request::GET_ALL_CONSUMER_OFFSET, request::GET_ALL_DELAY_OFFSET, request::GET_TIMER_CHECK_POINT];
        let waits = asked.contains(&code) && self.is_handing_over();
        if waits {
            self.group.questions.0.push((to, code));
        }
        waits
    }

    fn is_handing_over(&self) -> bool {
        matches!(self.group.standing, super::Standing::Leaving(..) | super::Standing::Saving)
    }

    pub(super) fn answer_questions(&mut self, _now: Now) {
        for (to, code) in core::mem::take(&mut self.group.questions.0) {
            let reply = match code {
                request::GET_ALL_CONSUMER_OFFSET => self.all_consumer_offsets(),
                request::GET_ALL_DELAY_OFFSET => {
                    Reply::success().with_body(dispatch::body(self.schedule.snapshot()))
                }
                _ => self.timer_checkpoint(),
            };
            self.reply(to, reply);
        }
    }
}
