//! A slave by configuration: where it sends consumers, and whose tables it has.

use super::*;
use crate::config::BrokerRole;
use crate::store::Store as _;
use crate::wire::code::response;

const MASTER: &str = "10.0.0.1:10911";

fn bench(id: i64, readable: bool, memory_percent: i32) -> Bench {
    bench_with(id, readable, memory_percent, false)
}

fn bench_with(id: i64, readable: bool, memory_percent: i32, acting: bool) -> Bench {
    let role = if id == 0 { BrokerRole::AsyncMaster } else { BrokerRole::Slave };
    let broker = BrokerConfig {
        broker_id: id,
        enable_slave_acting_master: acting,
        slave_read_enable: readable,
        namesrv_addr: Some("10.0.0.7:9876".into()),
        ..config()
    };
    let store = MessageStoreConfig {
        broker_role: role,
        access_message_in_memory_max_ratio: memory_percent,
        ..Default::default()
    };
    Bench::with(broker, store)
}

/// What a master has in its log.
fn log() -> Vec<u8> {
    let mut master = bench(0, false, 40);
    for text in ["a", "b", "c"] {
        master.put("T", 0, "TAGS\u{1}TagA\u{2}", text);
    }
    master.broker.store.log_slice(0, usize::MAX).expect("a log").to_vec()
}

/// A slave that has a master's log and topic.
fn slave(readable: bool, memory_percent: i32) -> Bench {
    slave_with(readable, memory_percent, false)
}

fn slave_with(readable: bool, memory_percent: i32, acting: bool) -> Bench {
    let mut slave = bench_with(1, readable, memory_percent, acting);
    slave.broker.store.append_raw(slave.now, 0, &log()).expect("whole records");
    slave.named(Some(MASTER));
    slave.tell_tables(1);
    slave
}

impl Bench {
    /// Takes the calls that were made: token, address, code.
    fn asked(&mut self) -> Vec<(u64, String, i32)> {
        let calls = core::mem::take(&mut self.other).into_iter().filter_map(|out| match out {
            ServerOut::Call { to: Target::Addr(addr), token, command, .. } => {
                Some((token, addr, command.code))
            }
            _ => None,
        });
        calls.collect()
    }

    fn answer(&mut self, token: u64, answer: Command) {
        self.handle(ServerIn::Answer { token, result: Ok(answer) });
    }

    /// A NameServer answers the registration that is due.
    fn named(&mut self, master: Option<&str>) {
        let known = |out: &ServerOut| matches!(out, ServerOut::Call { command, .. } if command.code == request::REGISTER_BROKER);
        if !self.other.iter().any(known) {
            self.pass(31_000);
        }
        let calls = self.asked();
        let (token, ..) = calls.iter().find(|(_, _, code)| *code == request::REGISTER_BROKER).expect("due");
        let ext = match master {
            Some(addr) => Ext::new().with("masterAddr", addr.to_owned()),
            None => Ext::new(),
        };
        self.answer(*token, command_of(0, ext, ""));
    }

    /// The master answers every question there is; its tables have this version.
    fn tell_tables(&mut self, version: i64) -> Vec<(String, i32)> {
        let calls = self.asked();
        let version = format!(r#"{{"counter":{version},"stateVersion":0,"timestamp":5}}"#);
        for (token, _, code) in &calls {
            let body = match *code {
                request::GET_ALL_TOPIC_CONFIG => format!(
                    r#"{{"topicConfigTable":{{"T":{{"topicName":"T","perm":6,"readQueueNums":2,"writeQueueNums":2,
                    "attributes":{{"+message.type":"FIFO"}}}}}},"dataVersion":{version}}}"#
                ),
                request::GET_ALL_CONSUMER_OFFSET => r#"{"offsetTable":{"T@CG":{0:2}}}"#.to_owned(),
                request::GET_ALL_DELAY_OFFSET => r#"{"offsetTable":{3:7}}"#.to_owned(),
                request::GET_ALL_SUBSCRIPTIONGROUP_CONFIG => format!(
                    r#"{{"subscriptionGroupTable":{{"cg":{{"groupName":"cg","brokerId":2,
                    "whichBrokerWhenConsumeSlowly":3}}}},"dataVersion":{version}}}"#
                ),
                _ => continue,
            };
            self.answer(*token, command_of(0, Ext::new(), &body));
        }
        for (token, _, code) in &calls {
            let others = [
                request::GET_ALL_MESSAGE_REQUEST_MODE,
                request::GET_TIMER_METRICS,
                request::GET_TIMER_CHECK_POINT,
            ];
            if others.contains(code) {
                self.answer(*token, command_of(1, Ext::new(), ""));
            }
        }
        calls.into_iter().map(|(_, addr, code)| (addr, code)).collect()
    }

    fn has_topic(&self) -> bool {
        self.broker.topics.get("T").is_some()
    }
}

