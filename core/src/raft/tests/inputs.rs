//! What comes from outside: bytes of a peer, images of a disk, proposals at the wrong time.

use std::collections::BTreeSet;

use bytes::Bytes;
use quickcheck::quickcheck;

use super::sim::{CALM, Journal, Sim};
use crate::raft::{
    ImageError, LogRecord, NodeId, ProposeError, RaftConfig, RaftImage, RaftIn, RaftNode, RaftOut, StartError,
};
use crate::time::{Mono, Now};

fn single(image: RaftImage) -> Result<RaftNode<Journal>, StartError> {
    let members = BTreeSet::from([NodeId(0)]);
    RaftNode::start(NodeId(0), members, Journal::default(), image, RaftConfig::default(), 1, Now::default())
}

quickcheck! {
    fn bytes_of_a_peer_never_panic(kind: u8, request: u64, body: Vec<u8>) -> bool {
        let mut sim = Sim::new(1, 3, RaftConfig::default(), CALM);
        let data = [&[kind % 9][..], &request.to_be_bytes(), &body].concat();
        sim.input(NodeId(0), RaftIn::Message { from: NodeId(1), data: data.into() });
        sim.input(NodeId(0), RaftIn::Message { from: NodeId(7), data: body.into() });
        sim.run_ms(50);
        true
    }
}

#[test]
fn changed_messages_do_no_harm() {
    // every message of a formation, with one byte changed, reaches a member as well
    for seed in 0..12u64 {
        let mut sim = Sim::new(seed, 3, RaftConfig::default(), CALM);
        sim.commit(3);
        let junk = br#"{"vote":{"leader_id":{"term":1,"voted_for":1},"committed":true},"prev_log_id":null,"#;
        let tail = [
            &br#""entries":[],"leader_commit":{"leader_id":1,"index":18446744073709551615}}"#[..],
            br#""entries":[{"log_id":{"leader_id":1,"index":9},"payload":"Blank"}],"leader_commit":null}"#,
            br#""entries":{},"leader_commit":null}"#,
        ];
        let data = [&[1u8][..], &seed.to_be_bytes(), junk, tail[seed as usize % 3]].concat();
        let node = sim.slots.get_mut(&NodeId(0)).and_then(|slot| slot.node.as_mut()).expect("it runs");
        // it may end the member's work, in order, but never the process
        node.handle(
            Now { mono: Mono(sim.now), wall_ms: 0 },
            RaftIn::Message { from: NodeId(1), data: data.into() },
        );
        while node.poll().is_some() {}
    }
}

#[test]
fn a_failed_write_ends_the_work_and_answers_everybody() {
    let mut node = single(RaftImage::default()).expect("starts");
    let mut now = Now::default();
    let (mut failed, mut answers, mut proposed) = (false, Vec::new(), false);
    for _ in 0..1_000 {
        while let Some(output) = node.poll() {
            match output {
                RaftOut::Persist { seq, .. } => {
                    let result = if proposed { Err("no space left".to_owned()) } else { Ok(()) };
                    node.handle(now, RaftIn::Persisted { seq, result });
                }
                RaftOut::Proposed { token, result } => answers.push((token, result)),
                RaftOut::Failed { why } => {
                    assert!(why.contains("no space left"), "{why}");
                    failed = true;
                }
                _ => {}
            }
        }
        if node.is_leader() && !proposed {
            proposed = true;
            node.handle(now, RaftIn::Propose { token: 5, command: Bytes::from_static(b"x") });
        }
        let Some(deadline) = node.deadline() else { break };
        now.mono = deadline.max(now.mono);
        node.handle(now, RaftIn::Tick);
    }
    assert!(failed);
    assert_eq!(answers, [(5, Err(ProposeError::Stopped))]);
    node.handle(now, RaftIn::Propose { token: 6, command: Bytes::new() });
    assert!(matches!(node.poll(), Some(RaftOut::Proposed { token: 6, result: Err(ProposeError::Stopped) })));
    assert!(!node.is_leader() && node.deadline().is_none());
}

#[test]
fn proposals_that_cannot_be_taken_are_refused() {
    let mut sim = Sim::new(2, 3, RaftConfig::default(), CALM);
    let leader = sim.await_leader(3_000);
    let other = sim.ids().into_iter().find(|id| *id != leader).expect("three members");
    sim.run_ms(300);
    let now = Now { mono: Mono(sim.now), wall_ms: 0 };
    let mut ask = |id: NodeId, command: Bytes| {
        let node = sim.slots.get_mut(&id).and_then(|slot| slot.node.as_mut()).expect("it runs");
        node.handle(now, RaftIn::Propose { token: 9_999, command });
        loop {
            match node.poll() {
                Some(RaftOut::Proposed { token: 9_999, result }) => return result,
                Some(_) => {}
                None => panic!("no answer"),
            }
        }
    };
    assert_eq!(ask(other, Bytes::new()), Err(ProposeError::NotLeader { leader: Some(leader) }));
    let limit = RaftConfig::default().command_bytes;
    let long = Bytes::from(vec![0; limit + 1]);
    assert_eq!(ask(leader, long), Err(ProposeError::TooLong { bytes: limit + 1, limit }));
}

#[test]
fn damaged_images_are_refused_by_name() {
    let refused = |image: RaftImage| single(image).err().expect("refused").to_string();
    let junk = || Some(Bytes::from_static(b"{"));
    assert!(refused(RaftImage { vote: junk(), ..RaftImage::default() }).contains("vote"));
    assert!(refused(RaftImage { purged: junk(), ..RaftImage::default() }).contains("purge mark"));
    assert!(refused(RaftImage { snapshot: junk(), ..RaftImage::default() }).contains("snapshot"));
    let record = LogRecord { index: 0, data: Bytes::from_static(b"[]") };
    let text = refused(RaftImage { log: vec![record], ..RaftImage::default() });
    assert!(text.contains("record 0 of the log"), "{text}");
    let blank = |index: u64, inside: u64| LogRecord {
        index,
        data: format!("{{\"log_id\":{{\"leader_id\":1,\"index\":{inside}}},\"payload\":\"Blank\"}}").into(),
    };
    let of = |log| single(RaftImage { log, ..RaftImage::default() }).err();
    let gap = StartError::Image(ImageError::Gap { expected: 1, found: 2 });
    assert_eq!(of(vec![blank(0, 0), blank(2, 2)]), Some(gap));
    let misplaced = StartError::Image(ImageError::Misplaced { index: 0, found: 4 });
    assert_eq!(of(vec![blank(0, 4)]), Some(misplaced));
}
