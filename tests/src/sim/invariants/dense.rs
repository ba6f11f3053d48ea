//! The offsets of every queue are given once each and without a gap, in the order of the log.

use std::collections::BTreeMap;

use sansmq_core::message::sysflag;

use super::{Fact, Invariant};

#[derive(Debug, Default)]
pub struct Dense {
    /// The next offset of a queue.
    next: BTreeMap<(String, i32), i64>,
}

impl Invariant for Dense {
    fn name(&self) -> &'static str {
        "queue offsets are dense"
    }

    fn see(&mut self, _now: u64, fact: &Fact<'_>) -> Result<(), String> {
        match *fact {
            Fact::Deleted { topic } => self.next.retain(|(known, _), _| known != topic),
            Fact::Confirmed { record, .. } if sysflag::enters_queue(record.sys_flag) => {
                let Some(topic) = record.topic_str() else {
                    return Err("a topic's name is no text".to_owned());
                };
                let next = record.queue_offset + 1;
                let wanted = self.next.insert((topic.to_owned(), record.queue_id), next);
                if let Some(wanted) = wanted.filter(|wanted| *wanted != record.queue_offset) {
                    return Err(format!(
                        "queue {} of {topic} goes on with {} instead of {wanted}",
                        record.queue_id, record.queue_offset
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::stored;
    use super::*;
    use sansmq_core::message::record::decode;

    #[test]
    fn gaps_and_repetitions_are_found() {
        let mut dense = Dense::default();
        let mut see = |topic: &str, offset| {
            let bytes = stored(topic, offset, 1, b"x");
            let record = decode(&bytes).expect("a record");
            dense.see(1, &Fact::Confirmed { record: &record, message: None }).is_ok()
        };
        assert!(see("T", 0) && see("T", 1) && see("Other", 0));
        assert!(!see("T", 1));
        assert!(!see("T", 3));
    }
}
