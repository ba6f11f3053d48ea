//! The other kinds of queue in a history: light ones, those of inner batches, and deleted topics.

use sansmq_core::message::batch::{BatchItem, push_item};
use sansmq_core::message::record::Record;
use sansmq_core::message::{light, sysflag};
use sansmq_core::store::stamp::{INNER_BASE, INNER_NUM};
use sansmq_store::StoreConfig;

use super::life::Dice;

const LIGHT: [&str; 3] = ["%LMQ%x", "%LMQ%y", "%LMQ%z"];

/// Which of the formats a history uses.
pub fn configure(dice: &mut Dice, config: StoreConfig) -> StoreConfig {
    let append_prop_crc = dice.one_in(3);
    StoreConfig {
        enable_lmq: dice.one_in(2),
        append_prop_crc,
        verify_prop_crc: append_prop_crc && dice.one_in(2),
        batch_queue_file_size: 46 * (2 + dice.roll(6)),
        enable_ext: dice.one_in(2),
        ext_file_size: 64 + dice.roll(200),
        ..config
    }
}

/// A message of one of the kinds.
pub struct Special {
    pub topic: String,
    pub queue_id: i32,
    pub sys_flag: i32,
    pub key: String,
    pub properties: String,
    pub body: Vec<u8>,
}

impl Special {
    pub fn new(dice: &mut Dice, config: &StoreConfig, number: u64, short_lived: &ShortLived) -> Self {
        let key = format!("s{number}");
        if config.enable_lmq && dice.one_in(2) {
            let names: Vec<&str> = LIGHT.into_iter().filter(|_| dice.one_in(2)).collect();
            let topic = if dice.one_in(5) { LIGHT[0] } else { "Apples" };
            let properties = format!("UNIQ_KEY\x01{key}\x02INNER_MULTI_DISPATCH\x01{}\x02", names.join(","));
            let topic = topic.to_owned();
            return Special { topic, queue_id: 0, sys_flag: 0, key, properties, body: vec![3; 40] };
        }
        let again = dice.one_in(4);
        if again && !short_lived.is_batch() {
            let properties = format!("UNIQ_KEY\x01{key}\x02");
            let topic = short_lived.name();
            return Special { topic, queue_id: 1, sys_flag: 0, key, properties, body: vec![5; 60] };
        }
        let mut body = Vec::new();
        let count = 1 + dice.roll(6);
        for n in 0..count {
            push_item(&mut body, &BatchItem { flag: 0, body: &[n as u8 + 1; 20], properties: b"a\x01b" });
        }
        Special {
            topic: if again { short_lived.name() } else { "Crates".to_owned() },
            queue_id: dice.roll(2) as i32,
            sys_flag: sysflag::INNER_BATCH | sysflag::NEED_UNWRAP,
            properties: format!("UNIQ_KEY\x01{key}\x02INNER_NUM\x01{count}\x02"),
            key,
            body,
        }
    }
}

/// Queues a record is in: name, number, first offset, messages.
pub fn places(r: &Record<'_>) -> Vec<(String, i32, i64, i64)> {
    let number = |name: &str| r.property(name).and_then(|text| text.parse::<i64>().ok());
    let topic = r.topic_str().unwrap().to_owned();
    if r.sys_flag & sysflag::INNER_BATCH != 0 {
        let (base, count) = (number(INNER_BASE).unwrap_or(0), number(INNER_NUM).unwrap_or(0));
        return vec![(topic, r.queue_id, base, count)];
    }
    let names = r.property(light::NAMES).unwrap_or_default();
    let offsets = r.property(light::OFFSETS).unwrap_or_default();
    let own = (topic.clone(), r.queue_id, r.queue_offset, 1);
    let others = light::places(names, offsets).filter(|(name, _)| *name != topic);
    std::iter::once(own).chain(others.map(|(name, at)| (name.to_owned(), 0, at, 1))).collect()
}

/// The topic that is deleted now and then, and created again under the same name.
#[derive(Default)]
pub struct ShortLived {
    /// Part of the name.
    number: u64,
    /// How often this name was deleted. Its type changes now and then.
    lives: u64,
    /// Byte of the log in front of which its records do not count.
    from: u64,
    /// The deletion may not have reached the device.
    unsure: bool,
}

impl ShortLived {
    pub fn name(&self) -> String {
        format!("Gone{}", self.number)
    }

    /// Whether its messages come as inner batches.
    fn is_batch(&self) -> bool {
        self.lives % 3 == 2
    }

    /// It is deleted, and nothing has been written down yet.
    pub fn delete(&mut self, log_end: u64) {
        (self.from, self.unsure) = (log_end, true);
        self.lives += 1;
    }

    /// All jobs have ended.
    pub fn jobs_are_done(&mut self) {
        self.unsure = false;
    }

    /// After a crash the log ends at `log_end`; the topic's last record left begins at `last`. What a deletion
    /// that was not finished leaves of the topic is nobody's business, unless there are newer records.
    pub fn settle(&mut self, log_end: u64, last: Option<u64>) {
        if std::mem::take(&mut self.unsure) && last.is_none_or(|last| last < self.from) {
            *self = ShortLived { number: self.number + 1, ..ShortLived::default() };
        }
        self.from = self.from.min(log_end);
    }

    /// Whether a record that begins at `offset` counts for a queue of this topic.
    pub fn counts(&self, topic: &str, offset: u64) -> bool {
        match self.number_of(topic) {
            Some(number) => number == self.number && offset >= self.from,
            None => true,
        }
    }

    /// Whether this is the name of one that was given up.
    pub fn is_given_up(&self, topic: &str) -> bool {
        self.number_of(topic).is_some_and(|number| number != self.number)
    }

    fn number_of(&self, topic: &str) -> Option<u64> {
        topic.strip_prefix("Gone")?.parse().ok()
    }
}
