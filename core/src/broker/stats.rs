//! Counters as mqadmin reads them (`BrokerStatsManager`, `StoreStatsService`): per topic, per group on a
//! topic, and for the broker as a whole, with rates over the last minute, hour and day.

use std::collections::{HashMap, VecDeque};

use crate::time::{Mono, Now};

const SECOND_MS: u64 = 1_000;
/// Every so many seconds the minute, hour and day windows take a sample.
const MINUTE_STEP: u64 = 10;
const HOUR_STEP: u64 = 600;
const DAY_STEP: u64 = 3_600;
/// Seconds of whole-broker samples kept for the ten-minute rate.
const SECONDS_KEPT: usize = 601;

/// A sum and how many events it came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub value: u64,
    pub times: u64,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at_ms: i64,
    count: Count,
}

/// Samples of one span of time.
#[derive(Clone, Debug, Default)]
struct Window(VecDeque<Sample>);

/// What a window says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    pub sum: u64,
    /// Per second.
    pub tps: f64,
    /// Average value of an event.
    pub average: f64,
}

impl Window {
    fn push(&mut self, sample: Sample, most: usize) {
        if self.0.len() == most {
            self.0.pop_front();
        }
        self.0.push_back(sample);
    }

    #[allow(clippy::cast_precision_loss)] // rates are for people
    fn rate(&self) -> Rate {
        let (Some(first), Some(last)) = (self.0.front(), self.0.back()) else {
            return Rate::default();
        };
        let sum = last.count.value - first.count.value;
        let times = last.count.times - first.count.times;
        let ms = last.at_ms - first.at_ms;
        Rate {
            sum,
            tps: if ms > 0 { sum as f64 * 1_000.0 / ms as f64 } else { 0.0 },
            average: if times > 0 { sum as f64 / times as f64 } else { 0.0 },
        }
    }
}

/// One counter with its windows.
#[derive(Clone, Debug, Default)]
pub struct Item {
    count: Count,
    minute: Window,
    hour: Window,
    day: Window,
}

impl Item {
    fn add(&mut self, value: u64, times: u64) {
        self.count.value += value;
        self.count.times += times;
    }

    fn sample(&mut self, at_ms: i64, second: u64) {
        let sample = Sample { at_ms, count: self.count };
        if second.is_multiple_of(MINUTE_STEP) {
            self.minute.push(sample, 7);
        }
        if second.is_multiple_of(HOUR_STEP) {
            self.hour.push(sample, 7);
        }
        if second.is_multiple_of(DAY_STEP) {
            self.day.push(sample, 25);
        }
    }

    /// Rates over the last minute, hour and day.
    #[must_use]
    pub fn rates(&self) -> [Rate; 3] {
        [self.minute.rate(), self.hour.rate(), self.day.rate()]
    }
}

/// Messages and bytes.
#[derive(Clone, Debug, Default)]
struct Flow {
    nums: Item,
    size: Item,
}

/// Totals of the broker since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub put: u64,
    pub put_bytes: u64,
    pub put_failed: u64,
    /// Pulls that found something, and that found nothing.
    pub found: u64,
    pub missed: u64,
    /// Messages handed to consumers.
    pub transferred: u64,
}

/// All counters.
#[derive(Debug, Default)]
pub struct Stats {
    topics: HashMap<String, Flow>,
    /// topic -> group
    groups: HashMap<String, HashMap<String, Flow>>,
    broker_put: Item,
    broker_get: Item,
    totals: Totals,
    seconds: VecDeque<(Mono, Totals)>,
    next_second: Mono,
    second: u64,
    /// Day number and the totals at its start; likewise for the day before.
    today: (i64, Totals),
    yesterday: Totals,
    largest_put: u32,
}

