//! Tables of a master on its slaves, in a cluster in memory.

use crate::broker::Broker;
use crate::broker::controller_mode::tests::cluster::{Cluster, address};
use crate::broker::replicas::{Election, Replicas};
use crate::store::Store as _;
use crate::wire::code::{request, response};

fn started(brokers: usize, foreign: bool) -> (Cluster, usize) {
    let mut cluster = Cluster::of(brokers, foreign, |_, _| {});
    cluster.pass(1_500);
    let master = cluster.masters()[0];
    (cluster, master)
}

/// The controller has all brokers in the set, and the master knows.
fn all_in_sync(cluster: &mut Cluster) {
    cluster.model.now.set = (1..=i64::try_from(cluster.brokers.len()).unwrap()).collect();
    cluster.model.now.set_epoch += 1;
    cluster.pass(1_100);
}

fn create_topic(cluster: &mut Cluster, broker: usize, topic: &str) -> i32 {
    let ext = [
        ("topic", topic),
        ("readQueueNums", "3"),
        ("writeQueueNums", "3"),
        ("perm", "6"),
        ("attributes", "+message.type=FIFO"),
    ];
    cluster.ask(broker, request::UPDATE_AND_CREATE_TOPIC, &ext, b"")
}

fn send(cluster: &mut Cluster, broker: usize, topic: &str) -> i32 {
    let ext = [("a", "pg"), ("b", topic), ("c", "TBW102"), ("d", "4"), ("e", "0"), ("f", "0"), ("g", "1")];
    let more = [("h", "0"), ("i", ""), ("j", "0"), ("k", "false"), ("m", "false")];
    cluster.ask(broker, request::SEND_MESSAGE_V2, &[&ext[..], &more[..]].concat(), b"x")
}

#[test]
fn a_change_is_answered_when_the_slaves_in_sync_have_it_on_disk() {
    let (mut cluster, master) = started(3, false);
    all_in_sync(&mut cluster);
    let asked = create_topic(&mut cluster, master, "T1");
    assert_eq!(cluster.reply(asked).map(|reply| reply.code), Some(response::SUCCESS));
    for broker in (0..3).filter(|broker| *broker != master) {
        let topic = cluster.broker(broker).topics.get("T1").unwrap();
        assert_eq!(topic.attributes.get("message.type").map(String::as_str), Some("FIFO"));
        let file = String::from_utf8(cluster.files[broker]["root/config/topics.json"].to_vec()).unwrap();
        assert!(file.contains("\"T1\""));
        assert_eq!(cluster.broker(broker).topics.version(), cluster.broker(master).topics.version());
    }
}

#[test]
fn a_change_waits_for_a_slave_in_sync_that_is_silent_and_says_so() {
    let (mut cluster, master) = started(2, false);
    all_in_sync(&mut cluster);
    let slave = 1 - master;
    let id = cluster.broker(slave).replicas().and_then(Replicas::id).unwrap();
    let store = cluster.kill(slave);
    let asked = create_topic(&mut cluster, master, "T1");
    assert!(cluster.reply(asked).is_none());
    cluster.pass(2_000);
    assert!(cluster.reply(asked).is_none());
    cluster.pass(1_100);
    let reply = cluster.reply(asked).unwrap();
    let remark = reply.remark.unwrap();
    assert_eq!(reply.code, response::SYSTEM_ERROR);
    assert!(remark.contains(&format!("[{id}]")), "{remark}");
    // Out of the set it is waited for no more, and back it has what it missed.
    cluster.model.now.set.remove(&id);
    cluster.model.now.set_epoch += 1;
    cluster.pass(1_100);
    let asked = create_topic(&mut cluster, master, "T2");
    assert_eq!(cluster.reply(asked).map(|reply| reply.code), Some(response::SUCCESS));
    cluster.start(slave, store);
    cluster.pass(1_000);
    assert!(["T1", "T2"].iter().all(|topic| cluster.broker(slave).topics.get(topic).is_some()));
}

/// The master's slave has the log to its end, as far as the master knows.
fn slave_has_the_log(cluster: &mut Cluster, master: usize) -> i64 {
    let id = cluster.broker(1 - master).replicas().and_then(Replicas::id).unwrap();
    let now = cluster.now();
    let broker = cluster.brokers[master].as_mut().unwrap();
    let end = broker.store().log_bounds().max;
    broker.ha.replica_reported(now, id, end);
    id
}

/// It may be elected as soon as it is a member, and what was acknowledged without it would be gone.
#[test]
fn a_slave_with_all_of_the_log_joins_when_it_has_the_tables_as_well() {
    let (mut cluster, master) = started(2, false);
    let slave = 1 - master;
    cluster.failing.insert(slave);
    let asked = create_topic(&mut cluster, master, "T1");
    assert_eq!(
        cluster.reply(asked).map(|reply| reply.code),
        Some(response::SUCCESS),
        "it is alone in the set"
    );
    let id = slave_has_the_log(&mut cluster, master);
    cluster.pass(2_500);
    assert!(!cluster.model.now.set.contains(&id));
    cluster.failing.clear();
    cluster.pass(500);
    assert!(cluster.model.now.set.contains(&id), "at once, not when the set is looked at the next time");
    assert!(cluster.broker(slave).topics.get("T1").is_some());
}

