//! Deaths, false alarms, leases and notices.

use super::*;

#[test]
fn a_killed_master_is_replaced_at_once_and_everybody_is_told() {
    let mut bench = Bench::new(|_| {});
    bench.trio();
    bench.beat(3, 500, true);
    bench.close(1);
    assert_eq!(bench.master(), (Some(1), 1), "a lost connection alone is no death");
    assert_eq!(bench.probes.len(), 1);
    bench.probe_ends(CallError::Refused);
    assert_eq!(bench.master(), (Some(3), 2), "the longest log wins");
    let told: Vec<&str> = bench.told.iter().map(|(addr, _)| addr.as_str()).collect();
    assert_eq!(told, ["h2:1", "h3:1"]);
    assert_eq!(bench.told[0].1.ext_text("masterEpoch").as_deref(), Some("2"));
    bench.told.clear();
    bench.pass(1_000);
    assert_eq!(bench.told.len(), 2, "until heartbeats show the new epoch");
}

#[test]
fn a_dying_process_that_still_accepts_is_asked_again() {
    let mut bench = Bench::new(|_| {});
    bench.trio();
    bench.close(1);
    bench.probe_ends(CallError::Closed);
    assert_eq!(bench.master().0, Some(1));
    bench.pass(50);
    assert_eq!(bench.probes.len(), 1);
    bench.probe_ends(CallError::Refused);
    assert_eq!(bench.master().1, 2);
}

#[test]
fn a_reconnected_master_stays() {
    let mut bench = Bench::new(|_| {});
    bench.trio();
    bench.close(1);
    bench.probe_ends(CallError::Connect);
    bench.pass(900);
    bench.pass_alive(5_000, &[1, 2, 3]);
    assert_eq!(bench.master(), (Some(1), 1));
}

#[test]
fn a_restarted_master_goes_on_in_a_new_epoch_and_alone_in_its_set() {
    let mut bench = Bench::new(|_| {});
    bench.trio();
    let register = |bench: &mut Bench, id: i64| {
        let (own, address) = (id.to_string(), format!("h{id}:1"));
        let ext =
            [("brokerName", "bb"), ("clusterName", "C"), ("brokerId", &*own), ("brokerAddress", &*address)];
        bench.ask(1003, &ext, "")
    };
    let reply = register(&mut bench, 2);
    assert_eq!((reply.code, bench.master()), (0, (Some(1), 1)), "a slave's restart changes nothing");
    let reply = register(&mut bench, 1);
    assert_eq!((reply.code, bench.master()), (0, (Some(1), 2)), "{reply:?}");
    assert_eq!(field(&reply, "masterEpoch").as_deref(), Some("2"));
    assert_eq!(field(&reply, "masterBrokerId").as_deref(), Some("1"));
    assert_eq!(bench.state.get("bb").map(|set| set.sync.set.clone()), Some([1].into()));
    let told: Vec<&str> = bench.told.iter().map(|(addr, _)| addr.as_str()).collect();
    assert!(told.contains(&"h2:1") && told.contains(&"h3:1"), "{told:?}");
}

/// The log has the election of another one before the restarted master's own, or after it: never does it go on in its epoch.
#[test]
fn a_master_that_restarts_during_an_election_gets_no_word_of_its_old_epoch() {
    let mut bench = Bench::new(|_| {});
    bench.trio();
    bench.close(1);
    bench.beat(3, 500, true);
    bench.prompt = false;
    bench.probe_ends(CallError::Refused);
    let ext = [("brokerName", "bb"), ("clusterName", "C"), ("brokerId", "1"), ("brokerAddress", "h1:1")];
    let fields = ext.iter().fold(Ext::new(), |all, (key, value)| all.with(*key, (*value).to_owned()));
    let asked = bench.send(99, Command::request(1003, fields));
    bench.prompt = true;
    bench.drain();
    assert_eq!(bench.master(), (Some(3), 2));
    let reply = bench.answer(asked).unwrap();
    assert_ne!(reply.code, 0, "{reply:?}");
    let reply = bench.ask(1003, &ext, "");
    assert_eq!((reply.code, field(&reply, "masterBrokerId").as_deref()), (0, Some("3")));
}

#[test]
fn a_master_that_moves_goes_on_in_a_new_epoch() {
    let mut bench = Bench::new(|_| {});
    bench.trio();
    bench.close(1);
    let ext = [("brokerName", "bb"), ("clusterName", "C"), ("brokerId", "1"), ("brokerAddress", "other:1")];
    let reply = bench.ask(1003, &ext, "");
    assert_eq!((reply.code, bench.master()), (0, (Some(1), 2)), "{reply:?}");
    assert_eq!(field(&reply, "masterAddress").as_deref(), Some("other:1"));
}

