use std::collections::BTreeSet;

use super::super::sync_set::SyncStateSet;
use super::at;

fn set(ids: &[i64]) -> BTreeSet<i64> {
    ids.iter().copied().collect()
}

fn master(ids: &[i64], confirmed: u64) -> SyncStateSet {
    SyncStateSet::new(1, set(ids), 4, 100, confirmed, 15_000, at(0).mono)
}

#[test]
fn a_replica_that_caught_up_is_proposed_at_once() {
    let mut s = master(&[1], 100);
    assert_eq!((s.confirm(150), s.propose(at(1).mono, |_| true)), (150, None));
    s.acked(at(2).mono, 2, 1, 120, 150, false);
    assert_eq!(s.propose(at(2).mono, |_| true), None, "below the confirmed end");
    s.acked(at(3).mono, 3, 2, 150, 150, true);
    assert_eq!(s.propose(at(3).mono, |_| true), None, "a learner");
    s.acked(at(4).mono, 2, 1, 150, 160, false);
    assert_eq!(s.propose(at(4).mono, |_| true), Some(set(&[1, 2])));
    // from here on its word is needed, whether the answer comes or not (KF-04)
    assert_eq!(s.confirm(160), 150);
    assert!(!s.all_have(160) && s.all_have(150));
    s.proposal_failed(at(5).mono);
    assert_eq!(s.confirm(170), 150);
    assert_eq!(s.propose(at(6).mono, |_| true), None, "not again at once");
    assert_eq!(s.propose(at(1500).mono, |_| true), Some(set(&[1, 2])));
    s.install(set(&[1]), 4);
    assert_eq!(s.effective(), set(&[1, 2]), "an equal epoch refutes nothing");
    s.install(set(&[1, 2]), 5);
    s.acked(at(1600).mono, 2, 1, 170, 170, false);
    assert_eq!(s.confirm(170), 170);
}

#[test]
fn nobody_joins_who_is_not_ready_and_nobody_is_put_out_for_it() {
    let mut s = master(&[1, 2], 100);
    s.acked(at(1).mono, 2, 1, 150, 150, false);
    s.acked(at(1).mono, 3, 2, 150, 150, false);
    assert_eq!(s.propose(at(1500).mono, |_| false), None);
    assert_eq!(s.propose(at(1501).mono, |id| id == 3), Some(set(&[1, 2, 3])));
}

#[test]
fn an_unknown_member_blocks() {
    // KF-05: 3 acknowledges while 2 has only shaken hands
    let mut s = master(&[1, 2, 3], 100);
    s.acked(at(1).mono, 3, 9, 180, 180, false);
    assert_eq!(s.confirm(180), 100);
    s.acked(at(2).mono, 2, 8, 140, 180, false);
    assert_eq!(s.confirm(180), 140);
    s.closed(2, 8);
    assert_eq!(s.confirm(180), 140, "and one that left keeps blocking while it is a member");
    assert_eq!(s.propose(at(3).mono, |_| true), Some(set(&[1, 3])), "it is taken out at once");
    assert_eq!(s.confirm(180), 140, "the old set counts until the new one is known");
    s.install(set(&[1, 3]), 5);
    assert_eq!(s.confirm(180), 180);
}

#[test]
fn one_replica_with_two_sessions_counts_once() {
    let mut s = master(&[1, 2], 0);
    s.acked(at(1).mono, 2, 1, 120, 120, false);
    s.acked(at(2).mono, 2, 2, 110, 120, false);
    assert_eq!((s.holders(110), s.holders(120)), (2, 1), "the newer session knows");
    s.acked(at(3).mono, 2, 1, 120, 120, false);
    s.closed(2, 1);
    assert_eq!((s.holders(110), s.holders(120)), (2, 1));
    s.acked(at(3).mono, 7, 3, 120, 120, false);
    assert_eq!(s.holders(120), 1, "replicas outside the set do not count");
}

#[test]
fn who_receives_but_never_acknowledges_is_out_in_time() {
    let mut s = master(&[1, 2, 3], 0);
    for ms in (0..40_000).step_by(500) {
        let end = 100 + ms;
        // 2 stays behind, 3 is always one step behind, which is keeping up
        s.acked(at(ms).mono, 2, 1, 100, end, false);
        s.acked(at(ms).mono, 3, 2, end.saturating_sub(500).max(100), end, false);
        if let Some(wanted) = s.propose(at(ms).mono, |_| true) {
            assert_eq!(wanted, set(&[1, 3]));
            assert!((15_000..17_000).contains(&ms), "{ms}");
            return;
        }
    }
    panic!("2 is still a member");
}

/// What a controller does: takes a change on top of its epoch, or refuses it.
#[derive(Default)]
struct Controller {
    set: BTreeSet<i64>,
    epoch: i32,
}

quickcheck::quickcheck! {
    /// Alter requests and answers get lost and late, replicas come, go and lag: whatever the master calls
    /// confirmed is on every member of the set the controller holds.
    fn confirmed_is_on_every_member(events: Vec<(u8, u8)>) -> bool {
        let mut controller = Controller { set: set(&[1]), epoch: 0 };
        let mut s = SyncStateSet::new(1, set(&[1]), 0, 0, 0, 15_000, at(0).mono);
        let (mut end, mut ends) = (0u64, [0u64; 4]);
        let mut under_way: Vec<(BTreeSet<i64>, i32)> = Vec::new();
        let mut sessions = [1u64; 4];
        for (ms, (kind, which)) in events.iter().enumerate() {
            let now = at(ms as u64 * 700).mono;
            let id = usize::from(which % 3) + 1;
            match kind % 8 {
                0 => end += u64::from(which % 7),
                1 | 2 if id != 1 => {
                    ends[id] = (ends[id] + u64::from(*which)).min(end);
                    s.acked(now, id as i64, sessions[id], ends[id], end, false);
                }
                3 if id != 1 => {
                    s.closed(id as i64, sessions[id]);
                    sessions[id] += 1;
                }
                4 if !under_way.is_empty() => {
                    // a request arrives, in any order; its answer may get lost
                    let (wanted, on) = under_way.remove(usize::from(*which) % under_way.len());
                    let taken = on == controller.epoch;
                    if taken {
                        controller.set = wanted;
                        controller.epoch += 1;
                    }
                    if which % 2 == 0 && taken {
                        s.install(controller.set.clone(), controller.epoch);
                    }
                }
                5 => s.proposal_failed(now),
                6 => s.install(controller.set.clone(), controller.epoch),
                _ => {}
            }
            if let Some(wanted) = s.propose(now, |_| true) {
                under_way.push((wanted, s.set_epoch()));
            }
            let confirmed = s.confirm(end);
            ends[1] = end;
            if !controller.set.iter().all(|id| ends[*id as usize] >= confirmed) {
                return false;
            }
        }
        true
    }
}