/// What is proposed may be accepted whenever the controllers hear of it.
#[test]
fn a_change_waits_for_a_slave_that_is_to_join_and_the_controllers_do_not_know_of_it_yet() {
    let (mut cluster, master) = started(2, false);
    cluster.cut.insert(master);
    cluster.pass(4_000);
    assert_eq!(cluster.masters(), [master]);
    slave_has_the_log(&mut cluster, master);
    cluster.pass(1_100);
    cluster.failing.insert(1 - master);
    let asked = create_topic(&mut cluster, master, "T1");
    assert!(cluster.reply(asked).is_none());
}

/// A message in a topic that the slave does not know yet could not be read after a failover, however safe its record is.
#[test]
fn a_message_waits_for_the_slaves_to_know_its_topic_whoever_created_it() {
    let (mut cluster, master) = started(2, false);
    all_in_sync(&mut cluster);
    let send = |cluster: &mut Cluster, topic: &str| send(cluster, master, topic);
    let known = send(&mut cluster, "Known");
    assert_eq!(cluster.reply(known).map(|reply| reply.code), Some(response::SUCCESS));
    let id = cluster.broker(1 - master).replicas().and_then(Replicas::id).unwrap();
    cluster.kill(1 - master);
    let created = create_topic(&mut cluster, master, "T1");
    let [known, fresh] = ["Known", "T1"].map(|topic| send(&mut cluster, topic));
    assert_eq!(cluster.reply(known).map(|reply| reply.code), Some(response::SUCCESS));
    assert!(cluster.reply(created).is_none() && cluster.reply(fresh).is_none());
    // Nobody elects the slave any more: what it lacks harms nobody.
    cluster.model.now.set.remove(&id);
    cluster.model.now.set_epoch += 1;
    cluster.pass(1_100);
    assert_eq!(cluster.reply(fresh).map(|reply| reply.code), Some(response::SUCCESS));
    let later = send(&mut cluster, "T1");
    assert_eq!(cluster.reply(later).map(|reply| reply.code), Some(response::SUCCESS));
}

/// Its record is in no other log, and with the old epoch its own promises have ended.
#[test]
fn a_message_that_waits_for_its_topic_is_not_acknowledged_when_another_master_is_there() {
    let (mut cluster, master) = started(3, false);
    all_in_sync(&mut cluster);
    let (dead, next) = ((master + 1) % 3, (master + 2) % 3);
    cluster.kill(dead);
    let fresh = send(&mut cluster, master, "Fresh");
    assert!(cluster.reply(fresh).is_none());
    let new = cluster.broker(next).replicas().and_then(Replicas::id).unwrap();
    cluster.model.now = Election {
        epoch: cluster.model.now.epoch + 1,
        master: Some((new, address(next))),
        set_epoch: cluster.model.now.set_epoch + 1,
        set: [new].into(),
    };
    cluster.pass(1_500);
    assert_eq!(cluster.masters(), [next]);
    assert_eq!(cluster.reply(fresh).map(|reply| reply.code), Some(response::SERVICE_NOT_AVAILABLE));
}

/// A delivered copy that the replicas do not have yet may be cut off: the progress of its level does not count before.
#[test]
fn a_delay_level_has_come_as_far_as_the_replicas_have_what_it_delivered() {
    let (mut cluster, master) = started(2, false);
    all_in_sync(&mut cluster);
    let ext = [("a", "pg"), ("b", "T"), ("c", "TBW102"), ("d", "4"), ("e", "0"), ("f", "0"), ("g", "1")];
    let more = [("h", "0"), ("i", "DELAY\u{1}1\u{2}"), ("j", "0"), ("k", "false"), ("m", "false")];
    let sent = cluster.ask(master, request::SEND_MESSAGE_V2, &[&ext[..], &more[..]].concat(), b"x");
    cluster.pass(100);
    assert_eq!(cluster.reply(sent).map(|reply| reply.code), Some(response::SUCCESS));
    let id = cluster.broker(1 - master).replicas().and_then(Replicas::id).unwrap();
    cluster.kill(1 - master);
    cluster.pass(2_000);
    let queue = |cluster: &Cluster| {
        (0..4)
            .filter_map(|queue| cluster.broker(master).store().queue_bounds("T", queue, u64::MAX))
            .map(|b| b.max)
            .sum()
    };
    let level = |cluster: &Cluster| cluster.broker(master).schedule.snapshot().offsets.get(&1).copied();
    let delivered: i64 = queue(&cluster);
    assert_eq!((delivered, level(&cluster).unwrap_or(0)), (1, 0));
    cluster.model.now.set.remove(&id);
    cluster.model.now.set_epoch += 1;
    cluster.pass(1_100);
    assert_eq!(level(&cluster), Some(1));
}

