//! What the revive topic holds: check points of messages that were handed out, and what was acknowledged of them
//! (`PopCheckPoint`, `AckMsg`, `BatchAckMsg`, `spec/broker-pop-txn-timer.md` D.4).

use crate::json::{self, Style};
use crate::json_struct;
use crate::message::properties;
use crate::message::record::Record;

use crate::broker::names;
use crate::broker::properties::name;

/// Acknowledgements are due this much later than the check point they belong to.
pub(super) const ACK_LATER_MS: i64 = 1_000;
/// Messages of one check point; the bitmap of the reference has 32 bits.
const COUNT_MAX: usize = 32;
/// Seconds until a message that could not be had is looked for again, by number of tries.
const AGAIN_S: [i64; 14] = [10, 20, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1_200];
const AGAIN_LAST_S: i64 = 7_200;

json_struct! {
    /// Messages of one queue that a consumer was given, and has until a time.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub(super) struct CheckPoint {
        /// A retry topic as well.
        pub topic: String = "t",
        pub group: String = "c",
        pub queue_id: i32 = "q",
        pub start_offset: i64 = "so",
        /// Milliseconds since the epoch.
        pub pop_time: i64 = "pt",
        pub invisible_ms: i64 = "it",
        /// Messages that were acknowledged already when this was written, a bit each.
        pub bitmap: i32 = "bm",
        pub count: i32 = "n",
        /// Queue offsets behind the first one's; without it they are consecutive.
        pub diffs: Option<Vec<i32>> = "d",
        pub broker: Option<String> = "bn",
        /// The reference fills it in when it reads the check point.
        pub revive_offset: i64 = "ro",
        /// Derived; ignored when read.
        pub revive_time: i64 = "reviveTime",
        /// How often it was written again.
        pub tries: Option<String> = "rp",
    }
}

json_struct! {
    /// One acknowledgement, or several of the same check point; long names are those of earlier versions.
    #[derive(Clone, Debug, Default, PartialEq)]
    struct AckBody {
        offset: Option<i64> = "ao",
        offset_long: Option<i64> = "ackOffset",
        offsets: Option<Vec<i64>> = "aol",
        offsets_long: Option<Vec<i64>> = "ackOffsetList",
        start: Option<i64> = "so",
        start_long: Option<i64> = "startOffset",
        group: Option<String> = "c",
        group_long: Option<String> = "consumerGroup",
        topic: Option<String> = "t",
        topic_long: Option<String> = "topic",
        queue_id: Option<i32> = "q",
        queue_long: Option<i32> = "queueId",
        pop_time: Option<i64> = "pt",
        pop_time_long: Option<i64> = "popTime",
        broker: Option<String> = "bn",
        broker_long: Option<String> = "brokerName",
    }
}

/// What a check point and its acknowledgements have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    topic: String,
    group: String,
    queue_id: i32,
    start_offset: i64,
    pop_time: i64,
    broker: String,
}

/// A record of the revive topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Handed(CheckPoint),
    Acked(Key, Vec<i64>),
}

impl Entry {
    /// `None` for what is neither, or cannot be read.
    pub fn read(found: &Record<'_>) -> Option<Self> {
        match found.property(name::TAGS)? {
            "ck" => json::from_slice::<CheckPoint>(found.body).ok().map(Entry::Handed),
            "ack" | "bAck" => {
                let body: AckBody = json::from_slice(found.body).ok()?;
                let key = Key {
                    topic: body.topic.or(body.topic_long)?,
                    group: body.group.or(body.group_long)?,
                    queue_id: body.queue_id.or(body.queue_long)?,
                    start_offset: body.start.or(body.start_long)?,
                    pop_time: body.pop_time.or(body.pop_time_long)?,
                    broker: body.broker.or(body.broker_long).unwrap_or_default(),
                };
                let mut offsets = body.offsets.or(body.offsets_long).unwrap_or_default();
                offsets.extend(body.offset.or(body.offset_long));
                Some(Entry::Acked(key, offsets))
            }
            _ => None,
        }
    }
}

impl CheckPoint {
    pub fn key(&self) -> Key {
        Key {
            topic: self.topic.clone(),
            group: self.group.clone(),
            queue_id: self.queue_id,
            start_offset: self.start_offset,
            pop_time: self.pop_time,
            broker: self.broker.clone().unwrap_or_default(),
        }
    }

    /// When the messages are given to somebody else, in milliseconds since the epoch.
    pub fn due_ms(&self) -> i64 {
        self.pop_time.saturating_add(self.invisible_ms)
    }

    /// Queue offsets of the messages that nobody has acknowledged yet.
    pub fn open_offsets(&self) -> Vec<i64> {
        let open = |bit: &usize| self.bitmap & 1_i32.wrapping_shl(u32::try_from(*bit).unwrap_or(0)) == 0;
        let all: Vec<i64> = match self.diffs.as_deref() {
            None | Some([]) => (0..i64::from(self.count)).collect(),
            Some(diffs) => diffs.iter().map(|diff| i64::from(*diff)).collect(),
        };
        let all = all.into_iter().take(COUNT_MAX).enumerate();
        all.filter(|(bit, _)| open(bit)).map(|(_, diff)| self.start_offset.saturating_add(diff)).collect()
    }

