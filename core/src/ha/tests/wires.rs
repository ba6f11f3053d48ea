use bytes::{Bytes, BytesMut};
use quickcheck::quickcheck;

use super::super::epoch::EpochEntry;
use super::super::wire::{self, FrameHead, FromMaster, FromSlave, WireError};
use super::cache;

fn pieces(bytes: &[u8], cuts: &[u8]) -> Vec<Vec<u8>> {
    let (mut out, mut rest) = (Vec::new(), bytes);
    for cut in cuts.iter().cycle().take(bytes.len()) {
        let (now, later) = rest.split_at(usize::from(*cut % 40).min(rest.len()));
        out.push(now.to_vec());
        rest = later;
    }
    out.push(rest.to_vec());
    out
}

quickcheck! {
    fn frames_survive_any_splitting(bodies: Vec<Vec<u8>>, cuts: Vec<u8>) -> bool {
        let (mut stream, mut sent, mut at) = (Vec::new(), Vec::new(), 0u64);
        let answer = cache(&[(1, 0), (4, 99)]);
        stream.extend_from_slice(&FromMaster::encode_answer(77, &answer));
        sent.push(FromMaster::Answer { max: 77, last_epoch: 4, epochs: answer });
        for body in bodies {
            let epoch = EpochEntry { epoch: 3, start: at / 2 };
            let head = FrameHead { offset: Some(at), epoch, confirm: at };
            stream.extend_from_slice(&head.encode(body.len()));
            stream.extend_from_slice(&body);
            at += body.len() as u64;
            sent.push(FromMaster::Frame(head, Bytes::from(body)));
        }
        let (mut buffer, mut got) = (BytesMut::new(), Vec::new());
        for piece in pieces(&stream, &cuts) {
            buffer.extend_from_slice(&piece);
            while let Some(message) = FromMaster::decode(&mut buffer).unwrap() {
                got.push(message);
            }
        }
        got == sent && buffer.is_empty()
    }

    fn classic_frames_survive_any_splitting(bodies: Vec<Vec<u8>>, cuts: Vec<u8>) -> bool {
        let (mut stream, mut sent, mut at) = (Vec::new(), Vec::new(), 5u64);
        for body in bodies {
            stream.extend_from_slice(&wire::classic_head(at, body.len()));
            stream.extend_from_slice(&body);
            let from = at;
            at += body.len() as u64;
            sent.push((from, Bytes::from(body)));
        }
        let (mut buffer, mut got) = (BytesMut::new(), Vec::new());
        for piece in pieces(&stream, &cuts) {
            buffer.extend_from_slice(&piece);
            while let Some(message) = wire::decode_classic(&mut buffer).unwrap() {
                got.push(message);
            }
        }
        got == sent && buffer.is_empty()
    }

    fn nothing_panics(bytes: Vec<u8>) -> bool {
        let mut buffer = BytesMut::from(&bytes[..]);
        while let Ok(Some(_)) = FromMaster::decode(&mut buffer) {}
        let mut buffer = BytesMut::from(&bytes[..]);
        while let Ok(Some(_)) = wire::decode_classic(&mut buffer) {}
        let _ = (FromSlave::decode(&bytes), wire::decode_classic_report(&bytes));
        true
    }

    fn slaves_are_understood(last: bool, learner: bool, id: i64, max: u32) -> bool {
        let hello = FromSlave::Handshake { from_last_file: last, async_learner: learner, id };
        let report = FromSlave::Report(u64::from(max));
        let cut = |message: FromSlave| (0..message.encode().len())
            .all(|len| FromSlave::decode(&message.encode()[..len]) == Ok(None));
        FromSlave::decode(&hello.encode()) == Ok(Some((hello, 16)))
            && FromSlave::decode(&report.encode()) == Ok(Some((report, 12)))
            && cut(hello) && cut(report)
    }
}

#[test]
fn garbage_is_refused_before_it_is_held() {
    assert_eq!(FromSlave::decode(b"GET / HTTP/1.1"), Err(WireError::State(0x4745_5420)));
    assert_eq!(FromMaster::decode(&mut BytesMut::from(&b"GET /"[..])), Err(WireError::State(0x4745_5420)));
    let mut huge = BytesMut::from(&[0, 0, 0, 2, 0x7F, 0xFF, 0xFF, 0xFF][..]);
    assert_eq!(FromMaster::decode(&mut huge), Err(WireError::BodySize(i32::MAX)));
    let mut negative = BytesMut::from(&wire::classic_head(u64::MAX / 2, 3)[..]);
    negative[0] = 0xFF;
    assert!(matches!(wire::decode_classic(&mut negative), Err(WireError::Offset(_))));
    assert!(matches!(wire::decode_classic_report(&[0xFF; 8]), Err(WireError::Offset(-1))));
}
