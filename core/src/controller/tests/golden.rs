//! What the reference was captured doing.

use super::*;
use crate::wire::Body;

const ERRORS: &str = include_str!("../../../../tests/golden/ha/controller/admin-and-errors.hex");
const LOG: &str = include_str!("../../../../tests/golden/ha/controller/controller-dledger-log.hex");

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

/// The events of the captured log: an entry's body begins at byte 48.
fn events() -> Vec<Vec<u8>> {
    LOG.lines().map(|line| unhex(line.split(' ').nth(2).unwrap())[48..].to_vec()).collect()
}

#[test]
fn the_reference_log_is_read_applied_and_written_alike() {
    let mut state = ControllerState::default();
    for body in events() {
        if !body.is_empty() {
            let event = Event::decode(&body).unwrap();
            assert_eq!(event.encode(), body);
        }
        state.apply(0, &body);
    }
    let sync = &state.get("bb").unwrap().sync;
    assert_eq!((sync.master, sync.master_epoch, sync.set_epoch), (Some(2), 7, 9));
    assert_eq!(state.get("bb").unwrap().info.next_broker_id, 4);
}

/// The refusals and queries of the second half of the capture, on the state they were sent to.
#[test]
fn the_captured_requests_are_answered_alike() {
    let mut bench = Bench::new(|_| {});
    for body in &events()[..14] {
        bench.state.apply(0, body);
    }
    bench.give(ControllerIn::Server(ServerIn::Tick));
    for (id, offset) in [(1, 10), (2, 10), (3, 10)] {
        bench.beat(id, offset, true);
    }
    let lines: Vec<(u64, Command)> = ERRORS
        .lines()
        .map(|line| {
            let mut parts = line.split(' ');
            let ms = parts.next().unwrap().parse().unwrap();
            (ms, Command::decode(&unhex(parts.nth(1).unwrap())).unwrap())
        })
        .collect();
    let mut compared = 0;
    for (_, wanted) in lines.iter().filter(|(ms, c)| (726_500..877_000).contains(ms) && c.flag & 1 == 1) {
        let (_, asked) = lines.iter().find(|(_, c)| c.opaque == wanted.opaque && c.flag & 1 == 0).unwrap();
        let opaque = bench.send(99, asked.clone());
        let reply = bench.answer(opaque).expect("an answer");
        assert_eq!(reply.code, wanted.code, "{asked:?}");
        assert_eq!(reply.remark.as_deref(), wanted.remark.as_deref(), "{asked:?}");
        let sorted = |ext: &Option<Ext>| {
            ext.as_ref().map(|ext| {
                let mut pairs: Vec<_> = ext.iter().map(|(k, v)| (k.to_owned(), v.to_string())).collect();
                pairs.sort();
                pairs
            })
        };
        assert_eq!(sorted(&reply.ext), sorted(&wanted.ext), "{asked:?}");
        let body = match reply.body {
            Body::Empty => Bytes::new(),
            Body::One(bytes) => bytes,
            Body::Many(_) => unreachable!("a controller answers in one piece"),
        };
        assert_eq!(body, wanted.body, "{asked:?}");
        compared += 1;
    }
    assert!(compared > 15, "only {compared} answers were compared");
}
