//! Properties that only the store can give, because they speak of offsets or of the finished record
//! (`spec/store.md` section 3): the offsets in light queues, the first offset of an inner batch, the checksum.
//!
//! All offsets are taken in the turn that appends the record, so that no two messages get the same one
//! (`spec/known-failures.md` KF-20).

use super::{AppendError, NewMessage};
use crate::message::light;
use crate::message::{prop_crc, properties, sysflag};

/// Property of an inner batch: how many messages it holds.
pub const INNER_NUM: &str = "INNER_NUM";
/// Property of an inner batch: the queue offset of its first message.
pub const INNER_BASE: &str = "INNER_BASE";

/// Which of the properties are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StampRules {
    /// `enableLmq` and `enableMultiDispatch`.
    pub light_queues: bool,
    /// `maxLmqConsumeQueueNum`: messages for light queues are refused while there are more.
    pub max_light_queues: usize,
    /// `enabledAppendPropCRC`.
    pub prop_crc: bool,
}

/// A message's properties as they are stored, and what follows from them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamped {
    pub properties: Vec<u8>,
    /// Light queues, each once, with the message's offset.
    pub light: Vec<(String, i64)>,
}

/// The last value of a property given in parts.
#[must_use]
pub fn property_of<'a>(message: &NewMessage<'a>, name: &str) -> Option<&'a str> {
    message.properties.iter().rev().find_map(|part| properties::get(part, name))
}

/// Messages a record stands for: the count of an inner batch, else one.
///
/// # Errors
/// [`AppendError::MessageIllegal`] for an inner batch without a possible count.
pub fn message_count(message: &NewMessage<'_>) -> Result<u16, AppendError> {
    if message.sys_flag & sysflag::INNER_BATCH == 0 {
        return Ok(1);
    }
    let count = property_of(message, INNER_NUM).and_then(|count| count.parse().ok());
    count.filter(|count| (1..=i16::MAX as u16).contains(count)).ok_or(AppendError::MessageIllegal)
}

/// What the store adds to a message. `next` gives the next free offset of a queue. `None` when it adds nothing.
pub fn stamp(
    message: &NewMessage<'_>,
    rules: &StampRules,
    next: impl Fn(&str, i32) -> i64,
) -> Option<Stamped> {
    let inner_batch = message.sys_flag & sysflag::INNER_BATCH != 0;
    let enters = sysflag::enters_queue(message.sys_flag) && light::applies_to(message.topic);
    let names =
        if rules.light_queues && enters && !inner_batch { property_of(message, light::NAMES) } else { None };
    if names.is_none() && !inner_batch && !needs_item_stamp(message, rules) {
        return None;
    }
    let mut stale = vec![prop_crc::NAME, light::OFFSETS];
    if names.is_some() {
        stale.push("WAIT"); // the reference drops it here
    }
    if inner_batch {
        stale.push(INNER_BASE);
    }
    let mut out = Stamped { properties: own(message, &stale), light: Vec::new() };
    if inner_batch {
        let base = next(message.topic, message.queue_id);
        properties::push(&mut out.properties, INNER_BASE, &base.to_string());
    }
    if let Some(names) = names {
        let mut offsets = String::new();
        for (n, name) in names.split(light::SEPARATOR).enumerate() {
            if n > 0 {
                offsets.push(light::SEPARATOR);
            }
            if light::is_light(name) {
                let offset = next(name, light::QUEUE_ID);
                offsets.push_str(&offset.to_string());
                let own = (message.topic, message.queue_id) == (name, light::QUEUE_ID);
                if !own && out.light.iter().all(|(known, _)| known != name) {
                    out.light.push((name.to_owned(), offset));
                }
            }
        }
        // only separators when no name is that of a light queue: a reader would still find as many offsets
        if !offsets.is_empty() {
            properties::push(&mut out.properties, light::OFFSETS, &offsets);
        }
    }
    reserve_crc(&mut out.properties, rules);
    Some(out)
}