impl Stats {
    #[must_use]
    pub fn new(now: Now) -> Self {
        let mut stats = Stats { today: (day(now), Totals::default()), ..Stats::default() };
        stats.seconds.push_back((now.mono, Totals::default()));
        stats.next_second = now.mono.plus_ms(SECOND_MS);
        stats
    }

    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        Some(self.next_second)
    }

    /// `count` messages of `bytes` bytes in all were stored.
    pub fn put(&mut self, topic: &str, count: u64, bytes: u64) {
        self.totals.put += count;
        self.totals.put_bytes += bytes;
        self.largest_put = self.largest_put.max(u32::try_from(bytes).unwrap_or(u32::MAX));
        self.broker_put.add(count, count);
        let flow = match self.topics.get_mut(topic) {
            Some(flow) => flow,
            None => self.topics.entry(topic.to_owned()).or_default(),
        };
        flow.nums.add(count, count);
        flow.size.add(bytes, count);
    }

    pub fn put_failed(&mut self) {
        self.totals.put_failed += 1;
    }

    /// A pull handed out `count` messages of `bytes` bytes.
    pub fn pulled(&mut self, group: &str, topic: &str, count: u32, bytes: u64) {
        let count = u64::from(count);
        if count == 0 {
            self.totals.missed += 1;
            return;
        }
        self.totals.found += 1;
        self.totals.transferred += count;
        self.broker_get.add(count, count);
        if !self.groups.get(topic).is_some_and(|groups| groups.contains_key(group)) {
            self.groups.entry(topic.to_owned()).or_default().insert(group.to_owned(), Flow::default());
        }
        if let Some(flow) = self.groups.get_mut(topic).and_then(|groups| groups.get_mut(group)) {
            flow.nums.add(count, count);
            flow.size.add(bytes, count);
        }
    }

    pub fn forget_topic(&mut self, topic: &str) {
        self.topics.remove(topic);
        self.groups.remove(topic);
    }

    #[must_use]
    pub fn totals(&self) -> Totals {
        self.totals
    }

    #[must_use]
    pub fn largest_put(&self) -> u32 {
        self.largest_put
    }

    /// Messages stored and handed out at the start of yesterday and of today, and now.
    #[must_use]
    pub fn days(&self) -> [Totals; 3] {
        [self.yesterday, self.today.1, self.totals]
    }

    /// A counter by the reference's names; `None` when nothing was ever counted under that key.
    #[must_use]
    pub fn item(&self, name: &str, key: &str) -> Option<&Item> {
        let group = || {
            let (topic, group) = key.split_once('@')?;
            self.groups.get(topic)?.get(group)
        };
        match name {
            "TOPIC_PUT_NUMS" => self.topics.get(key).map(|flow| &flow.nums),
            "TOPIC_PUT_SIZE" => self.topics.get(key).map(|flow| &flow.size),
            "GROUP_GET_NUMS" => group().map(|flow| &flow.nums),
            "GROUP_GET_SIZE" => group().map(|flow| &flow.size),
            "BROKER_PUT_NUMS" => Some(&self.broker_put),
            "BROKER_GET_NUMS" => Some(&self.broker_get),
            _ => None,
        }
    }

    /// Messages per second a group took from a topic in the last minute.
    #[must_use]
    pub fn consume_tps(&self, group: &str, topic: &str) -> f64 {
        let flow = self.groups.get(topic).and_then(|groups| groups.get(group));
        flow.map_or(0.0, |flow| flow.nums.minute.rate().tps)
    }

    /// Messages per second sent to a topic in the last minute.
    #[must_use]
    pub fn put_tps(&self, topic: &str) -> f64 {
        self.topics.get(topic).map_or(0.0, |flow| flow.nums.minute.rate().tps)
    }

    /// Takes the samples that are due.
    pub fn tick(&mut self, now: Now) {
        if now.mono < self.next_second {
            return;
        }
        let late_seconds = now.mono.ms_since(self.next_second) / SECOND_MS;
        self.next_second = self.next_second.plus_ms((late_seconds + 1) * SECOND_MS);
        if self.seconds.len() == SECONDS_KEPT {
            self.seconds.pop_front();
        }
        self.seconds.push_back((now.mono, self.totals));
        let today = day(now);
        if today != self.today.0 {
            self.yesterday = self.today.1;
            self.today = (today, self.totals);
        }
        let before = self.second;
        self.second += late_seconds + 1;
        // A late tick samples once for the steps it jumped over.
        if before / MINUTE_STEP == self.second / MINUTE_STEP {
            return;
        }
        let second = if before / DAY_STEP != self.second / DAY_STEP {
            DAY_STEP
        } else if before / HOUR_STEP != self.second / HOUR_STEP {
            HOUR_STEP
        } else {
            MINUTE_STEP
        };
        let flows = self.topics.values_mut().chain(self.groups.values_mut().flat_map(HashMap::values_mut));
        let items = flows.flat_map(|flow| [&mut flow.nums, &mut flow.size]);
        for item in items.chain([&mut self.broker_put, &mut self.broker_get]) {
            item.sample(now.wall_ms, second);
        }
    }

    /// Rates over the last 10, 60 and 600 seconds, as `10s 60s 600s` of runtime info; fewer after the start.
    #[must_use]
    pub fn recent(&self, pick: impl Fn(&Totals) -> u64) -> String {
        let mut rates = Vec::new();
        for seconds in [10_usize, 60, 600] {
            let Some(last) = self.seconds.back() else {
                break;
            };
            let first = self.seconds.len().saturating_sub(seconds + 1);
            let Some(first) = self.seconds.get(first) else {
                break;
            };
            let ms = last.0.ms_since(first.0);
            let sum = pick(&last.1).saturating_sub(pick(&first.1));
            #[allow(clippy::cast_precision_loss)] // rates are for people
            let rate = if ms > 0 { sum as f64 * 1_000.0 / ms as f64 } else { 0.0 };
            rates.push(format!("{rate:?}"));
        }
        rates.join(" ")
    }
}

/// Days since the epoch.
fn day(now: Now) -> i64 {
    now.wall_ms.div_euclid(86_400_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Now {
        Now { mono: Mono(0).plus_ms(second * 1_000), wall_ms: 1_000 * i64::try_from(second).unwrap_or(0) }
    }

    #[test]
    fn rates_follow_the_counters() {
        let mut stats = Stats::new(at(0));
        stats.put("T", 1, 100);
        for second in 1..=60 {
            stats.put("T", 10, 1_000);
            stats.pulled("g", "T", 5, 500);
            stats.tick(at(second));
        }
        let [minute, ..] = stats.item("TOPIC_PUT_NUMS", "T").map(Item::rates).unwrap_or_default();
        assert!((minute.tps - 10.0).abs() < 0.01, "{minute:?}");
        let size = stats.item("TOPIC_PUT_SIZE", "T").map(Item::rates).unwrap_or_default();
        assert!((size[0].average - 100.0).abs() < 0.01);
        assert!((stats.consume_tps("g", "T") - 5.0).abs() < 0.01);
        assert!(stats.item("TOPIC_PUT_NUMS", "Nope").is_none());
        let recent = stats.recent(|totals| totals.put);
        assert_eq!(recent.split(' ').count(), 3);
        assert!(recent.starts_with("10.0 "), "{recent}");
    }
}
