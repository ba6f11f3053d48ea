//! Ways to send: one at a time, many in flight, batches, one-way, by key, delayed, in transactions.

use sansmq_core::message::id;
use sansmq_core::wire::Command;

use super::requests::{self, number};
use super::{Call, ORDERLY, PAYER, QUEUES, SENDER, TOPIC};
use crate::sim::ledger::Kind;
use crate::sim::world::World;
use crate::sim::{BROKERS, MS, setup};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// The next when the last is answered.
    One,
    /// So many in flight.
    Many(usize),
    /// Up to so many as one.
    Batch(u64),
    Oneway,
    /// One at a time, all of a key into its queue.
    Keyed(usize),
    Delayed,
    Half,
}

#[derive(Clone, Debug)]
pub struct Producer {
    app: usize,
    style: Style,
    in_flight: usize,
    next_at: u64,
}

/// Everybody who produces.
pub fn all() -> Vec<Producer> {
    let styles = [
        (SENDER, Style::One),
        (SENDER, Style::One),
        (SENDER, Style::Many(8)),
        (SENDER, Style::Batch(6)),
        (SENDER, Style::Oneway),
        (PAYER, Style::Keyed(0)),
        (PAYER, Style::Keyed(1)),
        (PAYER, Style::Keyed(2)),
        (PAYER, Style::Delayed),
        (PAYER, Style::Half),
    ];
    styles.map(|(app, style)| Producer { app, style, in_flight: 0, next_at: 0 }).to_vec()
}

impl World {
    pub(super) fn produce(&mut self, index: usize) {
        let Producer { app, style, in_flight, next_at } = self.client.producers[index].clone();
        let most = if let Style::Many(most) = style { most } else { 1 };
        if next_at > self.time || in_flight >= most {
            return;
        }
        let Some(master) = self.client.apps[app].target.clone() else { return };
        let pace = self.client.pace_ms;
        self.client.producers[index].next_at = self.time + self.dice.workload.between(1, 2 * pace) * MS;
        // now and then somebody has an old route
        let addr = if self.dice.workload.one_in(20) {
            let brokers: Vec<usize> = BROKERS.collect();
            format!("{}:{}", setup::ip(self.dice.workload.pick(&brokers)), setup::BROKER_PORT)
        } else {
            master
        };
        for _ in in_flight..most {
            self.send_one(index, app, style, &addr);
        }
    }

    fn send_one(&mut self, index: usize, app: usize, style: Style, addr: &str) {
        let queue = self.dice.workload.roll(QUEUES as u64) as usize;
        let mut write = |kind, topic, queue| self.oracle.ledger.write(kind, topic, queue);
        let (messages, command) = match style {
            Style::One | Style::Many(_) | Style::Oneway => {
                let message = write(Kind::Plain, TOPIC, queue);
                (vec![message], requests::send(TOPIC, queue, message, &[]))
            }
            Style::Batch(most) => {
                let count = self.dice.workload.between(2, most);
                let messages: Vec<u64> = (0..count).map(|_| write(Kind::Plain, TOPIC, queue)).collect();
                let command = requests::batch(TOPIC, queue, &messages);
                (messages, command)
            }
            Style::Keyed(key) => {
                let queue = key % QUEUES;
                let message = write(Kind::Keyed { key }, ORDERLY, queue);
                let name = format!("key-{key}");
                (vec![message], requests::send(ORDERLY, queue, message, &[("__SHARDINGKEY", &name)]))
            }
            Style::Delayed => {
                let seconds = self.dice.workload.between(1, 4);
                let ms = seconds as i64 * 1_000;
                // the first level is a second, the second is five
                let (kind, name, value) = match seconds {
                    1 => (Kind::Delayed { ms }, "DELAY", 1),
                    4 => (Kind::Delayed { ms: 5_000 }, "DELAY", 2),
                    _ => (Kind::Timed { ms }, "TIMER_DELAY_SEC", seconds),
                };
                let message = write(kind, TOPIC, queue);
                (vec![message], requests::send(TOPIC, queue, message, &[(name, &value.to_string())]))
            }
            Style::Half => {
                let commit = !self.dice.workload.one_in(3);
                let message = write(Kind::Half { commit }, TOPIC, queue);
                let key = format!("K{message}");
                let properties = [("UNIQ_KEY", &key[..]), ("TRAN_MSG", "true"), ("PGROUP", super::PAYERS)];
                (vec![message], requests::send(TOPIC, queue, message, &properties))
            }
        };
        if style == Style::Oneway {
            return self.client_sends(app, addr, &command.oneway());
        }
        self.client.producers[index].in_flight += 1;
        self.client_calls(app, addr, command, Call::Send { producer: index, messages });
    }

    /// The answer to a send, or that there is none.
    pub(super) fn sent(
        &mut self,
        index: usize,
        app: usize,
        addr: &str,
        messages: &[u64],
        answer: Option<Command>,
    ) {
        let producer = &mut self.client.producers[index];
        producer.in_flight = producer.in_flight.saturating_sub(1);
        let code = answer.as_ref().map(|answer| answer.code);
        self.story.sent(self.time, code == Some(0));
        let producer = &mut self.client.producers[index];
        let Some(answer) = answer.filter(|answer| answer.code == 0) else {
            producer.next_at = producer.next_at.max(self.time + 100 * MS);
            self.oracle.refused += 1;
            self.say(&format!("{addr} {code:?} for {messages:?}"));
            return self.lose_target(app);
        };
        let offset = number(&answer, "queueOffset").unwrap_or(-1);
        self.say(&format!("{addr} acknowledges {messages:?} at {offset}"));
        for (message, offset) in messages.iter().zip(offset..) {
            self.oracle.promised(self.time, *message, offset);
        }
        if self.client.producers[index].style == Style::Half
            && let [message] = messages
            && let Some((_, at)) = id::decode(&answer.ext_text("msgId").unwrap_or_default())
        {
            self.half_is_stored(app, addr, *message, (offset, i64::try_from(at).unwrap_or(-1)));
        }
    }
}
