//! The properties of a message that the broker itself looks at, found in one pass.

use crate::message::{properties, tags};

/// Names of `MessageConst`.
pub(super) mod name {
    pub const UNIQ_KEY: &str = "UNIQ_KEY";
    pub const DELAY: &str = "DELAY";
    pub const WAIT: &str = "WAIT";
    pub const REAL_TOPIC: &str = "REAL_TOPIC";
    pub const REAL_QUEUE_ID: &str = "REAL_QID";
    pub const RETRY_TOPIC: &str = "RETRY_TOPIC";
    pub const ORIGIN_MESSAGE_ID: &str = "ORIGIN_MESSAGE_ID";
    pub const POP_CK: &str = "POP_CK";
    pub const TAGS: &str = "TAGS";
    pub const PRODUCER_GROUP: &str = "PGROUP";
    pub const TRANSACTION_PREPARED: &str = "TRAN_MSG";
    pub const TRANSACTION_ID: &str = "__transactionId__";
    pub const TRANSACTION_CHECK_TIMES: &str = "TRANSACTION_CHECK_TIMES";
    pub const CHECK_IMMUNITY_SECONDS: &str = "CHECK_IMMUNITY_TIME_IN_SECONDS";
    pub const PREPARED_QUEUE_OFFSET: &str = "TRAN_PREPARED_QUEUE_OFFSET";
    pub const TIMER_DELAY_SEC: &str = "TIMER_DELAY_SEC";
    pub const TIMER_DELAY_MS: &str = "TIMER_DELAY_MS";
    pub const TIMER_DELIVER_MS: &str = "TIMER_DELIVER_MS";
    pub const TIMER_OUT_MS: &str = "TIMER_OUT_MS";
    pub const TIMER_ENQUEUE_MS: &str = "TIMER_ENQUEUE_MS";
    pub const TIMER_DEQUEUE_MS: &str = "TIMER_DEQUEUE_MS";
    pub const TIMER_ROLL_TIMES: &str = "TIMER_ROLL_TIMES";
    pub const TIMER_DEL_UNIQKEY: &str = "TIMER_DEL_UNIQKEY";
    pub const FIRST_POP_TIME: &str = "1ST_POP_TIME";
    pub const BORN_TIMESTAMP: &str = "BORN_TIMESTAMP";
}

/// A delivery time as the producer writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimerRequest<'a> {
    DelaySec(&'a str),
    DelayMs(&'a str),
    DeliverMs(&'a str),
}

impl TimerRequest<'_> {
    /// The order they are looked for in.
    const fn rank(self) -> u8 {
        match self {
            TimerRequest::DelaySec(_) => 0,
            TimerRequest::DelayMs(_) => 1,
            TimerRequest::DeliverMs(_) => 2,
        }
    }
}

/// A view into a property string.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known<'a> {
    pub keys: Option<&'a str>,
    pub tags: Option<&'a str>,
    pub uniq_key: Option<&'a str>,
    pub delay_level: i32,
    /// False when the producer does not want to wait for disk and replicas.
    pub wait: bool,
    pub is_transaction: bool,
    /// The time asked for, unless the timer has dealt with the message already.
    pub timer: Option<TimerRequest<'a>>,
    pub has_real_topic: bool,
    pub has_pop_check_point: bool,
    pub reply_to_client: Option<&'a str>,
    /// The message takes this one back (`<topic>+<unique key>`).
    pub recalls: Option<&'a str>,
    /// The light queues the message goes to besides its own.
    pub light_queues: Option<&'a str>,
    /// Messages in a batch stored as one record.
    pub inner_num: Option<&'a str>,
}

impl<'a> Known<'a> {
    pub fn scan(text: &'a [u8]) -> Self {
        let mut known = Known { wait: true, ..Known::default() };
        let mut timed = false;
        for (name, value) in properties::pairs(text) {
            let value = core::str::from_utf8(value).ok();
            match name {
                b"KEYS" => known.keys = value,
                b"TAGS" => known.tags = value,
                b"UNIQ_KEY" => known.uniq_key = value,
                b"DELAY" => known.delay_level = value.and_then(|v| v.parse().ok()).unwrap_or(0),
                b"WAIT" => known.wait = value.is_none_or(|v| !v.eq_ignore_ascii_case("false")),
                b"TRAN_MSG" => known.is_transaction = value.is_some_and(|v| v.eq_ignore_ascii_case("true")),
                b"TIMER_DELAY_SEC" => known.ask(TimerRequest::DelaySec(value.unwrap_or(""))),
                b"TIMER_DELAY_MS" => known.ask(TimerRequest::DelayMs(value.unwrap_or(""))),
                b"TIMER_DELIVER_MS" => known.ask(TimerRequest::DeliverMs(value.unwrap_or(""))),
                b"TIMER_OUT_MS" => timed = true,
                b"TIMER_DEL_UNIQKEY" => known.recalls = value,
                b"REAL_TOPIC" => known.has_real_topic = true,
                b"INNER_MULTI_DISPATCH" => known.light_queues = value,
                b"INNER_NUM" => known.inner_num = value,
                b"POP_CK" => known.has_pop_check_point = true,
                b"REPLY_TO_CLIENT" => known.reply_to_client = value,
                _ => {}
            }
        }
        if timed {
            known.timer = None;
        }
        known
    }

    fn ask(&mut self, request: TimerRequest<'a>) {
        if self.timer.is_none_or(|other| request.rank() <= other.rank()) {
            self.timer = Some(request);
        }
    }

    pub fn tags_code(&self) -> i64 {
        tags::tags_code(self.tags)
    }
}
