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
    pub is_timer: bool,
    pub has_pop_check_point: bool,
    pub reply_to_client: Option<&'a str>,
}

impl<'a> Known<'a> {
    pub fn scan(text: &'a [u8]) -> Self {
        let mut known = Known { wait: true, ..Known::default() };
        for (name, value) in properties::pairs(text) {
            let value = core::str::from_utf8(value).ok();
            match name {
                b"KEYS" => known.keys = value,
                b"TAGS" => known.tags = value,
                b"UNIQ_KEY" => known.uniq_key = value,
                b"DELAY" => known.delay_level = value.and_then(|v| v.parse().ok()).unwrap_or(0),
                b"WAIT" => known.wait = value.is_none_or(|v| !v.eq_ignore_ascii_case("false")),
                b"TRAN_MSG" => known.is_transaction = value.is_some_and(|v| v.eq_ignore_ascii_case("true")),
                b"TIMER_DELAY_SEC" | b"TIMER_DELAY_MS" | b"TIMER_DELIVER_MS" => known.is_timer = true,
                b"POP_CK" => known.has_pop_check_point = true,
                b"REPLY_TO_CLIENT" => known.reply_to_client = value,
                _ => {}
            }
        }
        known
    }

    pub fn tags_code(&self) -> i64 {
        tags::tags_code(self.tags)
    }
}