fn command_of(code: i32, ext: Ext, body: &str) -> Command {
    Command::request(code, ext).with_body(body.as_bytes().to_vec())
}

fn told(reply: &Reply) -> (i32, String) {
    (reply.code, text(reply, "suggestWhichBrokerId"))
}

#[test]
fn a_slave_sends_consumers_back_to_a_master_that_lives() {
    let mut slave = slave(true, 40);
    let found = slave.pull("T", 0, 0, "*");
    assert_eq!(bodies(&found), ["a", "b", "c"]);
    assert_eq!(told(&found), (response::SUCCESS, "0".into()));
    // Nothing here: at once and to the master, whatever the reason.
    for (queue, offset, tags) in [(0, 3, "*"), (0, 9, "*"), (0, 0, "TagB"), (1, 0, "*")] {
        let reply = slave.pull("T", queue, offset, tags);
        assert_eq!(told(&reply), (response::PULL_RETRY_IMMEDIATELY, "0".into()), "{queue} {offset}");
    }
}

#[test]
fn what_memory_does_not_reach_is_read_from_the_slave() {
    let mut slave = slave(true, 0);
    assert_eq!(told(&slave.pull("T", 0, 0, "*")), (response::SUCCESS, "3".into()));
    assert_eq!(told(&slave.pull("T", 0, 0, "TagB")), (response::PULL_RETRY_IMMEDIATELY, "3".into()));
    assert_eq!(told(&slave.pull("T", 0, 3, "*")), (response::PULL_RETRY_IMMEDIATELY, "0".into()));
    for (readable, percent, suggested) in [(true, 0, "1"), (true, 40, "0"), (false, 0, "0")] {
        let mut master = bench(0, readable, percent);
        master.put("T", 0, "", "a");
        assert_eq!(told(&master.pull("T", 0, 0, "*")), (response::SUCCESS, suggested.into()));
    }
}

#[test]
fn an_offset_out_of_a_slaves_range_proves_nothing() {
    let mut slave = slave(true, 40);
    // As long as a smaller id than one's own, but no master, lives.
    slave.broker.min_broker_id = 1;
    assert_eq!(told(&slave.pull("T", 0, 9, "*")), (response::PULL_RETRY_IMMEDIATELY, "2".into()));
    assert_eq!(told(&slave.pull("T", 0, 3, "*")), (response::PULL_NOT_FOUND, "2".into()));
    slave.broker.settings.store.offset_check_in_slave = true;
    assert_eq!(told(&slave.pull("T", 0, 9, "*")), (response::PULL_OFFSET_MOVED, "2".into()));
}

#[test]
fn a_slave_that_may_not_be_read_answers_busy() {
    let mut slave = slave(false, 40);
    assert_eq!(slave.pull("T", 0, 0, "*").code, response::SYSTEM_BUSY);
}

#[test]
fn tables_come_from_the_master_the_name_server_names_and_are_written() {
    let mut slave = bench(1, true, 40);
    assert!(!slave.has_topic());
    slave.named(Some(MASTER));
    slave.saved.clear();
    let asked = slave.tell_tables(1);
    let fast = "10.0.0.1:10909".to_owned();
    assert!(asked.contains(&(fast, request::GET_ALL_TOPIC_CONFIG)), "{asked:?}");
    assert!(asked.contains(&(MASTER.to_owned(), request::GET_ALL_CONSUMER_OFFSET)), "{asked:?}");
    assert!(slave.has_topic());
    assert_eq!(slave.broker.offsets.get("CG", "T", 0), Some(2));
    assert_eq!(slave.broker.schedule.snapshot().offsets.get(&3), Some(&7));
    slave.pass(1_000);
    for file in ["topics.json", "subscriptionGroup.json", "consumerOffset.json", "delayOffset.json"] {
        assert!(slave.saved.iter().any(|path| path.ends_with(file)), "{file} of {:?}", slave.saved);
    }
    // KF-13: a round without news is ten seconds later, and neither takes away nor writes what is there.
    slave.saved.clear();
    slave.asked();
    let version = slave.broker.topics.version();
    assert_eq!(version.counter, 1);
    slave.pass(8_000);
    assert!(slave.tell_tables(1).iter().all(|(_, code)| *code != request::GET_ALL_TOPIC_CONFIG));
    slave.pass(1_500);
    slave.tell_tables(1);
    slave.pass(1_500);
    assert!(slave.tell_tables(1).iter().any(|(_, code)| *code == request::GET_ALL_TOPIC_CONFIG));
    slave.pass(1_000);
    assert!(slave.has_topic() && slave.broker.topics.version() == version);
    assert!(!slave.saved.iter().any(|path| path.ends_with("topics.json")), "{:?}", slave.saved);
}

