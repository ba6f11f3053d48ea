//! Brokers that get their roles from the model of the controllers.

pub(in crate::broker) mod cluster;

use super::*;
use crate::wire::code::{request, response};
use cluster::Cluster;

fn cluster(brokers: usize) -> Cluster {
    Cluster::new(brokers, |_, _| {})
}

#[test]
fn nothing_is_taken_and_nobody_told_before_the_first_role() {
    let mut cluster = Cluster::new(1, |_, _| {});
    cluster.cut.insert(0);
    cluster.start(0, crate::store::memory::MemoryStore::default());
    cluster.pass(40_000);
    assert!(cluster.registered.is_empty());
    assert_eq!(cluster.send(0), Some(response::SERVICE_NOT_AVAILABLE));
    let pull = cluster.ask(0, request::PULL_MESSAGE, &[], b"");
    assert_eq!(cluster.reply(pull).map(|reply| reply.code), Some(response::SYSTEM_BUSY));
    cluster.cut.clear();
    cluster.pass(2_000);
    assert_eq!(cluster.send(0), Some(response::SUCCESS));
    let epoch = i64::from(cluster.model.now.epoch);
    assert_eq!(cluster.registered[0], cluster::Registered { broker: 0, id: 0, epoch });
}

#[test]
fn the_master_is_0_in_routes_and_a_slave_its_own_id_in_the_epoch_of_the_controller() {
    let mut cluster = cluster(3);
    cluster.pass(1_500);
    let [master] = cluster.masters()[..] else { panic!("one master, not {:?}", cluster.masters()) };
    for broker in 0..3 {
        let last = cluster.registered.iter().rfind(|r| r.broker == broker).unwrap().clone();
        let id = cluster.broker(broker).replicas().and_then(Replicas::id).unwrap();
        assert_eq!((last.id, last.epoch), (if broker == master { 0 } else { id }, 1));
        let all = cluster.registered.iter().filter(|r| r.broker == broker);
        assert!(
            all.clone().all(|r| r.epoch == 1),
            "never registered outside a role: {:?}",
            cluster.registered
        );
        assert_eq!(
            cluster.send(broker),
            Some(if broker == master { response::SUCCESS } else { response::SYSTEM_BUSY })
        );
        assert_eq!(cluster.files[broker]["root/brokerIdentity"], format!("C1#bb#{id}"));
        assert!(cluster.files[broker]["root/brokerIdentity-temp"].is_empty());
    }
    let slave = (master + 1) % 3;
    let topic = [("topic", "X"), ("readQueueNums", "1"), ("writeQueueNums", "1"), ("perm", "6")];
    let refused = cluster.ask(slave, request::UPDATE_AND_CREATE_TOPIC, &topic, b"");
    let remark = cluster.reply(refused).and_then(|reply| reply.remark).unwrap();
    assert!(remark.contains("slave broker"), "{remark}");
}

#[test]
fn a_killed_master_is_replaced_and_comes_back_as_a_slave_with_its_id() {
    let mut cluster = cluster(2);
    cluster.pass(1_500);
    let old = cluster.masters()[0];
    let id = cluster.broker(old).replicas().and_then(Replicas::id);
    cluster.model.now.set = [1, 2].into();
    cluster.model.now.set_epoch += 1;
    let store = cluster.kill(old);
    cluster.registered.clear();
    cluster.pass(4_500);
    let new = 1 - old;
    assert_eq!(cluster.masters(), [new]);
    assert_eq!(cluster.registered[0], cluster::Registered { broker: new, id: 0, epoch: 2 });
    assert_eq!(cluster.send(new), Some(response::SUCCESS));
    cluster.start(old, store);
    cluster.pass(1_500);
    assert_eq!(cluster.masters(), [new]);
    assert_eq!(cluster.broker(old).replicas().and_then(Replicas::id), id);
    assert_eq!(cluster.send(old), Some(response::SYSTEM_BUSY));
}

#[test]
fn a_slave_asks_the_same_master_again_where_it_takes_replicas_when_it_is_elected_anew() {
    let mut cluster = cluster(2);
    cluster.pass(1_500);
    let slave = 1 - cluster.masters()[0];
    let asked = |cluster: &Cluster| {
        let questions = cluster.between.iter();
        questions
            .filter(|(from, _, code)| *from == slave && *code == request::EXCHANGE_BROKER_HA_INFO)
            .count()
    };
    let before = asked(&cluster);
    assert!(before > 0, "{:?}", cluster.between);
    cluster.model.now.epoch += 1;
    cluster.model.now.set_epoch += 1;
    cluster.pass(3_000);
    assert_eq!(cluster.broker(slave).replicas().and_then(Replicas::role).map(|role| role.epoch), Some(2));
    assert_eq!(asked(&cluster), before + 1);
}

#[test]
fn a_master_that_is_cut_off_alone_in_its_set_goes_on_and_gives_way_when_it_must() {
    let mut cluster = cluster(2);
    cluster.pass(1_500);
    let old = cluster.masters()[0];
    cluster.cut.insert(old);
    cluster.pass(10_000);
    assert_eq!(cluster.send(old), Some(response::SUCCESS), "nobody else can have been elected");
    // The operators' word: another replica is put in its place.
    let new = cluster.broker(1 - old).replicas().and_then(Replicas::id).unwrap();
    let epoch = cluster.model.now.epoch + 1;
    cluster.model.now = Election {
        epoch,
        master: Some((new, cluster::address(1 - old))),
        set_epoch: cluster.model.now.set_epoch + 1,
        set: [new].into(),
    };
    cluster.cut.clear();
    cluster.pass(3_000);
    assert_eq!(cluster.masters(), [1 - old]);
    assert_eq!(cluster.send(old), Some(response::SYSTEM_BUSY));
}
