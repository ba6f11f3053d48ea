use super::*;
use crate::message::record::{Head, MAGIC_V2, RecordError, decode, peek, store_timestamp};
use crate::store::TagsCode;

fn message<'a>(topic: &'a str, body: &'a [u8], properties: &'a [&'a [u8]]) -> NewMessage<'a> {
    NewMessage {
        topic,
        queue_id: 3,
        flag: -7,
        sys_flag: 0x301,
        born_timestamp: 1_700_000_000_123,
        born_host: "10.0.0.9:50123".parse().unwrap(),
        store_host: "127.0.0.1:10911".parse().unwrap(),
        reconsume_times: 2,
        prepared_transaction_offset: 99,
        body,
        properties,
        tags_code: TagsCode::Tags(0),
        uniq_key: None,
        keys: None,
    }
}

const PLACE: Placement =
    Placement { queue_offset: 41, physical_offset: 4096, store_timestamp: 1_700_000_001_000 };

fn encoded(message: &NewMessage<'_>) -> Vec<u8> {
    let mut buf = vec![0xEE; encoded_len(message, true).unwrap() + 3];
    let len = encode(message, &PLACE, true, &mut buf).unwrap();
    assert_eq!(buf[len..], [0xEE; 3], "nothing behind the record is touched");
    buf.truncate(len);
    buf
}

#[test]
fn empty_record_has_the_documented_length() {
    let m = message("T", b"", &[]);
    assert_eq!(encoded_len(&m, true), Ok(92));
    let long = "t".repeat(128);
    assert_eq!(encoded_len(&message(&long, b"", &[]), true), Ok(92 + 128));
    assert_eq!(encoded(&message(&long, b"", &[]))[4..8], MAGIC_V2.to_be_bytes());
}

#[test]
fn hosts_decide_the_address_bits() {
    let mut m = message("T", b"body", &[b"A\x01b\x02"]);
    m.sys_flag |= sysflag::STORE_HOST_V6; // wrong on purpose
    m.born_host = "[::1]:1".parse().unwrap();
    let buf = encoded(&m);
    let r = decode(&buf).unwrap();
    assert_eq!(r.sys_flag & 0x30, sysflag::BORN_HOST_V6);
    assert_eq!((r.born_host, r.store_host), (m.born_host, m.store_host));
    assert_eq!(store_timestamp(&buf), Some(PLACE.store_timestamp));
    assert!(r.body_is_intact());
}

#[test]
fn limits() {
    let long = "t".repeat(128);
    assert_eq!(encoded_len(&message(&long, b"x", &[]), false), Err(AppendError::MessageIllegal));
    assert_eq!(encoded_len(&message(&"t".repeat(256), b"x", &[]), true), Err(AppendError::MessageIllegal));
    assert_eq!(encoded_len(&message("", b"x", &[]), true), Err(AppendError::MessageIllegal));
    let props = vec![b'a'; 32_768];
    assert_eq!(encoded_len(&message("T", b"x", &[&props]), true), Err(AppendError::PropertiesTooLong));
    assert!(encoded_len(&message("T", b"x", &[&props[1..]]), true).is_ok());
    assert_eq!(
        encode(&message("T", b"x", &[]), &PLACE, true, &mut [0; 92]),
        Err(AppendError::MessageIllegal)
    );
}

#[test]
fn filler_and_zeros_are_not_records() {
    assert_eq!(peek(&blank(500)), Ok(Head::Blank { size: 500 }));
    assert!(matches!(decode(&blank(500)), Err(RecordError::BadMagic(_))));
    assert_eq!(decode(&[0; 200]), Err(RecordError::BadMagic(0)));
    let mut buf = encoded(&message("T", b"body", &[]));
    buf[3] += 1;
    buf.push(0);
    assert!(matches!(decode(&buf), Err(RecordError::SizeMismatch { .. })));
}

#[test]
fn every_cut_is_refused() {
    let buf = encoded(&message("Topic", b"some body", &[b"TAGS\x01x\x02"]));
    for cut in 0..buf.len() {
        assert!(decode(&buf[..cut]).is_err(), "cut at {cut}");
    }
}

quickcheck::quickcheck! {
    fn decode_undoes_encode(
        topic_len: u8, body: Vec<u8>, props: Vec<u8>, numbers: (i32, i32, i32, i64), hosts: (u8, u16)
    ) -> bool {
        let topic = "t".repeat(usize::from(topic_len).max(1));
        let parts: Vec<&[u8]> = props.chunks(5).collect();
        let mut m = message(&topic, &body, &parts);
        (m.queue_id, m.flag, m.reconsume_times, m.born_timestamp) = numbers;
        m.sys_flag = numbers.1;
        if hosts.0 & 1 != 0 { m.born_host = SocketAddr::new("2001:db8::1".parse().unwrap(), hosts.1); }
        if hosts.0 & 2 != 0 { m.store_host = SocketAddr::new("::1".parse().unwrap(), hosts.1); }
        let buf = encoded(&m);
        let r = decode(&buf).unwrap();
        r.total_size == buf.len()
            && r.topic == topic.as_bytes()
            && r.body == body
            && r.properties == props
            && (r.queue_id, r.flag, r.reconsume_times, r.born_timestamp) == numbers
            && r.sys_flag & !0x30 == numbers.1 & !0x30
            && (r.born_host, r.store_host) == (m.born_host, m.store_host)
            && (r.queue_offset, r.physical_offset) == (41, 4096)
            && r.prepared_transaction_offset == 99
            && r.body_is_intact()
    }

    fn decode_never_panics(bytes: Vec<u8>, v2: bool) -> bool {
        let _ = decode(&bytes);
        // the same bytes behind a plausible head, so that the fields are reached
        let mut framed = u32::try_from(bytes.len() + 8).unwrap().to_be_bytes().to_vec();
        framed.extend_from_slice(&if v2 { MAGIC_V2 } else { crate::message::record::MAGIC_V1 }.to_be_bytes());
        framed.extend_from_slice(&bytes);
        let _ = (decode(&framed), store_timestamp(&framed));
        true
    }

    fn damaged_records_never_panic(at: usize, value: u8) -> bool {
        let mut buf = encoded(&message("Topic", b"some body", &[b"TAGS\x01x\x02"]));
        let at = at % buf.len();
        buf[at] = value;
        let _ = decode(&buf);
        true
    }
}