#[test]
fn nobody_is_asked_when_no_master_lives() {
    let mut slave = bench(1, true, 40);
    slave.named(Some(MASTER));
    assert!(slave.asked().iter().any(|(_, addr, _)| addr == MASTER));
    slave.named(None);
    slave.pass(20_000);
    assert!(slave.asked().iter().all(|(_, addr, _)| addr != MASTER));
    let mut master = bench(0, true, 40);
    master.named(Some(MASTER));
    master.pass(20_000);
    assert!(master.asked().iter().all(|(_, addr, _)| addr != MASTER), "a master follows nobody");
}

#[test]
fn a_slave_tells_its_view_of_the_master() {
    let mut slave = slave(true, 40);
    let end = slave.broker.store.log_bounds().max;
    let reply = slave.ask_from(1, request::GET_BROKER_HA_STATUS, &[], b"");
    let Body::One(body) = &reply.body else { panic!("{reply:?}") };
    let text = String::from_utf8_lossy(body);
    assert!(text.contains(&format!("\"maxOffset\":{end},")), "{text}");
    assert!(text.contains(r#""master":false,"masterCommitLogMaxOffset":0"#), "{text}");
    assert!(text.contains(r#""lastReadTimestamp":0"#), "never connected: {text}");
}

#[test]
fn without_a_master_a_slave_holds_pulls_and_lets_go_when_one_comes() {
    let mut slave = slave_with(true, 40, true);
    let group = |slave: &mut Bench, members: &str| {
        slave.pass(1_100);
        let calls = slave.asked();
        let asked = calls.iter().find(|(_, _, code)| *code == request::GET_BROKER_MEMBER_GROUP);
        let body = format!(
            r#"{{"brokerMemberGroup":{{"cluster":"C","brokerName":"broker-a","brokerAddrs":{{{members}}}}}}}"#
        );
        slave.answer(asked.expect("every second").0, command_of(0, Ext::new(), &body));
    };
    group(&mut slave, r#"0:"10.0.0.1:10911",1:"10.0.0.2:10911""#);
    assert_eq!(slave.pull("T", 0, 3, "*").code, response::PULL_RETRY_IMMEDIATELY);
    group(&mut slave, r#"1:"10.0.0.2:10911""#);
    assert_eq!(told(&slave.pull("T", 0, 3, "*")).0, response::PULL_NOT_FOUND);
    slave.pass(15_000);
    let asked: Vec<_> = slave.asked().into_iter().filter(|(_, addr, _)| addr == MASTER).collect();
    assert!(asked.is_empty(), "nobody asks a master that is gone: {asked:?}");
    let fields = pull_fields("T", 0, 3, "*", 4 | 2, 15_000);
    let fields: Vec<(&'static str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let held = slave.send_from(2, command(request::PULL_MESSAGE, &fields, b""), false);
    assert!(slave.reply_to(held).is_none());
    // The push says it sooner than the next question.
    let pushed = slave.ask(request::NOTIFY_MIN_BROKER_ID_CHANGE, &[("minBrokerId", "0")], b"");
    assert_eq!(pushed.code, response::SUCCESS);
    let reply = slave.reply_to(held).expect("let go");
    assert_eq!(told(&reply), (response::PULL_RETRY_IMMEDIATELY, "0".into()));
    let wrong = slave.ask(request::NOTIFY_MIN_BROKER_ID_CHANGE, &[("minBrokerId", "x")], b"");
    assert_eq!(wrong.code, response::SYSTEM_ERROR);
    assert_eq!(slave.broker.min_broker_id, 0);
}

#[test]
fn brokers_of_a_set_with_acting_masters_send_heartbeats() {
    let mut slave = slave_with(true, 40, true);
    slave.pass(2_500);
    let beats = slave.other.iter().filter(|out| {
        matches!(out, ServerOut::Oneway { to: Target::Addr(addr), command }
            if addr == "10.0.0.7:9876" && command.code == request::QUERY_DATA_VERSION)
    });
    assert!((2..=3).contains(&beats.count()));
    let mut plain = slave_with(true, 40, false);
    plain.pass(2_500);
    assert!(!plain.other.iter().any(|out| matches!(out, ServerOut::Oneway { .. })));
}