#[test]
fn whatever_was_answered_is_there_after_a_failover_and_removals_stay_removed() {
    let (mut cluster, master) = started(2, false);
    all_in_sync(&mut cluster);
    let gone = create_topic(&mut cluster, master, "Gone");
    cluster.reply(gone).unwrap();
    for number in 0..20 {
        let asked = create_topic(&mut cluster, master, &format!("T{number}"));
        assert_eq!(cluster.reply(asked).map(|reply| reply.code), Some(response::SUCCESS));
    }
    let asked = cluster.ask(master, request::DELETE_TOPIC_IN_BROKER, &[("topic", "Gone")], b"");
    assert_eq!(cluster.reply(asked).map(|reply| reply.code), Some(response::SUCCESS));
    let group = br#"{"groupName":"CG","retryMaxTimes":7}"#;
    let asked = cluster.ask(master, request::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, &[], group);
    assert_eq!(cluster.reply(asked).map(|reply| reply.code), Some(response::SUCCESS));
    // A first send creates a topic: it is answered when the slave knows the topic.
    assert_eq!(cluster.send(master), Some(response::SUCCESS));
    cluster.kill(master);
    let new = 1 - master;
    let broker = cluster.broker(new);
    assert!((0..20).all(|number| broker.topics.get(&format!("T{number}")).is_some()));
    assert!(broker.topics.get("T").is_some() && broker.topics.get("Gone").is_none());
    assert_eq!(broker.groups.get("CG").map(|group| group.retry_max_times), Some(7));
    cluster.pass(4_500);
    assert_eq!(cluster.masters(), [new]);
    let asked = create_topic(&mut cluster, new, "After");
    assert!(cluster.reply(asked).is_some_and(|reply| reply.code == response::SUCCESS));
}

#[test]
fn offsets_follow_within_a_second_and_are_never_ahead_of_the_log_of_the_slaves() {
    let (mut cluster, master) = started(2, false);
    all_in_sync(&mut cluster);
    let asked = create_topic(&mut cluster, master, "T");
    cluster.reply(asked).unwrap();
    let asked =
        cluster.ask(master, request::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, &[], br#"{"groupName":"CG"}"#);
    cluster.reply(asked).unwrap();
    let commit = |cluster: &mut Cluster, offset: &str| {
        let ext = [("consumerGroup", "CG"), ("topic", "T"), ("queueId", "1"), ("commitOffset", offset)];
        let asked = cluster.ask(master, request::UPDATE_CONSUMER_OFFSET, &ext, b"");
        assert_eq!(cluster.reply(asked).map(|reply| reply.code), Some(response::SUCCESS));
    };
    let offset = |broker: &Broker<_>| broker.offsets.get("CG", "T", 1);
    commit(&mut cluster, "7");
    cluster.pass(1_000);
    assert_eq!(offset(cluster.broker(1 - master)), Some(7));
    // With the slave behind the log, what is committed now is not told yet.
    cluster.send(master);
    commit(&mut cluster, "9");
    cluster.pass(2_000);
    assert_eq!(offset(cluster.broker(1 - master)), Some(7));
    let own = cluster.broker(master).replicas().and_then(Replicas::id).unwrap();
    cluster.model.now.set = [own].into();
    cluster.model.now.set_epoch += 1;
    cluster.pass(1_000);
    assert_eq!(offset(cluster.broker(1 - master)), Some(9));
}

#[test]
fn a_master_of_the_reference_is_polled_as_its_own_slaves_do() {
    let (mut cluster, master) = started(2, true);
    all_in_sync(&mut cluster);
    let asked = create_topic(&mut cluster, master, "T1");
    assert_eq!(cluster.reply(asked).map(|reply| reply.code), Some(response::SUCCESS), "nobody is waited for");
    cluster.between.clear();
    cluster.pass(11_000);
    let slave = 1 - master;
    assert!(cluster.broker(slave).topics.get("T1").is_some());
    for code in [
        request::GET_ALL_TOPIC_CONFIG,
        request::GET_ALL_CONSUMER_OFFSET,
        request::GET_ALL_DELAY_OFFSET,
        request::GET_ALL_SUBSCRIPTIONGROUP_CONFIG,
        request::GET_ALL_MESSAGE_REQUEST_MODE,
    ] {
        assert!(cluster.between.contains(&(slave, master, code)), "{code}");
    }
    assert!(cluster.between.iter().all(|(from, ..)| *from == slave), "a master asks nobody");
}

#[test]
fn a_table_that_cannot_be_written_here_is_not_said_to_be_here() {
    let (mut cluster, master) = started(2, false);
    all_in_sync(&mut cluster);
    let slave = 1 - master;
    cluster.failing.insert(slave);
    let asked = create_topic(&mut cluster, master, "T1");
    cluster.pass(1_000);
    assert!(cluster.reply(asked).is_none());
    cluster.failing.clear();
    cluster.pass(1_000);
    assert_eq!(cluster.reply(asked).map(|reply| reply.code), Some(response::SUCCESS));
    assert!(cluster.files[slave]["root/config/topics.json"].windows(4).any(|text| text == b"\"T1\""));
}