    /// The topic its messages were sent to, and the one they go to now.
    pub fn topics(&self, v2: bool) -> (&str, String) {
        let group = &self.group;
        if !self.topic.starts_with(names::RETRY_PREFIX) {
            let separator = if v2 { '+' } else { '_' };
            return (&self.topic, format!("{}{separator}{}", names::retry_topic(group), self.topic));
        }
        let rest =
            self.topic.strip_prefix(names::RETRY_PREFIX).and_then(|rest| rest.strip_prefix(group.as_str()));
        let normal = rest.and_then(|rest| rest.strip_prefix(['_', '+']));
        (normal.unwrap_or(&self.topic), self.topic.clone())
    }

    /// For one message of this one that could not be had: another check point, due some time later. `None` when it
    /// has been tried so often that the settings want it dropped.
    pub fn again(&self, offset: i64, now_ms: i64, gives_up: bool) -> Option<CheckPoint> {
        let tries: usize = self.tries.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0);
        if gives_up && tries > AGAIN_S.len() {
            return None;
        }
        let wait_s = AGAIN_S.get(tries).copied().unwrap_or(AGAIN_LAST_S);
        let due = now_ms.saturating_add(wait_s * 1_000);
        Some(CheckPoint {
            start_offset: offset,
            invisible_ms: due.saturating_sub(self.pop_time),
            bitmap: 0,
            count: 1,
            diffs: Some(vec![0]),
            revive_offset: 0,
            revive_time: due,
            tries: Some((tries + 1).to_string()),
            ..self.clone()
        })
    }

    pub fn body(&self) -> Vec<u8> {
        json::to_vec(self, Style::Fastjson)
    }

    /// Properties of a message that holds it: it comes out of the timer when it is due.
    pub fn properties(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let due = self.due_ms().saturating_sub(ACK_LATER_MS);
        let broker = self.broker.as_deref().unwrap_or("");
        let CheckPoint { topic, queue_id, start_offset, group, pop_time, .. } = self;
        let key = format!("{topic}@{queue_id}@{start_offset}@{group}@{pop_time}@{broker}@ck");
        properties::push(&mut text, name::UNIQ_KEY, &key);
        properties::push(&mut text, name::TAGS, "ck");
        properties::push(&mut text, name::TIMER_DELIVER_MS, &due.to_string());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A check point as the reference wrote it (`spec/broker-pop-txn-timer.md` D.4).
    const SEEN: &str = r#"{"bm":0,"bn":"broker-a","c":"gp","d":[0],"it":10000,"n":1,"pt":1795309535551,"q":1,"reviveTime":1795309545551,"ro":0,"so":0,"t":"TP"}"#;

    fn seen() -> CheckPoint {
        json::from_slice(SEEN.as_bytes()).expect("it is the reference's")
    }

    #[test]
    fn the_references_check_point_reads_and_writes_the_same() {
        let point = seen();
        assert_eq!((point.due_ms(), point.open_offsets()), (1_795_309_545_551, vec![0]));
        assert_eq!(String::from_utf8(point.body()).ok().as_deref(), Some(SEEN));
        let text = point.properties();
        assert_eq!(properties::get(&text, name::UNIQ_KEY), Some("TP@1@0@gp@1795309535551@broker-a@ck"));
        assert_eq!(properties::get(&text, name::TIMER_DELIVER_MS), Some("1795309544551"));
    }

    #[test]
    fn offsets_come_from_differences_or_are_consecutive() {
        let point = CheckPoint { start_offset: 7, count: 3, diffs: Some(vec![0, 2, 5]), bitmap: 2, ..seen() };
        assert_eq!(point.open_offsets(), [7, 12]);
        assert_eq!(CheckPoint { diffs: None, bitmap: 0, ..point }.open_offsets(), [7, 8, 9]);
    }

    #[test]
    fn messages_go_to_the_retry_topic_of_their_topic() {
        let point = seen();
        assert_eq!(point.topics(false), ("TP", "%RETRY%gp_TP".to_owned()));
        assert_eq!(point.topics(true), ("TP", "%RETRY%gp+TP".to_owned()));
        for retry in ["%RETRY%gp_TP", "%RETRY%gp+TP"] {
            let again = CheckPoint { topic: retry.to_owned(), ..seen() };
            assert_eq!(again.topics(true), ("TP", retry.to_owned()));
        }
    }

    #[test]
    fn what_cannot_be_had_comes_later_each_time() {
        let now = 1_795_309_600_000;
        let first = seen().again(3, now, false).expect("it is tried again");
        assert_eq!((first.open_offsets(), first.due_ms()), (vec![3], now + 10_000));
        let second = first.again(3, now, false).expect("it is tried again");
        assert_eq!((second.tries.as_deref(), second.due_ms()), (Some("2"), now + 20_000));
        let old = CheckPoint { tries: Some("99".to_owned()), ..seen() };
        assert_eq!(old.again(3, now, true), None);
        assert_eq!(old.again(3, now, false).map(|point| point.due_ms()), Some(now + 7_200_000));
    }
}