#[test]
fn a_hung_master_is_replaced_when_its_heartbeats_time_out() {
    let mut bench = Bench::new(|_| {});
    bench.trio();
    bench.pass_alive(2_500, &[2, 3]);
    assert_eq!(bench.master().0, Some(1));
    bench.pass_alive(1_000, &[2, 3]);
    assert_ne!(bench.master().0, Some(1));
    assert_eq!(bench.master().1, 2);
}

#[test]
fn a_dead_follower_changes_nothing() {
    let mut bench = Bench::new(|_| {});
    bench.trio();
    bench.close(2);
    bench.pass_alive(6_000, &[1, 3]);
    assert_eq!(bench.master(), (Some(1), 1));
    // The set can lose two members one after the other, whoever of the rest just died.
    bench.close(3);
    assert_eq!(bench.alter(1, "[1,3]").code, 0);
    assert_eq!(bench.alter(1, "[1]").code, 0);
}

#[test]
fn nobody_left_costs_one_epoch_and_the_set_heals_itself() {
    let mut bench = Bench::new(|_| {});
    bench.trio();
    bench.pass(20_000);
    assert_eq!(bench.master(), (None, 2));
    bench.beat(2, 1, true);
    assert_eq!(bench.master(), (Some(2), 3), "without anybody asking");
}

#[test]
fn outsiders_are_elected_only_where_that_is_allowed() {
    for (unclean, expected) in [(false, (None, 2)), (true, (Some(3), 2))] {
        let mut bench = Bench::new(|c| c.enable_elect_unclean_master = unclean);
        bench.trio();
        assert_eq!(bench.alter(1, "[1]").code, 0);
        bench.beat(3, 1_000, true);
        bench.close(1);
        bench.probe_ends(CallError::Refused);
        assert_eq!(bench.master(), expected);
    }
}

#[test]
fn a_new_leader_waits_for_heartbeats() {
    let mut bench = Bench::new(|_| {});
    bench.trio();
    bench.lead(false);
    assert_eq!(bench.ask(1004, &[("brokerName", "bb")], "").code, 2007);
    assert_eq!(bench.ask(1005, &[], "").code, 0);
    bench.pass_alive(20_000, &[2, 3]);
    bench.term += 1;
    bench.lead(true);
    bench.pass_alive(2_000, &[2, 3]);
    assert_eq!(bench.master().0, Some(1));
    bench.pass_alive(1_000, &[2, 3]);
    assert_eq!(bench.master().1, 2);
}

/// On a busy machine a leader may miss its followers for a moment, again and again; that must not keep a dead master
/// alive.
#[test]
fn a_leader_in_doubt_for_a_moment_goes_on_where_it_was() {
    let mut bench = Bench::new(|_| {});
    bench.trio();
    for _ in 0..4 {
        bench.pass_alive(1_000, &[2, 3]);
        bench.lead(false);
        bench.lead(true);
    }
    assert_eq!(bench.master().1, 2, "the silent master was replaced");
    assert_ne!(bench.master().0, Some(1));
}

#[test]
fn a_controller_that_did_not_run_kills_nobody() {
    let mut bench = Bench::new(|_| {});
    bench.trio();
    bench.now.mono = bench.now.mono.plus_ms(60_000);
    bench.give(ControllerIn::Server(ServerIn::Tick));
    bench.pass_alive(4_000, &[1, 2, 3]);
    assert_eq!(bench.master(), (Some(1), 1));
}

#[test]
fn leases_are_given_to_the_master_after_proof_and_waited_out() {
    let mut bench = Bench::new(|_| {});
    bench.trio();
    let follower = bench.beat(2, 100, false).unwrap();
    assert_eq!(
        (field(&follower, "isLeader").as_deref(), field(&follower, "leaseMillis")),
        (Some("true"), None)
    );
    bench.prompt = false;
    assert!(bench.beat(1, 100, false).is_none(), "not before raft has proved the leadership");
    bench.commit();
    bench.prompt = true;
    bench.drain();
    let granted = bench.replies.pop().unwrap().1;
    assert_eq!(field(&granted, "leaseMillis").as_deref(), Some("2000"));
    assert_eq!(field(&granted, "masterEpoch").as_deref(), Some("1"));
    let ext = Ext::new().with("brokerName", "bb").with("brokerId", 2).with("designateElect", true);
    let moving = bench.send(99, Command::request(1002, ext));
    assert!(bench.answer(moving).is_none());
    let again = bench.beat(1, 100, false).unwrap();
    assert_eq!(field(&again, "leaseMillis"), None, "no new lease while mastership moves");
    bench.pass_alive(1_500, &[1, 2, 3]);
    assert_eq!(bench.master().0, Some(1));
    bench.pass_alive(1_000, &[1, 2, 3]);
    assert_eq!(bench.master(), (Some(2), 2));
    assert_eq!(bench.answer(moving).unwrap().code, 0);
}

