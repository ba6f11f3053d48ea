use super::*;
use crate::message::batch::{BatchItem, push_item};
use crate::store::{ReadStatus, TagFilter, TagsCode};

fn message<'a>(body: &'a [u8], tag: &str, key: Option<&'a str>) -> NewMessage<'a> {
    NewMessage {
        born_timestamp: 1,
        tags_code: TagsCode::Tags(crate::message::tags::tags_code(Some(tag))),
        uniq_key: key,
        born_host: "10.0.0.1:1".parse().unwrap(),
        store_host: "10.0.0.2:2".parse().unwrap(),
        ..NewMessage::plain("T", 0, body)
    }
}

fn at(wall_ms: i64) -> Now {
    Now { wall_ms, ..Now::default() }
}

fn request(offset: i64, visible_end: u64) -> ReadRequest<'static> {
    ReadRequest { topic: "T", queue_id: 0, offset, max_count: 10, visible_end, filter: TagFilter::All }
}

#[test]
fn appended_messages_are_read_back_as_one_slice() {
    let mut store = MemoryStore::default();
    let first = store.append(at(10), &message(b"one", "A", Some("k"))).unwrap();
    let second = store.append(at(5), &message(b"two", "B", Some("k"))).unwrap();
    assert_eq!((first.queue_offset, second.queue_offset), (0, 1));
    assert_eq!(second.store_timestamp, 10, "store time never runs backwards");
    let all = store.read(&request(0, u64::MAX));
    assert_eq!((all.status, all.next_offset, all.count, all.records.len()), (ReadStatus::Found, 2, 2, 1));
    assert_eq!(record::decode(&all.records[0]).unwrap().body, b"one");
    assert_eq!(store.query_index("T", "k", 10, 0, 20).records.len(), 2);
    assert_eq!(store.record_at(second.offset).map(|r| r.len()), Some(second.size as usize));
    assert_eq!(store.record_at(second.offset + 1), None);
}

#[test]
fn statuses_at_the_edges() {
    let mut store = MemoryStore::default();
    assert_eq!(store.read(&request(3, u64::MAX)).status, ReadStatus::NoMessageInQueue);
    let first = store.append(at(1), &message(b"one", "A", None)).unwrap();
    store.append(at(2), &message(b"two", "A", None)).unwrap();
    for (offset, end, status, next) in [
        (-1, u64::MAX, ReadStatus::OffsetTooSmall, 0),
        (2, u64::MAX, ReadStatus::OffsetOverflowOne, 2),
        (3, u64::MAX, ReadStatus::OffsetOverflowBadly, 2),
        (1, first.end, ReadStatus::OffsetOverflowOne, 1),
        (0, first.end, ReadStatus::Found, 1),
        (0, first.end - 1, ReadStatus::NoMessageInQueue, 0),
    ] {
        let result = store.read(&request(offset, end));
        assert_eq!((result.status, result.next_offset), (status, next), "offset {offset} visible to {end}");
    }
    let codes = [1];
    let none = store.read(&ReadRequest { filter: TagFilter::Codes(&codes), ..request(0, u64::MAX) });
    assert_eq!((none.status, none.next_offset), (ReadStatus::NoMatchedMessage, 2));
}

#[test]
fn time_lookup_takes_the_asked_neighbour() {
    let mut store = MemoryStore::default();
    for time in [10, 20, 20, 30] {
        store.append(at(time), &message(b"x", "A", None)).unwrap();
    }
    for (time, lower, upper) in
        [(5, 0, 0), (10, 0, 0), (15, 1, 0), (20, 1, 2), (25, 3, 2), (30, 3, 3), (31, 4, 3)]
    {
        assert_eq!(store.offset_by_time("T", 0, time, Boundary::Lower), lower, "lower {time}");
        assert_eq!(store.offset_by_time("T", 0, time, Boundary::Upper), upper, "upper {time}");
    }
    assert_eq!(store.offset_by_time("other", 0, 5, Boundary::Lower), 0);
}

#[test]
fn a_batch_is_stored_whole_or_not_at_all() {
    let mut store = MemoryStore::default();
    let mut body = Vec::new();
    push_item(&mut body, &BatchItem { flag: 1, body: b"a", properties: b"TAGS\x01x\x02UNIQ_KEY\x01u1" });
    push_item(&mut body, &BatchItem { flag: 2, body: b"b", properties: b"UNIQ_KEY\x01u2\x02" });
    let mut offsets = Vec::new();
    let header: [&[u8]; 1] = [b"CLUSTER\x01c\x02"];
    let batch = NewMessage { properties: &header, ..message(&body, "", None) };
    let done = store.append_batch(at(1), &batch, &mut offsets).unwrap();
    assert_eq!((offsets.len(), done.queue_offset, done.end), (2, 0, store.log_bounds().max));
    let second = store.record_at(offsets[1]).unwrap();
    let second = record::decode(&second).unwrap();
    assert_eq!((second.queue_offset, second.flag, second.property("CLUSTER")), (1, 2, Some("c")));
    assert_eq!(store.query_index("T", "u1", 1, 0, 9).records.len(), 1);

    let cut = NewMessage { body: &body[..body.len() - 1], ..batch };
    assert_eq!(store.append_batch(at(2), &cut, &mut offsets), Err(AppendError::MessageIllegal));
    assert_eq!((offsets.len(), store.log_bounds().max), (2, done.end));
}

#[test]
fn half_messages_take_no_queue_offset() {
    let mut store = MemoryStore::default();
    let half = NewMessage { sys_flag: sysflag::TRANSACTION_PREPARED, ..message(b"x", "A", Some("h")) };
    assert_eq!(store.append(at(1), &half).unwrap().queue_offset, 0);
    assert_eq!(store.queue_bounds("T", 0, u64::MAX), None);
    assert_eq!(store.query_index("T", "h", 9, 0, 9).records.len(), 1);
    store.close(at(2));
    assert_eq!(store.append(at(3), &half), Err(AppendError::NotWritable));
}
