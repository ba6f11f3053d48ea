//! The way in: which slot a send asks for, and what its producer gets to take it back.

use super::Broker;
use crate::broker::names;
use crate::broker::properties::{Known, TimerRequest, name};
use crate::message::properties;
use crate::store::Store;
use crate::time::Now;
use crate::timer::{RecallHandle, out_time};
use crate::wire::Reply;
use crate::wire::code::response;

impl<S: Store> Broker<S> {
    /// The slot of a message with a time to come; `None` for one that is stored at once.
    pub(in crate::broker) fn timer_slot_for(
        &self,
        now: Now,
        known: &Known<'_>,
    ) -> Result<Option<i64>, Reply> {
        let Some(request) = known.timer else { return Ok(None) };
        let most_ms = i64::from(self.settings.store.timer_max_delay_sec) * 1_000;
        let illegal = || {
            Reply::error(
                response::MESSAGE_ILLEGAL,
                format!(
                    "timer message illegal, the delay time should not be bigger than the max delay {most_ms}ms; \
                     or if set del msg, the delay time should be bigger than the current time"
                ),
            )
        };
        let number = |text: &str| text.parse::<i64>().map_err(|_| illegal());
        let deliver = match request {
            TimerRequest::DelaySec(text) => now.wall_ms.saturating_add(number(text)?.saturating_mul(1_000)),
            TimerRequest::DelayMs(text) => now.wall_ms.saturating_add(number(text)?),
            TimerRequest::DeliverMs(text) => number(text)?,
        };
        if deliver <= now.wall_ms {
            return if known.recalls.is_some() { Err(illegal()) } else { Ok(None) };
        }
        if deliver.saturating_sub(now.wall_ms) > most_ms {
            return Err(illegal());
        }
        if !self.timers.enabled {
            let remark = "accurate timer message is not enabled, timerWheelEnable is false";
            return Err(Reply::error(response::SYSTEM_ERROR, remark));
        }
        let out = out_time(deliver, self.timers.window.precision_ms);
        let limit = i64::from(self.settings.store.timer_congest_num_each_slot);
        if self.timers.wheel.num(out) >= limit.saturating_mul(2) {
            return Err(Reply::error(
                response::SYSTEM_ERROR,
                format!(
                    "timer message is under flow control, max num limit is {0} or the current value is greater \
                     than {limit} and less than {0}, trigger random flow control",
                    limit * 2
                ),
            ));
        }
        Ok(Some(out))
    }

    /// What the producer of a timer message gets to take it back.
    pub(in crate::broker) fn recall_handle(
        &self,
        topic: &str,
        placed: &[u8],
        uniq_key: Option<&str>,
    ) -> Option<String> {
        let out: i64 = properties::get(placed, name::TIMER_OUT_MS)?.parse().ok()?;
        let handle = RecallHandle {
            topic: topic.to_owned(),
            broker: self.settings.broker.broker_name.clone(),
            time: out + 1,
            key: uniq_key?.to_owned(),
        };
        (!topic.starts_with(names::RETRY_PREFIX)).then(|| handle.encode())
    }
}