/// The set would consist of one that may be dead, and nobody else could be elected.
#[test]
fn who_was_designated_and_is_not_heard_of_does_not_become_master() {
    let mut bench = Bench::new(|_| {});
    bench.trio();
    bench.beat(1, 100, false);
    let ext = Ext::new().with("brokerName", "bb").with("brokerId", 2).with("designateElect", true);
    let moving = bench.send(99, Command::request(1002, ext));
    bench.pass_alive(2_500, &[1, 3]);
    bench.pass(100);
    let answer = bench.answer(moving).unwrap();
    assert_eq!(answer.code, 2012);
    assert!(answer.remark.is_some_and(|remark| remark.contains("Broker 2 of bb")));
    assert_eq!(bench.master(), (Some(1), 1));
    let granted = bench.beat(1, 100, false).unwrap();
    assert_eq!(field(&granted, "leaseMillis").as_deref(), Some("2000"), "the old master goes on");
}

/// KF-35: an address may change, but not while another broker of that id lives.
#[test]
fn a_living_replica_keeps_its_id_and_a_dead_one_comes_back_elsewhere() {
    let mut bench = Bench::new(|_| {});
    bench.trio();
    let elsewhere =
        [("clusterName", "C1"), ("brokerName", "bb"), ("brokerId", "2"), ("brokerAddress", "b9:1")];
    let refused = bench.ask(1003, &elsewhere, "");
    assert_eq!(refused.code, 2014);
    assert!(refused.remark.is_some_and(|remark| remark.contains("b9:1") && remark.contains("alive")));
    bench.close(2);
    assert_eq!(bench.ask(1003, &elsewhere, "").code, 0);
}

#[test]
fn proof_that_fails_gives_no_lease() {
    let mut bench = Bench::new(|_| {});
    bench.trio();
    bench.prompt = false;
    assert!(bench.beat(1, 100, false).is_none());
    bench.fail();
    bench.drain();
    let reply = bench.replies.pop().unwrap().1;
    assert_eq!(field(&reply, "isLeader").as_deref(), Some("false"));
}

#[test]
fn an_alteration_overtaken_by_another_is_refused_when_applied() {
    let mut bench = Bench::new(|_| {});
    bench.trio();
    bench.prompt = false;
    let alter = |bench: &mut Bench, set: &str| {
        let ext = Ext::new().with("brokerName", "bb").with("masterBrokerId", 1).with("masterEpoch", 1);
        let body = format!("{{\"syncStateSet\":{set},\"syncStateSetEpoch\":2}}");
        bench.send(99, Command::request(1001, ext).with_body(body.into_bytes()))
    };
    let (first, second) = (alter(&mut bench, "[1,2]"), alter(&mut bench, "[1,3]"));
    bench.commit();
    bench.commit();
    bench.drain();
    assert_eq!(bench.answer(first).unwrap().code, 0);
    assert_eq!(bench.answer(second).unwrap().code, 2001);
}

#[test]
fn a_proposal_that_takes_too_long_is_answered() {
    let mut bench = Bench::new(|_| {});
    bench.prompt = false;
    let ext =
        Ext::new().with("brokerName", "bb").with("appliedBrokerId", 1).with("registerCheckCode", "h:1;1");
    let opaque = bench.send(99, Command::request(1013, ext));
    bench.pass(5_001);
    assert_eq!(bench.answer(opaque).unwrap().code, 1);
    bench.commit();
    bench.drain();
    assert!(bench.answer(opaque).is_none(), "nobody is answered twice");
}

#[test]
fn snapshots_bring_everything_back_and_damage_is_refused() {
    let mut bench = Bench::new(|_| {});
    bench.trio();
    let mut other = ControllerState::default();
    other.restore(&bench.state.snapshot()).unwrap();
    assert_eq!(other, bench.state);
    assert!(other.restore(b"{\"version\":9}").is_err());
    assert!(other.restore(b"nonsense").is_err());
    assert_eq!(other, bench.state);
}

#[test]
fn settings_change_at_run_time_but_paths_do_not() {
    let mut bench = Bench::new(|_| {});
    assert_eq!(bench.ask(1009, &[], "controllerStorePath=/x\n").code, 16);
    assert_eq!(bench.ask(1009, &[], "enableElectUncleanMaster=true\n").code, 0);
    assert!(bench.machine.config().enable_elect_unclean_master);
    let shown = bench.ask(1010, &[], "");
    assert_eq!(shown.code, 0);
    assert!(!shown.body.is_empty());
}
