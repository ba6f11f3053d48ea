//! Frames and records, to and from bytes: `cargo bench -p sansmq-tests --bench codec`.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use sansmq_core::message::encode::{Placement, encode};
use sansmq_core::message::record;
use sansmq_core::store::NewMessage;
use sansmq_core::wire::code::request;
use sansmq_core::wire::headers::message::SendMessageV2;
use sansmq_core::wire::{Command, Encoding, Ext, encode as frames, frame};

const BODY: usize = 128;
const HEADERS: [(&str, Encoding); 2] = [("json", Encoding::Json), ("binary", Encoding::RocketMq)];

/// What a producer sends.
fn send() -> Command {
    let properties = "UNIQ_KEY\u{1}7F0000010001\u{2}WAIT\u{1}true\u{2}TAGS\u{1}TagA\u{2}";
    let fields = [("a", "producers"), ("b", "Bench"), ("c", "TBW102"), ("d", "4"), ("e", "2"), ("f", "0")];
    let more = [("g", "1700000000000"), ("h", "0"), ("i", properties), ("j", "0"), ("k", "false")];
    let ext = fields.iter().chain(&more).fold(Ext::new(), |ext, (key, value)| ext.with(*key, *value));
    Command {
        opaque: 7,
        body: Bytes::from(vec![b'x'; BODY]),
        ..Command::request(request::SEND_MESSAGE_V2, ext.with("m", "false"))
    }
}

/// What it is answered.
fn sent() -> Command {
    let ext = Ext::new()
        .with("msgId", "0A00000100002A9F0000000000001234")
        .with("queueId", 2)
        .with("queueOffset", 123_456)
        .with("transactionId", "7F0000010001");
    Command { opaque: 7, flag: 1, ext: Some(ext), ..Command::default() }
}

fn frame_codec(c: &mut Criterion) {
    let mut group = c.benchmark_group("frame");
    group.throughput(Throughput::Elements(1));
    for (name, encoding) in HEADERS {
        let bytes = send().encode(encoding).to_vec();
        let mut head = frame::Head::default();
        group.bench_function(format!("decode a send/{name}"), |b| {
            // escapes are resolved in place, so each frame is decoded once
            let decode = |bytes: &mut Vec<u8>| {
                let frame = frame::decode(bytes, &mut head).expect("a whole frame");
                black_box(SendMessageV2::parse_strict(&frame).expect("all fields"));
            };
            b.iter_batched_ref(|| bytes.clone(), decode, BatchSize::SmallInput);
        });
        let (answer, mut out) = (sent(), BytesMut::with_capacity(1 << 16));
        group.bench_function(format!("encode an answer/{name}"), |b| {
            b.iter(|| {
                out.clear();
                frames::head(black_box(&answer), encoding, 0, &mut out);
            });
        });
    }
    group.finish();
}

fn record_codec(c: &mut Criterion) {
    let mut group = c.benchmark_group("record");
    for len in [128, 1024, 65_536] {
        let body = vec![b'x'; len];
        let properties: [&[u8]; 1] = [b"UNIQ_KEY\x017F0000010001\x02WAIT\x01true\x02TAGS\x01TagA\x02"];
        let message = NewMessage { properties: &properties, ..NewMessage::plain("Bench", 2, &body) };
        let place = Placement { queue_offset: 5, physical_offset: 4096, store_timestamp: 1_700_000_000_000 };
        let mut out = vec![0; len + 512];
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(format!("encode/{len}"), |b| {
            b.iter(|| encode(black_box(&message), &place, false, &mut out).expect("room"));
        });
        let size = encode(&message, &place, false, &mut out).expect("room");
        group.bench_function(format!("decode and check/{len}"), |b| {
            b.iter(|| record::decode(black_box(&out[..size])).expect("a record").body_is_intact());
        });
    }
    group.finish();
}

criterion_group!(benches, frame_codec, record_codec);
criterion_main!(benches);