/// The same for one message of a client batch, which the reference puts into no light queue.
#[must_use]
pub fn stamp_item(message: &NewMessage<'_>, rules: &StampRules) -> Option<Vec<u8>> {
    needs_item_stamp(message, rules).then(|| {
        let mut out = own(message, &[prop_crc::NAME, light::OFFSETS]);
        reserve_crc(&mut out, rules);
        out
    })
}

/// A producer's own claim to offsets would be believed by the next recovery.
fn needs_item_stamp(message: &NewMessage<'_>, rules: &StampRules) -> bool {
    rules.prop_crc || rules.light_queues && property_of(message, light::OFFSETS).is_some()
}

fn own(message: &NewMessage<'_>, without: &[&str]) -> Vec<u8> {
    let joined = message.properties.concat();
    let has_any = properties::pairs(&joined).any(|(name, _)| without.iter().any(|n| n.as_bytes() == name));
    if has_any { properties::remove(&joined, without) } else { joined }
}

fn reserve_crc(out: &mut Vec<u8>, rules: &StampRules) {
    if rules.prop_crc {
        out.extend_from_slice(properties::missing_separator(out));
        out.extend_from_slice(prop_crc::PLACEHOLDER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<'a>(sys_flag: i32, properties: &'a [&'a [u8]]) -> NewMessage<'a> {
        NewMessage {
            sys_flag,
            properties,
            born_host: "1.2.3.4:5".parse().unwrap(),
            store_host: "1.2.3.4:6".parse().unwrap(),
            ..NewMessage::plain("T", 2, b"b")
        }
    }

    const LIGHT: StampRules = StampRules { light_queues: true, max_light_queues: 9, prop_crc: false };

    #[test]
    fn light_queues_get_their_offsets_and_forged_ones_go() {
        let parts: [&[u8]; 2] = [
            b"WAIT\x01true\x02INNER_MULTI_DISPATCH\x01%LMQ%a,plain,%LMQ%b,%LMQ%a\x02",
            b"INNER_MULTI_QUEUE_OFFSET\x0177\x02",
        ];
        let next = |name: &str, _| if name == "%LMQ%a" { 5 } else { 0 };
        let found = stamp(&message(0, &parts), &LIGHT, next).unwrap();
        assert_eq!(properties::get(&found.properties, light::OFFSETS), Some("5,,0,5"));
        assert_eq!(properties::get(&found.properties, "WAIT"), None);
        assert_eq!(found.light, [("%LMQ%a".to_owned(), 5), ("%LMQ%b".to_owned(), 0)]);
        assert_eq!(stamp(&message(0, &parts), &StampRules::default(), next), None);
        let item = stamp_item(&message(0, &parts), &LIGHT).unwrap();
        assert_eq!(properties::get(&item, light::OFFSETS), None);
    }

    #[test]
    fn an_inner_batch_gets_its_base() {
        let parts: [&[u8]; 1] = [b"INNER_NUM\x013\x02INNER_BASE\x0199\x02"];
        let batch = message(sysflag::INNER_BATCH, &parts);
        let found = stamp(&batch, &StampRules::default(), |_, queue| i64::from(queue) + 40).unwrap();
        assert_eq!(properties::get(&found.properties, INNER_BASE), Some("42"));
        assert_eq!(message_count(&batch), Ok(3));
        assert_eq!(message_count(&message(sysflag::INNER_BATCH, &[])), Err(AppendError::MessageIllegal));
        assert_eq!(message_count(&message(0, &[])), Ok(1));
    }

    #[test]
    fn the_checksum_is_last_and_separated() {
        let rules = StampRules { prop_crc: true, ..StampRules::default() };
        let parts: [&[u8]; 1] = [b"__CRC32#\x011234567890\x02a\x01b"];
        let found = stamp(&message(0, &parts), &rules, |_, _| 0).unwrap();
        assert_eq!(found.properties, b"a\x01b\x02__CRC32#\x010000000000\x02");
    }
}
