use super::*;

#[test]
fn an_entry_of_the_reference() {
    // the third entry of slot 1795312442 in a log of the Java store
    let entry = TimerEntry {
        prev: 260,
        magic: 1,
        write_time: 1_795_311_841_000,
        delay: 601_000,
        offset: 2_898,
        size: 485,
        topic_hash: 1_148_717_942,
    };
    let bytes = entry.encode();
    assert_eq!((bytes.len(), Item::decode(&bytes)), (ENTRY_LEN, Item::Entry(entry)));
    assert_eq!(entry.slot_time(), 1_795_312_442_000);
    let filler = blank(20);
    assert_eq!(filler[..4], [0, 0, 0, 20]);
    assert_eq!(filler[12..], [0xCB, 0xD4, 0x31, 0x94]);
    assert_eq!(Item::decode(&filler), Item::Blank);
    assert_eq!(Item::decode(&[0; 52]), Item::Nothing);
    assert_eq!(Item::decode(&bytes[..51]), Item::Nothing);
}

#[test]
fn a_slot_of_the_reference() {
    let slot = Slot { time: 1_795_312_442_000, first: 208, last: 312, num: 3 };
    assert_eq!(Slot::position(slot.time, 1_000), 266_042 * 32);
    let bytes = slot.encode(1_000);
    assert_eq!(Slot::decode(&bytes, slot.time, 1_000), Some(slot));
    assert_eq!(Slot::decode(&bytes, slot.time + 1_209_600_000, 1_000), None, "one turn of the wheel later");
    assert_eq!(WHEEL_LEN, 38_707_200);
}

#[test]
fn routes_of_the_reference() {
    let window = Window { precision_ms: 1_000, slots: 172_800 };
    let now = 1_795_311_841_906;
    let route = |out: i64| window.route(now, out * 1_000, 0);
    let slot = |time: i64, rolled| Route::Slot { time: time * 1_000, rolled };
    assert_eq!(route(1_795_483_841), slot(1_795_483_841, false));
    assert_eq!(route(1_795_484_641), slot(1_795_398_241, true), "the window exactly");
    assert_eq!(route(1_795_511_841), slot(1_795_398_241, true), "less than a third above");
    assert_eq!(route(1_795_561_841), slot(1_795_484_641, true));
    assert_eq!(route(1_795_311_840), Route::Due);
    assert_eq!(route(1_795_311_841), slot(1_795_311_841, false));
    let later = 1_795_400_000_000;
    assert_eq!(window.route(now, 1_795_311_900_000, later), Route::Slot { time: later, rolled: false });
}

#[test]
fn checkpoints_and_handles_of_the_reference() {
    let bytes: Vec<u8> = [1_795_309_325_608i64, 52, 1, 1, 0, 1_795_309_326_017, 140]
        .iter()
        .flat_map(|field| field.to_be_bytes())
        .collect();
    let point = TimerCheckpoint::decode(&bytes).unwrap();
    assert_eq!((point.flushed, point.queue_offset, point.version.counter), (52, 1, 140));
    assert_eq!((point.encode(), point.to_file().len()), (bytes, 4_096));
    assert_eq!(TimerCheckpoint::decode(&[0; 4_096]), None);

    let handle = RecallHandle {
        topic: "TR".into(),
        broker: "broker-a".into(),
        time: 1_795_309_392_001,
        key: "7F".into(),
    };
    assert_eq!(handle.encode(), "djEgVFIgYnJva2VyLWEgMTc5NTMwOTM5MjAwMSA3Rg==");
    assert_eq!(RecallHandle::decode(&handle.encode()), Some(handle));
    for bad in ["", "x", "djEgVFI=", "!!!!", "djIgVFIgYnJva2VyLWEgMTc5NTMwOTM5MjAwMSA3Rg=="] {
        assert_eq!(RecallHandle::decode(bad), None, "{bad}");
    }
}

quickcheck::quickcheck! {
    fn no_slot_is_over_before_the_time_asked_for(deliver: u32, precision: u8) -> bool {
        let (deliver, precision) = (i64::from(deliver) + 10_000, i64::from(precision) + 1);
        let out = out_time(deliver, precision);
        out % precision == 0 && out + precision >= deliver && out < deliver
    }

    fn routes_are_ahead_and_never_behind_the_time(now: u32, ahead: u32, floor: u32, slots: u16) -> bool {
        let window = Window { precision_ms: 1_000, slots: i64::from(slots) + 2 };
        let (now, floor) = (i64::from(now), tick(i64::from(floor), 1_000));
        let out = tick(now + i64::from(ahead), 1_000);
        match window.route(now, out, floor) {
            Route::Due => out + 1_000 <= now,
            Route::Slot { time, rolled: false } => time == out.max(floor),
            Route::Slot { time, rolled: true } => time < out.max(floor + 1) && time > tick(now, 1_000) && time >= floor,
        }
    }

    fn rolling_comes_to_an_end(ahead: u32, slots: u16) -> bool {
        let window = Window { precision_ms: 1_000, slots: i64::from(slots) + 2 };
        let (mut now, out) = (5_000, tick(5_000 + i64::from(ahead), 1_000));
        for _ in 0..10_000_000 {
            match window.route(now, out, 0) {
                Route::Slot { time, rolled: true } => now = time + 1_000,
                _ => return true,
            }
        }
        false
    }

    fn entries_and_handles_read_back(prev: i64, offset: i64, delay: i32, text: String) -> bool {
        let entry = TimerEntry {
            prev, magic: 7, write_time: offset, delay, offset, size: delay, topic_hash: delay,
        };
        let key: String = text.chars().filter(|c| *c != ' ').collect();
        let handle = RecallHandle { topic: "T".into(), broker: "b".into(), time: offset, key };
        Item::decode(&entry.encode()) == Item::Entry(entry)
            && (handle.key.is_empty() || RecallHandle::decode(&handle.encode()) == Some(handle))
    }

    fn decoding_never_panics(bytes: Vec<u8>, text: String) -> bool {
        let _ = (Item::decode(&bytes), TimerCheckpoint::decode(&bytes), RecallHandle::decode(&text));
        true
    }
}
