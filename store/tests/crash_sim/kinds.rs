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
    pub fn new(dice: &mut Dice, config: &StoreConfig, number: u64, deleted: u64) -> Self {
        let key = format!("s{number}");
        if config.enable_lmq && dice.one_in(2) {
            let names: Vec<&str> = LIGHT.into_iter().filter(|_| dice.one_in(2)).collect();
            let topic = if dice.one_in(5) { LIGHT[0] } else { "Apples" };
            let properties = format!("UNIQ_KEY\x01{key}\x02INNER_MULTI_DISPATCH\x01{}\x02", names.join(","));
            let topic = topic.to_owned();
            return Special { topic, queue_id: 0, sys_flag: 0, key, properties, body: vec![3; 40] };
        }
        if dice.one_in(4) {
            let properties = format!("UNIQ_KEY\x01{key}\x02");
            let topic = short_lived(deleted);
            return Special { topic, queue_id: 1, sys_flag: 0, key, properties, body: vec![5; 60] };
        }
        let mut body = Vec::new();
        let count = 1 + dice.roll(6);
        for n in 0..count {
            push_item(&mut body, &BatchItem { flag: 0, body: &[n as u8 + 1; 20], properties: b"a\x01b" });
        }
        Special {
            topic: "Crates".to_owned(),
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

/// The topic that is in use until the next deletion; its name is never used again.
pub fn short_lived(deleted: u64) -> String {
    format!("Gone{deleted}")
}

/// Whether a topic was deleted: what a crash brings back of it is nobody's business any more.
pub fn is_deleted(topic: &str, deleted: u64) -> bool {
    topic.strip_prefix("Gone").and_then(|n| n.parse::<u64>().ok()).is_some_and(|n| n < deleted)
}
