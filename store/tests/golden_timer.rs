//! A store of the reference with timer messages that wait: a broker on it delivers each of them in its second,
//! also those further away than the wheel reaches, and not the one that was taken back.

mod common;

use std::collections::BTreeMap;
use std::fs;

use common::drain;
use common::golden::{Golden, unpack};
use sansmq_core::broker::settings::Settings;
use sansmq_core::broker::{Broker, BrokerMeta};
use sansmq_core::config::{
    AuthConfig, BrokerConfig, MessageStoreConfig, NettyClientConfig, NettyServerConfig,
};
use sansmq_core::message::record;
use sansmq_core::time::{Mono, Now};
use sansmq_core::timer::{Slot, TimerCheckpoint};
use sansmq_core::wire::{ServerIn, ServerOut};
use sansmq_store::{FileStore, atomic};

/// When the reference stopped.
const BEGIN_MS: i64 = 1_795_311_848_000;
const TOPIC: &str = "TopicTimer";

/// Tag -> the slots of its messages, all still to come.
const WAITING: [(&str, &[i64]); 11] = [
    ("S600", &[1_795_312_441]),
    ("S601", &[1_795_312_442, 1_795_312_442, 1_795_312_442]),
    ("DelaySec", &[1_795_312_741]),
    ("DelayMs", &[1_795_312_743]),
    ("S3600", &[1_795_315_441]),
    ("S7200", &[1_795_319_041]),
    ("S86400", &[1_795_398_241]),
    ("S172000", &[1_795_483_841]),
    ("S172800", &[1_795_484_641]),
    ("S172810", &[1_795_484_651]),
    ("S200000", &[1_795_511_841]),
];
const LAST: (&str, i64) = ("S250000", 1_795_561_841);

struct Node {
    broker: Broker<FileStore>,
    now: Now,
}

fn start(golden: &Golden, wall_ms: i64) -> Node {
    let root = golden.root();
    let now = Now { mono: Mono(0), wall_ms };
    let (store, _) = FileStore::open(golden.config(), now).unwrap();
    let config = MessageStoreConfig {
        store_path_root_dir: root.display().to_string(),
        ..MessageStoreConfig::default()
    };
    let settings = Settings::new(
        BrokerConfig::default(),
        config,
        NettyServerConfig::default(),
        NettyClientConfig::default(),
        AuthConfig::default(),
        1 << 30,
    );
    let checkpoint = TimerCheckpoint::decode(&fs::read(root.join("config/timercheck")).unwrap());
    assert!(checkpoint.is_some());
    let meta = BrokerMeta { timer_checkpoint: checkpoint, ..BrokerMeta::default() };
    let host = "127.0.0.1:21110".parse().unwrap();
    let broker = Broker::new(settings.unwrap(), store, meta, host, 1, now);
    let mut node = Node { broker, now };
    node.drain();
    node
}

impl Node {
    fn drain(&mut self) {
        loop {
            if let Some(job) = self.broker.poll_job() {
                self.broker.job_done(self.now, <FileStore as sansmq_core::store::Store>::run(job));
            } else if let Some(out) = self.broker.poll() {
                if let ServerOut::Save { token, path, data } = out {
                    atomic::write_atomic(path.as_ref(), &data).unwrap();
                    self.broker.handle(self.now, ServerIn::Saved { token, result: Ok(()) });
                }
            } else {
                return;
            }
        }
    }

    fn go_to(&mut self, wall_ms: i64) {
        let ms = u64::try_from(wall_ms - self.now.wall_ms).unwrap();
        self.now = Now { mono: self.now.mono.plus_ms(ms), wall_ms };
        for _ in 0..100 {
            self.broker.handle(self.now, ServerIn::Tick);
            self.drain();
            if self.broker.deadline().is_none_or(|due| due > self.now.mono) {
                return;
            }
        }
        panic!("the broker finds no rest");
    }

    /// Tag -> times of delivery.
    fn delivered(&self) -> BTreeMap<String, Vec<i64>> {
        let mut all: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for queue_id in 0..4 {
            for bytes in drain(self.broker.store(), TOPIC, queue_id) {
                let found = record::decode(&bytes).unwrap();
                let tag = found.property("TAGS").unwrap().to_owned();
                all.entry(tag).or_default().push(found.store_timestamp);
            }
        }
        all
    }

    fn stop(mut self) {
        self.broker.shutdown(self.now);
        self.drain();
        self.go_to(self.now.wall_ms + 5_000);
        assert!(self.broker.is_stopped());
    }
}

#[test]
fn what_the_reference_left_waiting_is_delivered_in_its_second() {
    let golden = unpack("d-timer");
    let mut node = start(&golden, BEGIN_MS);
    let before = node.delivered();
    assert_eq!(before.keys().collect::<Vec<_>>(), ["Past", "S3", "S5"]);
    for (tag, slots) in WAITING {
        let due = (slots[0] + 1) * 1_000;
        node.go_to(due - 1);
        assert_eq!(node.delivered().get(tag), None, "{tag} is early");
        node.go_to(due);
        assert_eq!(node.delivered().get(tag), Some(&vec![due; slots.len()]), "{tag}");
        if tag == "S86400" {
            node.stop();
            node = start(&golden, due + 10_000);
            node.go_to(due + 11_000);
        }
    }
    let (tag, slot) = LAST;
    let wheel = fs::read(golden.root().join("timerwheel")).unwrap();
    let at = usize::try_from(Slot::position(slot * 1_000, 1_000)).unwrap();
    let waiting = Slot::decode(wheel[at..].first_chunk().unwrap(), slot * 1_000, 1_000);
    assert_eq!(waiting.map(|slot| (slot.num, slot.first == slot.last)), Some((1, true)), "put off once more");
    node.go_to((slot + 1) * 1_000);
    let all = node.delivered();
    assert_eq!(all.get(tag), Some(&vec![(slot + 1) * 1_000]));
    assert_eq!(all.get("ToDelete"), None);
    assert_eq!(all.values().map(Vec::len).sum::<usize>(), 18);
    node.stop();
    let mut node = start(&golden, (slot + 100) * 1_000);
    node.go_to((slot + 200) * 1_000);
    assert_eq!(node.delivered(), all, "nothing comes twice");
}

#[test]
fn without_the_wheel_and_the_end_of_the_timer_log_nothing_is_missing() {
    let golden = unpack("d-timer");
    fs::remove_file(golden.root().join("timerwheel")).unwrap();
    fs::remove_file(golden.root().join("timerlog/00000000000000000540")).unwrap();
    let mut node = start(&golden, BEGIN_MS);
    for ms in [BEGIN_MS + 1, 1_795_313_700_000, 1_795_400_000_000, 1_795_500_000_000, 1_795_600_000_000] {
        node.go_to(ms);
    }
    let all = node.delivered();
    for (tag, slots) in WAITING {
        assert_eq!(all.get(tag).map(Vec::len), Some(slots.len()), "{tag}");
    }
    assert_eq!((all.get(LAST.0).map(Vec::len), all.get("ToDelete")), (Some(1), None));
}
